//! A workload that makes images.

use plimsoll::{Bytes, Place};

use super::denoiser::Step;
use super::vae::Decoding;
use super::{Encoder, Pipeline, Weights};
use crate::model::TensorType;
use crate::phase::{Phase, product, push};
use crate::{Certainty, Formula, Part, Phases};

/// Making images: a model, how its weights are kept, and how large and how many images are made at once.
///
/// Encoding the prompt, denoising and decoding take turns. What a framework's allocator keeps for later is not in the
/// parts, because it gives that back before it fails; [`Image::kept_by_allocator`] says how much it is.
///
/// ```
/// use plimsoll_plan::image::Image;
/// use plimsoll::Place;
/// let image = Image::parse("flux.1-dev,1024x1024,on=cuda:0").unwrap();
/// let weights = image.phases().resident.iter().find(|part| part.name == "denoiser").unwrap().bytes;
/// assert_eq!(weights.get(), 11_901_408_320 * 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// The model.
    pub pipeline: Pipeline,
    /// Pixels: width, then height.
    pub sides: (u64, u64),
    /// Images at once.
    pub batch: u64,
    /// The denoiser's weights.
    pub weights: Weights,
    /// The text encoders' weights.
    pub text_weights: Weights,
    /// What becomes of the text encoders.
    pub text: TextEncoders,
    /// Whether only the part that works is on the device, and all others wait on the host.
    pub offload: bool,
    /// Bytes of a number in the decoder.
    pub decoder_number_bytes: u64,
    /// Sides of a tile that is decoded at once, in pixels, if it goes by tiles.
    pub tile: Option<u64>,
    /// Whether each step looks twice, with the prompt and without.
    pub guided: bool,
    /// Whether scores of attention are written out.
    pub written_scores: bool,
    /// Who runs it.
    pub runtime: Runtime,
    /// Where.
    pub place: Place,
}

/// Who runs a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// PyTorch with diffusers or what is built likewise, cuDNN below it.
    #[default]
    Torch,
    /// stable-diffusion.cpp, ggml below it.
    StableDiffusionCpp,
}

/// What becomes of the text encoders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TextEncoders {
    /// They stay where the denoiser is.
    #[default]
    Kept,
    /// They are let go before the denoiser comes.
    Dropped,
    /// They work on the host.
    OnHost,
}

/// What PyTorch's allocator had reserved over what was in use at the decoder's peak: 0.93 to 0.97 of that peak on
/// an H200.
const ALLOCATOR_SHARE: (u64, u64) = (96, 100);
/// What cuBLAS sets aside under PyTorch on Hopper; 8 MiB elsewhere.
const LIBRARY: Bytes = Bytes::mib(32);

impl Image {
    /// Sides of the latent image: height, then width.
    fn latent(&self) -> (u64, u64) {
        (self.sides.1.div_ceil(8), self.sides.0.div_ceil(8))
    }

    /// Images that a step looks at.
    fn looked_at(&self) -> u64 {
        // stable-diffusion.cpp looks at them one after the other.
        let twice = self.guided && self.runtime == Runtime::Torch;
        self.batch.saturating_mul(if twice { 2 } else { 1 })
    }

    /// Whether it runs where it was measured: PyTorch on NVIDIA's GPUs. Other libraries turn or copy other tensors.
    fn measured(&self) -> bool {
        self.runtime == Runtime::Torch && matches!(self.place, Place::Cuda(_))
    }

    fn encoder_place(&self) -> Place {
        if self.text == TextEncoders::OnHost { Place::Host } else { self.place }
    }

    /// What stays, and the turns: `encode`, `denoise`, `decode`.
    pub fn phases(&self) -> Phases {
        let mut resident = Vec::new();
        let (mut encode, mut denoise, mut decode) = (Vec::new(), Vec::new(), Vec::new());
        self.latents(&mut resident);
        if self.offload {
            // All wait on the host; each comes for its turn. Encoders come one by one.
            self.encoder_weights(&mut resident, Place::Host);
            self.denoiser_weights(&mut resident, Place::Host);
            self.decoder_weights(&mut resident, Place::Host);
            self.encoder_weights(&mut encode, self.encoder_place());
            let largest = encode.iter().map(|part| part.bytes).max();
            encode.retain(|part| Some(part.bytes) == largest && part.place != Place::Host);
            self.denoiser_weights(&mut denoise, self.place);
            self.decoder_weights(&mut decode, self.place);
        } else if self.text == TextEncoders::Dropped {
            self.encoder_weights(&mut encode, self.place);
            for turn in [&mut denoise, &mut decode] {
                self.denoiser_weights(turn, self.place);
                self.decoder_weights(turn, self.place);
            }
        } else {
            self.encoder_weights(&mut resident, self.encoder_place());
            self.denoiser_weights(&mut resident, self.place);
            self.decoder_weights(&mut resident, self.place);
        }
        self.encoding(&mut encode);
        self.denoising(&mut denoise);
        self.decoding(&mut decode);
        let turns = [("encode", encode), ("denoise", denoise), ("decode", decode)];
        Phases { resident, turns: turns.into_iter().map(|(name, parts)| Phase { name, parts }).collect() }
    }

    /// What PyTorch's allocator keeps beyond what is in use when the decoder is done; zero elsewhere. It gives that
    /// back before it fails, so it counts for what others see of the device, not for whether it fits.
    pub fn kept_by_allocator(&self) -> Bytes {
        if self.runtime != Runtime::Torch {
            return Bytes::ZERO;
        }
        let (part, whole) = ALLOCATOR_SHARE;
        Bytes::new(self.decoder_peak() / whole).checked_mul(part).unwrap_or(Bytes::MAX)
    }

    fn latents(&self, parts: &mut Vec<Part>) {
        let (high, wide) = self.latent();
        // The latent image, the noise that was predicted, and the solver's last two steps, in single precision.
        let bytes = product(&[self.looked_at(), self.pipeline.latent_channels, high, wide, 4, 4]);
        let formula = Formula::new("images × channels × height/8 × width/8 × 4 B × 4")
            .term("images", self.looked_at())
            .term("channels", self.pipeline.latent_channels);
        push(parts, "latent images", (self.place, "scratch"), bytes, Certainty::Estimated(0.5), formula);
        let tokens = self.pipeline.encoders.iter().map(|encoder| encoder.tokens).fold(0, u64::saturating_add);
        let width = self.pipeline.encoders.iter().map(|encoder| encoder.width).max().unwrap_or(0);
        let bytes = product(&[self.looked_at(), tokens, width, 2]);
        let formula =
            Formula::new("images × tokens × width × 2 B").term("tokens", tokens).term("width", width);
        push(parts, "encoded prompt", (self.place, "scratch"), bytes, Certainty::Estimated(0.5), formula);
    }

    fn encoder_weights(&self, parts: &mut Vec<Part>, place: Place) {
        for encoder in self.pipeline.encoders {
            let formula = Formula::new("parameters × type")
                .term("parameters", encoder.parameters)
                .term("type", self.text_weights);
            let (bytes, sure) = (self.text_weights.bytes(encoder.parameters), self.text_weights.certainty());
            push(parts, encoder.name, (place, "text"), bytes, sure, formula);
        }
    }

    fn denoiser_weights(&self, parts: &mut Vec<Part>, place: Place) {
        let parameters = self.pipeline.denoiser_parameters;
        let formula =
            Formula::new("parameters × type").term("parameters", parameters).term("type", self.weights);
        let (bytes, sure) = (self.weights.bytes(parameters), self.weights.certainty());
        push(parts, "denoiser", (place, "weights"), bytes, sure, formula);
        let bytes = self.pipeline.position_table.saturating_mul(2);
        let formula = Formula::new("numbers × 2 B").term("numbers", self.pipeline.position_table);
        push(parts, "table of positions", (place, "weights"), bytes, Certainty::Exact, formula);
    }

    fn decoder_weights(&self, parts: &mut Vec<Part>, place: Place) {
        let parameters = self.pipeline.vae_parameters;
        let bytes = parameters.saturating_mul(self.decoder_number_bytes);
        let formula = Formula::new("parameters × number")
            .term("parameters", parameters)
            .term("number", format!("{} B", self.decoder_number_bytes));
        push(parts, "autoencoder", (place, "weights"), bytes, Certainty::Exact, formula);
    }

    fn encoding(&self, parts: &mut Vec<Part>) {
        // One after the other; the stream three times and the feed-forward part, and scores in both precisions.
        let needs = |encoder: &Encoder| {
            let vectors = encoder.width.saturating_mul(4).saturating_add(encoder.ffn_width.saturating_mul(2));
            let stream = product(&[encoder.tokens, vectors, 2]);
            stream.saturating_add(product(&[encoder.heads, encoder.tokens, encoder.tokens, 8]))
        };
        let prompts = self.batch.saturating_mul(if self.guided { 2 } else { 1 });
        let most = self.pipeline.encoders.iter().map(needs).max().unwrap_or(0);
        let formula = Formula::new(
            "prompts × the largest encoder's tokens × ((4 × width + 2 × inner) × 2 B + heads × tokens × 8 B)",
        )
        .term("prompts", prompts);
        let (at, bytes) = ((self.encoder_place(), "scratch"), prompts.saturating_mul(most));
        push(parts, "encoding", at, bytes, Certainty::Estimated(0.5), formula);
    }

    fn denoising(&self, parts: &mut Vec<Part>) {
        let (sides, number_bytes) = (self.latent(), if self.runtime == Runtime::Torch { 2 } else { 4 });
        let written = self.written_scores;
        let step = Step { batch: self.looked_at(), sides, number_bytes, runtime: self.runtime, written };
        let bytes = self.pipeline.denoiser.peak(step);
        let formula = Formula::new("the widest moment of a walk through the denoiser, without weights")
            .term("images", self.looked_at())
            .term("latent height", sides.0)
            .term("latent width", sides.1)
            .term("number", format!("{number_bytes} B"))
            .term("scores", if written { "written" } else { "fused" });
        let share = if self.measured() { 0.15 } else { 0.3 };
        push(parts, "denoising", (self.place, "scratch"), bytes, Certainty::Estimated(share), formula);
        self.raised(parts);
        if self.runtime == Runtime::Torch {
            let formula = Formula::new("as cuBLAS takes it under PyTorch on Hopper; 8 MiB elsewhere");
            let sure = Certainty::Bounded(Bytes::mib(8), LIBRARY);
            push(parts, "library's workspace", (self.place, "scratch"), LIBRARY.get(), sure, formula);
        }
    }

    /// Weights that are stored in few bits are raised to halves before a product, one matrix at a time.
    fn raised(&self, parts: &mut Vec<Part>) {
        let wide =
            matches!(self.weights, Weights::Plain(TensorType::F32 | TensorType::F16 | TensorType::BF16));
        if wide || self.runtime != Runtime::Torch {
            return;
        }
        let width = match self.pipeline.denoiser {
            super::Denoiser::Transformer { width, .. } => width,
            super::Denoiser::Unet { channels, .. } => {
                channels.iter().copied().max().unwrap_or(0).saturating_mul(2)
            }
        };
        let bytes = product(&[width, width, 5, 2]);
        let formula =
            Formula::new("the largest matrix in halves: width × 5 × width × 2 B").term("width", width);
        push(parts, "a matrix raised", (self.place, "scratch"), bytes, Certainty::Estimated(0.5), formula);
    }

    /// The widest moment of decoding, by tiles or whole.
    fn decoder_peak(&self) -> u64 {
        let (high, wide) = self.latent();
        let sides = match self.tile {
            Some(tile) => (high.min(tile.div_ceil(8)), wide.min(tile.div_ceil(8))),
            None => (high, wide),
        };
        let number_bytes = match self.runtime {
            Runtime::Torch => self.decoder_number_bytes,
            Runtime::StableDiffusionCpp => 4,
        };
        let (batch, runtime, written) = (self.batch, self.runtime, self.written_scores);
        let whole = Decoding { batch, sides, number_bytes, runtime, written }.peak();
        // Tiles that are done wait until all can be put together; they overlap by a quarter on each side.
        let tiles = if self.tile.is_some() {
            product(&[self.batch, 3, self.sides.0, self.sides.1, number_bytes]).saturating_mul(2)
        } else {
            0
        };
        whole.saturating_add(tiles)
    }

    fn decoding(&self, parts: &mut Vec<Part>) {
        let rule = match self.runtime {
            Runtime::Torch => {
                "the widest convolution of a walk through the decoder: input, output, both turned to channels last, and \
                 what the block keeps"
            }
            Runtime::StableDiffusionCpp => {
                "the widest convolution of a walk through the decoder: input, output, and nine copies in halves (im2col)"
            }
        };
        let formula = Formula::new(rule)
            .term("images", self.batch)
            .term("pixels", format!("{} × {}", self.sides.0, self.sides.1))
            .term("tile", self.tile.map_or("none".to_owned(), |tile| tile.to_string()))
            .term("number", format!("{} B", self.decoder_number_bytes));
        let share = if self.measured() || self.runtime == Runtime::StableDiffusionCpp { 0.05 } else { 0.5 };
        let at = (self.place, "scratch");
        push(parts, "decoding", at, self.decoder_peak(), Certainty::Estimated(share), formula);
        let bytes = product(&[self.batch, 3, self.sides.0, self.sides.1, 4]);
        let formula = Formula::new("images × 3 × width × height × 4 B").term("images", self.batch);
        push(parts, "images", (Place::Host, "output"), bytes, Certainty::Exact, formula);
    }
}
