//! `plimsoll train lora`: changes of low rank, learned below a line.

use std::path::PathBuf;
use std::time::Instant;

use plimsoll::governor::Reservation;
use plimsoll::{Bytes, EngineError, Place};
use plimsoll_llm::text::Tokenizer;
use plimsoll_llm::tune::{
    Corpus, Fit, Frozen, Homes, Keep, Projection, Stages, Team, TuneError, TuneSettings, Tuner,
};
use plimsoll_llm::{Decoder, Shape};
use plimsoll_tensor::packed::Packing;
use plimsoll_tensor::{Dtype, Share, StatesAs};

use super::TrainError;
use super::ground::{Allowed, Ground};
use super::lines::{Lines, foretell};
use super::report::{LoraReport, Loss, view};
use crate::draw::Line;
use crate::{CliError, Printer};

const EXAMPLES: &str = "\
Examples:
  plimsoll train lora --model model.gguf --data notes.txt --out notes
  plimsoll train lora --model model.gguf --data chats.jsonl --out chats --rank 8 --line 2GiB --steps 200
  plimsoll train lora --model model.gguf --data notes.txt --out notes --steps 400   goes on from what is there
  plimsoll train lora --model model.gguf --data notes.txt --line 64MiB --plan-only   what it would need, and keep

Data is a file of text, or JSONL with {\"text\": …} or {\"prompt\": …, \"completion\": …} on each line. What is learned is
kept in the folder as PEFT reads it.

Exit codes: 0 done, 1 failed or refused, 2 not understood.";

/// How far it has come.
const PROGRESS: &str = "step {human_pos} of {human_len} {bar:24}  {msg}  {per_sec}  {eta} left";

/// What can be typed after `train lora`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct LoraArgs {
    /// A model of the Llama family (GGUF)
    #[arg(long, value_name = "FILE")]
    pub model: PathBuf,
    /// What to learn from: .txt or .jsonl
    #[arg(long, value_name = "FILE")]
    pub data: PathBuf,
    /// The folder to keep it in; if it has a training of the same, that goes on
    #[arg(long, value_name = "DIR", required_unless_present = "plan_only")]
    pub out: Option<PathBuf>,
    /// Where to compute: host, cuda:0, or several GPUs that learn together, as cuda:0,cuda:1; these divide the matrices of layers
    /// among them if they do not fit below the line otherwise
    #[arg(
        long,
        visible_alias = "devices",
        value_name = "PLACES",
        value_delimiter = ',',
        default_value = "host"
    )]
    pub device: Vec<Place>,
    /// The most memory that all of it may take, at each place; half of the host's, or nine tenths of what a device has free,
    /// unless said
    #[arg(long, value_name = "SIZE")]
    pub line: Option<Bytes>,
    /// How the matrices of layers, which do not change, are kept: as they flow (singles on the host, 16 bits on a GPU, or what
    /// --numbers says), `q8_0` or `q4_0`
    #[arg(long, value_name = "KIND", default_value = "as-they-flow", value_parser = kept)]
    pub weights: WeightsAs,
    /// How numbers flow: `f32`, `bf16`, or `f16`, whose gradients are scaled; f32 on the host and bf16 on a GPU,
    /// unless said
    #[arg(long, value_name = "KIND", value_parser = numbers)]
    pub numbers: Option<Dtype>,
    /// How the optimizer's two states of each number are kept: singles, or 8bit
    #[arg(long, value_name = "KIND", default_value = "singles", value_parser = states)]
    pub states: StatesAs,
    /// Several GPUs divide the optimizer's states: each has its share, and what it learns of it goes to all
    #[arg(long)]
    pub divide_states: bool,
    /// The most page-locked memory of the host for what a GPU does not need at once: what does not fit below the line
    /// is kept there and comes when it is needed. 0: none; half of the host's memory, unless said
    #[arg(long, value_name = "SIZE")]
    pub away: Option<Bytes>,
    /// The rank of changes
    #[arg(long, value_name = "R", default_value_t = 16)]
    pub rank: usize,
    /// Changes are multiplied by alpha / rank; twice the rank, unless said
    #[arg(long, value_name = "A")]
    pub alpha: Option<f32>,
    /// Which matrices are changed
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "q,k,v,o,gate,up,down", value_parser = target)]
    pub targets: Vec<Projection>,
    /// Steps in all
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pub steps: u32,
    /// Tokens of a row; 256, or as many as the model has context for
    #[arg(long, value_name = "N")]
    pub sequence: Option<usize>,
    /// Rows side by side
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub batch: usize,
    /// Passes whose gradients are added up for a step, at each place
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub passes: usize,
    /// How far a step goes at most
    #[arg(long, value_name = "X", default_value_t = 1e-3)]
    pub rate: f32,
    /// The share of the data that is looked at before and after, and not learned from
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub hold_out: f64,
    /// Keep what is learned every so many steps
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub save_every: u32,
    /// What chance is made from
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Threads; all that the machine has, unless said
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Draw the losses into this file (SVG)
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Say what it would need and how it would fit, and learn nothing
    #[arg(long)]
    pub plan_only: bool,
}

fn target(name: &str) -> Result<Projection, String> {
    Projection::named(name).ok_or_else(|| format!("{name:?} is none of q, k, v, o, gate, up, down"))
}

/// How frozen matrices are kept: as they flow, or packed.
#[derive(Clone, Copy, Debug)]
pub struct WeightsAs(Option<Packing>);

impl WeightsAs {
    pub(crate) const fn packing(self) -> Option<Packing> {
        self.0
    }
}

pub(crate) fn kept(kind: &str) -> Result<WeightsAs, String> {
    match kind {
        "as-they-flow" => Ok(WeightsAs(None)),
        "q8_0" => Ok(WeightsAs(Some(Packing::Q8_0))),
        "q4_0" => Ok(WeightsAs(Some(Packing::Q4_0))),
        _ => Err(format!("{kind:?} is none of as-they-flow, q8_0, q4_0")),
    }
}

pub(crate) fn numbers(kind: &str) -> Result<Dtype, String> {
    match kind {
        "f32" => Ok(Dtype::F32),
        "f16" => Ok(Dtype::F16),
        "bf16" => Ok(Dtype::Bf16),
        _ => Err(format!("{kind:?} is none of f32, f16, bf16")),
    }
}

pub(crate) fn states(kind: &str) -> Result<StatesAs, String> {
    match kind {
        "singles" => Ok(StatesAs::Singles),
        "8bit" => Ok(StatesAs::Bytes),
        _ => Err(format!("{kind:?} is none of singles, 8bit")),
    }
}

impl LoraArgs {
    fn settings(&self, context: usize) -> TuneSettings {
        #[expect(clippy::cast_precision_loss, reason = "ranks are small")]
        let twice = 2.0 * self.rank as f32;
        TuneSettings {
            rank: self.rank,
            alpha: self.alpha.unwrap_or(twice),
            targets: self.targets.clone(),
            batch: self.batch,
            sequence: self.sequence.unwrap_or_else(|| context.min(256)),
            passes: self.passes,
            rate: self.rate,
            warmup: (self.steps / 20).clamp(1, 100),
            steps: self.steps,
            seed: self.seed,
            states: self.states,
            ..TuneSettings::default()
        }
    }
}

/// Learns, and says what came of it.
pub(super) fn run(args: &LoraArgs, printer: &Printer) -> Result<(), CliError> {
    let began = Instant::now();
    let decoder = Decoder::open(&args.model).map_err(TrainError::from)?;
    let settings = args.settings(decoder.shape().context);
    let mut run = Run::new(args, &decoder, &settings)?;
    let mut report = LoraReport::new(args, run.team.first(), &run.corpus, run.ground.line);
    if args.plan_only {
        report.fitted(&run.fit()?, run.lines);
    } else {
        run.learn(args, &mut report)?;
    }
    report.seconds = began.elapsed().as_secs_f64();
    report.charged_peak_bytes = run.ground.charged(0)[1].get();
    if let Some(path) = &args.svg {
        super::curve::write(path, &report)?;
    }
    printer.report(&report, view)
}

/// A fine-tuning, its data, and the memory that it is charged to.
struct Run {
    ground: Ground,
    lines: Lines,
    team: Team,
    corpus: Corpus,
    held_out: Option<Corpus>,
    /// What texts take as tokens.
    _tokens: Reservation,
    identity: String,
}

impl Run {
    fn new(args: &LoraArgs, decoder: &Decoder, settings: &TuneSettings) -> Result<Self, CliError> {
        let allowed = Allowed { line: args.line, away: args.away, threads: args.threads };
        let ground = Ground::new(&args.device, allowed)?;
        let dtype = args.numbers.unwrap_or_else(|| ground.dtype());
        let tokenizer = Tokenizer::open(&args.model).map_err(|error| TrainError::Tune(error.into()))?;
        let mut corpus = Corpus::read(&args.data, &tokenizer, settings.sequence).map_err(TrainError::from)?;
        let tokens = ground.account()?.reserve(Place::Host, corpus.bytes()).now();
        let tokens = tokens.map_err(|error| TrainError::from(EngineError::from(error)))?;
        let of = |stages: &Stages, homes: Homes, share: Share| -> Result<Tuner, TuneError> {
            let frozen = Frozen::of(decoder, stages, dtype, args.weights.packing(), homes)?;
            Tuner::new(frozen, TuneSettings { share, ..settings.clone() })
        };
        let (homes, lines) = foretell(&of, &ground, args.divide_states)?;
        let other = args.numbers.filter(|dtype| *dtype != ground.dtype());
        let passes = settings.passes * ground.spots.len();
        let identity = identity(decoder, &corpus, &TuneSettings { passes, ..settings.clone() }, other);
        let held_out = corpus.hold_out(args.hold_out);
        let team = ground
            .team(args.divide_states, |stages, share| of(stages, homes, share))
            .map_err(TrainError::from)?;
        Ok(Self { ground, lines, team, corpus, held_out, _tokens: tokens, identity })
    }

    /// Chooses what to keep so that all of it fits below the line, and holds steps to it.
    fn fit(&mut self) -> Result<Fit, TrainError> {
        let ground = &self.ground;
        Ok(self.team.fit_and_hold(ground.line, |spot, tuner| ground.beside(spot, tuner))?)
    }

    fn learn(&mut self, args: &LoraArgs, report: &mut LoraReport) -> Result<(), TrainError> {
        let Some(out) = &args.out else { return Ok(()) };
        let keep = Keep::new(out, &args.model.display().to_string(), &self.identity)?;
        let mut behind = 0;
        for tuner in self.team.each() {
            behind = keep.resume(tuner)?;
        }
        report.resumed_from = Some(behind).filter(|step| *step > 0);
        report.before = self.look()?;
        report.fitted(&self.fit()?, self.lines);
        let bar = Line::new(Some(args.steps.into()), PROGRESS);
        bar.set_position(behind.into());
        bar.reset_eta();
        let began = Instant::now();
        let mut kept = behind;
        for step in behind..args.steps {
            let settings = self.team.first().settings();
            let passes = self.corpus.step(step, self.team.passes(), settings.batch, settings.seed);
            let done = self.team.step(&passes)?;
            bar.set_message(format!("loss {:.3}", done.loss));
            bar.set_position(done.step.into());
            report.steps.push(Loss { step: done.step, loss: done.loss, rate: done.rate });
            report.measured_peak_bytes = report.measured_peak_bytes.max(done.peak.get());
            report.away_measured_bytes = report.away_measured_bytes.max(done.away.get());
            report.overflows += done.overflows;
            report.as_planned &= done.as_planned;
            if done.step % args.save_every == 0 || done.step == args.steps {
                report.kept_in = Some(keep.save(&self.team)?.display().to_string());
                kept = done.step;
            }
        }
        drop(bar);
        report.kept_step = kept;
        report.rate(&self.team, began.elapsed());
        // What looks needs room that the plan has.
        self.team.each().for_each(Tuner::let_go);
        report.after = self.look()?;
        Ok(())
    }

    /// The mean loss of what is not learned from.
    fn look(&self) -> Result<Option<f32>, TrainError> {
        let Some(held_out) = &self.held_out else { return Ok(None) };
        let batch = self.team.first().settings().batch;
        Ok(Some(self.team.evaluate(&held_out.passes(batch))?))
    }
}

/// What must be the same for learning to go on. How many steps there are in all is not part of it, nor how it fits.
fn identity(decoder: &Decoder, corpus: &Corpus, settings: &TuneSettings, other: Option<Dtype>) -> String {
    let TuneSettings { rank, alpha, targets, batch, sequence, passes, rate, seed, states, .. } = settings;
    let states = if *states == StatesAs::Bytes { ", states of 8 bits" } else { "" };
    let numbers = other.map_or_else(String::new, |dtype| format!(", in {dtype}"));
    let targets: Vec<&str> = targets.iter().map(|target| target.name()).collect();
    let (shape, data) = (decoder.shape(), corpus.fingerprint());
    let Shape { layers, width, heads, kv_heads, inner, vocabulary, .. } = shape;
    format!(
        "{layers} layers of {width}, {heads} heads over {kv_heads}, {inner}, {vocabulary} tokens; {data}; rank {rank}, alpha \
         {alpha}, {}; {passes} passes of {batch} rows of {sequence}; rate {rate}, seed {seed}{states}{numbers}",
        targets.join(" ")
    )
}
