//! A decoder on a device, with what is charged there for it and for its pages.

use std::sync::Arc;

use plimsoll::governor::Charge;
use plimsoll::pool::Pool;
use plimsoll::{Bytes, Engine, Place};
use plimsoll_device::Device;
use plimsoll_kv::layout::Layout;
use plimsoll_llm::{Decoder, PageTable, PoolPages};

use super::llm::LlmBenchError;
use crate::Printer;
use crate::backends::Backends;
use crate::budget::{engine, most_of};

const ACCOUNT: &str = "bench";

/// What a decoder that was brought to a device needs there.
pub(super) struct There {
    pool: Pool,
    _weights: Charge,
    _engine: Engine,
}

impl There {
    /// Brings it, in most of what is free.
    pub(super) fn bring(
        decoder: Decoder,
        place: Place,
    ) -> Result<(Arc<Decoder>, Arc<dyn Device>, Self), LlmBenchError> {
        let device = Backends::new(Printer::notice())
            .open(place)
            .map_err(|why| LlmBenchError::Place { place, why: Box::new(why) })?;
        let line = most_of(device.memory()?.free);
        let engine = engine(ACCOUNT, &[(place, line)], vec![Arc::clone(&device)])?;
        let account = engine.account(ACCOUNT)?;
        let weights = account.reserve(place, Bytes::new(decoder.device_bytes())).now()?.back();
        let decoder = Arc::new(decoder.on_device(&device)?);
        let pool = account.scratch(place)?;
        Ok((decoder, device, Self { pool, _weights: weights, _engine: engine }))
    }

    /// Pages of a sequence.
    pub(super) fn pages(&self, layout: &Layout) -> Box<dyn PageTable> {
        Box::new(PoolPages::new(layout, &self.pool))
    }
}
