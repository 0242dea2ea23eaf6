//! What llama.cpp is told: the arguments that decide how much memory it takes.

use crate::model::TensorType;

/// The runtime options of llama.cpp, as its command line has them.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line of its own")]
pub struct Options {
    /// Tokens of context of all sequences together (`-c`); zero for what the model was trained for.
    pub context: u64,
    /// Sequences at a time (`-np`).
    pub sequences: u64,
    /// Whether all sequences share one cache (`-kvu`).
    pub unified: bool,
    /// Tokens that are handed over at a time (`-b`).
    pub batch: u64,
    /// Tokens that are computed at a time (`-ub`).
    pub micro_batch: u64,
    /// Whether attention is fused (`-fa`).
    pub flash_attention: bool,
    /// The type of cached keys (`-ctk`).
    pub key_kind: TensorType,
    /// The type of cached values (`-ctv`).
    pub value_kind: TensorType,
    /// Rows of logits that one batch may ask for. `None`: as many as it has tokens. The server asks for one a sequence.
    pub outputs_max: Option<u64>,
    /// Whether layers with a window cache the whole context all the same (`--swa-full`).
    pub full_window: bool,
    /// Whether quantized caches are rotated first (on, unless `LLAMA_ATTN_ROT_DISABLE` says otherwise).
    pub rotation: bool,
    /// Whether caches are on the devices of their layers (off: `-nkvo`).
    pub kv_offload: bool,
    /// Whether large products with weights in host memory are computed on a GPU (off: `--no-op-offload`).
    pub op_offload: bool,
    /// Layers on the GPUs, the output among them (`-ngl`). `None`: all.
    pub gpu_layers: Option<u64>,
    /// The first so many layers keep their experts in host memory (`--n-cpu-moe`; `--cpu-moe` for all).
    pub host_experts: u64,
    /// The GPUs' shares of the layers (`-ts`), one for each; none where the host computes alone.
    pub shares: Vec<u64>,
    /// What the GPUs are driven by.
    pub backend: Backend,
    /// Tokens that can be rolled back where a draft is rejected, by which recurrent state is multiplied.
    pub rollback: u64,
    /// Whether latent attention keeps its vectors a second time as values, as the first programs that had it did.
    pub latent_values: bool,
    /// How old the program is.
    pub era: Era,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            context: 0,
            sequences: 1,
            unified: false,
            batch: 2048,
            micro_batch: 512,
            flash_attention: true,
            key_kind: TensorType::F16,
            value_kind: TensorType::F16,
            outputs_max: None,
            full_window: false,
            rotation: true,
            kv_offload: true,
            op_offload: true,
            gpu_layers: None,
            host_experts: 0,
            shares: Vec::new(),
            backend: Backend::Cuda,
            rollback: 0,
            latent_values: false,
            era: Era::Now,
        }
    }
}

/// What GPUs are driven by: this decides how their buffers are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// NVIDIA's, and AMD's through HIP.
    Cuda,
    /// Apple's.
    Metal,
    /// Any through Vulkan.
    Vulkan,
}

/// Generations of llama.cpp whose graphs differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Era {
    /// To summer 2025: caches are written through views.
    Early,
    /// From then to the end of 2025: caches are written by rows.
    Late2025,
    /// The first months of 2026: embeddings can be handed over ready.
    Early2026,
    /// From spring 2026 on: masks are made in half precision, quantized caches are rotated.
    Now,
}

impl Era {
    /// The era of a build by its number (`b9496`).
    pub const fn of_build(build: u64) -> Self {
        match build {
            0..6500 => Self::Early,
            6500..7600 => Self::Late2025,
            7600..9000 => Self::Early2026,
            _ => Self::Now,
        }
    }

    /// The era of an issue or a change of the project by its number.
    pub const fn of_issue(number: u64) -> Self {
        match number {
            0..15000 => Self::Early,
            15000..18550 => Self::Late2025,
            18550..21000 => Self::Early2026,
            _ => Self::Now,
        }
    }
}
