//! What a GPU multiplies with packed weights, against doubles: every packing, with inputs few and many. Where there is no GPU the
//! tests say so and end.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a scenario fails by panicking, and sizes are tiny"
)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use plimsoll::ledger::{AccountSettings, LedgerSettings, LineSettings};
use plimsoll::pool::Lease;
use plimsoll::{Bytes, Engine};
use plimsoll_device::Device;
use plimsoll_tensor::Dtype;
use plimsoll_tensor::flow::{
    DeviceMatrix, Flow, Inputs, Made, Orders, PageForm, Piece, Room, Rows, StepBook, Strand, To, Told,
};
use plimsoll_tensor::packed::{PackedView, Packing};

const COLUMNS: usize = 512;
const ROWS: usize = 37;
const MOST: usize = 64;

fn device() -> Option<Arc<dyn Device>> {
    Some(support::cuda()?.device(0).unwrap())
}

struct Lots(u64);

impl Lots {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    fn number(&mut self) -> f32 {
        self.next() as f32 / (1_u32 << 30) as f32 - 1.0
    }
}

/// Blocks of any levels, whose scales are small.
fn made_up(packing: Packing, rows: usize, lots: &mut Lots) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..packing.bytes(rows * COLUMNS).unwrap()).map(|_| lots.next() as u8).collect();
    let small = |lots: &mut Lots| half::f16::from_f32(0.01 * lots.number()).to_le_bytes();
    for block in bytes.chunks_exact_mut(packing.block_bytes()) {
        match packing {
            Packing::F32 => block.copy_from_slice(&lots.number().to_le_bytes()),
            Packing::F16 => block.copy_from_slice(&small(lots)),
            Packing::Bf16 => block.copy_from_slice(&half::bf16::from_f32(lots.number()).to_le_bytes()),
            Packing::Q8_0 | Packing::Q4_0 => block[..2].copy_from_slice(&small(lots)),
            Packing::Q4K | Packing::Q5K => {
                block[..2].copy_from_slice(&small(lots));
                block[2..4].copy_from_slice(&small(lots));
            }
            Packing::Q6K => block[208..].copy_from_slice(&small(lots)),
        }
    }
    bytes
}

/// A room with a flow and what a product works with.
struct Bench {
    room: Room,
    flow: Flow,
    inputs: Inputs,
    x: Piece,
    out: Piece,
    spare: Piece,
}

impl Bench {
    fn open(device: &Arc<dyn Device>) -> Self {
        let mut room = Room::take(device, Bytes::mib(192)).unwrap();
        let flow = Flow::open(device, room.cut(Flow::DESK).unwrap()).unwrap();
        let inputs = Inputs::cut(&mut room, MOST, COLUMNS).unwrap();
        let mut piece = |numbers: usize| room.cut(4 * numbers as u64).unwrap();
        let (x, out, spare) = (piece(MOST * COLUMNS), piece(MOST * ROWS), piece(MOST * ROWS));
        Self { room, flow, inputs, x, out, spare }
    }

    fn bring(&self, to: &Piece, numbers: &[f32]) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.flow.bring(to, 0, &bytes).unwrap();
    }

    fn fetch(&self, from: &Piece, count: usize) -> Vec<f32> {
        let mut numbers = vec![0.0; count];
        self.flow.fetch(from, &mut numbers).unwrap();
        numbers
    }
}

fn rows_of(view: &PackedView<'_>) -> Vec<Vec<f32>> {
    (0..view.rows())
        .map(|row| {
            let mut numbers = vec![0.0; view.columns()];
            view.row(row, &mut numbers);
            numbers
        })
        .collect()
}

#[test]
fn products_are_those_of_the_numbers_that_are_packed() {
    let Some(device) = device() else { return };
    let mut bench = Bench::open(&device);
    let mut lots = Lots(7);
    for packing in Packing::ALL {
        let bytes = made_up(packing, ROWS, &mut lots);
        let view = PackedView::new(packing, ROWS, COLUMNS, &bytes).unwrap();
        let matrix = DeviceMatrix::bring(&bench.flow, &mut bench.room, &view).unwrap();
        let weights = rows_of(&view);
        for count in [1, 2, 3, 7, 20, 32, 33, 61] {
            let x: Vec<f32> = (0..count * COLUMNS).map(|_| lots.number()).collect();
            let before: Vec<f32> = (0..count * ROWS).map(|_| lots.number()).collect();
            for add in [false, true] {
                bench.bring(&bench.x, &x);
                bench.bring(&bench.out, &before);
                let made = bench.flow.ready(Rows::Plain(&bench.x), count, &[&matrix], &bench.inputs).unwrap();
                let to = To { matrix: &matrix, out: &bench.out, add };
                bench.flow.multiply(&made, &[to], &bench.spare).unwrap();
                let ours = bench.fetch(&bench.out, count * ROWS);
                let (mut far, mut spread) = (0.0_f64, 0.0_f64);
                for (at, ours) in ours.iter().enumerate() {
                    let (input, row) = (&x[at / ROWS * COLUMNS..][..COLUMNS], &weights[at % ROWS]);
                    let sum: f64 = input.iter().zip(row).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
                    let wanted = sum + if add { f64::from(before[at]) } else { 0.0 };
                    assert!(ours.is_finite(), "{packing}, {count} rows, number {at}: {ours}");
                    (far, spread) = (far.max((f64::from(*ours) - wanted).abs()), spread.max(sum.abs()));
                }
                // Inputs of eight bits, halves, or singles.
                let room = match (packing, count > 32) {
                    (Packing::F32, _) | (Packing::F16 | Packing::Bf16, false) => 2e-6,
                    (_, true) => 1e-3,
                    (_, false) => 2e-2,
                };
                println!("{packing}, {count} rows, added: {add}: {:.1e}", far / spread);
                assert!(far / spread <= room, "{packing}, {count} rows, added: {add}: {:.1e}", far / spread);
            }
        }
        // Rows of it, as an embedding's are taken.
        let ids = [3_u32, 0, 36, 3];
        let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
        bench.flow.bring(&bench.spare, 0, &bytes).unwrap();
        bench.flow.take(&matrix, (&bench.spare, 0), ids.len(), &bench.x).unwrap();
        let taken = bench.fetch(&bench.x, ids.len() * COLUMNS);
        for (id, row) in ids.iter().zip(taken.chunks_exact(COLUMNS)) {
            let wanted = &weights[*id as usize];
            let same = row
                .iter()
                .zip(wanted)
                .all(|(one, other)| (one - other).abs() <= 1e-6 * other.abs().max(1e-3));
            assert!(same, "{packing}, row {id}");
        }
    }
}

#[test]
fn several_matrices_of_any_packings_share_a_launch() {
    let Some(device) = device() else { return };
    let mut bench = Bench::open(&device);
    let mut lots = Lots(11);
    let kinds = [Packing::Q4K, Packing::F16, Packing::Q6K];
    let bytes = kinds.map(|packing| made_up(packing, ROWS, &mut lots));
    let views: Vec<PackedView<'_>> = kinds
        .iter()
        .zip(&bytes)
        .map(|(packing, bytes)| PackedView::new(*packing, ROWS, COLUMNS, bytes).unwrap())
        .collect();
    let matrices: Vec<DeviceMatrix> =
        views.iter().map(|view| DeviceMatrix::bring(&bench.flow, &mut bench.room, view).unwrap()).collect();
    let outs = [(); 3].map(|()| bench.room.cut(4 * (MOST * ROWS) as u64).unwrap());
    for count in [1, 5, 40] {
        let x: Vec<f32> = (0..count * COLUMNS).map(|_| lots.number()).collect();
        bench.bring(&bench.x, &x);
        let all: Vec<&DeviceMatrix> = matrices.iter().collect();
        let made = bench.flow.ready(Rows::Plain(&bench.x), count, &all, &bench.inputs).unwrap();
        let to: Vec<To<'_>> =
            matrices.iter().zip(&outs).map(|(matrix, out)| To { matrix, out, add: false }).collect();
        bench.flow.multiply(&made, &to, &bench.spare).unwrap();
        for ((view, matrix), out) in views.iter().zip(&matrices).zip(&outs) {
            let together = bench.fetch(out, count * ROWS);
            let made = bench.flow.ready(Rows::Plain(&bench.x), count, &[matrix], &bench.inputs).unwrap();
            let to = To { matrix, out: &bench.out, add: false };
            bench.flow.multiply(&made, &[to], &bench.spare).unwrap();
            assert_eq!(together, bench.fetch(&bench.out, count * ROWS), "{view:?}, {count} rows");
        }
    }
}

#[test]
fn large_inputs_do_not_become_infinite_in_halves() {
    let Some(device) = device() else { return };
    let mut bench = Bench::open(&device);
    let mut lots = Lots(13);
    let bytes = made_up(Packing::Q8_0, ROWS, &mut lots);
    let view = PackedView::new(Packing::Q8_0, ROWS, COLUMNS, &bytes).unwrap();
    let matrix = DeviceMatrix::bring(&bench.flow, &mut bench.room, &view).unwrap();
    let count = 40;
    let x: Vec<f32> =
        (0..count * COLUMNS).map(|at| lots.number() * if at < COLUMNS { 1.0 } else { 1e6 }).collect();
    bench.bring(&bench.x, &x);
    bench.bring(&bench.out, &vec![0.0; count * ROWS]);
    let made = bench.flow.ready(Rows::Plain(&bench.x), count, &[&matrix], &bench.inputs).unwrap();
    assert!(made.divided().is_some());
    bench.flow.multiply(&made, &[To { matrix: &matrix, out: &bench.out, add: true }], &bench.spare).unwrap();
    let weights = rows_of(&view);
    for (at, ours) in bench.fetch(&bench.out, count * ROWS).iter().enumerate() {
        let input = &x[at / ROWS * COLUMNS..][..COLUMNS];
        let wanted: f64 =
            input.iter().zip(&weights[at % ROWS]).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
        let size: f64 = input.iter().zip(&weights[at % ROWS]).map(|(x, y)| f64::from(x * y).abs()).sum();
        assert!((f64::from(*ours) - wanted).abs() <= 1e-3 * size, "number {at}: {ours} for {wanted}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let Some(device) = device() else { return };
    let mut bench = Bench::open(&device);
    let bytes = vec![0; 4 * 12 * 9];
    let odd = PackedView::new(Packing::F32, 12, 9, &bytes).unwrap();
    let refused = DeviceMatrix::bring(&bench.flow, &mut bench.room, &odd).unwrap_err();
    assert!(refused.to_string().contains("multiples of 8"), "{refused}");
    let bytes = vec![0; 4 * 16 * 8];
    let small = PackedView::new(Packing::F32, 16, 8, &bytes).unwrap();
    let small = DeviceMatrix::bring(&bench.flow, &mut bench.room, &small).unwrap();
    let many = bench.flow.ready(Rows::Plain(&bench.x), MOST + 1, &[&small], &bench.inputs).unwrap_err();
    assert!(many.to_string().contains("rows"), "{many}");
    let made = Made::plain(&bench.x, 1, COLUMNS);
    let other =
        bench.flow.multiply(&made, &[To { matrix: &small, out: &bench.out, add: false }], &bench.spare);
    assert!(other.unwrap_err().to_string().contains("columns"));
    assert!(bench.room.cut(u64::MAX).is_err());
    let other = Room::take(&device, Bytes::mib(1)).unwrap();
    drop(other);
}

/// A room for orders and pages, and what is told of a step of so many tokens of one sequence.
struct Lent {
    _engine: Engine,
    pages: Vec<Lease>,
    form: PageForm,
    orders: Orders,
    parts: Piece,
}

impl Lent {
    fn open(device: &Arc<dyn Device>, room: &mut Room, count: usize) -> Self {
        let place = device.facts().place;
        let plan = LedgerSettings {
            places: vec![LineSettings::new(place, Bytes::mib(16))],
            accounts: vec![AccountSettings::new("pages").share(place, Bytes::ZERO, Bytes::mib(16))],
        };
        let engine = Engine::with(&plan, vec![Arc::clone(device)]).unwrap();
        let pool = engine.account("pages").unwrap().scratch(place).unwrap();
        let form = PageForm {
            heads: 1,
            kv_heads: 1,
            key_width: 64,
            value_width: 64,
            page_tokens: 16,
            page_bytes: 2 * 16 * 64 * 4,
            dtype: Dtype::F32,
            places: vec![(0, 16 * 64 * 4)],
        };
        let pages =
            (0..count.div_ceil(16)).map(|_| pool.lease(Bytes::new(form.page_bytes)).unwrap()).collect();
        let orders = Orders::new(room.cut(Orders::bytes(64, 64, 64)).unwrap());
        let parts = room.cut(form.parts_bytes()).unwrap();
        Self { _engine: engine, pages, form, orders, parts }
    }

    fn work(&mut self, flow: &Flow, count: usize, work: impl FnOnce()) {
        let strands = [Strand { begin: 0, count, pages: self.pages.iter().collect() }];
        let ids = vec![0; count];
        let told = Told { ids: &ids, strands: &strands, angles: &[], rows: &[], asks: &[], then: 0 };
        let mut book = StepBook::default();
        let lent = (&mut self.orders, &self.parts, &mut book);
        let done = flow.over_pages(lent, &self.form, &told, |_| {
            work();
            Ok(())
        });
        done.unwrap();
    }
}

/// Whoever panics over pages has waited for the device before the pages go, and what comes after it is put on the stream again.
#[test]
fn a_panic_over_pages_leaves_nothing_running() {
    const TIMES: usize = 200;
    let Some(device) = device() else { return };
    let mut bench = Bench::open(&device);
    let mut lots = Lots(17);
    let bytes = made_up(Packing::Q8_0, ROWS, &mut lots);
    let view = PackedView::new(Packing::Q8_0, ROWS, COLUMNS, &bytes).unwrap();
    let matrix = DeviceMatrix::bring(&bench.flow, &mut bench.room, &view).unwrap();
    let other = Flow::open(&device, bench.room.cut(0).unwrap()).unwrap();
    for count in [40, 3] {
        let x: Vec<f32> = (0..count * COLUMNS).map(|_| lots.number()).collect();
        bench.bring(&bench.x, &x);
        let add = |times: usize| {
            let made = bench.flow.ready(Rows::Plain(&bench.x), count, &[&matrix], &bench.inputs).unwrap();
            for _ in 0..times {
                let to = To { matrix: &matrix, out: &bench.out, add: true };
                bench.flow.multiply(&made, &[to], &bench.spare).unwrap();
            }
        };
        bench.bring(&bench.out, &vec![0.0; count * ROWS]);
        add(1);
        let once = bench.fetch(&bench.out, count * ROWS);
        let mut room = Room::take(&device, Bytes::mib(8)).unwrap();
        let mut lent = Lent::open(&device, &mut room, count);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            lent.work(&bench.flow, count, || {
                add(TIMES);
                panic!("on purpose");
            });
        }));
        assert!(panicked.is_err());
        // Many tokens were on the stream, and another stream finds all of it done; a few were to be written down first, and never were.
        let mut found = vec![0.0; count * ROWS];
        other.fetch(&bench.out, &mut found).unwrap();
        let times = if count == 40 { TIMES + 1 } else { 1 };
        let same = |found: &[f32], times: usize| {
            found.iter().zip(&once).all(|(found, once)| {
                let wanted = once * times as f32;
                (found - wanted).abs() <= 1e-3 * wanted.abs().max(1.0)
            })
        };
        assert!(same(&found, times), "{count} tokens");
        add(1);
        assert!(same(&bench.fetch(&bench.out, count * ROWS), times + 1), "{count} tokens, and once more");
    }
}
