//! The command.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use plimsoll_kv::block::Root;
use plimsoll_llm::Generated;

use super::ground::Ground;
use super::memory::{Forecast, Hold};
use super::model::Model;
use super::prompt;
use super::report::{ComingReport, DemandReport, GenerateReport, MemoryReport, StoppedBy};
use super::voice::Voice;
use super::{GenerateArgs, GenerateError};
use crate::{CliError, Printer};

/// Writes a text, and says what it took.
pub fn run(args: &GenerateArgs, printer: &Printer) -> Result<(), CliError> {
    let report = generate(args, !printer.json())?;
    if printer.json() {
        return printer.report(&report, |_, _| String::new());
    }
    report.lines().iter().for_each(|line| Printer::remark(line));
    Ok(())
}

fn generate(args: &GenerateArgs, shown: bool) -> Result<GenerateReport, GenerateError> {
    let model = Model::open(args.model.as_deref(), args.adapter.as_deref(), args.ids)?;
    let most = context(args, model.decoder.shape().context)?;
    let prompt = prompt::tokens(args, &model, most)?;
    if prompt.len() >= most {
        return Err(GenerateError::Long { prompt: prompt.len(), context: most });
    }
    let tokens = args.tokens.min(most - prompt.len());
    let context = prompt.len() + tokens;
    let mut voice = Voice::new(args, &model, &prompt, tokens, shown)?;
    let ground = Ground::open(args.device, args.away)?;
    let mut forecast = Forecast::new(&model, &ground.device, args.cache.is_some());
    let line = forecast.line(args.memory, context, most, (&model.decoder, &ground))?;
    let began = Instant::now();
    let Model { decoder, name, .. } = model;
    let hold = Hold::open(args, decoder, &ground, &forecast, (line, context))?;
    let decoder = hold.decoder();
    let layout = hold.cache.layout();
    // Only a folder outlives this process; without one no other model can meet these blocks, and the model's file, which a
    // root is a hash of, need not be read for it.
    let root = match args.cache {
        Some(_) => decoder.root(layout),
        None => Root::of(b"alone", layout),
    };
    let root = root.build();
    let writing = Instant::now();
    let made = decoder.write_cached(&hold.cache, root, &prompt, &mut voice);
    // What there is of the text is shown whole before anything is said about it.
    voice.finish()?;
    let made = made?;
    let (took, wrote) = (began.elapsed(), writing.elapsed());
    if voice.stopped == StoppedBy::Limit && tokens < args.tokens {
        voice.stopped = StoppedBy::Context;
    }
    let memory =
        MemoryReport { line: line.get(), predicted: forecast.of(context), measured: hold.measured() };
    let demand = DemandReport::of(&forecast, decoder.reads());
    let coming = ComingReport::of(decoder.device_split());
    Ok(GenerateReport {
        demand,
        coming,
        ..report(args, name, voice, (prompt.len(), most), (&made, took, wrote), memory)
    })
}

/// Tokens that there may be.
fn context(args: &GenerateArgs, trained: usize) -> Result<usize, GenerateError> {
    match args.context {
        None => Ok(trained),
        Some(asked) => match usize::try_from(asked) {
            Ok(some) if some <= trained => Ok(some),
            _ => Err(GenerateError::Context { asked, context: trained }),
        },
    }
}

fn report(
    args: &GenerateArgs,
    model: PathBuf,
    voice: Voice,
    (prompt_tokens, context): (usize, usize),
    (made, took, wrote): (&Generated, Duration, Duration),
    memory: MemoryReport,
) -> GenerateReport {
    // Bringing weights to a device may take longer than writing.
    let later = wrote.saturating_sub(made.first).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
    let rate = |tokens: usize, seconds: f64| if seconds > 0.0 { tokens as f64 / seconds } else { 0.0 };
    GenerateReport {
        model,
        stop: voice.stop.and_then(|index| args.stop.get(index).cloned()),
        text: voice.text,
        stopped: voice.stopped,
        seed: args.seed,
        context,
        prompt_tokens,
        cached_tokens: made.reused,
        tokens: voice.tokens,
        first_seconds: made.first.as_secs_f64(),
        seconds: took.as_secs_f64(),
        prompt_tokens_per_second: rate(
            prompt_tokens - made.reused.min(prompt_tokens),
            made.first.as_secs_f64(),
        ),
        tokens_per_second: rate(voice.tokens.saturating_sub(1), later),
        demand: None,
        coming: None,
        memory,
    }
}
