//! What is elsewhere until it is needed: inputs of parts, states of the optimizer. The numbers are the same, and a rehearsal
//! knows both places to the byte.

#![allow(clippy::unwrap_used, reason = "a scenario fails by panicking")]

mod support;

use plimsoll::Bytes;
use plimsoll_tensor::{
    AdamW, AdamWSettings, Dtype, Gradients, LeafId, Leaves, Rehearsal, Shelf, Stage, StatesAs, Tape,
    TensorError, Unary,
};
use support::{numbers, stage};

const ROWS: usize = 96;
const WIDTH: usize = 64;
const LAYERS: usize = 6;

struct Model {
    here: Stage,
    away: Stage,
    leaves: Leaves,
    gradients: Gradients,
    adam: AdamW,
    /// Whether inputs leave.
    leaves_inputs: bool,
}

impl Model {
    fn new(here: &Stage, away: &Stage, leaves_inputs: bool, states_on: &Stage, kept: StatesAs) -> Self {
        let mut leaves = Leaves::default();
        for layer in 0..LAYERS {
            let weight = here.floats(&numbers(layer as u64, WIDTH * WIDTH), &[WIDTH, WIDTH]).unwrap();
            leaves.add(format!("layer {layer}"), weight);
        }
        let gradients = Gradients::new(here, &leaves).unwrap();
        let adam = AdamW::new(states_on, &leaves, AdamWSettings { states: kept, ..AdamWSettings::default() })
            .unwrap();
        Self { here: here.clone(), away: away.clone(), leaves, gradients, adam, leaves_inputs }
    }

    fn step(&mut self) -> Result<f32, TensorError> {
        self.gradients.clear()?;
        let loss = {
            let leaves = &self.leaves;
            let mut tape = Tape::new(&self.here);
            let waiting = Shelf::new(&self.here, &self.away);
            let mut x = tape.constant(&self.here.floats(&numbers(99, ROWS * WIDTH), &[ROWS, WIDTH])?);
            for (id, ..) in leaves.all() {
                let part = move |tape: &mut Tape<'_>, v: &[plimsoll_tensor::Var]| {
                    let weight = tape.leaf(leaves, id);
                    let wide = tape.linear(&v[0], &weight)?;
                    let bent = tape.unary(Unary::Tanh, &wide)?;
                    tape.add(&bent, &v[0])
                };
                x = if self.leaves_inputs {
                    tape.checkpoint_away(&waiting, &[x], part)?
                } else {
                    tape.checkpoint(&[x], part)?
                };
            }
            let square = tape.mul(&x, &x)?;
            drop(x);
            let loss = tape.sum_all(&square)?;
            drop(square);
            tape.backward(&loss, 1e-3, &mut self.gradients)?;
            assert!(waiting.is_empty());
            loss.tensor().clone()
        };
        self.adam.step(&mut self.leaves, &self.gradients, 1e-3, 1.0)?;
        loss.item()
    }

    fn rehearse(&mut self) -> [Rehearsal; 2] {
        let (here, away) = (self.here.clone(), self.away.clone());
        let mut elsewhere = None;
        let (_, found) = here
            .rehearse(|| {
                let (loss, found) = away.rehearse(|| self.step())?;
                elsewhere = Some(found);
                Ok::<_, TensorError>(loss)
            })
            .unwrap();
        [found, elsewhere.unwrap()]
    }

    fn ids(&self) -> Vec<LeafId> {
        self.leaves.all().map(|(id, ..)| id).collect()
    }
}

#[test]
fn what_is_elsewhere_is_the_same_and_known_in_both_places() {
    let (_one, here) = stage(Bytes::mib(64), 2);
    let (_other, away) = stage(Bytes::mib(64), 1);
    let mut wanted: Option<Vec<u32>> = None;
    let mut peaks = Vec::new();
    for (inputs, states) in [(false, &here), (true, &here), (false, &away), (true, &away)] {
        let mut model = Model::new(&here, &away, inputs, states, StatesAs::Singles);
        let said = model.rehearse();
        assert_eq!(model.adam.steps(), 0, "a rehearsal changes nothing");
        assert!(said.iter().all(|said| said.kept().is_zero()));
        let mut losses = Vec::new();
        for _ in 0..3 {
            here.restart_peak();
            away.restart_peak();
            losses.push(model.step().unwrap().to_bits());
            assert_eq!([here.peak(), away.peak()], said.each_ref().map(Rehearsal::peak), "said and measured");
        }
        let plans = [here.hold(&said[0]).unwrap(), away.hold(&said[1]).unwrap()];
        for _ in 0..3 {
            let ((loss, elsewhere), facts) = plans[0].step(|| plans[1].step(|| model.step())).unwrap();
            assert!(facts.as_planned && elsewhere.as_planned, "{facts:?} {elsewhere:?}");
            assert_eq!([facts.peak, elsewhere.peak], said.each_ref().map(Rehearsal::peak));
            losses.push(loss.to_bits());
        }
        assert_eq!(*wanted.get_or_insert_with(|| losses.clone()), losses);
        peaks.push(said.map(|said| said.peak()));
    }
    let inputs = Bytes::new((LAYERS * ROWS * WIDTH * 4) as u64);
    let states = Bytes::new((LAYERS * WIDTH * WIDTH * 8) as u64);
    assert!(peaks[1][0] < peaks[0][0] && peaks[1][1] == inputs, "{peaks:?}");
    assert!(peaks[2][0] < peaks[0][0] && peaks[2][1] == states, "{peaks:?}");
    assert_eq!(peaks[3][1], inputs + states);
    assert_eq!((here.live(), away.live()), (Bytes::ZERO, Bytes::ZERO), "nothing stays");
}

#[test]
fn states_of_eight_bits_go_as_singles_do_and_take_a_quarter() {
    let (_one, here) = stage(Bytes::mib(64), 2);
    let (_other, away) = stage(Bytes::mib(64), 1);
    let mut found = Vec::new();
    for (kept, on) in [(StatesAs::Singles, &here), (StatesAs::Bytes, &here), (StatesAs::Bytes, &away)] {
        let before = on.live();
        let mut model = Model::new(&here, &away, false, on, kept);
        let values = if on.is(&here) { (LAYERS * WIDTH * WIDTH * 8) as u64 } else { 0 };
        let states = (on.live() - before).get() - values;
        let losses: Vec<f32> = (0..40).map(|_| model.step().unwrap()).collect();
        found.push((states, losses));
    }
    let count = (LAYERS * WIDTH * WIDTH) as u64;
    assert_eq!(found[0].0, 8 * count);
    assert_eq!(found[1].0, 2 * count + count / 256 * 8);
    let bits = |losses: &[f32]| losses.iter().map(|loss| loss.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&found[1].1), bits(&found[2].1), "here or elsewhere");
    let (singles, bytes) = (&found[0].1, &found[1].1);
    assert!(singles[39] < 0.9 * singles[0], "{singles:?}");
    for (wanted, loss) in singles.iter().zip(bytes) {
        assert!((loss / wanted - 1.0).abs() < 0.01, "{loss} with bytes, {wanted} with singles");
    }
}

#[test]
fn states_that_were_kept_go_on_to_the_bit() {
    let (_one, here) = stage(Bytes::mib(64), 2);
    for kept in [StatesAs::Singles, StatesAs::Bytes] {
        let mut whole = Model::new(&here, &here, false, &here, kept);
        let mut half = Model::new(&here, &here, false, &here, kept);
        for _ in 0..4 {
            assert_eq!(whole.step().unwrap().to_bits(), half.step().unwrap().to_bits());
        }
        let states: Vec<_> = half.ids().into_iter().map(|id| half.adam.states(id).unwrap()).collect();
        let values: Vec<_> =
            half.ids().into_iter().map(|id| half.leaves.value(id).to_vec().unwrap()).collect();
        let mut next = Model::new(&here, &here, false, &here, kept);
        for (id, value) in next.ids().into_iter().zip(values) {
            *next.leaves.value_mut(id) = here.floats(&value, &[WIDTH, WIDTH]).unwrap();
        }
        next.adam.resume(4, &next.leaves, |id| Ok::<_, TensorError>(states[id.index()].clone())).unwrap();
        for _ in 0..4 {
            assert_eq!(whole.step().unwrap().to_bits(), next.step().unwrap().to_bits(), "{kept:?}");
        }
        let other = next.adam.resume(4, &next.leaves, |_| Ok::<_, TensorError>([vec![0.0; 3], vec![0.0; 3]]));
        assert!(other.unwrap_err().to_string().contains("layer 0"));
    }
}

#[test]
fn small_gradients_in_halves_are_not_lost_when_they_are_scaled() {
    let (_engine, stage) = stage(Bytes::mib(16), 1);
    let (rows, width, words) = (64, 32, 40);
    let hidden = numbers(1, rows * width);
    let table: Vec<f32> = numbers(2, words * width).iter().map(|x| x * 1e-3).collect();
    let targets: Vec<u32> = (0..64).map(|row| row % 40).collect();
    let grad = |dtype: Dtype, scale: f32| {
        let mut leaves = Leaves::default();
        let id = leaves.add("hidden", stage.floats(&hidden, &[rows, width]).unwrap());
        let mut gradients = Gradients::new(&stage, &leaves).unwrap();
        let mut tape = Tape::new(&stage).scaled(scale);
        let x = tape.leaf(&leaves, id);
        let flowing = tape.cast(&x, dtype).unwrap();
        let table = tape.constant(&stage.floats(&table, &[words, width]).unwrap().cast(dtype).unwrap());
        let ids = stage.ids(&targets, &[rows]).unwrap();
        let loss = tape.cross_entropy(&flowing, &table, &ids, rows).unwrap();
        drop((x, flowing, table));
        tape.backward(&loss, scale, &mut gradients).unwrap();
        gradients.of(id).to_vec().unwrap().into_iter().map(|grad| grad / scale).collect::<Vec<_>>()
    };
    let wanted = grad(Dtype::F32, 1.0);
    let apart = |found: &[f32]| {
        let apart: f32 = found.iter().zip(&wanted).map(|(x, y)| (x - y).abs()).sum();
        apart / wanted.iter().map(|x| x.abs()).sum::<f32>()
    };
    let (plain, scaled) = (apart(&grad(Dtype::F16, 1.0)), apart(&grad(Dtype::F16, 65_536.0)));
    assert!(scaled < 2e-3, "{scaled}");
    assert!(plain > 3.0 * scaled, "{plain} without, {scaled} with a scale");
    assert!(apart(&grad(Dtype::F32, 65_536.0)) < 1e-6);
}

#[test]
fn a_tensor_takes_the_numbers_of_its_like_and_of_nothing_else() {
    let (_one, here) = stage(Bytes::mib(4), 1);
    let (_other, away) = stage(Bytes::mib(4), 1);
    let (mut x, y) =
        (here.zeros(&[4, 6], Dtype::F32).unwrap(), away.floats(&numbers(3, 24), &[6, 4]).unwrap());
    let y = y.transpose(0, 1).unwrap();
    x.take_from(&y).unwrap();
    assert_eq!(x.to_vec().unwrap(), y.to_vec().unwrap());
    let kept = x.clone();
    x.take_from(&here.zeros(&[4, 6], Dtype::F32).unwrap()).unwrap();
    assert_eq!(kept.to_vec().unwrap(), y.to_vec().unwrap(), "who shared it keeps it");
    for other in [here.zeros(&[6, 4], Dtype::F32).unwrap(), here.zeros(&[4, 6], Dtype::Bf16).unwrap()] {
        assert!(matches!(x.take_from(&other), Err(TensorError::Shape { .. })));
    }
}
