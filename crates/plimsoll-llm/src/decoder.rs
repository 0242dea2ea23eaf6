//! A model that can be computed with.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use plimsoll::holding::Streaming;
use plimsoll_device::Device;
use plimsoll_kv::block::{Root, RootBuilder, Token};
use plimsoll_kv::layout::{Element, Layer, Layout, Reach};
use plimsoll_plan::read::gguf::Contents;
use plimsoll_plan::read::{FileSource, ReadError, Source, safetensors};
use plimsoll_tensor::Crew;

use crate::run::side_by_side;
use crate::tune::Projection;
use crate::weights::{
    self, Adapter, Behind, Demand, DeviceRoom, DeviceSplit, Files, Joined, Kept, Mapped, ModelBytes,
    OnDevice, Reads, Shape, Shards, Stored, Thin, Weights,
};
use crate::{Draw, ModelError, OwnPages, Sequence, StepError};

/// Changes whenever the arithmetic does: keys and values of one are not those of another.
const ARITHMETIC: &[u8] = b"plimsoll-llm 2";
/// The same of devices.
const ARITHMETIC_THERE: &[u8] = b"plimsoll-llm device 1";

/// A Llama-architecture model (Llama, Mistral, Qwen 2, Qwen 3): a GGUF file with weights of type `f32`, `f16`, `bf16`,
/// `q8_0`, `q4_0`, `q4_K`, `q5_K` or `q6_K`, or safetensors of the first three with their `config.json`.
///
/// # What it is not
/// It keeps no keys and values; those are in the pages of its [`Sequence`]s. It is not charged to a ledger: the weights
/// stay in the mapped file, in what [`over`](Self::over) was given, or in slots that [`on_demand`](Self::on_demand) charges.
///
/// # Formula
/// What llama.cpp computes for the same file: RMS norms, rotary positions, grouped-query attention, a gated feed-forward
/// part; biases and norms of heads where the family has them. Products with quantized weights round their inputs to eight
/// bits as llama.cpp does; all else is in singles.
pub struct Decoder {
    path: PathBuf,
    shape: Shape,
    pub(crate) weights: Weights,
    kept: Kept,
    /// The files, if it was opened from any, where they lie in its bytes, and what else says what their weights mean.
    files: Vec<PathBuf>,
    parts: Vec<Range<usize>>,
    config: Vec<u8>,
    adapter: Option<Adapter>,
    /// Made when something is first computed: not everybody who opens a model computes with it here.
    crew: OnceLock<Arc<Crew>>,
    fingerprint: OnceLock<[u8; 32]>,
}

impl Decoder {
    /// Maps a model: a GGUF file, a safetensors file, the index of several, or the folder of either. Files must not be
    /// overwritten in place or made shorter while the decoder lives.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let gguf = only_gguf(path);
        let path = gguf.as_deref().unwrap_or(path);
        if path.is_dir() || is(path, "safetensors") || path.to_string_lossy().ends_with(".index.json") {
            return Self::of_files(path);
        }
        let source = FileSource::open(path)?;
        if source.is_empty() {
            return Err(ReadError::Empty { path: path.to_owned() }.into());
        }
        let contents = Contents::read(&source, path)?;
        let decoder = Self::of(&contents, path, Arc::new(Mapped::open(path)?))?;
        Ok(Self { files: vec![path.to_owned()], ..decoder })
    }

    /// The same over the bytes of a GGUF file that someone else keeps. `path` is what messages call it.
    pub fn over(path: impl AsRef<Path>, file: ModelBytes) -> Result<Self, ModelError> {
        let contents = Contents::read(&(*file).as_ref(), path.as_ref())?;
        Self::of(&contents, path.as_ref(), file)
    }

    fn of(contents: &Contents, path: &Path, file: ModelBytes) -> Result<Self, ModelError> {
        let shape = Shape::read(contents, path)?;
        let bytes = (*file).as_ref();
        let scaling = weights::scaling(contents, &shape, path)?;
        let weights = weights::load(Stored::Gguf(contents), &shape, bytes, path, (false, scaling))?;
        let parts = std::iter::once(0..bytes.len()).collect();
        Ok(Self {
            path: path.to_owned(),
            shape,
            weights,
            kept: Kept::Whole(file),
            files: Vec::new(),
            parts,
            config: Vec::new(),
            adapter: None,
            crew: OnceLock::new(),
            fingerprint: OnceLock::new(),
        })
    }

    fn of_files(path: &Path) -> Result<Self, ModelError> {
        let contents = safetensors::Contents::open(path)?;
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
        let joined = Joined::open(contents.files())?;
        let begins: Vec<usize> = joined.parts.iter().map(|(begin, _)| *begin).collect();
        let parts = joined.parts.iter().map(|(begin, length)| *begin..begin + length).collect();
        let stored = Stored::Files(&contents, &begins);
        let name = stored.outer().embedding;
        let rows = stored.sides(name).and_then(|sides| sides.get(1).copied()).filter(|rows| *rows > 0);
        let rows =
            rows.ok_or_else(|| ModelError::Missing { path: path.to_owned(), name: name.to_owned() })?;
        let read = weights::read_config(&folder.join("config.json"), rows)?;
        let (shape, rest) = (read.shape, (read.tied, read.scaling));
        let weights = weights::load(stored, &shape, joined.as_ref(), path, rest)?;
        Ok(Self {
            path: path.to_owned(),
            shape,
            weights,
            kept: Kept::Whole(Arc::new(joined)),
            files: contents.files().to_vec(),
            parts,
            config: read.bytes,
            adapter: None,
            crew: OnceLock::new(),
            fingerprint: OnceLock::new(),
        })
    }

    /// The same with an adapter's changes. Keys and values of one are not those of another, so they have roots of their own.
    #[must_use]
    pub fn with_adapter(mut self, adapter: Adapter) -> Self {
        (self.adapter, self.fingerprint) = (Some(adapter), OnceLock::new());
        self
    }

    /// The same with weights that are read when they are needed: a layer at a time, into as many slots of a ring as it may
    /// have, the next one while one is computed. What it computes is the same to the bit. Nothing stays mapped.
    ///
    /// A model whose bytes someone else keeps ([`over`](Self::over)) is refused: they are in memory already.
    pub fn on_demand(mut self, streaming: &Streaming) -> Result<Self, ModelError> {
        if !self.has_files() {
            let what =
                "weights that are read when they are needed, out of bytes that are in memory".to_owned();
            return Err(ModelError::Feature { path: self.path, what });
        }
        let failed = |source| ModelError::Demand { path: self.path.clone(), source };
        let demand = Demand::open(&mut self.weights, &self.files, &self.parts, streaming).map_err(failed)?;
        self.kept = Kept::Demand(demand);
        Ok(self)
    }

    /// The same with all weights on a device, which computes from now on: pages must be leases there, and steps need a room
    /// of [`device_working_bytes`](Self::device_working_bytes). Nothing stays mapped. Greedy texts are those of the host wherever its
    /// choice is not within rounding.
    ///
    /// It charges nothing: whoever asks holds a charge for [`device_bytes`](Self::device_bytes).
    pub fn on_device(self, device: &Arc<dyn Device>) -> Result<Self, ModelError> {
        let whole = DeviceRoom { bytes: u64::MAX, workings: 0, granule: 1 };
        let layout = self.layout(1, Element::F16);
        match self.split_within(&layout, &whole) {
            Ok(split) => self.on_device_split(device, None, &split),
            Err(floor) => Err(ModelError::Feature { path: self.path, what: floor.to_string() }),
        }
    }

    /// The same with layers that come from page-locked memory of the host with every pass, while others are computed, as
    /// [`split_within`](Self::split_within) divides them. What a token gives is what it gives with all of them there, to the bit where as many
    /// stand side by side.
    ///
    /// It charges nothing: whoever asks holds a charge for the bytes of the split, at both places.
    pub fn on_device_split(
        mut self,
        device: &Arc<dyn Device>,
        pinned: Option<&Arc<dyn Device>>,
        split: &DeviceSplit,
    ) -> Result<Self, ModelError> {
        let Kept::Whole(bytes) = &self.kept else {
            let what = "weights on a device that are read when they are needed".to_owned();
            return Err(ModelError::Feature { path: self.path, what });
        };
        if split.come > 0 && pinned.is_none() || split.layers != self.shape.layers {
            let what =
                "layers that come, without page-locked memory that they come from, or of another model"
                    .to_owned();
            return Err(ModelError::Feature { path: self.path, what });
        }
        let behind = if self.files.is_empty() {
            Behind::Bytes(Arc::clone(bytes))
        } else {
            let files = Files::open(&self.files, &self.parts);
            Behind::Files(files.map_err(|source| ModelError::Demand { path: self.path.clone(), source })?)
        };
        let place = device.facts().place;
        let there = OnDevice::bring(&self, device, pinned, *split).map_err(|source| ModelError::Bring {
            path: self.path.clone(),
            place,
            source,
        })?;
        self.kept = Kept::There(Arc::new(there), behind);
        Ok(self)
    }

    /// How it is divided between a device and page-locked memory, if a device computes.
    pub fn device_split(&self) -> Option<&DeviceSplit> {
        self.kept.on_device().map(|there| there.split())
    }

    /// The device that computes, if one does.
    pub fn device(&self) -> Option<&Arc<dyn Device>> {
        self.kept.on_device().map(|there| there.device())
    }

    /// Whether [`on_demand`](Self::on_demand) can be.
    pub fn has_files(&self) -> bool {
        !self.files.is_empty() && matches!(self.kept, Kept::Whole(_))
    }

    /// What [`on_demand`](Self::on_demand) reads at a time. At least two of them must fit.
    pub fn shards(&self) -> Shards {
        match &self.kept {
            Kept::Whole(_) | Kept::There(..) => weights::shards(&self.weights),
            Kept::Demand(demand) => demand.shards(),
        }
    }

    /// What was read so far, if weights are read when they are needed.
    pub fn reads(&self) -> Option<Reads> {
        match &self.kept {
            Kept::Whole(_) | Kept::There(..) => None,
            Kept::Demand(demand) => Some(demand.reads()),
        }
    }

    /// Bytes of its files and of its adapter: what a holding of all its weights is charged for them.
    pub fn bytes(&self) -> u64 {
        let files: u64 = self.parts.iter().map(|part| part.len() as u64).sum();
        files + self.adapter_bytes()
    }

    /// Those of its adapter.
    pub fn adapter_bytes(&self) -> u64 {
        self.adapter.as_ref().map_or(0, Adapter::bytes)
    }

    /// The same on other threads than one for each processor. What comes out is the same to the bit.
    #[must_use]
    pub fn with_crew(mut self, crew: Arc<Crew>) -> Self {
        self.crew = OnceLock::from(crew);
        self
    }

    /// Bytes of weights that a step reads, however many tokens it has: all matrices but the embedding, of which it looks
    /// up rows, unless that is the output as well.
    pub fn step_bytes(&self) -> usize {
        let layers = self.weights.layers.iter().flat_map(weights::Layer::matrices);
        layers.chain(&self.weights.output).map(|matrix| matrix.bytes.len()).sum()
    }

    /// Tokens of a step, of one sequence or of several, that are computed in one pass over the weights at most: more of them read
    /// these again.
    pub fn pass_tokens(&self) -> usize {
        side_by_side(self)
    }

    /// The threads that compute.
    pub(crate) fn crew(&self) -> &Crew {
        self.crew.get_or_init(|| Arc::new(Crew::of_machine()))
    }

    /// What the model is made of.
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The form of its pages: keys as they are after rotation.
    pub fn layout(&self, block_tokens: u32, element: Element) -> Layout {
        let row = |width: usize| u32::try_from(self.shape.kv_heads * width).unwrap_or(u32::MAX);
        let layer =
            Layer { reach: Reach::All, keys: row(self.shape.key_width), values: row(self.shape.value_width) };
        let layers = vec![layer; self.shape.layers];
        Layout { block_tokens: block_tokens.max(1), element, layers, snapshot_bytes: 0 }
    }

    /// A hash over all files and their configuration, computed at the first call: two models of one shape that differ in one weight must
    /// never share keys and values. It reads them once, at a gigabyte or more a second.
    pub fn fingerprint(&self) -> [u8; 32] {
        *self.fingerprint.get_or_init(|| {
            let mut hasher = blake3::Hasher::new();
            let mut each = |bytes: &[u8]| {
                hasher.update(bytes);
            };
            if let Err(error) = self.kept.tell(&self.parts, &mut each) {
                // A file that is gone has no blocks that anybody may find.
                hasher.update(format!("{error} at {:?}", std::time::SystemTime::now()).as_bytes());
            }
            hasher.update(&self.config);
            if let Some(adapter) = &self.adapter {
                hasher.update(adapter.digest());
            }
            *hasher.finalize().as_bytes()
        })
    }

    /// What blocks of this model in this form descend from, when this decoder computes them.
    pub fn root(&self, layout: &Layout) -> RootBuilder {
        let arithmetic = if self.device().is_some() { ARITHMETIC_THERE } else { ARITHMETIC };
        Root::of(&self.fingerprint(), layout).extra("engine", arithmetic)
    }

    /// Goes on after a prompt by so many tokens, or until the context is full, in pages of its own. A prompt that is
    /// empty stands for the token that texts begin with.
    pub fn generate(
        self: &Arc<Self>,
        prompt: &[Token],
        tokens: usize,
        mut draw: Draw,
    ) -> Result<Vec<Token>, StepError> {
        let layout = self.layout(32, Element::F16);
        let mut pages = OwnPages::new(&layout);
        let mut sequence = Sequence::begin(self, &layout)?;
        let first = [self.shape.first_token.unwrap_or(0)];
        let mut next = if prompt.is_empty() { first.to_vec() } else { prompt.to_vec() };
        let mut text = Vec::new();
        while text.len() < tokens && sequence.len().saturating_add(next.len()) <= self.shape.context {
            let token = draw.next(sequence.step(&next, &mut pages)?);
            text.push(token);
            next = vec![token];
        }
        Ok(text)
    }

    /// A text that the model writes by itself, its first token included: so many tokens, the same for the same seed.
    pub fn sample(self: &Arc<Self>, seed: u64, tokens: usize) -> Result<Vec<Token>, StepError> {
        let first = self.shape.first_token.unwrap_or(0);
        let mut text = vec![first];
        text.extend(self.generate(&[first], tokens.saturating_sub(1), Draw::Lot(seed))?);
        Ok(text)
    }

    /// All bytes of the files.
    ///
    /// # Panics
    /// If they are read when they are needed, or are on a device.
    pub(crate) fn file(&self) -> &[u8] {
        match &self.kept {
            Kept::Whole(file) => (**file).as_ref(),
            Kept::Demand(_) | Kept::There(..) => {
                panic!(
                    "all weights were asked for of a decoder that reads them when they are needed, or has them on a device"
                )
            }
        }
    }

    /// Where its weights are.
    pub(crate) const fn kept(&self) -> &Kept {
        &self.kept
    }

    pub(crate) const fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// What an adapter changes of a matrix.
    pub(crate) fn change(&self, layer: usize, projection: Projection) -> Option<&Thin> {
        self.adapter.as_ref()?.of(layer, projection)
    }
}

fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

/// The GGUF file of a folder that has one and no safetensors.
fn only_gguf(path: &Path) -> Option<PathBuf> {
    let files: Vec<PathBuf> =
        std::fs::read_dir(path).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let mut found = files.iter().filter(|file| is(file, "gguf"));
    let one = found.next().filter(|_| found.next().is_none())?;
    (!files.iter().any(|file| is(file, "safetensors"))).then(|| one.clone())
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("path", &self.path)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}
