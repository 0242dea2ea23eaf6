//! Attention a tile at a time: no matrix of all queries by all keys is ever there.
//!
//! A thread takes some rows of queries (or, on the way back, of keys) with all their heads, and goes over the others in
//! tiles. Tiles, and rows of 16-bit numbers made singles, are on the thread's heap: 3 tiles of 64 × 64 and 4 of 64 rows.

use super::math::exp;
use super::numbers::{Numbers, floats, floats_mut, singles, singles_mut};
use super::place::Host;
use super::product::{Matrix, product};
use super::split::each;
use crate::compute::{Attention, Done, Product};
use crate::{Tensor, TensorError};

/// Rows of a tile.
const TILE: usize = 64;

const SET: Product = Product { factor: 1.0, keep: 0.0 };
const ADD: Product = Product { factor: 1.0, keep: 1.0 };

/// Rows of heads somewhere.
struct Heads<'t> {
    numbers: Numbers<'t>,
    /// How many there are.
    count: usize,
    width: usize,
}

impl<'t> Heads<'t> {
    fn new(tensor: &'t Tensor, heads: usize, width: usize) -> Result<Self, TensorError> {
        Ok(Self { numbers: floats("attention", tensor)?, count: heads, width })
    }

    /// Some rows of one head: where they lie if they are singles, through `room` otherwise.
    fn tile<'p>(&'p self, from: usize, rows: usize, head: usize, room: &'p mut Vec<f32>) -> Matrix<'p> {
        let pitch = self.count * self.width;
        let start = from * pitch + head * self.width;
        if let Numbers::F32(all) = &self.numbers {
            return Matrix::new(&all[start..], [rows, self.width], [pitch, 1]);
        }
        room.resize(rows * self.width, 0.0);
        for (row, into) in room.chunks_exact_mut(self.width).enumerate() {
            self.numbers.load(start + row * pitch, into);
        }
        Matrix::new(room, [rows, self.width], [self.width, 1])
    }

    /// Σ of products of two rows.
    fn dot(&self, other: &Self, row: usize, head: usize, rooms: &mut [Vec<f32>; 2]) -> f32 {
        let at = (row * self.count + head) * self.width;
        let [one, two] = rooms;
        one.resize(self.width, 0.0);
        two.resize(self.width, 0.0);
        let (x, y) = (self.numbers.piece(at, self.width, one), other.numbers.piece(at, self.width, two));
        x.iter().zip(y).map(|(x, y)| x * y).sum()
    }
}

/// Tiles of rows `0..count`.
fn tiles(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).step_by(TILE).map(move |from| (from, TILE.min(count - from)))
}

impl Attention {
    /// Whether any query of these sees any of the keys from `key` on.
    fn sees(&self, last_query: usize, key: usize) -> bool {
        !self.causal || key <= last_query + self.keys - self.queries
    }

    /// How many keys of a tile a query sees.
    fn seen(&self, query: usize, key: usize, keys: usize) -> usize {
        if !self.causal {
            return keys;
        }
        (query + self.keys - self.queries + 1).saturating_sub(key).min(keys)
    }
}

/// What a thread works with.
#[derive(Default)]
struct Rooms {
    scores: Vec<f32>,
    slopes: Vec<f32>,
    rows: [Vec<f32>; 4],
    dots: [Vec<f32>; 2],
}

impl Host {
    pub(super) fn attend(
        &self,
        sizes: Attention,
        qkv: [&Tensor; 3],
        out: &mut Tensor,
        sums: &mut Tensor,
    ) -> Done {
        let Attention { queries, heads, kv_heads, width, .. } = sizes;
        let q = Heads::new(qkv[0], heads, width)?;
        let [k, v] = [Heads::new(qkv[1], kv_heads, width)?, Heads::new(qkv[2], kv_heads, width)?];
        let out = floats_mut("attention", out)?.chunks(queries * heads * width);
        let sums = singles_mut("attention", sums)?.chunks_mut(queries * heads);
        let mut parts = Vec::new();
        for (batch, (out, sums)) in out.into_iter().zip(sums).enumerate() {
            let tiles = out.chunks(TILE * heads * width).into_iter().zip(sums.chunks_mut(TILE * heads));
            parts.extend(tiles.enumerate().map(|(tile, (out, sums))| (batch, tile * TILE, out, sums)));
        }
        each(&self.crew, parts, |_, (batch, from, mut out, sums)| {
            let rows = sums.len() / heads;
            let mut rooms = Rooms::default();
            let mut found = vec![0.0; rows * width];
            for head in 0..heads {
                let mut running = vec![(f32::NEG_INFINITY, 0.0_f32); rows];
                found.fill(0.0);
                for (key, keys) in tiles(sizes.keys) {
                    if sizes.sees(from + rows - 1, key) {
                        let at = Tile { batch, from, rows, key, keys, head };
                        at.gather(&sizes, [&q, &k, &v], &mut rooms, &mut running, &mut found);
                    }
                }
                for (row, (most, sum)) in running.iter().enumerate() {
                    sums[row * heads + head] = most + sum.ln();
                    let found = &found[row * width..(row + 1) * width];
                    let at = (row * heads + head) * width;
                    rooms.rows[3].resize(width, 0.0);
                    out.fill_with(at, width, &mut rooms.rows[3], |into| {
                        into.iter_mut().zip(found).for_each(|(into, found)| *into = found / sum);
                    });
                }
            }
        });
        Ok(())
    }

    pub(super) fn attend_back(
        &self,
        sizes: Attention,
        qkv: [&Tensor; 3],
        [out, sums, dout]: [&Tensor; 3],
        [dq, dk, dv]: [&mut Tensor; 3],
    ) -> Done {
        let Attention { queries, keys, heads, kv_heads, width, .. } = sizes;
        let q = Heads::new(qkv[0], heads, width)?;
        let [k, v] = [Heads::new(qkv[1], kv_heads, width)?, Heads::new(qkv[2], kv_heads, width)?];
        let [out, dout] = [Heads::new(out, heads, width)?, Heads::new(dout, heads, width)?];
        let back = Back { sizes, q, k, v, out, dout, sums: singles("attention", sums)? };
        let mut parts = Vec::new();
        for (batch, dq) in
            floats_mut("attention", dq)?.chunks(queries * heads * width).into_iter().enumerate()
        {
            let tiles = dq.chunks(TILE * heads * width).into_iter().enumerate();
            parts.extend(tiles.map(|(tile, dq)| (batch, tile * TILE, dq)));
        }
        each(&self.crew, parts, |_, (batch, from, mut dq)| back.queries(batch, from, &mut dq));
        let row = keys * kv_heads * width;
        let all = floats_mut("attention", dk)?
            .chunks(row)
            .into_iter()
            .zip(floats_mut("attention", dv)?.chunks(row));
        let mut parts = Vec::new();
        for (batch, (dk, dv)) in all.enumerate() {
            let tile = TILE * kv_heads * width;
            let tiles = dk.chunks(tile).into_iter().zip(dv.chunks(tile)).enumerate();
            parts.extend(tiles.map(|(tile, (dk, dv))| (batch, tile * TILE, dk, dv)));
        }
        each(&self.crew, parts, |_, (batch, key, mut dk, mut dv)| back.keys(batch, key, &mut dk, &mut dv));
        Ok(())
    }
}

/// Some queries and some keys of one head.
#[derive(Clone, Copy)]
struct Tile {
    batch: usize,
    from: usize,
    rows: usize,
    key: usize,
    keys: usize,
    head: usize,
}

impl Tile {
    fn first_query(&self, sizes: &Attention) -> usize {
        self.batch * sizes.queries + self.from
    }

    fn first_key(&self, sizes: &Attention) -> usize {
        self.batch * sizes.keys + self.key
    }

    fn kv_head(&self, sizes: &Attention) -> usize {
        self.head / (sizes.heads / sizes.kv_heads)
    }

    /// Scores of queries by keys.
    fn scores(
        &self,
        sizes: &Attention,
        q: &Heads<'_>,
        k: &Heads<'_>,
        scores: &mut Vec<f32>,
        rows: &mut [Vec<f32>; 4],
    ) {
        scores.resize(self.rows * self.keys, 0.0);
        let [one, two, ..] = rows;
        let q = q.tile(self.first_query(sizes), self.rows, self.head, one);
        let k = k.tile(self.first_key(sizes), self.keys, self.kv_head(sizes), two);
        product(q, k.turned(), scores, self.keys, Product { factor: sizes.scale, keep: 0.0 });
    }

    /// Values by scores, onto what earlier tiles gave.
    fn gather(
        &self,
        sizes: &Attention,
        [q, k, v]: [&Heads<'_>; 3],
        rooms: &mut Rooms,
        running: &mut [(f32, f32)],
        found: &mut [f32],
    ) {
        self.scores(sizes, q, k, &mut rooms.scores, &mut rooms.rows);
        let lines =
            rooms.scores.chunks_exact_mut(self.keys).zip(running).zip(found.chunks_exact_mut(sizes.width));
        for (row, ((scores, (most, sum)), found)) in lines.enumerate() {
            let (seen, hidden) = scores.split_at_mut(sizes.seen(self.from + row, self.key, self.keys));
            hidden.fill(0.0);
            let peak = seen.iter().fold(*most, |most, score| most.max(*score));
            if peak == f32::NEG_INFINITY {
                seen.fill(0.0);
                continue;
            }
            let shrink = exp(*most - peak);
            let mut added = 0.0;
            for score in seen {
                *score = exp(*score - peak);
                added += *score;
            }
            (*most, *sum) = (peak, *sum * shrink + added);
            for found in found.iter_mut() {
                *found *= shrink;
            }
        }
        let values = v.tile(self.first_key(sizes), self.keys, self.kv_head(sizes), &mut rooms.rows[2]);
        let scores = Matrix::new(&rooms.scores, [self.rows, self.keys], [self.keys, 1]);
        product(scores, values, found, sizes.width, ADD);
    }
}

/// The way back.
struct Back<'t> {
    sizes: Attention,
    q: Heads<'t>,
    k: Heads<'t>,
    v: Heads<'t>,
    out: Heads<'t>,
    dout: Heads<'t>,
    sums: &'t [f32],
}

impl Back<'_> {
    /// Weights of a tile into `scores`, and the slopes of its scores into `slopes`.
    fn slopes(&self, tile: &Tile, rooms: &mut Rooms) {
        let sizes = &self.sizes;
        tile.scores(sizes, &self.q, &self.k, &mut rooms.scores, &mut rooms.rows);
        rooms.slopes.resize(tile.rows * tile.keys, 0.0);
        let [one, two, ..] = &mut rooms.rows;
        let dout = self.dout.tile(tile.first_query(sizes), tile.rows, tile.head, one);
        let values = self.v.tile(tile.first_key(sizes), tile.keys, tile.kv_head(sizes), two);
        product(dout, values.turned(), &mut rooms.slopes, tile.keys, SET);
        let lines = rooms.scores.chunks_exact_mut(tile.keys).zip(rooms.slopes.chunks_exact_mut(tile.keys));
        for (row, (scores, slopes)) in lines.enumerate() {
            let at = tile.first_query(sizes) + row;
            let sum = self.sums[at * sizes.heads + tile.head];
            let level = self.dout.dot(&self.out, at, tile.head, &mut rooms.dots);
            let seen = sizes.seen(tile.from + row, tile.key, tile.keys);
            scores[seen..].fill(0.0);
            slopes[seen..].fill(0.0);
            for (score, slope) in scores[..seen].iter_mut().zip(&mut slopes[..seen]) {
                *score = exp(*score - sum);
                *slope = *score * (*slope - level) * sizes.scale;
            }
        }
    }

    fn queries(&self, batch: usize, from: usize, dq: &mut super::numbers::NumbersMut<'_>) {
        let sizes = &self.sizes;
        let rows = dq.len() / (sizes.heads * sizes.width);
        let mut rooms = Rooms::default();
        let mut sum = vec![0.0; rows * sizes.width];
        for head in 0..sizes.heads {
            sum.fill(0.0);
            for (key, keys) in tiles(sizes.keys).filter(|(key, _)| sizes.sees(from + rows - 1, *key)) {
                let tile = Tile { batch, from, rows, key, keys, head };
                self.slopes(&tile, &mut rooms);
                let k = self.k.tile(tile.first_key(sizes), keys, tile.kv_head(sizes), &mut rooms.rows[2]);
                let slopes = Matrix::new(&rooms.slopes, [rows, keys], [keys, 1]);
                product(slopes, k, &mut sum, sizes.width, ADD);
            }
            put(dq, sizes.heads, head, sizes.width, &sum);
        }
    }

    fn keys(
        &self,
        batch: usize,
        key: usize,
        dk: &mut super::numbers::NumbersMut<'_>,
        dv: &mut super::numbers::NumbersMut<'_>,
    ) {
        let sizes = &self.sizes;
        let keys = dk.len() / (sizes.kv_heads * sizes.width);
        let group = sizes.heads / sizes.kv_heads;
        let mut rooms = Rooms::default();
        let (mut key_sum, mut value_sum) = (vec![0.0; keys * sizes.width], vec![0.0; keys * sizes.width]);
        for kv_head in 0..sizes.kv_heads {
            key_sum.fill(0.0);
            value_sum.fill(0.0);
            for head in kv_head * group..(kv_head + 1) * group {
                for (from, rows) in
                    tiles(sizes.queries).filter(|(from, rows)| sizes.sees(from + rows - 1, key))
                {
                    let tile = Tile { batch, from, rows, key, keys, head };
                    self.slopes(&tile, &mut rooms);
                    let [one, two, ..] = &mut rooms.rows;
                    let first = tile.first_query(sizes);
                    let (q, dout) =
                        (self.q.tile(first, rows, head, one), self.dout.tile(first, rows, head, two));
                    let weights = Matrix::new(&rooms.scores, [rows, keys], [keys, 1]);
                    product(weights.turned(), dout, &mut value_sum, sizes.width, ADD);
                    let slopes = Matrix::new(&rooms.slopes, [rows, keys], [keys, 1]);
                    product(slopes.turned(), q, &mut key_sum, sizes.width, ADD);
                }
            }
            put(dk, sizes.kv_heads, kv_head, sizes.width, &key_sum);
            put(dv, sizes.kv_heads, kv_head, sizes.width, &value_sum);
        }
    }
}

/// Writes one head of some rows.
fn put(into: &mut super::numbers::NumbersMut<'_>, heads: usize, head: usize, width: usize, rows: &[f32]) {
    let mut room = vec![0.0; width];
    for (row, numbers) in rows.chunks_exact(width).enumerate() {
        into.fill_with((row * heads + head) * width, width, &mut room, |into| into.copy_from_slice(numbers));
    }
}
