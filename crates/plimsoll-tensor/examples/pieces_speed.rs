//! How fast the pieces of a Llama of a billion weights are on the first GPU, there and back, in bf16.
//!
//! `cargo run --release -p plimsoll-tensor --example pieces_speed`, beside `crates/bench-compare/peers/pieces.py`. One line
//! of JSON for each figure: the median of rounds, milliseconds.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Engine};
use plimsoll_cuda::{Cuda, CudaSettings};
use plimsoll_device::Device;
use plimsoll_tensor::{
    AdamW, AdamWSettings, Dtype, Gradients, LeafId, Leaves, Rotation, Stage, Tape, TensorError, Var, counted,
};

const HIDDEN: usize = 2048;
const HEADS: usize = 32;
const SHARED: usize = 8;
const WIDTH: usize = 64;
const INNER: usize = 8192;
const WORDS: usize = 128_256;
const ROWS: usize = 2048;
const RANK: usize = 16;

type Part = dyn Fn(&mut Tape<'_>, &[Var]) -> Result<Var, TensorError>;

fn main() -> Result<(), Box<dyn Error>> {
    let cuda = Cuda::load(CudaSettings::default())?;
    let device: Arc<dyn Device> = cuda.device(0)?;
    let (place, line) = (device.facts().place, Bytes::gib(24));
    let plan = LedgerSettings {
        places: vec![LineSettings::new(place, line)],
        accounts: vec![AccountSettings::new("pieces").share(place, Bytes::ZERO, line)],
    };
    let engine = Engine::with(&plan, vec![device])?;
    let stage = Stage::gpu(engine.account("pieces")?.scratch(place)?)?;
    let bench = Bench { stage };
    bench.all()
}

struct Bench {
    stage: Stage,
}

impl Bench {
    fn all(&self) -> Result<(), Box<dyn Error>> {
        let wide: &[usize] = &[1, ROWS, HIDDEN];
        let of_queries: &[usize] = &[1, ROWS, HEADS, WIDTH];
        let of_keys: &[usize] = &[1, ROWS, SHARED, WIDTH];
        self.piece("attention", &[of_queries, of_keys, of_keys], 3, &|tape, v| {
            tape.attention(&v[0], &v[1], &v[2], 0.125, true)
        })?;
        let heads_of_8b: &[usize] = &[1, ROWS, HEADS, 128];
        let keys_of_8b: &[usize] = &[1, ROWS, SHARED, 128];
        self.piece("attention of 128", &[heads_of_8b, keys_of_8b, keys_of_8b], 3, &|tape, v| {
            tape.attention(&v[0], &v[1], &v[2], 0.088, true)
        })?;
        self.piece("rms norm", &[wide], 1, &|tape, v| {
            let weight = tape.constant(&tape.stage().full(1.0, &[HIDDEN], Dtype::Bf16)?);
            tape.rms_norm(&v[0], Some(&weight), 1e-5)
        })?;
        self.piece("gated", &[&[ROWS, INNER], &[ROWS, INNER]], 2, &|tape, v| tape.gated(&v[0], &v[1]))?;
        self.piece("add", &[wide, wide], 2, &|tape, v| tape.add(&v[0], &v[1]))?;
        let angles: Vec<f32> = (0_u8..32).map(|at| 500_000_f32.powf(-f32::from(at) / 32.0)).collect();
        self.piece("rope", &[of_queries], 1, &move |tape, v| {
            let frequencies = tape.stage().floats(&angles, &[WIDTH / 2])?;
            tape.rope(&v[0], &frequencies, Rotation { position: 0, neighbours: false })
        })?;
        let weight = self.random(&[INNER, HIDDEN])?;
        self.piece("linear", &[wide], 1, &move |tape, v| {
            let frozen = tape.constant(&weight);
            tape.linear(&v[0], &frozen)
        })?;
        let weight = self.random(&[HIDDEN, HIDDEN])?;
        self.piece("low rank", &[wide, &[16, HIDDEN], &[HIDDEN, 16]], 1, &move |tape, v| {
            let frozen = tape.constant(&weight);
            tape.linear_low_rank(&v[0], &frozen, &v[1], &v[2], 2.0)
        })?;
        self.layer()?;
        let targets: Vec<u32> = (0_u32..2048).map(|at| at * 61 % 128_256).collect();
        let table = self.random(&[WORDS, HIDDEN])?;
        self.piece("cross-entropy", &[&[ROWS, HIDDEN]], 1, &move |tape, v| {
            let (weight, ids) = (tape.constant(&table), tape.stage().ids(&targets, &[ROWS])?);
            tape.cross_entropy(&v[0], &weight, &ids, counted(&targets))
        })?;
        self.optimizer()
    }

    /// Numbers between −1 and 1 by lot, made on the host once.
    fn random(&self, dims: &[usize]) -> Result<plimsoll_tensor::Tensor, TensorError> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let count: usize = dims.iter().product();
        let bytes: Vec<u8> = (0..count)
            .flat_map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                #[expect(clippy::cast_precision_loss, reason = "24 bits are exact")]
                let number = (state >> 40) as f32 / 8_388_608.0 - 1.0;
                half::bf16::from_f32(number).to_le_bytes()
            })
            .collect();
        self.stage.bytes(&bytes, dims, Dtype::Bf16)
    }

    fn piece(&self, name: &str, dims: &[&[usize]], added: usize, part: &Part) -> Result<(), Box<dyn Error>> {
        let mut leaves = Leaves::default();
        for dims in dims {
            leaves.add("input", self.random(dims)?);
        }
        let ids: Vec<LeafId> = leaves.all().map(|(id, ..)| id).collect();
        let there = self.rounds(|| {
            let mut tape = Tape::without_gradients(&self.stage);
            let inputs: Vec<Var> = ids.iter().map(|id| tape.leaf(&leaves, *id)).collect();
            part(&mut tape, &inputs).map(drop)
        })?;
        let mut gradients = Gradients::new(&self.stage, &leaves)?;
        let both = self.rounds(|| {
            let mut tape = Tape::new(&self.stage);
            let inputs: Vec<Var> = ids.iter().map(|id| tape.leaf(&leaves, *id)).collect();
            let out = part(&mut tape, &inputs)?;
            let grad = out.tensor().clone();
            tape.backward_with(&out, grad, &mut gradients)
        })?;
        // What comes back of a leaf is added to its sums, which is no part of the piece: it is measured and taken away.
        // Gradients of changes of low rank are not: products add them up in place.
        let sums = self.rounds(|| {
            for id in &ids[..added] {
                let mut tape = Tape::new(&self.stage);
                let input = tape.leaf(&leaves, *id);
                let same = tape.reshape(&input, &input.dims())?;
                let grad = input.tensor().clone();
                tape.backward_with(&same, grad, &mut gradients)?;
            }
            Ok(())
        })?;
        told(name, "there", there);
        told(name, "there and back", both - sums);
        Ok(())
    }

    /// A whole layer, each of its seven products with a change of low rank.
    fn layer(&self) -> Result<(), Box<dyn Error>> {
        const KEYS: usize = SHARED * WIDTH;
        let sizes = [
            [HIDDEN, HIDDEN],
            [KEYS, HIDDEN],
            [KEYS, HIDDEN],
            [HIDDEN, HIDDEN],
            [INNER, HIDDEN],
            [INNER, HIDDEN],
            [HIDDEN, INNER],
        ];
        let frozen = sizes.iter().map(|size| self.random(size)).collect::<Result<Vec<_>, _>>()?;
        let low: Vec<[usize; 2]> =
            sizes.iter().flat_map(|[outer, inner]| [[RANK, *inner], [*outer, RANK]]).collect();
        let mut dims: Vec<&[usize]> = vec![&[1, ROWS, HIDDEN]];
        dims.extend(low.iter().map(|size| &size[..]));
        let angles: Vec<f32> = (0_u8..32).map(|at| 500_000_f32.powf(-f32::from(at) / 32.0)).collect();
        let frequencies = self.stage.floats(&angles, &[WIDTH / 2])?;
        let ones = self.stage.full(1.0, &[HIDDEN], Dtype::Bf16)?;
        self.piece("a layer of low rank", &dims, 1, &move |tape, v| {
            let changed = |tape: &mut Tape<'_>, x: &Var, at: usize| {
                let weight = tape.constant(&frozen[at]);
                tape.linear_low_rank(x, &weight, &v[1 + 2 * at], &v[2 + 2 * at], 2.0)
            };
            let turned = |tape: &mut Tape<'_>, x: &Var, heads: usize| {
                let x = tape.reshape(x, &[1, ROWS, heads, WIDTH])?;
                tape.rope(&x, &frequencies, Rotation { position: 0, neighbours: false })
            };
            let scale = tape.constant(&ones);
            let x = tape.rms_norm(&v[0], Some(&scale), 1e-5)?;
            let (q, k) = (changed(tape, &x, 0)?, changed(tape, &x, 1)?);
            let (q, k) = (turned(tape, &q, HEADS)?, turned(tape, &k, SHARED)?);
            let values = changed(tape, &x, 2)?;
            let values = tape.reshape(&values, &[1, ROWS, SHARED, WIDTH])?;
            let found = tape.attention(&q, &k, &values, 0.125, true)?;
            drop((q, k, values, x));
            let found = tape.reshape(&found, &[1, ROWS, HIDDEN])?;
            let found = changed(tape, &found, 3)?;
            let middle = tape.add(&v[0], &found)?;
            let x = tape.rms_norm(&middle, Some(&scale), 1e-5)?;
            let (gate, up) = (changed(tape, &x, 4)?, changed(tape, &x, 5)?);
            let inner = tape.gated(&gate, &up)?;
            drop((gate, up, x, found));
            let found = changed(tape, &inner, 6)?;
            tape.add(&middle, &found)
        })
    }

    fn optimizer(&self) -> Result<(), Box<dyn Error>> {
        let mut leaves = Leaves::default();
        for _ in 0..8 {
            leaves.add("weights", self.stage.zeros(&[4096, 2048], Dtype::F32)?);
        }
        let gradients = Gradients::new(&self.stage, &leaves)?;
        let mut adam = AdamW::new(&self.stage, &leaves, AdamWSettings::default())?;
        let took = self.rounds(|| adam.step(&mut leaves, &gradients, 1e-3, 1.0))?;
        told("AdamW of 67 million", "step", took);
        Ok(())
    }

    /// Milliseconds of one call, the median of rounds of several.
    fn rounds(&self, mut work: impl FnMut() -> Result<(), TensorError>) -> Result<f64, TensorError> {
        const CALLS: u32 = 10;
        let mark = self.stage.zeros(&[1], Dtype::F32)?;
        for _ in 0..3 {
            work()?;
        }
        mark.item()?;
        let mut times = Vec::new();
        for _ in 0..7 {
            let began = Instant::now();
            for _ in 0..CALLS {
                work()?;
            }
            mark.item()?;
            times.push(began.elapsed().as_secs_f64() * 1e3 / f64::from(CALLS));
        }
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() / 2])
    }
}

fn told(name: &str, way: &str, milliseconds: f64) {
    println!("{{\"what\": \"{name}, {way}\", \"value\": {milliseconds:.4}, \"unit\": \"ms\"}}");
}
