//! The measuring.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use plimsoll::{Bytes, Place};
use plimsoll_kv::layout::Element;
use plimsoll_llm::{Decoder, OwnPages, Sequence};
use plimsoll_serve::model::ModelSource;
use plimsoll_serve::{Running, ServeSettings, Service};
use serde_json::{Value, json};

use super::args::ServeBenchArgs;
use super::client::Client;
use super::mixed::{self, Sizes};
use super::report::{ServeReport, ServeRow, Unit};
use super::{beside, connections, crowd, restart};
use crate::bench::made_up::{ModelFile, Words};
use crate::bench::{median, resident};
use crate::serve::{ServeFailure, device};
use crate::{CliError, built_in};

/// What the interface may add to a request, in milliseconds.
const OVERHEAD_MS: f64 = 1.0;
/// What a thousand streams that wait may take.
const STREAMS: Bytes = Bytes::mib(50);
/// The longest prompt that is timed, unless said.
const PROMPT: usize = 2000;
/// Turns of a conversation under load.
const TURNS: usize = 10;

fn source(args: &ServeBenchArgs) -> ModelSource {
    let source = match &args.model {
        Some(path) => ModelSource::at(path),
        None => ModelSource::built_in(built_in::NAME, built_in::model()),
    };
    ModelSource { engine: args.engine, ..source }
}

pub(super) fn start(settings: ServeSettings) -> Result<Running, ServeFailure> {
    let first = settings.models[0].name.clone();
    let service = Service::open(settings)?;
    service.load(&first)?;
    Ok(service.start()?)
}

pub(super) fn settings(args: &ServeBenchArgs, folder: Option<&Path>) -> Result<ServeSettings, ServeFailure> {
    let mut settings = ServeSettings::new(args.line, vec![source(args)]);
    settings.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.cache = folder.map(|folder| (folder.to_owned(), Bytes::gib(2)));
    settings.kv = args.kv;
    settings.limits.waiting = args.streams.max(settings.limits.waiting);
    settings.device = args.device.map(|place| device(place, args.device_memory)).transpose()?;
    Ok(settings)
}

/// Everything, one after the other.
pub(super) fn report(args: &ServeBenchArgs) -> Result<ServeReport, CliError> {
    let made_up = args.shape.map(|shape| ModelFile::made_up(shape, None, Words::Each));
    let file = made_up.transpose().map_err(|error| failed(io::Error::other(error)))?;
    let args = &ServeBenchArgs {
        model: file.as_ref().map(|file| file.path().to_owned()).or_else(|| args.model.clone()),
        ..args.clone()
    };
    let decoder = Arc::new(opened(args)?);
    let context = decoder.shape().context;
    let prompt = args.prompt.unwrap_or(PROMPT).min(context.saturating_sub(16)).max(32);
    let bench = Bench { args, decoder, prompt, turns: if args.quick { 3 } else { 9 } };
    let mut rows = Vec::new();
    if let Some(texts) = args.crowd {
        rows.extend(crowd::rows(&bench, texts.max(1))?);
    } else if args.restart {
        rows.extend(bench.first_tokens()?);
    } else if let Some(minutes) = args.mixed {
        rows.extend(mixed::rows(args, seconds(minutes), bench.sizes())?);
    } else if let (Some(url), Some(trace)) = (&args.beside, &args.trace) {
        let sizes = (context, bench.decoder.shape().vocabulary);
        let turns = beside::turns(trace, (args.sessions, args.turns), sizes)?;
        let folder = tempfile::tempdir().map_err(failed)?;
        let running = start(settings(args, Some(folder.path()))?)?;
        rows.extend(beside::compare(running.address(), running.engine(), url, &turns, args)?);
    } else {
        rows.extend(bench.overhead()?);
        rows.extend(bench.first_tokens()?);
        rows.push(bench.streams()?);
        rows.extend(connections::rows(args)?);
        rows.extend(bench.load()?);
    }
    let model = file.map_or_else(|| source(args).name, |file| file.name());
    Ok(ServeReport { model, line_bytes: args.line.get(), prompt_tokens: prompt, rows })
}

pub(super) struct Bench<'a> {
    pub(super) args: &'a ServeBenchArgs,
    /// On the host.
    pub(super) decoder: Arc<Decoder>,
    prompt: usize,
    pub(super) turns: usize,
}

/// The model, for steps of its own.
pub(super) fn opened(args: &ServeBenchArgs) -> Result<Decoder, CliError> {
    let decoder = match &args.model {
        Some(path) => Decoder::open(path),
        None => Decoder::over(built_in::NAME, built_in::model()),
    };
    Ok(decoder.map_err(|error| ServeFailure::Model(error.into()))?)
}

pub(super) fn failed(error: io::Error) -> CliError {
    CliError::ServeBench(error)
}

/// A refusal is no figure.
pub(super) fn answered(status: u16) -> Result<(), CliError> {
    if status == 200 {
        return Ok(());
    }
    Err(failed(io::Error::other(format!("a request was answered with {status}"))))
}

pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// At least a few: less says nothing.
fn seconds(minutes: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time that somebody waits")]
    let seconds = (minutes * 60.0) as u64;
    seconds.max(6)
}

impl Bench<'_> {
    fn sizes(&self) -> Sizes {
        let (shape, layout) = (self.decoder.shape(), self.decoder.layout(16, Element::F16));
        Sizes {
            context: shape.context,
            vocabulary: shape.vocabulary,
            token_bytes: layout.block_bytes() as u64 / 16,
            weights: self.decoder.bytes(),
        }
    }

    /// Tokens by lot; another number, another prompt.
    pub(super) fn tokens(&self, number: u64, count: usize) -> Vec<u32> {
        let vocabulary = self.decoder.shape().vocabulary as u64;
        let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u32::try_from((state >> 33) % vocabulary).unwrap_or(0)
        };
        (0..count).map(|_| next()).collect()
    }

    /// What a request takes beyond the step that it asks for.
    fn overhead(&self) -> Result<Vec<ServeRow>, CliError> {
        let running = start(settings(self.args, None)?)?;
        let mut client = Client::connect(running.address()).map_err(failed)?;
        let tokens = self.tokens(1, 8);
        let ask = json!({"prompt": tokens, "max_tokens": 1, "temperature": 0}).to_string();
        let layout = self.decoder.layout(16, Element::F16);
        let mut alone =
            Sequence::begin(&self.decoder, &layout).map_err(|error| failed(io::Error::other(error)))?;
        let mut pages = OwnPages::new(&layout);
        let (mut asked, mut stepped, mut plain) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.turns * 20 {
            let began = Instant::now();
            let (status, _) = client.ask("/v1/completions", &ask).map_err(failed)?;
            asked.push(milliseconds(began.elapsed()));
            answered(status)?;
            let began = Instant::now();
            alone.resume(0);
            alone.step(&tokens, &mut pages).map_err(|error| failed(io::Error::other(error)))?;
            stepped.push(milliseconds(began.elapsed()));
            let began = Instant::now();
            client.ask("/v1/models", "").map_err(failed)?;
            plain.push(milliseconds(began.elapsed()));
        }
        let differences = asked.iter().zip(&stepped).map(|(asked, stepped)| asked - stepped).collect();
        Ok(vec![
            ServeRow::new("a request beyond its step", median(differences), Unit::Ms).at_most(OVERHEAD_MS),
            ServeRow::new("a request for a fact", median(plain), Unit::Ms),
        ])
    }

    /// How soon a first token comes.
    fn first_tokens(&self) -> Result<Vec<ServeRow>, CliError> {
        let turns = if self.args.quick { 1 } else { 3 };
        let prompts = (0..turns).map(|turn| self.tokens(100 + turn, self.prompt)).collect();
        restart::rows(
            self.args,
            &restart::Asked { prompts, small: self.tokens(99, 8), token: self.sizes().token_bytes },
        )
    }

    /// What streams take that wait for memory.
    fn streams(&self) -> Result<ServeRow, CliError> {
        let count = if self.args.quick { 100 } else { self.args.streams };
        let mut settings = settings(self.args, None)?;
        // Room for two at a time: the others wait.
        let page = self.decoder.layout(16, Element::F16).block_bytes() as u64;
        settings.kv = Some(Bytes::new(page * 64 * 5 / 2).max(Bytes::mib(16)));
        settings.limits.patience = Duration::from_mins(10);
        settings.drain = Duration::ZERO;
        let running = start(settings)?;
        let ask = json!({"prompt": self.tokens(7, 4), "max_tokens": 900, "stream": true, "logit_bias": {}})
            .to_string();
        let before = resident();
        let mut clients = Vec::with_capacity(count);
        for _ in 0..count {
            let mut client = Client::connect(running.address()).map_err(failed)?;
            answered(client.begin("/v1/completions", &ask).map_err(failed)?)?;
            clients.push(client);
        }
        let taken = resident().saturating_sub(before);
        drop(clients);
        drop(running);
        #[expect(clippy::cast_precision_loss, reason = "bytes of a process")]
        let row = ServeRow::new(format!("{count} streams that wait"), taken as f64, Unit::Bytes);
        #[expect(clippy::cast_precision_loss, reason = "a target")]
        Ok(row.at_most(STREAMS.get() as f64 * count as f64 / 1000.0))
    }

    /// Conversations side by side, for a while.
    fn load(&self) -> Result<Vec<ServeRow>, CliError> {
        let running = start(settings(self.args, None)?)?;
        let time = Duration::from_secs(if self.args.quick { 2 } else { self.args.seconds });
        let until = Instant::now() + time;
        let load = Load::new(running.address(), until);
        let most = thread::scope(|scope| {
            for number in 0..self.args.clients {
                let load = &load;
                scope.spawn(move || self.converse(load, number as u64));
            }
            let mut most = 0;
            while Instant::now() < until {
                most = most.max(resident());
                thread::sleep(Duration::from_millis(5));
            }
            most
        });
        let book = running.engine().snapshot();
        let peak = book.place(Place::Host).map_or(0, |host| host.peak.get());
        #[expect(clippy::cast_precision_loss, reason = "counts, and bytes of a process")]
        let number = |value: u64| value as f64;
        let written = number(load.written.load(Ordering::Relaxed)) / time.as_secs_f64();
        let (prompt, cached) = (load.prompt.load(Ordering::Relaxed), load.cached.load(Ordering::Relaxed));
        let line = number(self.args.line.get());
        let refused = load.refused.load(Ordering::Relaxed);
        let broken = load.broken.load(Ordering::Relaxed);
        Ok(vec![
            ServeRow::new(
                format!("written by {} conversations", self.args.clients),
                written,
                Unit::TokensPerS,
            ),
            ServeRow::new("charged at most", number(peak), Unit::Bytes).at_most(line),
            ServeRow::new("this process had at most", number(most), Unit::Bytes).at_most(line),
            ServeRow::new(
                "of later turns' prompts found",
                number(cached) / number(prompt.max(1)),
                Unit::Times,
            ),
            ServeRow::new("refused in words", number(refused as u64), Unit::Count),
            ServeRow::new("answered with anything else", number(broken as u64), Unit::Count).at_most(0.0),
        ])
    }

    /// One conversation after another: each turn has all before it as its prompt.
    fn converse(&self, load: &Load, number: u64) {
        let Ok(mut client) = Client::connect(load.at) else {
            load.broken.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let mut talk = 0;
        while Instant::now() < load.until {
            talk += 1;
            let mut prompt = Vec::new();
            for turn in 0..TURNS {
                prompt.extend(self.tokens(number << 32 | talk << 8 | turn as u64, 48));
                if prompt.len() + 40 > self.decoder.shape().context || Instant::now() >= load.until {
                    break;
                }
                let ask = json!({"prompt": prompt, "max_tokens": 32}).to_string();
                match client.ask("/v1/completions", &ask) {
                    Ok((200, answer)) => load.count(&answer, turn),
                    Ok((429 | 503, _)) => drop(load.refused.fetch_add(1, Ordering::Relaxed)),
                    _ => drop(load.broken.fetch_add(1, Ordering::Relaxed)),
                }
            }
        }
    }
}

/// What came of a load.
struct Load {
    at: SocketAddr,
    until: Instant,
    written: AtomicU64,
    prompt: AtomicU64,
    cached: AtomicU64,
    refused: AtomicUsize,
    broken: AtomicUsize,
}

impl Load {
    fn new(at: SocketAddr, until: Instant) -> Self {
        Self {
            at,
            until,
            written: AtomicU64::new(0),
            prompt: AtomicU64::new(0),
            cached: AtomicU64::new(0),
            refused: AtomicUsize::new(0),
            broken: AtomicUsize::new(0),
        }
    }

    fn count(&self, answer: &Value, turn: usize) {
        let of = |value: &Value| value.as_u64().unwrap_or(0);
        let usage = &answer["usage"];
        self.written.fetch_add(of(&usage["completion_tokens"]), Ordering::Relaxed);
        if turn > 0 {
            self.prompt.fetch_add(of(&usage["prompt_tokens"]), Ordering::Relaxed);
            self.cached.fetch_add(of(&usage["prompt_tokens_details"]["cached_tokens"]), Ordering::Relaxed);
        }
    }
}
