//! The simulated disk as the store and the test see it.

use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::super::disk::{Disk, Facts, File, How, Lock};
use super::file::{Change, Inode};
use super::state::{Kind, State};

/// How an operation fails. A write does so many of its bytes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device fails (EIO).
    Io(usize),
    /// There is no space (ENOSPC).
    NoSpace(usize),
    /// The process is killed: every later operation of it fails too.
    Die(usize),
}

/// A disk made of memory. Clones are the same process on the same disk; [`kill`](Self::kill) and
/// [`lose_power`](Self::lose_power) end the process and return the next.
#[derive(Clone, Debug)]
pub struct SimDisk {
    shared: Arc<Shared>,
    life: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Whether reads wait, and who is told when they need no longer.
    held: Mutex<bool>,
    released: Condvar,
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: usize,
    writable: bool,
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new(4096)
    }
}

impl SimDisk {
    /// An empty disk that gives space in blocks of so many bytes, a power of two and at least 1,024.
    pub fn new(block_bytes: u32) -> Self {
        assert!(block_bytes.is_power_of_two() && block_bytes >= 1_024, "no disk has blocks of {block_bytes}");
        let state = Mutex::new(State::new(block_bytes as usize));
        let shared = Shared { state, held: Mutex::new(false), released: Condvar::new() };
        Self { shared: Arc::new(shared), life: 0 }
    }

    /// One that cannot give the space of a part of a file back.
    #[must_use]
    pub fn without_holes(self) -> Self {
        self.state().punches = false;
        self
    }

    /// Has so much space from now on.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// The operation that comes so many after this one (1 is the next) fails.
    pub fn fail_in(&self, operations: u64, fault: Fault) {
        let mut state = self.state();
        let at = state.operations + operations;
        state.faults.insert(at, fault);
    }

    /// Whether all reads fail from now on.
    pub fn fail_reads(&self, fail: bool) {
        self.state().reads_fail = fail;
    }

    /// Whether and how all writes fail from now on.
    pub fn fail_writes(&self, fault: Option<Fault>) {
        self.state().writes_fail = fault;
    }

    /// How many operations there were.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// What all files take, those that are removed and still open too.
    pub fn allocated(&self) -> u64 {
        self.state().allocated()
    }

    /// The names in the folder.
    pub fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// What is in a file.
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        state.names.get(name).map(|&inode| state.inodes[inode].now.bytes.clone())
    }

    /// Puts a file there, whatever was there before.
    pub fn place(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        state.made = true;
        state.forget(name);
        let block = state.block;
        let mut inode = Inode::default();
        inode.change(Change::Write(0, bytes.to_vec()), block);
        inode.sync();
        state.inodes.push(inode);
        let number = state.inodes.len() - 1;
        state.name(name, number);
        state.sync_names();
    }

    /// Flips one bit of a file, on the disk itself. Whether there is such a bit.
    pub fn flip(&self, name: &str, bit: u64) -> bool {
        let mut state = self.state();
        let Some(&inode) = state.names.get(name) else { return false };
        let (Ok(byte), mask) = (usize::try_from(bit / 8), 1 << (bit % 8)) else { return false };
        let inode = &mut state.inodes[inode];
        let Some(byte_now) = inode.now.bytes.get_mut(byte) else { return false };
        *byte_now ^= mask;
        if let Some(durable) = inode.durable.bytes.get_mut(byte) {
            *durable ^= mask;
        }
        true
    }

    /// The folder is removed by someone else, with all that is in it.
    pub fn vanish(&self) {
        let mut state = self.state();
        let names: Vec<String> = state.names.keys().cloned().collect();
        for name in &names {
            state.forget(name);
        }
        state.made = false;
    }

    /// Reads wait from now on, or those that wait go on.
    pub fn hold_reads(&self, hold: bool) {
        *self.shared.held.lock().unwrap_or_else(PoisonError::into_inner) = hold;
        self.shared.released.notify_all();
    }

    /// The process is killed; what it had written is there. The next process.
    #[must_use]
    pub fn kill(&self) -> Self {
        let mut state = self.state();
        state.restart();
        Self { shared: Arc::clone(&self.shared), life: state.life }
    }

    /// The power goes; of what was not synced any part is there, as the seed decides. The next process.
    #[must_use]
    pub fn lose_power(&self, seed: u64) -> Self {
        let mut state = self.state();
        state.lose_power(seed);
        Self { shared: Arc::clone(&self.shared), life: state.life }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self) {
        let held = self.shared.held.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.shared.released.wait_while(held, |held| *held));
    }

    /// One operation that either happens or does not.
    fn operate<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        state.begin(self.life, Kind::Other)?;
        act(&mut state)
    }
}

impl Disk for SimDisk {
    fn path(&self) -> &Path {
        Path::new("simulated")
    }

    fn block_bytes(&self) -> u32 {
        u32::try_from(self.state().block).unwrap_or(u32::MAX)
    }

    fn make(&self) -> io::Result<()> {
        self.operate(|state| {
            state.made = true;
            Ok(())
        })
    }

    fn lock(&self, name: &str) -> io::Result<Lock> {
        let locked = self.operate(|state| {
            if !state.names.contains_key(name) {
                state.inodes.push(Inode::default());
                let inode = state.inodes.len() - 1;
                state.name(name, inode);
                state.change(inode, Change::Write(0, b"1\n".to_vec()))?;
            }
            Ok(std::mem::replace(&mut state.locked, true))
        })?;
        if locked { Ok(Lock::Other(Some(1))) } else { Ok(Lock::Held(Box::new(Unlock(self.clone())))) }
    }

    fn probe(&self, name: &str) -> io::Result<Lock> {
        let locked = self.operate(|state| {
            if state.names.contains_key(name) {
                Ok(state.locked)
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        })?;
        Ok(if locked { Lock::Other(Some(1)) } else { Lock::Held(Box::new(())) })
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.operate(|state| {
            if state.made {
                Ok(state.names.keys().cloned().collect())
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        })
    }

    fn open(&self, name: &str, how: How) -> io::Result<Arc<dyn File>> {
        let inode = self.operate(|state| {
            let inode = match (state.names.get(name).copied(), how) {
                (Some(_), How::New) => return Err(io::ErrorKind::AlreadyExists.into()),
                (Some(inode), _) => inode,
                (None, How::New) if state.made => {
                    state.inodes.push(Inode::default());
                    let inode = state.inodes.len() - 1;
                    state.name(name, inode);
                    inode
                }
                (None, _) => return Err(io::ErrorKind::NotFound.into()),
            };
            state.inodes[inode].opens += 1;
            Ok(inode)
        })?;
        Ok(Arc::new(SimFile { disk: self.clone(), inode, writable: how != How::ReadOnly }))
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.operate(|state| if state.forget(name) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) })
    }

    fn sync(&self) -> io::Result<()> {
        self.operate(|state| {
            state.sync_names();
            Ok(())
        })
    }

    fn way(&self) -> &'static str {
        "memory"
    }
}

/// Gives the lock back, if its process still lives.
#[derive(Debug)]
struct Unlock(SimDisk);

impl Drop for Unlock {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if state.life == self.0.life {
            state.locked = false;
        }
    }
}

impl SimFile {
    fn change(&self, change: Change) -> io::Result<()> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut state = self.disk.state();
        let Some(fault) = state.begin(self.disk.life, Kind::Write)? else {
            return state.change(self.inode, change);
        };
        if let Change::Write(at, mut bytes) = change {
            bytes.truncate(fault.torn_at());
            state.change(self.inode, Change::Write(at, bytes))?;
        }
        Err(fault.error())
    }
}

impl File for SimFile {
    fn read_at(&self, at: u64, parts: &mut [IoSliceMut<'_>]) -> io::Result<()> {
        self.disk.wait();
        let mut state = self.disk.state();
        state.begin(self.disk.life, Kind::Read)?;
        let bytes = &state.inodes[self.inode].now.bytes;
        let mut at = usize::try_from(at).unwrap_or(usize::MAX);
        for part in parts {
            let end = at.saturating_add(part.len());
            let from = bytes.get(at..end).ok_or(io::ErrorKind::UnexpectedEof)?;
            part.copy_from_slice(from);
            at = end;
        }
        Ok(())
    }

    fn write_at(&self, at: u64, parts: &[&[u8]]) -> io::Result<()> {
        self.change(Change::Write(at, parts.concat()))
    }

    fn sync(&self) -> io::Result<()> {
        let inode = self.inode;
        self.disk.operate(|state| {
            state.inodes[inode].sync();
            Ok(())
        })
    }

    fn punch(&self, range: Range<u64>) -> io::Result<()> {
        if !self.disk.state().punches {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.change(Change::Punch(range))
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.change(Change::Truncate(bytes))
    }

    fn facts(&self) -> io::Result<Facts> {
        let inode = self.inode;
        self.disk.operate(|state| {
            let there = &state.inodes[inode];
            let allocated = there.now.allocated() * state.block as u64;
            Ok(Facts { bytes: there.now.bytes.len() as u64, allocated, linked: there.names > 0 })
        })
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.life == self.disk.life {
            let inode = &mut state.inodes[self.inode];
            inode.opens = inode.opens.saturating_sub(1);
        }
    }
}
