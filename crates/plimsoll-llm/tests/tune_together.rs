//! Several stages that learn one thing together.

#![allow(clippy::unwrap_used, reason = "a scenario fails by panicking")]

use std::sync::Arc;

use plimsoll::{Bytes, Engine, Place};
use plimsoll_llm::Decoder;
use plimsoll_llm::tune::{Batch, Frozen, Homes, Team, TuneError, TuneSettings, Tuner};
use plimsoll_tensor::{Dtype, HostTogether, IGNORED, Stage, Together};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tiny-7m-q8_0.gguf");

fn settings(passes: usize) -> TuneSettings {
    TuneSettings {
        rank: 4,
        sequence: 32,
        passes,
        warmup: 1,
        steps: 20,
        rate: 2e-3,
        ..TuneSettings::default()
    }
}

fn tuner(passes: usize) -> (Engine, Tuner) {
    let engine = Engine::in_memory(Bytes::mib(256), "tuning").unwrap();
    let pool = engine.account("tuning").unwrap().scratch(Place::Host).unwrap();
    let decoder = Decoder::open(MODEL).unwrap();
    let stage = Stage::host(pool, 1);
    let frozen = Frozen::of(&decoder, &stage, Dtype::F32, None, Homes::default()).unwrap();
    (engine, Tuner::new(frozen, settings(passes)).unwrap())
}

fn team(members: usize, passes: usize) -> (Vec<Engine>, Team) {
    let places = HostTogether::places(members);
    let (engines, members) = places
        .into_iter()
        .map(|place| {
            let (engine, tuner) = tuner(passes);
            (engine, (tuner, Arc::new(place) as Arc<dyn Together>))
        })
        .unzip();
    (engines, Team::of(members).unwrap())
}

fn batch(seed: u32) -> Batch {
    let tokens: Vec<u32> = (0..32).map(|at| (at * 37 + seed * 101 + at * at % 7) % 4096).collect();
    let mut targets = tokens[1..].to_vec();
    targets.push(IGNORED);
    Batch { tokens, targets }
}

fn learned(tuner: &Tuner) -> Vec<u32> {
    tuner.changes().leaves.all().flat_map(|(.., value)| value.to_vec().unwrap()).map(f32::to_bits).collect()
}

#[test]
fn together_they_learn_what_one_would_of_all_passes() {
    let passes: Vec<Batch> = (0..4).map(batch).collect();
    let (_engine, mut alone) = tuner(4);
    for members in [2, 4] {
        let (_engines, mut team) = team(members, 4 / members);
        assert_eq!((team.members(), team.passes()), (members, 4));
        let fit = team.fit_and_hold(Bytes::mib(200), |_, _| Bytes::ZERO).unwrap();
        for step in 1..=3 {
            let found = team.step(&passes).unwrap();
            assert_eq!((found.step, found.as_planned, found.peak), (step, true, fit.peak), "{found:?}");
            if members == 2 {
                let wanted = alone.step(&passes).unwrap();
                assert!((found.loss / wanted.loss - 1.0).abs() < 1e-4, "{found:?} {wanted:?}");
                assert!((found.size / wanted.size - 1.0).abs() < 1e-3, "{found:?} {wanted:?}");
            }
        }
        let all: Vec<_> = team.each().map(|tuner| learned(tuner)).collect();
        assert!(all.windows(2).all(|two| two[0] == two[1]), "all have learned the same to the bit");
        assert!(team.first().evaluate(&passes).unwrap() < 0.99 * tuner(4).1.evaluate(&passes).unwrap());
    }
}

#[test]
fn when_one_fails_nobody_waits_for_it() {
    let (_engines, mut team) = team(3, 1);
    let passes: Vec<Batch> = (0..3).map(batch).collect();
    team.step(&passes).unwrap();
    let mut wrong = passes.clone();
    wrong[1].tokens[3] = 1 << 20;
    let error = team.step(&wrong).unwrap_err();
    assert!(error.to_string().contains("1048576"), "who failed is told of, not who waited for it: {error}");
    let error = team.step(&passes).unwrap_err().to_string();
    assert!(error.contains("begin again from what was kept"), "{error}");
}

#[test]
fn a_team_is_of_those_who_were_asked_for_the_same() {
    let places: Vec<Arc<dyn Together>> =
        HostTogether::places(2).into_iter().map(|place| Arc::new(place) as Arc<dyn Together>).collect();
    let (_one, first) = tuner(1);
    let (_other, second) = tuner(2);
    let [one, other] = <[_; 2]>::try_from(places).unwrap();
    let error = Team::of(vec![(first, Arc::clone(&one)), (second, other)]).unwrap_err();
    assert!(matches!(error, TuneError::Settings { .. }), "{error}");
    let (_third, third) = tuner(1);
    assert!(Team::of(vec![(third, one)]).is_err(), "a place among two is none for one alone");
    assert!(Team::of(Vec::new()).is_err());
    let (_engines, mut team) = team(2, 1);
    assert!(matches!(team.step(&[batch(1)]), Err(TuneError::Batch { found: 1, wanted: 2 })));
}
