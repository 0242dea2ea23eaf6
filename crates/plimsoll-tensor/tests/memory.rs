//! Where tensors' bytes are: shared by views, copied when changed, known before a step and held during it.

#![allow(clippy::unwrap_used, reason = "a scenario fails by panicking")]

mod support;

use plimsoll::{Bytes, Place};
use plimsoll_tensor::{Dtype, Gradients, Leaves, Stage, Tape, Tensor, TensorError, Unary, Var};
use support::{numbers, stage};

#[test]
fn views_share_every_byte() {
    let (engine, stage) = stage(Bytes::mib(8), 1);
    let x = stage.floats(&numbers(1, 24), &[2, 3, 4]).unwrap();
    let (live, charged) = (stage.live(), engine.account("tensors").unwrap().charged(Place::Host));
    assert_eq!(live, Bytes::new(24 * 4));
    let views = [
        x.reshape(&[6, 4]).unwrap(),
        x.transpose(0, 2).unwrap(),
        x.permute(&[1, 2, 0]).unwrap(),
        x.slice(2, 1, 2, 2).unwrap(),
        x.narrow(1, 1, 2).unwrap(),
        x.narrow(1, 0, 1).unwrap().broadcast(&[5, 2, 7, 4]).unwrap(),
    ];
    assert!(views.iter().all(|view| view.shares(&x)));
    assert_eq!((stage.live(), stage.peak()), (live, live), "nothing was leased for a view");
    assert_eq!(engine.account("tensors").unwrap().charged(Place::Host), charged);
    let all = x.to_vec().unwrap();
    let turned = views[1].to_vec().unwrap();
    for (i, j, k) in (0..2).flat_map(|i| (0..3).flat_map(move |j| (0..4).map(move |k| (i, j, k)))) {
        assert_eq!(turned[(k * 3 + j) * 2 + i].to_bits(), all[(i * 3 + j) * 4 + k].to_bits());
    }
    let skipped = views[3].to_vec().unwrap();
    assert_eq!(skipped[0..2], [all[1], all[3]]);
}

#[test]
fn a_tensor_costs_what_is_said() {
    assert_eq!(size_of::<Tensor>(), 72);
    let (_engine, stage) = stage(Bytes::mib(8), 1);
    // What clones share is one allocation: two counts and the storage.
    let handle = stage.zeros(&[1], Dtype::F32).unwrap();
    assert!(size_of::<Tensor>() + handle.shared_overhead() <= 112, "{}", handle.shared_overhead());
}

#[test]
fn what_is_shared_is_copied_before_it_is_changed() {
    let (_engine, stage) = stage(Bytes::mib(8), 1);
    let mut leaves = Leaves::default();
    let id = leaves.add("x", stage.floats(&[1.0, 2.0], &[2]).unwrap());
    let before = leaves.value(id).clone();
    let mut gradients = Gradients::new(&stage, &leaves).unwrap();
    let mut tape = Tape::new(&stage);
    let x = tape.leaf(&leaves, id);
    let sum = tape.sum_all(&x).unwrap();
    drop(x);
    tape.backward(&sum, 1.0, &mut gradients).unwrap();
    let mut adam =
        plimsoll_tensor::AdamW::new(&stage, &leaves, plimsoll_tensor::AdamWSettings::default()).unwrap();
    adam.step(&mut leaves, &gradients, 0.5, 1.0).unwrap();
    assert_eq!(before.to_vec().unwrap(), [1.0, 2.0], "a handle that was kept keeps its numbers");
    assert!(leaves.value(id).to_vec().unwrap().iter().zip([0.5, 1.5]).all(|(x, y)| (x - y).abs() < 1e-4));
    let own = leaves.value(id).clone();
    drop(before);
    drop(own);
    let live = stage.live();
    adam.step(&mut leaves, &gradients, 0.5, 1.0).unwrap();
    assert_eq!((stage.live(), stage.peak().max(live)), (live, stage.peak()), "alone, it is changed in place");
}

/// A step whose buffers overlap in many ways: a few layers, some computed again.
fn step<'m>(tape: &mut Tape<'m>, leaves: &'m Leaves, rows: usize) -> Result<Var, TensorError> {
    let stage = tape.stage().clone();
    let mut x = tape.constant(&stage.full(0.1, &[rows, 32], Dtype::F32)?);
    for (layer, (id, ..)) in leaves.all().enumerate() {
        let part = move |tape: &mut Tape<'m>, v: &[Var]| {
            let weight = tape.leaf(leaves, id);
            let wide = tape.linear(&v[0], &weight)?;
            let bent = tape.unary(Unary::Silu, &wide)?;
            tape.add(&bent, &v[0])
        };
        x = if layer % 2 == 0 { tape.checkpoint(&[x], part)? } else { part(tape, &[x])? };
    }
    let square = tape.mul(&x, &x)?;
    tape.sum_all(&square)
}

struct Model {
    leaves: Leaves,
    gradients: Gradients,
}

impl Model {
    fn new(stage: &Stage) -> Self {
        let mut leaves = Leaves::default();
        for layer in 0..5 {
            let numbers = stage.floats(&numbers(layer, 1024), &[32, 32]).unwrap();
            leaves.add(format!("layer {layer}"), numbers);
        }
        let gradients = Gradients::new(stage, &leaves).unwrap();
        Self { leaves, gradients }
    }

    fn run(&mut self, stage: &Stage, rows: usize) -> Result<f32, TensorError> {
        self.gradients.clear()?;
        let mut tape = Tape::new(stage);
        let loss = step(&mut tape, &self.leaves, rows)?;
        tape.backward(&loss, 1.0, &mut self.gradients)?;
        loss.tensor().item()
    }

    fn gradients(&self) -> Vec<Vec<f32>> {
        self.leaves.all().map(|(id, ..)| self.gradients.of(id).to_vec().unwrap()).collect()
    }
}

#[test]
fn a_rehearsal_knows_the_peak_to_the_byte() {
    let (engine, stage) = stage(Bytes::mib(64), 2);
    let mut model = Model::new(&stage);
    let charged = engine.account("tensors").unwrap().charged(Place::Host);
    let (_, rehearsal) = stage.rehearse(|| model.run(&stage, 300)).unwrap();
    assert_eq!(
        engine.account("tensors").unwrap().charged(Place::Host),
        charged,
        "a rehearsal takes no memory"
    );
    assert_eq!(rehearsal.kept(), Bytes::ZERO);
    stage.restart_peak();
    let loss = model.run(&stage, 300).unwrap();
    assert!(loss.is_finite() && loss != 0.0);
    assert_eq!(stage.peak(), rehearsal.peak(), "predicted and measured");
    // Another step is another matter: the test can fail.
    stage.restart_peak();
    model.run(&stage, 301).unwrap();
    assert_ne!(stage.peak(), rehearsal.peak());
}

#[test]
fn a_dry_stage_knows_it_before_there_is_memory() {
    let dry = Stage::dry();
    let mut model = Model::new(&dry);
    model.run(&dry, 300).unwrap();
    let said = dry.rehearsed().unwrap();
    let (_engine, stage) = stage(Bytes::mib(64), 1);
    let mut real = Model::new(&stage);
    stage.restart_peak();
    real.run(&stage, 300).unwrap();
    assert_eq!(said.peak(), stage.peak());
    assert!(
        matches!(model.leaves.all().next().unwrap().2.to_vec(), Ok(zeros) if zeros.iter().all(|x| *x == 0.0))
    );
}

#[test]
fn a_held_step_leases_nothing_and_computes_the_same() {
    let (engine, stage) = stage(Bytes::mib(64), 2);
    let mut model = Model::new(&stage);
    let free_loss = model.run(&stage, 300).unwrap();
    let free = model.gradients();
    let (_, rehearsal) = stage.rehearse(|| model.run(&stage, 300)).unwrap();
    let held = stage.hold(&rehearsal).unwrap();
    let pool = engine.account("tensors").unwrap().scratch(Place::Host).unwrap();
    for _ in 0..3 {
        let before = pool.stats();
        let (loss, facts) = held.step(|| model.run(&stage, 300)).unwrap();
        assert!(facts.as_planned, "{facts:?}");
        assert_eq!((facts.placed, facts.leased), (rehearsal.buffers() as u64, 0));
        assert_eq!(facts.peak, rehearsal.peak());
        assert_eq!(pool.stats().live, before.live);
        assert_eq!(loss.to_bits(), free_loss.to_bits());
        assert_eq!(model.gradients(), free);
    }
    assert!(held.arena() >= held.bound() && held.arena() <= rehearsal.peak());
}

#[test]
fn a_step_that_was_not_rehearsed_goes_on_with_leases() {
    let (_engine, stage) = stage(Bytes::mib(64), 1);
    let mut model = Model::new(&stage);
    let right = model.run(&stage, 200).unwrap();
    let (_, rehearsal) = stage.rehearse(|| model.run(&stage, 300)).unwrap();
    let held = stage.hold(&rehearsal).unwrap();
    let (loss, facts) = held.step(|| model.run(&stage, 200)).unwrap();
    assert!(!facts.as_planned && facts.leased > 0, "{facts:?}");
    assert_eq!(loss.to_bits(), right.to_bits());
    // And the next that was rehearsed is planned again.
    let (_, facts) = held.step(|| model.run(&stage, 300)).unwrap();
    assert!(facts.as_planned);
}

#[test]
fn a_tensor_that_outlives_its_place_is_not_overwritten() {
    let (_engine, stage) = stage(Bytes::mib(8), 1);
    let one = |kept: &mut Vec<Tensor>, keep: bool| {
        let first = stage.full(1.0, &[1000], Dtype::F32)?;
        if keep {
            kept.push(first.clone());
        }
        drop(first);
        let second = stage.full(2.0, &[1000], Dtype::F32)?;
        second.narrow(0, 0, 1)?.item()
    };
    let (_, rehearsal) = stage.rehearse(|| one(&mut Vec::new(), false)).unwrap();
    let held = stage.hold(&rehearsal).unwrap();
    assert!(held.arena() < Bytes::new(8000), "both lie at one place");
    let mut kept = Vec::new();
    let (found, facts) = held.step(|| one(&mut kept, true)).unwrap();
    assert_eq!((found, facts.placed, facts.leased), (2.0, 1, 1));
    assert!(kept[0].to_vec().unwrap().iter().all(|x| x.to_bits() == 1.0_f32.to_bits()));
}

#[test]
fn a_plan_that_does_not_fit_is_refused_and_steps_go_on() {
    let (_engine, stage) = stage(Bytes::mib(1), 1);
    let big = |stage: &Stage| stage.zeros(&[1 << 20], Dtype::F32).map(drop);
    let ((), rehearsal) = stage.rehearse(|| big(&stage)).unwrap();
    let error = stage.hold(&rehearsal).unwrap_err().to_string();
    assert!(error.contains("4.00 MiB"), "{error}");
    assert!(big(&stage).is_err());
    assert!(stage.zeros(&[10], Dtype::F32).is_ok());
}

#[test]
fn what_was_rehearsed_has_no_numbers_and_says_so() {
    let (_engine, stage) = stage(Bytes::mib(1), 1);
    let (kept, _) = stage.rehearse(|| stage.zeros(&[4], Dtype::F32)).unwrap();
    let error = kept.to_vec().unwrap_err().to_string();
    assert!(error.contains("rehearsal"), "{error}");
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let (_engine, stage) = stage(Bytes::mib(1), 1);
    for dims in [&[usize::MAX][..], &[1 << 31, 1 << 31, 1 << 31]] {
        assert!(matches!(stage.zeros(dims, Dtype::F32), Err(TensorError::TooLarge { .. })), "{dims:?}");
    }
    assert!(matches!(stage.zeros(&[1; 7], Dtype::F32), Err(TensorError::Rank { rank: 7 })));
    let mut tape = Tape::new(&stage);
    let x = tape.constant(&stage.zeros(&[2, 3], Dtype::F32).unwrap());
    let y = tape.constant(&stage.zeros(&[4, 5], Dtype::F32).unwrap());
    for (what, error) in [
        ("go together", tape.add(&x, &y).unwrap_err()),
        ("last size", tape.matmul(&x, &y).unwrap_err()),
        ("do not meet", tape.linear(&x, &y).unwrap_err()),
        ("weights", tape.rms_norm(&x, Some(&y), 1e-5).unwrap_err()),
    ] {
        assert!(error.to_string().contains(what), "{error}");
    }
    let ids = stage.ids(&[7], &[1]).unwrap();
    assert!(matches!(tape.embedding(&x, &ids), Err(TensorError::Index { found: 7, limit: 2, .. })));
}

#[test]
fn a_part_of_a_dry_stage_is_looked_at_by_itself() {
    let dry = Stage::dry();
    let mut model = Model::new(&dry);
    let (_, part) = dry.rehearse(|| model.run(&dry, 300)).unwrap();
    let (_engine, stage) = stage(Bytes::mib(64), 1);
    let mut real = Model::new(&stage);
    let (_, wanted) = stage.rehearse(|| real.run(&stage, 300)).unwrap();
    assert_eq!((part.peak(), part.before(), part.kept()), (wanted.peak(), wanted.before(), Bytes::ZERO));
    // What is left of one rehearsal is nothing to the next.
    let (left, _) = stage.rehearse(|| stage.zeros(&[100], Dtype::F32)).unwrap();
    let (_, next) = stage
        .rehearse(|| {
            let own = stage.zeros(&[7], Dtype::F32)?;
            drop(left);
            Ok::<_, TensorError>(own)
        })
        .unwrap();
    assert_eq!(next.kept(), Bytes::new(28));
}
