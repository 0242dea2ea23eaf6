//! What was typed, checked once; nothing below here sees raw arguments.

use crate::args::{Args, CommandArgs, ConfigArgs};
use crate::config::CheckArgs;
use crate::machine::MachineArgs;
use crate::printer::Color;

/// One run of the program.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) json: bool,
    pub(crate) color: Color,
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Machine(MachineArgs),
    ConfigCheck(CheckArgs),
}

impl From<Args> for Settings {
    fn from(args: Args) -> Self {
        Self {
            json: args.json,
            color: args.color,
            command: match args.command {
                CommandArgs::Machine(machine) => Command::Machine(machine),
                CommandArgs::Config(ConfigArgs::Check(check)) => Command::ConfigCheck(check),
            },
        }
    }
}
