//! A model that the decoder of `plimsoll-llm` computes.

use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll_kv::block::Root;
use plimsoll_kv::layout::Element;
use plimsoll_llm::Decoder;
use plimsoll_llm::text::Tokenizer;

use super::loaded::{LEASE_STEP, Loaded, PAGE_TOKENS, Terms};
use super::{ModelFault, ModelSource};
use crate::batch::Worker;
use crate::engine::{Facts, Native};
use crate::house::House;

/// What a model takes of the line, from its header: weights, tokenizer, and what steps work with.
pub(super) fn look(source: &ModelSource, terms: &Terms) -> Result<Bytes, ModelFault> {
    let decoder = source.decoder()?;
    let tokenizer = source.tokenizer(&decoder)?;
    Ok(bytes_of(&decoder, &tokenizer, terms))
}

fn bytes_of(decoder: &Decoder, tokenizer: &Tokenizer, terms: &Terms) -> Bytes {
    let layout = decoder.layout(PAGE_TOKENS, Element::F16);
    // The logits of each sequence: as they come, twice on their way, as they are drawn from, and as candidates.
    let logits = 32 * (terms.batch.sequences.saturating_mul(decoder.shape().vocabulary) as u64);
    // Once for the sequences, and once for what is embedded beside them.
    let work = 2 * decoder.working_bytes(&layout);
    let parts = [decoder.bytes(), work, tokenizer.memory_bytes(), logits];
    Bytes::new(parts.into_iter().fold(0, u64::saturating_add))
}

pub(super) fn load(
    source: &ModelSource,
    slug: &str,
    house: &House,
    terms: &Terms,
) -> Result<Loaded, ModelFault> {
    let decoder = Arc::new(source.decoder()?);
    let tokenizer = Arc::new(source.tokenizer(&decoder)?);
    let bytes = bytes_of(&decoder, &tokenizer, terms);
    let chat = source.chat(&decoder, &tokenizer)?;
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
    };
    let setup = |error: &dyn std::error::Error| ModelFault::Setup(error.to_string());
    let cache = house.cache(slug, layout).map_err(|error| setup(&error))?;
    let engine = Arc::new(Native::new(decoder, cache, root.build(), facts));
    let worker = Worker::start(engine, slug, terms.batch).map_err(|error| setup(&error))?;
    Ok(Loaded { tokenizer, chat, first, worker: Box::new(worker), bytes, cells: None, allocated: None })
}
