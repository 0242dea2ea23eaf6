//! A model that the decoder of `plimsoll-llm` computes.

use std::sync::Arc;

use plimsoll::governor::Refusal;
use plimsoll::{Bytes, Place};
use plimsoll_kv::block::Root;
use plimsoll_kv::layout::Element;
use plimsoll_llm::text::Tokenizer;
use plimsoll_llm::{Decoder, DeviceFloor, DeviceRoom, DeviceSplit};

use super::loaded::{LEASE_STEP, Loaded, PAGE_TOKENS, Terms};
use super::{EngineChoice, ModelFault, ModelSource};
use crate::batch::Worker;
use crate::engine::{Facts, Native};
use crate::house::{House, There};

/// Sequences that are stepped together, and what is embedded beside them: each works with a room of its own.
const WORKINGS: u64 = 2;

/// What a model takes, from its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Where it is computed.
    pub(super) place: Place,
    /// What it takes there: weights, and what steps work with.
    pub(super) bytes: Bytes,
    /// What it takes of the host besides, where it is computed elsewhere.
    pub(super) beside: Bytes,
    /// How it is divided between a device and page-locked memory, where a device computes.
    pub(super) split: Option<DeviceSplit>,
}

impl Plan {
    /// On the device that computes, while there is one that answers; on the host otherwise.
    pub(super) fn of(source: &ModelSource, house: &House, terms: &Terms) -> Result<Self, ModelFault> {
        let decoder = source.decoder()?;
        let tokenizer = source.tokenizer(&decoder)?;
        Self::at(house.there(), &source.name, &decoder, &tokenizer, terms)
    }

    fn at(
        there: Option<&There>,
        name: &str,
        decoder: &Decoder,
        tokenizer: &Tokenizer,
        terms: &Terms,
    ) -> Result<Self, ModelFault> {
        // The logits of each sequence: as they come, twice on their way, as they are drawn from, and as candidates. Of a device no more
        // than one row comes at a time, and only where its own lots are not enough.
        let logits = 32 * (terms.batch.sequences.saturating_mul(decoder.shape().vocabulary) as u64);
        let text = tokenizer.memory_bytes().saturating_add(logits);
        let Some(there) = there else {
            let layout = decoder.layout(PAGE_TOKENS, Element::F16);
            let parts = [decoder.bytes(), WORKINGS * decoder.working_bytes(&layout), text];
            let bytes = Bytes::new(parts.into_iter().fold(0, u64::saturating_add));
            return Ok(Self { place: Place::Host, bytes, beside: Bytes::ZERO, split: None });
        };
        let split = divided(there, name, decoder)?;
        let beside = Bytes::new(text.saturating_add(decoder.adapter_bytes()));
        let bytes = Bytes::new(split.bytes(WORKINGS));
        Ok(Self { place: there.place(), bytes, beside, split: Some(split) })
    }

    /// What it takes of page-locked memory.
    fn away(&self) -> Bytes {
        Bytes::new(self.split.map_or(0, |split| split.pinned_bytes))
    }
}

/// All of a model on a device if there is room for that, as little of it as may be in page-locked memory otherwise.
fn divided(there: &There, name: &str, decoder: &Decoder) -> Result<DeviceSplit, ModelFault> {
    let most = there.models();
    let (name, place) = (name.to_owned(), there.place());
    let split = split_within(there, decoder, most);
    let asked = || {
        Bytes::new(split_within(there, decoder, Bytes::new(u64::MAX)).map_or(0, |all| all.bytes(WORKINGS)))
    };
    match split {
        Ok(split) => {
            let away = there.pinned().map_or(Bytes::ZERO, |(_, line)| line);
            let wanted = Bytes::new(split.pinned_bytes);
            if wanted > away {
                let layers = (split.come, split.layers);
                return Err(ModelFault::Away { name, asked: asked(), place, most, layers, wanted, away });
            }
            Ok(split)
        }
        Err(floor) => Err(ModelFault::Floor { name, asked: asked(), place, floor }),
    }
}

fn split_within(there: &There, decoder: &Decoder, most: Bytes) -> Result<DeviceSplit, DeviceFloor> {
    let granule = there.device().facts().granule;
    let room = DeviceRoom { bytes: most.get(), workings: WORKINGS, granule };
    decoder.split_within(&decoder.layout(PAGE_TOKENS, Element::F16), &room)
}

/// What a model would have in page-locked memory; nothing where it fits a device, is none, or would not fit either way.
pub(crate) fn away_of(source: &ModelSource, there: &There) -> Bytes {
    let decoder = match source.engine {
        EngineChoice::LlamaCpp => None,
        EngineChoice::Auto | EngineChoice::Native => source.decoder().ok(),
    };
    let split = decoder.and_then(|decoder| split_within(there, &decoder, there.models()).ok());
    Bytes::new(split.map_or(0, |split| split.pinned_bytes))
}

pub(super) fn load(
    plan: Plan,
    source: &ModelSource,
    slug: &str,
    house: &House,
    terms: &Terms,
) -> Result<Loaded, ModelFault> {
    let setup = |error: &dyn std::error::Error| ModelFault::Setup(error.to_string());
    let account = house.engine().account(&format!("models/{slug}")).map_err(|error| setup(&error))?;
    let mut beside = Vec::new();
    if plan.place != Place::Host {
        beside.push(account.reserve(Place::Host, plan.beside).now().map_err(|error| setup(&error))?.back());
    }
    if !plan.away().is_zero() {
        let room = account.reserve(Place::Pinned, plan.away()).now();
        let none = |why: Refusal| ModelFault::NoRoom { name: source.name.clone(), why: why.to_string() };
        beside.push(room.map_err(none)?.back());
    }
    let decoder = source.decoder()?;
    let tokenizer = Arc::new(source.tokenizer(&decoder)?);
    let chat = source.chat(&decoder, &tokenizer)?;
    let there = house.there().filter(|there| there.place() == plan.place);
    let decoder = match there.zip(plan.split) {
        Some((there, split)) => {
            let pinned = there.pinned().map(|(device, _)| device);
            decoder.on_device_split(there.device(), pinned, &split)?
        }
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
    let split = plan.split;
    Ok(Loaded { tokenizer, chat, first, worker, bytes, cells: None, allocated: None, split, _beside: beside })
}
