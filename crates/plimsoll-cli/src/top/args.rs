//! What can be typed after `top`.

use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  plimsoll top                      the newest running engine, or this machine alone
  plimsoll top --list               which engines run
  plimsoll top --attach 4242        the engine of process 4242
  plimsoll top --attach ./e.sock    the engine that listens there

An engine is seen once its program publishes it: `engine.publish(\"my-service\", Duration::from_secs(1))?`.
Keys: arrows or jk select, Enter opens, Esc goes back, Tab changes the panel, s sorts, Space freezes, ? helps, q quits.
For programs, `plimsoll watch --json` prints a line a sample.";

/// What can be typed after `top`.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct TopArgs {
    /// Watch this engine: its process's number, or the path of its socket
    #[arg(long, value_name = "PID|PATH", conflicts_with = "list")]
    pub attach: Option<Target>,

    /// Watch this machine alone, though engines run
    #[arg(long, conflicts_with_all = ["attach", "list"])]
    pub alone: bool,

    /// List the engines that run, the newest first, and end
    #[arg(long)]
    pub list: bool,
}

/// One engine among those that run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// By its process.
    Pid(u32),
    /// By its socket.
    Path(PathBuf),
}

impl std::str::FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(pid) => Ok(Self::Pid(pid)),
            Err(_) if text.is_empty() => Err("give a process's number or a socket's path".to_owned()),
            Err(_) => Ok(Self::Path(PathBuf::from(text))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_process_and_anything_else_a_path() {
        assert_eq!("4242".parse(), Ok(Target::Pid(4242)));
        assert_eq!("./4242".parse(), Ok(Target::Path(PathBuf::from("./4242"))));
        assert!("".parse::<Target>().is_err());
    }
}
