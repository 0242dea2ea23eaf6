//! Launches: programs, once they are needed, and what puts them on the stream.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use plimsoll_device::programs::{
    Argument, Entry, Gather, Launch, Member, Multiply, Programs, Series, Threads,
};
use plimsoll_device::{Device, DeviceError, Stream};

use super::programs::Program;
use crate::TensorError;
use crate::compute::Done;

/// Threads of a block where every thread does the same.
pub(super) const EACH: u32 = 256;
/// Thread blocks for each processor: enough that all are busy to the end.
const RESIDENT: u64 = 16;

/// What puts programs on one stream.
pub(super) struct Launches {
    device: Arc<dyn Device>,
    pub(super) stream: Stream,
    loaded: [OnceLock<Vec<Entry>>; Program::ALL.len()],
    /// Launches that are written down instead of being put on the stream.
    written: Mutex<Option<Vec<Launch>>>,
}

impl Launches {
    pub(super) fn new(device: Arc<dyn Device>, stream: Stream) -> Self {
        Self { device, stream, loaded: Default::default(), written: Mutex::default() }
    }

    pub(super) fn programs(&self) -> Result<&dyn Programs, DeviceError> {
        self.device.programs().ok_or_else(|| DeviceError::Unsupported {
            device: self.device.facts().name.clone(),
            what: "compute with tensors; use a stage on the host",
        })
    }

    fn entries(&self, program: Program) -> Result<&[Entry], DeviceError> {
        let slot = &self.loaded[program as usize];
        if let Some(entries) = slot.get() {
            return Ok(entries);
        }
        let entries = self.programs()?.load(&program.source())?;
        Ok(slot.get_or_init(|| entries))
    }

    /// Puts a launch on the stream. Only this module's operations do: their operands are tensors that fit, as `ops` has
    /// seen to.
    pub(super) fn launch(
        &self,
        program: Program,
        name: &'static str,
        blocks: [u32; 3],
        each: u32,
        arguments: &[Argument<'_>],
    ) -> Done {
        let shared = program.entry(name).map_or(0, |(_, shared)| shared);
        self.launch_with(program, name, Threads { blocks, each, shared }, arguments)
    }

    pub(super) fn launch_with(
        &self,
        program: Program,
        name: &'static str,
        threads: Threads,
        arguments: &[Argument<'_>],
    ) -> Done {
        if threads.blocks.contains(&0) {
            return Ok(());
        }
        let entries = self.entries(program)?;
        let entry = program.entry(name).and_then(|(place, _)| entries.get(place)).copied();
        let entry = entry.ok_or(TensorError::Mode("a kernel that is launched is not in its program"))?;
        if let Some(written) = &mut *self.written.lock().unwrap_or_else(PoisonError::into_inner) {
            let launch = Launch::new(entry, threads, arguments);
            written.push(if program.waits() { launch.early() } else { launch });
            return Ok(());
        }
        // SAFETY: the entry is this device's, and arguments are in the order of the kernel's parameters, as the suite that
        // compares each operation with the host shows. Addresses are those of tensors and of the desk, all of them leases;
        // sizes are those of the tensors. Their leases are given back behind a fence of this stream.
        unsafe { self.programs()?.launch(self.stream, entry, threads, arguments)? };
        Ok(())
    }

    /// Writes launches down, which `work` makes, and puts them together. Nothing is put on the stream.
    pub(super) fn series(&self, work: impl FnOnce() -> Done) -> Result<Series, TensorError> {
        let writing = Writing::begin(&self.written);
        let done = work();
        let launches = writing.end();
        done?;
        // SAFETY: as in `launch_with`; whoever runs it keeps what it uses.
        Ok(unsafe { self.programs()?.series(&launches)? })
    }

    /// Puts on the stream what was put together. The caller keeps what it uses.
    pub(super) fn run(&self, series: &Series) -> Done {
        // SAFETY: as in `launch_with`.
        unsafe { self.programs()?.run(self.stream, series)? };
        Ok(())
    }

    /// A launch in which each thread takes eight numbers at a time.
    pub(super) fn over(
        &self,
        program: Program,
        name: &'static str,
        count: u64,
        arguments: &[Argument<'_>],
    ) -> Done {
        self.spread(program, name, count.div_ceil(8), arguments)
    }

    /// A launch in which each thread takes one thing at a time.
    pub(super) fn spread(
        &self,
        program: Program,
        name: &'static str,
        count: u64,
        arguments: &[Argument<'_>],
    ) -> Done {
        let most = u64::from(self.programs()?.processors()) * RESIDENT;
        let blocks = count.div_ceil(EACH.into()).min(most);
        self.launch(program, name, [u32::try_from(blocks).unwrap_or(u32::MAX), 1, 1], EACH, arguments)
    }

    pub(super) fn multiply(&self, what: &Multiply) -> Done {
        // SAFETY: as in `launch`; the matrices lie within their tensors, as the layouts that they were made from say.
        unsafe { self.programs()?.multiply(self.stream, what)? };
        Ok(())
    }

    pub(super) fn sum_over(&self, member: &dyn Member, singles: &[(u64, u64)]) -> Done {
        // SAFETY: as in `launch`; the tensors are whole and nobody shares them, so they are apart.
        unsafe { member.sum(self.stream, singles)? };
        Ok(())
    }

    pub(super) fn gather_over(member: &dyn Member, stream: Stream, all: &[Gather]) -> Done {
        // SAFETY: as in `carry`: parts and the tensors of wholes are apart, and large enough, as whoever asks has counted.
        unsafe { member.gather(stream, all)? };
        Ok(())
    }

    pub(super) fn move_bytes(&self, from: u64, to: u64, bytes: u64) -> Done {
        self.carry(self.stream, from, to, bytes)
    }

    pub(super) fn carry(&self, stream: Stream, from: u64, to: u64, bytes: u64) -> Done {
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: as in `launch`; the target is a tensor that nobody else has, so the two are apart. On another
        // stream than this, whoever asks has put it behind this one's work and keeps both until it is done.
        unsafe { self.programs()?.move_bytes(stream, from, to, bytes)? };
        Ok(())
    }

    pub(super) fn bring(&self, from: &[u8], to: u64) -> Done {
        if from.is_empty() {
            return Ok(());
        }
        // SAFETY: as in `launch`; the tensor has room for these bytes, as whoever made it counted.
        unsafe { self.programs()?.bring(self.stream, from, to)? };
        Ok(())
    }

    /// The same as singles.
    pub(super) fn fetch_singles(&self, from: u64, into: &mut [f32]) -> Done {
        // SAFETY: singles are bytes, any of which make some single; the slice is borrowed for as long as the bytes are.
        let bytes =
            unsafe { std::slice::from_raw_parts_mut(into.as_mut_ptr().cast::<u8>(), size_of_val(into)) };
        self.fetch(from, bytes)
    }

    pub(super) fn fetch(&self, from: u64, into: &mut [u8]) -> Done {
        if into.is_empty() {
            return Ok(());
        }
        // SAFETY: as in `launch`; the tensor has these bytes.
        unsafe { self.programs()?.fetch(self.stream, from, into)? };
        Ok(())
    }
}

/// While launches are written down; also when whoever makes them panics, they are not afterwards.
struct Writing<'w>(&'w Mutex<Option<Vec<Launch>>>);

impl<'w> Writing<'w> {
    fn begin(written: &'w Mutex<Option<Vec<Launch>>>) -> Self {
        *written.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
        Self(written)
    }

    fn taken(&self) -> Vec<Launch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }

    fn end(self) -> Vec<Launch> {
        self.taken()
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        drop(self.taken());
    }
}

/// A count as a kernel takes it; what does not fit is no size that anything has.
pub(super) fn word(count: usize) -> Argument<'static> {
    Argument::Word(u32::try_from(count).unwrap_or(u32::MAX))
}

/// A large count.
pub(super) fn long(count: usize) -> Argument<'static> {
    Argument::Long(count as u64)
}

/// Whole warps for so many things, between one and `most` threads.
pub(super) fn warps(things: usize, most: u32) -> u32 {
    u32::try_from(things.div_ceil(32).max(1) * 32).unwrap_or(u32::MAX).min(most)
}

/// Thread blocks in one dimension.
pub(super) fn blocks(count: usize) -> [u32; 3] {
    [u32::try_from(count).unwrap_or(u32::MAX), 1, 1]
}
