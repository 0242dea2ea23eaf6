//! Which networks there are to train, and their shapes by name.

use super::nets::{DecoderShape, FluxShape, JointShape, Norms, UnetShape};
use crate::model::{Attention, Ffn, Hyper, Layer};

/// A network that is trained, by its family and its dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// A decoder of text: Llama, Mistral, Qwen, Gemma, Phi.
    Decoder(DecoderShape),
    /// The U-Net of Stable Diffusion 1.5, 2.1 and SDXL.
    Unet(UnetShape),
    /// The transformer of FLUX.1.
    Flux(FluxShape),
    /// The transformer of Stable Diffusion 3 and 3.5.
    Joint(JointShape),
}

/// A decoder's row: name, width, inner width, layers, heads, heads of keys, vocabulary, width of a head, and whether
/// its embeddings are tied.
type Row = (&'static str, u64, u64, u64, u64, u64, u64, u64, bool);

const DECODERS: [Row; 43] = [
    ("llama-2-7b", 4096, 11008, 32, 32, 32, 32000, 128, false),
    ("llama-2-13b", 5120, 13824, 40, 40, 40, 32000, 128, false),
    ("llama-2-70b", 8192, 28672, 80, 64, 8, 32000, 128, false),
    ("llama-3-8b", 4096, 14336, 32, 32, 8, 128_256, 128, false),
    ("llama-3-70b", 8192, 28672, 80, 64, 8, 128_256, 128, false),
    ("llama-3.1-8b", 4096, 14336, 32, 32, 8, 128_256, 128, false),
    ("llama-3.1-70b", 8192, 28672, 80, 64, 8, 128_256, 128, false),
    ("llama-3.1-405b", 16384, 53248, 126, 128, 8, 128_256, 128, false),
    ("llama-3.2-1b", 2048, 8192, 16, 32, 8, 128_256, 64, true),
    ("llama-3.2-3b", 3072, 8192, 28, 24, 8, 128_256, 128, true),
    ("llama-3.3-70b", 8192, 28672, 80, 64, 8, 128_256, 128, false),
    ("tinyllama-1.1b", 2048, 5632, 22, 32, 4, 32000, 64, false),
    ("smollm2-135m", 576, 1536, 30, 9, 3, 49152, 64, true),
    ("smollm2-360m", 960, 2560, 32, 15, 5, 49152, 64, true),
    ("smollm2-1.7b", 2048, 8192, 24, 32, 32, 49152, 64, true),
    ("mistral-7b", 4096, 14336, 32, 32, 8, 32768, 128, false),
    ("mistral-nemo-12b", 5120, 14336, 40, 32, 8, 131_072, 128, false),
    ("mistral-small-24b", 5120, 32768, 40, 32, 8, 131_072, 128, false),
    ("qwen2.5-0.5b", 896, 4864, 24, 14, 2, 151_936, 64, true),
    ("qwen2.5-1.5b", 1536, 8960, 28, 12, 2, 151_936, 128, true),
    ("qwen2.5-3b", 2048, 11008, 36, 16, 2, 151_936, 128, true),
    ("qwen2.5-7b", 3584, 18944, 28, 28, 4, 152_064, 128, false),
    ("qwen2.5-14b", 5120, 13824, 48, 40, 8, 152_064, 128, false),
    ("qwen2.5-32b", 5120, 27648, 64, 40, 8, 152_064, 128, false),
    ("qwen2.5-72b", 8192, 29568, 80, 64, 8, 152_064, 128, false),
    ("qwen3-0.6b", 1024, 3072, 28, 16, 8, 151_936, 128, true),
    ("qwen3-1.7b", 2048, 6144, 28, 16, 8, 151_936, 128, true),
    ("qwen3-4b", 2560, 9728, 36, 32, 8, 151_936, 128, true),
    ("qwen3-8b", 4096, 12288, 36, 32, 8, 151_936, 128, false),
    ("qwen3-14b", 5120, 17408, 40, 40, 8, 151_936, 128, false),
    ("qwen3-32b", 5120, 25600, 64, 64, 8, 151_936, 128, false),
    ("gemma-2-2b", 2304, 9216, 26, 8, 4, 256_000, 256, true),
    ("gemma-2-9b", 3584, 14336, 42, 16, 8, 256_000, 256, true),
    ("gemma-2-27b", 4608, 36864, 46, 32, 16, 256_000, 128, true),
    ("gemma-3-1b", 1152, 6912, 26, 4, 1, 262_144, 256, true),
    ("gemma-3-4b", 2560, 10240, 34, 8, 4, 262_208, 256, true),
    ("gemma-3-12b", 3840, 15360, 48, 16, 8, 262_208, 256, true),
    ("gemma-3-27b", 5376, 21504, 62, 32, 16, 262_208, 128, true),
    ("phi-3-mini", 3072, 8192, 32, 32, 32, 32064, 96, false),
    ("phi-3.5-mini", 3072, 8192, 32, 32, 32, 32064, 96, false),
    ("phi-3-medium", 5120, 17920, 40, 40, 10, 32064, 128, false),
    ("phi-4-mini", 3072, 8192, 32, 24, 8, 200_064, 128, true),
    ("phi-4", 5120, 17920, 40, 40, 10, 100_352, 128, false),
];

/// Diffusion networks that [`Network::named`] knows.
const DIFFUSION: [&str; 9] = [
    "sd1.5",
    "sd2.1",
    "sdxl",
    "flux1",
    "flux1-dev",
    "flux1-schnell",
    "sd3-medium",
    "sd3.5-medium",
    "sd3.5-large",
];

impl Network {
    /// The network of that name, whatever stands before a slash or says that it was tuned.
    pub fn named(name: &str) -> Option<Self> {
        let name = plain(name);
        if let Some(row) = DECODERS.iter().find(|row| row.0 == name) {
            return Some(Self::Decoder(decoder(row)));
        }
        diffusion(&name)
    }

    /// Every name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        DECODERS.iter().map(|row| row.0).chain(DIFFUSION)
    }

    /// The decoder of a language model, where its shape is one that this knows how to train.
    pub fn of(hyper: &Hyper) -> Option<Self> {
        let layer = hyper.layers.first()?;
        let attention = layer.attention.as_ref().filter(|attention| attention.mla.is_none())?;
        let Ffn::Dense { width: inner, gated: true } = layer.ffn else { return None };
        let architecture = hyper.architecture.as_str();
        let row = (
            architecture,
            hyper.width,
            inner,
            u64::try_from(hyper.layers.len()).ok()?,
            attention.heads,
            attention.kv_heads,
            hyper.vocabulary,
            attention.key_width,
            hyper.tied_embedding,
        );
        let known = ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "phi3"];
        let alike = |other: &Layer| {
            let seen =
                other.attention.as_ref().map(|other| Attention { window: attention.window, ..other.clone() });
            other.recurrent.is_none() && other.ffn == layer.ffn && seen.as_ref() == Some(attention)
        };
        if !known.contains(&architecture) || !hyper.layers.iter().all(alike) {
            return None;
        }
        let mut shape = of_family(architecture, &row);
        let windows = || hyper.layers.iter().map(|layer| layer.attention.as_ref().and_then(|own| own.window));
        let all = windows().position(|window| window.is_none()).and_then(|at| u64::try_from(at).ok());
        shape.window =
            windows().flatten().next().map(|window| (window, all.map_or(0, |at| at.saturating_add(1))));
        Some(Self::Decoder(shape))
    }

    /// Whether it takes images rather than tokens.
    pub const fn takes_pixels(&self) -> bool {
        !matches!(self, Self::Decoder(_))
    }

    /// Blocks, for words and for limits.
    pub fn blocks(&self) -> u64 {
        match self {
            Self::Decoder(shape) => shape.layers,
            // Two steps of each scale on the way down, three on the way up, and one between.
            Self::Unet(shape) => {
                let scales = shape
                    .depths
                    .iter()
                    .fold(0, |sum: u64, depth| sum.saturating_add(depth.saturating_mul(5)));
                let between = shape.depths.iter().rev().find(|depth| **depth > 0).copied().unwrap_or(0);
                scales.saturating_add(between)
            }
            Self::Flux(shape) => shape.double.saturating_add(shape.single),
            Self::Joint(shape) => shape.layers,
        }
    }

    /// Parameters of the text encoders and of the image decoder that work beside it.
    pub const fn companions(&self) -> (u64, u64) {
        const CLIP_L: u64 = 123_060_480;
        const CLIP_G: u64 = 694_659_840;
        const T5_XXL: u64 = 4_762_310_656;
        match self {
            Self::Decoder(_) => (0, 0),
            Self::Unet(shape) if shape.added.is_some() => (CLIP_L + CLIP_G, 83_653_863),
            Self::Unet(_) => (CLIP_L, 83_653_863),
            Self::Flux(_) => (CLIP_L + T5_XXL, 83_819_683),
            Self::Joint(_) => (CLIP_L + CLIP_G + T5_XXL, 83_819_683),
        }
    }
}

/// A name without what does not change the shape.
fn plain(name: &str) -> String {
    let small = name.trim().to_ascii_lowercase().replace('_', "-");
    let mut name = small.rsplit('/').next().unwrap_or_default().replace("meta-llama", "llama");
    let ends = ["-instruct", "-base", "-chat", "-hf", "-it", "-pt", "-transformer", "-unet", "-2507"];
    while let Some(length) = ends.iter().find_map(|end| Some(name.strip_suffix(end)?.len())) {
        name.truncate(length);
    }
    for (long, short) in [
        ("stable-diffusion-xl", "sdxl"),
        ("stable-diffusion-", "sd"),
        ("flux.1", "flux1"),
        ("sd-", "sd"),
        ("sdv1-5", "sd1.5"),
        ("qwen2-5", "qwen2.5"),
        ("qwen-2.5", "qwen2.5"),
        ("qwen-3", "qwen3"),
        ("meta-llama", "llama"),
    ] {
        name = name.replace(long, short);
    }
    let versions = [
        ("mistral-7b-v0.1", "mistral-7b"),
        ("mistral-7b-v0.3", "mistral-7b"),
        ("sd15", "sd1.5"),
        ("flux", "flux1"),
    ];
    match versions.iter().find(|(long, _)| *long == name) {
        Some((_, short)) => (*short).to_owned(),
        None => name,
    }
}

fn decoder(row: &Row) -> DecoderShape {
    let starts = [
        ("qwen2", "qwen2"),
        ("qwen3", "qwen3"),
        ("gemma-2", "gemma2"),
        ("gemma-3", "gemma3"),
        ("phi", "phi3"),
    ];
    let family = starts.iter().find(|(start, _)| row.0.starts_with(start)).map_or("llama", |found| found.1);
    of_family(family, row)
}

fn of_family(family: &str, row: &(&str, u64, u64, u64, u64, u64, u64, u64, bool)) -> DecoderShape {
    let (_, width, inner, layers, heads, kv_heads, vocabulary, head_width, tied) = *row;
    let gemma = family.starts_with("gemma");
    DecoderShape {
        width,
        inner,
        layers,
        heads,
        kv_heads,
        head_width,
        vocabulary,
        tied,
        qkv_bias: family == "qwen2",
        qk_norm: matches!(family, "qwen3" | "gemma3"),
        norms: if gemma { Norms::Around } else { Norms::Before },
        fused: family == "phi3",
        softcap: family == "gemma2",
        window: match family {
            "gemma2" => Some((4096, 2)),
            "gemma3" if layers == 26 => Some((512, 6)),
            "gemma3" => Some((1024, 6)),
            _ => None,
        },
    }
}

/// Channels of the scales of every Stable Diffusion before the third; SDXL has the first three.
const FOUR: [u64; 4] = [320, 640, 1280, 1280];

fn diffusion(name: &str) -> Option<Network> {
    let unet = |channels: &[u64], depths: &[u64], heads: &[u64], cross| UnetShape {
        channels: channels.to_vec(),
        depths: depths.to_vec(),
        heads: heads.to_vec(),
        cross,
        prompt: 77,
        linear: true,
        added: None,
    };
    let joint = |layers, heads, dual, positions, qk_norm| {
        Network::Joint(JointShape { layers, heads, dual, positions, qk_norm, prompt: 333 })
    };
    let flux =
        |guidance| Network::Flux(FluxShape { double: 19, single: 38, heads: 24, guidance, prompt: 512 });
    Some(match name {
        "sdxl" | "sdxl-base-1.0" | "sdxl-1.0" => Network::Unet(UnetShape {
            added: Some(2816),
            ..unet(&FOUR[..3], &[0, 2, 10], &[5, 10, 20], 2048)
        }),
        "sd1.5" => Network::Unet(UnetShape { linear: false, ..unet(&FOUR, &[1, 1, 1, 0], &[8; 4], 768) }),
        "sd2.1" => Network::Unet(unet(&FOUR, &[1, 1, 1, 0], &[5, 10, 20, 20], 1024)),
        "flux1" | "flux1-dev" => flux(true),
        "flux1-schnell" => flux(false),
        "sd3-medium" => joint(24, 24, 0, 192, false),
        "sd3.5-medium" => joint(24, 24, 13, 384, true),
        "sd3.5-large" => joint(38, 38, 0, 192, true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_and_none_stands_twice() {
        let names: Vec<_> = Network::names().collect();
        for (index, name) in names.iter().enumerate() {
            assert!(Network::named(name).is_some(), "{name}");
            assert!(!names[..index].contains(name), "{name}");
        }
    }

    #[test]
    fn what_does_not_change_the_shape_may_stand_in_a_name() {
        for (name, same) in [
            ("meta-llama/Llama-3.2-1B-Instruct", "llama-3.2-1b"),
            ("Qwen/Qwen3-8B-Base", "qwen3-8b"),
            ("sdxl-unet", "sdxl"),
            ("stabilityai/stable-diffusion-xl-base-1.0", "sdxl"),
            ("sd3.5-large-transformer", "sd3.5-large"),
            ("black-forest-labs/FLUX.1-dev", "flux1"),
            ("FLUX.1-schnell", "flux1-schnell"),
            ("google/gemma-2-2b-it", "gemma-2-2b"),
            ("stable-diffusion-v1-5", "sd1.5"),
        ] {
            assert_eq!(Network::named(name), Network::named(same), "{name}");
            assert!(Network::named(name).is_some(), "{name}");
        }
        assert_eq!(Network::named("gpt-17"), None);
    }

    #[test]
    fn a_language_model_is_known_by_its_shape_if_its_layers_are_alike() {
        let layer = |window| Layer {
            attention: Some(Attention {
                heads: 4,
                kv_heads: 1,
                key_width: 256,
                value_width: 256,
                window,
                ..Attention::default()
            }),
            recurrent: None,
            ffn: Ffn::Dense { width: 6912, gated: true },
        };
        let mut hyper = Hyper {
            architecture: "gemma3".to_owned(),
            width: 1152,
            vocabulary: 262_144,
            tied_embedding: true,
            layers: (1..=26).map(|at| layer((at % 6 != 0).then_some(512))).collect(),
            ..Hyper::default()
        };
        assert_eq!(Network::of(&hyper), Network::named("gemma-3-1b"));
        hyper.layers[3].ffn = Ffn::None;
        assert_eq!(Network::of(&hyper), None);
    }
}
