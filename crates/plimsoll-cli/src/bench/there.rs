//! A decoder on a device, with what is charged there for it and for its pages.

use std::sync::Arc;

use plimsoll::governor::Charge;
use plimsoll::pool::Pool;
use plimsoll::{Bytes, Engine, Place};
use plimsoll_device::Device;
use plimsoll_kv::layout::Layout;
use plimsoll_llm::{Decoder, DeviceSplit, PageTable, PoolPages};

use super::llm::LlmBenchError;
use crate::Printer;
use crate::backends::Backends;
use crate::budget::{engine, most_of};

const ACCOUNT: &str = "bench";

/// What a decoder that was brought to a device needs there.
pub(super) struct There {
    pool: Pool,
    _weights: Vec<Charge>,
    _engine: Engine,
}

/// A decoder, where it is, and what it needs there.
pub(super) type Brought = (Arc<Decoder>, Arc<dyn Device>, There);

impl There {
    /// Brings it, in most of what is free.
    pub(super) fn bring(decoder: Decoder, place: Place) -> Result<Brought, LlmBenchError> {
        let device = Backends::new(Printer::notice())
            .open(place)
            .map_err(|why| LlmBenchError::Place { place, why: Box::new(why) })?;
        let line = most_of(device.memory()?.free);
        let engine = engine(ACCOUNT, &[(place, line)], vec![Arc::clone(&device)])?;
        let account = engine.account(ACCOUNT)?;
        let weights = account.reserve(place, Bytes::new(decoder.device_bytes())).now()?.back();
        let decoder = Arc::new(decoder.on_device(&device)?);
        let pool = account.scratch(place)?;
        Ok((decoder, device, Self { pool, _weights: vec![weights], _engine: engine }))
    }

    /// Divides it between a device and page-locked memory, in most of what the device has free.
    pub(super) fn divide(
        decoder: Decoder,
        (device, pinned): (&Arc<dyn Device>, &Arc<dyn Device>),
        split: &DeviceSplit,
    ) -> Result<(Arc<Decoder>, Self), LlmBenchError> {
        let place = device.facts().place;
        let away = Bytes::new(split.pinned_bytes);
        let mut shares = vec![(place, most_of(device.memory()?.free))];
        let mut devices = vec![Arc::clone(device)];
        if !away.is_zero() {
            shares.push((Place::Pinned, away));
            devices.push(Arc::clone(pinned));
        }
        let engine = engine(ACCOUNT, &shares, devices)?;
        let account = engine.account(ACCOUNT)?;
        let mut weights = vec![account.reserve(place, Bytes::new(split.bytes(1))).now()?.back()];
        if !away.is_zero() {
            weights.push(account.reserve(Place::Pinned, away).now()?.back());
        }
        let decoder = Arc::new(decoder.on_device_split(device, Some(pinned), split)?);
        let pool = account.scratch(place)?;
        Ok((decoder, Self { pool, _weights: weights, _engine: engine }))
    }

    /// Pages of a sequence.
    pub(super) fn pages(&self, layout: &Layout) -> Box<dyn PageTable> {
        Box::new(PoolPages::new(layout, &self.pool))
    }
}
