//! What can be typed.

use clap::{Parser, Subcommand};

use crate::bench::docs::DocsBenchArgs;
use crate::bench::kv::KvArgs;
use crate::bench::llm::LlmArgs;
use crate::bench::memory::MemoryArgs;
use crate::bench::serve::ServeBenchArgs;
use crate::bench::train::TrainBenchArgs;
use crate::bench::{GovernorArgs, PoolArgs, RecorderArgs};
use crate::config::CheckArgs;
use crate::device::DeviceCheckArgs;
use crate::docs::DocsCommand;
use crate::doctor::DoctorArgs;
use crate::generate::GenerateArgs;
use crate::health::HealthArgs;
use crate::kv::KvCommand;
use crate::machine::MachineArgs;
use crate::plan::PlanArgs;
use crate::pool::ReplayArgs;
use crate::printer::Color;
use crate::recording::{ExportArgs, ShowArgs};
use crate::report::ReportArgs;
use crate::serve::ServeArgs;
use crate::top::TopArgs;
use crate::train::TrainCommand;
use crate::vec::VecCommand;
use crate::watch::WatchArgs;

const EXAMPLES: &str = "\
Examples:
  plimsoll serve                    language models behind an OpenAI-compatible address, within a line
  plimsoll doctor                   what would keep it from running well here
  plimsoll machine                  what this machine can carry, and why
  plimsoll machine --json           the same for programs
  plimsoll plan --model qwen3-14b   what fits here, how fast, and how to split memory
  plimsoll top                      where every byte is, on a screen to keep open
  plimsoll watch --json             a line a second for programs
  plimsoll health                   how well memory stands, and what to do
  plimsoll config check plan.toml   whether a plan adds up and fits here
  plimsoll pool replay trace.csv.gz what our pool keeps where another kept more
  plimsoll kv replay trace.jsonl.gz what a cache of attention state would have found
  plimsoll kv gate model.gguf       what 8-bit and 4-bit attention state costs a model
  plimsoll generate --prompt \"Creates a new\"  a model writes on, within a line of memory
  plimsoll vec build vectors.npy --into index   an index of vectors, in as little memory as it is given
  plimsoll vec search index queries.npy         the nearest of each query
  plimsoll docs ingest notes/ --into library    documents, so that their passages can be found
  plimsoll docs search library \"who may take the reserve\"
  plimsoll train lora --model model.gguf --data notes.txt --out notes   a model learns, below a line
  plimsoll device check cuda:0      whether a GPU keeps what devices promise
  plimsoll bench pool               what a lease costs on this machine
  plimsoll bench memory             how fast bytes move here
  plimsoll recording show run.plimsoll   what a recording says
  plimsoll report run.plimsoll      the same as a page for a browser

Exit codes: 0 done, 1 failed or refused, 2 not understood.";

/// The memory engine for AI on one machine.
///
/// Plimsoll keeps one ledger for every byte that workloads are given, holds each of them to its line while they
/// run, and shows where every byte is.
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Args {
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Use colours: auto (on a terminal without `NO_COLOR`), always, never
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Color::Auto, hide_possible_values = true)]
    pub(crate) color: Color,

    #[command(subcommand)]
    pub(crate) command: CommandArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CommandArgs {
    /// Serve language models to programs that speak OpenAI's interface, within a line of memory
    Serve(Box<ServeArgs>),
    /// Look for what would keep a service from running well here, and say what to do
    #[command(after_help = crate::doctor::EXAMPLES)]
    Doctor(Box<DoctorArgs>),
    /// Show what this machine can carry: places, pressure, and what limits them
    Machine(MachineArgs),
    /// Plan: what fits, what it costs, and the split that the engine then enforces
    Plan(Box<PlanArgs>),
    /// Watch where every byte is: a screen of the machine, and of a running engine
    Top(TopArgs),
    /// Print a sample every so often, and pass alerts and metrics on
    Watch(WatchArgs),
    /// Say how well memory stands, and what to do about it
    Health(HealthArgs),
    /// Look at memory pools from outside
    #[command(subcommand, arg_required_else_help = true)]
    Pool(PoolCommand),
    /// Caches of attention state: replay traces, look into cold stores, measure precisions
    #[command(subcommand, arg_required_else_help = true)]
    Kv(KvCommand),
    /// Train: language models learn from texts, in as much memory as is said
    #[command(subcommand, arg_required_else_help = true)]
    Train(TrainCommand),
    /// Write on after a prompt with a language model, within a line of memory
    Generate(Box<GenerateArgs>),
    /// Indexes of vectors: build, search, add, delete, within a budget of memory
    #[command(subcommand, arg_required_else_help = true)]
    Vec(VecCommand),
    /// Documents: take them into a library, find the passages that answer a question
    #[command(subcommand, arg_required_else_help = true)]
    Docs(DocsCommand),
    /// Look at devices: GPUs, and the machine's own memory
    #[command(subcommand, arg_required_else_help = true)]
    Device(DeviceCommand),
    /// Look at recordings: their peaks, and in the formats of other programs
    #[command(subcommand, arg_required_else_help = true)]
    Recording(RecordingCommand),
    /// Write a recording as one page for a browser: over time, its peaks, its largest leases, what was evicted
    Report(ReportArgs),
    /// Measure Plimsoll on this machine
    #[command(subcommand, arg_required_else_help = true)]
    Bench(BenchCommand),
    /// Work with configuration files
    #[command(subcommand, arg_required_else_help = true)]
    Config(ConfigArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum PoolCommand {
    /// Replay a recorded allocator trace: what our pool would have kept, beside a plain best fit and the recording
    Replay(ReplayArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// Check that a device keeps what devices promise here, with this driver
    Check(DeviceCheckArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecordingCommand {
    /// Show what a recording says: peaks by place and label, predictions, evictions, refusals, scopes
    Show(ShowArgs),
    /// Write a recording for PyTorch's memory page, Perfetto, RMM's tools, or `pool replay`
    Export(ExportArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// What one lease and its drop cost, beside malloc
    Pool(PoolArgs),
    /// How fast bytes move: host memory by working set, disk, devices
    Memory(MemoryArgs),
    /// What a fine-tuning's steps need and take, in the ways there are to fit below a line
    Train(TrainBenchArgs),
    /// Whether the line holds when far more is asked for than it carries
    Governor(GovernorArgs),
    /// What writing down what happens costs
    Recorder(RecorderArgs),
    /// What the tiered cache of keys and values costs, beside memcpy and the disk
    Kv(KvArgs),
    /// How fast documents become passages and are found, beside reading them
    Docs(DocsBenchArgs),
    /// How fast a model is computed on the host, beside how fast its bytes are read
    Llm(LlmArgs),
    /// What a service adds to what a model takes, how soon a first token comes, and whether the line holds under load
    Serve(ServeBenchArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigArgs {
    /// Check that a configuration adds up and fits this machine
    Check(CheckArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_consistent() {
        super::Args::command().debug_assert();
    }
}
