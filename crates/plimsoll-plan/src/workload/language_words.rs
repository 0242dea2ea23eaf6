//! A way to run a language model, in words: for people, for the solver's trades, and for other programs.

use plimsoll::{Bytes, Place};

use super::LanguageModel;
use super::language::Way;
use super::language_spec::{Companion, Known};
use crate::Part;
use crate::catalogue::Scheme;
use crate::emit::{Launch, Weights};
use crate::model::{Model, TensorType};
use crate::plan::{CACHE, Knob, Site};

impl LanguageModel {
    pub(super) fn title(&self, model: &Model, places: &[Place], way: &Way<'_>) -> String {
        let mut words = Vec::new();
        if let Known::Entry(entry) = &self.known {
            words.push(entry.name().to_owned());
        }
        words.extend(way.scheme.map(|scheme| scheme.to_string()));
        let times =
            if self.wanted.parallel > 1 { format!(" × {}", self.wanted.parallel) } else { String::new() };
        words.push(format!("context {}{times}", tokens(way.context)));
        words.push(format!("{} cache", kv_name(way.kv)));
        let all = model.hyper.layers.len() as u64 + 1;
        let gpus = places.iter().filter(|place| **place != Place::Host).map(ToString::to_string);
        let gpus = gpus.collect::<Vec<_>>().join(", ");
        words.push(match way.level.layers {
            0 => "on the processor".to_owned(),
            layers if layers >= all => format!("all layers on {gpus}"),
            layers => format!("{layers} of {all} layers on {gpus}"),
        });
        if way.level.host_experts > 0 {
            words.push(format!("experts of {} layers on the host", way.level.host_experts));
        }
        words.join(", ")
    }

    pub(super) fn knobs(&self, model: &Model, way: &Way<'_>) -> Vec<Knob> {
        #[expect(clippy::cast_precision_loss, reason = "an order among few numbers")]
        let rank = |number: u64| number as f64;
        let mut knobs = Vec::new();
        if let Known::Entry(entry) = &self.known {
            knobs.push(Knob::new("model", entry.name(), rank(model.weights())));
        }
        knobs.extend(way.scheme.map(|scheme| Knob::new("quantization", scheme.name(), scheme.quality())));
        knobs.push(Knob::new("context", &tokens(way.context), rank(way.context)));
        knobs.push(Knob::new("cache", &kv_name(way.kv), way.kv.0.bits() + way.kv.1.bits()));
        knobs.push(Knob::new("sequences", &self.wanted.parallel.to_string(), rank(self.wanted.parallel)));
        let level = way.level;
        let layers = format!("{} less the experts of {}", level.layers, level.host_experts);
        knobs.push(Knob::new("layers", &layers, rank(level.layers) - 0.5 * rank(level.host_experts)));
        knobs
    }

    pub(super) fn launch(
        &self,
        site: &Site<'_>,
        model: &Model,
        parts: &[Part],
        places: &[Place],
        way: &Way<'_>,
    ) -> Launch {
        let weights = |known: &Known, scheme: Option<Scheme>| match known {
            Known::File(path, _) => Weights::File(path.clone()),
            Known::Entry(entry) => Weights::Named {
                model: entry.name().replace(' ', "-"),
                scheme: scheme.map(|scheme| scheme.to_string()).unwrap_or_default(),
            },
        };
        let file = |companion: &Companion| match weights(&companion.known, Some(companion.scheme)) {
            Weights::File(path) => path,
            named @ Weights::Named { .. } => named.file().into(),
        };
        let on = |place: Place| {
            let there = parts.iter().filter(|part| part.place == place && part.account != CACHE);
            there.fold(Bytes::ZERO, |sum, part| sum.saturating_add(part.certainty.high(part.bytes)))
        };
        let gpus: Vec<(Place, Bytes)> =
            places.iter().filter(|place| **place != Place::Host).map(|&place| (place, on(place))).collect();
        let share = |&(place, bytes): &(Place, Bytes)| Some(bytes.ratio(site.machine.gpu(place)?.memory));
        Launch {
            name: self.name(),
            weights: weights(&self.known, way.scheme),
            context: way.context,
            parallel: self.wanted.parallel,
            unified: self.wanted.unified,
            batch: (way.options.batch, way.options.micro_batch),
            kv: way.kv,
            flash: self.wanted.flash,
            offload: (clamped(way.level.layers), clamped(model.hyper.layers.len() as u64 + 1)),
            host_experts: clamped(way.level.host_experts),
            gpu_share: gpus.iter().filter_map(share).reduce(f64::max),
            gpus,
            draft: self.wanted.draft.as_ref().map(|draft| weights(&draft.known, Some(draft.scheme))),
            projector: self.wanted.projector.as_ref().map(file),
            adapters: self.wanted.adapters.iter().map(file).collect(),
            prompt_cache: self.wanted.prompt_cache,
        }
    }
}

fn clamped(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// "32k", "8000".
fn tokens(number: u64) -> String {
    if number >= 1024 && number.is_multiple_of(1024) {
        format!("{}k", number / 1024)
    } else {
        number.to_string()
    }
}

fn kv_name((key, value): (TensorType, TensorType)) -> String {
    if key == value { key.to_string() } else { format!("{key}/{value}") }
}
