//! What scenarios share: a stage in memory, numbers by lot, and gradients by differences.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "shared by scenarios, which fail by panicking"
)]

pub mod cases;

use plimsoll::{Bytes, Engine, Place};
use plimsoll_cuda::{Cuda, CudaSettings};
use plimsoll_tensor::{Dtype, Gradients, Leaves, Stage, Tape, TensorError, Var};

/// A stage over so much memory, and the engine that charges it.
pub fn stage(memory: Bytes, threads: usize) -> (Engine, Stage) {
    let engine = Engine::in_memory(memory, "tensors").unwrap();
    let pool = engine.account("tensors").unwrap().scratch(Place::Host).unwrap();
    (engine, Stage::host(pool, threads))
}

/// CUDA, where there is a GPU; elsewhere the test says that it is skipped.
pub fn cuda() -> Option<Cuda> {
    match Cuda::load(CudaSettings::default()) {
        Ok(cuda) => Some(cuda),
        Err(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

/// Numbers between −1 and 1, the same for the same seed.
pub fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// A function from variables to one, on some tape.
pub type Function<'f> = &'f dyn Fn(&mut Tape<'_>, &[Var]) -> Result<Var, TensorError>;

/// The sum of a function's outcome times fixed numbers, so that every entry counts differently.
fn weighed(stage: &Stage, leaves: &Leaves, function: Function<'_>) -> (f64, Vec<Vec<f32>>) {
    let mut gradients = Gradients::new(stage, leaves).unwrap();
    let ids: Vec<_> = leaves.all().map(|(id, ..)| id).collect();
    let mut tape = Tape::new(stage);
    let inputs: Vec<Var> = ids.iter().map(|id| tape.leaf(leaves, *id)).collect();
    let out = function(&mut tape, &inputs).unwrap();
    let weights = numbers(99, usize::try_from(out.tensor().count()).unwrap());
    let found = out.tensor().to_vec().unwrap();
    let sum = found.iter().zip(&weights).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
    let weights = tape.constant(&stage.floats(&weights, &out.dims()).unwrap());
    let out = tape.cast(&out, Dtype::F32).unwrap();
    let product = tape.mul(&out, &weights).unwrap();
    let loss = tape.sum_all(&product).unwrap();
    drop((inputs, out, product));
    tape.backward(&loss, 1.0, &mut gradients).unwrap();
    (sum, ids.iter().map(|id| gradients.of(*id).to_vec().unwrap()).collect())
}

/// Compares gradients with central differences, number by number.
pub fn check_gradients(
    stage: &Stage,
    inputs: &[(&[usize], Vec<f32>)],
    step: f32,
    room: f64,
    function: Function<'_>,
) {
    let build = |inputs: &[(&[usize], Vec<f32>)]| {
        let mut leaves = Leaves::default();
        for (index, (dims, numbers)) in inputs.iter().enumerate() {
            leaves.add(format!("input {index}"), stage.floats(numbers, dims).unwrap());
        }
        leaves
    };
    let (_, found) = weighed(stage, &build(inputs), function);
    for (input, grads) in found.iter().enumerate() {
        for (place, grad) in grads.iter().enumerate() {
            let moved = |by: f32| {
                let mut changed: Vec<(&[usize], Vec<f32>)> = inputs.to_vec();
                changed[input].1[place] += by;
                weighed(stage, &build(&changed), function).0
            };
            let wanted = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            let apart = (f64::from(*grad) - wanted).abs();
            assert!(
                apart <= room * (1.0 + wanted.abs()),
                "input {input}, number {place}: {grad} on the tape, {wanted} by differences"
            );
        }
    }
    assert_eq!(stage.live(), Bytes::ZERO, "nothing stays");
}
