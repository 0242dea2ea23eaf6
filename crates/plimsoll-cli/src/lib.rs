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
pub mod config;
pub mod device;
pub mod draw;
mod error;
pub mod generate;
pub mod health;
mod heap;
pub mod kv;
pub mod machine;
pub mod plan;
pub mod pool;
mod printer;
pub mod recording;
pub mod report;
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
use settings::{Command, Settings};

/// Not understood.
const USAGE: u8 = 2;

/// Runs the program with the process's own arguments.
pub fn run() -> ExitCode {
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

fn execute(settings: &Settings, printer: &Printer) -> Result<(), CliError> {
    match &settings.command {
        Command::Machine(machine) => machine::run(machine, printer),
        Command::Plan(plan) => plan::run(plan, printer),
        Command::Top(top) => top::run(top, printer),
        Command::Watch(watch) => watch::run(watch, printer),
        Command::Health(health) => health::run(health, printer),
        Command::ConfigCheck(check) => config::run(check, printer),
        Command::PoolReplay(replay) => pool::run(replay, printer),
        Command::Kv(command) => kv::run(command, printer),
        Command::Generate(generate) => generate::run(generate, printer),
        Command::Vec(command) => vec::run(command, printer),
        Command::Train(command) => train::run(command, printer),
        Command::DeviceCheck(check) => device::run(check, printer),
        Command::RecordingShow(show) => recording::run_show(show, printer),
        Command::RecordingExport(export) => recording::run_export(export, printer),
        Command::Report(report) => report::run(report, printer),
        Command::BenchPool(pool) => bench::run_pool(pool, printer),
        Command::BenchMemory(memory) => bench::memory::run(memory, printer),
        Command::BenchGovernor(governor) => bench::run_governor(governor, printer),
        Command::BenchKv(kv) => bench::kv::run(kv, printer),
        Command::BenchTrain(train) => bench::train::run(train, printer),
        Command::BenchLlm(llm) => bench::llm::run(llm, printer),
        Command::BenchRecorder(recorder) => bench::run_recorder(recorder, printer),
    }
}
