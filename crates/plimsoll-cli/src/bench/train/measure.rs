//! Steps in one way after the other, each with memory of its own.

use std::time::Instant;

use plimsoll::{Bytes, Place};
use plimsoll_llm::tune::{Batch, Fit, Frozen, Homes, Keeping, Team, TuneError, TuneSettings, Tuner};
use plimsoll_tensor::{Dtype, TensorError};

use super::args::{ShapeOf, TrainBenchArgs};
use super::report::TrainBenchRow;
use crate::bench::median;
use crate::train::TrainError;
use crate::train::ground::{Allowed, Ground};
use crate::{CliError, Printer};

/// What a way is.
enum Way {
    Kept(Keeping),
    /// Layers twice, with these elsewhere, and inputs of layers too.
    Away(Homes),
    /// Layers twice, with the matrices of so many divided among those that learn together.
    Divided(usize),
    /// A line so many hundredths of the way up from the floor.
    Line(u64),
}

impl Way {
    /// All of them; of those that keep things elsewhere only where there is an elsewhere.
    fn all(args: &TrainBenchArgs) -> Vec<Self> {
        let mut ways =
            vec![Keeping::All, Keeping::Products, Keeping::Input].into_iter().map(Self::Kept).collect();
        if args.quick {
            return ways;
        }
        let (layers, team) = (args.shape.shape().0.layers, args.device.len() > 1);
        if team {
            ways.extend([layers / 2, layers].map(Self::Divided));
        }
        if args.device.iter().all(|place| matches!(place, Place::Cuda(_))) && args.away != Some(Bytes::ZERO) {
            let most = [0, layers / 4, layers / 2, layers].map(Homes::most);
            if team {
                ways.push(Self::Away(Homes { states: false, divided: layers, ..Homes::most(0) }));
            }
            ways.push(Self::Away(Homes::default()));
            ways.push(Self::Away(Homes { states: false, ..Homes::most(0) }));
            ways.extend(most.map(Self::Away));
        }
        ways.extend([75, 50, 25, 0].map(Self::Line));
        ways
    }

    fn name(&self) -> String {
        match self {
            Self::Kept(Keeping::All) => "nothing twice".to_owned(),
            Self::Kept(Keeping::Products) => "gates twice".to_owned(),
            Self::Kept(Keeping::Input) => "layers twice".to_owned(),
            Self::Kept(Keeping::InputAway) => "layers twice, away: inputs".to_owned(),
            Self::Away(homes) => {
                let layers = format!(", matrices of {} layers", homes.layers);
                let parts = [
                    (homes.embedding, ", embeddings"),
                    (homes.states, ", states"),
                    (homes.layers > 0, layers.as_str()),
                ];
                let more: Vec<&str> = parts.iter().filter(|part| part.0).map(|part| part.1).collect();
                let divided = if homes.divided == 0 { String::new() } else { Self::name_of(homes.divided) };
                format!("layers twice, away: inputs{}{divided}", more.concat())
            }
            Self::Divided(layers) => format!("layers twice{}", Self::name_of(*layers)),
            Self::Line(share) => format!("a line {share}% up from the floor"),
        }
    }

    fn name_of(divided: usize) -> String {
        format!(", divided: matrices of {divided} layers")
    }

    fn homes(&self) -> Homes {
        match self {
            Self::Away(homes) => *homes,
            Self::Divided(layers) => Homes { divided: *layers, ..Homes::default() },
            Self::Kept(_) | Self::Line(_) => Homes::default(),
        }
    }
}

/// Measures all ways.
pub(super) fn rows(args: &TrainBenchArgs) -> Result<Vec<TrainBenchRow>, CliError> {
    let all = Way::all(args);
    let only = args.only.as_deref().unwrap_or_default();
    // A whole name means that way alone.
    let exact = all.iter().any(|way| way.name() == only);
    let wanted = |way: &&Way| if exact { way.name() == only } else { way.name().contains(only) };
    let mut rows = Vec::new();
    for way in all.iter().filter(wanted) {
        let row = one(args, way)?;
        // A large model's ways take minutes: what is known is told at once.
        Printer::remark(&format!(
            "{}: {} measured, {} elsewhere, {:.1} ms a step",
            way.name(),
            Bytes::new(row.measured_peak_bytes),
            Bytes::new(row.away_measured_bytes),
            row.ms
        ));
        rows.push(row);
    }
    let fastest = rows.iter().map(|row| row.ms).fold(f64::INFINITY, f64::min);
    for row in &mut rows {
        row.slower = row.ms / fastest;
    }
    Ok(rows)
}

fn one(args: &TrainBenchArgs, way: &Way) -> Result<TrainBenchRow, CliError> {
    let (shape, tied) = args.shape.shape();
    let sequence = args.sequence.unwrap_or(if args.shape == ShapeOf::Tiny { 256 } else { 2048 });
    let (rank, batch, states) = (args.rank, args.batch, args.states);
    let settings = TuneSettings { rank, sequence, batch, states, ..TuneSettings::default() };
    let allowed = Allowed { line: args.memory, away: args.away, threads: None };
    let ground = Ground::new(&args.device, allowed)?;
    let packing = args.weights.packing();
    let team = ground.team(args.divide_states, |stages, share| {
        let frozen = Frozen::by_lot(&shape, tied, stages, ground.dtype(), packing, way.homes())?;
        Tuner::new(frozen, TuneSettings { share, ..settings.clone() })
    });
    let mut team = team.map_err(TrainError::from)?;
    let (mut fit, mut line) = fitted(team.first_mut(), way, &ground, 0).map_err(TrainError::from)?;
    for (spot, tuner) in team.each().enumerate().skip(1) {
        (fit, line) = fitted(tuner, way, &ground, spot).map_err(TrainError::from)?;
    }
    let steps = if args.quick { args.steps.min(4) } else { args.steps };
    let measured = timed(&mut team, &ground, steps).map_err(TrainError::from)?;
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let tokens = (team.passes() * args.batch * sequence) as f64;
    let held = team.first_mut().hold().map_err(TrainError::from)?;
    let (arena, bound) = (held.arena().get(), held.bound().get());
    Ok(TrainBenchRow {
        work: way.name(),
        engine: "plimsoll",
        line_bytes: line.map(Bytes::get),
        predicted_peak_bytes: fit.peak.get(),
        measured_peak_bytes: measured.peak.get(),
        away_predicted_bytes: fit.away.get(),
        away_measured_bytes: measured.away.get(),
        charged_peak_bytes: ground.charged(0)[1].get(),
        arena_bytes: arena,
        bound_bytes: bound,
        layers_again: fit.layers(Keeping::Input) + fit.layers(Keeping::InputAway),
        layers_gates_again: fit.layers(Keeping::Products),
        ms: measured.ms,
        slower: 1.0,
        tokens_per_s: tokens / measured.ms * 1e3,
        buffers: measured.buffers,
        making_share: measured.making_share,
        book_share: measured.book_share,
        device_allocations: measured.device_allocations,
    })
}

/// What layers keep in this way, and the line that it had to fit below.
fn fitted(
    tuner: &mut Tuner,
    way: &Way,
    ground: &Ground,
    spot: usize,
) -> Result<(Fit, Option<Bytes>), TuneError> {
    let whole = tuner.fit(Bytes::new(u64::MAX / 4))?;
    let mut kept = |keeping: Keeping| {
        tuner.keep(vec![keeping; tuner.frozen().shape().layers]);
        let (here, away) = tuner.rehearse_all()?;
        let (peak, away) = (here.peak(), away.map_or(Bytes::ZERO, |away| away.peak()));
        tuner.hold()?;
        Ok((Fit { keeping: tuner.keeping().to_vec(), peak, away, ..whole.clone() }, None))
    };
    match way {
        Way::Kept(keeping) => kept(*keeping),
        Way::Away(_) => kept(Keeping::InputAway),
        Way::Divided(_) => kept(Keeping::Input),
        Way::Line(share) => {
            let span = whole.full.saturating_sub(whole.floor).get();
            let beside = ground.beside(spot, tuner);
            // A plan's one piece is at least what lives at once; the lowest line leaves it the hundredth that it may need.
            let line = whole.floor + Bytes::new(span * share / 100 + whole.floor.get() / 100) + beside;
            Ok((tuner.fit_and_hold(line, beside)?, Some(line)))
        }
    }
}

struct Measured {
    ms: f64,
    peak: Bytes,
    away: Bytes,
    buffers: usize,
    making_share: f64,
    book_share: f64,
    device_allocations: u64,
}

fn timed(team: &mut Team, ground: &Ground, steps: u32) -> Result<Measured, TuneError> {
    let (batch, sequence) = (team.first().settings().batch, team.first().settings().sequence);
    let vocabulary = team.first().frozen().shape().vocabulary;
    let tokens: Vec<u32> = (0..batch * sequence).map(|at| token(at * 7919 + 13, vocabulary)).collect();
    let targets = tokens.iter().skip(1).chain(tokens.first()).copied().collect();
    let passes = vec![Batch { tokens, targets }; team.passes()];
    let (mut times, mut peak, mut away, mut maps) = (Vec::new(), Bytes::ZERO, Bytes::ZERO, 0);
    for step in 0..steps + 2 {
        let began = Instant::now();
        let report = team.step(&passes)?;
        (peak, away) = (peak.max(report.peak), away.max(report.away));
        if step < 2 {
            maps = ground.spots[0].pool.stats().maps;
        } else {
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    let device_allocations = ground.spots[0].pool.stats().maps - maps;
    let ms = median(times);
    let tuner = team.first_mut();
    let began = Instant::now();
    let rehearsal = tuner.rehearse()?;
    let book_share = began.elapsed().as_secs_f64() * 1e3 / ms;
    let making_share = making(tuner, rehearsal.buffers())? / ms;
    Ok(Measured {
        ms,
        peak,
        away,
        buffers: rehearsal.buffers(),
        making_share,
        book_share,
        device_allocations,
    })
}

fn token(number: usize, vocabulary: usize) -> u32 {
    u32::try_from(number % vocabulary).unwrap_or(0)
}

/// Milliseconds that so many tensors take to be made and dropped, one after the other, under a plan of their own: a step of
/// nothing else.
fn making(tuner: &mut Tuner, buffers: usize) -> Result<f64, TuneError> {
    let stage = tuner.stage().clone();
    tuner.let_go();
    let all = || -> Result<(), TensorError> {
        for _ in 0..buffers {
            drop(stage.tensor(&[1024], Dtype::F32)?);
        }
        Ok(())
    };
    let ((), rehearsal) = stage.rehearse(all)?;
    let held = stage.hold(&rehearsal)?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let began = Instant::now();
        held.step(all)?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times))
}
