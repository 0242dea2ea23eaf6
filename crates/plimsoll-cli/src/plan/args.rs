//! What can be typed after `plan`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use plimsoll::Bytes;
use plimsoll_plan::emit::Program;
use plimsoll_plan::model::TensorType;
use plimsoll_plan::workload::{Usual, tokens};

use super::check::CheckArgs;
use super::op::OpArgs;
use super::pack::PackArgs;
use super::tiers::TiersArgs;

const EXAMPLES: &str = "\
Examples:
  plimsoll plan --model qwen3-14b --context 32k
  plimsoll plan --model ./qwen3-14b-Q4_K_M.gguf,context=32k,parallel=4 --explain
  plimsoll plan --model llama-3.1-70b:Q4_K_M --machine m3-max-128g
  plimsoll plan --model qwen3-8b --index 5Mx768:int4,ivf --line 75% -o plan.toml
  plimsoll plan --train llama-3.1-8b:lora:rank=16,seq=2048,checkpointing --machine rtx-4090+64g
  plimsoll plan --model gpt-oss-20b --for llama-server
  plimsoll plan --plan plan.toml --compare run.plimsoll
  plimsoll plan tiers --for llm
  plimsoll plan op attention q=4096,kv=4096,heads=32,d=128,fused=no
  plimsoll plan pack step.csv --capacity 24GiB -o offsets.csv

Exit codes: 0 it fits, 1 it does not, 2 not understood.";

/// What can be typed after `plan`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct PlanArgs {
    #[command(subcommand)]
    pub(super) command: Option<PlanCommand>,

    #[command(flatten)]
    pub(super) ask: AskArgs,
}

/// What `plan` does besides planning.
#[derive(Clone, Debug, Subcommand)]
pub enum PlanCommand {
    /// Show what one operation on tensors takes: matmul, conv2d, attention and others
    Op(OpArgs),
    /// Give offsets to buffers whose lifetimes are known: a CSV file
    Pack(PackArgs),
    /// Show what fits comfortably on each machine of the catalogue
    Tiers(TiersArgs),
    /// Hold the planner against measured sizes: CSV files of a folder
    Check(CheckArgs),
}

/// What is to be planned.
#[derive(Clone, Debug, Args)]
pub struct AskArgs {
    /// A language model: a GGUF or safetensors file, a folder, a configuration, or a name; then `:QUANTIZATION` and
    /// `,key=value` (context, parallel, kv, layers, draft, mmproj, lora …)
    #[arg(long, value_name = "MODEL", help_heading = "Workloads")]
    pub model: Vec<String>,
    /// A vector index: `5Mx768:int4,ivf,originals=disk,queries=64,k=100`
    #[arg(long, value_name = "INDEX", help_heading = "Workloads")]
    pub index: Vec<String>,
    /// Training: `llama-3.1-8b:lora:rank=16,seq=2048,checkpointing`, `sdxl:lora:rank=32,px=1024`
    #[arg(long, value_name = "TRAINING", help_heading = "Workloads")]
    pub train: Vec<String>,
    /// Documents to be taken in: `2GiB,chunk=512,dim=768`
    #[arg(long, value_name = "DOCUMENTS", help_heading = "Workloads")]
    pub documents: Vec<String>,
    /// Images to be made: `flux.1-dev,1024x1024`
    #[arg(long, value_name = "IMAGES", help_heading = "Workloads")]
    pub image: Vec<String>,

    /// Tokens of context of models that do not say (32k); without it the plan chooses
    #[arg(long, value_name = "TOKENS", value_parser = tokens, help_heading = "Models")]
    pub context: Option<u64>,
    /// Sequences at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1024), help_heading = "Models")]
    pub parallel: Option<u64>,
    /// Type of the key-value cache: `f16`, `bf16`, `q8_0`, `q4_0` …; without it the plan chooses
    #[arg(long, value_name = "TYPE", help_heading = "Models")]
    pub kv: Option<TensorType>,
    /// Tokens handed over at a time
    #[arg(long, value_name = "TOKENS", value_parser = tokens, help_heading = "Models")]
    pub batch: Option<u64>,
    /// Tokens computed at a time
    #[arg(long, value_name = "TOKENS", value_parser = tokens, help_heading = "Models")]
    pub ubatch: Option<u64>,
    /// Layers on GPUs, the output counted as one; without it the plan chooses
    #[arg(long, value_name = "N", help_heading = "Models")]
    pub layers: Option<u64>,
    /// Attention whose scores are kept
    #[arg(long, help_heading = "Models")]
    pub no_flash: bool,
    /// Host memory for prompts that were seen before
    #[arg(long, value_name = "SIZE", help_heading = "Models")]
    pub cache_ram: Option<Bytes>,

    /// The machine: a name (`m3-max-128g`, `rtx-4090+64g`, `2x rtx-3090+128g`), a .toml file, or this one
    #[arg(long, value_name = "MACHINE", help_heading = "Machine")]
    pub machine: Option<String>,
    /// The line: `75%`, `24GiB`, or for one place `cuda:0=20GiB`; may be repeated
    #[arg(long, value_name = "LINE", help_heading = "Machine")]
    pub line: Vec<String>,

    /// Show every formula with its numbers
    #[arg(long, help_heading = "Output")]
    pub explain: bool,
    /// Write the plan that `Engine::open` reads and enforces
    #[arg(long, short, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Write a picture
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub svg: Option<PathBuf>,
    /// Print what another program would be told: llama-server, ollama, vllm, `mlx_lm`, kohya, diffusers
    #[arg(long = "for", value_name = "PROGRAM", help_heading = "Output")]
    pub program: Option<Program>,

    /// The file of runs that estimates learn from
    #[arg(long, value_name = "FILE", help_heading = "Runs")]
    pub runs: Option<PathBuf>,
    /// Learn nothing from earlier runs
    #[arg(long, conflicts_with = "runs", help_heading = "Runs")]
    pub no_runs: bool,
    /// Show what was predicted beside what a recording measured, part by part
    #[arg(long, value_name = "RECORDING", help_heading = "Runs")]
    pub compare: Option<PathBuf>,
    /// The plan whose predictions are compared, where the recording has none
    #[arg(long, value_name = "FILE", requires = "compare", help_heading = "Runs")]
    pub plan: Option<PathBuf>,
}

impl AskArgs {
    /// What holds for models that do not say.
    pub(super) fn usual(&self) -> Usual {
        Usual {
            context: self.context,
            parallel: self.parallel,
            batch: (self.batch, self.ubatch),
            kv: self.kv.map(|kind| (kind, kind)),
            flash: self.no_flash.then_some(false),
            layers: self.layers,
            prompt_cache: self.cache_ram,
        }
    }

    /// Whether anything is to be planned.
    pub(super) fn is_empty(&self) -> bool {
        let lists = [&self.model, &self.index, &self.train, &self.documents, &self.image];
        lists.iter().all(|list| list.is_empty())
    }
}
