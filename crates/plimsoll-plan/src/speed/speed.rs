//! Tokens a second, from bandwidth and operations.

use std::fmt;

use plimsoll::{Bytes, Place};

use super::Range;
use super::placement::{Load, Placement, float, loads};
use super::reach::{EXPERTS, LINK, Reach};
use crate::Formula;
use crate::machine::Machine;
use crate::model::{Model, TensorType};

/// How a model is run, as far as its speed depends on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run {
    /// Tokens that are before the one being made, in each sequence.
    pub depth: u64,
    /// Sequences that are decoded at once.
    pub parallel: u32,
    /// Tokens of a prompt.
    pub prompt: u64,
    /// Tokens of a prompt that are computed at once.
    pub batch: u32,
    /// The types of keys and values.
    pub types: (TensorType, TensorType),
}

impl Default for Run {
    /// One sequence, 512 tokens deep, and a prompt of 512 in one batch; keys and values in 16 bits.
    fn default() -> Self {
        Self { depth: 512, parallel: 1, prompt: 512, batch: 512, types: (TensorType::F16, TensorType::F16) }
    }
}

/// How fast it will be.
#[derive(Clone, Debug, PartialEq)]
pub struct Speed {
    /// Tokens a second that one sequence gets while decoding.
    pub decode: Range,
    /// Tokens a second of all sequences together.
    pub decode_all: Range,
    /// What decoding waits for most.
    pub decode_roof: Roof,
    /// Tokens of a prompt a second.
    pub prefill: Range,
    /// What reading a prompt waits for most.
    pub prefill_roof: Roof,
    /// How the figure for decoding came about.
    pub decode_formula: Formula,
    /// How the one for prompts did.
    pub prefill_formula: Formula,
}

/// What bounds a speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roof {
    /// Reading a place's memory.
    Bandwidth(Place),
    /// Computing there.
    Compute(Place),
    /// Bringing weights from the host to a GPU.
    Link(Place),
    /// Starting the work of many small layers.
    Starts(Place),
}

impl fmt::Display for Roof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Bandwidth(Place::Host) => "host memory".to_owned(),
            Self::Bandwidth(place) => format!("memory bandwidth of {place}"),
            Self::Compute(place) => format!("compute of {place}"),
            Self::Link(place) => format!("PCIe link of {place}"),
            Self::Starts(place) => format!("starting work on {place}"),
        };
        f.pad(&text)
    }
}

/// A speed that cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpeedError {
    /// The machine has no such place.
    #[error("the machine has no {0}: place layers on host or on one of its GPUs")]
    NoPlace(Place),
    /// A figure of the machine is missing.
    #[error("how fast {0} {1} is not known: write it into the machine's file")]
    Unknown(Place, &'static str),
    /// Nothing to be run.
    #[error("a run needs at least one sequence, and a batch and a prompt of at least one token")]
    Nothing,
    /// The placement speaks of other layers than the model has.
    #[error("the model has {model} layers and the placement {placement}")]
    Layers {
        /// What the model has.
        model: usize,
        /// What the placement has.
        placement: usize,
    },
}

/// The figures of a place.
#[derive(Clone, Copy)]
struct Figures {
    bytes_per_s: f64,
    operations_per_s: f64,
    reach: Reach,
}

fn figures(machine: &Machine, place: Place) -> Result<Figures, SpeedError> {
    let (rate, flops, reach) = match place {
        Place::Host => (machine.processor.bandwidth, machine.processor.flops, Reach::of_host()),
        place => {
            let gpu = machine.gpu(place).ok_or(SpeedError::NoPlace(place))?;
            (gpu.bandwidth, gpu.flops, Reach::of_gpu(gpu))
        }
    };
    let rate = rate.ok_or(SpeedError::Unknown(place, "reads its memory"))?;
    let flops = flops.filter(|flops| flops.is_finite() && *flops > 0.0);
    let flops = flops.ok_or(SpeedError::Unknown(place, "computes"))?;
    Ok(Figures { bytes_per_s: rate.get(), operations_per_s: flops, reach })
}

/// How fast a model decodes and reads prompts on a machine, its layers placed so.
///
/// Decoding reads every weight that a token uses, and its keys and values, once a step; places work one after another.
/// A prompt is bound by operations, unless its batches are small, and where weights lie on the host by the faster of
/// two ways: computing there, or bringing them to the first GPU batch by batch.
///
/// ```
/// use plimsoll::Place;
/// use plimsoll_plan::{catalogue::{Scheme, model}, machine::Machine, speed::{Placement, Run, estimate}};
/// let (entry, _) = model("llama 3.1 8b").unwrap();
/// let llama = entry.model(Scheme::Q4_K_M);
/// let machine = Machine::parse("rtx-4090+64g").unwrap();
/// let speed = estimate(&llama, &machine, &Placement::all(&llama, Place::Cuda(0)), Run::default()).unwrap();
/// assert!(speed.decode.holds(128.0) && speed.decode_roof.to_string() == "memory bandwidth of cuda:0");
/// ```
pub fn estimate(
    model: &Model,
    machine: &Machine,
    placement: &Placement,
    run: Run,
) -> Result<Speed, SpeedError> {
    let count = model.hyper.layers.len();
    for list in [&placement.layers, &placement.experts] {
        if list.len() != count {
            return Err(SpeedError::Layers { model: count, placement: list.len() });
        }
    }
    if run.parallel == 0 || run.batch == 0 || run.prompt == 0 {
        return Err(SpeedError::Nothing);
    }
    let step = loads(model, placement, run.depth, run.parallel, run.types);
    let decode = decode(machine, &step, run)?;
    // Tokens of a prompt see those before them: on average half of it.
    let middle = run.prompt / 2;
    let batch = u32::try_from(run.prompt).unwrap_or(u32::MAX).min(run.batch);
    let whole = loads(model, placement, middle, batch, run.types);
    let prefill = prefill(machine, &whole, run, batch)?;
    let all = decode.seconds.per_second(f64::from(run.parallel));
    Ok(Speed {
        decode: decode.seconds.per_second(1.0),
        decode_all: all,
        decode_roof: decode.roof,
        prefill: prefill.seconds.per_second(f64::from(batch)),
        prefill_roof: prefill.roof,
        decode_formula: decode.formula,
        prefill_formula: prefill.formula,
    })
}

/// A step's time, what it waits for most, and how that came about.
struct Step {
    seconds: Range,
    roof: Roof,
    formula: Formula,
}

/// What a place's share of a step takes, and what of it takes longest.
struct Share {
    seconds: Range,
    longest: (f64, Roof),
}

/// A place's share of a step of so many tokens that reads so many bytes.
fn share(load: &Load, figures: Figures, bytes: f64, tokens: f64) -> Share {
    let Figures { bytes_per_s, operations_per_s, reach } = figures;
    let read = Range::seconds(bytes, bytes_per_s, reach.bandwidth);
    let plain = tokens * (load.operations - load.expert_operations + load.attention);
    let parted =
        Range { low: reach.operations.low * EXPERTS.low, high: reach.operations.high * EXPERTS.high };
    let compute = Range::seconds(plain, operations_per_s, reach.operations).plus(Range::seconds(
        tokens * load.expert_operations,
        operations_per_s,
        parted,
    ));
    let start = reach.layer_us.times(f64::from(load.layers) * 1e-6);
    let work = Range { low: read.low.max(compute.low), high: read.high.max(compute.high) };
    let named = [
        (read.middle(), Roof::Bandwidth(load.place)),
        (compute.middle(), Roof::Compute(load.place)),
        (start.middle(), Roof::Starts(load.place)),
    ];
    let longest = named.into_iter().max_by(|one, other| one.0.total_cmp(&other.0));
    Share { seconds: work.plus(start), longest: longest.unwrap_or((0.0, Roof::Bandwidth(load.place))) }
}

fn decode(machine: &Machine, loads: &[Load], run: Run) -> Result<Step, SpeedError> {
    let mut seconds = Range::ZERO;
    let mut longest = (0.0, Roof::Bandwidth(Place::Host));
    let rule = "1 / Σ over places (the longer of bytes / bandwidth and operations / rate, both at what is reached, and \
                the starts of layers)";
    let mut formula = Formula::new(rule).term("sequences", run.parallel).term("depth", run.depth);
    for load in loads.iter().filter(|load| !is_idle(load)) {
        let figures = figures(machine, load.place)?;
        let sequences = f64::from(run.parallel);
        let bytes = float(load.step_weights.get()) + sequences * float(load.cache.get());
        let share = share(load, figures, bytes, sequences);
        formula = explained(formula, load, figures, bytes);
        seconds = seconds.plus(share.seconds);
        longest = if share.longest.0 > longest.0 { share.longest } else { longest };
    }
    Ok(Step { seconds, roof: longest.1, formula })
}

fn is_idle(load: &Load) -> bool {
    load.layers == 0 && load.step_weights.is_zero() && load.operations <= 0.0
}

fn explained(formula: Formula, load: &Load, figures: Figures, bytes: f64) -> Formula {
    let Load { place, layers, .. } = load;
    let Reach { bandwidth, layer_us, .. } = figures.reach;
    formula
        .term(format!("bytes on {place}"), format!("{:.3} GB", bytes / 1e9))
        .term(format!("bandwidth of {place}"), format!("{:.1} GB/s", figures.bytes_per_s / 1e9))
        .term(format!("reached on {place}"), bandwidth)
        .term(format!("layers on {place}"), layers)
        .term(format!("start of a layer on {place}"), format!("{layer_us} µs"))
}

/// Batches in flight at once, over several GPUs, are few; this is how much of a GPU more shows.
const PIPELINE_POWER: f64 = 0.6;

fn prefill(machine: &Machine, loads: &[Load], run: Run, batch: u32) -> Result<Step, SpeedError> {
    let tokens = f64::from(batch);
    let mut seconds = Range::ZERO;
    let mut longest = (0.0, Roof::Compute(Place::Host));
    let rule = "batch / Σ over places (the longer of operations / rate and weights / bandwidth, both at what is \
                reached, and the starts of layers)";
    let mut formula = Formula::new(rule).term("batch", batch).term("prompt", run.prompt);
    let mut gpus: u32 = 0;
    for load in loads.iter().filter(|load| !is_idle(load)) {
        let here = figures(machine, load.place)?;
        let operations = tokens * (load.operations + load.attention);
        let bytes = float(load.batch_weights.get()) + float(load.cache.get());
        let mut best = share(load, here, bytes, tokens);
        if load.place == Place::Host {
            let middle = best.seconds.middle();
            let streamed = streamed(machine, load, tokens).filter(|other| other.seconds.middle() < middle);
            best = streamed.unwrap_or(best);
        } else {
            gpus += 1;
        }
        formula = formula
            .term(format!("operations on {}", load.place), format!("{:.2}e12", operations / 1e12))
            .term(format!("rate of {}", load.place), format!("{:.1} TFLOPS", here.operations_per_s / 1e12))
            .term(format!("reached on {}", load.place), here.reach.operations);
        seconds = seconds.plus(best.seconds);
        longest = if best.longest.0 > longest.0 { best.longest } else { longest };
    }
    // Several GPUs may work on several batches at once.
    let flying =
        f64::from(gpus.max(1)).min(float(run.prompt.div_ceil(u64::from(batch.max(1)))).clamp(1.0, 4.0));
    seconds.low /= flying.powf(PIPELINE_POWER);
    Ok(Step { seconds, roof: longest.1, formula })
}

/// Weights of the host that are brought to the first GPU for a batch and computed there.
fn streamed(machine: &Machine, load: &Load, tokens: f64) -> Option<Share> {
    let gpu = machine.gpus.first()?;
    let link = gpu.link?;
    let there = figures(machine, gpu.place).ok()?;
    let moved = Range::seconds(float(load.batch_weights.get()), link.get(), LINK);
    let moved_load = Load { place: gpu.place, ..*load };
    let computed = share(&moved_load, there, float(load.batch_weights.get()), tokens);
    let longest = if moved.middle() > computed.longest.0 {
        (moved.middle(), Roof::Link(gpu.place))
    } else {
        computed.longest
    };
    Some(Share { seconds: moved.plus(computed.seconds), longest })
}

/// Tokens a second with a draft model: it proposes `proposed` tokens one by one, and one step of the model checks them
/// all; `accepted` is the chance of each to be right, given those before it.
///
/// `target` is the model's speed with `parallel` of `proposed + 1`: a step that checks reads what so many sequences
/// would.
///
/// ```
/// use plimsoll_plan::speed::{Range, speculated};
/// let (target, draft) = (Range { low: 10.0, high: 20.0 }, Range { low: 100.0, high: 200.0 });
/// let fast = speculated(target, draft, 4, Range { low: 0.6, high: 0.8 });
/// assert!(fast.low > 10.0 && fast.high < 20.0 * 5.0);
/// ```
pub fn speculated(target: Range, draft: Range, proposed: u32, accepted: Range) -> Range {
    let made = |chance: f64| {
        let chance = chance.clamp(0.0, 1.0);
        (0..=proposed.min(64)).map(|index| chance.powi(i32::try_from(index).unwrap_or(0))).sum::<f64>()
    };
    let seconds = |target: f64, draft: f64| {
        let each = |rate: f64| if rate > 0.0 { 1.0 / rate } else { f64::INFINITY };
        each(target) + f64::from(proposed.min(64)) * each(draft)
    };
    Range {
        low: made(accepted.low) / seconds(target.low, draft.low),
        high: made(accepted.high) / seconds(target.high, draft.high),
    }
}

/// All that decoding reads for one token, over all places: what a rule of thumb divides the bandwidth by.
pub fn bytes_a_token(loads: &[Load]) -> Bytes {
    let each = loads.iter().map(|load| load.step_weights.saturating_add(load.cache));
    each.fold(Bytes::ZERO, Bytes::saturating_add)
}
