//! Which engine a model is for, and what it takes: known from its header, before anything is asked for.

use plimsoll::{Bytes, Place};
use plimsoll_llm::DeviceSplit;

use super::loaded::{Loaded, Terms};
use super::{EngineChoice, ModelFault, ModelSource, native};
use crate::house::House;

/// What is known of a model before it is loaded.
#[derive(Clone)]
pub(super) enum Look {
    /// The native engine computes it.
    Native(native::Plan),
    /// llama.cpp does.
    #[cfg(feature = "llama-cpp")]
    Llama(super::llama::Plan),
}

impl Look {
    /// Looks at a model's header. `most` is what there is for models.
    pub(super) fn at(
        source: &ModelSource,
        house: &House,
        terms: &Terms,
        most: Bytes,
    ) -> Result<Self, ModelFault> {
        if source.engine == EngineChoice::LlamaCpp {
            return llama(source, house, terms, most);
        }
        match native::Plan::of(source, house, terms) {
            Ok(plan) => Ok(Self::Native(plan)),
            Err(fault)
                if source.engine == EngineChoice::Auto
                    && cfg!(feature = "llama-cpp")
                    && fault.is_for_another_engine() =>
            {
                // Where llama.cpp refuses it as well, its reason says more.
                llama(source, house, terms, most)
            }
            Err(fault) => Err(fault),
        }
    }

    /// What computes it, as people call that.
    pub(super) const fn engine_name(&self) -> &'static str {
        match self {
            Self::Native(_) => "native",
            #[cfg(feature = "llama-cpp")]
            Self::Llama(_) => "llama.cpp",
        }
    }

    /// Where it is computed.
    pub(super) const fn place(&self) -> Place {
        match self {
            Self::Native(plan) => plan.place,
            #[cfg(feature = "llama-cpp")]
            Self::Llama(_) => Place::Host,
        }
    }

    /// What it takes of the line there.
    pub(super) const fn bytes(&self) -> Bytes {
        match self {
            Self::Native(plan) => plan.bytes,
            #[cfg(feature = "llama-cpp")]
            Self::Llama(plan) => plan.bytes,
        }
    }

    /// How it is divided, where only some of its layers stay on the device that computes.
    pub(super) fn split(&self) -> Option<DeviceSplit> {
        match self {
            Self::Native(plan) => plan.split.filter(|split| split.come > 0),
            #[cfg(feature = "llama-cpp")]
            Self::Llama(_) => None,
        }
    }

    /// Loads it as it was looked at.
    pub(super) fn load(
        &self,
        source: &ModelSource,
        slug: &str,
        house: &House,
        terms: &Terms,
    ) -> Result<Loaded, ModelFault> {
        match self {
            Self::Native(plan) => native::load(*plan, source, slug, house, terms),
            #[cfg(feature = "llama-cpp")]
            Self::Llama(plan) => super::llama::load(plan, slug, house, terms),
        }
    }
}

#[cfg(feature = "llama-cpp")]
fn llama(source: &ModelSource, house: &House, terms: &Terms, most: Bytes) -> Result<Look, ModelFault> {
    super::llama::Plan::of(source, house, terms, most).map(Look::Llama)
}

#[cfg(not(feature = "llama-cpp"))]
fn llama(source: &ModelSource, _: &House, _: &Terms, _: Bytes) -> Result<Look, ModelFault> {
    Err(ModelFault::NotBuilt { name: source.name.clone() })
}
