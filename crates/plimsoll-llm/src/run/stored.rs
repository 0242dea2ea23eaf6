//! How the numbers of pages are stored.

use plimsoll_kv::layout::Element;
use plimsoll_tensor::half::{to_bf16, to_f16};
use plimsoll_tensor::packed::Packing;

/// How the numbers of pages are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored(Packing);

impl Stored {
    /// For an element that can be computed with.
    pub(super) fn of(element: Element) -> Option<Self> {
        match element {
            Element::F32 => Some(Self(Packing::F32)),
            Element::F16 => Some(Self(Packing::F16)),
            Element::Bf16 => Some(Self(Packing::Bf16)),
            Element::Opaque => None,
        }
    }

    /// Writes a row.
    pub(super) fn encode(self, row: &[f32], into: &mut [u8]) {
        match self.0 {
            Packing::F16 => {
                for (two, number) in into.chunks_exact_mut(2).zip(row) {
                    two.copy_from_slice(&to_f16(*number).to_le_bytes());
                }
            }
            Packing::Bf16 => {
                for (two, number) in into.chunks_exact_mut(2).zip(row) {
                    two.copy_from_slice(&to_bf16(*number).to_le_bytes());
                }
            }
            _ => {
                for (four, number) in into.chunks_exact_mut(4).zip(row) {
                    four.copy_from_slice(&number.to_le_bytes());
                }
            }
        }
    }

    /// As what products know.
    pub(super) const fn packing(self) -> Packing {
        self.0
    }
}
