//! A model that llama.cpp computes.
//!
//! What it takes is rehearsed by llama.cpp itself, and charged before a byte of it is allocated: weights, all cells of its context, and
//! what its steps work with. What it says afterwards that it took is compared, and is told beside it.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use plimsoll::{Bytes, Place};
use plimsoll_kv::block::{Root, RootBuilder, Token};
use plimsoll_kv::layout::Layout;
use plimsoll_llama::{
    Context, ContextSettings, LlamaError, Model as LlamaModel, Rehearsal, SequenceId, Sizes, Vocabulary,
    WordKind,
};
use plimsoll_llm::ModelError;
use plimsoll_llm::text::{Chat, Cutter, LentKind, LentWord, TextError, Tokenizer};
use plimsoll_plan::read::FileSource;
use plimsoll_plan::read::gguf::Contents;

use super::loaded::{LEASE_STEP, Loaded, PAGE_TOKENS, Terms};
use super::{ModelFault, ModelSource, Origin};
use crate::batch::Worker;
use crate::engine::{Facts, Llama, LlamaPast, STATE_ROOM};
use crate::house::House;
use crate::seats::Seats;

/// Tokens of a call at most, and of a pass.
const CALL: u32 = 512;
const PASS: u32 = 256;
/// Vectors of a call, at least.
const VECTORS: u32 = 32;
/// llama.cpp's own limit of sequences, without the two that the engine keeps for itself.
const SEQUENCES: usize = 254;
/// Cells at least, and what their number is a multiple of.
const CELLS: u32 = 256;
/// What a token takes in llama.cpp's own vocabulary, with the merges that make it.
const VOCABULARY_TOKEN: u64 = 320;
/// What buffers are aligned by, and what a graph's book-keeping takes beside them.
const MARGIN: u64 = 4 << 20;
/// The part of keys and values that a context's cells are worth, unless fewer are of use.
const CELLS_PART: u64 = 2;

/// What was found out about a model by rehearsing it.
#[derive(Clone)]
pub(super) struct Plan {
    path: PathBuf,
    /// Whether its weights are mapped.
    maps: bool,
    settings: ContextSettings,
    sizes: Sizes,
    /// All that it is charged.
    pub(super) bytes: Bytes,
}

impl Plan {
    /// Rehearses a model: as many cells as are of use and fit.
    pub(super) fn of(
        source: &ModelSource,
        house: &House,
        terms: &Terms,
        most: Bytes,
    ) -> Result<Self, ModelFault> {
        let path = file(source)?;
        whole(&path)?;
        let rehearsal = Rehearsal::open(&path)?;
        let facts = rehearsal.facts();
        let sequences = terms.batch.sequences.clamp(1, SEQUENCES);
        let own = match Tokenizer::open(&path) {
            Ok(tokenizer) => tokenizer.memory_bytes(),
            Err(TextError::Feature { .. }) => 64 * facts.vocabulary as u64,
            Err(error) => return Err(error.into()),
        };
        // Logits of each sequence as they come, on their way, and as candidates; and llama.cpp's words.
        let logits = 32 * (sequences.saturating_mul(facts.vocabulary) as u64);
        let beside = own
            + logits
            + VOCABULARY_TOKEN * facts.vocabulary as u64
            + STATE_ROOM as u64
            + MARGIN
            + facts.weights_bytes / 256;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let mut settings = ContextSettings {
            cells: 2 * CELLS,
            sequences: count(sequences + 2),
            batch: CALL,
            pass: PASS,
            outputs: count(sequences + 2).max(VECTORS),
            threads: count(thread::available_parallelism().map_or(1, usize::from)),
        };
        let small = rehearsal.sizes(&settings)?;
        let cell = (small.cells_bytes / u64::from(settings.cells)).max(1);
        let wanted = (sequences as u64).saturating_mul(facts.context as u64);
        let free = most.get().saturating_sub(beside + small.total_bytes() - small.cells_bytes);
        let worth = (house.kv().get() / CELLS_PART).min(free) / cell;
        settings.cells = whole_cells(wanted.min(worth));
        let mut sizes = rehearsal.sizes(&settings)?;
        // Other cells, another graph: what a pass works with grows with them.
        for _ in 0..4 {
            let over = (beside + sizes.total_bytes()).saturating_sub(most.get());
            if over == 0 || settings.cells == CELLS {
                break;
            }
            settings.cells = whole_cells(u64::from(settings.cells).saturating_sub(over / cell + 1));
            sizes = rehearsal.sizes(&settings)?;
        }
        let maps = rehearsal.maps();
        Ok(Self { path, maps, settings, sizes, bytes: Bytes::new(beside + sizes.total_bytes()) })
    }
}

/// Cells rounded down to what the library makes of them.
fn whole_cells(cells: u64) -> u32 {
    let cells = u32::try_from(cells).unwrap_or(u32::MAX);
    (cells / CELLS * CELLS).max(CELLS)
}

/// The GGUF file that is meant: itself, or the only one of a folder.
fn file(source: &ModelSource) -> Result<PathBuf, ModelFault> {
    let none = |what: &str| ModelFault::NoGguf { name: source.name.clone(), what: what.to_owned() };
    let path = match &source.origin {
        Origin::Path(path) => path,
        Origin::BuiltIn(_) => return Err(none("it is part of the program")),
    };
    if !path.is_dir() {
        return Ok(path.clone());
    }
    let inside = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        inside.filter(|path| path.extension().is_some_and(|extension| extension == "gguf")).collect();
    files.sort();
    match files.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(none("its folder has no GGUF file")),
        // The parts of one model: the first leads to the others.
        [first, ..] if parts(first).len() == files.len() => Ok(first.clone()),
        _ => Err(none("its folder has several GGUF files: name one")),
    }
}

/// All files of a model of which this is the first: itself, and those that it was split into.
fn parts(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let split = name.strip_suffix(".gguf").and_then(|stem| {
        let (stem, count) = stem.rsplit_once("-of-")?;
        let (stem, number) = stem.rsplit_once('-')?;
        (number == "00001").then_some(())?;
        Some((stem.to_owned(), count.parse::<u32>().ok()?))
    });
    match split {
        Some((stem, count)) => (1..=count)
            .map(|part| path.with_file_name(format!("{stem}-{part:05}-of-{count:05}.gguf")))
            .collect(),
        None => vec![path.to_owned()],
    }
}

/// Refuses files that are damaged where a reader of ours sees it: llama.cpp may end the process over what it believed.
fn whole(path: &Path) -> Result<(), ModelFault> {
    for path in parts(path) {
        let source = FileSource::open(&path).map_err(ModelError::from)?;
        let contents = Contents::read(&source, &path).map_err(ModelError::from)?;
        let missing = contents.missing_bytes();
        if missing > 0 {
            return Err(ModelError::CutShort { path, missing }.into());
        }
    }
    Ok(())
}

/// Loads a model as it was rehearsed.
pub(super) fn load(plan: &Plan, slug: &str, house: &House, terms: &Terms) -> Result<Loaded, ModelFault> {
    let setup = |error: &dyn std::error::Error| ModelFault::Setup(error.to_string());
    let model = LlamaModel::load(&plan.path, plan.maps)?;
    let (mut context, sizes) = Context::open(&model, plan.settings)?;
    let allocated = Bytes::new(sizes.total_bytes());
    if allocated > plan.bytes {
        let rehearsed = Bytes::new(plan.sizes.total_bytes());
        return Err(ModelFault::Reckoned { rehearsed, allocated });
    }
    let tokenizer = Arc::new(tokenizer(plan, &model)?);
    let chat = Chat::open(&plan.path, &tokenizer)?;
    let spare = SequenceId(u16::try_from(plan.settings.sequences - 1).unwrap_or(0));
    let form = Llama::form(&mut context, spare).map_err(|error| setup(&error))?;
    let cells = context.cells();
    let past = match form {
        Some(form) => {
            let layout = form.layout(PAGE_TOKENS);
            let root = root(&plan.path, slug, house, &layout).map_err(|error| setup(&error))?.build();
            let cache = house.cache(slug, layout, Place::Host).map_err(|error| setup(&error))?;
            Some(LlamaPast { cache, root, form })
        }
        None => None,
    };
    let page = past.as_ref().map_or_else(
        || sizes.cells_bytes * u64::from(PAGE_TOKENS) / (cells as u64).max(1),
        |past| past.cache.layout().block_bytes() as u64,
    );
    let page_bytes = Bytes::new(page.max(1).next_multiple_of(LEASE_STEP));
    let seats = Bytes::new(page_bytes.get() * (cells as u64 / u64::from(PAGE_TOKENS)));
    let facts = Facts {
        context: model.facts().context.min(cells),
        vocabulary: model.facts().vocabulary,
        page_tokens: PAGE_TOKENS as usize,
        page_bytes,
        pass_tokens: plan.settings.pass as usize,
    };
    let sequences = plan.settings.sequences - 2;
    let most = (plan.settings.batch as usize, plan.settings.outputs as usize);
    let engine = Llama::new(context, u16::try_from(sequences).unwrap_or(1), most, past, facts);
    let mut batch = terms.batch;
    batch.sequences = sequences as usize;
    let worker = Worker::start(Arc::new(engine), slug, batch).map_err(|error| setup(&error))?;
    Ok(Loaded {
        first: tokenizer.first(),
        tokenizer,
        chat,
        worker: Box::new(worker),
        bytes: plan.bytes,
        cells: Some(
            Seats::new(seats, terms.limits.waiting, terms.limits.patience).map_err(|error| setup(&error))?,
        ),
        allocated: Some(allocated),
        split: None,
        _beside: Vec::new(),
    })
}

/// What blocks descend from: the file, and who computed them. Without a folder that outlives the process the file need not be read.
fn root(path: &Path, slug: &str, house: &House, layout: &Layout) -> std::io::Result<RootBuilder> {
    let version = plimsoll_llama::version();
    let mut root = Root::of(b"llama.cpp", layout).extra("engine", version.as_bytes());
    if !house.keeps() {
        return Ok(root.extra("model", slug.as_bytes()));
    }
    let mut buffer = vec![0; 1 << 20];
    for path in parts(path) {
        let mut file = File::open(path)?;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            root = root.extra("file", &buffer[..read]);
        }
    }
    Ok(root)
}

/// The model's tokenizer: ours where it does what the file asks for, otherwise llama.cpp's.
fn tokenizer(plan: &Plan, model: &LlamaModel) -> Result<Tokenizer, ModelFault> {
    let tokenizer = match Tokenizer::open(&plan.path) {
        Err(TextError::Feature { .. }) => lent(model.vocabulary())?,
        opened => opened?,
    };
    tokenizer.check(model.facts().vocabulary, &plan.path)?;
    Ok(tokenizer)
}

/// llama.cpp's tokenizer of a model.
fn lent(vocabulary: Vocabulary) -> Result<Tokenizer, TextError> {
    let count = Token::try_from(vocabulary.len()).unwrap_or(Token::MAX);
    let word = |token| LentWord {
        bytes: vocabulary.piece(token),
        kind: match vocabulary.kind(token) {
            WordKind::Text => LentKind::Text,
            WordKind::User => LentKind::User,
            WordKind::Control => LentKind::Control,
            WordKind::Unknown => LentKind::Unknown,
        },
        stops: vocabulary.ends(token),
    };
    let words = (0..count).map(word).collect();
    let ends = (vocabulary.first(), vocabulary.last());
    Tokenizer::lent(words, ends, Box::new(Lent(vocabulary)))
}

#[derive(Debug)]
struct Lent(Vocabulary);

impl Cutter for Lent {
    fn cut(&self, text: &str, ends: bool) -> Result<Vec<Token>, String> {
        self.0.cut(text, ends).map_err(|error: LlamaError| error.to_string())
    }
}
