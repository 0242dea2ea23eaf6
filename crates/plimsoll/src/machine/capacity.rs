//! What the facts mean: how much each place may carry, and what holds it back.

use super::{Limit, LimitKind, Machine, gpu_share};
use crate::{Bytes, Place};

/// One place of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceFacts {
    /// Which place.
    pub place: Place,
    /// All that is there, whoever may use it.
    pub total: Bytes,
    /// What may be used of it at most.
    pub usable: Bytes,
    /// What could be taken now; others may take it first.
    pub free: Option<Bytes>,
    /// A line that leaves the rest of the machine room to live.
    pub suggested_line: Bytes,
    /// What holds it to `usable`, for people.
    pub limited_by: String,
    /// Whether its bytes come out of the machine's own memory, so that its line and the host's add up.
    pub shares_host: bool,
}

/// A line that is not chosen by the user is three quarters of what is usable: the rest is for the system, for
/// other programs, and for the page cache that makes loading quick.
const SUGGESTED: f64 = 0.75;
/// What a full disk costs (logs, swap files, a login that fails) is more than what its last tenth is worth.
const SUGGESTED_DISK: f64 = 0.9;

impl Machine {
    /// The most that this process may use of the machine's memory: the lowest of all limits.
    pub fn usable(&self) -> Option<Bytes> {
        self.limited_by().map(|limit| limit.bytes)
    }

    /// What sets [`usable`](Self::usable); the machine's own memory when nothing else does.
    pub fn limited_by(&self) -> Option<Limit> {
        let own = self.memory.total.map(|bytes| Limit {
            kind: LimitKind::Memory,
            bytes,
            used: None,
            source: "all there is".to_owned(),
        });
        let lowest = self.limits.iter().min_by_key(|limit| limit.bytes).cloned();
        match (own, lowest) {
            (Some(own), Some(lowest)) if lowest.bytes < own.bytes => Some(lowest),
            (None, lowest) => lowest,
            (own, _) => own,
        }
    }

    /// What this process could take now: the kernel's estimate, held to what each limit still leaves. A limit
    /// that does not tell how much of it is used leaves at most itself; alone it tells nothing of what is free.
    pub fn free(&self) -> Option<Bytes> {
        let left = |limit: &Limit| Some(limit.bytes.saturating_sub(limit.used?));
        let told = self.limits.iter().filter_map(left).chain(self.memory.available).min()?;
        Some(self.usable().map_or(told, |usable| told.min(usable)))
    }

    /// The places that the operating system alone tells about: host, pinned where locking is limited, the GPU
    /// of a machine with unified memory, and the disk. Discrete devices are asked through their drivers.
    pub fn places(&self) -> Vec<PlaceFacts> {
        let mut places = Vec::new();
        if let Some(limit) = self.limited_by() {
            places.push(PlaceFacts {
                place: Place::Host,
                total: self.memory.total.unwrap_or(limit.bytes),
                usable: limit.bytes,
                free: self.free(),
                suggested_line: suggested(limit.bytes, SUGGESTED),
                limited_by: match limit.kind {
                    LimitKind::Memory => limit.kind.to_string(),
                    _ => format!("{}: {}", limit.kind, limit.source),
                },
                shares_host: true,
            });
            places.extend(self.pinned(limit.bytes));
            places.extend(self.unified_gpu(limit.bytes));
        }
        places.extend(self.disk_place());
        places
    }

    /// One place's facts.
    pub fn place(&self, place: Place) -> Option<PlaceFacts> {
        self.places().into_iter().find(|facts| facts.place == place)
    }

    fn pinned(&self, usable: Bytes) -> Option<PlaceFacts> {
        let lockable = self.lockable.filter(|&lockable| lockable < usable)?;
        Some(PlaceFacts {
            place: Place::Pinned,
            total: self.memory.total.unwrap_or(usable),
            usable: lockable,
            free: None,
            suggested_line: lockable,
            limited_by: "locked memory limit (ulimit -l)".to_owned(),
            shares_host: true,
        })
    }

    fn unified_gpu(&self, usable: Bytes) -> Option<PlaceFacts> {
        if self.memory.unified != Some(true) {
            return None;
        }
        let share = gpu_share(self.memory.total?, self.memory.gpu_wired_limit);
        let most = share.bytes.min(usable);
        Some(PlaceFacts {
            place: Place::Gpu(0),
            total: self.memory.total?,
            usable: most,
            free: self.free().map(|free| free.min(most)),
            // Two GiB stay for what the window server draws.
            suggested_line: most.saturating_sub(Bytes::gib(2)),
            limited_by: share.source.to_owned(),
            shares_host: true,
        })
    }

    fn disk_place(&self) -> Option<PlaceFacts> {
        let disk = self.disk.as_ref()?;
        let free_line = suggested(disk.free, SUGGESTED_DISK);
        Some(PlaceFacts {
            place: Place::Disk,
            total: disk.total,
            usable: disk.total,
            free: Some(disk.free),
            suggested_line: free_line,
            limited_by: match &disk.file_system {
                Some(kind) if disk.is_memory() => format!("{kind}, which is memory and no disk"),
                Some(kind) => format!("{kind} file system, what is free on it"),
                None => "what is free on its file system".to_owned(),
            },
            shares_host: disk.is_memory(),
        })
    }
}

/// A round number of bytes near a share of what is usable.
fn suggested(usable: Bytes, share: f64) -> Bytes {
    let line = usable.fraction(share);
    let step = if line >= Bytes::gib(8) { Bytes::gib(1) } else { Bytes::mib(64) };
    let rounded = line.get() - line.get() % step.get();
    if rounded == 0 { line } else { Bytes::new(rounded) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Memory;

    fn machine(total: u64, limit: Option<(u64, u64)>) -> Machine {
        Machine {
            memory: Memory {
                total: Some(Bytes::gib(total)),
                available: Some(Bytes::gib(total / 2)),
                ..Memory::default()
            },
            limits: limit
                .map(|(bytes, used)| Limit {
                    kind: LimitKind::CgroupMax,
                    bytes: Bytes::gib(bytes),
                    used: Some(Bytes::gib(used)),
                    source: "/group/memory.max".into(),
                })
                .into_iter()
                .collect(),
            ..Machine::default()
        }
    }

    #[test]
    fn the_lowest_limit_wins_and_one_above_the_memory_does_not() {
        let limited = machine(64, Some((16, 6)));
        assert_eq!(limited.usable(), Some(Bytes::gib(16)));
        assert_eq!(limited.free(), Some(Bytes::gib(10)));
        let loose = machine(64, Some((128, 0)));
        assert_eq!(loose.usable(), Some(Bytes::gib(64)));
        assert_eq!(loose.limited_by().map(|limit| limit.kind), Some(LimitKind::Memory));
        assert_eq!(loose.free(), Some(Bytes::gib(32)));
    }

    #[test]
    fn no_more_is_free_than_usable() {
        let mut limited = machine(64, None);
        limited.limits.push(Limit {
            kind: LimitKind::AddressSpace,
            bytes: Bytes::gib(2),
            used: None,
            source: "getrlimit".into(),
        });
        assert_eq!(limited.free(), Some(Bytes::gib(2)));
        limited.memory.available = None;
        assert_eq!(limited.free(), None);
    }

    #[test]
    fn what_nobody_tells_is_not_zero() {
        let unknown = Machine::default();
        assert_eq!(unknown.usable(), None);
        assert_eq!(unknown.free(), None);
        assert!(unknown.places().is_empty());
    }

    #[test]
    fn a_suggested_line_is_round_and_below_what_is_usable() {
        let host = machine(24, None).place(Place::Host).unwrap();
        assert_eq!(host.suggested_line, Bytes::gib(18));
        for bytes in [1, 1 << 20, 100 << 20, 3 << 30, u64::MAX] {
            assert!(suggested(Bytes::new(bytes), SUGGESTED) <= Bytes::new(bytes));
        }
    }

    #[test]
    fn unified_memory_has_a_gpu_place_that_comes_out_of_the_host() {
        let mut mac = machine(128, None);
        mac.memory.unified = Some(true);
        let gpu = mac.place(Place::Gpu(0)).unwrap();
        assert_eq!(gpu.usable, Bytes::gib(96));
        assert_eq!(gpu.suggested_line, Bytes::gib(94));
        assert!(gpu.shares_host);
    }
}
