//! Static plans.
use plimsoll::Bytes;

/// A buffer.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    pub lower: u64,
    pub upper: u64,
    pub size: Bytes,
    pub align: Bytes,
}
impl Buffer {
    pub const fn new(lower: u64, upper: u64, size: Bytes) -> Self {
        Self { lower, upper, size, align: Bytes::new(1) }
    }
    pub const fn aligned(self, align: Bytes) -> Self {
        Self { align, ..self }
    }
}
pub struct Packed {
    pub offsets: Vec<Bytes>,
    pub height: Bytes,
    pub bound: Bytes,
}
pub fn pack_least(buffers: &[Buffer]) -> Packed {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse((buffers[*i].size, buffers[*i].upper - buffers[*i].lower)));
    let mut offsets = vec![u64::MAX; buffers.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut height = 0;
    for i in order {
        let b = buffers[i];
        let mut live: Vec<(u64, u64)> = placed
            .iter()
            .filter(|j| buffers[**j].lower < b.upper && b.lower < buffers[**j].upper)
            .map(|j| (offsets[*j], offsets[*j] + buffers[*j].size.get()))
            .collect();
        live.sort_unstable();
        let mut at = 0_u64;
        for (from, to) in live {
            if at + b.size.get() <= from {
                break;
            }
            at = at.max(to.next_multiple_of(b.align.get()));
        }
        offsets[i] = at;
        height = height.max(at + b.size.get());
        placed.push(i);
    }
    Packed {
        offsets: offsets.into_iter().map(Bytes::new).collect(),
        height: Bytes::new(height),
        bound: Bytes::ZERO,
    }
}
