//! Any workload, and the ways in which those that are no language models can be run.

use plimsoll::Place;

use super::{LanguageError, LanguageModel, TrainingChoices, Usual};
use crate::WordingError;
use crate::document::Document;
use crate::image::{Image, TextEncoders};
use crate::index::{Codec, Index};
use crate::plan::{Choices, Configuration, Knob, Site};
use crate::train::{Training, TrainingError};

/// A workload that a plan can carry.
#[derive(Clone, Debug)]
pub enum Workload {
    /// A language model.
    Language(Box<LanguageModel>),
    /// A vector index.
    Index(IndexChoices),
    /// Images to be made.
    Image(ImageChoices),
    /// Documents to be taken in.
    Documents(DocumentChoices),
    /// Training.
    Training(Box<TrainingChoices>),
}

/// Why a text is no workload that can be planned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// A language model.
    #[error(transparent)]
    Language(#[from] LanguageError),
    /// Something else.
    #[error(transparent)]
    Wording(#[from] WordingError),
    /// Training.
    #[error(transparent)]
    Training(#[from] TrainingError),
}

/// What sort of workload a text describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sort {
    /// A language model.
    Model,
    /// A vector index.
    Index,
    /// Images to be made.
    Image,
    /// Documents to be taken in.
    Documents,
    /// Training.
    Training,
}

impl Workload {
    /// Reads a workload of a sort.
    pub fn parse(sort: Sort, text: &str, usual: &Usual) -> Result<Self, WorkloadError> {
        let placed = text.split(',').any(|word| word.trim().starts_with("on="));
        Ok(match sort {
            Sort::Model => Self::Language(Box::new(LanguageModel::parse(text, usual)?)),
            Sort::Index => {
                Self::Index(IndexChoices { index: Index::parse(text)?, free: !names_a_codec(text) })
            }
            Sort::Image => {
                Self::Image(ImageChoices { image: Image::parse(text)?, placed, free: !says_how(text) })
            }
            Sort::Documents => Self::Documents(DocumentChoices { document: Document::parse(text)?, placed }),
            Sort::Training => {
                let free = !text.contains("checkpointing");
                Self::Training(Box::new(TrainingChoices::new(Training::parse(text)?, free)))
            }
        })
    }

    /// What it is called, short enough for an account.
    pub fn name(&self) -> String {
        match self {
            Self::Language(model) => model.name(),
            Self::Index(_) => "index".to_owned(),
            Self::Image(_) => "images".to_owned(),
            Self::Documents(_) => "documents".to_owned(),
            Self::Training(training) => training.name(),
        }
    }

    /// As a plan asks for it.
    pub fn into_choices(self) -> Box<dyn Choices + Send + Sync> {
        match self {
            Self::Language(model) => model,
            Self::Index(index) => Box::new(index),
            Self::Image(image) => Box::new(image),
            Self::Documents(documents) => Box::new(documents),
            Self::Training(training) => training,
        }
    }
}

const CODECS: [&str; 12] =
    ["f32", "f16", "bf16", "int8", "int4", "binary", "planes", "pq2", "pq4", "pq8", "pq", "neural"];

fn names_a_codec(text: &str) -> bool {
    text.split([',', ':']).skip(1).any(|word| CODECS.contains(&word.trim().to_ascii_lowercase().as_str()))
}

fn says_how(text: &str) -> bool {
    text.split(',')
        .any(|word| ["text", "offload", "tiling", "tile"].iter().any(|key| word.trim().starts_with(key)))
}

/// The GPU that a machine computes on, or its host.
pub(super) fn best_place(site: &Site<'_>) -> Place {
    let mut gpus = site.machine.gpus.iter().map(|gpu| gpu.place);
    gpus.find(|place| !site.lines.shareable(*place).is_zero()).unwrap_or(Place::Host)
}

/// A vector index, in its own codec or in whichever fits.
#[derive(Clone, Debug)]
pub struct IndexChoices {
    index: Index,
    free: bool,
}

impl IndexChoices {
    fn at(&self, codec: Codec) -> Configuration {
        let index = self.index.with_codec(codec);
        let rung = index.expected_recall();
        let again = index.originals.is_some() && !codec.is_exact();
        let (low, high) = if again { rung.recall_again } else { rung.recall };
        #[expect(clippy::cast_precision_loss, reason = "an order among codecs")]
        let rank = rung.vector_bytes.get() as f64;
        let found =
            if low >= 1.0 { "all".to_owned() } else { format!("{:.0} to {:.0}%", low * 100.0, high * 100.0) };
        let kept = if again { ", looked at again with the originals" } else { "" };
        Configuration {
            title: format!(
                "{} × {} as {codec}, {}; {found} of the nearest expected{kept}",
                index.vectors, index.dimension, index.kind
            ),
            knobs: vec![Knob::new("codec", &codec.to_string(), rank)],
            phases: index.phases(),
            worth: f64::midpoint(low, high),
            speed: None,
            launch: None,
            finetune: None,
            doubts: Vec::new(),
        }
    }
}

impl Choices for IndexChoices {
    fn configurations(&self, _site: &Site<'_>) -> Vec<Configuration> {
        if !self.free {
            return vec![self.at(self.index.codec)];
        }
        self.index.ladder().into_iter().map(|rung| self.at(rung.codec)).collect()
    }

    fn relaxed(&self, _site: &Site<'_>) -> Vec<Configuration> {
        let here = self.index.vector_bytes();
        let smaller = self.index.ladder().into_iter().filter(|rung| rung.vector_bytes < here);
        smaller.map(|rung| self.at(rung.codec)).collect()
    }
}

/// Images, with their parts kept, dropped or moved as there is room.
#[derive(Clone, Debug)]
pub struct ImageChoices {
    image: Image,
    placed: bool,
    free: bool,
}

impl ImageChoices {
    fn at(
        &self,
        site: &Site<'_>,
        (text, tile, offload): (TextEncoders, Option<u64>, bool),
        worth: f64,
    ) -> Configuration {
        let mut image = Image { text, offload, tile, ..self.image.clone() };
        if !self.placed {
            image.place = best_place(site);
        }
        let encoders = match text {
            TextEncoders::Kept => "kept",
            TextEncoders::Dropped => "dropped before denoising",
            TextEncoders::OnHost => "on the host",
        };
        let tiles = tile.map_or_else(|| "whole".to_owned(), |side| format!("by tiles of {side}"));
        let (width, height) = image.sides;
        let parts = if offload { "; each part on the device only for its turn" } else { "" };
        Configuration {
            title: format!(
                "{} {width} × {height}, {} at once, encoders {encoders}, decoded {tiles}{parts}",
                image.pipeline.name, image.batch
            ),
            knobs: vec![
                Knob::new("encoders", encoders, if text == TextEncoders::Kept { 1.0 } else { 0.0 }),
                Knob::new("decoding", &tiles, if tile.is_none() { 1.0 } else { 0.0 }),
                Knob::new(
                    "offload",
                    if offload { "by turns" } else { "none" },
                    if offload { 0.0 } else { 1.0 },
                ),
            ],
            phases: image.phases(),
            worth,
            speed: None,
            launch: None,
            finetune: None,
            doubts: Vec::new(),
        }
    }

    fn all(&self, site: &Site<'_>) -> Vec<Configuration> {
        let tile = Some(self.image.tile.unwrap_or(512));
        [
            ((TextEncoders::Kept, None, false), 1.0),
            ((TextEncoders::Kept, tile, false), 0.95),
            ((TextEncoders::Dropped, None, false), 0.85),
            ((TextEncoders::Dropped, tile, false), 0.8),
            ((TextEncoders::Kept, tile, true), 0.6),
        ]
        .into_iter()
        .map(|(how, worth)| self.at(site, how, worth))
        .collect()
    }
}

impl Choices for ImageChoices {
    fn configurations(&self, site: &Site<'_>) -> Vec<Configuration> {
        if self.free {
            return self.all(site);
        }
        vec![self.at(site, (self.image.text, self.image.tile, self.image.offload), 1.0)]
    }

    fn relaxed(&self, site: &Site<'_>) -> Vec<Configuration> {
        self.all(site)
    }
}

/// Documents.
#[derive(Clone, Debug)]
pub struct DocumentChoices {
    document: Document,
    placed: bool,
}

impl Choices for DocumentChoices {
    fn configurations(&self, site: &Site<'_>) -> Vec<Configuration> {
        let mut document = self.document.clone();
        if !self.placed {
            document.place = best_place(site);
        }
        let at = |batch: u64, worth: f64| {
            let document = Document { batch, ..document.clone() };
            Configuration {
                title: format!(
                    "{} of text in {} chunks, {batch} embedded at once on {}",
                    document.size,
                    document.chunks(),
                    document.place
                ),
                knobs: vec![Knob::new("batch", &batch.to_string(), worth)],
                phases: document.phases(),
                worth,
                speed: None,
                launch: None,
                finetune: None,
                doubts: Vec::new(),
            }
        };
        let smaller = [(document.batch / 4, 0.8), (1, 0.4)].into_iter().filter(|(batch, _)| *batch > 0);
        let batches = std::iter::once((document.batch, 1.0))
            .chain(smaller.filter(|(batch, _)| *batch < document.batch));
        batches.map(|(batch, worth)| at(batch, worth)).collect()
    }
}
