//! The models that make images: their parts and shapes.

/// A model that makes images.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pipeline {
    /// "flux.1-dev".
    pub name: &'static str,
    /// Its text encoders.
    pub encoders: &'static [Encoder],
    /// What takes noise away.
    pub denoiser: Denoiser,
    /// Parameters of that.
    pub denoiser_parameters: u64,
    /// Numbers of tables of positions that are kept beside them.
    pub position_table: u64,
    /// Parameters of the autoencoder.
    pub vae_parameters: u64,
    /// Channels of a latent image.
    pub latent_channels: u64,
    /// Whether each step looks at the image twice: with the prompt and without.
    pub guided: bool,
    /// Whether the decoder is raised to single precision, because halves overflow in it.
    pub decodes_in_f32: bool,
    /// What sides of an image are multiples of.
    pub step: u64,
}

/// A text encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoder {
    /// What it is called.
    pub name: &'static str,
    /// Parameters.
    pub parameters: u64,
    /// Tokens that it is given.
    pub tokens: u64,
    /// Numbers of a token.
    pub width: u64,
    /// Inner numbers of its feed-forward part, of a gated one both halves.
    pub ffn_width: u64,
    /// Heads; its scores are written out.
    pub heads: u64,
}

/// The shape of a denoiser.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Denoiser {
    /// Convolutions on several scales, with transformers in between.
    Unet {
        /// Channels on each scale.
        channels: &'static [u64],
        /// Layers of the transformers on each scale; none where there is none.
        depths: &'static [u64],
        /// Residual blocks on each scale on the way down; one more on the way up.
        blocks: u64,
        /// Numbers of a head.
        head_width: u64,
    },
    /// A transformer over image and text together.
    Transformer {
        /// Numbers of a token.
        width: u64,
        /// Tokens of text.
        text_tokens: u64,
        /// Heads.
        heads: u64,
        /// Vectors of `width` that each token of the image has at the widest moment.
        image_vectors: u64,
        /// The same of each token of text.
        text_vectors: u64,
        /// Whether positions are rotated: a table of two numbers in single precision for each number of a head.
        rotated: bool,
    },
}

const CLIP_L: Encoder =
    Encoder { name: "CLIP-L", parameters: 123_060_480, tokens: 77, width: 768, ffn_width: 3072, heads: 12 };
const CLIP_L_PROJECTED: Encoder = Encoder { parameters: 123_650_304, ..CLIP_L };
const CLIP_G: Encoder =
    Encoder { name: "CLIP-G", parameters: 694_659_840, tokens: 77, width: 1280, ffn_width: 5120, heads: 20 };
const T5: Encoder = Encoder {
    name: "T5-XXL",
    parameters: 4_762_310_656,
    tokens: 512,
    width: 4096,
    ffn_width: 20480,
    heads: 64,
};
const T5_SHORT: Encoder = Encoder { tokens: 256, ..T5 };

/// Vectors at the widest moment were counted in diffusers 0.42 on tensors without memory, with fused attention: the
/// stream, its copy before the block, after the norm and after attention, and the feed-forward part before and
/// after its function (8). FLUX.1 has feed-forward and attention side by side, and rotates queries in single
/// precision.
const FLUX: Denoiser = Denoiser::Transformer {
    width: 3072,
    text_tokens: 512,
    heads: 24,
    image_vectors: 17,
    text_vectors: 17,
    rotated: true,
};

const FLUX_DEV: Pipeline = Pipeline {
    name: "flux.1-dev",
    encoders: &[CLIP_L, T5],
    denoiser: FLUX,
    denoiser_parameters: 11_901_408_320,
    position_table: 0,
    vae_parameters: 83_819_683,
    latent_channels: 16,
    guided: false,
    decodes_in_f32: false,
    step: 16,
};

/// All that are known. Parameters are those of the published configurations, counted.
pub(super) const PIPELINES: [Pipeline; 5] = [
    Pipeline {
        name: "sdxl",
        encoders: &[CLIP_L, CLIP_G],
        denoiser: Denoiser::Unet {
            channels: &[320, 640, 1280],
            depths: &[0, 2, 10],
            blocks: 2,
            head_width: 64,
        },
        denoiser_parameters: 2_567_463_684,
        position_table: 0,
        vae_parameters: 83_653_863,
        latent_channels: 4,
        guided: true,
        decodes_in_f32: true,
        step: 8,
    },
    Pipeline {
        name: "sd3.5-medium",
        encoders: &[CLIP_L_PROJECTED, CLIP_G, T5_SHORT],
        denoiser: Denoiser::Transformer {
            width: 1536,
            text_tokens: 333,
            heads: 24,
            image_vectors: 14,
            text_vectors: 6,
            rotated: false,
        },
        denoiser_parameters: 2_243_171_520,
        position_table: 226_492_416,
        vae_parameters: 83_819_683,
        latent_channels: 16,
        guided: true,
        decodes_in_f32: false,
        step: 16,
    },
    Pipeline {
        name: "sd3.5-large",
        encoders: &[CLIP_L_PROJECTED, CLIP_G, T5_SHORT],
        denoiser: Denoiser::Transformer {
            width: 2432,
            text_tokens: 333,
            heads: 38,
            image_vectors: 13,
            text_vectors: 6,
            rotated: false,
        },
        denoiser_parameters: 8_056_627_520,
        position_table: 89_653_248,
        vae_parameters: 83_819_683,
        latent_channels: 16,
        guided: true,
        decodes_in_f32: false,
        step: 16,
    },
    FLUX_DEV,
    Pipeline { name: "flux.1-schnell", denoiser_parameters: 11_891_178_560, ..FLUX_DEV },
];

impl Pipeline {
    /// The pipeline of this name; "flux" is FLUX.1 dev, "sd3.5" the large one.
    pub fn known(name: &str) -> Option<Self> {
        let small = name.trim().to_ascii_lowercase().replace('_', "-");
        let small = match small.as_str() {
            "flux" | "flux.1" | "flux1" | "flux-dev" | "flux.1-dev" => "flux.1-dev",
            "flux-schnell" | "schnell" => "flux.1-schnell",
            "sd3.5" | "sd35-large" | "sd3.5-l" => "sd3.5-large",
            "sd35-medium" | "sd3.5-m" => "sd3.5-medium",
            "sdxl-base" | "sdxl-1.0" => "sdxl",
            other => other,
        };
        PIPELINES.iter().find(|pipeline| pipeline.name == small).copied()
    }

    /// Every pipeline.
    pub fn all() -> impl Iterator<Item = Self> {
        PIPELINES.into_iter()
    }
}
