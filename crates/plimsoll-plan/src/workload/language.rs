//! A language model: the ways in which it can be run under llama.cpp's rules.

use plimsoll::Place;

use super::language_spec::{Known, Wanted};
use super::weights::weights;
use crate::Phases;
use crate::catalogue::Scheme;
use crate::llama::{Backend, Buffers, LlamaError, Options, Setup};
use crate::machine::Machine;
use crate::model::{Ffn, Model, TensorType};
use crate::plan::{Choices, Configuration, Lines, Site};
use crate::speed::{self, Placement, Run, Speed};

/// Contexts that people ask for, longest first.
const CONTEXTS: [u64; 7] = [1 << 17, 1 << 16, 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 11];
/// A context from which on more is seldom missed.
const CONTEXT_WANTED: f64 = 32_768.0;
/// Quantizations that are tried first, best first; those between them are looked at where it matters.
const COARSE: [Scheme; 10] = [
    Scheme::Q8_0,
    Scheme::Q6_K,
    Scheme::Q5_K_M,
    Scheme::Q4_K_M,
    Scheme::IQ4_XS,
    Scheme::Q3_K_M,
    Scheme::IQ3_XXS,
    Scheme::IQ2_M,
    Scheme::IQ2_XXS,
    Scheme::IQ1_M,
];
/// Types of a cache, and what is left of the quality with each.
const CACHES: [(TensorType, f64); 3] =
    [(TensorType::F16, 1.0), (TensorType::Q8_0, 0.99), (TensorType::Q4_0, 0.92)];
/// Tokens a second at which half of the use of more is had: as fast as people read.
const READING: f64 = 4.0;

/// A language model that is asked for. [`LanguageModel::parse`] reads it.
#[derive(Clone, Debug)]
pub struct LanguageModel {
    pub(super) known: Known,
    pub(super) scheme: Option<Scheme>,
    pub(super) wanted: Wanted,
}

/// Where layers lie: so many on GPUs, and of so many of them the experts on the host all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub layers: u64,
    pub host_experts: u64,
}

impl LanguageModel {
    /// What it is called, short enough for an account: "qwen3-14b".
    pub fn name(&self) -> String {
        let name = match &self.known {
            Known::Entry(entry) => entry.name().to_owned(),
            Known::File(path, model) => path
                .file_stem()
                .map_or_else(|| model.name.clone(), |stem| stem.to_string_lossy().into_owned()),
        };
        let plain =
            |c: char| if c.is_alphanumeric() || ".-_".contains(c) { c.to_ascii_lowercase() } else { '-' };
        let name: String = name.chars().map(plain).take(60).collect();
        if name.is_empty() { "model".to_owned() } else { name }
    }

    /// The model, in each quantization that it may have, best first.
    fn models(&self, wanted: &dyn Fn(Scheme) -> bool) -> Vec<(Option<Scheme>, Model)> {
        let steps = |scheme: &&Scheme| wanted(**scheme);
        let ladder: Vec<Scheme> = match self.scheme.or_else(|| self.own_scheme()) {
            Some(scheme) => vec![scheme],
            None => Scheme::ladder().iter().filter(steps).copied().collect(),
        };
        match &self.known {
            Known::File(_, model) if !model.tensors.is_empty() => vec![(None, model.condensed())],
            Known::File(_, model) => {
                let of = |scheme: Scheme| {
                    let tensors = crate::catalogue::derive::tensors(&model.hyper, &scheme);
                    (Some(scheme), Model { tensors, ..(**model).clone() }.condensed())
                };
                ladder.into_iter().map(of).collect()
            }
            Known::Entry(entry) => {
                ladder.into_iter().map(|scheme| (Some(scheme), entry.model(scheme).condensed())).collect()
            }
        }
    }

    /// The quantization that a model is made in, where it comes in one only.
    fn own_scheme(&self) -> Option<Scheme> {
        match &self.known {
            Known::Entry(entry) if entry.name().starts_with("gpt-oss") => Some(Scheme::MXFP4),
            _ => None,
        }
    }

    /// The model as its graph has to know it, with every tensor by its name.
    fn shape(&self) -> Model {
        match &self.known {
            Known::File(_, model) => (**model).clone(),
            Known::Entry(entry) => entry.model(self.scheme.unwrap_or(Scheme::Q8_0)),
        }
    }

    fn contexts(&self, model: &Model) -> Vec<u64> {
        if let Some(context) = self.wanted.context {
            return vec![context];
        }
        let trained =
            if model.hyper.context_trained == 0 { CONTEXTS[4] } else { model.hyper.context_trained };
        let shorter = CONTEXTS.into_iter().filter(|context| *context < trained);
        std::iter::once(trained.min(CONTEXTS[0]))
            .chain(shorter.filter(|context| *context < CONTEXTS[0]))
            .collect()
    }

    fn caches(&self) -> Vec<(TensorType, TensorType)> {
        match self.wanted.kv {
            Some(kv) => vec![kv],
            None if !self.wanted.flash => vec![(TensorType::F16, TensorType::F16)],
            None => CACHES.iter().map(|(kind, _)| (*kind, *kind)).collect(),
        }
    }

    fn levels(&self, model: &Model, gpus: &[Place]) -> Vec<Level> {
        let layers = model.hyper.layers.len() as u64;
        let all = layers + 1;
        if gpus.is_empty() {
            return vec![Level { layers: 0, host_experts: 0 }];
        }
        let host_experts = self.wanted.host_experts.min(layers);
        if let Some(wanted) = self.wanted.layers {
            return vec![Level { layers: wanted.min(all), host_experts }];
        }
        let quarters = [4, 3, 2, 1, 0].map(|quarter| layers * quarter / 4);
        if has_experts(model) && host_experts == 0 {
            let experts = quarters.iter().rev().map(|&host_experts| Level { layers: all, host_experts });
            return experts.chain([Level { layers: 0, host_experts: 0 }]).collect();
        }
        let level = |layers| Level { layers, host_experts };
        std::iter::once(all).chain(quarters.into_iter().skip(1)).map(level).collect()
    }

    fn at_levels(
        &self,
        site: &Site<'_>,
        wanted: &dyn Fn(Scheme) -> bool,
        levels: impl Fn(&Model, &[Place]) -> Vec<Level>,
        keep: impl Fn(u64, (TensorType, TensorType)) -> bool,
    ) -> Vec<Configuration> {
        let gpus = gpus(site.machine, site.lines);
        let (models, shape) = (self.models(wanted), self.shape());
        let mut found = Vec::new();
        for context in self.contexts(&shape) {
            for kv in self.caches() {
                let levels = if keep(context, kv) { levels(&shape, &gpus) } else { Vec::new() };
                for level in levels {
                    let options = self.options(site, &gpus, context, kv, level);
                    // Compute buffers and caches follow from the shape, whatever the weights are quantized to.
                    let Ok(buffers) = Buffers::of(&shape, &options) else { continue };
                    found.extend(models.iter().filter_map(|(scheme, model)| {
                        let layers = model.hyper.layers.len() as u64 + 1;
                        let (options, buffers) = (&options, &buffers);
                        let way = Way { context, kv, level, scheme: *scheme, options, buffers, layers };
                        self.configuration(site, &gpus, model, &way).ok()
                    }));
                }
            }
        }
        found
    }

    pub(super) fn options(
        &self,
        site: &Site<'_>,
        gpus: &[Place],
        context: u64,
        kv: (TensorType, TensorType),
        level: Level,
    ) -> Options {
        let wanted = &self.wanted;
        let in_all = if wanted.unified { context } else { context.saturating_mul(wanted.parallel) };
        let mib = |place: &Place| site.lines.shareable(*place).get() >> 20;
        Options {
            context: in_all,
            sequences: wanted.parallel,
            unified: wanted.unified,
            batch: wanted.batch,
            micro_batch: wanted.micro_batch.min(wanted.batch),
            flash_attention: wanted.flash,
            key_kind: kv.0,
            value_kind: kv.1,
            outputs_max: Some(wanted.parallel),
            gpu_layers: Some(level.layers),
            host_experts: level.host_experts,
            shares: if level.layers == 0 { Vec::new() } else { gpus.iter().map(mib).collect() },
            backend: backend(site.machine, gpus),
            ..Options::default()
        }
    }

    fn configuration(
        &self,
        site: &Site<'_>,
        gpus: &[Place],
        model: &Model,
        way: &Way<'_>,
    ) -> Result<Configuration, LlamaError> {
        let setup = Setup::new(&model.hyper, way.options)?;
        let mut places: Vec<Place> = if way.level.layers == 0 { Vec::new() } else { gpus.to_vec() };
        places.push(Place::Host);
        let margin = way.scheme.map(Scheme::margin);
        let mut parts = weights(model, &setup, &places, margin);
        parts.extend(self.buffer_parts(model, &places, way));
        parts.extend(self.companions(site, &places, way));
        let speed = self.speed(site, model, &setup, &places, way);
        Ok(Configuration {
            title: self.title(model, &places, way),
            knobs: self.knobs(model, way),
            worth: worth(way, speed.as_ref()),
            finetune: None,
            launch: Some(self.launch(site, model, &parts, &places, way)),
            phases: Phases { resident: parts, turns: Vec::new() },
            speed,
            doubts: model.doubts.iter().map(ToString::to_string).collect(),
        })
    }
}

/// One way to run it.
pub(super) struct Way<'w> {
    pub context: u64,
    pub kv: (TensorType, TensorType),
    pub level: Level,
    pub scheme: Option<Scheme>,
    pub options: &'w Options,
    pub buffers: &'w Buffers,
    /// How many layers there are.
    pub layers: u64,
}

impl Way<'_> {
    /// The share of the layers that are on GPUs; those whose experts are not count half.
    #[expect(clippy::cast_precision_loss, reason = "numbers of layers are small")]
    fn on_gpus(&self) -> f64 {
        let all = self.layers.max(1) as f64;
        let here = self.level.layers.min(self.layers) as f64;
        ((here - 0.5 * self.level.host_experts.min(self.level.layers) as f64) / all).max(0.0)
    }
}

fn has_experts(model: &Model) -> bool {
    model.hyper.layers.iter().any(|layer| matches!(layer.ffn, Ffn::Experts(_)))
}

/// The GPUs that have a line.
fn gpus(machine: &Machine, lines: &Lines) -> Vec<Place> {
    let places = machine.gpus.iter().map(|gpu| gpu.place);
    places.filter(|place| !lines.shareable(*place).is_zero()).collect()
}

fn backend(machine: &Machine, gpus: &[Place]) -> Backend {
    match gpus.first() {
        Some(Place::Gpu(_))
            if machine.unified && machine.gpus.iter().any(|gpu| gpu.name.contains("Apple")) =>
        {
            Backend::Metal
        }
        Some(Place::Gpu(_)) => Backend::Vulkan,
        _ => Backend::Cuda,
    }
}

/// How useful a way is: what is left of the quality, cubed, since a model that errs is worth little; times what its
/// speed and its context are worth.
fn worth(way: &Way<'_>, speed: Option<&Speed>) -> f64 {
    let quality = way.scheme.map_or(1.0, Scheme::quality).powi(3);
    let cache =
        |kind: TensorType| CACHES.iter().find(|(of, _)| *of == kind).map_or(0.99, |(_, quality)| *quality);
    let full = way.kv.0 == TensorType::F32 || way.kv.0 == TensorType::BF16;
    let cache = if full { 1.0 } else { cache(way.kv.0).min(cache(way.kv.1)) };
    #[expect(clippy::cast_precision_loss, reason = "a worth is approximate by nature")]
    let ratio = way.context as f64 / CONTEXT_WANTED;
    let context = if ratio < 1.0 { ratio.powf(0.15) } else { 1.0 + 0.02 * ratio.log2() };
    // Where nobody knows how fast the machine is, what is on its GPUs is still faster than what is not.
    let speed = speed.map_or_else(
        || 0.4 + 0.6 * way.on_gpus(),
        |speed| speed.decode.middle() / (speed.decode.middle() + READING),
    );
    (quality * cache * context * speed / 1.1).clamp(0.0, 1.0)
}

impl LanguageModel {
    fn speed(
        &self,
        site: &Site<'_>,
        model: &Model,
        setup: &Setup,
        places: &[Place],
        way: &Way<'_>,
    ) -> Option<Speed> {
        let at = |device: u8| places.get(usize::from(device)).copied().unwrap_or(Place::Host);
        let layers: Vec<Place> = (0..model.hyper.layers.len()).map(|layer| at(setup.device(layer))).collect();
        let kept = |(layer, place): (usize, &Place)| {
            if (layer as u64) < way.level.host_experts { Place::Host } else { *place }
        };
        let experts = layers.iter().enumerate().map(kept).collect();
        let placement = Placement { layers, experts, output: at(setup.output_device) };
        let run = Run {
            depth: way.context / 2,
            parallel: u32::try_from(self.wanted.parallel).unwrap_or(u32::MAX),
            prompt: (way.context / 2).max(1),
            batch: u32::try_from(way.options.micro_batch).unwrap_or(u32::MAX),
            types: way.kv,
        };
        speed::estimate(model, site.machine, &placement, run).ok()
    }
}

impl Choices for LanguageModel {
    fn configurations(&self, site: &Site<'_>) -> Vec<Configuration> {
        let coarse = |scheme| COARSE.contains(&scheme);
        self.at_levels(site, &coarse, |model, gpus| self.levels(model, gpus), |_, _| true)
    }

    fn finer(&self, site: &Site<'_>, taken: &Configuration) -> Vec<Configuration> {
        let Some(launch) = &taken.launch else { return Vec::new() };
        let taken_scheme = taken.knob("quantization").map(|knob| knob.value.clone());
        let ladder = Scheme::ladder();
        let place = ladder.iter().position(|scheme| Some(scheme.name()) == taken_scheme.as_deref());
        let is_near = |scheme: Scheme| {
            let at = ladder.iter().position(|other| *other == scheme);
            at.zip(place).is_some_and(|(at, place)| at.abs_diff(place) <= 1)
        };
        let is = Level { layers: u64::from(launch.offload.0), host_experts: u64::from(launch.host_experts) };
        let near = |model: &Model, gpus: &[Place]| {
            let coarse = self.levels(model, gpus);
            let at = coarse.iter().position(|level| *level == is);
            let steps: Vec<Level> = match at.and_then(|at| coarse.get(at.checked_sub(1)?)) {
                None => Vec::new(),
                Some(better) if better.layers == is.layers => {
                    let experts = better.host_experts + 1..is.host_experts;
                    experts.map(|host_experts| Level { host_experts, ..is }).collect()
                }
                Some(better) => {
                    let layers = is.layers + 1..better.layers.min(is.layers + 64);
                    layers.map(|layers| Level { layers, ..is }).collect()
                }
            };
            std::iter::once(is).chain(steps).collect()
        };
        self.at_levels(site, &is_near, near, |context, kv| context == launch.context && kv == launch.kv)
    }

    fn relaxed(&self, site: &Site<'_>) -> Vec<Configuration> {
        let with = |change: &dyn Fn(&mut Self)| {
            let mut other = self.clone();
            change(&mut other);
            other.configurations(site)
        };
        let mut found = with(&|other| other.wanted.context = None);
        found.extend(with(&|other| other.wanted.kv = None));
        found.extend(with(&|other| other.scheme = None));
        found.extend(with(&|other| other.wanted.layers = None));
        found.extend(with(&|other| other.wanted.parallel = 1));
        found.extend(with(&|other| {
            (other.wanted.context, other.wanted.kv, other.scheme, other.wanted.layers) =
                (None, None, None, None);
        }));
        if let Known::Entry(entry) = &self.known {
            let weights =
                |entry: crate::catalogue::Entry| crate::catalogue::derive::parameters(&entry.hyper());
            let family = entry.name().split(' ').next();
            let smaller = crate::catalogue::models().filter(|other| {
                other.name().split(' ').next() == family && weights(*other) < weights(*entry)
            });
            for smaller in smaller {
                let scheme = self.scheme.or(Some(Scheme::Q4_K_M));
                let other = Self { known: Known::Entry(smaller), scheme, ..self.clone() };
                found.extend(other.configurations(site));
            }
        }
        found
    }
}
