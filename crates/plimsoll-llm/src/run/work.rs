//! What a sequence needs besides weights and pages.

use plimsoll_kv::layout::Layout;

use super::sequence::SIDE_BY_SIDE;
use crate::Decoder;

impl Decoder {
    /// What the steps of one sequence over such pages take at most: rows for the tokens that are computed side by side, a
    /// page as singles, and the logits three times: as they come, as they are changed before drawing, and as candidates.
    pub fn working_bytes(&self, layout: &Layout) -> u64 {
        let shape = self.shape();
        let (queries, keys) = (shape.heads * shape.key_width, shape.kv_heads * shape.key_width);
        let (mixed, values) = (shape.heads * shape.value_width, shape.kv_heads * shape.value_width);
        let widest = shape.width.max(shape.inner).max(mixed);
        // Inputs are kept as singles and, rounded, in sixteen bits.
        let row = 4 * (2 * shape.width + queries + keys + values + 2 * shape.inner)
            + 4 * shape.rope_width
            + 8 * shape.heads
            + widest * 6
            + widest / 8;
        let page = 4 * layout.block_tokens as usize * (keys + values + 1);
        let logits = shape.vocabulary * (4 + 4 + 8);
        let layers = shape.layers * 4 * (2 * shape.width + queries + keys + values);
        // A row of weights, and what is small.
        (SIDE_BY_SIDE * row + page + logits + layers + 6 * widest + (64 << 10)) as u64
    }
}
