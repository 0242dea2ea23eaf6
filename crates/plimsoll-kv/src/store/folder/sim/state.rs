//! What the simulated disk is, and when it fails.

use std::collections::BTreeMap;
use std::io;

use super::disk::Fault;
use super::file::{Change, Inode};

/// One operation, as faults see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
    Other,
}

#[derive(Debug)]
pub(super) struct State {
    pub inodes: Vec<Inode>,
    pub names: BTreeMap<String, usize>,
    pub durable_names: BTreeMap<String, usize>,
    /// Names that were made or forgotten since the folder was synced.
    pub pending_names: Vec<String>,
    pub block: usize,
    pub capacity: u64,
    pub punches: bool,
    pub made: bool,
    pub locked: bool,
    /// Which process this is; handles of those before are dead.
    pub life: u64,
    pub operations: u64,
    pub faults: BTreeMap<u64, Fault>,
    pub reads_fail: bool,
    pub writes_fail: Option<Fault>,
    pub dead: bool,
}

impl State {
    pub(super) fn new(block: usize) -> Self {
        Self {
            inodes: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            block,
            capacity: u64::MAX,
            punches: true,
            made: false,
            locked: false,
            life: 0,
            operations: 0,
            faults: BTreeMap::new(),
            reads_fail: false,
            writes_fail: None,
            dead: false,
        }
    }

    /// One more operation of a process; the fault that strikes it.
    pub(super) fn begin(&mut self, life: u64, kind: Kind) -> io::Result<Option<Fault>> {
        if self.dead || life != self.life {
            return Err(error("the process is dead"));
        }
        self.operations += 1;
        if let Some(fault) = self.faults.remove(&self.operations) {
            return self.strike(fault, kind).map(Some);
        }
        if kind == Kind::Read && self.reads_fail {
            return Err(error("the disk cannot be read"));
        }
        match self.writes_fail {
            Some(fault) if kind == Kind::Write => self.strike(fault, kind).map(Some),
            _ => Ok(None),
        }
    }

    /// A write can be torn; whatever else is struck does nothing.
    fn strike(&mut self, fault: Fault, kind: Kind) -> io::Result<Fault> {
        if matches!(fault, Fault::Die(_)) {
            self.dead = true;
        }
        if kind == Kind::Write { Ok(fault) } else { Err(fault.error()) }
    }

    pub(super) fn allocated(&self) -> u64 {
        let there = self.inodes.iter().filter(|inode| inode.names + inode.opens > 0);
        there.map(|inode| inode.now.allocated()).sum::<u64>() * self.block as u64
    }

    pub(super) fn change(&mut self, inode: usize, change: Change) -> io::Result<()> {
        let before = self.inodes[inode].now.allocated();
        let mut after = self.inodes[inode].now.clone();
        after.apply(&change, self.block);
        let more = after.allocated().saturating_sub(before) * self.block as u64;
        if self.allocated().saturating_add(more) > self.capacity {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inodes[inode].change(change, self.block);
        Ok(())
    }

    pub(super) fn name(&mut self, name: &str, inode: usize) {
        self.names.insert(name.to_owned(), inode);
        self.inodes[inode].names += 1;
        self.pending_names.push(name.to_owned());
    }

    pub(super) fn forget(&mut self, name: &str) -> bool {
        let Some(inode) = self.names.remove(name) else { return false };
        self.inodes[inode].names -= 1;
        self.pending_names.push(name.to_owned());
        true
    }

    pub(super) fn sync_names(&mut self) {
        self.durable_names.clone_from(&self.names);
        self.pending_names.clear();
    }

    /// The process is gone, and another can come.
    pub(super) fn restart(&mut self) {
        self.life += 1;
        self.dead = false;
        self.locked = false;
        self.faults.clear();
        self.reads_fail = false;
        self.writes_fail = None;
        self.inodes.iter_mut().for_each(|inode| inode.opens = 0);
    }

    /// Of what was not synced, any part is kept.
    pub(super) fn lose_power(&mut self, seed: u64) {
        let mut state = seed | 1;
        let mut coin = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state & 4 == 0
        };
        for name in std::mem::take(&mut self.pending_names) {
            if coin() {
                match self.names.get(&name) {
                    Some(&inode) => self.durable_names.insert(name, inode),
                    None => self.durable_names.remove(&name),
                };
            }
        }
        self.names.clone_from(&self.durable_names);
        for inode in &mut self.inodes {
            inode.lose(self.block, &mut coin);
            (inode.names, inode.opens) = (0, 0);
        }
        for &inode in self.names.values() {
            self.inodes[inode].names += 1;
        }
        self.restart();
    }
}

impl Fault {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::NoSpace(_) => io::ErrorKind::StorageFull.into(),
            Self::Io(_) => error("the disk failed"),
            Self::Die(_) => error("the process was killed"),
        }
    }

    /// How much of a write is done before it fails.
    pub(super) const fn torn_at(self) -> usize {
        match self {
            Self::NoSpace(bytes) | Self::Io(bytes) | Self::Die(bytes) => bytes,
        }
    }
}

pub(super) fn error(what: &'static str) -> io::Error {
    io::Error::other(what)
}
