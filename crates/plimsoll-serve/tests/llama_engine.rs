//! llama.cpp's states through the tiered cache: what is restored goes on as what was computed. Needs the feature `llama-cpp`.

#![cfg(feature = "llama-cpp")]
#![allow(clippy::expect_used, reason = "a test that cannot begin has failed")]

mod common;

use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Engine as Books, Place};
use plimsoll_device::{HostDevice, HostSettings};
use plimsoll_kv::block::{Root, Token};
use plimsoll_kv::cache::{Cache, CacheSettings};
use plimsoll_kv::engine::LeasedPages;
use plimsoll_llama::{Context, ContextSettings, Model, Rehearsal, SequenceId};
use plimsoll_serve::engine::{Engine as _, Facts, Llama, LlamaPast, LlamaSequence, Part};

const SEQUENCES: u16 = 4;

fn settings() -> ContextSettings {
    ContextSettings { cells: 2048, sequences: 6, batch: 512, pass: 256, outputs: 32, threads: 1 }
}

/// An engine over a context of its own. Several share one cache, as one does that is loaded again.
struct Stand {
    model: Model,
    cache: Cache<LeasedPages>,
    root: Root,
    _books: Books,
}

impl Stand {
    fn new() -> Self {
        let model = Model::load(&common::model(), true).expect("a model");
        let share = |path: &str| AccountSettings::new(path).share(Place::Host, Bytes::ZERO, Bytes::mib(64));
        let ledger = LedgerSettings {
            places: vec![LineSettings::new(Place::Host, Bytes::mib(64))],
            accounts: vec![share("hot"), share("warm")],
        };
        let device = HostDevice::open(HostSettings::default()).expect("a host");
        let books = Books::with(&ledger, vec![std::sync::Arc::new(device)]).expect("a ledger");
        let pool =
            |name: &str| books.account(name).expect("an account").scratch(Place::Host).expect("a pool");
        let (mut context, _) = Context::open(&model, settings()).expect("a context");
        let form = Llama::form(&mut context, SequenceId(0)).expect("a step").expect("blocks");
        let layout = form.layout(16);
        let root = Root::of(b"a test", &layout).build();
        let pages = LeasedPages::new(layout, pool("hot")).expect("pages");
        let cache = Cache::open(pages, CacheSettings::new("test", pool("warm")).exact()).expect("a cache");
        Self { model, cache, root, _books: books }
    }

    fn engine(&self, past: bool) -> Llama {
        let (mut context, _) = Context::open(&self.model, settings()).expect("a context");
        let form = Llama::form(&mut context, SequenceId(0)).expect("a step").expect("blocks");
        let past = past.then(|| LlamaPast { cache: self.cache.clone(), root: self.root, form });
        let facts = Facts {
            context: 1024,
            vocabulary: 4096,
            page_tokens: 16,
            page_bytes: Bytes::kib(64),
            pass_tokens: 256,
        };
        Llama::new(context, SEQUENCES, (512, 32), past, facts)
    }
}

fn tokens(seed: u32, count: usize) -> Vec<Token> {
    let mut state = u64::from(seed) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Token::try_from((state >> 33) % 4000).expect("a token") + 1
    };
    (0..count).map(|_| next()).collect()
}

/// What follows tokens of a sequence.
fn logits(engine: &Llama, sequence: &mut LlamaSequence, tokens: &[Token]) -> Vec<f32> {
    let mut batch = engine.batch().expect("room");
    let mut parts = [Part { sequence, tokens }];
    engine.step(&mut batch, &mut parts).expect("a step").to_vec()
}

/// A prompt and the likeliest tokens behind it.
fn greedy(engine: &Llama, prompt: &[Token], count: usize) -> (usize, Vec<Token>, Vec<f32>) {
    let mut sequence = engine.begin(prompt);
    let found = engine.tokens(&sequence);
    // In the two parts in which it is computed when the first was found: llama.cpp computes other numbers of tokens by other kernels.
    let whole = (prompt.len() - 1) / 16 * 16;
    if found < whole {
        logits(engine, &mut sequence, &prompt[found..whole]);
    }
    let first = logits(engine, &mut sequence, &prompt[whole..]);
    let mut row = first.clone();
    let mut text = Vec::new();
    for _ in 0..count {
        let best = (0..).zip(&row).max_by(|one, two| one.1.total_cmp(two.1)).expect("tokens").0;
        text.push(best);
        row = logits(engine, &mut sequence, &[best]);
    }
    (found, text, first)
}

fn apart(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

#[test]
fn a_prefix_goes_on_in_a_fresh_context_as_it_was_computed() {
    let stand = Stand::new();
    for (seed, length) in [(1, 200), (5, 33), (7, 700)] {
        let prompt = tokens(seed, length);
        let (found, text, computed) = greedy(&stand.engine(true), &prompt, 20);
        assert_eq!(found, 0);
        // Another context, with nothing in its cells.
        let (found, again, restored) = greedy(&stand.engine(true), &prompt, 20);
        assert_eq!(found, (length - 1) / 16 * 16);
        assert_eq!(again, text, "{length}");
        assert!(apart(&computed, &restored) < 1e-3, "{length}: {}", apart(&computed, &restored));
    }
}

#[test]
fn a_prefix_stands_beside_others_that_are_alive() {
    let stand = Stand::new();
    let (prompt, other) = (tokens(21, 300), tokens(23, 150));
    let (_, _, computed) = greedy(&stand.engine(true), &prompt, 40);
    let engine = stand.engine(true);
    let mut alive = engine.begin(&other);
    let before = logits(&engine, &mut alive, &other);
    let mut sequence = engine.begin(&prompt);
    let found = engine.tokens(&sequence);
    assert_eq!(found, 288);
    let row = logits(&engine, &mut sequence, &prompt[found..]);
    assert!(apart(&computed, &row) < 0.25, "{}", apart(&computed, &row));
    drop(sequence);
    // The one beside it has lost nothing.
    let next = logits(&engine, &mut alive, &[7]);
    let fresh = stand.engine(false);
    let mut same = fresh.begin(&other);
    assert!(apart(&logits(&fresh, &mut same, &other), &before) < 0.25);
    assert!(apart(&logits(&fresh, &mut same, &[7]), &next) < 0.25);
}

#[test]
fn a_longer_prompt_and_what_was_written_are_found_and_others_are_not() {
    let stand = Stand::new();
    let engine = stand.engine(true);
    let prompt = tokens(31, 100);
    let (_, text, _) = greedy(&engine, &prompt, 60);
    let mut turn = [prompt.clone(), text].concat();
    let whole = turn.len() / 16 * 16;
    turn.extend(tokens(33, 30));
    assert_eq!(engine.tokens(&engine.begin(&turn)), whole);
    let mut branch = prompt.clone();
    branch[50] += 1;
    assert_eq!(engine.tokens(&engine.begin(&branch)), 48);
    assert_eq!(engine.tokens(&engine.begin(&tokens(35, 100))), 0);
}

#[test]
fn a_step_without_cells_costs_nobody_anything() {
    let stand = Stand::new();
    let engine = stand.engine(false);
    let long = tokens(41, 1000);
    let mut first = engine.begin(&long);
    logits(&engine, &mut first, &long);
    let mut second = engine.begin(&long);
    logits(&engine, &mut second, &long[..900]);
    let mut third = engine.begin(&long);
    let mut batch = engine.batch().expect("room");
    let mut parts =
        [Part { sequence: &mut third, tokens: &long[..400] }, Part { sequence: &mut second, tokens: &[3] }];
    let failed = engine.step(&mut batch, &mut parts).expect_err("there are 148 cells");
    assert!(failed.fault.to_string().contains("no free cells"), "{}", failed.fault);
    assert_eq!((engine.tokens(&third), engine.tokens(&second)), (0, 900));
    drop(first);
    let mut parts = [Part { sequence: &mut third, tokens: &long[..400] }];
    engine.step(&mut batch, &mut parts).expect("there are cells again");
    let fresh = stand.engine(false);
    let mut same = fresh.begin(&long);
    let mut wanted = logits(&fresh, &mut same, &long[..900]);
    wanted = {
        drop(wanted);
        logits(&fresh, &mut same, &[3])
    };
    assert!(apart(&logits(&engine, &mut second, &[3]), &wanted) < 0.25);
}

#[test]
fn a_rehearsal_says_what_is_taken() {
    let rehearsal = Rehearsal::open(&common::model()).expect("a model");
    let model = Model::load(&common::model(), rehearsal.maps()).expect("a model");
    let facts = (rehearsal.facts().context, rehearsal.facts().vocabulary, rehearsal.facts().width);
    assert_eq!(facts, (1024, 4096, 256));
    assert_eq!(model.facts(), rehearsal.facts());
    for cells in [512, 2048, 8192] {
        let settings = ContextSettings { cells, ..settings() };
        let said = rehearsal.sizes(&settings).expect("sizes");
        let (_context, taken) = Context::open(&model, settings).expect("a context");
        // Eight layers of 128 keys and values in halves.
        assert_eq!(said.cells_bytes.abs_diff(u64::from(cells) * 4096) / 20_000, 0, "{said:?}");
        assert_eq!((said.cells_bytes, said.compute_bytes), (taken.cells_bytes, taken.compute_bytes));
        assert!(said.output_bytes >= taken.output_bytes && taken.weights_bytes > 7_000_000, "{taken:?}");
        assert!(taken.weights_bytes.abs_diff(said.weights_bytes) < 200_000, "{said:?} {taken:?}");
    }
}
