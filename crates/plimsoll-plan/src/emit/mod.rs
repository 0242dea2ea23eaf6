//! A plan in the words of other programs: what to type for a server, what to write into its configuration.
//!
//! Each text says in comments what that program cannot be told, so that a plan does not look as if it were enforced
//! where it is not.

mod finetune;
mod launch;
mod llama_server;
mod mlx;
mod ollama;
mod vllm;

use std::fmt;
use std::str::FromStr;

pub use finetune::finetune;
pub use launch::{Launch, Weights};

/// A program that a plan can be written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// llama.cpp's server: its arguments.
    LlamaServer,
    /// Ollama: a Modelfile.
    Ollama,
    /// vLLM: its arguments.
    Vllm,
    /// `mlx_lm`: its arguments.
    MlxLm,
    /// kohya's sd-scripts: a TOML file of its options.
    Kohya,
    /// The training scripts of diffusers: their arguments.
    Diffusers,
}

const NAMES: [(Program, &str); 6] = [
    (Program::LlamaServer, "llama-server"),
    (Program::Ollama, "ollama"),
    (Program::Vllm, "vllm"),
    (Program::MlxLm, "mlx_lm"),
    (Program::Kohya, "kohya"),
    (Program::Diffusers, "diffusers"),
];

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(NAMES.iter().find(|(program, _)| program == self).map_or("", |(_, name)| name))
    }
}

/// A text that names no program that a plan can be written for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no plan can be written for {0:?}; known are llama-server, ollama, vllm, mlx_lm, kohya and diffusers"
)]
pub struct ParseProgramError(pub String);

impl FromStr for Program {
    type Err = ParseProgramError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let same = |name: &str| name.eq_ignore_ascii_case(text) || name.replace(['-', '_'], "") == text;
        let found = NAMES.iter().find(|(_, name)| same(name)).map(|(program, _)| *program);
        found.ok_or_else(|| ParseProgramError(text.to_owned()))
    }
}

impl Launch {
    /// What to type or write for a program that runs language models; `None` for one that does not.
    pub fn text(&self, program: Program) -> Option<String> {
        match program {
            Program::LlamaServer => Some(llama_server::text(self)),
            Program::Ollama => Some(ollama::text(self)),
            Program::Vllm => Some(vllm::text(self)),
            Program::MlxLm => Some(mlx::text(self)),
            Program::Kohya | Program::Diffusers => None,
        }
    }
}

/// A command of several lines: the program, then an option a line.
fn command(program: &str, options: &[String]) -> String {
    let lines: Vec<&str> = std::iter::once(program).chain(options.iter().map(String::as_str)).collect();
    format!("{}\n", lines.join(" \\\n    "))
}

/// A word as a shell reads it back.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests;
