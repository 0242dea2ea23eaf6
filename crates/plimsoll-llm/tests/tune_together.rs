//! Several stages that learn one thing together.

#![allow(clippy::unwrap_used, reason = "a scenario fails by panicking")]

use std::sync::Arc;

use plimsoll::{Bytes, Engine, Place};
use plimsoll_llm::Decoder;
use plimsoll_llm::tune::{
    Batch, Frozen, Homes, Keep, Keeping, Projection, Stages, Team, TuneError, TuneSettings, Tuner,
    homes_below,
};
use plimsoll_tensor::packed::Packing;
use plimsoll_tensor::{Dtype, HostTogether, IGNORED, Share, Stage, StatesAs, Together};

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
    tuner_of(settings(passes), false)
}

/// One whose optimizer's states are elsewhere, or not.
fn tuner_of(settings: TuneSettings, states_away: bool) -> (Engine, Tuner) {
    let engine = Engine::in_memory(Bytes::mib(256), "tuning").unwrap();
    let pool = engine.account("tuning").unwrap().scratch(Place::Host).unwrap();
    let decoder = Decoder::open(MODEL).unwrap();
    let here = Stage::host(pool.clone(), 1);
    let away = states_away.then(|| Stage::host(pool, 1));
    let homes = Homes { states: states_away, ..Homes::default() };
    let frozen = Frozen::of(&decoder, Stages::new(here, away), Dtype::F32, None, homes).unwrap();
    (engine, Tuner::new(frozen, settings).unwrap())
}

fn team(members: usize, passes: usize) -> (Vec<Engine>, Team) {
    team_of(members, |_| tuner(passes))
}

/// Two whose states are kept like this, each with all of them or its share.
fn two(kept: StatesAs, divided: bool, away: bool) -> (Vec<Engine>, Team) {
    team_of(2, |place| {
        let share = if divided { Share { place, members: 2 } } else { Share::ALL };
        tuner_of(TuneSettings { states: kept, share, ..settings(1) }, away)
    })
}

fn team_of(members: usize, of: impl Fn(usize) -> (Engine, Tuner)) -> (Vec<Engine>, Team) {
    let places = HostTogether::places(members);
    let (engines, members) = places
        .into_iter()
        .enumerate()
        .map(|(at, place)| {
            let (engine, tuner) = of(at);
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
fn with_states_divided_they_learn_the_same_to_the_bit() {
    let passes: Vec<Batch> = (0..2).map(batch).collect();
    let line = Bytes::mib(200);
    for (kept, away) in [(StatesAs::Singles, false), (StatesAs::Bytes, false), (StatesAs::Bytes, true)] {
        let told = format!("{kept:?}, elsewhere: {away}");
        let (_whole, mut whole) = two(kept, false, away);
        let (_divided, mut divided) = two(kept, true, away);
        let all = whole.fit_and_hold(line, |_, _| Bytes::ZERO).unwrap();
        let less = divided.fit_and_hold(line, |_, _| Bytes::ZERO).unwrap();
        // Two bytes or eight a number; about half of them are another's.
        let numbers: u64 = whole.first().changes().leaves.all().map(|(.., value)| value.count()).sum();
        let saved = if away { all.away.get() - less.away.get() } else { all.peak.get() - less.peak.get() };
        let states = numbers * if kept == StatesAs::Bytes { 2 } else { 8 };
        assert!(saved > states * 2 / 5 && saved < states * 3 / 5, "{told}: {saved} of {states}");
        let mut peak = Bytes::ZERO;
        for step in 1..=3 {
            let [wanted, found] = [&mut whole, &mut divided].map(|team| team.step(&passes).unwrap());
            assert_eq!((found.step, found.as_planned), (step, true), "{told}");
            assert_eq!(
                (found.loss.to_bits(), found.size.to_bits()),
                (wanted.loss.to_bits(), wanted.size.to_bits()),
                "{told}"
            );
            peak = peak.max(found.peak);
        }
        assert_eq!(peak, less.peak, "{told}");
        let wanted = learned(whole.first());
        assert!(divided.each().all(|tuner| learned(tuner) == wanted), "{told}");
    }
}

#[test]
fn divided_states_are_kept_as_ones_would_be() {
    let folder = tempfile::tempdir().unwrap();
    let passes: Vec<Batch> = (0..2).map(batch).collect();
    let keep = |name: &str| Keep::new(&folder.path().join(name), "tiny", "one").unwrap();
    let (_whole, mut whole) = two(StatesAs::Bytes, false, false);
    let (_divided, mut divided) = two(StatesAs::Bytes, true, false);
    for team in [&mut whole, &mut divided] {
        team.step(&passes).unwrap();
    }
    let paths = [keep("whole").save(&whole).unwrap(), keep("divided").save(&divided).unwrap()];
    let [wanted, found] = paths.map(|path| std::fs::read(path.join("state.safetensors")).unwrap());
    assert!(wanted == found, "the same file");
    let error = keep("one").save(divided.first()).unwrap_err().to_string();
    assert!(error.contains("keep the whole team"), "{error}");
    // It goes on divided, or not.
    let (_again, mut again) = two(StatesAs::Bytes, true, false);
    for tuner in again.each() {
        assert_eq!(keep("whole").resume(tuner).unwrap(), 1);
    }
    for team in [&mut whole, &mut again] {
        team.step(&passes).unwrap();
    }
    assert_eq!(learned(again.first()), learned(whole.first()));
}

#[test]
fn a_share_is_for_a_team_that_has_the_others() {
    let of = |place, members| TuneSettings { share: Share { place, members }, ..settings(1) };
    let (_engine, mut alone) = tuner_of(of(0, 2), false);
    let error = alone.step(&[batch(1)]).unwrap_err().to_string();
    assert!(error.contains("in a team"), "{error}");
    let places = HostTogether::places(2).into_iter().map(|place| Arc::new(place) as Arc<dyn Together>);
    let (_engines, members): (Vec<_>, Vec<_>) = places
        .map(|place| {
            // Both have the first.
            let (engine, tuner) = tuner_of(of(0, 2), false);
            (engine, (tuner, place))
        })
        .unzip();
    assert!(matches!(Team::of(members), Err(TuneError::Settings { .. })));
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

/// So many with these homes, packed or not.
fn with_homes(members: usize, homes: Homes, packing: Option<Packing>, away: bool) -> (Vec<Engine>, Team) {
    team_of(members, |place| {
        let engine = Engine::in_memory(Bytes::mib(256), "tuning").unwrap();
        let pool = engine.account("tuning").unwrap().scratch(Place::Host).unwrap();
        let decoder = Decoder::open(MODEL).unwrap();
        let away = away.then(|| Stage::host(pool.clone(), 1));
        let stages = Stages { here: Stage::host(pool, 1), away, share: Share { place, members } };
        let frozen = Frozen::of(&decoder, stages, Dtype::F32, packing, homes).unwrap();
        (engine, Tuner::new(frozen, settings(1)).unwrap())
    })
}

/// Bytes of a layer's matrices as singles, of the shipped model.
fn layer_bytes(team: &Team) -> u64 {
    let shape = team.first().frozen().shape();
    let sides = Projection::ALL.map(|projection| projection.sides(shape));
    sides.iter().map(|[rows, columns]| (rows * columns * 4) as u64).sum()
}

#[test]
fn with_weights_divided_they_learn_the_same_to_the_bit_in_less() {
    let looked: Vec<Batch> = (7..12).map(batch).collect();
    // Three do not divide a row's heads evenly: some rows are everybody's.
    for (members, packing) in [(2, None), (3, None), (2, Some(Packing::Q4_0))] {
        let passes: Vec<Batch> = (0..u32::try_from(members).unwrap()).map(batch).collect();
        let run = |divided: usize, away: bool| {
            let homes = Homes { divided, embedding: away, ..Homes::default() };
            let (engines, mut team) = with_homes(members, homes, packing, away);
            let before = team.evaluate(&looked).unwrap();
            for tuner in team.each() {
                tuner.keep(vec![if away { Keeping::InputAway } else { Keeping::Input }; 8]);
            }
            let said = team.first_mut().rehearse().unwrap().peak();
            for tuner in team.each() {
                tuner.hold().unwrap();
            }
            let told: Vec<_> = (0..3)
                .map(|_| {
                    let report = team.step(&passes).unwrap();
                    assert!(report.as_planned && report.peak == said, "{report:?}, said {said}");
                    (report.loss.to_bits(), report.size.to_bits())
                })
                .collect();
            let after = team.evaluate(&looked).unwrap();
            assert!(after < before, "{after} after {before}");
            let all: Vec<_> = team.each().map(|tuner| learned(tuner)).collect();
            assert!(all.windows(2).all(|two| two[0] == two[1]), "all have learned the same to the bit");
            let layer = layer_bytes(&team);
            drop(engines);
            (said, (told, after.to_bits(), all[0].clone()), layer)
        };
        let (whole, wanted, layer) = run(0, false);
        for (divided, away) in [(3, false), (8, false), (8, true)] {
            let (least, found, _) = run(divided, away);
            assert!(wanted == found, "{divided} of 8 layers divided among {members}, {packing:?}");
            // Of what is divided two layers are here whole at once.
            if packing.is_none() && divided == 8 && !away {
                let saved = (8 - 8 / members as u64 - 3) * layer;
                assert!(whole.get() - least.get() > saved, "{whole} whole, {least} divided among {members}");
            }
        }
    }
}

#[test]
fn divided_weights_are_for_a_team_that_has_all_parts() {
    let one = |place: usize, homes: Homes| {
        let (engine, _) = tuner(1);
        let pool = engine.account("tuning").unwrap().scratch(Place::Host).unwrap();
        let share = Share { place, members: 2 };
        let stages = Stages { here: Stage::host(pool, 1), away: None, share };
        let decoder = Decoder::open(MODEL).unwrap();
        let frozen = Frozen::of(&decoder, stages, Dtype::F32, None, homes).unwrap();
        (engine, Tuner::new(frozen, settings(1)).unwrap())
    };
    let half = Homes { divided: 4, ..Homes::default() };
    let (_engine, mut alone) = one(0, half);
    for error in [alone.step(&[batch(1)]).unwrap_err(), alone.evaluate(&[batch(1)]).unwrap_err()] {
        assert!(error.to_string().contains("in a team"), "{error}");
    }
    let refused = |members: [(Engine, Tuner); 2]| {
        let places = HostTogether::places(2).into_iter().map(|place| Arc::new(place) as Arc<dyn Together>);
        let (_engines, tuners): (Vec<_>, Vec<_>) = members.into_iter().unzip();
        Team::of(tuners.into_iter().zip(places).collect()).unwrap_err().to_string()
    };
    for pair in [[one(0, half), one(0, half)], [one(0, half), one(1, Homes::default())]] {
        let error = refused(pair);
        assert!(error.contains("of divided weights its part"), "{error}");
    }
}

#[test]
fn when_one_cannot_look_nobody_waits_for_it() {
    let (_engines, team) = with_homes(2, Homes { divided: 8, ..Homes::default() }, None, false);
    let mut passes: Vec<Batch> = (0..3).map(batch).collect();
    passes[1].tokens[3] = 1 << 20;
    let error = team.evaluate(&passes).unwrap_err().to_string();
    assert!(error.contains("1048576"), "{error}");
}

#[test]
fn a_line_divides_before_it_sends_things_elsewhere() {
    let floor_of = |homes: Homes, stages: fn() -> Stages| {
        let decoder = Decoder::open(MODEL).unwrap();
        let stages = Stages { share: Share { place: 0, members: 2 }, ..stages() };
        let frozen = Frozen::of(&decoder, stages, Dtype::F32, None, homes)?;
        Tuner::new(frozen, settings(1))
    };
    let with = |homes| floor_of(homes, Stages::dry);
    let without = |homes| floor_of(homes, || Stages::new(Stage::dry(), None));
    let floor = |homes| with(homes).unwrap().fit(Bytes::gib(1)).unwrap().floor;
    let bases = [0, 8].map(|layers| Homes { layers, ..Homes::most(0) });
    let below = |homes: Homes| homes_below(floor(homes) - Bytes::new(1), with).unwrap().homes;
    let found = below(bases[0]);
    assert!((1..8).contains(&found.divided) && found.layers == 0, "{found:?}");
    let found = below(Homes { divided: 8, ..bases[0] });
    assert!(found.layers > 0 && found.layers + found.divided == 8, "{found:?}");
    assert_eq!(homes_below(floor(bases[1]), with).unwrap().homes.layers, 8);
    let error = homes_below(floor(bases[1]) - Bytes::new(1), with).unwrap_err();
    assert!(matches!(error, TuneError::Floor { floor: least, .. } if least == floor(bases[1])), "{error}");
    // Without an elsewhere only others have anything.
    let here = without(Homes::default()).unwrap().fit(Bytes::gib(1)).unwrap().floor;
    let found = homes_below(here - Bytes::new(1), without).unwrap().homes;
    assert!(found == Homes { divided: found.divided, ..Homes::default() } && found.divided > 0, "{found:?}");
}
