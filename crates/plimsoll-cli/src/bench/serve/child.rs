//! The program itself as a process of its own, looked at from outside.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use plimsoll_serve::model::EngineChoice;
use serde_json::Value;

use super::args::ServeBenchArgs;
use crate::bench::resident_of;

/// `plimsoll serve` with these settings, on a port of its own; it ends with this.
pub(super) struct Served {
    process: Child,
    at: SocketAddr,
}

impl Served {
    /// Starts it, and waits until it listens.
    pub(super) fn start<S: AsRef<OsStr>>(
        args: &ServeBenchArgs,
        more: impl IntoIterator<Item = S>,
    ) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--line", &plain(args.line.get())]);
        if let Some(model) = &args.model {
            command.arg("--model").arg(model);
        }
        if let Some(kv) = args.kv {
            command.args(["--kv", &plain(kv.get())]);
        }
        if args.engine == EngineChoice::LlamaCpp {
            command.args(["--engine", "llama-cpp"]);
        }
        command.args(more).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let told = told(&mut process);
        let at = told
            .as_ref()
            .ok()
            .and_then(|told| told["address"].as_str()?.strip_prefix("http://")?.parse().ok());
        if let Some(at) = at {
            return Ok(Self { process, at });
        }
        let _ = process.kill();
        let _ = process.wait();
        told.and_then(|_| Err(io::Error::other("the program did not say where it listens")))
    }

    /// Where it listens.
    pub(super) const fn at(&self) -> SocketAddr {
        self.at
    }

    /// What the system says that it has in memory.
    pub(super) fn resident(&self) -> u64 {
        resident_of(&self.process.id().to_string())
    }

    /// Its number.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether it runs.
    pub(super) fn runs(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // What it keeps is thrown away with its folder.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A size in bytes, as flags take it.
fn plain(bytes: u64) -> String {
    format!("{bytes}B")
}

/// What it says when it listens: one object over several lines.
fn told(process: &mut Child) -> io::Result<Value> {
    let mut out = BufReader::new(process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
    let mut text = String::new();
    loop {
        if out.read_line(&mut text)? == 0 {
            return Err(io::Error::other("the program ended before it listened; what it said is above"));
        }
        if let Ok(told) = serde_json::from_str(&text) {
            return Ok(told);
        }
    }
}
