//! Prompts read and tokens written, in turns with an array of the same size.

use std::sync::Arc;
use std::time::Instant;

use plimsoll::Place;
use plimsoll_kv::layout::{Element, Layout};
use plimsoll_llm::{Batch, Crew, Decoder, Found, Need, PageTable, Sampler, Sampling, Sequence, Strand, Wish};

use super::ground::Ground;
use super::report::{Choice, LlmReport, LlmRow, Work};
use super::{LlmArgs, LlmBenchError, partly};
use crate::bench::made_up::{ModelFile, Words};
use crate::bench::median;

/// How many sequences step together.
const BATCHES: [usize; 3] = [1, 4, 16];
/// The same where tokens are drawn by lot, and in which ways.
const DRAWN: [usize; 2] = [1, 16];
const CHOICES: [Choice; 6] = [
    Choice::Usual,
    Choice::UsualFromRows,
    Choice::All,
    Choice::AllFromRows,
    Choice::Nearly,
    Choice::Penalized,
];
/// Turns of these at most.
const DRAWN_TURNS: usize = 3;
/// Tokens of a page.
const PAGE: u32 = 32;
/// Tokens that each of several sequences has before they step together.
const BEFORE: usize = 64;
/// Tokens that a sequence has at most: with more, attention would be measured rather than decoding.
const MOST: usize = 500;

pub(super) fn report(args: &LlmArgs) -> Result<LlmReport, LlmBenchError> {
    let threads =
        args.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    if let Some(place) = args.device.filter(|place| args.partly && !matches!(place, Place::Cuda(_))) {
        return Err(LlmBenchError::Beside { place });
    }
    let file = match &args.model {
        Some(path) => ModelFile::given(path),
        None => ModelFile::made_up(args.made_up(), args.keep.as_deref(), Words::None)?,
    };
    let decoder = Decoder::open(file.path())?.with_crew(Arc::new(Crew::new(threads)));
    let (decoder, mut ground) = match args.device {
        None | Some(Place::Host) => Ground::host(decoder, threads)?,
        Some(place) => Ground::device(decoder, place)?,
    };
    if decoder.shape().context < 16 {
        return Err(LlmBenchError::Short { context: decoder.shape().context });
    }
    let weights = decoder.step_bytes();
    let mut rows = vec![prefill(args, &decoder, &ground)?];
    let mut rates = Vec::new();
    for batch in BATCHES {
        rows.push(decode(args, &decoder, (batch, Choice::Likeliest), &mut ground, &mut rates)?);
    }
    let place = args.device.unwrap_or(Place::Host);
    // The host has logits where they are drawn from.
    let choices = if place == Place::Host { &[][..] } else { &CHOICES[..] };
    for batch in DRAWN {
        for choice in choices {
            rows.push(decode(args, &decoder, (batch, *choice), &mut ground, &mut rates)?);
        }
    }
    drop((decoder, ground));
    let partly = args.partly.then(|| partly::report(args, &file, place)).transpose()?;
    Ok(LlmReport {
        model: file.name(),
        place,
        threads,
        weights_bytes: weights,
        read_gb_per_s: median(rates) / 1e9,
        rows,
        partly,
    })
}

/// Tokens by lot: what they are does not matter to how fast they are computed.
pub(super) fn text(decoder: &Decoder, tokens: usize) -> Vec<u32> {
    let most = decoder.shape().vocabulary;
    (0..tokens).map(|at| u32::try_from((at * 7919 + 13) % most).unwrap_or(0)).collect()
}

pub(super) fn layout(decoder: &Decoder) -> Layout {
    decoder.layout(PAGE, Element::F16)
}

fn prefill(args: &LlmArgs, decoder: &Arc<Decoder>, ground: &Ground) -> Result<LlmRow, LlmBenchError> {
    let text = text(decoder, args.prompt().min(decoder.shape().context / 2));
    let tokens_per_s = reading(args, decoder, ground, &text)?;
    Ok(LlmRow {
        work: Work::Prefill,
        choice: None,
        batch: 1,
        tokens: text.len(),
        tokens_per_s,
        bytes_per_token: None,
        bandwidth_fraction: None,
        whole: None,
    })
}

/// Tokens a second at which a prompt is read.
pub(super) fn reading(
    args: &LlmArgs,
    decoder: &Arc<Decoder>,
    ground: &Ground,
    text: &[u32],
) -> Result<f64, LlmBenchError> {
    let layout = layout(decoder);
    let mut rates = Vec::new();
    let mut pages = ground.pages(&layout);
    let mut sequence = Sequence::begin(decoder, &layout)?;
    // The first turn takes memory and reads the file, and does not count.
    for turn in 0..=args.turns() {
        sequence.resume(0);
        let began = Instant::now();
        sequence.step(text, &mut *pages)?;
        if turn > 0 {
            rates.push(rate(text.len(), began));
        }
    }
    Ok(median(rates))
}

/// Sequences of one step, each with its pages and its last token.
pub(super) struct Members {
    pages: Vec<Box<dyn PageTable>>,
    pub(super) lens: Vec<usize>,
    last: Vec<[u32; 1]>,
    samplers: Vec<Sampler>,
    /// Rows of logits that came to the host.
    whole: u64,
}

/// How tokens are drawn.
fn sampling(choice: Choice, seed: u64) -> Sampling {
    let usual = Sampling { seed, ..Sampling::default() };
    let all = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..usual };
    match choice {
        Choice::Likeliest => Sampling::greedy(),
        Choice::Usual | Choice::UsualFromRows => usual,
        Choice::All | Choice::AllFromRows => all,
        Choice::Nearly => Sampling { top_p: 0.95, ..all },
        Choice::Penalized => Sampling { repeat_penalty: 1.1, ..usual },
    }
}

impl Members {
    /// With a prompt that each of them has read.
    pub(super) fn begin(
        decoder: &Arc<Decoder>,
        ground: &Ground,
        batch: &mut Batch,
        (count, choice): (usize, Choice),
    ) -> Result<Self, LlmBenchError> {
        let layout = layout(decoder);
        let text = text(decoder, BEFORE.min(decoder.shape().context / 4));
        let pages = (0..count).map(|_| ground.pages(&layout)).collect();
        let samplers = (0..count as u64).map(|seed| Sampler::new(sampling(choice, seed)));
        let samplers = samplers.collect::<Result<_, _>>()?;
        let (lens, last) = (vec![0; count], vec![[0]; count]);
        let mut members = Self { pages, lens, last, samplers, whole: 0 };
        for (pages, len) in members.pages.iter_mut().zip(&mut members.lens) {
            let mut strands = [Strand { tokens: &text, len: 0, table: &mut **pages }];
            batch.draw(&mut strands, vec![Wish::plain(Need::Nothing)])?;
            *len = strands[0].len;
        }
        Ok(members)
    }

    /// Each goes on by its next token.
    pub(super) fn step(&mut self, batch: &mut Batch, choice: Choice) -> Result<(), LlmBenchError> {
        let pages = self.pages.iter_mut().zip(&self.lens).zip(&self.last);
        let mut strands: Vec<_> =
            pages.map(|((table, len), tokens)| Strand { tokens, len: *len, table: &mut **table }).collect();
        if choice.sees_all() {
            let rows = batch.step(&mut strands)?;
            let rows = rows.chunks_exact(rows.len() / self.lens.len().max(1));
            for ((last, sampler), row) in self.last.iter_mut().zip(&mut self.samplers).zip(rows) {
                *last = [sampler.draw(row)?];
                self.whole += 1;
            }
        } else {
            let wishes = self.samplers.iter().map(|sampler| sampler.wish(Vec::new())).collect();
            let found: Vec<Found> = batch.draw(&mut strands, wishes)?.to_vec();
            let all = self.last.iter_mut().zip(&mut self.samplers).zip(&found);
            for (number, ((last, sampler), found)) in all.enumerate() {
                let token = sampler.hear::<_, LlmBenchError>(found, || {
                    self.whole += 1;
                    Ok(batch.row(number)?)
                });
                *last = [token?];
            }
        }
        for ((len, last), sampler) in self.lens.iter_mut().zip(&self.last).zip(&mut self.samplers) {
            *len += 1;
            sampler.accept(last[0]);
        }
        Ok(())
    }
}

fn decode(
    args: &LlmArgs,
    decoder: &Arc<Decoder>,
    (count, choice): (usize, Choice),
    ground: &mut Ground,
    read: &mut Vec<f64>,
) -> Result<LlmRow, LlmBenchError> {
    let layout = layout(decoder);
    let shape = decoder.shape();
    let mut batch = Batch::begin(decoder, &layout)?;
    let mut members = Members::begin(decoder, ground, &mut batch, (count, choice))?;
    let before = members.lens[0];
    let (mut rates, mut fractions, mut least, mut tokens) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut whole = 0.0;
    let most = if choice == Choice::Likeliest { usize::MAX } else { DRAWN_TURNS };
    for turn in 0..=args.turns().min(most) {
        members.lens.fill(before);
        members.whole = 0;
        let read_first = ground.rate()?;
        let began = Instant::now();
        let mut steps = 0;
        while began.elapsed() < args.patience() && members.lens[0] < shape.context.min(MOST) {
            members.step(&mut batch, choice)?;
            steps += 1;
        }
        let per_second = rate(steps * count, began);
        let reads = f64::midpoint(read_first, ground.rate()?);
        if turn == 0 {
            continue;
        }
        // Keys and values of the tokens before, on average over the turn.
        let token = layout.block_bytes() / PAGE as usize;
        let bytes = decoder.step_bytes() / count + (before + steps / 2) * token;
        tokens = steps * count;
        #[expect(clippy::cast_precision_loss, reason = "a count, for a part")]
        let part = members.whole as f64 / float(tokens.max(1));
        whole = part;
        rates.push(per_second);
        least.push(float(bytes));
        fractions.push(per_second * float(bytes) / reads);
        read.push(reads);
    }
    Ok(LlmRow {
        work: Work::Decode,
        choice: Some(choice),
        batch: count,
        tokens,
        tokens_per_s: median(rates),
        bytes_per_token: Some(median(least)),
        bandwidth_fraction: Some(median(fractions)),
        whole: Some(whole),
    })
}

pub(super) fn rate(tokens: usize, began: Instant) -> f64 {
    float(tokens) / began.elapsed().as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a count, for a rate")]
fn float(count: usize) -> f64 {
    count as f64
}
