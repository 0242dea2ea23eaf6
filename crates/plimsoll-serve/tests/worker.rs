//! A model's thread beside an engine that fails: what finds no page waits for others, and a fault is told and not passed over.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test that cannot begin has failed, and its numbers are made up"
)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plimsoll::{Bytes, Engine as Books, Place};
use plimsoll_kv::block::Token;
use plimsoll_kv::cache::Cache;
use plimsoll_kv::engine::LeasedPages;
use plimsoll_kv::policy::Hint;
use plimsoll_llm::text::Tokenizer;
use plimsoll_llm::{Found, Sampling, Wish};
use plimsoll_serve::batch::{BatchSettings, Event, Finish, Format, Job, Voice, VoiceSettings, Worker};
use plimsoll_serve::engine::{Engine, EngineFault, Facts, Failed, Part};
use tokio::sync::mpsc::{Receiver, channel};

/// What befalls a step of so many parts: which of them, and what.
type Trouble = dyn FnMut(usize) -> Option<(usize, EngineFault)> + Send;

/// The logits behind so many tokens of a sequence, of so many in the vocabulary.
type Row = fn(usize, usize) -> Vec<f32>;

/// An engine with a model that is made up; `trouble` says what befalls a step.
struct Fake {
    facts: Facts,
    trouble: Mutex<Box<Trouble>>,
    row: Row,
    /// Whether it looks at logits by itself.
    draws: bool,
    steps: AtomicUsize,
    drawn: AtomicUsize,
}

const WRITES: Token = 100;

/// A model that always writes the same token.
fn writes(_: usize, vocabulary: usize) -> Vec<f32> {
    let mut row = vec![0.0; vocabulary];
    row[WRITES as usize] = 9.0;
    row
}

/// One that may write many: a few hundred tokens are likelier than the rest.
fn wavers(tokens: usize, vocabulary: usize) -> Vec<f32> {
    let mut state = tokens as u64;
    let mut lot = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f32::from((state >> 48) as u16) / f32::from(u16::MAX)
    };
    (0..vocabulary).map(|_| 12.0 * lot().powi(3)).collect()
}

/// One that is damaged behind the 25th token.
fn breaks(tokens: usize, vocabulary: usize) -> Vec<f32> {
    let mut row = writes(tokens, vocabulary);
    row[3] = if tokens >= 25 { f32::NAN } else { 0.0 };
    row
}

impl Engine for Fake {
    type Sequence = usize;
    type Batch = Vec<f32>;

    fn name(&self) -> &'static str {
        "fake"
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn cache(&self) -> Option<&Cache<LeasedPages>> {
        None
    }

    fn begin(&self, _: &[Token]) -> usize {
        0
    }

    fn tokens(&self, sequence: &usize) -> usize {
        *sequence
    }

    fn hint(&self, _: &usize, _: Hint) {}

    fn embed(&self, _: &[Token]) -> Result<Vec<f32>, EngineFault> {
        Ok(Vec::new())
    }

    fn batch(&self) -> Result<Vec<f32>, EngineFault> {
        Ok(Vec::new())
    }

    fn step<'b>(&self, batch: &'b mut Vec<f32>, parts: &mut [Part<'_, usize>]) -> Result<&'b [f32], Failed> {
        self.steps.fetch_add(1, Ordering::Relaxed);
        let trouble = (self.trouble.lock().expect("no panic holds it"))(parts.len());
        if let Some((part, fault)) = trouble {
            return Err(Failed { part, fault });
        }
        batch.clear();
        for part in parts {
            *part.sequence += part.tokens.len();
            batch.extend((self.row)(*part.sequence, self.facts.vocabulary));
        }
        Ok(batch)
    }

    fn draws(&self) -> bool {
        self.draws
    }

    fn draw(
        &self,
        batch: &mut Vec<f32>,
        parts: &mut [Part<'_, usize>],
        wishes: Vec<Wish>,
    ) -> Result<Vec<Found>, Failed> {
        self.step(batch, parts)?;
        self.steps.fetch_sub(1, Ordering::Relaxed);
        self.drawn.fetch_add(1, Ordering::Relaxed);
        let rows = batch.chunks_exact_mut(self.facts.vocabulary);
        Ok(rows.zip(wishes).map(|(row, wish)| wish.look(row)).collect())
    }

    fn row<'b>(&self, batch: &'b mut Vec<f32>, part: usize) -> Result<&'b mut [f32], EngineFault> {
        let vocabulary = self.facts.vocabulary;
        Ok(&mut batch[part * vocabulary..][..vocabulary])
    }
}

struct Stand {
    worker: Worker<Fake>,
    tokenizer: Arc<Tokenizer>,
    books: Books,
}

impl Stand {
    fn new(trouble: impl FnMut(usize) -> Option<(usize, EngineFault)> + Send + 'static) -> Self {
        Self::with(trouble, writes, false)
    }

    fn with(
        trouble: impl FnMut(usize) -> Option<(usize, EngineFault)> + Send + 'static,
        row: Row,
        draws: bool,
    ) -> Self {
        let tokenizer = Arc::new(Tokenizer::open(common::model()).expect("the shipped model has one"));
        let facts = Facts {
            context: 1000,
            vocabulary: tokenizer.len(),
            page_tokens: 16,
            page_bytes: Bytes::kib(4),
            pass_tokens: 256,
        };
        let steps = AtomicUsize::new(0);
        let trouble: Mutex<Box<Trouble>> = Mutex::new(Box::new(trouble));
        let engine = Fake { facts, trouble, row, draws, steps, drawn: AtomicUsize::new(0) };
        let settings = BatchSettings { sequences: 4, patience: Duration::from_millis(300) };
        let worker = Worker::start(Arc::new(engine), "fake", settings).expect("a thread");
        let books = Books::in_memory(Bytes::mib(1), "seats").expect("a line");
        Self { worker, tokenizer, books }
    }

    fn send(&self, tokens: usize) -> Receiver<Event> {
        self.send_as(VoiceSettings { tokens, ..VoiceSettings::default() })
    }

    fn send_as(&self, settings: VoiceSettings) -> Receiver<Event> {
        let prompt = [7; 20];
        let voice = Voice::new(settings, &self.tokenizer, &prompt).expect("settings");
        let seat = self.books.reserve("seats", Bytes::kib(1)).expect("an account").now().expect("room");
        let (events, heard) = channel(64);
        self.worker
            .send(Job { prompt: prompt.into(), voice, events, hint: Hint::TurnEnded, seat: seat.into() })
            .expect("it is there");
        heard
    }

    fn seats(&self) -> Bytes {
        self.books.account("seats").expect("an account").charged(Place::Host)
    }
}

/// The last word; none if the channel closed without one.
fn end(mut heard: Receiver<Event>) -> Option<Event> {
    let mut last = None;
    while let Some(event) = heard.blocking_recv() {
        last = Some(event);
    }
    last
}

#[test]
fn what_finds_no_page_waits_and_the_others_go_on() {
    let mut left = 6;
    // While two stand there the second finds no page; alone it does.
    let stand = Stand::new(move |parts| {
        let short = parts == 2 && left > 0;
        left -= usize::from(short);
        short.then(|| (1, EngineFault::NoRoom("full".to_owned())))
    });
    let (one, other) = (stand.send(40), stand.send(40));
    for heard in [one, other] {
        let end = end(heard);
        assert!(matches!(end, Some(Event::Done { tokens: 40, finish: Finish::Length, .. })), "{end:?}");
    }
    let given_back = || stand.seats() == Bytes::ZERO;
    let began = Instant::now();
    while !given_back() && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(given_back());
}

#[test]
fn who_never_finds_one_is_told_and_tries_less_and_less_often() {
    let stand = Stand::new(|_| Some((0, EngineFault::NoRoom("full".to_owned()))));
    let end = end(stand.send(5));
    assert!(matches!(end, Some(Event::Failed(EngineFault::NoRoom(_)))), "{end:?}");
    let steps = stand.worker.engine().steps.load(Ordering::Relaxed);
    assert!((2..20).contains(&steps), "{steps} tries in 300 ms");
}

#[test]
fn a_fault_is_told_to_whom_it_befell_and_the_others_go_on() {
    let mut first = true;
    let stand = Stand::new(move |_| {
        std::mem::take(&mut first).then(|| (0, EngineFault::Failed("damaged".to_owned())))
    });
    let ends = [end(stand.send(3)), end(stand.send(3))];
    assert!(
        matches!(&ends[0], Some(Event::Failed(EngineFault::Failed(why))) if why == "damaged"),
        "{ends:?}"
    );
    assert!(matches!(ends[1], Some(Event::Done { .. })), "{ends:?}");
    assert!(stand.worker.is_alive());
}

/// All that was written, and how it ended.
fn text(mut heard: Receiver<Event>) -> (String, Finish) {
    let mut all = String::new();
    while let Some(event) = heard.blocking_recv() {
        match event {
            Event::Text { text, .. } => all.push_str(&text),
            Event::Done { text, finish, .. } => return (all + &text, finish),
            Event::Failed(fault) => panic!("{fault}"),
        }
    }
    panic!("it ends with a word")
}

/// Ways of writing, and whether what the engine tells of logits may not be enough for them.
fn ways() -> Vec<(VoiceSettings, bool)> {
    let usual = VoiceSettings { tokens: 40, ..VoiceSettings::default() };
    let with = |more: &dyn Fn(&mut VoiceSettings)| {
        let mut settings = usual.clone();
        more(&mut settings);
        settings
    };
    vec![
        (with(&|settings| settings.sampling = Sampling::greedy()), false),
        (usual.clone(), false),
        (with(&|settings| settings.sampling = ALL), false),
        (with(&|settings| settings.sampling = Sampling { top_p: 0.9, ..ALL }), false),
        (with(&|settings| settings.sampling = Sampling { top_k: 700, ..ALL }), true),
        (with(&|settings| settings.sampling.repeat_penalty = 1.2), false),
        (with(&|settings| settings.frequency_penalty = 0.9), false),
        (with(&|settings| settings.presence_penalty = 0.7), false),
        (with(&|settings| settings.bias = [(3, 9.0), (17, -100.0)].into()), false),
        (
            with(&|settings| {
                settings.sampling = Sampling { repeat_penalty: 1.1, ..Sampling::greedy() };
                settings.frequency_penalty = 0.5;
                settings.bias = [(3, 2.0), (WRITES, -1.0)].into();
            }),
            false,
        ),
        (with(&|settings| settings.format = Format::Json), true),
        (with(&|settings| (settings.format, settings.sampling) = (Format::Json, Sampling::greedy())), true),
    ]
}

const ALL: Sampling = Sampling {
    temperature: 1.0,
    top_k: 0,
    top_p: 1.0,
    min_p: 0.0,
    repeat_penalty: 1.0,
    repeat_window: 64,
    seed: 5,
};

#[test]
fn what_is_drawn_by_the_engine_is_the_text_of_who_sees_all_logits() {
    let (shown, told) = (Stand::with(|_| None, wavers, false), Stand::with(|_| None, wavers, true));
    for (turn, (settings, may_want_more)) in ways().into_iter().enumerate() {
        let before = told.worker.stats().brought;
        let wanted = text(shown.send_as(settings.clone()));
        assert!(!wanted.0.is_empty(), "turn {turn}");
        assert_eq!(text(told.send_as(settings)), wanted, "turn {turn}");
        assert_eq!(told.worker.stats().brought > before, may_want_more, "turn {turn}");
    }
    let asked = |stand: &Stand| {
        let engine = stand.worker.engine();
        (engine.drawn.load(Ordering::Relaxed) > 0, engine.steps.load(Ordering::Relaxed) > 0)
    };
    assert_eq!((asked(&told), asked(&shown)), ((true, false), (false, true)));
    assert_eq!(shown.worker.stats().brought, 0);
}

#[test]
fn texts_of_every_kind_step_together_and_are_drawn_by_the_engine() {
    let stand = Stand::with(|_| None, wavers, true);
    let alone: Vec<_> = ways().into_iter().map(|(settings, _)| text(stand.send_as(settings))).collect();
    for from in 0..ways().len() {
        let some: Vec<usize> = (from..from + 4).map(|way| way % ways().len()).collect();
        let heard: Vec<_> = some.iter().map(|way| stand.send_as(ways()[*way].0.clone())).collect();
        for (way, heard) in some.iter().zip(heard) {
            assert_eq!(text(heard), alone[*way], "way {way} beside {some:?}");
        }
    }
    assert_eq!(stand.worker.engine().steps.load(Ordering::Relaxed), 0);
}

#[test]
fn logits_that_are_no_numbers_are_told_and_the_others_go_on() {
    for draws in [false, true] {
        let stand = Stand::with(|_| None, breaks, draws);
        for (turn, (settings, _)) in ways().into_iter().enumerate() {
            let settings = VoiceSettings { format: Format::Text, ..settings };
            let told = end(stand.send_as(settings));
            assert!(
                matches!(&told, Some(Event::Failed(EngineFault::Failed(why))) if why.contains("no numbers")),
                "turn {turn}: {told:?}"
            );
        }
        assert!(stand.worker.is_alive());
    }
}

#[test]
fn when_what_computes_is_lost_all_are_told_and_the_thread_ends() {
    // No step ends before both are there.
    let (sent, both) = std::sync::mpsc::channel::<()>();
    let stand = Stand::new(move |parts| {
        let _ = both.recv_timeout(Duration::from_secs(10));
        (parts == 2).then(|| (1, EngineFault::Lost("unplugged".to_owned())))
    });
    let heard = [stand.send(40), stand.send(40)];
    drop(sent);
    for end in heard.map(end) {
        assert!(matches!(&end, Some(Event::Failed(EngineFault::Lost(why))) if why == "unplugged"), "{end:?}");
    }
    let began = Instant::now();
    while stand.worker.is_alive() && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(!stand.worker.is_alive());
    assert_eq!(stand.seats(), Bytes::ZERO);
}

#[test]
fn a_thread_that_panics_is_known_to_be_gone() {
    let stand = Stand::new(|_| panic!("on purpose"));
    assert!(end(stand.send(3)).is_none(), "its channel closes");
    let began = Instant::now();
    while stand.worker.is_alive() && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(!stand.worker.is_alive());
    assert_eq!(stand.seats(), Bytes::ZERO);
}
