//! Writing blocks as a state.

use super::error::StateError;
use super::form::Form;
use super::{CELL_BYTES, MAGIC};
use crate::layout::Layout;

impl Form {
    /// The first so many tokens of some blocks as a state: a prefix is a state as good as the whole.
    pub fn join(&self, layout: &Layout, blocks: &[&[u8]], tokens: usize) -> Result<Vec<u8>, StateError> {
        self.agree(layout, blocks, tokens)?;
        let mut blob = vec![0; self.bytes(tokens)];
        self.join_into(layout, blocks, tokens, &mut blob)?;
        Ok(blob)
    }

    /// The same into memory that is there already, of [`bytes`](Self::bytes).
    pub fn join_into(
        &self,
        layout: &Layout,
        blocks: &[&[u8]],
        tokens: usize,
        into: &mut [u8],
    ) -> Result<(), StateError> {
        self.join_from(layout, blocks, 0, tokens, into)
    }

    /// The same of tokens from the middle of a sequence: the first of these blocks begins at position `first`.
    pub fn join_from(
        &self,
        layout: &Layout,
        blocks: &[&[u8]],
        first: usize,
        tokens: usize,
        into: &mut [u8],
    ) -> Result<(), StateError> {
        self.agree(layout, blocks, tokens)?;
        let block_tokens = layout.block_tokens as usize;
        let (found, wanted) = (into.len(), self.bytes(tokens));
        if found != wanted {
            return Err(StateError::Length { what: "the room for the state", found, wanted });
        }
        let mut writer = Writer { rest: into };
        self.begin(first, tokens, &mut writer);
        if tokens > 0 {
            writer.put(&u32::from(self.transposed).to_le_bytes());
            writer.put(&u32::try_from(self.rows.len()).unwrap_or(u32::MAX).to_le_bytes());
            if let Some((keys, values)) = self.rotations {
                writer.put(&keys.to_le_bytes());
                writer.put(&values.to_le_bytes());
            }
            let held = |index: usize| block_tokens.min(tokens.saturating_sub(index * block_tokens));
            self.keys(layout, blocks, &held, &mut writer);
            self.values(layout, blocks, &held, tokens, &mut writer);
        }
        for _ in self.stream.saturating_add(1)..self.streams {
            writer.put(&[0; 4]);
        }
        debug_assert!(writer.rest.is_empty(), "a state is as long as it was said to be");
        Ok(())
    }

    /// Refuses blocks that are of another form, or too few.
    fn agree(&self, layout: &Layout, blocks: &[&[u8]], tokens: usize) -> Result<(), StateError> {
        self.check(layout)?;
        let block_tokens = layout.block_tokens as usize;
        if tokens.div_ceil(block_tokens) > blocks.len() || i32::try_from(tokens).is_err() {
            return Err(StateError::Tokens { tokens, blocks: blocks.len() });
        }
        for block in blocks {
            let (found, wanted) = (block.len(), layout.block_bytes());
            if found != wanted {
                return Err(StateError::Length { what: "a block", found, wanted });
            }
        }
        Ok(())
    }

    /// All before the layers.
    fn begin(&self, first: usize, tokens: usize, writer: &mut Writer<'_>) {
        if let Some(sequence) = self.sequence {
            writer.put(&MAGIC.to_le_bytes());
            writer.put(&sequence.to_le_bytes());
        }
        writer.put(&self.streams.to_le_bytes());
        for _ in 0..self.stream {
            writer.put(&[0; 4]);
        }
        writer.put(&u32::try_from(tokens).unwrap_or(u32::MAX).to_le_bytes());
        for position in first..first.saturating_add(tokens) {
            let mut cell = [0; CELL_BYTES];
            cell[..4].copy_from_slice(&i32::try_from(position).unwrap_or(i32::MAX).to_le_bytes());
            cell[4] = 1;
            cell[8..].copy_from_slice(&self.owner.to_le_bytes());
            writer.put(&cell);
        }
    }

    fn keys(
        &self,
        layout: &Layout,
        blocks: &[&[u8]],
        held: &dyn Fn(usize) -> usize,
        writer: &mut Writer<'_>,
    ) {
        for (layer, (row, _)) in self.rows.iter().enumerate() {
            writer.put(&self.types.0.to_le_bytes());
            writer.put(&u64::from(*row).to_le_bytes());
            let from = layout.span(layer..layer + 1).start;
            for (index, block) in blocks.iter().enumerate() {
                writer.put(&block[from..][..held(index) * *row as usize]);
            }
        }
    }

    fn values(
        &self,
        layout: &Layout,
        blocks: &[&[u8]],
        held: &dyn Fn(usize) -> usize,
        tokens: usize,
        writer: &mut Writer<'_>,
    ) {
        for (layer, (_, row)) in self.rows.iter().enumerate() {
            if *row == 0 {
                continue;
            }
            let from = layout.span(layer..layer + 1).start + layout.key_bytes(layer);
            writer.put(&self.types.1.to_le_bytes());
            let row_bytes = *row as usize;
            if !self.transposed {
                writer.put(&u64::from(*row).to_le_bytes());
                for (index, block) in blocks.iter().enumerate() {
                    writer.put(&block[from..][..held(index) * row_bytes]);
                }
                continue;
            }
            let number = self.number_bytes as usize;
            writer.put(&self.number_bytes.to_le_bytes());
            writer.put(&(*row / self.number_bytes.max(1)).to_le_bytes());
            let into = writer.take(row_bytes * tokens);
            let mut token = 0;
            for (index, block) in blocks.iter().enumerate() {
                for row in block[from..][..held(index) * row_bytes].chunks_exact(row_bytes) {
                    for (column, bytes) in row.chunks_exact(number).enumerate() {
                        into[(column * tokens + token) * number..][..number].copy_from_slice(bytes);
                    }
                    token += 1;
                }
            }
        }
    }
}

/// Writes one thing after another into room that was measured.
struct Writer<'i> {
    rest: &'i mut [u8],
}

impl<'i> Writer<'i> {
    fn take(&mut self, count: usize) -> &'i mut [u8] {
        let (taken, rest) = std::mem::take(&mut self.rest).split_at_mut(count);
        self.rest = rest;
        taken
    }

    fn put(&mut self, bytes: &[u8]) {
        self.take(bytes.len()).copy_from_slice(bytes);
    }
}
