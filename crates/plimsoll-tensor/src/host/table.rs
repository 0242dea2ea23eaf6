//! Rows of a table, and numbers that are dropped.

use super::numbers::{PIECE, floats, floats_mut, ids};
use super::place::Host;
use super::split::each;
use crate::compute::Done;
use crate::packed::PackedView;
use crate::{PackedTensor, Tensor, TensorError};

impl Host {
    pub(super) fn take_rows(&self, table: &Tensor, which: &Tensor, out: &mut Tensor) -> Done {
        let (from, which) = (floats("rows of a table", table)?, ids("rows of a table", which)?);
        let (rows, width) = (table.dim(0), table.dim(1));
        if let Some(found) = which.iter().find(|id| **id as usize >= rows) {
            return Err(TensorError::Index { what: "rows of a table", found: *found, limit: rows as u64 });
        }
        self.by_rows("rows of a table", width, out, |row, into| {
            from.load(which[row] as usize * width, into);
        })
    }

    pub(super) fn unpack_rows(&self, packed: &PackedTensor, out: &mut Tensor) -> Done {
        let [rows, columns] = packed.dims();
        let bytes = packed.stored().storage.bytes("unpacking")?;
        let view =
            PackedView::new(packed.packing(), rows, columns, &bytes[..packed.stored().bytes().as_usize()]);
        let view = view.map_err(|error| TensorError::shape("unpacking", error.to_string()))?;
        self.by_rows("unpacking", columns, out, |row, into| view.row(row, into))
    }

    pub(super) fn put_rows(
        &self,
        [_, middle, inner]: [usize; 3],
        start: usize,
        add: bool,
        x: &Tensor,
        into: &mut Tensor,
    ) -> Done {
        let from = floats("putting together", x)?;
        let len = if x.count() == 0 { 0 } else { x.count() / (into.count() / (middle * inner) as u64) };
        let len = usize::try_from(len).unwrap_or(0);
        let target = floats_mut("putting together", into)?;
        each(&self.crew, target.chunks(middle * inner), |outer, mut target| {
            let (mut room, mut second) = ([0.0; PIECE], [0.0; PIECE]);
            for at in (0..len).step_by(PIECE) {
                let piece = PIECE.min(len - at);
                let from = from.piece(outer * len + at, piece, &mut room);
                target.change(start * inner + at, piece, &mut second, |into| {
                    for (into, from) in into.iter_mut().zip(from) {
                        *into = if add { *into + from } else { *from };
                    }
                });
            }
        });
        Ok(())
    }

    /// One thread: rows may be named twice.
    pub(super) fn give_rows(which: &Tensor, dy: &Tensor, dtable: &mut Tensor) -> Done {
        let width = dtable.dim(1);
        let (from, which) = (floats("rows of a table", dy)?, ids("rows of a table", which)?);
        let mut target = floats_mut("rows of a table", dtable)?;
        let (mut room, mut other) = (vec![0.0; width], vec![0.0; width]);
        for (row, id) in which.iter().enumerate() {
            let from = from.piece(row * width, width, &mut room);
            target.change(*id as usize * width, width, &mut other, |into| {
                into.iter_mut().zip(from).for_each(|(into, from)| *into += from);
            });
        }
        Ok(())
    }

    pub(super) fn drop_some(&self, seed: u64, p: f32, x: &Tensor, out: &mut Tensor) -> Done {
        let from = floats("dropout", x)?;
        let keep = 1.0 / (1.0 - p);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 2^24")]
        let limit = (f64::from(p) * f64::from(1 << 24)) as u32;
        self.by_pieces("dropout", out, |at, into| {
            from.load(at, into);
            for (index, number) in into.iter_mut().enumerate() {
                let drawn = drawn(seed, (at + index) as u64);
                *number *= if drawn < limit { 0.0 } else { keep };
            }
        })
    }
}

/// 24 bits that depend on the seed and a number's place and nothing else, so that they need not be kept.
pub(super) fn drawn(seed: u64, place: u64) -> u32 {
    let mut bits = seed.wrapping_add(place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from((bits ^ (bits >> 31)) >> 40).unwrap_or(0)
}
