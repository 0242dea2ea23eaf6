//! Diffusion models: what a pipeline consists of, and how large its parts are.

use plimsoll::Bytes;

use super::names::{NameError, Named, find};
use crate::model::TensorType;

/// A diffusion model with all that it needs to make an image.
///
/// Only weights: what images take while they are made depends on their size, and is the business of whoever plans that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// "FLUX.1 dev".
    pub name: &'static str,
    also: &'static [&'static str],
    /// Its parts, the denoiser first.
    pub parts: &'static [PipelinePart],
}

/// One of a pipeline's networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PipelinePart {
    /// "UNet", "T5-XXL".
    pub name: &'static str,
    /// What it does.
    pub role: Role,
    /// How many parameters it has.
    pub parameters: u64,
}

/// What a network of a pipeline does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Makes an image out of noise, step by step.
    Denoiser,
    /// Turns the prompt into vectors; needed once.
    TextEncoder,
    /// Turns latents into pixels and back.
    Vae,
}

impl PipelinePart {
    /// What it takes with its numbers in this type.
    pub fn bytes(self, kind: TensorType) -> Bytes {
        kind.size(self.parameters).unwrap_or(Bytes::MAX)
    }
}

impl Pipeline {
    /// The parameters of its denoiser.
    pub fn denoiser(self) -> u64 {
        self.parts.iter().find(|part| part.role == Role::Denoiser).map_or(0, |part| part.parameters)
    }

    /// What all its parts take with their numbers in this type.
    pub fn bytes(self, kind: TensorType) -> Bytes {
        self.parts.iter().fold(Bytes::ZERO, |sum, part| sum.saturating_add(part.bytes(kind)))
    }
}

const fn part(name: &'static str, role: Role, parameters: u64) -> PipelinePart {
    PipelinePart { name, role, parameters }
}

const CLIP_L: PipelinePart = part("CLIP-L", Role::TextEncoder, 123_060_480);
/// With the projection that turns its last vector into one of the image's space.
const CLIP_L_PROJECTED: PipelinePart = part("CLIP-L", Role::TextEncoder, 123_650_304);
const CLIP_G: PipelinePart = part("CLIP-G", Role::TextEncoder, 694_659_840);
const T5_XXL: PipelinePart = part("T5-XXL", Role::TextEncoder, 4_762_310_656);
const VAE_4: PipelinePart = part("VAE", Role::Vae, 83_653_863);
const VAE_16: PipelinePart = part("VAE", Role::Vae, 83_819_683);

/// The pipelines that are built in.
pub const PIPELINES: &[Pipeline] = &[
    Pipeline {
        name: "SDXL",
        also: &["Stable Diffusion XL", "SDXL base", "SDXL 1.0", "stable-diffusion-xl-base-1.0"],
        parts: &[part("UNet", Role::Denoiser, 2_567_463_684), CLIP_L, CLIP_G, VAE_4],
    },
    Pipeline {
        name: "SD 1.5",
        also: &["Stable Diffusion 1.5", "stable-diffusion-v1-5"],
        parts: &[part("UNet", Role::Denoiser, 859_520_964), CLIP_L, VAE_4],
    },
    Pipeline {
        name: "FLUX.1 dev",
        also: &["FLUX.1", "FLUX", "FLUX dev", "FLUX.1-dev"],
        parts: &[part("transformer", Role::Denoiser, 11_901_408_320), CLIP_L, T5_XXL, VAE_16],
    },
    Pipeline {
        name: "FLUX.1 schnell",
        also: &["FLUX schnell", "FLUX.1-schnell"],
        parts: &[part("transformer", Role::Denoiser, 11_891_178_560), CLIP_L, T5_XXL, VAE_16],
    },
    Pipeline {
        name: "SD 3.5 Large",
        also: &["SD3.5-L", "Stable Diffusion 3.5 Large", "SD3.5 Large"],
        parts: &[
            part("transformer", Role::Denoiser, 8_056_627_520),
            CLIP_L_PROJECTED,
            CLIP_G,
            T5_XXL,
            VAE_16,
        ],
    },
    Pipeline {
        name: "SD 3.5 Medium",
        also: &["SD3.5-M", "Stable Diffusion 3.5 Medium", "SD3.5 Medium"],
        parts: &[
            part("transformer", Role::Denoiser, 2_243_171_520),
            CLIP_L_PROJECTED,
            CLIP_G,
            T5_XXL,
            VAE_16,
        ],
    },
];

/// The pipeline that a name means.
///
/// ```
/// use plimsoll_plan::{catalogue::pipeline, model::TensorType};
/// let flux = pipeline("black-forest-labs/FLUX.1-dev")?;
/// assert_eq!(flux.parts[0].bytes(TensorType::BF16).get(), 23_802_816_640);
/// # Ok::<(), plimsoll_plan::catalogue::NameError>(())
/// ```
pub fn pipeline(name: &str) -> Result<&'static Pipeline, NameError> {
    let rows: Vec<Named<&'static Pipeline>> = PIPELINES
        .iter()
        .map(|row| {
            let names = std::iter::once(row.name).chain(row.also.iter().copied()).map(str::to_owned);
            Named { names: names.collect(), value: row }
        })
        .collect();
    find("diffusion model", &rows, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_pipeline() {
        for row in PIPELINES {
            for name in row.also.iter().chain([&row.name]) {
                assert_eq!(pipeline(name), Ok(row), "{name}");
            }
        }
        assert_eq!(
            pipeline("stabilityai/stable-diffusion-3.5-large").map(|row| row.name),
            Ok("SD 3.5 Large")
        );
        assert_eq!(pipeline("sdxl").map(|row| row.denoiser()), Ok(2_567_463_684));
        assert!(pipeline("SD 3.5").unwrap_err().ambiguous);
        assert!(pipeline("SD 9").is_err());
    }

    #[test]
    fn weights_are_bytes_and_not_parameters() {
        let gb = |name| pipeline(name).unwrap().parts[0].bytes(TensorType::BF16).get() / 10_000_000;
        assert_eq!((gb("flux.1"), gb("sd 3.5 large"), gb("sdxl")), (2380, 1611, 513));
    }
}
