//! What is drawn of rows of logits where they are, so that few numbers of each come to the host.

use plimsoll_device::programs::Argument::Long;

use super::asks::{Ask, Lot};
use super::flow::Flow;
use super::inputs::FEW;
use super::room::{Piece, Room};
use crate::TensorError;
use crate::compute::Done;
use crate::gpu::launch::{EACH, word};
use crate::gpu::programs::Program;

const WHAT: &str = "what is drawn of rows";
/// Parts of a row in which the greatest is looked for, where nothing else is.
const LOOKERS: usize = 32;
/// What is found in each.
const LOOK: usize = 16;
/// Logits of a part whose greatest are kept: a block's threads hold all of them.
const PART: usize = 4096;
/// Parts of a row at most: a block holds what they keep.
const MOST_PARTS: usize = 64;
/// Stretches of a row whose chances are added up.
const STRETCHES: usize = 256;
/// Stretches that a block adds up.
const OF_BLOCK: usize = 8;
/// Bins of a row's logits, and logits of one of them that are looked at one by one.
const BINS: usize = 1024;
const IN_BIN: usize = 4096;
/// Where the likeliest tokens end, of a row.
const CUT: usize = 32;
/// What is told of a row.
const TOLD: usize = 16;
/// How minus infinity is ordered there.
const NOTHING: u32 = !f32::NEG_INFINITY.to_bits();

/// What is drawn of all rows of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drawing {
    /// Whether logits of some are changed before.
    changed: bool,
    /// Whether of some a token is drawn by lot among all.
    lots: bool,
    /// Whether who takes part in some of these depends on the chances of all.
    cuts: bool,
    /// How many of the likeliest are looked for at least, where of some a token is drawn among these.
    keep: usize,
}

/// What was drawn of a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drawn {
    /// Where the greatest is, of equals the first; none of a row that has anything that is no number or infinitely great, or nothing
    /// that is greater than minus infinity. Then all else means nothing.
    pub likeliest: Option<u32>,
    /// The token that the lot fell on. None where there was none, and where too many logits were too much alike for it to be known which are
    /// the likeliest.
    pub lot: Option<u32>,
}

/// Room for that.
#[derive(Debug)]
pub struct Lots {
    looks: Piece,
    kept: Piece,
    sums: Piece,
    bins: Piece,
    in_bin: Piece,
    cuts: Piece,
    told: Piece,
}

impl Lots {
    pub(super) const LOT: u32 = 1;
    pub(super) const CUT: u32 = 2;
    pub(super) const FEW: u32 = 4;

    /// As many of the likeliest are looked for, where that is enough.
    const SOME: usize = 64;
    /// The most of the likeliest that are looked for.
    pub const MOST: usize = 128;

    /// Whether a token can be drawn by this lot of rows of so many logits; of longer ones only the likeliest is found.
    pub const fn fits(columns: usize, lot: &Lot) -> bool {
        columns <= MOST_PARTS * PART && lot.top_k <= Self::MOST
    }

    fn sizes(columns: usize) -> [u64; 7] {
        let parts = columns.div_ceil(PART).min(MOST_PARTS);
        let looks = LOOK * parts.max(LOOKERS);
        let bins = 4 * BINS * (STRETCHES / OF_BLOCK);
        [looks, 16 * parts * Self::MOST, 8 * STRETCHES, bins, 8 * IN_BIN, CUT, TOLD]
            .map(|each| (FEW * each) as u64)
    }

    /// What it takes, for rows of so many logits.
    pub fn bytes(columns: usize) -> u64 {
        Room::bytes_of(Self::sizes(columns))
    }

    /// Takes it.
    pub fn cut(room: &mut Room, columns: usize) -> Result<Self, TensorError> {
        let [looks, kept, sums, bins, in_bin, cuts, told] = Self::sizes(columns);
        Ok(Self {
            looks: room.cut(looks)?,
            kept: room.cut(kept)?,
            sums: room.cut(sums)?,
            bins: room.cut(bins)?,
            in_bin: room.cut(in_bin)?,
            cuts: room.cut(cuts)?,
            told: room.cut(told)?,
        })
    }
}

impl Drawing {
    /// What these rows are asked.
    pub fn of(asks: &[Ask<'_>]) -> Self {
        let mut how = Self::default();
        for ask in asks {
            how.changed |= !ask.changes.is_empty();
            let Some(lot) = ask.lot else { continue };
            how.lots |= lot.top_k == 0;
            how.cuts |= lot.is_cut();
            how.keep = how.keep.max(match lot.top_k {
                0 => 0,
                1..=Lots::SOME => Lots::SOME,
                _ => Lots::MOST,
            });
        }
        how
    }

    /// A number that tells it from others.
    pub fn number(&self) -> usize {
        self.keep << 3 | usize::from(self.cuts) << 2 | usize::from(self.lots) << 1 | usize::from(self.changed)
    }

    /// Whether no more than the likeliest is found.
    const fn is_plain(self) -> bool {
        self.keep == 0 && !self.lots
    }
}

impl Flow {
    /// Changes rows of logits as they are asked for, and draws of them. `asks`: orders, and where in them asks stand.
    pub fn draw(
        &self,
        logits: &Piece,
        (rows, columns): (usize, usize),
        how: Drawing,
        (orders, asks): (&Piece, u64),
        lots: &Lots,
    ) -> Done {
        if rows > FEW || !(how.is_plain() || columns <= MOST_PARTS * PART) {
            return Err(TensorError::shape(WHAT, format!("{rows} rows of {columns} logits")));
        }
        self.hold([logits, orders, &lots.looks])?;
        let small = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let changes = Long(orders.at(WHAT, 0, 0)?);
        let asks = Long(orders.at(WHAT, asks, super::asks::ASK_BYTES as u64)?);
        let logits = Long(logits.singles(WHAT, rows * columns)?);
        let parts = if how.keep > 0 { columns.div_ceil(PART) } else { LOOKERS };
        let looks = Long(lots.looks.at(WHAT, 0, (LOOK * parts * rows) as u64)?);
        let launch = |name, blocks: usize, threads, arguments: &[_]| {
            self.launches.launch(Program::Lots, name, [small(blocks), small(rows), 1], threads, arguments)
        };
        if how.changed {
            launch("weigh", 1, EACH, &[word(columns), asks, changes, logits])?;
        }
        let kept = Long(lots.kept.at(WHAT, 0, (16 * how.keep * parts * rows) as u64)?);
        if how.keep == 0 {
            launch("likeliest", parts, EACH, &[word(columns), logits, looks])?;
        } else {
            launch("greatest", parts, EACH, &[word(columns), word(how.keep), logits, looks, kept])?;
        }
        if how.is_plain() {
            return Ok(());
        }
        let each = |piece: &Piece, bytes: usize| piece.at(WHAT, 0, (rows * bytes) as u64).map(Long);
        let (sums, cuts) = (each(&lots.sums, 8 * STRETCHES)?, each(&lots.cuts, CUT)?);
        let (columns, parts, blocks) = (word(columns), word(parts), STRETCHES / OF_BLOCK);
        if how.cuts {
            let (bins, in_bin) = (each(&lots.bins, 4 * BINS * blocks)?, each(&lots.in_bin, 8 * IN_BIN)?);
            let by_row = |name, arguments: &[_]| {
                self.launches.launch(Program::Lots, name, [small(rows), 1, 1], 1024, arguments)
            };
            launch("masses", blocks, EACH, &[columns, parts, asks, logits, looks, sums, bins])?;
            by_row("bracket", &[asks, sums, bins, cuts])?;
            launch("above", blocks, EACH, &[columns, parts, asks, logits, looks, sums, cuts, in_bin])?;
            by_row("cut", &[parts, asks, looks, sums, in_bin, cuts])?;
        }
        if how.lots {
            launch("stretches", blocks, EACH, &[columns, parts, asks, logits, looks, cuts, sums])?;
        }
        let told = each(&lots.told, TOLD)?;
        let keep = word(how.keep);
        let arguments = [columns, parts, keep, asks, logits, looks, cuts, kept, sums, told];
        self.launches.launch(Program::Lots, "draw", [small(rows), 1, 1], 1024, &arguments)
    }

    /// What was drawn, when all before is done.
    pub fn fetch_drawn(&self, lots: &Lots, rows: usize, how: Drawing) -> Result<Vec<Drawn>, TensorError> {
        if how.is_plain() {
            return self.fetch_likeliest(lots, rows);
        }
        let found = self.fetch_bytes(&lots.told, rows, TOLD)?;
        Ok(found.chunks_exact(TOLD).map(told).collect())
    }

    fn fetch_likeliest(&self, lots: &Lots, rows: usize) -> Result<Vec<Drawn>, TensorError> {
        let found = self.fetch_bytes(&lots.looks, rows, LOOK * LOOKERS)?;
        let rows = found.chunks_exact(LOOK * LOOKERS).map(|row| {
            let parts = row.chunks_exact(LOOK);
            let odd = parts.clone().any(|part| number(&part[8..12]) > 0);
            // Places stand there the other way round, so that of equals the first is the greatest.
            let most = parts.map(|part| (number(&part[4..8]), number(&part[..4]))).max();
            let most = most.filter(|(order, _)| !odd && *order > NOTHING);
            Drawn { likeliest: most.map(|(_, place)| !place), ..Drawn::default() }
        });
        Ok(rows.collect())
    }

    fn fetch_bytes(&self, from: &Piece, rows: usize, row: usize) -> Result<Vec<u8>, TensorError> {
        self.hold([from])?;
        let mut bytes = vec![0; rows * row];
        self.launches.fetch(from.at(WHAT, 0, bytes.len() as u64)?, &mut bytes)?;
        self.let_go();
        Ok(bytes)
    }
}

/// What `draw` of `lots.cu` tells of a row.
fn told(row: &[u8]) -> Drawn {
    let [sound, likeliest, lot, missed] = [0, 4, 8, 12].map(|at| number(&row[at..at + 4]));
    Drawn { likeliest: (sound != 0).then_some(likeliest), lot: (missed == 0).then_some(lot) }
}

fn number(four: &[u8]) -> u32 {
    four.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}
