//! What was learned, kept so that nothing but the last interval is lost whenever the process ends.
//!
//! A folder has one folder for each step that was kept, `step-00000040`, with the adapter as PEFT reads it, its
//! configuration, and what learning goes on from. It is written under another name and renamed when all of it is on the
//! disk, so that what is there is whole; the newest two stay.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use plimsoll_tensor::{LeafId, Tensor};
use serde_json::json;

use super::changes::Projection;
use super::error::TuneError;
use super::file::{self, Kept};
use super::tuner::Tuner;
use crate::weights::{Pairs, Shape};

const ADAPTER: &str = "adapter_model.safetensors";
const CONFIG: &str = "adapter_config.json";
const STATE: &str = "state.safetensors";
const BEGINNING: &str = "step-";
const SCALE: &str = "scale";
const GOOD: &str = "good_steps";
const UNFINISHED: &str = ".unfinished";
/// How many steps stay.
const STAY: usize = 2;

/// A folder in which a fine-tuning is kept.
#[derive(Clone, Debug)]
pub struct Keep {
    folder: PathBuf,
    /// What must be the same for learning to go on: the model, the data, what was asked for.
    identity: String,
    model: String,
}

impl Keep {
    /// One in this folder, which is made if need be. `model` is what the configuration calls the model; `identity` tells one
    /// fine-tuning from another.
    pub fn new(folder: &Path, model: &str, identity: &str) -> Result<Self, TuneError> {
        fs::create_dir_all(folder).map_err(TuneError::file(folder))?;
        Ok(Self { folder: folder.to_owned(), identity: identity.to_owned(), model: model.to_owned() })
    }

    /// The steps that were kept, oldest first.
    pub fn steps(&self) -> Result<Vec<u32>, TuneError> {
        let mut steps: Vec<u32> = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(TuneError::file(&self.folder))? {
            let entry = entry.map_err(TuneError::file(&self.folder))?;
            let name = entry.file_name();
            let step = name
                .to_str()
                .and_then(|name| name.strip_prefix(BEGINNING))
                .and_then(|step| step.parse::<u32>().ok());
            steps.extend(step.filter(|_| entry.path().is_dir()));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// Where a step is kept.
    pub fn path(&self, step: u32) -> PathBuf {
        self.folder.join(format!("{BEGINNING}{step:08}"))
    }

    /// Keeps what a tuner or a team has learned, and takes away all but the newest two. Where the optimizer's states are
    /// divided, those of all members are kept as one's would be.
    pub fn save(&self, learned: &impl AsRef<[Tuner]>) -> Result<PathBuf, TuneError> {
        let all = learned.as_ref();
        let step = all.first().map_or(0, |first| first.adam().steps());
        let (path, fresh) = (self.path(step), self.folder.join(format!("{BEGINNING}{step:08}{UNFINISHED}")));
        let _ = fs::remove_dir_all(&fresh);
        fs::create_dir(&fresh).map_err(TuneError::file(&fresh))?;
        let written = self.write(all, step, &fresh).and_then(|()| {
            sync(&fresh)?;
            if path.exists() {
                fs::remove_dir_all(&path).map_err(TuneError::file(&path))?;
            }
            fs::rename(&fresh, &path).map_err(TuneError::file(&path))?;
            sync(&self.folder)
        });
        if let Err(error) = written {
            // A full disk stays as full as it was.
            let _ = fs::remove_dir_all(&fresh);
            return Err(error);
        }
        let steps = self.steps()?;
        for old in &steps[..steps.len().saturating_sub(STAY)] {
            let _ = fs::remove_dir_all(self.path(*old));
        }
        Ok(path)
    }

    fn write(&self, all: &[Tuner], step: u32, folder: &Path) -> Result<(), TuneError> {
        let nobody =
            || TuneError::Settings { what: "there is nobody whose learning could be kept".to_owned() };
        let tuner = all.first().ok_or_else(nobody)?;
        let shape = tuner.frozen().shape();
        let leaves: Vec<(LeafId, String, &Tensor)> =
            tuner.changes().leaves.all().map(|(id, name, value)| (id, name.to_owned(), value)).collect();
        let tensors: Vec<_> =
            leaves.iter().map(|(_, name, value)| (name.clone(), value.dims(), *value)).collect();
        let facts = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
        file::write(&folder.join(ADAPTER), &facts, &tensors, |name, value| {
            Ok(to_peft(shape, name, value.to_vec()?))
        })?;
        let config = folder.join(CONFIG);
        fs::write(&config, self.config(tuner)).map_err(TuneError::file(&config))?;
        let mut states = Vec::new();
        for (id, name, _) in &leaves {
            let has = all.iter().find(|tuner| tuner.adam().has(*id)).ok_or_else(|| TuneError::Settings {
                what: format!("the optimizer's states of {name} are another member's; keep the whole team"),
            })?;
            let dims = tuner.changes().leaves.value(*id).dims();
            states.push((format!("{name}.mean"), dims.clone(), (has, *id, 0)));
            states.push((format!("{name}.square"), dims, (has, *id, 1)));
        }
        let facts = BTreeMap::from([
            ("step".to_owned(), step.to_string()),
            ("identity".to_owned(), self.identity.clone()),
            (SCALE.to_owned(), tuner.scale().scale().to_string()),
            (GOOD.to_owned(), tuner.scale().good().to_string()),
        ]);
        // A leaf's squares follow its means: both are read at once.
        let mut squares = Vec::new();
        file::write(&folder.join(STATE), &facts, &states, |_, (has, id, which)| {
            if *which == 1 {
                return Ok(std::mem::take(&mut squares));
            }
            let [means, follow] = has.adam().states(*id)?;
            squares = follow;
            Ok(means)
        })
    }

    /// The adapter's description, in PEFT's words.
    fn config(&self, tuner: &Tuner) -> String {
        let settings = tuner.settings();
        let targets: Vec<&str> = settings.targets.iter().map(|target| target.name()).collect();
        let config = json!({
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": self.model,
            "r": settings.rank,
            "lora_alpha": settings.alpha,
            "lora_dropout": 0.0,
            "target_modules": targets,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
        });
        format!("{config:#}\n")
    }

    /// Goes on from the newest step that was kept: which it was, or 0 if none was.
    pub fn resume(&self, tuner: &mut Tuner) -> Result<u32, TuneError> {
        let Some(step) = self.steps()?.last().copied() else { return Ok(0) };
        let path = self.path(step);
        let mut state = Kept::open(&path.join(STATE))?;
        let wrong = |what: &str| TuneError::Kept { path: path.clone(), what: what.to_owned() };
        if state.fact("identity") != Some(&self.identity) {
            return Err(wrong(
                "it is of another model, other data or other settings; give the same, or another folder",
            ));
        }
        if state.fact("step") != Some(&step.to_string()) {
            return Err(wrong("its step is not that of its folder; take the one before, or begin anew"));
        }
        let mut adapter = Kept::open(&path.join(ADAPTER))?;
        let shape = tuner.frozen().shape().clone();
        let on = tuner.stage().clone();
        let number = |name: &str| state.fact(name).and_then(|number| number.parse::<f32>().ok());
        let scales = number(SCALE).zip(state.fact(GOOD).and_then(|good| good.parse().ok()));
        let (changes, adam, scale) = tuner.state_mut();
        let known: Vec<(LeafId, String, Vec<usize>)> =
            changes.leaves.all().map(|(id, name, value)| (id, name.to_owned(), value.dims())).collect();
        let mut kept = |name: &str, dims: &[usize]| -> Result<[Vec<f32>; 2], TuneError> {
            Ok([
                state.numbers(&format!("{name}.mean"), dims)?,
                state.numbers(&format!("{name}.square"), dims)?,
            ])
        };
        // All of it is read before anything is taken: what is damaged changes nothing. States are read twice, so that those
        // of one leaf at a time are on the heap.
        let mut values = Vec::new();
        for (_, name, dims) in &known {
            let value = from_peft(&shape, name, adapter.numbers(name, dims)?);
            values.push(on.floats(&value, dims)?);
            kept(name, dims)?;
        }
        adam.resume(step, &changes.leaves, |id| {
            let (_, name, dims) = &known[id.index()];
            kept(name, dims)
        })?;
        for ((id, ..), value) in known.into_iter().zip(values) {
            *changes.leaves.value_mut(id) = value;
        }
        if let Some((size, good)) = scales {
            *scale = scale.resumed(size, good);
        }
        Ok(step)
    }
}

/// Makes sure that a folder's entries are on the disk.
fn sync(folder: &Path) -> Result<(), TuneError> {
    let opened = fs::File::open(folder).map_err(TuneError::file(folder))?;
    opened.sync_all().map_err(TuneError::file(folder))
}

/// How heads' rows stand in a GGUF file of this family and in the model that PEFT knows: the two numbers of a pair are
/// neighbours in one, and half a head apart in the other.
fn to_peft(shape: &Shape, name: &str, numbers: Vec<f32>) -> Vec<f32> {
    turned(shape, name, numbers, |pairs, row| (row % 2) * pairs + row / 2)
}

pub(crate) fn from_peft(shape: &Shape, name: &str, numbers: Vec<f32>) -> Vec<f32> {
    turned(shape, name, numbers, |pairs, row| (row % pairs) * 2 + row / pairs)
}

/// Rows of the upper factors of queries and keys in another order within each head: `to` says where one goes.
fn turned(shape: &Shape, name: &str, numbers: Vec<f32>, to: impl Fn(usize, usize) -> usize) -> Vec<f32> {
    let turns = [Projection::Query, Projection::Key].iter().any(|one| name.contains(one.name()));
    if !turns || !name.contains("lora_B") || shape.rope_pairs == Pairs::Halves {
        return numbers;
    }
    let heads = if name.contains(Projection::Query.name()) { shape.heads } else { shape.kv_heads };
    let rank = numbers.len() / (heads * shape.key_width);
    let mut out = vec![0.0; numbers.len()];
    for (index, row) in numbers.chunks_exact(rank).enumerate() {
        let (head, within) = (index / shape.key_width, index % shape.key_width);
        let within = if within < shape.rope_width { to(shape.rope_width / 2, within) } else { within };
        let at = (head * shape.key_width + within) * rank;
        out[at..at + rank].copy_from_slice(row);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::Family;

    fn shape(rope_pairs: Pairs) -> Shape {
        Shape {
            family: Family::Llama,
            layers: 1,
            width: 8,
            heads: 2,
            kv_heads: 1,
            key_width: 6,
            value_width: 6,
            inner: 8,
            vocabulary: 8,
            context: 8,
            epsilon: 1e-5,
            rope_width: 4,
            rope_base: 1e4,
            rope_divisor: 1.0,
            rope_pairs,
            first_token: None,
        }
    }

    /// Rows of two numbers each, which say where they stood.
    fn rows(order: &[u8]) -> Vec<f32> {
        order.iter().flat_map(|row| [f32::from(*row), -f32::from(*row)]).collect()
    }

    #[test]
    fn neighbours_of_a_file_are_half_a_head_apart_in_an_adapter() {
        let shape = shape(Pairs::Neighbours);
        let name = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";
        let file = rows(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
        // Of each head the firsts of its pairs, then the seconds, then what is not turned.
        let model = rows(&[0, 2, 1, 3, 4, 5, 6, 8, 7, 9, 10, 11]);
        assert_eq!(to_peft(&shape, name, file.clone()), model);
        assert_eq!(from_peft(&shape, name, model), file);
        for other in [name.replace("q_proj", "v_proj"), name.replace("lora_B", "lora_A")] {
            assert_eq!(to_peft(&shape, &other, file.clone()), file, "{other}");
        }
    }

    #[test]
    fn what_stands_in_the_models_order_stays() {
        let file = rows(&[0, 1, 2, 3, 4, 5]);
        let name = "base_model.model.model.layers.0.self_attn.k_proj.lora_B.weight";
        assert_eq!(to_peft(&shape(Pairs::Halves), name, file.clone()), file);
    }
}
