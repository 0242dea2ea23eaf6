//! Every operation's gradient is that of small differences.

#![allow(clippy::unwrap_used, reason = "a scenario fails by panicking")]

mod support;

use plimsoll::Bytes;
use plimsoll_tensor::{Rotation, Unary, Window};
use support::{check_gradients, numbers, stage};

const STEP: f32 = 1.0 / 128.0;
/// Of singles, with differences of that step.
const ROOM: f64 = 4e-3;

#[test]
fn of_functions_of_one_number() {
    let (_engine, stage) = stage(Bytes::mib(64), 1);
    let x = numbers(1, 12);
    let positive: Vec<f32> = x.iter().map(|x| x.abs() + 0.5).collect();
    let apart: Vec<f32> = x.iter().map(|x| x + x.signum() * 0.1).collect();
    for op in [
        Unary::Neg,
        Unary::Exp,
        Unary::Square,
        Unary::Tanh,
        Unary::Sigmoid,
        Unary::Silu,
        Unary::Gelu,
        Unary::GeluTanh,
    ] {
        check_gradients(&stage, &[(&[3, 4], x.clone())], STEP, ROOM, &|tape, v| tape.unary(op, &v[0]));
    }
    for op in [Unary::Log, Unary::Sqrt] {
        check_gradients(&stage, &[(&[12], positive.clone())], STEP, ROOM, &|tape, v| tape.unary(op, &v[0]));
    }
    for op in [Unary::Abs, Unary::Relu] {
        check_gradients(&stage, &[(&[12], apart.clone())], STEP, ROOM, &|tape, v| tape.unary(op, &v[0]));
    }
    check_gradients(&stage, &[(&[12], x)], STEP, ROOM, &|tape, v| tape.affine(&v[0], -2.5, 3.0));
}

#[test]
fn of_functions_of_two_with_repetition() {
    let (_engine, stage) = stage(Bytes::mib(64), 1);
    let x = (&[2, 3, 4][..], numbers(2, 24));
    let below: Vec<f32> = numbers(3, 4).iter().map(|y| y + 2.0 * y.signum()).collect();
    for y in [
        (&[4][..], below.clone()),
        (&[3, 1][..], below[..3].to_vec()),
        (&[2, 1, 4][..], {
            let mut y = below.clone();
            y.extend(&below);
            y
        }),
    ] {
        let inputs = [x.clone(), y];
        check_gradients(&stage, &inputs, STEP, ROOM, &|tape, v| tape.add(&v[0], &v[1]));
        check_gradients(&stage, &inputs, STEP, ROOM, &|tape, v| tape.sub(&v[1], &v[0]));
        check_gradients(&stage, &inputs, STEP, ROOM, &|tape, v| tape.mul(&v[0], &v[1]));
        check_gradients(&stage, &inputs, STEP, ROOM, &|tape, v| tape.div(&v[0], &v[1]));
    }
    check_gradients(&stage, &[x.clone(), x], STEP, ROOM, &|tape, v| tape.gated(&v[0], &v[1]));
}

#[test]
fn of_views() {
    let (_engine, stage) = stage(Bytes::mib(64), 1);
    let x = (&[2, 3, 4][..], numbers(4, 24));
    let one = [x.clone()];
    check_gradients(&stage, &one, STEP, ROOM, &|tape, v| tape.reshape(&v[0], &[4, 6]));
    check_gradients(&stage, &one, STEP, ROOM, &|tape, v| tape.permute(&v[0], &[2, 0, 1]));
    check_gradients(&stage, &one, STEP, ROOM, &|tape, v| tape.narrow(&v[0], 1, 1, 2));
    check_gradients(&stage, &one, STEP, ROOM, &|tape, v| {
        let turned = tape.transpose(&v[0], 1, 2)?;
        let turned = tape.contiguous(&turned)?;
        tape.narrow(&turned, 1, 1, 3)
    });
    check_gradients(&stage, &[(&[3, 1], numbers(5, 3))], STEP, ROOM, &|tape, v| {
        tape.broadcast(&v[0], &[2, 3, 4])
    });
    check_gradients(&stage, &[x, (&[2, 2, 4], numbers(6, 16))], STEP, ROOM, &|tape, v| {
        tape.concat(&[v[0].clone(), v[1].clone(), v[0].clone()], 1)
    });
}

#[test]
fn of_reductions() {
    let (_engine, stage) = stage(Bytes::mib(64), 1);
    for dim in 0..3 {
        let x = [(&[2, 3, 4][..], numbers(7, 24))];
        check_gradients(&stage, &x, STEP, ROOM, &|tape, v| tape.sum(&v[0], dim));
        check_gradients(&stage, &x, STEP, ROOM, &|tape, v| tape.mean(&v[0], dim));
        check_gradients(&stage, &x, STEP, ROOM, &|tape, v| tape.max(&v[0], dim));
    }
    check_gradients(&stage, &[(&[3, 5], numbers(8, 15))], STEP, ROOM, &|tape, v| tape.softmax(&v[0]));
}

#[test]
fn of_products() {
    let (_engine, stage) = stage(Bytes::mib(64), 2);
    let x = (&[2, 3, 4][..], numbers(9, 24));
    check_gradients(&stage, &[x.clone(), (&[2, 4, 2], numbers(10, 16))], STEP, ROOM, &|tape, v| {
        tape.matmul(&v[0], &v[1])
    });
    check_gradients(&stage, &[x.clone(), (&[2, 2, 4], numbers(11, 16))], STEP, ROOM, &|tape, v| {
        let turned = tape.transpose(&v[1], 1, 2)?;
        tape.matmul(&v[0], &turned)
    });
    check_gradients(&stage, &[x.clone(), (&[5, 4], numbers(12, 20))], STEP, ROOM, &|tape, v| {
        tape.linear(&v[0], &v[1])
    });
    let weight = numbers(13, 20);
    let fixed = stage.clone();
    check_gradients_low_rank(&fixed, x, &weight);
}

fn check_gradients_low_rank(stage: &plimsoll_tensor::Stage, x: (&[usize], Vec<f32>), weight: &[f32]) {
    let inputs = [x, (&[2, 4][..], numbers(14, 8)), (&[5, 2][..], numbers(15, 10))];
    check_gradients(stage, &inputs, STEP, ROOM, &|tape, v| {
        let frozen = tape.constant(&tape.stage().floats(weight, &[5, 4])?);
        tape.linear_low_rank(&v[0], &frozen, &v[1], &v[2], 0.7)
    });
}

#[test]
fn of_norms() {
    let (_engine, stage) = stage(Bytes::mib(64), 1);
    let x = (&[3, 6][..], numbers(16, 18));
    let weights = (&[6][..], numbers(17, 6));
    let biases = (&[6][..], numbers(18, 6));
    check_gradients(&stage, &[x.clone(), weights.clone()], STEP, ROOM, &|tape, v| {
        tape.rms_norm(&v[0], Some(&v[1]), 1e-3)
    });
    check_gradients(&stage, &[x, weights, biases], STEP, ROOM, &|tape, v| {
        tape.layer_norm(&v[0], Some(&v[1]), Some(&v[2]), 1e-3)
    });
    let picture = (&[2, 4, 2, 3][..], numbers(19, 48));
    let (weights, biases) = ((&[4][..], numbers(20, 4)), (&[4][..], numbers(21, 4)));
    check_gradients(&stage, &[picture, weights, biases], STEP, ROOM, &|tape, v| {
        tape.group_norm(&v[0], 2, Some(&v[1]), Some(&v[2]), 1e-3)
    });
}

#[test]
fn of_attention_fused_and_not() {
    let (_engine, stage) = stage(Bytes::mib(64), 2);
    let q = (&[2, 3, 4, 4][..], numbers(22, 96));
    let k = (&[2, 5, 2, 4][..], numbers(23, 80));
    let v = (&[2, 5, 2, 4][..], numbers(24, 80));
    for causal in [false, true] {
        let inputs = [q.clone(), k.clone(), v.clone()];
        check_gradients(&stage, &inputs, STEP, ROOM, &|tape, v| {
            tape.attention(&v[0], &v[1], &v[2], 0.6, causal)
        });
        check_gradients(&stage, &inputs, STEP, ROOM, &|tape, v| {
            tape.attention_unfused(&v[0], &v[1], &v[2], 0.6, causal)
        });
    }
}

#[test]
fn of_rotations() {
    let (_engine, stage) = stage(Bytes::mib(64), 1);
    for neighbours in [false, true] {
        let rotation = Rotation { position: 3, neighbours };
        check_gradients(&stage, &[(&[2, 3, 2, 6], numbers(25, 72))], STEP, ROOM, &|tape, v| {
            let frequencies = tape.stage().floats(&[1.0, 0.3], &[2])?;
            tape.rope(&v[0], &frequencies, rotation)
        });
    }
}

#[test]
fn of_tables_losses_and_dropout() {
    let (_engine, stage) = stage(Bytes::mib(64), 1);
    check_gradients(&stage, &[(&[5, 3], numbers(26, 15))], STEP, ROOM, &|tape, v| {
        let ids = tape.stage().ids(&[4, 0, 4, 2], &[2, 2])?;
        tape.embedding(&v[0], &ids)
    });
    let inputs = [(&[2, 3, 4][..], numbers(27, 24)), (&[7, 4][..], numbers(28, 28))];
    check_gradients(&stage, &inputs, STEP, ROOM, &|tape, v| {
        let targets = [1, 6, u32::MAX, 0, 3, 3];
        let ids = tape.stage().ids(&targets, &[6])?;
        tape.cross_entropy(&v[0], &v[1], &ids, plimsoll_tensor::counted(&targets))
    });
    check_gradients(&stage, &[(&[40], numbers(29, 40))], STEP, ROOM, &|tape, v| tape.dropout(&v[0], 0.3, 7));
}

#[test]
fn of_convolutions() {
    let (_engine, stage) = stage(Bytes::mib(64), 1);
    let inputs = [(&[2, 2, 4, 5][..], numbers(30, 80)), (&[3, 2, 3, 2][..], numbers(31, 36))];
    let window = Window { kernel: [3, 2], stride: [1, 2], padding: [1, 0] };
    check_gradients(&stage, &inputs, STEP, ROOM, &|tape, v| tape.convolution(&v[0], &v[1], window));
}

#[test]
fn of_what_is_computed_again() {
    let (_engine, stage) = stage(Bytes::mib(64), 1);
    let inputs = [(&[3, 4][..], numbers(32, 12)), (&[4, 4][..], numbers(33, 16))];
    check_gradients(&stage, &inputs, STEP, ROOM, &|tape, v| {
        let weight = v[1].clone();
        let part = move |tape: &mut plimsoll_tensor::Tape<'_>, v: &[plimsoll_tensor::Var]| {
            let wide = tape.linear(&v[0], &v[1])?;
            let bent = tape.unary(Unary::Tanh, &wide)?;
            tape.add(&bent, &v[0])
        };
        let once = tape.checkpoint(&[v[0].clone(), weight.clone()], part)?;
        tape.checkpoint(&[once, weight], part)
    });
}

#[test]
fn of_a_last_product_that_is_not_computed_again() {
    let (_engine, stage) = stage(Bytes::mib(64), 1);
    let inputs =
        [(&[3, 4][..], numbers(34, 12)), (&[2, 4][..], numbers(35, 8)), (&[4, 2][..], numbers(36, 8))];
    let weight = numbers(37, 16);
    check_gradients(&stage, &inputs, STEP, ROOM, &|tape, v| {
        let weight = tape.constant(&tape.stage().floats(&weight, &[4, 4])?);
        let part = move |tape: &mut plimsoll_tensor::Tape<'_>, v: &[plimsoll_tensor::Var]| {
            let bent = tape.unary(Unary::Tanh, &v[0])?;
            tape.last_of_part(|tape| {
                let found = tape.linear_low_rank(&bent, &weight, &v[1], &v[2], 0.7)?;
                tape.add(&v[0], &found)
            })
        };
        tape.checkpoint(v, part)
    });
}
