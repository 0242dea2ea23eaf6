//! One row of a table of measured buffers: what was run, and what the program said.

use crate::llama::Options;
use crate::model::Model;

/// Whose figures they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// llama.cpp's own dry run on a header.
    DryRun,
    /// A log of llama.cpp.
    Mainline,
    /// A log of a fork, whose graphs differ.
    Fork,
}

/// A row: what is needed to predict it, as far as it says, and what was measured.
#[derive(Clone, Debug)]
pub struct Row {
    /// The line of its file.
    pub line: usize,
    /// The model's name, as the row has it.
    pub name: String,
    /// Whose figures.
    pub source: Source,
    /// The model and the options, or what of them the row does not say.
    pub subject: Result<Subject, &'static str>,
    /// Why the compute buffer cannot be predicted although the caches can.
    pub compute_lacks: Option<&'static str>,
    /// Why the output buffer cannot be.
    pub output_lacks: Option<&'static str>,
    /// What was measured.
    pub measured: Measured,
}

/// What was run.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The model.
    pub model: Model,
    /// How.
    pub options: Options,
}

/// What a program said, in MiB.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Keys and values.
    pub cache: Option<Size>,
    /// Recurrent state.
    pub state: Option<Size>,
    /// Both together, where they were not told apart.
    pub together: Option<Size>,
    /// Logits handed out.
    pub output: Option<Size>,
    /// Compute buffers of the GPUs, in their order.
    pub compute: Vec<f64>,
    /// That of the host.
    pub host_compute: Option<f64>,
}

/// A size in MiB, as a text gave it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size {
    /// The number.
    pub mib: f64,
    /// How far the true size may lie above it because the text was cut or rounded to whole numbers.
    pub cut: f64,
}

impl Size {
    /// A size from a cell; whole numbers stand for all that begins with them.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
        let mib = super::table::leading(text)?;
        Some(Self { mib, cut: if text[..end].contains('.') { 0.0 } else { 1.0 } })
    }

    /// Whether a prediction agrees with it within so many MiB.
    pub fn agrees(&self, mib: f64, within: f64) -> bool {
        mib >= self.mib - within && mib <= self.mib + self.cut + within
    }
}
