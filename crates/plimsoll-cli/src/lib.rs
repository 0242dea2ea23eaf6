//! The `plimsoll` command line.
//!
//! What each part is for:
//! * `args` is what can be typed; `settings` is what it means, checked once. Commands see only settings.
//! * A command gathers a *report* (plain data that is also the `--json` schema) and a *view* of it for people.
//! * [`Printer`] is the only way out: data on stdout, everything else on stderr, colours only on a terminal.
//! * Exit codes: 0 done, 1 failed or refused, 2 not understood.
//!
//! It is a library as well so that other programs of the workspace can reuse reports and their printing.

mod args;
pub mod backends;
pub mod bench;
mod budget;
mod built_in;
pub mod config;
pub mod device;
pub mod docs;
pub mod doctor;
pub mod draw;
mod error;
mod execute;
pub mod generate;
pub mod health;
mod heap;
mod interrupt;
pub mod kv;
pub mod machine;
mod own_docs;
#[cfg(test)]
mod packaged;
pub mod plan;
pub mod pool;
mod printer;
pub mod recording;
pub mod report;
pub mod serve;
mod settings;
pub mod top;
pub mod train;
pub mod vec;
pub mod watch;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

pub use error::CliError;
pub use printer::{Color, Printer};

use args::Args;
use execute::execute;
use settings::Settings;

/// Not understood.
const USAGE: u8 = 2;

/// Runs the program with the process's own arguments.
pub fn run() -> ExitCode {
    if let Some(code) = plimsoll_docs::pdf::lend_program() {
        return code;
    }
    let color = printer::color_among(std::env::args_os());
    let choice = match color {
        Color::Auto => clap::ColorChoice::Auto,
        Color::Always => clap::ColorChoice::Always,
        Color::Never => clap::ColorChoice::Never,
    };
    let parsed = Args::command().color(choice).try_get_matches();
    let args = match parsed.and_then(|matches| Args::from_arg_matches(&matches)) {
        Ok(args) => args,
        Err(error) => {
            // Help for a closed pipe has no reader to complain to.
            let _ = error.print();
            let code = u8::try_from(error.exit_code()).unwrap_or(USAGE);
            return ExitCode::from(code);
        }
    };
    let settings = Settings::from(args);
    let printer = Printer::new(settings.color, settings.json);
    match execute(&settings, &printer) {
        Ok(()) => ExitCode::SUCCESS,
        // `plimsoll machine | head -1` got all it wanted.
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            printer.error(&error);
            ExitCode::FAILURE
        }
    }
}
