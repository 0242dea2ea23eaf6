//! Changes of low rank to a model's matrices, as a fine-tuning left them.

use std::path::{Path, PathBuf};

use plimsoll_plan::model::TensorType;
use plimsoll_plan::read::safetensors::{Contents, Placed};
use plimsoll_tensor::packed::{Decode, PackedView, Packing};
use plimsoll_tensor::wide::widest;
use serde_json::Value;

use super::shape::Shape;
use crate::ModelError;
use crate::tune::{Projection, from_peft};

const FILE: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";
/// The longest configuration.
const CONFIG_MAX: u64 = 1 << 20;
/// No rank comes near; what is larger is damage.
const RANK_MAX: u64 = 1 << 14;

/// An adapter, read for one model.
///
/// # What it is not
/// It is not merged into the model, whose weights may be quantized: a product with a changed matrix is followed by two thin
/// ones. Changes to the embedding, norms and biases are refused.
///
/// # Formula
/// `y = W·x + scale · (B · (A·x))`, in singles; `scale` is `lora_alpha / r`, which `B` is multiplied by when it is read.
pub struct Adapter {
    layers: Vec<[Option<Thin>; 7]>,
    digest: [u8; 32],
    bytes: u64,
}

/// The two factors of one change, as bytes of singles.
#[derive(Debug)]
pub(crate) struct Thin {
    pub(crate) rank: usize,
    rows: usize,
    columns: usize,
    down: Vec<u8>,
    up: Vec<u8>,
}

impl Thin {
    /// What inputs are multiplied by first: `rank` rows.
    pub(crate) fn down(&self) -> PackedView<'_> {
        view(self.rank, self.columns, &self.down)
    }

    /// And then.
    pub(crate) fn up(&self) -> PackedView<'_> {
        view(self.rows, self.rank, &self.up)
    }
}

fn view(rows: usize, columns: usize, bytes: &[u8]) -> PackedView<'_> {
    match PackedView::new(Packing::F32, rows, columns, bytes) {
        Ok(view) => view,
        Err(error) => unreachable!("factors that were checked when they were read: {error}"),
    }
}

impl Adapter {
    /// Reads one for a model of this shape: the folder that has `adapter_model.safetensors` and `adapter_config.json` as PEFT
    /// writes them, or a folder of `plimsoll train`, of which the newest step is taken.
    pub fn open(folder: impl AsRef<Path>, shape: &Shape) -> Result<Self, ModelError> {
        let folder = newest(folder.as_ref());
        let config = Config::read(&folder.join(CONFIG))?;
        let path = folder.join(FILE);
        let contents = Contents::open(&path)?;
        if contents.missing_bytes() > 0 {
            return Err(ModelError::CutShort { path, missing: contents.missing_bytes() });
        }
        let file =
            std::fs::read(&path).map_err(|source| ModelError::Config { path: path.clone(), source })?;
        let mut reader =
            Reader { contents: &contents, file: &file, path: &path, scale: config.scale, used: 0 };
        let mut layers = Vec::with_capacity(shape.layers);
        for layer in 0..shape.layers {
            let mut changes = [const { None }; 7];
            for projection in Projection::ALL {
                changes[projection as usize] = reader.change(layer, projection, shape)?;
            }
            layers.push(changes);
        }
        if reader.used != contents.tensors().len() {
            let known = |name: &str| {
                layers.iter().enumerate().any(|(layer, changes)| {
                    Projection::ALL.iter().any(|one| {
                        changes[*one as usize].is_some()
                            && ["A", "B"].iter().any(|half| one.factor(layer, half) == name)
                    })
                })
            };
            let odd = contents.tensors().iter().find(|placed| !known(&placed.tensor.name));
            let name = odd.map_or("a tensor", |placed| placed.tensor.name.as_str());
            return Err(reader.wrong(format!("{name:?} is no change to a matrix of this model's layers")));
        }
        if reader.used == 0 {
            return Err(reader.wrong("it changes nothing".to_owned()));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&file);
        hasher.update(&config.scale.to_le_bytes());
        let thins = layers.iter().flatten().flatten();
        let bytes = thins.map(|thin| (thin.down.len() + thin.up.len()) as u64).sum();
        Ok(Self { layers, digest: *hasher.finalize().as_bytes(), bytes })
    }

    /// Bytes that it takes in memory.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A hash over it: what a model computes with it is another model's.
    pub(crate) const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The change of a matrix, if it has one.
    pub(crate) fn of(&self, layer: usize, projection: Projection) -> Option<&Thin> {
        self.layers.get(layer)?[projection as usize].as_ref()
    }

    /// The widest rank, for what steps work with.
    pub(crate) fn rank(&self) -> usize {
        self.layers.iter().flatten().flatten().map(|thin| thin.rank).max().unwrap_or(0)
    }
}

impl std::fmt::Debug for Adapter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Adapter")
            .field("rank", &self.rank())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// The newest step of a folder that has several, or the folder itself.
fn newest(folder: &Path) -> PathBuf {
    if folder.join(FILE).exists() {
        return folder.to_owned();
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let whole = entries.map(|entry| entry.path()).filter(|path| {
        let name =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix("step-"));
        name.is_some_and(|step| step.bytes().all(|digit| digit.is_ascii_digit())) && path.join(FILE).exists()
    });
    // Steps are written with as many digits each.
    whole.max().unwrap_or_else(|| folder.to_owned())
}

/// What an adapter says of itself.
struct Config {
    scale: f32,
}

impl Config {
    fn read(path: &Path) -> Result<Self, ModelError> {
        let failed = |source| ModelError::Config { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(failed)?.len() > CONFIG_MAX {
            return Err(failed(std::io::Error::other("it is longer than any configuration")));
        }
        let text = std::fs::read(path).map_err(failed)?;
        let value: Value = serde_json::from_slice(&text).map_err(|error| failed(error.into()))?;
        let feature = |what: String| ModelError::Feature { path: path.to_owned(), what };
        let kind = value.get("peft_type").and_then(Value::as_str).unwrap_or("LORA");
        if kind != "LORA" {
            return Err(feature(format!("changes of the kind {kind:?}")));
        }
        let set = |key: &str| {
            let found = value.get(key)?;
            let none = match found {
                Value::Null | Value::Bool(false) => true,
                Value::String(text) => text == "none",
                Value::Array(list) => list.is_empty(),
                Value::Object(map) => map.is_empty(),
                _ => false,
            };
            (!none).then(|| format!("{key} = {found}"))
        };
        let odd = [
            "use_dora",
            "fan_in_fan_out",
            "bias",
            "modules_to_save",
            "rank_pattern",
            "alpha_pattern",
            "lora_bias",
        ];
        if let Some(what) = odd.into_iter().find_map(set) {
            return Err(feature(what));
        }
        let number = |key: &'static str| {
            let found =
                value.get(key).and_then(Value::as_f64).filter(|number| number.is_finite() && *number > 0.0);
            found.ok_or_else(|| ModelError::Key {
                path: path.to_owned(),
                key,
                found: value.get(key).map_or("missing".to_owned(), Value::to_string),
                wanted: "a number above zero",
            })
        };
        let (rank, alpha) = (number("r")?, number("lora_alpha")?);
        let by =
            if value.get("use_rslora").and_then(Value::as_bool) == Some(true) { rank.sqrt() } else { rank };
        #[expect(clippy::cast_possible_truncation, reason = "a quotient of small numbers")]
        let scale = (alpha / by) as f32;
        Ok(Self { scale })
    }
}

struct Reader<'c> {
    contents: &'c Contents,
    file: &'c [u8],
    path: &'c Path,
    scale: f32,
    /// How many tensors were of use.
    used: usize,
}

impl Reader<'_> {
    fn wrong(&self, what: String) -> ModelError {
        ModelError::Adapter { path: self.path.to_owned(), what }
    }

    /// The change of a matrix, if there is one.
    fn change(
        &mut self,
        layer: usize,
        projection: Projection,
        shape: &Shape,
    ) -> Result<Option<Thin>, ModelError> {
        let names = ["A", "B"].map(|half| projection.factor(layer, half));
        let [rows, columns] = projection.sides(shape);
        let (down, up) = match names.each_ref().map(|name| self.contents.tensor(name)) {
            [None, None] => return Ok(None),
            [Some(down), Some(up)] => (down, up),
            _ => return Err(self.wrong(format!("one of {:?} and {:?} is missing", names[0], names[1]))),
        };
        let rank = down.tensor.shape.get(1).copied().filter(|rank| (1..=RANK_MAX).contains(rank));
        let rank = rank.and_then(|rank| usize::try_from(rank).ok());
        let rank = rank.ok_or_else(|| self.wrong(format!("{:?} has no rank", names[0])))?;
        let (down, up) = (self.numbers(down, [columns, rank])?, self.numbers(up, [rank, rows])?);
        let up: Vec<f32> =
            from_peft(shape, &names[1], up).into_iter().map(|number| number * self.scale).collect();
        self.used += 2;
        let bytes = |numbers: Vec<f32>| numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Ok(Some(Thin { rank, rows, columns, down: bytes(down), up: bytes(up) }))
    }

    /// A factor as singles; `sides` has the fastest first.
    fn numbers(&self, placed: &Placed, sides: [usize; 2]) -> Result<Vec<f32>, ModelError> {
        let name = &placed.tensor.name;
        let wanted = sides.map(|side| side as u64);
        if placed.tensor.shape != wanted {
            let found = placed.tensor.shape.clone();
            return Err(self.wrong(format!(
                "{name:?} has the sides {found:?}, and the model's matrix wants {wanted:?}"
            )));
        }
        let packing = match placed.tensor.kind {
            TensorType::F32 => Packing::F32,
            TensorType::F16 => Packing::F16,
            TensorType::BF16 => Packing::Bf16,
            other => {
                return Err(
                    self.wrong(format!("{name:?} is of type {other}, and f32, f16 and bf16 are read"))
                );
            }
        };
        let range = usize::try_from(placed.bytes.start).ok().zip(usize::try_from(placed.bytes.end).ok());
        let bytes = range.and_then(|(start, end)| self.file.get(start..end));
        let bytes = bytes.ok_or_else(|| self.wrong(format!("{name:?} lies beyond its end")))?;
        let mut numbers = vec![0.0; sides[0] * sides[1]];
        widest(Decode { packing, bytes, into: &mut numbers });
        if let Some(odd) = numbers.iter().find(|number| !number.is_finite()) {
            return Err(self.wrong(format!("{name:?} has the number {odd}")));
        }
        Ok(numbers)
    }
}
