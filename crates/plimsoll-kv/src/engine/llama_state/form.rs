//! What a state says besides its rows.

use crate::layout::{Element, Layer, Layout, Reach};

/// llama.cpp's numbers of the types that are computed with as they are.
const TYPES: [(i32, Element); 3] = [(0, Element::F32), (1, Element::F16), (30, Element::Bf16)];

/// What a state says besides its rows: the same for every sequence of a context, its number apart, so it may be kept once
/// and used to write the blocks of any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The number of the sequence, with which current versions begin; none in older ones.
    pub(super) sequence: Option<i32>,
    /// How many streams of cells the context has.
    pub(super) streams: u32,
    /// Which of them has the cells.
    pub(super) stream: u32,
    /// The sequence that the cells belong to; whoever takes the state puts another in its place.
    pub(super) owner: i32,
    /// Whether values are transposed: number after number rather than cell after cell.
    pub(super) transposed: bool,
    /// How keys and values are rotated before they are quantized, where the version says so.
    pub(super) rotations: Option<(u32, u32)>,
    /// The numbers of the types of keys and values.
    pub(super) types: (i32, i32),
    /// Bytes of a number of the values, where they are transposed.
    pub(super) number_bytes: u32,
    /// Bytes of a cell's keys and values, for each layer. No values (zero) in any layer, or in all.
    pub(super) rows: Vec<(u32, u32)>,
}

impl Form {
    /// llama.cpp's numbers of the types of keys and values: 1 for `f16`, 8 for `q8_0`.
    pub const fn types(&self) -> (i32, i32) {
        self.types
    }

    /// Whether values are transposed: flash attention is off.
    pub const fn is_transposed(&self) -> bool {
        self.transposed
    }

    /// The form of blocks of so many tokens. Numbers keep their type where keys and values are of one that is known; else
    /// they are bytes that only the engine understands.
    pub fn layout(&self, block_tokens: u32) -> Layout {
        let has_values = self.rows.iter().any(|(_, values)| *values > 0);
        let width = |element: Element| u32::try_from(element.width()).unwrap_or(1);
        let known = TYPES.iter().find(|(number, element)| {
            let whole =
                self.rows.iter().all(|row| row.0 % width(*element) == 0 && row.1 % width(*element) == 0);
            *number == self.types.0 && (*number == self.types.1 || !has_values) && whole
        });
        let element = known.map_or(Element::Opaque, |(_, element)| *element);
        let layer = |(keys, values): &(u32, u32)| Layer {
            reach: Reach::All,
            keys: keys / width(element),
            values: values / width(element),
        };
        let layers = self.rows.iter().map(layer).collect();
        Layout { block_tokens: block_tokens.max(1), element, layers, snapshot_bytes: 0 }
    }

    /// Bytes of a state of so many tokens.
    pub fn bytes(&self, tokens: usize) -> usize {
        let rows = |row: &(u32, u32)| (row.0 as usize).saturating_add(row.1 as usize);
        let row = self.rows.iter().map(rows).fold(0, usize::saturating_add);
        // A type and a length for keys and as much for values, which with transposed ones are two lengths.
        let with_values = self.rows.iter().filter(|(_, values)| *values > 0).count();
        let heads = 12_usize.saturating_mul(self.rows.len().saturating_add(with_values));
        let start = if self.sequence.is_some() { 8 } else { 0 };
        let streams = (self.streams as usize).saturating_mul(4).saturating_add(4);
        if tokens == 0 {
            return streams.saturating_add(start);
        }
        let cells = tokens.saturating_mul(row.saturating_add(super::CELL_BYTES));
        let rotations = if self.rotations.is_some() { 8 } else { 0 };
        [start, streams, 8, rotations, heads, cells].into_iter().fold(0, usize::saturating_add)
    }
}
