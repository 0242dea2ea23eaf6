//! Operations with inputs of odd sizes, for whoever compares two places that compute them.

#![allow(dead_code, clippy::unwrap_used, reason = "shared by scenarios, which fail by panicking")]

use plimsoll_tensor::{
    Dtype, Gradients, Leaves, Rotation, Stage, Tape, TensorError, Unary, Var, Window, counted,
};

use super::numbers;

type Function = Box<dyn Fn(&mut Tape<'_>, &[Var]) -> Result<Var, TensorError>>;

/// An operation and what it is given.
pub struct Case {
    pub name: String,
    pub inputs: Vec<(Vec<usize>, Vec<f32>)>,
    pub function: Function,
}

impl Case {
    fn new(
        name: &str,
        dims: &[&[usize]],
        function: impl Fn(&mut Tape<'_>, &[Var]) -> Result<Var, TensorError> + 'static,
    ) -> Self {
        let inputs = dims.iter().zip(1..).map(|(dims, seed)| {
            let count = dims.iter().product();
            (dims.to_vec(), numbers(seed, count))
        });
        Self { name: name.to_owned(), inputs: inputs.collect(), function: Box::new(function) }
    }

    /// The same with every number changed.
    fn mapped(mut self, change: impl Fn(f32) -> f32) -> Self {
        self.inputs.iter_mut().flat_map(|(_, numbers)| numbers).for_each(|x| *x = change(*x));
        self
    }
}

/// What an operation gives, and the gradient of each input, for fixed gradients of the outcome.
pub fn outcome(stage: &Stage, case: &Case, dtype: Dtype) -> Vec<Vec<f32>> {
    let mut leaves = Leaves::default();
    for (dims, numbers) in &case.inputs {
        leaves.add("input", stage.floats(numbers, dims).unwrap().cast(dtype).unwrap());
    }
    let mut gradients = Gradients::new(stage, &leaves).unwrap();
    let ids: Vec<_> = leaves.all().map(|(id, ..)| id).collect();
    let mut tape = Tape::new(stage);
    let inputs: Vec<Var> = ids.iter().map(|id| tape.leaf(&leaves, *id)).collect();
    let out = (case.function)(&mut tape, &inputs).unwrap();
    let mut found = vec![out.tensor().to_vec().unwrap()];
    let weights = numbers(99, usize::try_from(out.tensor().count()).unwrap());
    let weights = stage.floats(&weights, &out.dims()).unwrap().cast(out.tensor().dtype()).unwrap();
    let weights = tape.constant(&weights);
    let product = tape.mul(&out, &weights).unwrap();
    let loss = tape.sum_all(&product).unwrap();
    drop((inputs, out, product));
    tape.backward(&loss, 1.0, &mut gradients).unwrap();
    found.extend(ids.iter().map(|id| gradients.of(*id).to_vec().unwrap()));
    found
}

/// ‖one − other‖ / ‖other‖, and no number where there is none.
pub fn apart(one: &[f32], other: &[f32]) -> f64 {
    assert_eq!(one.len(), other.len());
    let square = |x: f64| x * x;
    let lost: f64 = one.iter().zip(other).map(|(x, y)| square(f64::from(*x) - f64::from(*y))).sum();
    let size: f64 = other.iter().map(|y| square(f64::from(*y))).sum();
    if lost == 0.0 { 0.0 } else { (lost / size.max(1e-12)).sqrt() }
}

/// Every operation.
pub fn all() -> Vec<Case> {
    let mut all = Vec::new();
    for part in [elements, views, reductions, products, norms, tables, attentions] {
        all.extend(part());
    }
    all
}

fn elements() -> Vec<Case> {
    let mut all = Vec::new();
    for op in [
        Unary::Neg,
        Unary::Exp,
        Unary::Square,
        Unary::Abs,
        Unary::Tanh,
        Unary::Sigmoid,
        Unary::Silu,
        Unary::Gelu,
        Unary::GeluTanh,
        Unary::Relu,
    ] {
        all.push(Case::new(&format!("{op:?}"), &[&[37, 29]], move |tape, v| tape.unary(op, &v[0])));
    }
    for op in [Unary::Log, Unary::Sqrt] {
        let case = Case::new(&format!("{op:?}"), &[&[37, 29]], move |tape, v| tape.unary(op, &v[0]));
        all.push(case.mapped(|x| x.abs() + 0.5));
    }
    all.push(Case::new("affine", &[&[1003]], |tape, v| tape.affine(&v[0], -2.5, 3.0)));
    for (name, dims) in [
        ("equal sizes", [&[5, 3, 16][..], &[5, 3, 16]]),
        ("a row", [&[5, 3, 16], &[16]]),
        ("a column", [&[5, 3, 7], &[3, 1]]),
        ("a plane", [&[5, 3, 7], &[5, 1, 7]]),
        ("one number", [&[5, 3, 7], &[1]]),
    ] {
        all.push(Case::new(&format!("add {name}"), &dims, |tape, v| tape.add(&v[0], &v[1])));
        all.push(Case::new(&format!("sub {name}"), &dims, |tape, v| tape.sub(&v[1], &v[0])));
        all.push(Case::new(&format!("mul {name}"), &dims, |tape, v| tape.mul(&v[0], &v[1])));
        let div = Case::new(&format!("div {name}"), &dims, |tape, v| tape.div(&v[0], &v[1]));
        all.push(div.mapped(|x| x + 2.0 * x.signum()));
    }
    all.push(Case::new("gated", &[&[33, 24], &[33, 24]], |tape, v| tape.gated(&v[0], &v[1])));
    all.push(Case::new("gated odd", &[&[1001], &[1001]], |tape, v| tape.gated(&v[0], &v[1])));
    all.push(Case::new("dropout", &[&[1001]], |tape, v| tape.dropout(&v[0], 0.3, 7)));
    all
}

fn views() -> Vec<Case> {
    vec![
        Case::new("a turn", &[&[6, 5, 24]], |tape, v| {
            let turned = tape.permute(&v[0], &[1, 0, 2])?;
            tape.contiguous(&turned)
        }),
        Case::new("a transposed copy", &[&[13, 31]], |tape, v| {
            let turned = tape.transpose(&v[0], 0, 1)?;
            tape.contiguous(&turned)
        }),
        Case::new("a part", &[&[6, 15, 7]], |tape, v| {
            let part = tape.narrow(&v[0], 1, 3, 5)?;
            tape.unary(Unary::Square, &part)
        }),
        Case::new("a broad copy", &[&[3, 1, 8]], |tape, v| {
            let broad = tape.broadcast(&v[0], &[2, 3, 4, 8])?;
            tape.contiguous(&broad)
        }),
        Case::new("put together", &[&[2, 3, 8], &[2, 5, 8]], |tape, v| {
            tape.concat(&[v[0].clone(), v[1].clone()], 1)
        }),
        Case::new("put together, odd", &[&[2, 3, 5], &[2, 3, 2]], |tape, v| {
            tape.concat(&[v[0].clone(), v[1].clone()], 2)
        }),
    ]
}

fn reductions() -> Vec<Case> {
    let mut all = Vec::new();
    for dim in 0..3 {
        let dims: &[&[usize]] = &[&[5, 33, 19]];
        all.push(Case::new(&format!("sum {dim}"), dims, move |tape, v| tape.sum(&v[0], dim)));
        all.push(Case::new(&format!("max {dim}"), dims, move |tape, v| tape.max(&v[0], dim)));
    }
    all.push(Case::new("a long sum", &[&[2, 50_001]], |tape, v| tape.sum(&v[0], 1)));
    all.push(Case::new("a long maximum", &[&[2, 50_001]], |tape, v| tape.max(&v[0], 1)));
    all.push(Case::new("softmax", &[&[7, 301]], |tape, v| tape.softmax(&v[0])));
    all
}

fn products() -> Vec<Case> {
    vec![
        Case::new("product", &[&[3, 17, 40], &[3, 40, 24]], |tape, v| tape.matmul(&v[0], &v[1])),
        Case::new("odd product", &[&[17, 13], &[13, 7]], |tape, v| tape.matmul(&v[0], &v[1])),
        Case::new("turned product", &[&[3, 17, 40], &[3, 24, 40]], |tape, v| {
            let turned = tape.transpose(&v[1], 1, 2)?;
            tape.matmul(&v[0], &turned)
        }),
        Case::new("product of parts", &[&[4, 6, 16], &[4, 16, 9]], |tape, v| {
            let one = tape.permute(&v[0], &[1, 0, 2])?;
            let part = tape.narrow(&one, 0, 1, 4)?;
            tape.matmul(&part, &v[1])
        }),
        Case::new("a row and a column", &[&[1, 64], &[64, 1]], |tape, v| tape.matmul(&v[0], &v[1])),
        Case::new("linear", &[&[2, 9, 32], &[40, 32]], |tape, v| tape.linear(&v[0], &v[1])),
        Case::new("low rank", &[&[11, 32], &[40, 32], &[8, 32], &[40, 8]], |tape, v| {
            let frozen = tape.constant(v[1].tensor());
            tape.linear_low_rank(&v[0], &frozen, &v[2], &v[3], 0.7)
        }),
        Case::new("convolution", &[&[2, 3, 9, 11], &[4, 3, 3, 2]], |tape, v| {
            let window = Window { kernel: [3, 2], stride: [1, 2], padding: [1, 0] };
            tape.convolution(&v[0], &v[1], window)
        }),
    ]
}

fn norms() -> Vec<Case> {
    let mut all = Vec::new();
    for row in [24, 301, 2048, 9000] {
        all.push(Case::new(&format!("rms norm {row}"), &[&[5, row], &[row]], |tape, v| {
            tape.rms_norm(&v[0], Some(&v[1]), 1e-3)
        }));
        all.push(Case::new(&format!("layer norm {row}"), &[&[5, row], &[row], &[row]], |tape, v| {
            tape.layer_norm(&v[0], Some(&v[1]), Some(&v[2]), 1e-3)
        }));
    }
    all.push(Case::new("bare norm", &[&[5, 48]], |tape, v| tape.layer_norm(&v[0], None, None, 1e-3)));
    all.push(Case::new("group norm", &[&[2, 6, 5, 3], &[6], &[6]], |tape, v| {
        tape.group_norm(&v[0], 3, Some(&v[1]), Some(&v[2]), 1e-3)
    }));
    all
}

fn tables() -> Vec<Case> {
    let mut all = vec![
        Case::new("rows of a table", &[&[19, 24]], |tape, v| {
            let ids: Vec<u32> = (0..3000).map(|at| at * 7 % 19).collect();
            let ids = tape.stage().ids(&ids, &[3, 1000])?;
            tape.embedding(&v[0], &ids)
        }),
        Case::new("odd rows of a table", &[&[5, 3]], |tape, v| {
            let ids = tape.stage().ids(&[4, 0, 4, 2], &[2, 2])?;
            tape.embedding(&v[0], &ids)
        }),
        Case::new("cross-entropy", &[&[9, 16], &[301, 16]], |tape, v| {
            let targets = [1, 300, u32::MAX, 0, 3, 3, 17, 299, u32::MAX];
            let ids = tape.stage().ids(&targets, &[9])?;
            tape.cross_entropy(&v[0], &v[1], &ids, counted(&targets))
        }),
    ];
    for neighbours in [false, true] {
        let rotation = Rotation { position: 1003, neighbours };
        all.push(Case::new(&format!("rope {neighbours}"), &[&[2, 5, 3, 20]], move |tape, v| {
            let frequencies: Vec<f32> = (0_u8..8).map(|at| 0.5_f32.powi(at.into())).collect();
            let frequencies = tape.stage().floats(&frequencies, &[8])?;
            tape.rope(&v[0], &frequencies, rotation)
        }));
    }
    all
}

fn attentions() -> Vec<Case> {
    let mut all = Vec::new();
    for (queries, keys, heads, shared, width) in [
        (3, 5, 4, 2, 4),
        (77, 130, 4, 2, 64),
        (128, 128, 2, 2, 64),
        (65, 65, 3, 1, 40),
        (70, 200, 2, 1, 128),
        (200, 257, 2, 2, 96),
        (1, 300, 4, 1, 64),
        // Many tiles of queries for each tile of keys.
        (450, 450, 4, 2, 64),
        (330, 330, 2, 1, 128),
    ] {
        for causal in [false, true] {
            let name = format!("attention {queries} by {keys}, {heads} over {shared} of {width}, {causal}");
            let dims: [&[usize]; 3] =
                [&[2, queries, heads, width], &[2, keys, shared, width], &[2, keys, shared, width]];
            all.push(Case::new(&name, &dims, move |tape, v| {
                tape.attention(&v[0], &v[1], &v[2], 0.6, causal)
            }));
        }
    }
    all
}
