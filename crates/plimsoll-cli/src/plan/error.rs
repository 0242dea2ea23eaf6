//! Why a plan cannot be made, and what to do about it.

use std::io;
use std::path::PathBuf;

/// Why a plan cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A machine that nobody knows.
    #[error(transparent)]
    Machine(#[from] plimsoll_plan::machine::MachineError),
    /// A machine's file that cannot be read.
    #[error("{}: {source}", path.display())]
    MachineFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: plimsoll_plan::machine::MachineFileError,
    },
    /// A workload that cannot be planned.
    #[error(transparent)]
    Workload(#[from] plimsoll_plan::workload::WorkloadError),
    /// A text that describes nothing.
    #[error(transparent)]
    Wording(#[from] plimsoll_plan::WordingError),
    /// A line that is none.
    #[error(transparent)]
    Line(#[from] plimsoll_plan::plan::ParseLineError),
    /// `plan` without a workload.
    #[error("there is nothing to plan")]
    NothingToPlan,
    /// A plan that leaves something out.
    #[error("{names} does not fit{}", if *written { "; no plan was written" } else { "" })]
    DoesNotFit {
        /// What is left out.
        names: String,
        /// Whether a file was asked for.
        written: bool,
    },
    /// A program that none of the workloads is for.
    #[error("nothing of this plan can be run by {0}")]
    NothingForProgram(plimsoll_plan::emit::Program),
    /// A recording without predictions.
    #[error("{} carries no predictions", .0.display())]
    NothingPredicted(PathBuf),
    /// A folder without anything to hold the planner against.
    #[error("{} has none of llamacpp_logs.csv, llamacpp_dryrun.csv and train_peaks_h200.csv", .0.display())]
    NothingMeasured(PathBuf),
    /// A file that cannot be read.
    #[error("{} could not be read: {source}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that cannot be written.
    #[error("{} could not be written: {source}", path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of buffers that cannot be understood.
    #[error("{}: {source}", path.display())]
    Buffers {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: super::pack::TableError,
    },
    /// Buffers that cannot be packed.
    #[error("{}{}: {source}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Unpacked {
        /// Which file.
        path: PathBuf,
        /// The line that it is about.
        line: Option<usize>,
        /// Why not.
        source: plimsoll_tensor::pack::PackError,
    },
}

impl PlanError {
    /// What to do about it.
    pub(crate) const fn next_step(&self) -> &'static str {
        match self {
            Self::Machine(_) | Self::MachineFile { .. } => {
                "leave --machine out for this machine; `plimsoll plan tiers` lists names, and a .toml file describes \
                 any other"
            }
            Self::Workload(_) | Self::Wording(_) => "`plimsoll plan --help` shows how workloads are written",
            Self::Line(_) => "write --line 75%, --line 24GiB or --line cuda:0=20GiB",
            Self::NothingToPlan => {
                "name a workload: `plimsoll plan --model qwen3-14b`, or --index, --train, --documents, --image"
            }
            Self::DoesNotFit { .. } => {
                "take one of the ways that would fit, raise the line, or see `plimsoll plan tiers`"
            }
            Self::NothingForProgram(_) => {
                "llama-server, ollama, vllm and mlx_lm run language models; kohya and diffusers train"
            }
            Self::NothingPredicted(_) => {
                "name the plan too: `--plan plan.toml --compare RECORDING`; what `Engine::open` records under a plan \
                 carries its predictions"
            }
            Self::NothingMeasured(_) => "`plimsoll plan check --help` says which files are read",
            Self::Unreadable { .. } | Self::Unwritable { .. } => "check the path and its permissions",
            Self::Buffers { .. } => "`plimsoll plan pack --help` shows what the file has to hold",
            Self::Unpacked { source, .. } if super::pack::is_about_room(source) => {
                "raise --capacity or --seconds, or leave --capacity out to see how low they can be packed"
            }
            Self::Unpacked { .. } => {
                "correct the file: each buffer ends after it begins, and sizes are bytes"
            }
        }
    }
}

impl From<plimsoll_plan::workload::LanguageError> for PlanError {
    fn from(error: plimsoll_plan::workload::LanguageError) -> Self {
        Self::Workload(error.into())
    }
}
