//! The models that are built in: real architectures, number by number.
//!
//! The numbers are those of the models' published configurations; a test holds the parameters that follow from them
//! against the published counts, to the unit. A model that others were tuned from carries their names too: what they
//! need is the same.

use super::shape::Shape;

/// A row: the name, other names, the shape.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) also: &'static [&'static str],
    pub(super) shape: Shape,
}

const fn row(name: &'static str, also: &'static [&'static str], shape: Shape) -> Row {
    Row { name, also, shape }
}

/// `d(architecture, layers, width, [heads, KV heads, head width], inner width, vocabulary, context)`.
const fn d(
    architecture: &'static str,
    layers: u32,
    width: u32,
    heads: [u32; 3],
    ffn: u32,
    vocabulary: u32,
    context: u32,
) -> Shape {
    Shape::dense(architecture, layers, width, heads, ffn, vocabulary, context)
}

/// What of a key is not rotated and what is, in DeepSeek's models.
const MLA_KEY: u32 = 128 + 64;

/// Qwen 3.5 and 3.6 share their shapes.
const QWEN35_27B: Shape =
    d("qwen35", 64, 5120, [24, 4, 256], 17408, 248_320, 262_144).rotated(64).delta(16, 48);
const QWEN35_35B: Shape = d("qwen35moe", 40, 2048, [16, 2, 256], 0, 248_320, 262_144)
    .rotated(64)
    .delta(16, 32)
    .experts(256, 8, 512, 512, 0);

/// Every row.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    [LLAMA, QWEN, GEMMA, MISTRAL, OTHERS, EMBEDDING].into_iter().flatten()
}

const LLAMA: &[Row] = &[
    row(
        "Llama 3.1 8B",
        &["DeepSeek R1 Distill Llama 8B", "Hermes 3 Llama 3.1 8B"],
        d("llama", 32, 4096, [32, 8, 128], 14336, 128_256, 131_072),
    ),
    row(
        "Llama 3.1 70B",
        &["DeepSeek R1 Distill Llama 70B", "Nemotron 70B"],
        d("llama", 80, 8192, [64, 8, 128], 28672, 128_256, 131_072),
    ),
    row("Llama 3.3 70B", &[], d("llama", 80, 8192, [64, 8, 128], 28672, 128_256, 131_072)),
    row("Llama 3.1 405B", &[], d("llama", 126, 16384, [128, 8, 128], 53248, 128_256, 131_072)),
    row("Llama 3.2 1B", &[], d("llama", 16, 2048, [32, 8, 64], 8192, 128_256, 131_072).tied()),
    row("Llama 3.2 3B", &[], d("llama", 28, 3072, [24, 8, 128], 8192, 128_256, 131_072).tied()),
    row("Llama 3 8B", &[], d("llama", 32, 4096, [32, 8, 128], 14336, 128_256, 8192)),
    row("Llama 3 70B", &[], d("llama", 80, 8192, [64, 8, 128], 28672, 128_256, 8192)),
    row("Llama 2 7B", &["CodeLlama 7B"], d("llama", 32, 4096, [32, 32, 128], 11008, 32000, 4096)),
    row("Llama 2 13B", &[], d("llama", 40, 5120, [40, 40, 128], 13824, 32000, 4096)),
    row("Llama 2 70B", &[], d("llama", 80, 8192, [64, 8, 128], 28672, 32000, 4096)),
    row("TinyLlama 1.1B", &["TinyLlama"], d("llama", 22, 2048, [32, 4, 64], 5632, 32000, 2048)),
    row("SmolLM2 135M", &[], d("llama", 30, 576, [9, 3, 64], 1536, 49152, 8192).tied()),
    row("SmolLM2 360M", &[], d("llama", 32, 960, [15, 5, 64], 2560, 49152, 8192).tied()),
    row("SmolLM2 1.7B", &[], d("llama", 24, 2048, [32, 32, 64], 8192, 49152, 8192).tied()),
];

const QWEN: &[Row] = &[
    row(
        "Qwen 2.5 0.5B",
        &["Qwen2.5 Coder 0.5B"],
        d("qwen2", 24, 896, [14, 2, 64], 4864, 151_936, 32768).tied(),
    ),
    row(
        "Qwen 2.5 1.5B",
        &["Qwen2.5 Coder 1.5B", "DeepSeek R1 Distill Qwen 1.5B"],
        d("qwen2", 28, 1536, [12, 2, 128], 8960, 151_936, 32768).tied(),
    ),
    row(
        "Qwen 2.5 3B",
        &["Qwen2.5 Coder 3B"],
        d("qwen2", 36, 2048, [16, 2, 128], 11008, 151_936, 32768).tied(),
    ),
    row(
        "Qwen 2.5 7B",
        &["Qwen2.5 Coder 7B", "DeepSeek R1 Distill Qwen 7B"],
        d("qwen2", 28, 3584, [28, 4, 128], 18944, 152_064, 32768),
    ),
    row(
        "Qwen 2.5 14B",
        &["Qwen2.5 Coder 14B", "DeepSeek R1 Distill Qwen 14B"],
        d("qwen2", 48, 5120, [40, 8, 128], 13824, 152_064, 32768),
    ),
    row(
        "Qwen 2.5 32B",
        &["Qwen2.5 Coder 32B", "DeepSeek R1 Distill Qwen 32B", "QwQ 32B"],
        d("qwen2", 64, 5120, [40, 8, 128], 27648, 152_064, 32768),
    ),
    row("Qwen 2.5 72B", &[], d("qwen2", 80, 8192, [64, 8, 128], 29568, 152_064, 32768)),
    row("Qwen3 0.6B", &[], d("qwen3", 28, 1024, [16, 8, 128], 3072, 151_936, 40960).tied()),
    row("Qwen3 1.7B", &[], d("qwen3", 28, 2048, [16, 8, 128], 6144, 151_936, 40960).tied()),
    row("Qwen3 4B", &[], d("qwen3", 36, 2560, [32, 8, 128], 9728, 151_936, 40960).tied()),
    row(
        "Qwen3 8B",
        &["DeepSeek R1 0528 Qwen3 8B"],
        d("qwen3", 36, 4096, [32, 8, 128], 12288, 151_936, 40960),
    ),
    row("Qwen3 14B", &[], d("qwen3", 40, 5120, [40, 8, 128], 17408, 151_936, 40960)),
    row("Qwen3 32B", &[], d("qwen3", 64, 5120, [64, 8, 128], 25600, 151_936, 40960)),
    row(
        "Qwen3 30B A3B",
        &["Qwen3 30B", "Qwen3 Coder 30B A3B", "Qwen3 Coder 30B"],
        d("qwen3moe", 48, 2048, [32, 4, 128], 0, 151_936, 40960).experts(128, 8, 768, 0, 0),
    ),
    row(
        "Qwen3 235B A22B",
        &["Qwen3 235B"],
        d("qwen3moe", 94, 4096, [64, 4, 128], 0, 151_936, 40960).experts(128, 8, 1536, 0, 0),
    ),
    row(
        "Qwen3 Coder 480B A35B",
        &["Qwen3 Coder 480B"],
        d("qwen3moe", 62, 6144, [96, 8, 128], 0, 151_936, 262_144).experts(160, 8, 2560, 0, 0),
    ),
    row(
        "Qwen3 Next 80B A3B",
        &["Qwen3 Next 80B", "Qwen3 Next", "Qwen3 Coder Next", "Qwen3 Coder Next 80B A3B"],
        d("qwen3next", 48, 2048, [16, 2, 256], 0, 151_936, 262_144)
            .rotated(64)
            .delta(16, 32)
            .experts(512, 10, 512, 512, 0),
    ),
    row(
        "Qwen 3.5 0.8B",
        &[],
        d("qwen35", 24, 1024, [8, 2, 256], 3584, 248_320, 262_144).rotated(64).delta(16, 16).tied(),
    ),
    row(
        "Qwen 3.5 2B",
        &[],
        d("qwen35", 24, 2048, [8, 2, 256], 6144, 248_320, 262_144).rotated(64).delta(16, 16).tied(),
    ),
    row(
        "Qwen 3.5 4B",
        &[],
        d("qwen35", 32, 2560, [16, 4, 256], 9216, 248_320, 262_144).rotated(64).delta(16, 32).tied(),
    ),
    row(
        "Qwen 3.5 9B",
        &[],
        d("qwen35", 32, 4096, [16, 4, 256], 12288, 248_320, 262_144).rotated(64).delta(16, 32),
    ),
    row("Qwen 3.5 27B", &[], QWEN35_27B),
    row("Qwen 3.6 27B", &[], QWEN35_27B),
    row("Qwen 3.5 35B A3B", &["Qwen3.5 35B"], QWEN35_35B),
    row("Qwen 3.6 35B A3B", &["Qwen3.6 35B"], QWEN35_35B),
];

const GEMMA: &[Row] = &[
    row(
        "Gemma 4 12B",
        &[],
        d("gemma4", 48, 3840, [16, 8, 256], 15360, 262_144, 262_144)
            .windowed(1024, 6)
            .full_heads(1, 512)
            .tied(),
    ),
    row(
        "Gemma 4 31B",
        &[],
        d("gemma4", 60, 5376, [32, 16, 256], 21504, 262_144, 262_144)
            .windowed(1024, 6)
            .full_heads(4, 512)
            .tied(),
    ),
    row("Gemma 3 270M", &[], d("gemma3", 18, 640, [4, 1, 256], 2048, 262_144, 32768).windowed(512, 6).tied()),
    row("Gemma 3 1B", &[], d("gemma3", 26, 1152, [4, 1, 256], 6912, 262_144, 32768).windowed(512, 6).tied()),
    row(
        "Gemma 3 4B",
        &["MedGemma 4B"],
        d("gemma3", 34, 2560, [8, 4, 256], 10240, 262_208, 131_072).windowed(1024, 6).tied(),
    ),
    row(
        "Gemma 3 12B",
        &[],
        d("gemma3", 48, 3840, [16, 8, 256], 15360, 262_208, 131_072).windowed(1024, 6).tied(),
    ),
    row(
        "Gemma 3 27B",
        &["MedGemma 27B"],
        d("gemma3", 62, 5376, [32, 16, 128], 21504, 262_208, 131_072).windowed(1024, 6).tied(),
    ),
    row(
        "Gemma 2 2B",
        &[],
        d("gemma2", 26, 2304, [8, 4, 256], 9216, 256_000, 8192).windowed(4096, 2).softcapped().tied(),
    ),
    row(
        "Gemma 2 9B",
        &[],
        d("gemma2", 42, 3584, [16, 8, 256], 14336, 256_000, 8192).windowed(4096, 2).softcapped().tied(),
    ),
    row(
        "Gemma 2 27B",
        &[],
        d("gemma2", 46, 4608, [32, 16, 128], 36864, 256_000, 8192).windowed(4096, 2).softcapped().tied(),
    ),
];

const MISTRAL: &[Row] = &[
    row("Mistral 7B v0.3", &["Mistral 7B"], d("llama", 32, 4096, [32, 8, 128], 14336, 32768, 32768)),
    row(
        "Mistral 7B v0.2",
        &["Mistral 7B v0.1", "Zephyr 7B"],
        d("llama", 32, 4096, [32, 8, 128], 14336, 32000, 32768),
    ),
    row(
        "Mistral Nemo 12B",
        &["Mistral Nemo", "Mistral Nemo 2407"],
        d("llama", 40, 5120, [32, 8, 128], 14336, 131_072, 131_072),
    ),
    row(
        "Mistral Small 24B",
        &[
            "Mistral Small",
            "Mistral Small 3",
            "Mistral Small 3.1 24B",
            "Mistral Small 3.2 24B",
            "Devstral Small 24B",
            "Devstral Small",
            "Magistral Small 24B",
            "Magistral Small",
        ],
        d("llama", 40, 5120, [32, 8, 128], 32768, 131_072, 32768),
    ),
    row("Mistral Small 22B", &["Codestral 22B"], d("llama", 56, 6144, [48, 8, 128], 16384, 32768, 32768)),
    row("Mistral Large 123B", &["Mistral Large"], d("llama", 88, 12288, [96, 8, 128], 28672, 32768, 131_072)),
    row(
        "Mixtral 8x7B",
        &["Mixtral 8x7B v0.1"],
        d("llama", 32, 4096, [32, 8, 128], 0, 32000, 32768).experts(8, 2, 14336, 0, 0),
    ),
    row(
        "Mixtral 8x22B",
        &["Mixtral 8x22B v0.1"],
        d("llama", 56, 6144, [48, 8, 128], 0, 32000, 65536).experts(8, 2, 16384, 0, 0),
    ),
];

const OTHERS: &[Row] = &[
    row(
        "Phi 3.5 mini",
        &["Phi 3.5 mini 3.8B", "Phi 3 mini 128k"],
        d("phi3", 32, 3072, [32, 32, 96], 8192, 32064, 131_072),
    ),
    row("Phi 3 medium", &["Phi 3 medium 14B"], d("phi3", 40, 5120, [40, 10, 128], 17920, 32064, 131_072)),
    row("Phi 4", &["Phi 4 14B"], d("phi3", 40, 5120, [40, 10, 128], 17920, 100_352, 16384)),
    row(
        "Phi 4 mini",
        &["Phi 4 mini 3.8B"],
        d("phi3", 32, 3072, [24, 8, 128], 8192, 200_064, 131_072).rotated(96).tied(),
    ),
    row(
        "DeepSeek V3",
        &["DeepSeek R1", "DeepSeek V3.1", "DeepSeek V3 671B", "DeepSeek R1 671B", "DeepSeek V3.1 671B"],
        d("deepseek2", 61, 7168, [128, 128, MLA_KEY], 18432, 129_280, 163_840)
            .latent(512, Some(1536), 64, 128)
            .experts(256, 8, 2048, 2048, 3),
    ),
    row(
        "DeepSeek V2",
        &["DeepSeek V2.5", "DeepSeek Coder V2", "DeepSeek V2 236B"],
        d("deepseek2", 60, 5120, [128, 128, MLA_KEY], 12288, 102_400, 163_840)
            .latent(512, Some(1536), 64, 128)
            .experts(160, 6, 1536, 3072, 1),
    ),
    row(
        "DeepSeek V2 Lite",
        &["DeepSeek Coder V2 Lite", "DeepSeek V2 Lite 16B", "DeepSeek Coder V2 16B"],
        d("deepseek2", 27, 2048, [16, 16, MLA_KEY], 10944, 102_400, 163_840)
            .latent(512, None, 64, 128)
            .experts(64, 6, 1408, 2816, 1),
    ),
    row(
        "Kimi K2",
        &["Kimi K2 1T", "Kimi K2 1026B"],
        d("deepseek2", 61, 7168, [64, 64, MLA_KEY], 18432, 163_840, 131_072)
            .latent(512, Some(1536), 64, 128)
            .experts(384, 8, 2048, 2048, 1),
    ),
    row(
        "gpt-oss 20B",
        &[],
        d("gpt-oss", 24, 2880, [64, 8, 64], 0, 201_088, 131_072).windowed(128, 2).experts(32, 4, 2880, 0, 0),
    ),
    row(
        "gpt-oss 120B",
        &[],
        d("gpt-oss", 36, 2880, [64, 8, 64], 0, 201_088, 131_072).windowed(128, 2).experts(128, 4, 2880, 0, 0),
    ),
    row(
        "GLM 4 32B",
        &["GLM Z1 32B", "GLM Z1 32B 0414"],
        d("glm4", 61, 6144, [48, 2, 128], 23040, 151_552, 32768).rotated(64),
    ),
    row(
        "OLMoE 1B 7B",
        &["OLMoE"],
        d("olmoe", 16, 2048, [16, 16, 128], 0, 50304, 4096).experts(64, 8, 1024, 0, 0),
    ),
];

const EMBEDDING: &[Row] = &[
    row(
        "all-MiniLM-L6",
        &["all-MiniLM-L6-v2", "MiniLM L6"],
        d("bert", 6, 384, [12, 12, 32], 1536, 30522, 512).plain_ffn().tied(),
    ),
    row(
        "bge-small-en",
        &["bge-small-en-v1.5", "bge-small"],
        d("bert", 12, 384, [12, 12, 32], 1536, 30522, 512).plain_ffn().tied(),
    ),
    row(
        "bge-base-en",
        &["bge-base-en-v1.5", "bge-base"],
        d("bert", 12, 768, [12, 12, 64], 3072, 30522, 512).plain_ffn().tied(),
    ),
    row(
        "bge-large-en",
        &["bge-large-en-v1.5", "bge-large", "mxbai-embed-large", "mxbai-embed-large-v1"],
        d("bert", 24, 1024, [16, 16, 64], 4096, 30522, 512).plain_ffn().tied(),
    ),
    row(
        "nomic-embed-text",
        &["nomic-embed-text-v1.5", "nomic-embed-text-v1"],
        d("nomic-bert", 12, 768, [12, 12, 64], 3072, 30528, 2048).tied(),
    ),
    row("Qwen3 Embedding 0.6B", &[], d("qwen3", 28, 1024, [16, 8, 128], 3072, 151_669, 32768).tied()),
];
