//! The machine: memory and what limits it, swap, pressure, open files, locked memory.

use plimsoll::machine::Machine;
use plimsoll::pressure::system_source;
use plimsoll::{Bytes, Place};
use plimsoll_serve::http::files_wanted;
use plimsoll_serve::{Limits, ServeSettings};

use super::Check;
use crate::draw::Style;
use crate::machine::{PressureReport, strain};

/// With fewer files a service cannot even open its models and its cache.
const FILES_LEAST: u64 = 256;

/// All of them, for a service that is to run with these settings, if they could be read.
pub(super) fn checks(settings: Option<&ServeSettings>) -> Vec<Check> {
    let machine = Machine::read();
    let limits = settings.map_or_else(Limits::default, |settings| settings.limits);
    vec![
        memory(&machine, settings.map(|settings| settings.line)),
        swap(&machine),
        pressure(),
        files(limits.connections),
        locked(&machine, settings),
    ]
}

fn memory(machine: &Machine, line: Option<Bytes>) -> Check {
    let Some(host) = machine.place(Place::Host) else {
        let next = "give the line as a size: `--line 4GiB`";
        return Check::watch("memory", "this system tells nothing about its memory", next);
    };
    let free = host.free.map(|free| format!(", {free} of it free")).unwrap_or_default();
    let found = format!("{} to use{free}; limited by {}", host.usable, host.limited_by);
    match line {
        Some(line) if line > host.usable => Check::bad(
            "memory",
            format!("the line is {line}, and there are {found}"),
            format!("lower it: `--line {}` leaves the machine room to live", plain(host.suggested_line)),
        ),
        Some(line) if host.free.is_some_and(|free| line > free) => Check::watch(
            "memory",
            format!("the line is {line}, and there are {found}"),
            "stop what else takes memory, or lower the line; until then caches are shrunk first",
        ),
        Some(line) => Check::good("memory", format!("a line of {line}; {found}")),
        None => Check::good("memory", found),
    }
}

/// A size as it can be typed.
fn plain(bytes: Bytes) -> String {
    format!("{}MiB", bytes.get() >> 20)
}

fn swap(machine: &Machine) -> Check {
    let memory = &machine.memory;
    match (memory.swap_total, memory.swap_free) {
        (None, _) => Check::good("swap", "not told by this system"),
        (Some(total), _) if total.is_zero() => Check::good("swap", "none, and the line needs none"),
        (Some(total), free) => {
            let used = total.saturating_sub(free.unwrap_or(total));
            let found = format!("{used} of {total} in use");
            if used.get() > total.get() / 2 {
                let next = "something was pushed out of memory: what a service reads from there comes at a disk's pace; stop what takes \
                            memory, or lower the line";
                Check::watch("swap", found, next)
            } else {
                Check::good("swap", found)
            }
        }
    }
}

fn pressure() -> Check {
    let reading = match system_source().read() {
        Ok(reading) => PressureReport::new(&reading),
        Err(error) => {
            let next = "give a line well below what is free: nobody tells when other programs press";
            return Check::watch("pressure", error.to_string(), next);
        }
    };
    let (word, style) = strain(&reading);
    let stalls = reading.some_avg10.or(reading.full_avg10);
    let found = match stalls {
        Some(stall) => format!("{word}; some task waited for memory {stall:.1}% of the last 10 s"),
        None => format!("{word}; this system does not tell how long tasks wait for memory"),
    };
    if style != Style::Good {
        let next = "other programs take memory now; nobody new is taken in while it is critical";
        return Check::watch("pressure", found, next);
    }
    match stalls {
        None if cfg!(target_os = "linux") => {
            let next =
                "a kernel with pressure stall information (boot with psi=1) lets caches shrink earlier";
            Check::watch("pressure", found, next)
        }
        _ => Check::good("pressure", found),
    }
}

#[cfg(unix)]
fn files(connections: usize) -> Check {
    use rustix::process::{Resource, getrlimit};

    let wanted = files_wanted(connections);
    let most = getrlimit(Resource::Nofile).maximum;
    let next = format!("raise the hard limit to {wanted}: `ulimit -Hn`, or LimitNOFILE= of its unit");
    match most {
        Some(most) if most < FILES_LEAST => {
            Check::bad("open files", format!("{most} at most, too few for models and connections"), next)
        }
        Some(most) if most < wanted => {
            let found =
                format!("{most} at most, for {connections} connections; those beyond wait to be accepted");
            Check::watch("open files", found, next)
        }
        Some(most) => Check::good("open files", format!("{most} at most, for {connections} connections")),
        None => Check::good("open files", format!("no limit, for {connections} connections")),
    }
}

#[cfg(not(unix))]
fn files(connections: usize) -> Check {
    let wanted = files_wanted(connections);
    Check::good("open files", format!("not limited by this system; {wanted} are opened at most"))
}

fn locked(machine: &Machine, settings: Option<&ServeSettings>) -> Check {
    let device = settings.and_then(|settings| settings.device.as_ref());
    let some = device.is_some_and(|there| there.pinned.is_some() && there.away != Some(Bytes::ZERO));
    let locks =
        if some { "what the layers of models take that the GPU's memory does not hold" } else { "none" };
    let found = match machine.lockable {
        Some(lockable) => format!("{lockable} at most (ulimit -l)"),
        None => "not limited".to_owned(),
    };
    Check::good("locked memory", format!("{found}; a service locks {locks}"))
}
