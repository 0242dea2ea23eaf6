//! A model's thread beside an engine that fails: what finds no page waits for others, and a fault is told and not passed over.

#![allow(clippy::expect_used, reason = "a test that cannot begin has failed")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plimsoll::{Bytes, Engine as Books, Place};
use plimsoll_kv::block::Token;
use plimsoll_kv::cache::Cache;
use plimsoll_kv::engine::LeasedPages;
use plimsoll_kv::policy::Hint;
use plimsoll_llm::Sampling;
use plimsoll_llm::text::Tokenizer;
use plimsoll_serve::batch::{BatchSettings, Event, Finish, Format, Job, Voice, VoiceSettings, Worker};
use plimsoll_serve::engine::{Engine, EngineFault, Facts, Failed, Part};
use tokio::sync::mpsc::{Receiver, channel};

/// What befalls a step of so many parts: which of them, and what.
type Trouble = dyn FnMut(usize) -> Option<(usize, EngineFault)> + Send;

/// An engine whose model always writes the same token; `trouble` says what befalls a step.
struct Fake {
    facts: Facts,
    trouble: Mutex<Box<Trouble>>,
    steps: AtomicUsize,
    /// The likeliest token behind so many steps, if it finds that by itself.
    likeliest: Option<fn(usize) -> Option<Token>>,
    told: AtomicUsize,
}

const WRITES: Token = 100;

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
            let mut row = vec![0.0; self.facts.vocabulary];
            row[WRITES as usize] = 9.0;
            batch.extend(row);
        }
        Ok(batch)
    }

    fn likeliest(
        &self,
        _: &mut Vec<f32>,
        parts: &mut [Part<'_, usize>],
    ) -> Option<Result<Vec<Option<Token>>, Failed>> {
        let tell = self.likeliest.as_ref()?;
        for part in parts.iter_mut() {
            *part.sequence += part.tokens.len();
        }
        let told = self.told.fetch_add(1, Ordering::Relaxed);
        Some(Ok(vec![tell(told); parts.len()]))
    }
}

struct Stand {
    worker: Worker<Fake>,
    tokenizer: Arc<Tokenizer>,
    books: Books,
}

impl Stand {
    fn new(trouble: impl FnMut(usize) -> Option<(usize, EngineFault)> + Send + 'static) -> Self {
        Self::with(trouble, None)
    }

    /// One whose engine finds likeliest tokens by itself: which, behind so many steps.
    fn telling(likeliest: fn(usize) -> Option<Token>) -> Self {
        Self::with(|_| None, Some(likeliest))
    }

    fn with(
        trouble: impl FnMut(usize) -> Option<(usize, EngineFault)> + Send + 'static,
        likeliest: Option<fn(usize) -> Option<Token>>,
    ) -> Self {
        let tokenizer = Arc::new(Tokenizer::open(common::model()).expect("the shipped model has one"));
        let facts = Facts {
            context: 1000,
            vocabulary: tokenizer.len(),
            page_tokens: 16,
            page_bytes: Bytes::kib(4),
            pass_tokens: 256,
        };
        let (steps, told) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let engine = Fake { facts, trouble: Mutex::new(Box::new(trouble)), steps, likeliest, told };
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

#[test]
fn who_goes_by_the_likeliest_token_needs_no_logits() {
    let greedy = |more: fn(&mut VoiceSettings)| {
        let mut settings =
            VoiceSettings { tokens: 12, sampling: Sampling::greedy(), ..VoiceSettings::default() };
        more(&mut settings);
        settings
    };
    let asked = |stand: &Stand| {
        let engine = stand.worker.engine();
        (engine.told.load(Ordering::Relaxed), engine.steps.load(Ordering::Relaxed))
    };
    let stand = Stand::telling(|_| Some(WRITES));
    let done = end(stand.send_as(greedy(|_| {})));
    assert!(matches!(done, Some(Event::Done { tokens: 12, .. })), "{done:?}");
    assert_eq!(asked(&stand), (12, 0));
    // What looks at other tokens too has to see them all.
    let others: [fn(&mut VoiceSettings); 6] = [
        |settings| settings.sampling.temperature = 0.5,
        |settings| settings.sampling.repeat_penalty = 1.1,
        |settings| settings.frequency_penalty = 0.1,
        |settings| settings.presence_penalty = 0.1,
        |settings| settings.bias = [(3, 1.0)].into(),
        |settings| settings.format = Format::Json,
    ];
    for (turn, other) in others.into_iter().enumerate() {
        let (_, before) = asked(&stand);
        assert!(end(stand.send_as(greedy(other))).is_some());
        assert!(asked(&stand).1 > before && asked(&stand).0 == 12, "turn {turn}");
    }
    let damaged = Stand::telling(|step| (step < 3).then_some(WRITES));
    let told = end(damaged.send_as(greedy(|_| {})));
    assert!(
        matches!(&told, Some(Event::Failed(EngineFault::Failed(why))) if why.contains("no numbers")),
        "{told:?}"
    );
    assert!(damaged.worker.is_alive());
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
