//! Where samples come from: a running engine, or the machine alone until there is one.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use plimsoll::monitor::attach::{self, AttachError, Attached, Running};
use plimsoll::monitor::{Sample, Sampler};
use plimsoll_device::Notice;

use super::app::Link;
use super::args::Target;
use crate::CliError;
use crate::backends::Backends;

/// How often the machine is sampled, and engines are looked for.
const EVERY: Duration = Duration::from_secs(1);

/// What the feed says.
#[derive(Debug)]
pub enum Said {
    /// Where samples come from now.
    Link(Link),
    /// A sample.
    Sample(Box<Sample>),
}

/// Finds the engine that was named, or the newest. That none runs is no failure unless one was named.
pub fn find(target: Option<&Target>) -> Result<Option<Attached>, CliError> {
    match target {
        Some(Target::Path(path)) => Ok(Some(attach::open(path)?)),
        Some(Target::Pid(pid)) => {
            let all = attach::running();
            match all.iter().find(|engine| engine.pid == *pid) {
                Some(engine) => Ok(Some(attach::open(&engine.path)?)),
                None => Err(CliError::NoSuchEngine { pid: *pid, running: listed(&all) }),
            }
        }
        None => Ok(newest(|_| true)),
    }
}

fn listed(all: &[Running]) -> String {
    let names: Vec<String> =
        all.iter().map(|engine| format!("{} ({})", engine.program, engine.pid)).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The newest that can be attached to. One that cannot (another version, no room) does not hide the others.
fn newest(wanted: impl Fn(&Running) -> bool) -> Option<Attached> {
    attach::running()
        .iter()
        .filter(|engine| wanted(engine))
        .find_map(|engine| attach::open(&engine.path).ok())
}

/// Says samples until nobody listens. Once an engine was watched and has ended, only it is looked for again: under the
/// same name, since its process is another one then, or at the path that was named.
pub fn run(mut attached: Option<Attached>, target: Option<&Target>, say: impl Fn(Said) -> bool) {
    let path = match target {
        Some(Target::Path(path)) => Some(path.clone()),
        _ => None,
    };
    let mut machine = Machine::default();
    let mut watched: Option<String> = None;
    loop {
        if let Some(engine) = attached.take() {
            machine = Machine::default();
            watched = Some(engine.program().to_owned());
            if !follow(engine, &say) {
                return;
            }
        } else if watched.is_none() && !machine.say(&say) {
            return;
        }
        thread::sleep(EVERY);
        attached = again(path.as_ref(), watched.as_deref());
    }
}

/// Says the machine's samples until nobody listens.
pub fn run_alone(say: impl Fn(Said) -> bool) {
    let mut machine = Machine::default();
    while machine.say(&say) {
        thread::sleep(EVERY);
    }
}

fn again(path: Option<&PathBuf>, program: Option<&str>) -> Option<Attached> {
    match (path, program) {
        (Some(path), _) => attach::open(path).ok(),
        (None, Some(program)) => newest(|engine| engine.program == program),
        (None, None) => newest(|_| true),
    }
}

/// Says an engine's samples until it ends; whether somebody still listens.
fn follow(engine: Attached, say: &impl Fn(Said) -> bool) -> bool {
    if !say(Said::Link(Link::Attached)) {
        return false;
    }
    for sample in engine {
        let listens = match sample {
            Ok(sample) => say(Said::Sample(Box::new(sample))),
            // The screen sees by itself that nothing comes.
            Err(AttachError::Silent { .. }) => say(Said::Link(Link::Attached)),
            Err(error) => say(Said::Link(Link::Ended { why: error.to_string() })),
        };
        if !listens {
            return false;
        }
    }
    true
}

/// The machine, sampled here.
#[derive(Default)]
struct Machine {
    sampler: Option<Sampler>,
}

impl Machine {
    fn say(&mut self, say: &impl Fn(Said) -> bool) -> bool {
        let sampler = self.sampler.get_or_insert_with(|| Backends::new(Notice::default()).sampler());
        let sample = Box::new(sampler.sample());
        say(Said::Link(Link::Machine)) && say(Said::Sample(sample))
    }
}
