//! The architectures whose graphs were checked against llama.cpp, each by what it differs in.

use super::style::{Act, CHOICE, Choice, KeyNorm, Norm, Order, PLAIN, Rope, Shared, Style, Wanted};

/// One whose rules are known and as plain as can be.
const KNOWN: Style = Style { known: true, ..PLAIN };
/// The same, with norms of each head's queries and keys.
const HEAD_NORMS: Style = Style { key_norm: KeyNorm::Head, ..KNOWN };

/// The rules of an architecture by its name; a plain decoder's for one that is not known.
pub(super) fn by_name(name: &str) -> Style {
    match name {
        "llama" | "mistral3" | "deci" | "arcee" | "seed_oss" | "ernie4_5" | "internlm2" | "deepseek2"
        | "mamba" | "falcon-h1" => KNOWN,
        "smollm3" => Style { rope: Rope::ThreeOfFour, ..KNOWN },
        _ if name.starts_with("qwen") => qwen(name),
        _ if name.starts_with("gemma") => gemma(name),
        _ => other(name),
    }
}

/// Qwen's.
fn qwen(name: &str) -> Style {
    match name {
        "qwen2" => Style { projection_bias: true, ..KNOWN },
        "qwen2vl" => Style { projection_bias: true, positions_per_token: 4, ..KNOWN },
        "qwen3" | "qwen3moe" => HEAD_NORMS,
        "qwen3vl" | "qwen3vlmoe" => Style { positions_per_token: 4, ..HEAD_NORMS },
        "qwen2moe" => Style {
            projection_bias: true,
            choice: Choice { summed: false, shared: Shared::Quotient, ..CHOICE },
            ..KNOWN
        },
        "qwen3next" => Style {
            gated_attention: true,
            joint_beta: true,
            wanted: Wanted::AfterNorm,
            choice: Choice { shared: Shared::Sigmoid, ..CHOICE },
            ..HEAD_NORMS
        },
        "qwen35" | "qwen35moe" => Style {
            gated_attention: true,
            positions_per_token: 4,
            wanted: Wanted::AfterNorm,
            choice: Choice { shared: Shared::Sigmoid, ..CHOICE },
            ..HEAD_NORMS
        },
        _ => PLAIN,
    }
}

/// Gemma's.
fn gemma(name: &str) -> Style {
    match name {
        "gemma" => Style { scaled_embedding: true, scaled_query: true, ..KNOWN },
        "gemma2" => {
            Style { scaled_embedding: true, scaled_query: true, norms_behind: true, logits_steps: 3, ..KNOWN }
        }
        "gemma3" => Style {
            scaled_embedding: true,
            scaled_query: true,
            norms_behind: true,
            key_norm: KeyNorm::Head,
            ..KNOWN
        },
        "gemma4" => Style {
            scaled_embedding: true,
            norms_behind: true,
            key_norm: KeyNorm::Head,
            rope_factors: true,
            rope_factors_full_only: true,
            normed_values: true,
            keys_for_values: true,
            choice: Choice { scaled_results: true, merged: true, ..CHOICE },
            wanted: Wanted::AfterNorm,
            ..KNOWN
        },
        _ => PLAIN,
    }
}

/// The others.
fn other(name: &str) -> Style {
    match name {
        "olmoe" => Style { key_norm: KeyNorm::Whole, choice: Choice { summed: false, ..CHOICE }, ..KNOWN },
        "olmo2" => Style { key_norm: KeyNorm::Whole, norms_behind: true, no_norms_before: true, ..KNOWN },
        "glm4" => Style { act: Act::Halves, norms_behind: true, projection_bias: true, ..KNOWN },
        "glm4moe" => Style {
            projection_bias: true,
            key_norm: KeyNorm::Head,
            choice: Choice { scaled: true, biased: true, ..CHOICE },
            ..KNOWN
        },
        "gpt-oss" => Style {
            projection_bias: true,
            output_projection_bias: true,
            sinks: true,
            wanted: Wanted::BeforeNorm,
            choice: Choice { shares_first: false, summed: false, matrices_biased: true, ..CHOICE },
            ..KNOWN
        },
        "mamba2" => Style { state_norm: true, ..KNOWN },
        "phi3" => Style {
            fused_projection: true,
            act: Act::Halves,
            scaled_query: true,
            residual_first: true,
            ..KNOWN
        },
        "phimoe" => Style { scaled_query: true, residual_first: true, output_bias: true, ..PLAIN },
        "command-r" => {
            Style { norm: Norm::Mean, order: Order::Beside, rope: Rope::All, logits_steps: 1, ..KNOWN }
        }
        "cohere2" => {
            Style { norm: Norm::Mean, order: Order::Beside, rope: Rope::Windowed, logits_steps: 1, ..KNOWN }
        }
        "gptneox" => Style {
            norm: Norm::MeanBias,
            order: Order::BesideNormed,
            act: Act::Plain(1),
            fused_projection: true,
            projection_bias: true,
            output_projection_bias: true,
            ffn_bias: true,
            ..KNOWN
        },
        "starcoder2" => Style {
            norm: Norm::MeanBias,
            act: Act::Plain(1),
            projection_bias: true,
            output_projection_bias: true,
            ffn_bias: true,
            ..KNOWN
        },
        "granite" | "granitemoe" | "minicpm" => Style {
            scaled_embedding: true,
            scaled_embedding_at_once: true,
            scaled_residual: true,
            logits_steps: 1,
            ..KNOWN
        },
        _ => PLAIN,
    }
}
