//! What can be typed.

use clap::{Parser, Subcommand};

use crate::config::CheckArgs;
use crate::machine::MachineArgs;
use crate::printer::Color;

const EXAMPLES: &str = "\
Examples:
  plimsoll machine                  what this machine can carry, and why
  plimsoll machine --json           the same for programs
  plimsoll config check plan.toml   whether a plan adds up and fits here

Exit codes: 0 done, 1 failed or refused, 2 not understood.";

/// The memory engine for AI on one machine.
///
/// Plimsoll plans how many bytes each workload may carry, holds them to that line while they run, and shows where
/// every byte is.
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
    /// Show what this machine can carry: places, pressure, and what limits them
    Machine(MachineArgs),
    /// Work with configuration files
    #[command(subcommand, arg_required_else_help = true)]
    Config(ConfigArgs),
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
