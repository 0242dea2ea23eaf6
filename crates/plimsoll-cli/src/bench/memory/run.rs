//! From what was typed to what is printed.

use std::path::Path;

use plimsoll::machine::Machine;
use plimsoll::{Bytes, Place};

use super::copies::{Bare, Measured, Memcpy};
use super::progress::Progress;
use super::report::{HostReport, LeftOut, MemoryReport, ProcessorReport};
use super::scratch::Scratch;
use super::{MemoryArgs, MemoryError, Operation, Plan, cores, disk, host, passes, svg, view};
use crate::backends::Backends;
use crate::{CliError, Printer};

/// Measures, prints, and draws the picture last: whatever becomes of it, the figures are out.
pub fn run(args: &MemoryArgs, printer: &Printer) -> Result<(), CliError> {
    let report = Work::prepare(args)?.measure()?;
    printer.report(&report, view)?;
    if let Some(path) = &args.svg {
        let picture = svg(&report)?;
        std::fs::write(path, picture)
            .map_err(|source| MemoryError::PictureFile { path: path.clone(), source })?;
    }
    match report.left_out.iter().find(|left_out| left_out.failed) {
        Some(LeftOut { what, why, .. }) => Err(MemoryError::Incomplete(format!("{what}: {why}")).into()),
        None => Ok(()),
    }
}

/// What will be measured. Made before the first measurement, so that a name that is wrong costs nobody a minute.
struct Work {
    machine: Machine,
    plan: Plan,
    /// Threads at once, one after the other.
    threads: Vec<usize>,
    scratch: Option<Scratch>,
    devices: Vec<Measured>,
    left_out: Vec<LeftOut>,
}

impl Work {
    fn prepare(args: &MemoryArgs) -> Result<Self, MemoryError> {
        let machine = Machine::read();
        let backends = Backends::new(Printer::notice());
        let mut left_out = Vec::new();
        let plan = if args.smoke { Plan::smoke() } else { Plan::full() };
        let plan = held_to(plan, machine.free(), &mut left_out);
        let wanted = |place| args.places.is_empty() || args.places.contains(&place);
        let mut threads = Vec::new();
        if wanted(Place::Host) {
            let all = machine.cpu.usable().map_or(1, |cores| cores as usize);
            threads.extend([1, all]);
            threads.dedup();
        }
        let mut scratch = None;
        if wanted(Place::Disk) {
            let folder = args.disk.as_deref().unwrap_or(Path::new("."));
            match Scratch::open(folder).and_then(|scratch| scratch.size(plan.file).map(|_| scratch)) {
                Ok(opened) => scratch = Some(opened),
                // Nobody asked for the disk: the rest is still worth measuring.
                Err(why) if args.disk.is_none() && args.places.is_empty() => {
                    left_out.push(LeftOut::absent("disk", why.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        let mut work = Self { machine, plan, threads, scratch, devices: Vec::new(), left_out };
        work.devices(&args.places, &backends)?;
        Ok(work)
    }

    fn devices(&mut self, named: &[Place], backends: &Backends) -> Result<(), MemoryError> {
        let places = if named.is_empty() { self.found(backends) } else { named.to_vec() };
        for place in places {
            if place == Place::Disk || self.devices.iter().any(|known| known.device.facts().place == place) {
                continue;
            }
            match backends.open(place) {
                Ok(device) => {
                    let pinned = matches!(place, Place::Cuda(_)).then(|| backends.open(Place::Pinned));
                    let pinned = pinned.and_then(|pinned| match pinned {
                        Ok(pinned) => Some(pinned),
                        Err(error) => {
                            self.left_out.push(LeftOut::failed(format!("{place}, pinned memory"), &error));
                            None
                        }
                    });
                    let bare = (place == Place::Host).then(|| Box::<Memcpy>::default() as Box<dyn Bare>);
                    self.devices.push(Measured { device, pinned, peers: Vec::new(), bare });
                }
                Err(error) if named.is_empty() => {
                    self.left_out.push(LeftOut::failed(place.to_string(), &error));
                }
                Err(error) => {
                    return Err(MemoryError::Place { place: place.to_string(), why: error.to_string() });
                }
            }
        }
        self.meet();
        Ok(())
    }

    /// The host and every GPU, each way to reach it. What is not there is said.
    fn found(&mut self, backends: &Backends) -> Vec<Place> {
        let mut places = vec![Place::Host];
        for gpu in backends.gpus() {
            if gpu.is_software() {
                let why = format!("a GPU that the processor acts as; --place {} measures it", gpu.place);
                self.left_out.push(LeftOut::absent(format!("{} ({})", gpu.place, gpu.name), why));
            } else if let Some(lacks) = gpu.lacks {
                self.left_out.push(LeftOut::absent(format!("{} ({})", gpu.place, gpu.name), lacks));
            } else {
                places.extend(gpu.places());
            }
        }
        let missing = backends.missing().into_iter();
        self.left_out.extend(missing.map(|(name, why)| LeftOut::absent(name, why.to_string())));
        places
    }

    /// Devices of one kind copy to each other.
    fn meet(&mut self) {
        let gpus: Vec<_> = self.devices.iter().map(|measured| measured.device.clone()).collect();
        for measured in &mut self.devices {
            let here = measured.device.facts();
            let peers = gpus.iter().filter(|peer| {
                let there = peer.facts();
                there.place != here.place
                    && matches!((here.place, there.place), (Place::Cuda(_), Place::Cuda(_)))
            });
            measured.peers = peers.cloned().collect();
        }
    }

    fn measure(self) -> Result<MemoryReport, MemoryError> {
        let Self { machine, plan, threads, scratch, mut devices, mut left_out } = self;
        let progress = Progress::new(steps(&plan, &threads, scratch.is_some(), &devices));
        let mut host = Vec::new();
        for threads in threads {
            progress.say(match threads {
                1 => "host memory, one thread".to_owned(),
                threads => format!("host memory, {threads} threads"),
            });
            let points = host::measure(&plan, threads, &progress)?;
            host.push(HostReport { threads, pinned: cores::PINNED, points });
        }
        let disk = scratch.map(|scratch| disk::measure(&scratch, &plan, &progress, &mut left_out));
        let devices =
            devices.iter_mut().map(|device| device.measure(&plan, &progress, &mut left_out)).collect();
        let disk = disk.and_then(|disk| match disk {
            Ok(disk) => Some(disk),
            Err(error) => {
                left_out.push(LeftOut::failed("disk", &error));
                None
            }
        });
        let cpu = ProcessorReport::new(&machine.cpu, passes::instructions());
        Ok(MemoryReport { version: env!("CARGO_PKG_VERSION"), cpu, host, disk, devices, left_out })
    }
}

/// The plan within the memory that is free, and a word about it where that is less than it wanted.
fn held_to(plan: Plan, free: Option<Bytes>, left_out: &mut Vec<LeftOut>) -> Plan {
    let Some(free) = free else { return plan };
    let wanted = plan.host_most;
    let plan = plan.within(free);
    if plan.host_most < wanted {
        let why = format!("of at most {}, since {free} are free and others need some too", plan.host_most);
        left_out.push(LeftOut::absent("working sets", why));
    }
    plan
}

fn steps(plan: &Plan, threads: &[usize], disk: bool, devices: &[Measured]) -> usize {
    let host = threads.iter().map(|&threads| plan.sizes(threads).count() * Operation::ALL.len());
    let transfers = devices.iter().map(|device| device.routes().len());
    host.chain(transfers).sum::<usize>() + if disk { disk::STEPS } else { 0 }
}
