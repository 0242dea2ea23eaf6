//! What a step is told: its tokens, where they stand, and which pages their sequences have; brought in one piece.

use std::sync::Arc;

use plimsoll::pool::Lease;

use super::asks::{self, ASK_BYTES, Ask, CHANGE_BYTES};
use super::flow::Flow;
use super::inputs::FEW;
use super::paged::PageForm;
use super::room::Piece;
use crate::TensorError;

const WHAT: &str = "the orders of a step";
/// Rows of a block of attention, as `pages.cu` has them.
pub(super) const SIDE: usize = 16;
/// From so many blocks on all of a GPU is busy.
const BUSY: usize = 512;
/// Keys of a part of attention at least, and where each sequence has one token: warps share the keys there.
const LEAST: usize = 128;
const LEAST_ALONE: usize = 256;
/// Keys that a few blocks look at one behind the other sooner than they are divided.
const SHORT: usize = 2048;
/// Parts of one token's attention at most.
const MOST: usize = 64;
const NONE: u32 = u32::MAX;
/// A share of no tokens.
const NOBODY: [u32; 6] = [0, 0, 0, 0, 0, NONE];

/// Some tokens of a sequence, how many stand before them, and all pages that they see, their own too.
#[derive(Debug)]
pub struct Strand<'s> {
    /// How many tokens stand in the pages.
    pub begin: usize,
    /// How many are new.
    pub count: usize,
    /// Its pages, in order.
    pub pages: Vec<&'s Lease>,
}

/// What a step is told.
#[derive(Clone, Copy, Debug)]
pub struct Told<'t> {
    /// The numbers of its tokens, strand after strand.
    pub ids: &'t [u32],
    /// Whose they are.
    pub strands: &'t [Strand<'t>],
    /// A cosine and a sine for each pair of each token.
    pub angles: &'t [f32],
    /// Rows that are chosen of the outcome: of a step of few tokens only.
    pub rows: &'t [u32],
    /// What is asked of each of these, or nothing of any.
    pub asks: &'t [Ask<'t>],
    /// What is done with them: steps of the same number are alike.
    pub then: usize,
}

/// Room for orders, and what was brought last.
#[derive(Debug)]
pub struct Orders {
    piece: Piece,
    bytes: Vec<u8>,
    /// Where the last part of it begins.
    begun: usize,
    pub(super) placed: Placed,
}

/// How attention is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Way {
    /// Blocks of sixteen rows.
    #[default]
    Rows,
    /// Each sequence has one token, and warps share the keys.
    Alone,
    /// By matrix units, blocks of 64 rows.
    Units,
}

/// Where things are among the orders: addresses and counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Placed {
    pub(super) tokens: usize,
    pub(super) way: Way,
    pub(super) tokens_at: u64,
    /// Where rows that are chosen stand, in bytes of the piece.
    pub(super) rows_from: u64,
    /// The same of what is asked of them.
    pub(super) asks_from: u64,
    pub(super) angles_at: u64,
    pub(super) pages_at: u64,
    pub(super) shares: usize,
    pub(super) shares_at: u64,
    pub(super) crowds: usize,
    pub(super) crowds_at: u64,
}

impl Orders {
    /// What orders of so many tokens, with so many numbers of angles each and so many pages together, take at most; and rows that are chosen,
    /// with what is asked of them.
    pub fn bytes(tokens: usize, angles: usize, pages: usize) -> u64 {
        let parts = tokens.max(alike(BUSY + FEW)) + BUSY;
        (4 * tokens
            + 4 * FEW
            + ASK_BYTES
            + 16 * tokens
            + 4 * tokens * angles
            + 8 * pages
            + 24 * parts
            + 16 * tokens
            + CHANGE_BYTES
            + 10 * 64) as u64
    }

    /// In this piece.
    pub fn new(piece: Piece) -> Self {
        Self { piece, bytes: Vec::new(), begun: 0, placed: Placed::default() }
    }

    pub(super) const fn piece(&self) -> &Piece {
        &self.piece
    }

    /// Where the numbers of the step's tokens stand.
    pub fn ids(&self) -> (&Piece, u64) {
        (&self.piece, 0)
    }

    /// Brings numbers of rows and what is asked of them, in the place of the tokens' numbers: where both stand.
    pub fn choose(
        &self,
        flow: &Flow,
        rows: &[u32],
        asks: &[Ask<'_>],
    ) -> Result<[(&Piece, u64); 2], TensorError> {
        asks::check(rows.len(), asks)?;
        let mut bytes: Vec<u8> = rows.iter().flat_map(|row| row.to_le_bytes()).collect();
        bytes.resize(4 * FEW, 0);
        let from = bytes.len();
        bytes.resize(from + ASK_BYTES, 0);
        asks::write(&mut bytes, from, asks);
        flow.bring(&self.piece, 0, &bytes)?;
        Ok([(&self.piece, 0), (&self.piece, from as u64)])
    }

    /// Writes them down and brings them.
    pub(super) fn bring(&mut self, flow: &Flow, form: &PageForm, told: &Told<'_>) -> Result<(), TensorError> {
        let Told { ids, strands, angles, rows, asks, .. } = *told;
        let tokens: usize = strands.iter().map(|strand| strand.count).sum();
        // Few tokens have everything at the same places each time, so that what was put together finds it.
        let few = tokens <= FEW;
        if ids.len() != tokens || rows.len() > if few { FEW } else { 0 } {
            let why = format!("{} numbers of {tokens} tokens, and {} rows of them", ids.len(), rows.len());
            return Err(TensorError::shape(WHAT, why));
        }
        asks::check(rows.len(), asks)?;
        let pages = strands.iter().map(|strand| addresses(flow, form, strand));
        let pages: Vec<Vec<u64>> = pages.collect::<Result<_, _>>()?;
        let way = way(form, strands, few);
        let mut placed = Placed { tokens, way, ..Placed::default() };
        let room = |bytes: usize| if few { bytes } else { 0 };
        self.bytes.clear();
        self.begun = 0;
        self.bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
        placed.rows_from = self.begin(room(4 * FEW));
        self.bytes.extend(rows.iter().flat_map(|row| row.to_le_bytes()));
        placed.asks_from = self.begin(room(4 * FEW));
        placed.tokens_at = self.begin(room(ASK_BYTES));
        for (strand, pages) in strands.iter().zip(&pages) {
            for position in strand.begin..strand.begin + strand.count {
                self.bytes.extend_from_slice(&pages[position / form.page_tokens].to_le_bytes());
                self.words(&[position % form.page_tokens, position]);
            }
        }
        placed.angles_at = self.begin(room(16 * FEW));
        self.bytes.extend(angles.iter().flat_map(|angle| angle.to_le_bytes()));
        placed.shares_at = self.begin(room(4 * FEW * (angles.len() / tokens.max(1))));
        let (mut shares, mut crowds) = shared(form, strands, way);
        if few {
            shares.resize(alike(shares.len()), NOBODY);
            crowds.resize(alike(crowds.len()), [0; 4]);
        }
        placed.shares = shares.len();
        self.bytes.extend(shares.iter().flatten().flat_map(|word| word.to_le_bytes()));
        placed.crowds_at = self.begin(room(24 * alike(BUSY + FEW)));
        placed.crowds = crowds.len();
        self.bytes.extend(crowds.iter().flatten().flat_map(|word| word.to_le_bytes()));
        placed.pages_at = self.begin(room(16 * alike(FEW)));
        self.bytes.extend(pages.iter().flatten().flat_map(|page| page.to_le_bytes()));
        asks::write(&mut self.bytes, usize::try_from(placed.asks_from).unwrap_or(0), asks);
        flow.bring(&self.piece, 0, &self.bytes)?;
        let start = self.piece.at(WHAT, 0, 0)?;
        for at in [
            &mut placed.tokens_at,
            &mut placed.angles_at,
            &mut placed.pages_at,
            &mut placed.shares_at,
            &mut placed.crowds_at,
        ] {
            *at += start;
        }
        self.placed = placed;
        Ok(())
    }

    /// Where what comes next begins: behind what is there, and behind what there is room for.
    fn begin(&mut self, room: usize) -> u64 {
        let end = self.bytes.len().max(self.begun + room).next_multiple_of(16);
        self.bytes.resize(end, 0);
        self.begun = end;
        end as u64
    }

    fn words(&mut self, words: &[usize]) {
        let small = |word: &usize| u32::try_from(*word).unwrap_or(u32::MAX);
        self.bytes.extend(words.iter().flat_map(|word| small(word).to_le_bytes()));
    }
}

/// So many, or some more: steps that differ by a few parts are alike.
fn alike(count: usize) -> usize {
    count.next_multiple_of((count.next_power_of_two() / 8).max(1))
}

/// Where a strand's pages are; an error if one is not there, too short, or elsewhere.
fn addresses(flow: &Flow, form: &PageForm, strand: &Strand<'_>) -> Result<Vec<u64>, TensorError> {
    let here = |page: &&&Lease| {
        let device = page.device().is_some_and(|device| Arc::ptr_eq(device, flow.device()));
        device && page.bytes().get() >= form.page_bytes
    };
    let page = |number: usize| match strand.pages.get(number).filter(here) {
        Some(page) => Ok(page.address()),
        None => Err(TensorError::shape(
            WHAT,
            format!("page {number} is not {} bytes of {}", form.page_bytes, flow.device().facts().place),
        )),
    };
    (0..(strand.begin + strand.count).div_ceil(form.page_tokens)).map(page).collect()
}

/// How these strands' attention is computed. Matrix units have it where pages are of 16 bits and heads as wide as there are programs for,
/// unless there are so few blocks that most of a GPU would wait for the longest.
fn way(form: &PageForm, strands: &[Strand<'_>], few: bool) -> Way {
    if few {
        let alone = strands.iter().all(|strand| strand.count == 1);
        return if alone { Way::Alone } else { Way::Rows };
    }
    let each = form.tokens_of_units().max(1);
    let blocks: usize = strands.iter().map(|strand| strand.count.div_ceil(each)).sum();
    let longest = strands.iter().map(|strand| strand.begin + strand.count).max().unwrap_or(0);
    let busy = blocks * form.kv_heads >= BUSY / 4 || longest <= SHORT;
    if form.fits_units() && busy { Way::Units } else { Way::Rows }
}

/// `Share`s and `Crowd`s of `pages.cuh`: blocks of tokens with the keys that they see, in several parts where there are too few blocks
/// to keep a GPU busy.
fn shared(form: &PageForm, strands: &[Strand<'_>], way: Way) -> (Vec<[u32; 6]>, Vec<[u32; 4]>) {
    let small = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
    let (each, least) = match way {
        Way::Rows => (form.tokens_of_a_block(), LEAST),
        Way::Alone => (1, LEAST_ALONE),
        // Such blocks have all keys that they see.
        Way::Units => (form.tokens_of_units(), usize::MAX),
    };
    let blocks: usize = strands.iter().map(|strand| strand.count.div_ceil(each)).sum();
    let wide = form.kv_heads * form.layers_of_heads();
    // How many parts a block's keys are divided into at most.
    let most = (BUSY / (blocks * wide).max(1)).clamp(1, MOST);
    let (mut shares, mut crowds) = (Vec::new(), Vec::new());
    let (mut token, mut table, mut parts) = (0, 0, 0);
    for strand in strands {
        for first in (0..strand.count).step_by(each) {
            let count = each.min(strand.count - first);
            let keys = strand.begin + first + count;
            let pieces = keys.div_ceil(least).clamp(1, most);
            let step = keys.div_ceil(pieces).next_multiple_of(32);
            let pieces = keys.div_ceil(step);
            for piece in 0..pieces {
                let part = if pieces == 1 { NONE } else { small(parts + piece) };
                let (from, to) = (piece * step, keys.min((piece + 1) * step));
                shares.push([small(token + first), small(count), small(table), small(from), small(to), part]);
            }
            if pieces > 1 {
                crowds.push([small(token + first), small(count), small(parts), small(pieces)]);
                parts += pieces;
            }
        }
        token += strand.count;
        table += (strand.begin + strand.count).div_ceil(form.page_tokens);
    }
    (shares, crowds)
}

/// Parts of attention at once, at most.
pub(super) fn parts_at_most(wide: usize) -> usize {
    // Blocks times parts of each is no more than what keeps a GPU busy, or nothing is in parts.
    (BUSY / wide.max(1)).max(MOST)
}
