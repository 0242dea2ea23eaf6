//! This machine, as a plan sees it; or another one, by name or file.

use std::path::Path;

use plimsoll::machine::Machine as Facts;
use plimsoll::{Bytes, Place};
use plimsoll_plan::machine::{self, Disk, Gpu, Machine, Processor, Rate};

use super::PlanError;
use crate::Printer;
use crate::backends::{self, Backends};
use crate::bench::memory::read_rate;

/// What a driver and a display keep of a card's memory, where only its whole is known.
const DRIVER_SHARE: f64 = 0.03;
/// Operations a second that a core does at best: two units, eight numbers wide, a product and a sum, 4 GHz.
const CORE_FLOPS: f64 = 1.28e11;

/// The machine of this name or file; this one without either.
pub(super) fn machine(named: Option<&str>, printer: &Printer) -> Result<Machine, PlanError> {
    match named {
        None | Some("this" | "here") => Ok(this(printer)),
        Some(name) => {
            let path = Path::new(name);
            if path.extension().is_some_and(|ending| ending == "toml") {
                let unreadable = |source| PlanError::Unreadable { path: path.to_owned(), source };
                let text = std::fs::read_to_string(path).map_err(unreadable)?;
                let wrong = |source| PlanError::MachineFile { path: path.to_owned(), source };
                return machine::file::read(&text).map_err(wrong);
            }
            Ok(Machine::parse(name)?)
        }
    }
}

fn this(printer: &Printer) -> Machine {
    printer.note("looking at this machine…");
    let facts = Facts::read();
    let backends = Backends::new(Printer::notice());
    let unified = facts.memory.unified == Some(true);
    let usable = facts.usable().unwrap_or_default();
    let memory = facts.memory.total.unwrap_or(usable);
    let cores = facts.cpu.usable().unwrap_or(1);
    let gpus: Vec<Gpu> = backends
        .gpus()
        .iter()
        .filter(|gpu| !gpu.is_software() && gpu.lacks.is_none())
        .map(|gpu| gpu_of(gpu, &facts, memory))
        .collect();
    let bandwidth = read_rate(cores as usize).and_then(Rate::new);
    let unified = unified || gpus.iter().any(|gpu| gpu.link.is_none() && gpu.memory == memory);
    let title = facts.cpu.name.clone().unwrap_or_else(|| "this machine".to_owned());
    Machine {
        name: "this".to_owned(),
        title: format!("this machine ({title}, {memory})"),
        processor: Processor { cores, memory, usable, bandwidth, flops: Some(f64::from(cores) * CORE_FLOPS) },
        gpus,
        unified,
        disk: facts.disk.as_ref().map(|disk| Disk { usable: disk.free, bandwidth: None }),
    }
}

/// A GPU, with what the catalogue knows of its kind.
fn gpu_of(gpu: &backends::Gpu, facts: &Facts, memory: Bytes) -> Gpu {
    let known = machine::catalogue::known_gpu(&gpu.name, if gpu.unified { memory } else { gpu.total });
    let told = facts.place(gpu.place).map(|place| place.usable);
    let usable =
        told.or(gpu.free).unwrap_or_else(|| gpu.total.saturating_sub(gpu.total.fraction(DRIVER_SHARE)));
    Gpu {
        place: gpu.place,
        name: gpu.name.clone(),
        memory: gpu.total,
        usable: if matches!(gpu.place, Place::Gpu(_)) && gpu.unified {
            usable.saturating_sub(Bytes::gib(2))
        } else {
            usable
        },
        bandwidth: known.as_ref().and_then(|known| known.bandwidth),
        flops: known.as_ref().and_then(|known| known.flops),
        link: if gpu.unified { None } else { link(gpu).or(known.and_then(|known| known.link)) },
    }
}

/// Seven eighths of what the lanes carry at most.
fn link(gpu: &backends::Gpu) -> Option<Rate> {
    let link = gpu.link?;
    let lane = match link.generation_max {
        0..=2 => 0.5e9,
        3 => 0.985e9,
        4 => 1.969e9,
        5 => 3.938e9,
        _ => 7.563e9,
    };
    Rate::new(lane * f64::from(link.lanes_max) * 0.875)
}
