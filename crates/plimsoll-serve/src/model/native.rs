//! A model that the decoder of `plimsoll-llm` computes.

use std::sync::Arc;

use plimsoll::{Bytes, Place};
use plimsoll_kv::block::Root;
use plimsoll_kv::layout::Element;
use plimsoll_llm::Decoder;
use plimsoll_llm::text::Tokenizer;

use super::loaded::{LEASE_STEP, Loaded, PAGE_TOKENS, Terms};
use super::{ModelFault, ModelSource};
use crate::batch::Worker;
use crate::engine::{Facts, Native};
use crate::house::{House, There};

/// What a model takes, from its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Where it is computed.
    pub(super) place: Place,
    /// What it takes there: weights, and what steps work with.
    pub(super) bytes: Bytes,
    /// What it takes of the host besides, where it is computed elsewhere.
    pub(super) beside: Bytes,
}

impl Plan {
    /// On the device that computes, while there is one that answers; on the host otherwise.
    pub(super) fn of(source: &ModelSource, house: &House, terms: &Terms) -> Result<Self, ModelFault> {
        let decoder = source.decoder()?;
        let tokenizer = source.tokenizer(&decoder)?;
        Ok(Self::at(house.there(), &decoder, &tokenizer, terms))
    }

    fn at(there: Option<&There>, decoder: &Decoder, tokenizer: &Tokenizer, terms: &Terms) -> Self {
        let layout = decoder.layout(PAGE_TOKENS, Element::F16);
        // The logits of each sequence: as they come, twice on their way, as they are drawn from, and as candidates. Of a device no more
        // than one row comes at a time, and only where its own lots are not enough.
        let logits = 32 * (terms.batch.sequences.saturating_mul(decoder.shape().vocabulary) as u64);
        let text = tokenizer.memory_bytes().saturating_add(logits);
        // Work is counted once for the sequences, and once for what is embedded beside them.
        let Some(there) = there else {
            let parts = [decoder.bytes(), 2 * decoder.working_bytes(&layout), text];
            let bytes = Bytes::new(parts.into_iter().fold(0, u64::saturating_add));
            return Self { place: Place::Host, bytes, beside: Bytes::ZERO };
        };
        let granule = there.device().facts().granule.max(1);
        let whole = |bytes: u64| bytes.checked_next_multiple_of(granule).unwrap_or(u64::MAX);
        let work = whole(decoder.device_working_bytes(&layout));
        let bytes = whole(decoder.device_bytes()).saturating_add(2 * work);
        let beside = Bytes::new(text.saturating_add(decoder.adapter_bytes()));
        Self { place: there.place(), bytes: Bytes::new(bytes), beside }
    }
}

pub(super) fn load(
    plan: Plan,
    source: &ModelSource,
    slug: &str,
    house: &House,
    terms: &Terms,
) -> Result<Loaded, ModelFault> {
    let setup = |error: &dyn std::error::Error| ModelFault::Setup(error.to_string());
    let beside = if plan.place == Place::Host {
        None
    } else {
        let account = house.engine().account(&format!("models/{slug}")).map_err(|error| setup(&error))?;
        let room = account.reserve(Place::Host, plan.beside).now();
        Some(room.map_err(|error| setup(&error))?.back())
    };
    let decoder = source.decoder()?;
    let tokenizer = Arc::new(source.tokenizer(&decoder)?);
    let chat = source.chat(&decoder, &tokenizer)?;
    let decoder = match house.there().filter(|there| there.place() == plan.place) {
        Some(there) => decoder.on_device(there.device())?,
        None if plan.place == Place::Host => decoder,
        None => return Err(ModelFault::Lost { place: plan.place }),
    };
    let decoder = Arc::new(decoder);
    let first = tokenizer.first().or(decoder.shape().first_token);
    let layout = decoder.layout(PAGE_TOKENS, Element::F16);
    // Only a folder outlives the process, and only there can blocks of another model be met: elsewhere the model's
    // file need not be read for its fingerprint.
    let root = if house.keeps() { decoder.root(&layout) } else { Root::of(slug.as_bytes(), &layout) };
    let page_bytes = Bytes::new((layout.block_bytes() as u64).next_multiple_of(LEASE_STEP));
    let facts = Facts {
        context: decoder.shape().context,
        vocabulary: decoder.shape().vocabulary,
        page_tokens: PAGE_TOKENS as usize,
        page_bytes,
        pass_tokens: decoder.pass_tokens(),
    };
    let cache = house.cache(slug, layout, plan.place).map_err(|error| setup(&error))?;
    let engine = Arc::new(Native::new(decoder, cache, root.build(), facts));
    let worker = Worker::start(engine, slug, terms.batch).map_err(|error| setup(&error))?;
    let bytes = plan.bytes;
    let worker = Box::new(worker);
    Ok(Loaded { tokenizer, chat, first, worker, bytes, cells: None, allocated: None, _beside: beside })
}
