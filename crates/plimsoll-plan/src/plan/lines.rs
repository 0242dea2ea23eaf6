//! From what a machine has to what a plan may carry: the lines.

use std::collections::BTreeMap;
use std::str::FromStr;

use plimsoll::ledger::LineSettings;
use plimsoll::{Bytes, Place};

use crate::machine::Machine;
use crate::solve::Room;

/// Of host memory, what others leave is seldom more.
const HOST_SHARE: f64 = 0.75;
/// A disk of which nothing is told.
const DISK: Bytes = Bytes::gib(2048);
/// What the rest of a machine with one memory for all keeps, at the least.
const SYSTEM_LEAST: Bytes = Bytes::gib(3);
const SYSTEM_SHARE: f64 = 0.10;

/// A wish for one line: a size, or a share of what may be used there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LineWish {
    /// So many bytes.
    Size(Bytes),
    /// So much of it, 0 to 1.
    Share(f64),
}

/// Why a text is no wish for a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no line; a share such as 75% stands there, a size such as 24GiB, or either for one place: cuda:0=24GiB"
)]
pub struct ParseLineError(pub String);

impl FromStr for LineWish {
    type Err = ParseLineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseLineError(text.to_owned());
        let Some(number) = text.trim().strip_suffix('%') else {
            let bytes: Bytes = text.trim().parse().map_err(|_| wrong())?;
            return if bytes.is_zero() { Err(wrong()) } else { Ok(Self::Size(bytes)) };
        };
        let percent: f64 = number.trim().parse().map_err(|_| wrong())?;
        let possible = percent > 0.0 && percent <= 100.0;
        possible.then_some(Self::Share(percent / 100.0)).ok_or_else(wrong)
    }
}

/// What is wished of lines: for all places, and for some.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LineWishes {
    /// For each place that has none of its own.
    pub all: Option<LineWish>,
    /// For single places.
    pub of: BTreeMap<Place, LineWish>,
}

impl LineWishes {
    /// Takes one more wish: `75%`, `cuda:0=24GiB`.
    pub fn add(&mut self, text: &str) -> Result<(), ParseLineError> {
        match text.split_once('=') {
            None => self.all = Some(text.parse()?),
            Some((place, wish)) => {
                let place = place.trim().parse().map_err(|_| ParseLineError(text.to_owned()))?;
                self.of.insert(place, wish.parse().map_err(|_| ParseLineError(text.to_owned()))?);
            }
        }
        Ok(())
    }
}

/// What each place may carry, and what places may carry together that come out of one memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    /// In the order of places.
    pub lines: Vec<LineSettings>,
    /// Of a machine with one memory: what all of them may carry.
    pub together: Option<Bytes>,
}

impl Lines {
    /// The lines of a machine, as wished or as usual: three quarters of host memory, all that a GPU's driver leaves,
    /// half of a disk (of 2 TiB where none is told of). Where processor and GPU share one memory, a tenth of it and at least 3 GiB stay for the system.
    pub fn of(machine: &Machine, wishes: &LineWishes) -> Self {
        let mut usable = vec![(Place::Host, machine.processor.usable)];
        usable.extend(machine.gpus.iter().map(|gpu| (gpu.place, gpu.usable)));
        usable.push((Place::Disk, machine.disk.map_or(DISK, |disk| disk.usable)));
        let line = |(place, usable): (Place, Bytes)| {
            let wish = wishes.of.get(&place).or(wishes.all.as_ref().filter(|_| place != Place::Disk));
            let bytes = match wish {
                Some(LineWish::Size(bytes)) => *bytes,
                Some(LineWish::Share(share)) => usable.fraction(*share),
                None => usable.fraction(usual_share(place)),
            };
            LineSettings::usual(place, bytes)
        };
        let lines = usable.into_iter().map(line).filter(|line| !line.shareable().is_zero()).collect();
        Self { lines, together: machine.unified.then(|| together(machine, wishes)) }
    }

    /// The line of a place.
    pub fn line(&self, place: Place) -> Option<&LineSettings> {
        self.lines.iter().find(|line| line.place == place)
    }

    /// What may be shared at a place; nothing at one without a line.
    pub fn shareable(&self, place: Place) -> Bytes {
        self.line(place).map_or(Bytes::ZERO, LineSettings::shareable)
    }

    /// The same for the solver.
    pub fn room(&self) -> Room {
        let room =
            self.lines.iter().fold(Room::default(), |room, line| room.limit([line.place], line.shareable()));
        match self.together {
            Some(bytes) => {
                let emergencies =
                    self.of_memory().fold(Bytes::ZERO, |sum, line| sum.saturating_add(line.emergency));
                room.limit(self.of_memory().map(|line| line.place), bytes.saturating_sub(emergencies))
            }
            None => room,
        }
    }

    fn of_memory(&self) -> impl Iterator<Item = &LineSettings> {
        self.lines.iter().filter(|line| !matches!(line.place, Place::Disk | Place::Remote))
    }

    /// Lines that fit the one memory that they come out of: the GPU's stays as high as it may, but leaves the host what
    /// it needs; the host has the rest.
    #[must_use]
    pub fn settled(&self, host_needs: Bytes) -> Self {
        let Some(together) = self.together else { return self.clone() };
        let host_least = LineSettings::carrying(Place::Host, host_needs).line;
        let mut left = together;
        let mut settled = self.clone();
        for line in
            settled.lines.iter_mut().filter(|line| matches!(line.place, Place::Gpu(_) | Place::Cuda(_)))
        {
            *line = LineSettings::usual(line.place, line.line.min(left.saturating_sub(host_least)));
            left = left.saturating_sub(line.line);
        }
        if let Some(line) = settled.lines.iter_mut().find(|line| line.place == Place::Host) {
            *line = LineSettings::usual(Place::Host, line.line.min(left));
        }
        settled.lines.retain(|line| !line.shareable().is_zero());
        settled
    }
}

const fn usual_share(place: Place) -> f64 {
    match place {
        Place::Host => HOST_SHARE,
        Place::Disk => 0.5,
        _ => 1.0,
    }
}

/// What a machine with one memory lets all of us have.
fn together(machine: &Machine, wishes: &LineWishes) -> Bytes {
    let usable = machine.processor.usable;
    match wishes.all {
        Some(LineWish::Size(bytes)) => bytes,
        Some(LineWish::Share(share)) => usable.fraction(share),
        None => usable.saturating_sub(usable.fraction(SYSTEM_SHARE).max(SYSTEM_LEAST)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::{Gpu, Processor};

    fn mac(gib: u64, gpu_gib: u64) -> Machine {
        let memory = Bytes::gib(gib);
        let processor = Processor { cores: 8, memory, usable: memory, bandwidth: None, flops: None };
        let gpu = Gpu {
            place: Place::Gpu(0),
            name: "Apple".to_owned(),
            memory,
            usable: Bytes::gib(gpu_gib),
            bandwidth: None,
            flops: None,
            link: None,
        };
        Machine {
            name: "mac".to_owned(),
            title: "a Mac".to_owned(),
            processor,
            gpus: vec![gpu],
            unified: true,
            disk: None,
        }
    }

    #[test]
    fn lines_of_one_memory_fit_it_and_leave_the_host_what_it_needs() {
        let machine = mac(128, 94);
        let lines = Lines::of(&machine, &LineWishes::default());
        assert_eq!(lines.line(Place::Gpu(0)).unwrap().line, Bytes::gib(94));
        for needs in [0, 5, 40] {
            let settled = lines.settled(Bytes::gib(needs));
            let of_memory = settled.lines.iter().filter(|line| line.place != Place::Disk);
            let sum = of_memory.fold(Bytes::ZERO, |sum, line| sum.saturating_add(line.line));
            assert!(sum <= lines.together.unwrap(), "{settled:?}");
            assert!(settled.shareable(Place::Host) >= Bytes::gib(needs), "{settled:?}");
        }
    }

    #[test]
    fn wishes_are_read_and_a_place_of_its_own_comes_first() {
        let mut wishes = LineWishes::default();
        wishes.add("50%").unwrap();
        wishes.add("gpu:0=24GiB").unwrap();
        let lines = Lines::of(&mac(64, 46), &wishes);
        assert_eq!(lines.line(Place::Host).unwrap().line, Bytes::gib(32));
        assert_eq!(lines.line(Place::Gpu(0)).unwrap().line, Bytes::gib(24));
        assert_eq!(lines.together, Some(Bytes::gib(32)));
        for wrong in ["0%", "101%", "NaN%", "7", "0GiB", "moon=5GiB", "host=", ""] {
            assert!(LineWishes::default().add(wrong).is_err(), "{wrong}");
        }
    }
}
