//! What a GPU draws of rows of logits, against the host: rows long and short, with equals, infinities and what is no number. Where there
//! is no GPU the tests say so and end.

#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a scenario fails by panicking, and sizes are small"
)]

mod support;

use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll_device::Device;
use plimsoll_tensor::flow::{Ask, Change, Drawing, Drawn, Flow, Lot, Lots, Orders, Piece, Room};

const ROWS: usize = 9;

struct Seeds(u64);

impl Seeds {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    fn share(&mut self) -> f64 {
        f64::from(self.next()) / f64::from(1_u32 << 31)
    }

    /// Most are near zero, a few far away.
    fn logit(&mut self) -> f32 {
        let sum: f64 = (0..6).map(|_| self.share() - 0.5).sum();
        (sum * 5.0) as f32
    }
}

/// A room with what rows of so many logits are drawn in.
struct Bench {
    flow: Flow,
    orders: Orders,
    logits: Piece,
    lots: Lots,
    columns: usize,
}

impl Bench {
    fn open(device: &Arc<dyn Device>, columns: usize) -> Self {
        let orders = Orders::bytes(1, 1, 1);
        let logits = 4 * (ROWS * columns) as u64;
        let bytes = Room::bytes_of([orders, logits]) + Lots::bytes(columns);
        let mut room = Room::take(device, Bytes::new(bytes)).unwrap();
        let orders = Orders::new(room.cut(orders).unwrap());
        let logits = room.cut(logits).unwrap();
        let lots = Lots::cut(&mut room, columns).unwrap();
        let flow = Flow::open(device, room.cut(0).unwrap()).unwrap();
        Self { flow, orders, logits, lots, columns }
    }

    fn draw(&self, rows: &[Vec<f32>], asks: &[Ask<'_>], how: Drawing) -> Vec<Drawn> {
        let bytes: Vec<u8> = rows.iter().flatten().flat_map(|logit| logit.to_le_bytes()).collect();
        self.flow.bring(&self.logits, 0, &bytes).unwrap();
        let numbers: Vec<u32> = (0..rows.len() as u32).collect();
        let [_, asked] = self.orders.choose(&self.flow, &numbers, asks).unwrap();
        self.flow.draw(&self.logits, (rows.len(), self.columns), how, asked, &self.lots).unwrap();
        self.flow.fetch_drawn(&self.lots, rows.len(), how).unwrap()
    }

    fn row(&self, row: usize) -> Vec<f32> {
        let mut numbers = vec![0.0; self.columns];
        self.flow.fetch_from(&self.logits, row * self.columns, &mut numbers).unwrap();
        numbers
    }
}

fn device() -> Option<Arc<dyn Device>> {
    Some(support::cuda()?.device(0).unwrap())
}

/// What is to be drawn of a row.
fn wanted(row: &[f32], ask: &Ask<'_>) -> Drawn {
    let odd = row.iter().any(|logit| logit.is_nan() || *logit == f32::INFINITY);
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if odd || most == f32::NEG_INFINITY {
        return Drawn::default();
    }
    let likeliest = row.iter().position(|logit| *logit >= most).map(|at| at as u32);
    let lot = ask.lot.map(|lot| fallen(row, &lot, likeliest.unwrap()));
    Drawn { likeliest, lot }
}

/// Whom a lot falls on, with everything sorted.
fn fallen(row: &[f32], lot: &Lot, likeliest: u32) -> u32 {
    let most = row[likeliest as usize];
    let mut all: Vec<(f32, u32)> =
        row.iter().copied().zip(0..).filter(|one| one.0 > f32::NEG_INFINITY).collect();
    all.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
    if lot.top_k > 0 {
        all.truncate(lot.top_k);
    }
    if lot.top_p < 1.0 {
        let chance = |one: &(f32, u32)| f64::from(one.0 - most).exp();
        let wanted = all.iter().map(chance).sum::<f64>() * lot.top_p;
        let mut sum = 0.0;
        let last = all.iter().position(|one| {
            sum += chance(one);
            sum >= wanted
        });
        all.truncate(last.map_or(all.len(), |last| last + 1));
    }
    all.retain(|one| one.0 >= most + lot.least);
    all.sort_by_key(|one| one.1);
    let chance = |one: &(f32, u32)| (f64::from(one.0 - most) / lot.temperature).exp();
    let mut left = lot.share * all.iter().map(chance).sum::<f64>();
    for one in &all {
        left -= chance(one);
        if left < 0.0 {
            return one.1;
        }
    }
    likeliest
}

fn same(found: &Drawn, wanted: &Drawn, missed: &mut u32, what: &str) {
    assert_eq!(found.likeliest, wanted.likeliest, "{what}");
    if wanted.likeliest.is_none() {
        return;
    }
    if wanted.lot.is_some() {
        *missed += u32::from(found.lot.is_none());
        assert!(found.lot.is_none() || found.lot == wanted.lot, "{what}: {:?}, {:?}", found.lot, wanted.lot);
    }
}

/// Rows of every kind that a model, or one that is damaged, may give.
fn rows_of(columns: usize, seeds: &mut Seeds) -> Vec<Vec<f32>> {
    let last = columns - 1;
    let mut rows: Vec<Vec<f32>> = (0..ROWS).map(|_| (0..columns).map(|_| seeds.logit()).collect()).collect();
    // Equals everywhere.
    rows[1].iter_mut().for_each(|logit| *logit = (*logit * 4.0).round() / 4.0);
    rows[2].fill(1.5);
    // Zeros of both signs: equal where the likeliest is looked for, and not where they are put in order.
    rows[3].iter_mut().enumerate().for_each(|(at, logit)| *logit = if at % 3 == 0 { -0.0 } else { 0.0 });
    // All but a few are impossible.
    rows[4].fill(f32::NEG_INFINITY);
    rows[4][last] = -7.0;
    rows[4][last / 2] = f32::MIN;
    // One is nearly sure.
    rows[5][last / 3] = 60.0;
    rows[6][last] = f32::NAN;
    rows[7][0] = f32::INFINITY;
    rows[8].fill(f32::NEG_INFINITY);
    rows
}

#[test]
fn what_is_drawn_is_the_hosts() {
    let Some(device) = device() else { return };
    let (mut seeds, mut unknown) = (Seeds(11), 0);
    for columns in [3, 1000, 32_000, 151_936, 256_000] {
        let bench = Bench::open(&device, columns);
        let rows = rows_of(columns, &mut seeds);
        // Ways in which a step's rows are drawn from; all of them beside each other come last.
        for way in 0..6 {
            for turn in 0..5 {
                let ask = |row: usize, seeds: &mut Seeds| {
                    let kind = if way == 5 { (row + turn) % 5 } else { way };
                    let share = if turn == 3 { 0.0 } else { seeds.share() };
                    let least = if row.is_multiple_of(2) { f32::NEG_INFINITY } else { 0.05_f32.ln() };
                    let temperature = [1.0, 0.8, 2.5, 0.01][(row + turn) % 4];
                    let few = [1, 40, 64][turn % 3];
                    let top_k = [0, 0, 0, few, 128 - turn][kind];
                    let top_p = [0.9, 0.5, 0.999, 1e-9, 1.0][(row + turn) % 5];
                    let top_p = if kind == 1 { 1.0 } else { top_p };
                    let lot = Lot { temperature, share, top_k, top_p, least };
                    Ask { changes: &[], lot: (kind > 0).then_some(lot) }
                };
                let asks: Vec<Ask<'_>> = (0..ROWS).map(|row| ask(row, &mut seeds)).collect();
                let how = Drawing::of(&asks);
                let found = bench.draw(&rows, &asks, how);
                for (row, found) in found.iter().enumerate() {
                    let wanted = wanted(&rows[row], &asks[row]);
                    let mut missed = 0;
                    let what =
                        format!("{columns} columns, row {row}, {:?}, {how:?}, turn {turn}", asks[row].lot);
                    same(found, &wanted, &mut missed, &what);
                    // Only where thousands are alike.
                    assert!(missed == 0 || ([1, 2, 3].contains(&row) && columns > 4096), "{what}");
                    unknown += missed;
                }
                // The same again, whatever ran beside what.
                assert_eq!(format!("{found:?}"), format!("{:?}", bench.draw(&rows, &asks, how)));
            }
        }
    }
    println!("{unknown} rows had too many that are alike");
    assert!(unknown > 0);
}

#[test]
fn changed_logits_are_the_hosts_to_the_bit() {
    let Some(device) = device() else { return };
    let mut seeds = Seeds(12);
    let columns = 32_000;
    let bench = Bench::open(&device, columns);
    let rows: Vec<Vec<f32>> = rows_of(columns, &mut seeds)[..6].to_vec();
    let changes: Vec<Vec<Change>> = (0..rows.len())
        .map(|row| {
            let change = |token: u32, seeds: &mut Seeds| match token % 4 {
                0 => Change { penalty: 1.1, ..Change::none(token) },
                1 => Change { less: seeds.logit(), penalty: 0.9, ..Change::none(token) },
                2 => Change { more: 3.0 * seeds.logit(), ..Change::none(token) },
                _ => Change { token, less: seeds.logit(), more: seeds.logit(), penalty: 1.3 },
            };
            // Some have none, and one names a token that there is not.
            let count = [0, 1, 300, 5000, 4000, 64][row];
            let tokens = (0..count).map(|number: u32| (number * 3) % 40_000);
            tokens.map(|token| change(token, &mut seeds)).collect()
        })
        .collect();
    let lot = Lot { top_k: 40, ..Lot::among_all(1.0, 0.4) };
    let asks: Vec<Ask<'_>> = changes.iter().map(|changes| Ask { changes, lot: Some(lot) }).collect();
    let how = Drawing::of(&asks);
    let found = bench.draw(&rows, &asks, how);
    for (row, (found, ask)) in found.iter().zip(&asks).enumerate() {
        let mut host = rows[row].clone();
        for change in ask.changes {
            if let Some(logit) = host.get_mut(change.token as usize) {
                *logit = change.of(*logit);
            }
        }
        let bits = |row: &[f32]| row.iter().map(|logit| logit.to_bits()).collect::<Vec<_>>();
        assert!(bits(&bench.row(row)) == bits(&host), "row {row}");
        same(found, &wanted(&host, ask), &mut 0, &format!("row {row}"));
    }
}

#[test]
fn what_there_is_no_room_for_is_refused() {
    let Some(device) = device() else { return };
    let bench = Bench::open(&device, 1000);
    let changes = vec![Change::none(0); Ask::MOST_CHANGES + 1];
    let ask = Ask { changes: &changes, ..Ask::default() };
    assert!(bench.orders.choose(&bench.flow, &[0], &[ask]).is_err());
    let [_, asked] = bench.orders.choose(&bench.flow, &[0], &[Ask::default()]).unwrap();
    assert!(bench.flow.draw(&bench.logits, (33, 10), Drawing::default(), asked, &bench.lots).is_err());
    let longer = (1, 300_000);
    let lot = Lot::among_all(1.0, 0.5);
    let how = Drawing::of(&[Ask { changes: &[], lot: Some(lot) }]);
    assert!(!Lots::fits(longer.1, &lot) && Lots::fits(1000, &lot));
    assert!(!Lots::fits(1000, &Lot { top_k: Lots::MOST + 1, ..lot }));
    assert!(bench.flow.draw(&bench.logits, longer, how, asked, &bench.lots).is_err());
}
