//! Prompts read and tokens written, in turns with an array of the same size.

use std::sync::Arc;
use std::time::Instant;

use plimsoll::Place;
use plimsoll_kv::layout::{Element, Layout};
use plimsoll_llm::{Batch, Crew, Decoder, PageTable, Sequence, Strand};

use super::ground::Ground;
use super::report::{LlmReport, LlmRow, Work};
use super::{LlmArgs, LlmBenchError, partly};
use crate::bench::made_up::{ModelFile, Words};
use crate::bench::median;

/// How many sequences step together.
const BATCHES: [usize; 3] = [1, 4, 16];
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
        rows.push(decode(args, &decoder, batch, &mut ground, &mut rates)?);
    }
    let place = args.device.unwrap_or(Place::Host);
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
    let layout = layout(decoder);
    let mut rates = Vec::new();
    let mut pages = ground.pages(&layout);
    let mut sequence = Sequence::begin(decoder, &layout)?;
    // The first turn takes memory and reads the file, and does not count.
    for turn in 0..=args.turns() {
        sequence.resume(0);
        let began = Instant::now();
        sequence.step(&text, &mut *pages)?;
        if turn > 0 {
            rates.push(rate(text.len(), began));
        }
    }
    Ok(LlmRow {
        work: Work::Prefill,
        batch: 1,
        tokens: text.len(),
        tokens_per_s: median(rates),
        bytes_per_token: None,
        bandwidth_fraction: None,
    })
}

/// Sequences of one step, each with its pages and its last token.
pub(super) struct Members {
    pages: Vec<Box<dyn PageTable>>,
    pub(super) lens: Vec<usize>,
    last: Vec<[u32; 1]>,
}

impl Members {
    /// With a prompt that each of them has read.
    pub(super) fn begin(
        decoder: &Arc<Decoder>,
        ground: &Ground,
        batch: &mut Batch,
        count: usize,
    ) -> Result<Self, LlmBenchError> {
        let layout = layout(decoder);
        let text = text(decoder, BEFORE.min(decoder.shape().context / 4));
        let pages = (0..count).map(|_| ground.pages(&layout)).collect();
        let mut members = Self { pages, lens: vec![0; count], last: vec![[0]; count] };
        for (pages, len) in members.pages.iter_mut().zip(&mut members.lens) {
            let mut strands = [Strand { tokens: &text, len: 0, table: &mut **pages }];
            batch.step(&mut strands)?;
            *len = strands[0].len;
        }
        Ok(members)
    }

    /// Each goes on by its likeliest token.
    pub(super) fn step(&mut self, batch: &mut Batch) -> Result<(), LlmBenchError> {
        let pages = self.pages.iter_mut().zip(&self.lens).zip(&self.last);
        let mut strands: Vec<_> =
            pages.map(|((table, len), tokens)| Strand { tokens, len: *len, table: &mut **table }).collect();
        let likeliest = batch.likeliest(&mut strands)?;
        self.last.iter_mut().zip(likeliest).for_each(|(last, token)| *last = [token.unwrap_or(0)]);
        for len in &mut self.lens {
            *len += 1;
        }
        Ok(())
    }
}

fn decode(
    args: &LlmArgs,
    decoder: &Arc<Decoder>,
    count: usize,
    ground: &mut Ground,
    read: &mut Vec<f64>,
) -> Result<LlmRow, LlmBenchError> {
    let layout = layout(decoder);
    let shape = decoder.shape();
    let mut batch = Batch::begin(decoder, &layout)?;
    let mut members = Members::begin(decoder, ground, &mut batch, count)?;
    let before = members.lens[0];
    let (mut rates, mut fractions, mut least, mut tokens) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for turn in 0..=args.turns() {
        members.lens.fill(before);
        let read_first = ground.rate()?;
        let began = Instant::now();
        let mut steps = 0;
        while began.elapsed() < args.patience() && members.lens[0] < shape.context.min(MOST) {
            members.step(&mut batch)?;
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
        rates.push(per_second);
        least.push(float(bytes));
        fractions.push(per_second * float(bytes) / reads);
        read.push(reads);
    }
    Ok(LlmRow {
        work: Work::Decode,
        batch: count,
        tokens,
        tokens_per_s: median(rates),
        bytes_per_token: Some(median(least)),
        bandwidth_fraction: Some(median(fractions)),
    })
}

pub(super) fn rate(tokens: usize, began: Instant) -> f64 {
    float(tokens) / began.elapsed().as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a count, for a rate")]
fn float(count: usize) -> f64 {
    count as f64
}
