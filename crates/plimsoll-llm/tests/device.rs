//! A GPU computes what the host does: models of every kind of weights and family, step by step, alone and together, over pages of a
//! pool and of the cache. Where there is no GPU the tests say so and end.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a scenario fails by panicking, and sizes are tiny"
)]

#[path = "device/divided.rs"]
mod divided;
mod support;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::pool::Pool;
use plimsoll::{Bytes, Engine, Place};
use plimsoll_cuda::{Cuda, CudaSettings};
use plimsoll_device::{Device, HostDevice, HostSettings};
use plimsoll_kv::cache::{Cache, CacheSettings, ColdSettings};
use plimsoll_kv::engine::LeasedPages;
use plimsoll_kv::layout::Element;
use plimsoll_kv::store::folder::{Folder, FolderSettings};
use plimsoll_llm::{
    Adapter, Batch, Change, Decoder, Draw, Found, Lot, Need, OwnPages, PageTable, PoolPages, Sampler,
    Sampling, Sequence, StepError, Strand, Wish,
};
use support::{Kind, Model, SMALL, Sizes};

const MEMORY: Bytes = Bytes::mib(512);

/// Heads of every width that there is a program for, and as many queries for each key as make more than one block of rows.
const WIDE: Sizes = Sizes {
    width: 128,
    heads: 24,
    kv_heads: 1,
    key_width: 72,
    value_width: 136,
    inner: 160,
    rope_width: 64,
    ..SMALL
};

/// Who measures what a model takes of a GPU is there alone.
static BESIDE: RwLock<()> = RwLock::new(());

struct There {
    engine: Engine,
    device: Arc<dyn Device>,
    _beside: Option<RwLockReadGuard<'static, ()>>,
}

impl There {
    fn open() -> Option<Self> {
        let beside = BESIDE.read().unwrap_or_else(PoisonError::into_inner);
        Some(Self { _beside: Some(beside), ..Self::unguarded()? })
    }

    fn unguarded() -> Option<Self> {
        let cuda = match Cuda::load(CudaSettings::default()) {
            Ok(cuda) => cuda,
            Err(why) => {
                println!("skipped: {why}");
                return None;
            }
        };
        Some(Self::over(cuda.device(0).unwrap()))
    }

    fn over(device: Arc<dyn Device>) -> Self {
        let place = device.facts().place;
        let host = Arc::new(HostDevice::open(HostSettings::default()).unwrap());
        let share = |path: &str, place| AccountSettings::new(path).share(place, Bytes::ZERO, MEMORY);
        let settings = LedgerSettings {
            places: [place, Place::Host, Place::Disk].map(|place| LineSettings::new(place, MEMORY)).to_vec(),
            accounts: vec![share("hot", place), share("warm", Place::Host), share("cold", Place::Disk)],
        };
        let engine = Engine::with(&settings, vec![Arc::clone(&device), host]).unwrap();
        Self { engine, device, _beside: None }
    }

    fn pool(&self) -> Pool {
        self.engine.account("hot").unwrap().scratch(self.device.facts().place).unwrap()
    }
}

fn tokens(count: usize, of: usize) -> Vec<u32> {
    (0..count).map(|index| ((index * 11 + index * index % 7 + 3) % of) as u32).collect()
}

/// The greatest difference, relative to how far logits spread.
fn apart(ours: &[Vec<f32>], wanted: &[Vec<f32>]) -> f32 {
    assert_eq!(ours.len(), wanted.len());
    let one = |(ours, wanted): (&Vec<f32>, &Vec<f32>)| {
        let spread = wanted.iter().fold(0.0_f32, |most, logit| most.max(logit.abs()));
        let far = |(one, other): (&f32, &f32)| if one.is_nan() { f32::INFINITY } else { (one - other).abs() };
        ours.iter().zip(wanted).map(far).fold(0.0, f32::max) / spread
    };
    ours.iter().zip(wanted).map(one).fold(0.0, f32::max)
}

/// Logits behind every token, told in steps of such sizes.
fn logits(
    decoder: &Arc<Decoder>,
    element: Element,
    pages: &mut dyn PageTable,
    steps: &[usize],
) -> Vec<Vec<f32>> {
    let layout = decoder.layout(16, element);
    let mut sequence = Sequence::begin(decoder, &layout).unwrap();
    let text = tokens(steps.iter().sum(), decoder.shape().vocabulary);
    let (mut all, mut from) = (Vec::new(), 0);
    for step in steps {
        sequence.score(&text[from..from + step], pages, &mut |_, logits| all.push(logits.to_vec())).unwrap();
        from += step;
    }
    all
}

fn compare(there: &There, model: &Model, name: &str, element: Element, steps: &[usize], room: f32) {
    let open = || Decoder::over("made-up.gguf", Arc::new(model.write())).unwrap();
    let host = Arc::new(open());
    let gpu = Arc::new(open().on_device(&there.device).unwrap());
    let layout = host.layout(16, element);
    let wanted = logits(&host, element, &mut OwnPages::new(&layout), steps);
    let ours = logits(&gpu, element, &mut PoolPages::new(&layout, &there.pool()), steps);
    let found = apart(&ours, &wanted);
    println!("{name} over pages of {element:?}, steps {steps:?}: {found:.1e}");
    assert!(found <= room, "{name} over {element:?}: {found:.1e} apart, {room:.0e} allowed");
}

#[test]
fn models_of_every_kind_and_family_compute_what_the_host_does() {
    let Some(there) = There::open() else { return };
    // One token, few, as many as weights are read for, more than that, and one again.
    let steps = [1, 3, 32, 60, 1, 30];
    // The host rounds inputs to eight bits always; in a model so small nothing averages that.
    for (kind, room) in [(Kind::F32, 1e-4), (Kind::F16, 4e-3), (Kind::Bf16, 4e-3), (Kind::Q8, 1e-1)] {
        for family in ["llama", "qwen2", "qwen3", "mistral"] {
            let sizes = Sizes { inner: 128, ..SMALL };
            let family_of = |family: &str| match family {
                "llama" => Model::new(sizes, kind, true, 5),
                other => Model::of(other, sizes, kind, false, 5),
            };
            let family_name = if family == "mistral" { "llama" } else { family };
            let model = family_of(family_name);
            compare(&there, &model, &format!("{family} in {kind:?}"), Element::F32, &steps, room);
        }
    }
    let model = Model::new(SMALL, Kind::F32, false, 9);
    for (element, room) in [(Element::F16, 4e-3), (Element::Bf16, 3e-2)] {
        compare(&there, &model, "llama in F32", element, &steps, room);
    }
    // Heads for which matrix units compute the attention of many tokens, four and one to a head of keys.
    for (element, room) in [(Element::F16, 4e-3), (Element::Bf16, 3e-2)] {
        for (width, heads) in [(64, 4), (128, 1)] {
            let sizes = Sizes {
                heads,
                kv_heads: 1,
                key_width: width,
                value_width: width,
                rope_width: width,
                ..SMALL
            };
            let model = Model::new(sizes, Kind::F32, false, 7);
            compare(&there, &model, &format!("heads of {width}"), element, &[1, 60, 3, 40, 20], room);
        }
    }
    let wide = Model::new(WIDE, Kind::F32, false, 3);
    compare(&there, &wide, "wide heads", Element::F32, &steps, 1e-4);
}

fn shipped() -> Option<PathBuf> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/models"));
    let here = std::env::var_os("PLIMSOLL_MODELS").map(PathBuf::from);
    let found = [here, Some(folder)].into_iter().flatten().find(|folder| folder.is_dir());
    if found.is_none() {
        println!("skipped: the shared models are not there");
    }
    found
}

/// A greedy text over pages of a pool.
fn greedy(decoder: &Arc<Decoder>, pool: &Pool, prompt: &[u32], count: usize) -> Vec<u32> {
    let layout = decoder.layout(16, Element::F16);
    let mut pages = PoolPages::new(&layout, pool);
    let mut sequence = Sequence::begin(decoder, &layout).unwrap();
    let (mut next, mut text) = (prompt.to_vec(), Vec::new());
    while text.len() < count {
        let token = Draw::Likeliest.next(sequence.step(&next, &mut pages).unwrap());
        text.push(token);
        next = vec![token];
    }
    text
}

#[test]
fn greedy_tokens_are_those_of_llama_cpp() {
    let (Some(there), Some(models)) = (There::open(), shipped()) else { return };
    let decoder = Decoder::open(models.join("tiny-7m-q8_0.gguf")).unwrap();
    let decoder = Arc::new(decoder.on_device(&there.device).unwrap());
    let text = std::fs::read_to_string(models.join("greedy_llamacpp.jsonl")).unwrap();
    let (mut lines, mut same) = (0, 0);
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let ids = |key: &str| -> Vec<u32> {
            line[key].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
        };
        let (prompt, theirs) = (ids("prompt_ids"), ids("greedy_ids"));
        let margins = line["margins"].as_array().unwrap().iter().map(|margin| margin.as_f64().unwrap());
        let sure = margins.clone().position(|margin| margin < 0.1).unwrap_or(theirs.len());
        let ours = greedy(&decoder, &there.pool(), &prompt, theirs.len());
        assert_eq!(ours[..sure], theirs[..sure], "{}", line["prompt"]);
        (lines, same) = (lines + 1, same + usize::from(ours == theirs));
    }
    println!("{same} of {lines} prompts are the same to the end");
    assert!(lines > 0, "no prompts");
}

#[test]
fn sequences_that_step_together_write_what_they_write_alone() {
    let (Some(there), Some(models)) = (There::open(), shipped()) else { return };
    let decoder = Decoder::open(models.join("tiny-7m-q8_0.gguf")).unwrap();
    let vocabulary = decoder.shape().vocabulary;
    let decoder = Arc::new(decoder.on_device(&there.device).unwrap());
    let layout = decoder.layout(16, Element::F16);
    let lens = [1_usize, 17, 200, 3, 64];
    let texts: Vec<Vec<u32>> = lens.iter().map(|len| tokens(*len, vocabulary)).collect();
    let mut alone = Vec::new();
    for text in &texts {
        let mut pages = PoolPages::new(&layout, &there.pool());
        let mut sequence = Sequence::begin(&decoder, &layout).unwrap();
        alone.push(sequence.step(text, &mut pages).unwrap().to_vec());
    }
    let mut pages: Vec<_> = lens.iter().map(|_| PoolPages::new(&layout, &there.pool())).collect();
    let mut batch = Batch::begin(&decoder, &layout).unwrap();
    let mut strands: Vec<_> =
        texts.iter().zip(&mut pages).map(|(tokens, table)| Strand { tokens, len: 0, table }).collect();
    let together = batch.step(&mut strands).unwrap();
    let together: Vec<Vec<f32>> = together.chunks(vocabulary).map(<[f32]>::to_vec).collect();
    assert!(apart(&together, &alone) < 2e-2, "{}", apart(&together, &alone));
}

#[test]
fn a_prefix_in_the_cache_is_read_where_it_lies_and_comes_back_from_disk() {
    let (Some(there), Some(models)) = (There::open(), shipped()) else { return };
    let decoder = Decoder::open(models.join("tiny-7m-q8_0.gguf")).unwrap();
    let prompt = tokens(200, decoder.shape().vocabulary);
    let decoder = Arc::new(decoder.on_device(&there.device).unwrap());
    let layout = decoder.layout(16, Element::F16);
    let root = decoder.root(&layout).build();
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let pages = LeasedPages::new(layout.clone(), there.pool()).unwrap();
        let account = Some((*there.engine.account("cold").unwrap()).clone());
        let settings = FolderSettings { account, ..FolderSettings::new(folder.path(), Bytes::mib(64)) };
        let cold = ColdSettings::new(Arc::new(Folder::open(&settings).unwrap().0));
        let warm = there.engine.account("warm").unwrap().scratch(Place::Host).unwrap();
        Cache::open(pages, CacheSettings::new("kv", warm).cold(cold).exact()).unwrap()
    };
    let first = open();
    let cold = decoder.generate_cached(&first, root, &prompt, 24, Draw::Likeliest).unwrap();
    assert_eq!(cold.reused, 0);
    let hot = decoder.generate_cached(&first, root, &prompt, 24, Draw::Likeliest).unwrap();
    assert_eq!((&hot.text, hot.reused), (&cold.text, 192));
    drop(first);
    let again = open();
    let restored = decoder.generate_cached(&again, root, &prompt, 24, Draw::Likeliest).unwrap();
    assert_eq!((&restored.text, restored.reused), (&cold.text, 192));
    drop(again);
    assert!(there.engine.snapshot().is_clear(), "everything was given back");
}

#[test]
fn what_it_takes_there_is_known_before() {
    let _alone = BESIDE.write().unwrap_or_else(PoisonError::into_inner);
    let (Some(there), Some(models)) = (There::unguarded(), shipped()) else { return };
    let decoder = Decoder::open(models.join("tiny-7m-q8_0.gguf")).unwrap();
    let layout = decoder.layout(16, Element::F16);
    let told = decoder.device_bytes() + decoder.device_working_bytes(&layout);
    let open = || {
        let decoder = Decoder::open(models.join("tiny-7m-q8_0.gguf")).unwrap();
        let decoder = Arc::new(decoder.on_device(&there.device).unwrap());
        let sequence = Sequence::begin(&decoder, &layout).unwrap();
        (decoder, sequence)
    };
    // What the driver and the library of products take at their first use is the program's, and not the model's.
    drop(open());
    let before = there.device.memory().unwrap().free;
    let (decoder, sequence) = open();
    let taken = before.saturating_sub(there.device.memory().unwrap().free).get();
    println!("told {told}, taken {taken}");
    // What the driver rounds up to.
    assert!(taken <= told + (8 << 20), "{taken} for {told}");
    drop((sequence, decoder));
}

#[test]
fn pages_of_the_host_are_refused() {
    let Some(there) = There::open() else { return };
    let model = Model::new(SMALL, Kind::F32, false, 9);
    let decoder = Decoder::over("made-up.gguf", Arc::new(model.write())).unwrap();
    let decoder = Arc::new(decoder.on_device(&there.device).unwrap());
    let layout = decoder.layout(16, Element::F32);
    let mut sequence = Sequence::begin(&decoder, &layout).unwrap();
    let refused = sequence.step(&[1, 2], &mut OwnPages::new(&layout)).unwrap_err();
    assert!(refused.to_string().contains("page 0"), "{refused}");
    let warm = there.engine.account("warm").unwrap().scratch(Place::Host).unwrap();
    let refused = sequence.step(&[1, 2], &mut PoolPages::new(&layout, &warm)).unwrap_err();
    assert!(refused.to_string().contains("page 0"), "{refused}");
    // And it goes on where pages are its own.
    assert!(sequence.step(&[1, 2], &mut PoolPages::new(&layout, &there.pool())).is_ok());
}

/// An adapter of rank four that changes all matrices of a made-up model, as PEFT writes it.
fn adapter(folder: &std::path::Path, sizes: Sizes) {
    let (queries, keys) = (sizes.heads * sizes.key_width, sizes.kv_heads * sizes.key_width);
    let (values, mixed) = (sizes.kv_heads * sizes.value_width, sizes.heads * sizes.value_width);
    let matrices = [
        ("self_attn.q_proj", sizes.width, queries),
        ("self_attn.k_proj", sizes.width, keys),
        ("self_attn.v_proj", sizes.width, values),
        ("self_attn.o_proj", mixed, sizes.width),
        ("mlp.gate_proj", sizes.width, sizes.inner),
        ("mlp.up_proj", sizes.width, sizes.inner),
        ("mlp.down_proj", sizes.inner, sizes.width),
    ];
    let (mut header, mut bytes) = (serde_json::Map::new(), Vec::<u8>::new());
    for layer in 0..sizes.layers {
        for (name, columns, rows) in matrices {
            for (half, shape) in [("A", [4, columns]), ("B", [rows, 4])] {
                let begin = bytes.len();
                let count = shape[0] * shape[1];
                bytes.extend((0..count).flat_map(|at| {
                    let number = ((at * 7 + layer * 5 + columns) % 17) as f32 / 17.0 - 0.5;
                    (0.4 * number).to_le_bytes()
                }));
                let name = format!("base_model.model.model.layers.{layer}.{name}.lora_{half}.weight");
                let tensor =
                    serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, bytes.len()]});
                header.insert(name, tensor);
            }
        }
    }
    let header = serde_json::Value::Object(header).to_string();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(&bytes);
    std::fs::write(folder.join("adapter_model.safetensors"), file).unwrap();
    let config = serde_json::json!({"peft_type": "LORA", "r": 4, "lora_alpha": 8});
    std::fs::write(folder.join("adapter_config.json"), config.to_string()).unwrap();
}

#[test]
fn what_an_adapter_changes_is_changed_there_too() {
    let Some(there) = There::open() else { return };
    let sizes = Sizes { inner: 128, ..SMALL };
    let folder = tempfile::tempdir().unwrap();
    adapter(folder.path(), sizes);
    let steps = [1, 3, 32, 60, 1, 30];
    for (kind, room) in [(Kind::F32, 1e-4), (Kind::F16, 4e-3), (Kind::Q8, 1e-1)] {
        let model = Model::new(sizes, kind, true, 5);
        let plain = || Decoder::over("made-up.gguf", Arc::new(model.write())).unwrap();
        let changed = || {
            let adapter = Adapter::open(folder.path(), plain().shape()).unwrap();
            plain().with_adapter(adapter)
        };
        let layout = plain().layout(16, Element::F32);
        let host =
            |decoder: Decoder| logits(&Arc::new(decoder), Element::F32, &mut OwnPages::new(&layout), &steps);
        let (before, wanted) = (host(plain()), host(changed()));
        let gpu = Arc::new(changed().on_device(&there.device).unwrap());
        let ours = logits(&gpu, Element::F32, &mut PoolPages::new(&layout, &there.pool()), &steps);
        let (found, change) = (apart(&ours, &wanted), apart(&before, &wanted));
        println!("an adapter over {kind:?}: {found:.1e} apart; it changes {change:.1e}");
        assert!(
            change > 10.0 * found && found <= room,
            "{kind:?}: {found:.1e} apart, changed by {change:.1e}"
        );
    }
}

/// Samplers of every kind, and what else changes their logits.
fn voices(seed: u64) -> Vec<(Sampler, Vec<Change>)> {
    let usual = Sampling { seed, ..Sampling::default() };
    let all = Sampling { top_k: 0, top_p: 1.0, min_p: 0.0, temperature: 1.0, ..usual };
    let kinds = [
        Sampling::greedy(),
        usual,
        all,
        Sampling { min_p: 0.1, temperature: 1.7, ..all },
        Sampling { top_p: 0.9, ..all },
        Sampling { repeat_penalty: 1.3, ..usual },
        Sampling { repeat_penalty: 1.3, ..Sampling::greedy() },
        // More than a device tells of.
        Sampling { top_k: 1000, ..usual },
        Sampling { top_k: 100, top_p: 1.0, ..usual },
        Sampling { top_p: 0.5, min_p: 0.01, temperature: 2.0, repeat_penalty: 1.2, ..all },
    ];
    let weights = [
        Vec::new(),
        vec![
            Change { less: 0.7, ..Change::none(5) },
            Change { more: 4.0, ..Change::none(77) },
            Change { less: 1.5, more: -100.0, ..Change::none(300) },
        ],
    ];
    let voices = kinds.into_iter().flat_map(|kind| weights.clone().map(|weights| (kind, weights)));
    voices.map(|(kind, weights)| (Sampler::new(kind).unwrap(), weights)).collect()
}

#[test]
fn what_is_drawn_there_is_what_the_host_draws_of_the_logits() {
    let (Some(there), Some(models)) = (There::open(), shipped()) else { return };
    let decoder = Decoder::open(models.join("tiny-7m-q8_0.gguf")).unwrap();
    let vocabulary = decoder.shape().vocabulary;
    let decoder = Arc::new(decoder.on_device(&there.device).unwrap());
    let layout = decoder.layout(16, Element::F16);
    let mut batch = Batch::begin(&decoder, &layout).unwrap();
    let mut brought = 0;
    // A few tokens of each, which are told of beforehand; more than that; sequences of which only some end in a part; and more of them than
    // are looked at together.
    for lens in [vec![1; 20], vec![2; 11], vec![17, 40, 1], vec![300, 300, 2], vec![2; 40]] {
        let texts: Vec<Vec<u32>> = lens.iter().map(|len| tokens(*len, vocabulary)).collect();
        for seed in 0..12 {
            let mut voices: Vec<_> = voices(seed).into_iter().cycle().take(lens.len()).collect();
            for ((sampler, _), text) in voices.iter_mut().zip(&texts) {
                for token in text {
                    sampler.accept(*token);
                }
            }
            let mut pages: Vec<_> = lens.iter().map(|_| PoolPages::new(&layout, &there.pool())).collect();
            let mut strands: Vec<_> = texts
                .iter()
                .zip(&mut pages)
                .map(|(tokens, table)| Strand { tokens, len: 0, table })
                .collect();
            let rows: Vec<Vec<f32>> =
                batch.step(&mut strands).unwrap().chunks(vocabulary).map(<[f32]>::to_vec).collect();
            let wanted = voices.clone().into_iter().zip(&rows).map(|((mut sampler, weights), row)| {
                let mut row = row.clone();
                plimsoll_llm::change(&mut row, &sampler.changes(weights));
                sampler.draw_changed(&row).unwrap()
            });
            let wanted: Vec<u32> = wanted.collect();
            for strand in &mut strands {
                strand.len = 0;
            }
            let wishes = voices.iter().map(|(sampler, weights)| sampler.wish(weights.clone())).collect();
            let found = batch.draw(&mut strands, wishes).unwrap().to_vec();
            for (strand, ((sampler, weights), found)) in voices.iter_mut().zip(&found).enumerate() {
                let token = sampler.hear::<_, Box<dyn std::error::Error>>(found, || {
                    brought += 1;
                    let mut row = batch.row(strand)?.to_vec();
                    if *found == Found::Whole {
                        plimsoll_llm::change(&mut row, weights);
                    }
                    Ok(row)
                });
                assert_eq!(token.unwrap(), wanted[strand], "{lens:?}, {strand}, {:?}", sampler.wish(vec![]));
            }
        }
    }
    println!("{brought} rows were brought whole");
    assert!(brought > 0);
}

#[test]
fn what_is_drawn_of_a_damaged_model_is_said() {
    let Some(there) = There::open() else { return };
    let model = Model::new(SMALL, Kind::F32, true, 5);
    let decoder = Decoder::over("made-up.gguf", Arc::new(model.write())).unwrap();
    let decoder = Arc::new(decoder.on_device(&there.device).unwrap());
    let layout = decoder.layout(16, Element::F16);
    let mut sequence = Sequence::begin(&decoder, &layout).unwrap();
    let mut pages = PoolPages::new(&layout, &there.pool());
    let changes = vec![Change { more: f32::NAN, ..Change::none(1) }];
    for need in [Need::Likeliest, Need::Lot(Lot::among_all(1.0, 0.5))] {
        let wish = Wish { need, changes: changes.clone() };
        assert_eq!(*sequence.draw(&[3], &mut pages, wish).unwrap(), Found::Damaged);
    }
    let nothing = sequence.draw(&[3], &mut pages, Wish::plain(Need::Nothing)).unwrap();
    assert_eq!(*nothing, Found::Nothing);
    let mut batch = Batch::begin(&decoder, &layout).unwrap();
    assert!(matches!(batch.row(0), Err(StepError::Empty)));
}
