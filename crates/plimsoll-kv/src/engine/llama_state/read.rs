//! Reading a state where it lies.

use super::error::StateError;
use super::form::Form;
use super::{CELL_BYTES, LAYERS_MAX, MAGIC, STREAMS_MAX};
use crate::layout::Layout;

/// One layer's keys and values.
type Part<'b> = (&'b [u8], &'b [u8]);

/// A state, checked as a whole, whose rows are read where they lie.
#[derive(Clone, Debug)]
pub struct State<'b> {
    form: Form,
    /// The cell of each position.
    cells: Vec<u32>,
    /// Each layer's keys and values.
    parts: Vec<Part<'b>>,
}

impl<'b> State<'b> {
    /// Reads a blob. What does not add up is refused; nothing is believed further than the blob is long.
    pub fn read(blob: &'b [u8]) -> Result<Self, StateError> {
        Self::read_from(blob, 0)
    }

    /// The same of a part of a sequence: its first cell stands at position `first`. Positions of it count from there.
    pub fn read_from(blob: &'b [u8], first: usize) -> Result<Self, StateError> {
        let mut reader = Reader { blob, at: 0 };
        let (sequence, streams) = beginning(&mut reader)?;
        let mut filled = None;
        let mut form = Form {
            sequence,
            streams,
            stream: 0,
            owner: 0,
            transposed: false,
            rotations: None,
            types: (0, 0),
            number_bytes: 0,
            rows: Vec::new(),
        };
        for stream in 0..streams {
            let count = reader.u32("a count of cells")?;
            if count == 0 {
                continue;
            }
            if filled.is_some() {
                return Err(StateError::Streams);
            }
            form.stream = stream;
            let (cells, owner) = cells(&mut reader, count, first)?;
            form.owner = owner;
            let parts = layers(&mut reader, count as usize, &mut form)?;
            filled = Some((cells, parts));
        }
        if reader.left() > 0 {
            return Err(StateError::Trailing { bytes: reader.left() });
        }
        let (cells, parts) = filled.unwrap_or_default();
        Ok(Self { form, cells, parts })
    }

    /// How many tokens it has.
    pub fn tokens(&self) -> usize {
        self.cells.len()
    }

    /// What it says besides its rows. A state without tokens says nothing of its layers.
    pub const fn form(&self) -> &Form {
        &self.form
    }

    /// The form of its blocks, of so many tokens each.
    pub fn layout(&self, block_tokens: u32) -> Layout {
        self.form.layout(block_tokens)
    }

    /// Copies one whole block out, in its native form.
    pub fn block(&self, layout: &Layout, index: usize, into: &mut [u8]) -> Result<(), StateError> {
        self.form.check(layout)?;
        if into.len() != layout.block_bytes() {
            let (found, wanted) = (into.len(), layout.block_bytes());
            return Err(StateError::Length { what: "the room for a block", found, wanted });
        }
        let tokens = layout.block_tokens as usize;
        let first = index.checked_mul(tokens);
        let cells = first.and_then(|first| self.cells.get(first..first.checked_add(tokens)?));
        let cells = cells.ok_or(StateError::Block { index, tokens: self.tokens() })?;
        let mut rest = into;
        for ((keys, values), (key_row, value_row)) in self.parts.iter().zip(&self.form.rows) {
            let (into_keys, after) = rest.split_at_mut(*key_row as usize * tokens);
            let (into_values, after) = after.split_at_mut(*value_row as usize * tokens);
            rest = after;
            rows(keys, *key_row as usize, cells, into_keys);
            if self.form.transposed {
                columns(values, self.form.number_bytes as usize, self.tokens(), cells, into_values);
            } else {
                rows(values, *value_row as usize, cells, into_values);
            }
        }
        Ok(())
    }
}

impl Form {
    /// Refuses a layout that is not this form's.
    pub(super) fn check(&self, layout: &Layout) -> Result<(), StateError> {
        let wanted = self.layout(layout.block_tokens);
        if wanted == *layout {
            return Ok(());
        }
        Err(StateError::Layout { found: layout.describe(), wanted: wanted.describe() })
    }
}

/// Copies the rows of some cells.
fn rows(from: &[u8], row: usize, cells: &[u32], into: &mut [u8]) {
    if row == 0 {
        return;
    }
    // Cells that follow each other, as nearly all do, are one copy.
    let mut at = 0;
    while let Some(first) = cells.get(at) {
        let run = cells[at..].iter().zip(*first..).take_while(|(cell, next)| **cell == *next).count();
        let first = *first as usize;
        into[at * row..(at + run) * row].copy_from_slice(&from[first * row..(first + run) * row]);
        at += run;
    }
}

/// Copies the columns of some cells, as rows.
fn columns(from: &[u8], number: usize, total: usize, cells: &[u32], into: &mut [u8]) {
    if into.is_empty() {
        return;
    }
    let row = into.len() / cells.len();
    for (column, from) in from.chunks_exact(number * total).enumerate() {
        for (cell, into) in cells.iter().zip(into.chunks_exact_mut(row)) {
            let from = &from[*cell as usize * number..][..number];
            into[column * number..][..number].copy_from_slice(from);
        }
    }
}

/// The sequence's number, if it is there, and how many streams there are.
fn beginning(reader: &mut Reader<'_>) -> Result<(Option<i32>, u32), StateError> {
    let first = reader.u32("the beginning")?;
    let (sequence, streams) = if first == MAGIC {
        (Some(reader.i32("the sequence's number")?), reader.u32("the number of streams")?)
    } else {
        (None, first)
    };
    if (1..=STREAMS_MAX).contains(&streams) {
        return Ok((sequence, streams));
    }
    Err(StateError::Foreign { what: "the number of streams", found: streams.into(), at: reader.at - 4 })
}

/// The cell of each position, and the sequence that they belong to.
fn cells(reader: &mut Reader<'_>, count: u32, first: usize) -> Result<(Vec<u32>, i32), StateError> {
    let heads = reader.bytes("the cells", u64::from(count) * CELL_BYTES as u64)?;
    let started = reader.at - heads.len();
    let mut cells = vec![u32::MAX; count as usize];
    let mut owner = 0;
    for ((index, head), cell) in heads.chunks_exact(CELL_BYTES).enumerate().zip(0..count) {
        let field = |at: usize| [head[at], head[at + 1], head[at + 2], head[at + 3]];
        let sequences = u32::from_le_bytes(field(4));
        if sequences != 1 {
            let at = started + index * CELL_BYTES + 4;
            return Err(StateError::Foreign {
                what: "a cell's number of sequences",
                found: sequences.into(),
                at,
            });
        }
        owner = i32::from_le_bytes(field(8));
        // A position outside of them, or one that stands twice, leaves another without a cell.
        let position = usize::try_from(i32::from_le_bytes(field(0))).ok();
        let place = position.and_then(|position| position.checked_sub(first));
        if let Some(place) = place.and_then(|place| cells.get_mut(place)) {
            *place = cell;
        }
    }
    match cells.iter().position(|cell| *cell == u32::MAX) {
        None => Ok((cells, owner)),
        Some(position) => Err(StateError::Gap { position, cells: count as usize }),
    }
}

/// Each layer's keys and values; what is known of them goes into the form.
fn layers<'b>(reader: &mut Reader<'b>, cells: usize, form: &mut Form) -> Result<Vec<Part<'b>>, StateError> {
    let transposed = reader.u32("whether values are transposed")?;
    if transposed > 1 {
        let at = reader.at - 4;
        return Err(StateError::Foreign {
            what: "whether values are transposed",
            found: transposed.into(),
            at,
        });
    }
    form.transposed = transposed == 1;
    let count = reader.u32("the number of layers")?;
    if !(1..=LAYERS_MAX).contains(&count) {
        let at = reader.at - 4;
        return Err(StateError::Foreign { what: "the number of layers", found: count.into(), at });
    }
    if reader.tells_rotations() {
        form.rotations = Some((reader.u32("the keys' rotation")?, reader.u32("the values' rotation")?));
    }
    let mut keys = Vec::new();
    for layer in 0..count as usize {
        let (kind, row, bytes) = reader.part("a layer's keys", cells)?;
        if layer == 0 {
            form.types = (kind, kind);
        }
        same(layer, (kind, form.types.1), form.types)?;
        keys.push((row, bytes));
    }
    // Models that keep one vector for both have no values at all. Of a state that ends here nobody can tell whether it
    // was cut: its length is what the engine said it was.
    let without = reader.left() == 0 || form.streams > 1 && reader.only_zeros();
    let mut parts = Vec::new();
    for (layer, (key_row, keys)) in keys.into_iter().enumerate() {
        if without {
            form.rows.push((key_row, 0));
            parts.push((keys, [].as_slice()));
            continue;
        }
        let (kind, row, values) = if form.transposed {
            let (kind, number, row, bytes) = reader.turned("a layer's values", cells)?;
            if layer == 0 {
                form.number_bytes = number;
            }
            if number != form.number_bytes {
                let (what, at) = ("the size of a layer's numbers", reader.at - bytes.len() - 8);
                return Err(StateError::Foreign { what, found: number.into(), at });
            }
            (kind, row, bytes)
        } else {
            reader.part("a layer's values", cells)?
        };
        if layer == 0 {
            form.types.1 = kind;
        }
        same(layer, (form.types.0, kind), form.types)?;
        form.rows.push((key_row, row));
        parts.push((keys, values));
    }
    Ok(parts)
}

fn same(layer: usize, found: (i32, i32), first: (i32, i32)) -> Result<(), StateError> {
    if found == first { Ok(()) } else { Err(StateError::Types { layer, found, first }) }
}

struct Reader<'b> {
    blob: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    const fn left(&self) -> usize {
        self.blob.len() - self.at
    }

    /// Whether the rest says only that streams have no cells.
    fn only_zeros(&self) -> bool {
        self.blob[self.at..].iter().all(|byte| *byte == 0)
    }

    /// Whether two rotations stand before the first layer, as newer versions write them: then no row's size stands where
    /// older ones have it, and one stands behind them.
    fn tells_rotations(&self) -> bool {
        let row = |at: usize| -> Option<u64> {
            let bytes = self.blob.get(self.at + at..self.at + at + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
                .filter(|row| (1..=u64::from(u32::MAX)).contains(row))
        };
        row(4).is_none() && row(12).is_some()
    }

    fn bytes(&mut self, what: &'static str, count: u64) -> Result<&'b [u8], StateError> {
        let wanted = (self.at as u64).saturating_add(count);
        let found = usize::try_from(wanted).ok().and_then(|end| self.blob.get(self.at..end));
        let found = found.ok_or(StateError::CutShort { what, wanted, len: self.blob.len() })?;
        self.at += found.len();
        Ok(found)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], StateError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(what, N as u64)?);
        Ok(array)
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, StateError> {
        self.array(what).map(u32::from_le_bytes)
    }

    fn i32(&mut self, what: &'static str) -> Result<i32, StateError> {
        self.array(what).map(i32::from_le_bytes)
    }

    /// A type, the bytes of a row, and the rows of all cells.
    fn part(&mut self, what: &'static str, cells: usize) -> Result<(i32, u32, &'b [u8]), StateError> {
        let kind = self.i32(what)?;
        let row = u64::from_le_bytes(self.array(what)?);
        let Some(short) = u32::try_from(row).ok().filter(|row| *row > 0) else {
            return Err(StateError::Foreign {
                what: "the size of a layer's row",
                found: row,
                at: self.at - 8,
            });
        };
        let bytes = self.bytes(what, row.saturating_mul(cells as u64))?;
        Ok((kind, short, bytes))
    }

    /// A type, the bytes of a number and of a row, and the columns of all cells.
    fn turned(&mut self, what: &'static str, cells: usize) -> Result<(i32, u32, u32, &'b [u8]), StateError> {
        let kind = self.i32(what)?;
        let number = self.u32(what)?;
        let count = self.u32(what)?;
        let Some(row) = number.checked_mul(count).filter(|row| *row > 0) else {
            let found = u64::from(number) * u64::from(count);
            return Err(StateError::Foreign { what: "the size of a layer's row", found, at: self.at - 8 });
        };
        let bytes = self.bytes(what, u64::from(row).saturating_mul(cells as u64))?;
        Ok((kind, number, row, bytes))
    }
}
