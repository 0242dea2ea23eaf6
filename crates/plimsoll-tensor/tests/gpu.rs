//! A GPU computes what the host does: every operation there and back, on numbers of each kind. Where there is no GPU the
//! tests say so and end.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "a scenario fails by panicking")]

mod support;

use std::sync::Arc;

use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::{Bytes, Engine};
use plimsoll_device::Device;
use plimsoll_tensor::packed::Packing;
use plimsoll_tensor::{
    AdamW, AdamWSettings, DeviceTogether, Divided, Division, Dtype, Gradients, Leaves, PackedTensor, Share,
    Shelf, Stage, StatesAs, Tape, TensorError, Together, Unary, Var, Weight, counted,
};
use support::cases::{all, apart, outcome};
use support::{cuda, numbers, stage};

const MEMORY: Bytes = Bytes::mib(512);

/// A stage on the first GPU that can compute, and the engine that charges it.
fn gpu() -> Option<(Engine, Stage)> {
    let device: Arc<dyn Device> = cuda()?.device(0).unwrap();
    let place = device.facts().place;
    let plan = LedgerSettings {
        places: vec![LineSettings::new(place, MEMORY)],
        accounts: vec![AccountSettings::new("tensors").share(place, Bytes::ZERO, MEMORY)],
    };
    let engine = Engine::with(&plan, vec![device]).unwrap();
    let pool = engine.account("tensors").unwrap().scratch(place).unwrap();
    let stage = Stage::gpu(pool).unwrap();
    Some((engine, stage))
}

#[test]
fn every_operation_is_the_hosts() {
    let Some((_engine, gpu)) = gpu() else { return };
    let (_host_engine, host) = stage(Bytes::mib(512), 4);
    let mut worse = Vec::new();
    for (dtype, room) in [(Dtype::F32, 2e-5), (Dtype::F16, 3e-3), (Dtype::Bf16, 2e-2)] {
        for case in all() {
            // Told where it fails: a fault on the device ends everything.
            println!("{} in {dtype}", case.name);
            let (here, there) = (outcome(&host, &case, dtype), outcome(&gpu, &case, dtype));
            for (index, (here, there)) in here.iter().zip(&there).enumerate() {
                let apart = apart(there, here);
                // No number is not within any room.
                if apart.is_nan() || apart > room {
                    worse.push(format!("{} in {dtype}, {index}: {apart:.2e}", case.name));
                }
            }
        }
    }
    assert!(worse.is_empty(), "{} apart:\n{}", worse.len(), worse.join("\n"));
    assert_eq!(gpu.live(), Bytes::ZERO, "nothing stays");
}

#[test]
fn numbers_come_back_as_they_went() {
    let Some((_engine, gpu)) = gpu() else { return };
    let ids = [0, 1, 7, 16_777_215];
    assert_eq!(gpu.ids(&ids, &[2, 2]).unwrap().to_vec().unwrap(), [0.0, 1.0, 7.0, 16_777_215.0]);
    let turned = gpu.ids(&ids, &[2, 2]).unwrap().transpose(0, 1).unwrap();
    assert_eq!(turned.to_vec().unwrap(), [0.0, 7.0, 1.0, 16_777_215.0]);
    let bytes = gpu.bytes(&[1, 2, 3, 4, 5, 6], &[3, 2], Dtype::U8).unwrap().transpose(0, 1).unwrap();
    assert_eq!(bytes.to_vec().unwrap(), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    assert_eq!(gpu.zeros(&[5], Dtype::U8).unwrap().to_vec().unwrap(), [0.0; 5]);
    assert_eq!(gpu.full(1.5, &[3, 5], Dtype::F16).unwrap().to_vec().unwrap(), [1.5; 15]);
}

#[test]
fn what_names_nothing_makes_no_number() {
    let Some((_engine, gpu)) = gpu() else { return };
    let mut tape = Tape::new(&gpu);
    let table = tape.constant(&gpu.floats(&numbers(1, 12), &[3, 4]).unwrap());
    let found = tape.embedding(&table, &gpu.ids(&[2, 3], &[2]).unwrap()).unwrap();
    let found = found.tensor().to_vec().unwrap();
    assert!(found[..4].iter().all(|x| x.is_finite()) && found[4..].iter().all(|x| x.is_nan()), "{found:?}");
    let hidden = tape.constant(&gpu.floats(&numbers(2, 8), &[2, 4]).unwrap());
    let targets = gpu.ids(&[1, 3], &[2]).unwrap();
    let loss = tape.cross_entropy(&hidden, &table, &targets, 2).unwrap();
    assert!(loss.tensor().item().unwrap().is_nan());
}

/// A GPU's stage and one on page-locked memory of the host, of one family of devices.
fn gpu_and_pinned() -> Option<(Engine, Stage, Stage)> {
    let cuda = cuda()?;
    let devices: [Arc<dyn Device>; 2] = [cuda.device(0).unwrap(), cuda.pinned().unwrap()];
    let places = devices.each_ref().map(|device| device.facts().place);
    let account = places
        .iter()
        .fold(AccountSettings::new("tensors"), |account, place| account.share(*place, Bytes::ZERO, MEMORY));
    let plan = LedgerSettings {
        places: places.map(|place| LineSettings::new(place, MEMORY)).to_vec(),
        accounts: vec![account],
    };
    let engine = Engine::with(&plan, devices.to_vec()).unwrap();
    let account = engine.account("tensors").unwrap();
    let [gpu, pinned] = places.map(|place| account.scratch(place).unwrap());
    let (gpu, pinned) = (Stage::gpu(gpu).unwrap(), Stage::host(pinned, 1));
    Some((engine, gpu, pinned))
}

#[test]
fn tensors_leave_and_come_back_while_others_take_their_place() {
    let Some((_engine, gpu, pinned)) = gpu_and_pinned() else { return };
    let square = |x: &plimsoll_tensor::Tensor| {
        let mut tape = Tape::without_gradients(&gpu);
        let x = tape.constant(x);
        tape.mul(&x, &x).unwrap().into_tensor()
    };
    let all: Vec<Vec<f32>> = (1..24).map(|seed| numbers(seed, 1 << 18)).collect();
    let mut away = Vec::new();
    for numbers in &all {
        let squared = square(&gpu.floats(numbers, &[512, 512]).unwrap());
        away.push(squared.to(&pinned).unwrap());
        drop(squared);
        // Takes the place of what left, if that were free too early.
        drop(square(&gpu.full(7.0, &[512, 512], Dtype::F32).unwrap()));
    }
    assert_eq!(pinned.live(), Bytes::mib(23), "they are on the host");
    for (numbers, away) in all.iter().zip(away) {
        let seen = away.to_vec().unwrap();
        let back = away.to(&gpu).unwrap();
        drop(away);
        let fourth = square(&back).to_vec().unwrap();
        for (x, (seen, fourth)) in numbers.iter().zip(seen.iter().zip(fourth)) {
            assert_eq!((*seen, fourth), (x * x, x * x * (x * x)));
        }
    }
    let (_host_engine, host) = stage(Bytes::mib(64), 1);
    let there = gpu.floats(&all[0], &[512, 512]).unwrap().to(&host).unwrap();
    assert_eq!(there.to(&gpu).unwrap().to_vec().unwrap(), all[0]);
}

/// Two layers, and what they predict.
fn step(
    stage: &Stage,
    leaves: &mut Leaves,
    gradients: &mut Gradients,
    optimizer: &mut AdamW,
) -> Result<f32, TensorError> {
    let targets: Vec<u32> = (0..33).map(|at| at % 50).collect();
    let ids: Vec<_> = leaves.all().map(|(id, ..)| id).collect();
    gradients.clear()?;
    let mut tape = Tape::new(stage);
    let x = tape.constant(&stage.floats(&numbers(7, 33 * 24), &[33, 24])?.cast(Dtype::Bf16)?);
    let layers: Vec<Var> = ids.iter().map(|id| tape.leaf(leaves, *id)).collect();
    let wide = tape.linear(&x, &layers[0])?;
    let bent = tape.unary(Unary::Silu, &wide)?;
    let normed = tape.rms_norm(&bent, Some(&layers[1]), 1e-5)?;
    let at = stage.ids(&targets, &[33])?;
    let loss = tape.cross_entropy(&normed, &layers[2], &at, counted(&targets))?;
    let told = loss.tensor().clone();
    drop((x, layers, wide, bent, normed));
    tape.backward(&loss, 1.0, gradients)?;
    let size = gradients.size()?;
    optimizer.step(leaves, gradients, 1e-2, (1.0 / size.max(1.0)).min(1.0))?;
    told.item()
}

/// What is learned first, and its gradients.
fn begin(stage: &Stage) -> (Leaves, Gradients) {
    let mut leaves = Leaves::default();
    for (seed, dims) in [(1, &[40, 24][..]), (2, &[40]), (3, &[50, 40])] {
        let count = dims.iter().product();
        leaves.add("layer", stage.floats(&numbers(seed, count), dims).unwrap());
    }
    let gradients = Gradients::new(stage, &leaves).unwrap();
    (leaves, gradients)
}

fn losses(stage: &Stage, held: bool) -> Vec<f32> {
    losses_with(stage, held, stage, StatesAs::Singles)
}

/// With states on another stage, perhaps, kept like this.
fn losses_with(stage: &Stage, held: bool, on: &Stage, kept: StatesAs) -> Vec<f32> {
    let (mut leaves, mut gradients) = begin(stage);
    let mut optimizer =
        AdamW::new(on, &leaves, AdamWSettings { states: kept, ..AdamWSettings::default() }).unwrap();
    if !held {
        return (0..8).map(|_| step(stage, &mut leaves, &mut gradients, &mut optimizer).unwrap()).collect();
    }
    let mut found = vec![step(stage, &mut leaves, &mut gradients, &mut optimizer).unwrap()];
    let steps = optimizer.steps();
    let (_, rehearsal) = stage.rehearse(|| step(stage, &mut leaves, &mut gradients, &mut optimizer)).unwrap();
    assert_eq!(optimizer.steps(), steps, "a rehearsal changes nothing");
    let held = stage.hold(&rehearsal).unwrap();
    for _ in 0..7 {
        let (loss, facts) = held.step(|| step(stage, &mut leaves, &mut gradients, &mut optimizer)).unwrap();
        assert!(facts.as_planned && facts.leased == 0, "{facts:?}");
        assert_eq!(facts.peak, rehearsal.peak(), "predicted and measured");
        found.push(loss);
    }
    found
}

#[test]
fn training_goes_as_on_the_host_leased_and_planned() {
    let Some((_engine, gpu)) = gpu() else { return };
    let (_host_engine, host) = stage(Bytes::mib(64), 2);
    let (wanted, leased, planned) = (losses(&host, false), losses(&gpu, false), losses(&gpu, true));
    assert_eq!(leased, planned, "where buffers lie changes nothing");
    for (wanted, found) in wanted.iter().zip(&leased) {
        assert!((wanted - found).abs() <= 0.02 * wanted.abs(), "{wanted:?} {found:?}");
    }
    assert!(leased[7] < leased[0], "{leased:?}");
}

#[test]
fn states_of_eight_bits_go_as_on_the_host_and_from_elsewhere_to_the_bit() {
    let Some((_engine, gpu, pinned)) = gpu_and_pinned() else { return };
    let (_host_engine, host) = stage(Bytes::mib(64), 2);
    let wanted = losses_with(&host, false, &host, StatesAs::Bytes);
    for kept in [StatesAs::Singles, StatesAs::Bytes] {
        let here = losses_with(&gpu, false, &gpu, kept);
        for held in [false, true] {
            assert_eq!(here, losses_with(&gpu, held, &pinned, kept), "{kept:?}, held: {held}");
        }
        for (wanted, found) in wanted.iter().zip(&here) {
            assert!((wanted - found).abs() <= 0.03 * wanted.abs(), "{kept:?}: {wanted:?} {found:?}");
        }
    }
}

#[test]
fn inputs_of_parts_leave_and_come_back_to_the_bit() {
    let Some((_engine, gpu, pinned)) = gpu_and_pinned() else { return };
    let (rows, width) = (512, 256);
    let mut leaves = Leaves::default();
    for layer in 0..12 {
        let weight = gpu.floats(&numbers(layer, width * width), &[width, width]).unwrap();
        leaves.add(format!("layer {layer}"), weight);
    }
    let mut gradients = Gradients::new(&gpu, &leaves).unwrap();
    let mut step = |away: bool| -> Result<Vec<Vec<f32>>, TensorError> {
        let leaves = &leaves;
        gradients.clear()?;
        let mut tape = Tape::new(&gpu);
        let shelf = Shelf::new(&gpu, &pinned);
        let mut x =
            tape.constant(&gpu.floats(&numbers(77, rows * width), &[rows, width])?.cast(Dtype::Bf16)?);
        for (id, ..) in leaves.all() {
            let part = move |tape: &mut Tape<'_>, v: &[Var]| {
                let weight = tape.leaf(leaves, id);
                let wide = tape.linear(&v[0], &weight)?;
                let bent = tape.unary(Unary::Tanh, &wide)?;
                tape.add(&bent, &v[0])
            };
            x = if away { tape.checkpoint_away(&shelf, &[x], part)? } else { tape.checkpoint(&[x], part)? };
        }
        let square = tape.mul(&x, &x)?;
        drop(x);
        let loss = tape.sum_all(&square)?;
        drop(square);
        tape.backward(&loss, 1e-3, &mut gradients)?;
        leaves.all().map(|(id, ..)| gradients.of(id).to_vec()).collect()
    };
    let wanted = step(false).unwrap();
    for _ in 0..5 {
        assert_eq!(step(true).unwrap(), wanted);
    }
    let mut elsewhere = None;
    let (_, said) = gpu
        .rehearse(|| {
            let (found, said) = pinned.rehearse(|| step(true))?;
            elsewhere = Some(said);
            Ok::<_, TensorError>(found)
        })
        .unwrap();
    let elsewhere = elsewhere.unwrap();
    let plans = [gpu.hold(&said).unwrap(), pinned.hold(&elsewhere).unwrap()];
    for _ in 0..5 {
        let ((found, there), here) = plans[0].step(|| plans[1].step(|| step(true))).unwrap();
        assert_eq!(found, wanted);
        assert!(here.as_planned && there.as_planned, "{here:?} {there:?}");
        assert_eq!([here.peak, there.peak], [said.peak(), elsewhere.peak()], "said and measured");
    }
}

/// Stages on all GPUs, with their places among those that add up, and the engine that charges them.
fn several() -> Option<(Engine, Vec<Stage>, Vec<DeviceTogether>)> {
    let cuda = cuda()?;
    let count = u16::try_from(cuda.gpus().len()).unwrap();
    let members = match cuda.group(&(0..count).collect::<Vec<_>>()) {
        Ok(members) => members,
        Err(why) => {
            println!("skipped: {why}");
            return None;
        }
    };
    println!("{count} GPUs add up");
    let places: Vec<_> = (0..count).map(|number| cuda.device(number).unwrap().facts().place).collect();
    let devices: Vec<Arc<dyn Device>> =
        (0..count).map(|number| cuda.device(number).unwrap() as Arc<dyn Device>).collect();
    let account = places
        .iter()
        .fold(AccountSettings::new("tensors"), |account, place| account.share(*place, Bytes::ZERO, MEMORY));
    let lines = places.iter().map(|place| LineSettings::new(*place, MEMORY)).collect();
    let engine = Engine::with(&LedgerSettings { places: lines, accounts: vec![account] }, devices).unwrap();
    let account = engine.account("tensors").unwrap();
    let stages: Vec<Stage> =
        places.iter().map(|place| Stage::gpu(account.scratch(*place).unwrap()).unwrap()).collect();
    let all: Vec<DeviceTogether> =
        members.into_iter().map(|member| DeviceTogether::new(Arc::new(member))).collect();
    Some((engine, stages, all))
}

/// Each learns with its share of the states, and then all have what one learns with all of them.
#[test]
fn several_gpus_divide_the_states_and_learn_the_same_to_the_bit() {
    let Some((_engine, stages, all)) = several() else { return };
    let members = all.len();
    for kept in [StatesAs::Singles, StatesAs::Bytes] {
        let learn = &|place: Option<usize>| {
            let (stage, share) = match place {
                Some(place) => (&stages[place], Share { place, members }),
                None => (&stages[0], Share::ALL),
            };
            let (mut leaves, mut gradients) = begin(stage);
            let settings = AdamWSettings { states: kept, share, ..AdamWSettings::default() };
            let mut optimizer = AdamW::new(stage, &leaves, settings).unwrap();
            let mut found = Vec::new();
            for _ in 0..4 {
                found.push(step(stage, &mut leaves, &mut gradients, &mut optimizer).unwrap());
                if let Some(place) = place {
                    optimizer.spread(&mut leaves, &all[place]).unwrap();
                }
            }
            found.extend(leaves.all().flat_map(|(.., value)| value.to_vec().unwrap()));
            found
        };
        let wanted = learn(None);
        let found: Vec<Vec<f32>> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..members).map(|place| scope.spawn(move || learn(Some(place)))).collect();
            running.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert!(found.iter().all(|found| *found == wanted), "{kept:?}");
    }
}

/// Rows of matrices of several kinds go round, and everybody has all of them, again and again while wholes come and go.
#[test]
fn several_gpus_have_parts_of_matrices_and_gather_them() {
    let Some((_engine, stages, all)) = several() else { return };
    let members = all.len();
    let columns = 96;
    // Rows that divide evenly, that do not, and of which there are fewer than GPUs may be.
    let rows = [64, 63, 1];
    let numbers = |matrix: usize, row: usize| numbers((matrix * 1000 + row) as u64, columns);
    let made = |stage: &Stage, matrix: usize, rows: usize, of: &dyn Fn(usize) -> usize| -> Weight {
        if matrix == 1 {
            let sides = [rows, columns];
            let row = |row: usize, into: &mut [f32]| into.copy_from_slice(&numbers(matrix, of(row)));
            return PackedTensor::made(stage, Packing::Q8_0, sides, row).unwrap().into();
        }
        let all: Vec<f32> = (0..rows).flat_map(|row| numbers(matrix, of(row))).collect();
        stage.floats(&all, &[rows, columns]).unwrap().into()
    };
    let read = |weight: &Weight| match weight {
        Weight::Floats(var) => var.tensor().to_vec().unwrap(),
        Weight::Packed(packed) => packed.unpack(Dtype::F32).unwrap().to_vec().unwrap(),
    };
    let wanted: Vec<Vec<f32>> = rows
        .iter()
        .enumerate()
        .map(|(matrix, rows)| read(&made(&stages[0], matrix, *rows, &|row| row)))
        .collect();
    std::thread::scope(|scope| {
        for (place, (stage, together)) in stages.iter().zip(&all).enumerate() {
            let (wanted, made, read) = (&wanted, &made, &read);
            scope.spawn(move || {
                let parts: Vec<Divided> = rows
                    .iter()
                    .enumerate()
                    .map(|(matrix, rows)| {
                        let division = Division::new(*rows, Share { place, members });
                        let part = made(stage, matrix, division.rows(), &|row| division.row(row));
                        Divided::new(part, division).unwrap()
                    })
                    .collect();
                let live = stage.live();
                for round in 0..40 {
                    let wholes = Divided::gather(&parts, Some(together)).unwrap();
                    // Most are dropped while they still arrive.
                    if round % 8 == 7 {
                        let found: Vec<Vec<f32>> = wholes.iter().map(read).collect();
                        assert!(found == *wanted, "GPU {place}, round {round}");
                    }
                }
                assert_eq!(stage.live(), live);
            });
        }
    });
    all[0].leave();
    let division = Division::new(64, Share { place: 0, members });
    let part =
        Divided::new(made(&stages[0], 0, division.rows(), &|row| division.row(row)), division).unwrap();
    assert!(Divided::gather(&[part], Some(&all[0])).unwrap_err().to_string().contains("left"));
}

#[test]
fn several_gpus_add_up_what_each_has() {
    let Some((_engine, stages, all)) = several() else { return };
    let count = u16::try_from(all.len()).unwrap();
    let sizes = [1, 1000, 1 << 20];
    let found: Vec<Vec<Vec<f32>>> = std::thread::scope(|scope| {
        let running: Vec<_> = stages
            .iter()
            .zip(&all)
            .zip(1..)
            .map(|((stage, together), seed)| {
                scope.spawn(move || {
                    let made = sizes.map(|size| stage.floats(&numbers(seed, size), &[size]).unwrap());
                    let [mut one, mut two, mut three] = made;
                    for _ in 0..3 {
                        together.sum(&mut [&mut one, &mut two, &mut three]).unwrap();
                    }
                    [one, two, three].map(|tensor| tensor.to_vec().unwrap()).to_vec()
                })
            })
            .collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    // What was added up is added up again, by as many.
    let again = f32::from(count) * f32::from(count);
    for (place, size) in sizes.into_iter().enumerate() {
        let each: Vec<Vec<f32>> = (1..=u64::from(count)).map(|seed| numbers(seed, size)).collect();
        for member in &found {
            assert_eq!(member[place], found[0][place], "the same everywhere");
        }
        for (at, sum) in found[0][place].iter().enumerate() {
            let wanted = again * each.iter().map(|numbers| numbers[at]).sum::<f32>();
            assert!((sum - wanted).abs() <= 1e-4 * again, "{sum} and not {wanted}");
        }
    }
    all[0].leave();
    let mut left = stages[0].floats(&[1.0], &[1]).unwrap();
    assert!(all[0].sum(&mut [&mut left]).unwrap_err().to_string().contains("left"));
}
