//! Packed weights as floats.

use plimsoll_device::programs::Argument::{Long, Word};

use super::operand::{Line, address};
use super::place::Gpu;
use super::programs::Program::Unpack;
use crate::compute::Done;
use crate::packed::Packing;
use crate::{PackedTensor, Tensor, TensorError};

/// Numbers of a block of the kinds that are unpacked here.
const BLOCK: u64 = 32;

impl Gpu {
    pub(super) fn unpack_blocks(&self, packed: &PackedTensor, out: &mut Tensor) -> Done {
        const WHAT: &str = "unpacking";
        let four = match packed.packing() {
            Packing::Q8_0 => false,
            Packing::Q4_0 => true,
            _ => {
                let instead = "keep weights as q8_0 or q4_0 there";
                return Err(TensorError::Unsupported { what: WHAT, place: self.place, instead });
            }
        };
        let blocks = out.count() / BLOCK;
        let (from, out) = (address(WHAT, packed.stored())?, Line::of_mut(WHAT, out)?);
        let arguments = [Word(four.into()), Long(blocks), Long(from), out.argument()];
        self.launches.spread(Unpack, "unpack", blocks, &arguments)
    }
}
