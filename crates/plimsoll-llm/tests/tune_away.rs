//! Fine-tuning of the shipped model with parts of it elsewhere, with states of eight bits, and in halves.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a scenario fails by panicking")]

use std::fs;

use plimsoll::{Bytes, Engine, Place};
use plimsoll_llm::tune::{
    Batch, Frozen, Homes, Keep, Keeping, Stages, StepReport, TuneError, TuneSettings, Tuner, homes_below,
};
use plimsoll_llm::{Decoder, Family, Pairs, Shape};
use plimsoll_tensor::packed::Packing;
use plimsoll_tensor::{Dtype, IGNORED, LossScale, Stage, StatesAs};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tiny-7m-q8_0.gguf");

fn stage() -> (Engine, Stage) {
    let engine = Engine::in_memory(Bytes::mib(256), "tuning").unwrap();
    let pool = engine.account("tuning").unwrap().scratch(Place::Host).unwrap();
    (engine, Stage::host(pool, 2))
}

/// A shape whose output is not its embedding, so that the table can be elsewhere.
fn shape() -> Shape {
    Shape {
        family: Family::Llama,
        layers: 6,
        width: 64,
        heads: 4,
        kv_heads: 2,
        key_width: 16,
        value_width: 16,
        inner: 160,
        vocabulary: 512,
        context: 128,
        epsilon: 1e-5,
        rope_width: 16,
        rope_base: 1e4,
        rope_divisor: 1.0,
        rope_pairs: Pairs::Halves,
        first_token: None,
    }
}

fn small() -> TuneSettings {
    TuneSettings {
        rank: 4,
        sequence: 48,
        passes: 2,
        warmup: 1,
        steps: 20,
        rate: 2e-3,
        ..TuneSettings::default()
    }
}

fn by_lot(stages: &Stages, homes: Homes, settings: TuneSettings) -> Result<Tuner, TuneError> {
    Tuner::new(Frozen::by_lot(&shape(), false, stages, Dtype::F32, None, homes)?, settings)
}

fn batch(seed: u32, len: usize, words: u32) -> Batch {
    let tokens: Vec<u32> =
        (0..u32::try_from(len).unwrap()).map(|at| (at * 37 + seed * 101 + at * at % 7) % words).collect();
    let mut targets = tokens[1..].to_vec();
    targets.push(IGNORED);
    Batch { tokens, targets }
}

fn told(report: &StepReport) -> (u32, u32) {
    (report.loss.to_bits(), report.size.to_bits())
}

#[test]
fn wherever_things_are_it_learns_the_same_in_memory_that_was_known() {
    let (_one, here) = stage();
    let (_other, away) = stage();
    let stages = Stages::new(here, Some(away));
    let passes = [batch(1, 48, 512), batch(2, 48, 512)];
    let some = |layers: usize| Homes { layers, ..Homes::default() };
    let all = [
        Homes::default(),
        Homes { embedding: true, ..Homes::default() },
        Homes { states: true, ..Homes::default() },
        some(1),
        some(2),
        some(3),
        some(6),
        Homes::most(6),
    ];
    let mut wanted: Option<Vec<(u32, u32)>> = None;
    let mut peaks = Vec::new();
    for homes in all {
        for keeping in [Keeping::All, Keeping::Products, Keeping::Input, Keeping::InputAway] {
            let mut tuner = by_lot(&stages, homes, small()).unwrap();
            let before = tuner.evaluate(&passes).unwrap();
            tuner.keep(vec![keeping; 6]);
            let (said, elsewhere) = tuner.rehearse_all().unwrap();
            let said = [said.peak(), elsewhere.unwrap().peak()];
            let mut found = Vec::new();
            for held in [false, true] {
                if held {
                    tuner.hold().unwrap();
                }
                for _ in 0..2 {
                    let report = tuner.step(&passes).unwrap();
                    assert_eq!(
                        [report.peak, report.away],
                        said,
                        "said and measured: {homes:?} {keeping:?} {held}"
                    );
                    assert_eq!(report.as_planned, held, "{homes:?} {keeping:?}");
                    found.push(told(&report));
                }
            }
            assert!(tuner.evaluate(&passes).unwrap() < before);
            assert_eq!(*wanted.get_or_insert_with(|| found.clone()), found, "{homes:?} {keeping:?}");
            if keeping == Keeping::InputAway {
                peaks.push(said);
            }
        }
    }
    let shape = shape();
    let table = Bytes::new((shape.vocabulary * shape.width * 4) as u64);
    // What comes of the table: ids and rows of a pass are elsewhere for a moment, behind which layers' inputs are more.
    assert_eq!(peaks[0][0] - peaks[1][0], table, "{peaks:?}");
    assert!(peaks[1][1] >= peaks[0][1] + table && peaks[2][0] < peaks[0][0]);
    // Of matrices that are elsewhere two layers' are here at once: from the third on each is less here.
    assert!(peaks[5][0] < peaks[0][0] && peaks[6][0] < peaks[5][0] && peaks[7][0] < peaks[6][0], "{peaks:?}");
    assert!(stages.here.live().is_zero() && stages.away.unwrap().live().is_zero(), "nothing stays");
}

#[test]
fn a_line_chooses_what_is_elsewhere() {
    let dry = |homes: Homes| by_lot(&Stages::dry(), homes, small());
    let floors: Vec<Bytes> =
        [Homes::default(), Homes { states: false, ..Homes::most(0) }, Homes::most(0), Homes::most(6)]
            .into_iter()
            .map(|homes| dry(homes).unwrap().fit(Bytes::gib(1)).unwrap().floor)
            .collect();
    assert!(floors.windows(2).all(|two| two[1] < two[0]), "{floors:?}");
    let full = homes_below(Bytes::gib(1), dry).unwrap();
    assert_eq!((full.homes, full.peak), (Homes::default(), full.full));
    let chosen = |line: Bytes| homes_below(line, dry).unwrap();
    let table = chosen(full.full - Bytes::new(1));
    assert_eq!(
        (table.homes, table.peak),
        (Homes { states: false, ..Homes::most(0) }, table.full),
        "nothing twice yet"
    );
    assert_eq!(chosen(floors[1]).homes, Homes { states: false, ..Homes::most(0) });
    assert_eq!(chosen(floors[1] - Bytes::new(1)).homes, Homes::most(0));
    let layers = chosen(floors[2] - Bytes::new(1)).homes.layers;
    assert!((1..6).contains(&layers), "{layers}");
    let least = chosen(floors[3]);
    assert_eq!((least.peak, least.homes), (floors[3], Homes::most(6)));
    let error = homes_below(floors[3] - Bytes::new(1), dry).unwrap_err();
    assert!(matches!(error, TuneError::Floor { floor, .. } if floor == floors[3]), "{error}");
    // What was said holds where there is memory.
    let (_one, here) = stage();
    let (_other, away) = stage();
    let stages = Stages::new(here, Some(away));
    let mut tuner = by_lot(&stages, least.homes, small()).unwrap();
    let fit = tuner.fit(floors[3]).unwrap();
    assert_eq!((fit.peak, fit.away), (least.peak, least.away));
    let report = tuner.step(&[batch(1, 48, 512), batch(2, 48, 512)]).unwrap();
    assert_eq!((report.peak, report.away), (fit.peak, fit.away));
}

#[test]
fn without_an_elsewhere_nothing_can_be_there() {
    let (_engine, here) = stage();
    let stages = Stages::from(&here);
    for homes in [Homes::most(0), Homes { layers: 1, ..Homes::default() }] {
        let error = by_lot(&stages, homes, small()).unwrap_err().to_string();
        assert!(error.contains("give a stage for it"), "{error}");
    }
    let mut tuner = by_lot(&stages, Homes::default(), small()).unwrap();
    tuner.keep(vec![Keeping::InputAway; 6]);
    let error = tuner.step(&[batch(1, 48, 512), batch(2, 48, 512)]).unwrap_err().to_string();
    assert!(error.contains("give a stage for it"), "{error}");
}

#[test]
fn a_word_that_the_table_has_not_is_refused_elsewhere_too() {
    let (_one, here) = stage();
    let (_other, away) = stage();
    let stages = Stages::new(here, Some(away));
    let mut tuner = by_lot(&stages, Homes::most(3), TuneSettings { passes: 1, ..small() }).unwrap();
    let (mut wrong, right) = (batch(1, 48, 512), batch(1, 48, 512));
    wrong.tokens[7] = 512;
    assert!(tuner.step(&[wrong]).unwrap_err().to_string().contains("512"));
    assert!(tuner.step(&[right]).unwrap().loss.is_finite(), "and the next step goes on");
}

fn shipped(stages: &Stages, dtype: Dtype, packing: Option<Packing>, homes: Homes, kept: StatesAs) -> Tuner {
    let decoder = Decoder::open(MODEL).unwrap();
    let settings = TuneSettings { passes: 1, states: kept, ..small() };
    Tuner::new(Frozen::of(&decoder, stages, dtype, packing, homes).unwrap(), settings).unwrap()
}

#[test]
fn packed_matrices_of_a_file_come_and_go_too() {
    let (_one, here) = stage();
    let (_other, away) = stage();
    let stages = Stages::new(here, Some(away));
    let passes = [batch(3, 48, 4096)];
    let losses = |homes: Homes| {
        let mut tuner = shipped(&stages, Dtype::F32, Some(Packing::Q4_0), homes, StatesAs::Singles);
        (0..3).map(|_| told(&tuner.step(&passes).unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(losses(Homes::default()), losses(Homes::most(8)));
}

#[test]
fn states_of_eight_bits_learn_as_well_as_singles() {
    let (_engine, here) = stage();
    let stages = Stages::from(&here);
    let passes = [batch(4, 48, 4096)];
    let run = |states: StatesAs| {
        let mut tuner = shipped(&stages, Dtype::F32, None, Homes::default(), states);
        let before = tuner.rehearse().unwrap().before();
        let losses: Vec<f32> = (0..20).map(|_| tuner.step(&passes).unwrap().loss).collect();
        (before, losses, tuner.evaluate(&passes).unwrap())
    };
    let (singles, bytes) = (run(StatesAs::Singles), run(StatesAs::Bytes));
    assert!(bytes.0 < singles.0, "less is kept");
    assert!(singles.2 < 0.8 * singles.1[0], "{singles:?}");
    assert!((bytes.2 / singles.2 - 1.0).abs() < 0.02, "{} with bytes, {} with singles", bytes.2, singles.2);
    for (step, (one, other)) in singles.1.iter().zip(&bytes.1).enumerate() {
        assert!(
            (other / one - 1.0).abs() < 0.02,
            "step {}: {other} with bytes, {one} with singles",
            step + 1
        );
    }
}

#[test]
fn halves_that_overflow_are_tried_again_and_learn() {
    let (_engine, here) = stage();
    let stages = Stages::from(&here);
    let passes = [batch(5, 48, 4096)];
    let mut singles = shipped(&stages, Dtype::F32, None, Homes::default(), StatesAs::Singles);
    let mut halves = shipped(&stages, Dtype::F16, None, Homes::default(), StatesAs::Singles);
    assert_eq!(singles.scale(), LossScale::one());
    // Far too large: steps are given up until it fits.
    let high = LossScale::moving().resumed(4_294_967_296.0, 0);
    *halves.state_mut().2 = high;
    halves.hold().unwrap();
    let first = halves.step(&passes).unwrap();
    assert!(first.overflows > 0 && first.as_planned, "{first:?}");
    assert_eq!((first.step, halves.adam().steps()), (1, 1), "what was given up is no step");
    assert!(
        (halves.scale().scale() - high.scale() / 2.0_f32.powi(i32::try_from(first.overflows).unwrap())).abs()
            < 1.0
    );
    let wanted = singles.step(&passes).unwrap();
    assert!((first.loss / wanted.loss - 1.0).abs() < 0.01, "{first:?} {wanted:?}");
    assert!((first.size / wanted.size - 1.0).abs() < 0.05, "{first:?} {wanted:?}");
    let mut last = [first.loss, wanted.loss];
    for _ in 0..10 {
        last = [halves.step(&passes).unwrap().loss, singles.step(&passes).unwrap().loss];
    }
    assert!(last[0] < 0.9 * first.loss && (last[0] / last[1] - 1.0).abs() < 0.03, "{last:?}");
    // The scale is kept with the rest.
    let folder = tempfile::tempdir().unwrap();
    let keep = Keep::new(folder.path(), "tiny", "one").unwrap();
    keep.save(&halves).unwrap();
    let mut next = shipped(&stages, Dtype::F16, None, Homes::default(), StatesAs::Singles);
    assert_eq!(keep.resume(&mut next).unwrap(), 11);
    assert_eq!(next.scale(), halves.scale());
    assert_eq!(told(&next.step(&passes).unwrap()), told(&halves.step(&passes).unwrap()));
    assert!(fs::read_dir(folder.path()).unwrap().count() > 0);
}

#[test]
fn what_was_kept_goes_on_to_the_bit_with_states_of_eight_bits_elsewhere() {
    let (_one, here) = stage();
    let (_other, away) = stage();
    let stages = Stages::new(here, Some(away));
    let passes = [batch(6, 48, 4096)];
    let folder = tempfile::tempdir().unwrap();
    let keep = Keep::new(folder.path(), "tiny", "one").unwrap();
    let new = || shipped(&stages, Dtype::F32, None, Homes::most(4), StatesAs::Bytes);
    let mut whole = new();
    for _ in 0..3 {
        whole.step(&passes).unwrap();
    }
    keep.save(&whole).unwrap();
    let mut next = new();
    keep.resume(&mut next).unwrap();
    for _ in 0..3 {
        assert_eq!(told(&whole.step(&passes).unwrap()), told(&next.step(&passes).unwrap()));
    }
}
