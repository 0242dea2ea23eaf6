//! Many texts at once: what a service writes a second, beside the decoder's own steps of as many sequences.
//!
//! In turns. All texts of a turn begin together, with prompts that nobody has read, and the turn ends with the last of them; so
//! prompts are in both figures. A model that ends its texts by itself leaves the service fewer to step together than the decoder
//! has, which goes on: random weights end nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use plimsoll::Place;
use plimsoll_kv::layout::{Element, Layout};
use plimsoll_llm::{Batch, Decoder, Found, Need, OwnPages, PageTable, Strand, Wish};
use serde_json::{Value, json};

use super::client::Client;
use super::measure::{Bench, answered, failed, milliseconds, opened, settings, start};
use super::report::{ServeRow, Unit};
use crate::CliError;
use crate::bench::median;
use crate::bench::there::There;

/// Tokens of each prompt, and of each text.
const PROMPT: usize = 64;
const WRITTEN: usize = 256;
/// What a service's pages have, so that both read the same pages.
const PAGE: u32 = 16;

/// What a text asks for, and what that is called.
const KINDS: [(&str, Option<f32>); 2] = [("likeliest tokens", Some(0.0)), ("drawn by lot", None)];

/// Where the decoder has its weights and pages.
enum Ground {
    Host,
    There(Box<There>),
}

/// What a turn of a service gave.
struct Turn {
    tokens_per_s: f64,
    first_ms: f64,
}

/// Measures with so many texts.
pub(super) fn rows(bench: &Bench<'_>, texts: usize) -> Result<Vec<ServeRow>, CliError> {
    let other = |error: &dyn std::error::Error| failed(io::Error::other(error.to_string()));
    let written = if bench.args.quick { WRITTEN / 8 } else { WRITTEN };
    let written = written.min(bench.decoder.shape().context.saturating_sub(PROMPT + 1)).max(1);
    let (decoder, ground) = match bench.args.device {
        None | Some(Place::Host) => (Arc::clone(&bench.decoder), Ground::Host),
        Some(place) => {
            let (decoder, _, there) =
                There::bring(opened(bench.args)?, place).map_err(|error| other(&error))?;
            (decoder, Ground::There(Box::new(there)))
        }
    };
    let mut settings = settings(bench.args, None)?;
    settings.batch.sequences = texts;
    let running = start(settings)?;
    let mut alone = Alone::begin(&decoder, &ground, texts).map_err(|error| other(&error))?;
    let (mut of_kinds, mut own) = ([Vec::new(), Vec::new()], Vec::new());
    let mut number = 0;
    // The first turn takes memory, and does not count.
    for turn in 0..=bench.turns.min(5) {
        let mut prompts = || -> Vec<Vec<u32>> {
            number += texts as u64;
            (0..texts as u64).map(|text| bench.tokens(1 << 40 | (number + text), PROMPT)).collect()
        };
        let asked = prompts();
        let steps = alone.turn(&asked, written).map_err(|error| other(&error))?;
        let mut kinds = Vec::with_capacity(2);
        for (_, temperature) in KINDS {
            kinds.push(crowd(running.address(), prompts(), written, temperature)?);
        }
        if turn > 0 {
            own.push(steps);
            of_kinds.iter_mut().zip(kinds).for_each(|(all, one)| all.push(one));
        }
    }
    let own = median(own);
    let mut rows = vec![
        ServeRow::new(format!("steps of {texts} sequences"), own, Unit::TokensPerS).by("the decoder alone"),
    ];
    for ((what, _), turns) in KINDS.iter().zip(of_kinds) {
        let (rates, firsts) = turns.into_iter().map(|turn| (turn.tokens_per_s, turn.first_ms)).unzip();
        let rate = median(rates);
        rows.extend([
            ServeRow::new(format!("{texts} texts at once, {what}"), rate, Unit::TokensPerS),
            ServeRow::new("of the decoder's", rate / own, Unit::Times),
            ServeRow::new("until the last of them had its first token", median(firsts), Unit::Ms),
        ]);
    }
    Ok(rows)
}

/// A text for each prompt, all at once.
fn crowd(
    at: SocketAddr,
    prompts: Vec<Vec<u32>>,
    written: usize,
    temperature: Option<f32>,
) -> Result<Turn, CliError> {
    let clients =
        prompts.iter().map(|_| Client::connect(at)).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    let together = Barrier::new(clients.len() + 1);
    let (began, heard) = thread::scope(|scope| {
        let together = &together;
        let listeners: Vec<_> = clients
            .into_iter()
            .zip(prompts)
            .map(|(client, prompt)| {
                scope.spawn(move || {
                    together.wait();
                    listen(client, &prompt, written, temperature)
                })
            })
            .collect();
        together.wait();
        let began = Instant::now();
        let heard: Vec<_> = listeners.into_iter().map(thread::ScopedJoinHandle::join).collect();
        (began, heard)
    });
    let took = began.elapsed().as_secs_f64();
    let (mut tokens, mut first) = (0, began);
    for one in heard {
        let panicked = || failed(io::Error::other("a client ended without an answer"));
        let heard = one.map_err(|_| panicked())??;
        tokens += heard.tokens;
        first = first.max(heard.first);
    }
    #[expect(clippy::cast_precision_loss, reason = "a count, for a rate")]
    let tokens_per_s = tokens as f64 / took;
    Ok(Turn { tokens_per_s, first_ms: milliseconds(first - began) })
}

/// What came of a text.
struct Heard {
    first: Instant,
    tokens: u64,
}

fn listen(
    mut client: Client,
    prompt: &[u32],
    written: usize,
    temperature: Option<f32>,
) -> Result<Heard, CliError> {
    let mut ask = json!({
        "prompt": prompt, "max_tokens": written, "stream": true, "stream_options": {"include_usage": true}
    });
    if let Some(temperature) = temperature {
        ask["temperature"] = json!(temperature);
    }
    answered(client.begin("/v1/completions", &ask.to_string()).map_err(failed)?)?;
    let (mut first, mut tokens) = (None, 0);
    let each = |piece: &Value| {
        first.get_or_insert_with(Instant::now);
        tokens = piece["usage"]["completion_tokens"].as_u64().unwrap_or(tokens);
    };
    client.pieces(each).map_err(failed)?;
    let first = first.ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()))?;
    Ok(Heard { first, tokens })
}

/// The decoder, with nobody to hear it.
struct Alone<'g> {
    batch: Batch,
    layout: Layout,
    ground: &'g Ground,
    texts: usize,
}

impl<'g> Alone<'g> {
    fn begin(
        decoder: &Arc<Decoder>,
        ground: &'g Ground,
        texts: usize,
    ) -> Result<Self, plimsoll_llm::StepError> {
        let layout = decoder.layout(PAGE, Element::F16);
        Ok(Self { batch: Batch::begin(decoder, &layout)?, layout, ground, texts })
    }

    /// Tokens a second of all texts together, their prompts included.
    fn turn(&mut self, prompts: &[Vec<u32>], written: usize) -> Result<f64, plimsoll_llm::BatchError> {
        let mut pages: Vec<Box<dyn PageTable>> = (0..self.texts)
            .map(|_| match self.ground {
                Ground::Host => Box::new(OwnPages::new(&self.layout)),
                Ground::There(there) => there.pages(&self.layout),
            })
            .collect();
        let began = Instant::now();
        let mut next: Vec<Vec<u32>> = prompts.to_vec();
        let mut len = 0;
        for _ in 0..written {
            let strands = pages.iter_mut().zip(&next);
            let mut strands: Vec<_> =
                strands.map(|(table, tokens)| Strand { tokens, len, table: &mut **table }).collect();
            let wishes = vec![Wish::plain(Need::Likeliest); strands.len()];
            let found = self.batch.draw(&mut strands, wishes)?;
            len += next[0].len();
            next = found
                .iter()
                .map(|found| vec![if let Found::Token(token) = found { *token } else { 0 }])
                .collect();
        }
        #[expect(clippy::cast_precision_loss, reason = "a count, for a rate")]
        let tokens = (self.texts * written) as f64;
        Ok(tokens / began.elapsed().as_secs_f64())
    }
}
