//! What a language model needs besides its weights, part by part.

use plimsoll::{Bytes, Place};

use super::LanguageModel;
use super::language::{Level, Way};
use super::weights::weights;
use crate::llama::{Buffers, Setup};
use crate::model::Model;
use crate::plan::{CACHE, Site};
use crate::{Certainty, Formula, Part};

/// How far compute buffers on GPUs have been off.
const GPU_COMPUTE: f64 = 0.05;
/// The same of architectures whose graph was not checked.
const UNCHECKED_COMPUTE: f64 = 0.25;
/// What CUDA keeps for a process that computes: code, and room for matrix products. At least, usually, at most.
const GPU_CONTEXT: [Bytes; 3] = [Bytes::mib(300), Bytes::mib(480), Bytes::mib(700)];

/// Checkpoints of recurrent states and windows that llama.cpp's server keeps for a sequence at most.
const CHECKPOINTS: u64 = 32;

impl LanguageModel {
    pub(super) fn buffer_parts(&self, model: &Model, places: &[Place], way: &Way<'_>) -> Vec<Part> {
        let (buffers, options) = (way.buffers, way.options);
        let mut parts = Vec::new();
        let sure = model.certainty();
        let mut push = |name: &str, place: Place, account, bytes: Bytes, certainty, formula: &Formula| {
            if !bytes.is_zero() {
                let (name, formula) = (name.to_owned(), formula.clone());
                parts.push(Part { name, place, account, bytes, certainty, formula });
            }
        };
        let cache = Formula::new("Σ layers: cells × (row of K + row of V), as llama.cpp allocates it")
            .term("context", options.context)
            .term("sequences", options.sequences)
            .term("K", options.key_kind)
            .term("V", options.value_kind)
            .term("layers that keep any", kept_layers(model));
        let state = Formula::new("Σ recurrent layers: (convolution + state) × 4 B × sequences")
            .term("sequences", options.sequences);
        let compute = Formula::new("the peak of llama.cpp's graph, by simulating its allocator")
            .term("tokens at a time", options.micro_batch)
            .term("fused attention", options.flash_attention)
            .term("rows of logits", options.outputs_max.unwrap_or(options.micro_batch));
        for (at, &place) in places.iter().enumerate() {
            let of = |sums: &[Bytes]| sums.get(at).copied().unwrap_or_default();
            let certainty = match (place, buffers.checked, sure) {
                (_, _, Certainty::Estimated(share)) => Certainty::Estimated(share.max(UNCHECKED_COMPUTE)),
                (_, false, _) => Certainty::Estimated(UNCHECKED_COMPUTE),
                (Place::Host, true, _) if places.len() == 1 => Certainty::Exact,
                _ => Certainty::Estimated(GPU_COMPUTE),
            };
            push("key-value cache", place, "kv", of(&buffers.cache), sure, &cache);
            push("recurrent state", place, "kv", of(&buffers.state), sure, &state);
            push("compute buffer", place, "scratch", of(&buffers.compute), certainty, &compute);
        }
        let output = Formula::new("4 B × vocabulary × rows of logits")
            .term("vocabulary", model.hyper.vocabulary)
            .term("rows of logits", options.outputs_max.unwrap_or(options.micro_batch));
        push("logits", Place::Host, "scratch", buffers.output, sure, &output);
        let context = Formula::new("what CUDA keeps for a process: 300 to 700 MiB were measured on an H200");
        for &place in places {
            if matches!(place, Place::Cuda(_)) {
                let [least, usual, most] = GPU_CONTEXT;
                push("driver's context", place, "scratch", usual, Certainty::Bounded(least, most), &context);
            }
        }
        let checkpoints = Formula::new(
            "checkpoints a sequence that a server keeps × sequences × states and windows of one",
        )
        .term("checkpoints", CHECKPOINTS)
        .term("sequences", options.sequences)
        .term("one", buffers.checkpoint);
        let kept = CHECKPOINTS.saturating_mul(options.sequences);
        let kept = buffers.checkpoint.checked_mul(kept).unwrap_or(Bytes::MAX);
        push("context checkpoints", Place::Host, CACHE, kept, sure, &checkpoints);
        let prompts = Formula::new("the server's cache of prompts, as it is told (8 GiB unless it is)");
        push("prompt cache", Place::Host, CACHE, self.wanted.prompt_cache, Certainty::Exact, &prompts);
        parts
    }

    /// A draft's weights and cache, a projector, adapters: all where the model's output is.
    pub(super) fn companions(&self, site: &Site<'_>, places: &[Place], way: &Way<'_>) -> Vec<Part> {
        let mut parts = Vec::new();
        let place = places.first().copied().unwrap_or(Place::Host);
        if let Some(draft) = &self.wanted.draft {
            let model = draft.model();
            let level = Level { layers: if place == Place::Host { 0 } else { u64::MAX }, host_experts: 0 };
            let one = [place];
            let gpus: &[Place] = if place == Place::Host { &[] } else { &one };
            let options = self.options(site, gpus, way.context, way.kv, level);
            if let (Ok(buffers), Ok(setup)) =
                (Buffers::of(&model, &options), Setup::new(&model.hyper, &options))
            {
                let all: Vec<Place> = gpus.iter().copied().chain([Place::Host]).collect();
                let inner =
                    Way { options: &options, buffers: &buffers, scheme: Some(draft.scheme), level, ..*way };
                parts.extend(weights(&model, &setup, &all, Some(draft.scheme.margin())));
                let own = self.buffer_parts(&model, &all, &inner);
                let shared = ["prompt cache", "driver's context", "context checkpoints"];
                parts.extend(own.into_iter().filter(|part| !shared.contains(&part.name.as_str())));
                for part in &mut parts {
                    part.name = format!("draft's {}", part.name);
                }
            }
        }
        let beside = self.wanted.projector.iter().map(|one| ("projector", one));
        for (name, companion) in beside.chain(self.wanted.adapters.iter().map(|one| ("adapter", one))) {
            let model = companion.model();
            parts.push(Part {
                name: name.to_owned(),
                place,
                account: "weights",
                bytes: model.weight_bytes(),
                certainty: model.certainty(),
                formula: Formula::new("sum of its tensors").term("tensors", model.tensors.len()),
            });
        }
        parts
    }
}

fn kept_layers(model: &Model) -> usize {
    let keeps = |attention: &crate::model::Attention| !attention.borrows_kv;
    model.hyper.layers.iter().filter(|layer| layer.attention.as_ref().is_some_and(keeps)).count()
}
