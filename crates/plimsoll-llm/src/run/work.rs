//! What a sequence needs besides weights and pages, and what is needed of a device.

use plimsoll_kv::layout::Layout;
use plimsoll_tensor::packed::Desk;

use super::device;
use super::host::{SIDE_BY_SIDE, TOGETHER};
use crate::Decoder;
use crate::weights::{DeviceFloor, DeviceRoom, DeviceSplit, OnDevice, SIDE_BY_SIDE as SIDE_THERE, Weighed};

impl Decoder {
    /// What the steps of one sequence, or of one batch, over such pages take on a device: one room for all of it.
    pub fn device_working_bytes(&self, layout: &Layout) -> u64 {
        let side_by_side = self.device_split().map_or(SIDE_THERE, |split| split.side_by_side);
        device::working_bytes(self, layout, side_by_side)
    }

    /// What the weights take there, all of them.
    pub fn device_bytes(&self) -> u64 {
        OnDevice::bytes_of(self)
    }

    /// How it is divided so that it fits there: all of it on the device if there is room for that, and otherwise with as few layers coming
    /// from page-locked memory as may be. See [`Decoder::on_device_split`].
    pub fn split_within(&self, layout: &Layout, room: &DeviceRoom) -> Result<DeviceSplit, DeviceFloor> {
        let (fixed, layers) = OnDevice::parts_of(self);
        let working = |side_by_side| device::working_bytes(self, layout, side_by_side);
        Weighed { fixed, layers: &layers, working: &working }.within(room)
    }

    /// What the steps of one sequence over such pages take at most: rows for the tokens that are computed side by side, the
    /// desk of products, a page of one head as singles for each thread, and the logits three times: as they come, as they
    /// are changed before drawing, and as candidates.
    pub fn working_bytes(&self, layout: &Layout) -> u64 {
        let (shape, threads) = (self.shape(), self.crew().threads());
        let (queries, keys) = (shape.heads * shape.key_width, shape.kv_heads * shape.key_width);
        let (mixed, values) = (shape.heads * shape.value_width, shape.kv_heads * shape.value_width);
        let widest = shape.width.max(shape.inner).max(mixed);
        let flows = 2 * shape.width + widest + queries + keys + values + mixed + 2 * shape.inner;
        let row = 4 * (flows + shape.rope_width);
        let group = shape.heads / shape.kv_heads;
        let head = shape.key_width + shape.value_width + TOGETHER * group;
        let running = 4 * (layout.block_tokens as usize * head + TOGETHER * group * (shape.value_width + 2));
        let logits = shape.vocabulary * (4 + 4 + 8);
        let layers = shape.layers * 4 * (2 * shape.width + queries + keys + values);
        let desk = Desk::bytes(threads, widest, SIDE_BY_SIDE);
        // The lower factors' products of an adapter, and a matrix's changes.
        let changes = self.adapter().map_or(0, |adapter| {
            SIDE_BY_SIDE * 4 * (3 * adapter.rank() + widest.max(queries).max(keys).max(values))
        });
        // And what is small.
        (SIDE_BY_SIDE * row + threads * running + logits + layers + desk + changes + (64 << 10)) as u64
    }
}
