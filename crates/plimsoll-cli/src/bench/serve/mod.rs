//! `plimsoll bench serve`: what a service adds to what a model takes, how soon a first token comes, and whether the line holds
//! under load; with a service of this process, over its real connections.
//!
//! # How it counts
//! What the interface costs is a request's time less that of the same step made in this process, in turns. A first token is timed
//! from sending the request to the first piece of its stream, of a service that is a process of its own: for a prompt that nobody has
//! read, for the same prompt again, and after the process was killed (`kill -9`) while it wrote another text, and another begun over its
//! folder; the texts must be the same. The model is in memory each time. Memory is what the system says that this process has (Linux), clients of the
//! bench included, which are a socket each.
//!
//! Connections that stand idle are held by a service that is a process of its own, and its memory is looked at from outside. So it is
//! with `--mixed`: for minutes sessions, documents and searches come at once, and each second's memory stands beside the line.
//!
//! With `--crowd` many texts are written at once, on the host or a GPU, and the decoder's own steps of as many sequences stand beside.
//!
//! With `--beside` it asks another server the same instead, in turns: the later turns of a trace's sessions, how soon their first
//! tokens come, and how much of their prompts neither had to compute.

mod args;
mod beside;
mod child;
mod client;
mod connections;
mod crowd;
mod lot;
mod measure;
mod mixed;
mod report;
mod restart;

pub use args::ServeBenchArgs;
pub use report::{ServeReport, ServeRow};

use crate::{CliError, Printer};

/// Measures and prints.
pub fn run(args: &ServeBenchArgs, printer: &Printer) -> Result<(), CliError> {
    let report = measure::report(args)?;
    printer.report(&report, report::view)
}
