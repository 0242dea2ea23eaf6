//! Compiled code loaded into a context, and the launch of each operation.

use std::ffi::{CStr, c_uint, c_void};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::{fmt, ptr};

use cudarc::driver::{result, sys};
use plimsoll_device::DeviceError;
use plimsoll_device::kernels::Number;

use super::blas::Blas;
use super::brought::Brought;
use super::compile::{Compiler, Job};
use super::program::Program;
use super::{expand, nearest};
use crate::driver::{Code, Probe, RawStream};

/// Threads of a block and accesses that each has under way; the sources have the same numbers.
pub(super) const THREADS: u64 = 256;
const DEPTH: u64 = 4;
/// The same of the kernels that move blocks, and what one of their thread blocks moves at once.
const TEAM: u64 = 128;
const HELD: u64 = 2;
const PIECE_BYTES: u64 = TEAM * HELD * UNIT_BYTES;
/// The widest access.
const UNIT_BYTES: u64 = 16;
/// How many blocks one launch names: a few, at the price of any launch, or many; longer indices are several launches.
const INDEX_SHORT: usize = 1000;
const INDEX_LONG: usize = 8000;
/// Thread blocks that a multiprocessor of any GPU so far can hold.
const RESIDENT: u64 = 8;
/// Thread blocks that keep a link to the host busy: 4 KiB under way each, together several times what a link
/// carries during one round trip. More would only keep multiprocessors from other work.
const LINK_THREAD_BLOCKS: u64 = 256;
/// The most thread blocks in the second dimension of a launch.
const HIGHEST_GRID: u64 = 65_535;

/// Why an operation was not put on the stream.
#[derive(Debug)]
pub(crate) enum KernelError {
    /// There is no code for it.
    Code(DeviceError),
    /// The driver refused.
    Driver(&'static str, Code),
}

/// What the bytes of a gather or scatter pass through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// The GPU's memory, or another GPU's.
    Local,
    /// One side is the host's memory.
    Link,
}

/// Rows at an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowsAt {
    pub address: u64,
    pub pitch: u64,
}

/// Numbers to be converted. All addresses are multiples of 16.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Convert {
    pub from: Number,
    pub source: u64,
    pub to: Number,
    pub target: u64,
    /// Of the side that has scales; not used between floats.
    pub scales: u64,
    pub count: u64,
    /// How many numbers share a scale: a multiple of 32 that divides `count`; not used between floats.
    pub group: u32,
}

/// The kernels of one GPU, each compiled and loaded when it is first launched.
///
/// It does not free the modules: they go with the context.
pub(crate) struct KernelSet {
    pub(super) compiler: Arc<Compiler>,
    pub(super) name: String,
    pub(super) capability: (u32, u32),
    pub(super) multiprocessors: u32,
    pub(super) loading: Mutex<()>,
    /// What callers brought.
    pub(super) brought: Mutex<Vec<Brought>>,
    pub(crate) blas: Blas,
    loaded: [OnceLock<Vec<Function>>; Program::ALL.len()],
}

impl fmt::Debug for KernelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loaded: Vec<_> =
            Program::ALL.iter().filter(|program| self.loaded[program.number()].get().is_some()).collect();
        f.debug_struct("KernelSet").field("loaded", &loaded).finish_non_exhaustive()
    }
}

/// A handle of the driver.
pub(super) struct Function(pub(super) sys::CUfunction);

// SAFETY: the driver's handles may be used by any thread.
unsafe impl Send for Function {}
// SAFETY: as above.
unsafe impl Sync for Function {}

/// How many threads: thread blocks, then threads of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub grid: (c_uint, c_uint),
    pub block: (c_uint, c_uint),
    /// Bytes of a thread block's own memory, beyond what the source names.
    pub shared: c_uint,
}

/// Which side the index names.
#[derive(Clone, Copy)]
enum Way {
    Gather,
    Scatter,
}

/// The blocks of one launch.
struct Moved {
    route: Route,
    source: u64,
    target: u64,
    block: u64,
}

/// The index of one launch: passed by value, always whole.
#[repr(C)]
struct Index<const LENGTH: usize>([u32; LENGTH]);

/// A parameter of a launch.
macro_rules! parameters {
    ($($value:expr),+ $(,)?) => { &mut [$((&raw const $value).cast_mut().cast::<std::ffi::c_void>()),+] };
}
pub(super) use parameters;

// The functions below share one contract. # Safety: the context that all launches of this set use is current, the
// stream belongs to it, and every address is valid on the device for what its operation touches until the stream has
// done it. Sizes are what `plimsoll_device::kernels::check` lets pass.
impl KernelSet {
    pub(crate) fn new(compiler: Arc<Compiler>, gpu: &Probe) -> Self {
        Self {
            blas: Blas::new(compiler.cublas.clone(), compiler.driver),
            compiler,
            name: gpu.name.clone(),
            capability: gpu.compute,
            multiprocessors: gpu.multiprocessors,
            loading: Mutex::default(),
            brought: Mutex::default(),
            loaded: Default::default(),
        }
    }

    /// Compiles and loads what `program` needs, which takes long the first time. The context is current.
    pub(crate) fn prepare(&self, program: Program) -> Result<(), KernelError> {
        self.functions(program).map(drop)
    }

    /// Whether there is a compiler.
    pub(crate) fn available(&self) -> Result<(), DeviceError> {
        self.compiler.available()
    }

    pub(crate) unsafe fn copy_rows(
        &self,
        stream: RawStream,
        source: RowsAt,
        target: RowsAt,
        row: u64,
        rows: u64,
    ) -> Result<(), KernelError> {
        if row == 0 || rows == 0 {
            return Ok(());
        }
        let parameters = parameters![source.address, source.pitch, target.address, target.pitch, row, rows];
        // SAFETY: the caller's promise; the parameters are the kernel's, in order.
        unsafe { self.launch(Program::CopyRows, c"copy_rows", rows_shape(row, rows), stream, parameters) }
    }

    /// `unit` is the pattern repeated to 16 bytes; `target` is a multiple of 16.
    pub(crate) unsafe fn fill_pattern(
        &self,
        stream: RawStream,
        target: u64,
        bytes: u64,
        unit: [u8; 16],
    ) -> Result<(), KernelError> {
        if bytes == 0 {
            return Ok(());
        }
        let (words, _) = unit.as_chunks::<4>();
        let [a, b, c, d] = [0, 1, 2, 3].map(|at| u32::from_le_bytes(words[at]));
        let shape = self.filling(bytes.div_ceil(UNIT_BYTES), 1);
        // SAFETY: the caller's promise; the parameters are the kernel's, in order.
        unsafe {
            self.launch(
                Program::FillPattern,
                c"fill_pattern",
                shape,
                stream,
                parameters![target, bytes, a, b, c, d],
            )
        }
    }

    pub(crate) unsafe fn convert(&self, stream: RawStream, convert: &Convert) -> Result<(), KernelError> {
        let Convert { from, source, to, target, scales, count, group } = *convert;
        if count == 0 {
            return Ok(());
        }
        if from == to {
            let bytes = usize::try_from(count * from.bits() / 8).unwrap_or(usize::MAX);
            // SAFETY: the caller's promise.
            let copied = unsafe { sys::cuMemcpyAsync(target, source, bytes, raw(stream)) };
            return told("copying numbers", copied);
        }
        let Some(entry) = conversion(from, to) else {
            return told("converting between scaled kinds", sys::CUresult::CUDA_ERROR_INVALID_VALUE);
        };
        if !from.scaled() && !to.scaled() {
            let shape = self.filling(count.div_ceil(4), DEPTH);
            // SAFETY: the caller's promise; the parameters are the kernel's, in order.
            return unsafe {
                self.launch(Program::Convert, entry, shape, stream, parameters![source, target, count])
            };
        }
        let (groups, fours) = (count / u64::from(group), group / 4);
        let lanes = team(group / if to.scaled() { 8 } else { 4 });
        let shape = self.filling(groups.saturating_mul(u64::from(lanes)), 1);
        let parameters = parameters![source, target, scales, groups, fours, lanes];
        // SAFETY: the caller's promise; the parameters are the kernel's, in order.
        unsafe { self.launch(Program::Convert, entry, shape, stream, parameters) }
    }

    /// Block `n` of the target becomes block `index[n]` of the source. The index is free when this returns.
    pub(crate) unsafe fn gather(
        &self,
        stream: RawStream,
        route: Route,
        source: u64,
        index: &[u32],
        block: u64,
        target: u64,
    ) -> Result<(), KernelError> {
        for (first, index) in launches(index) {
            let moved = Moved { route, source, target: target + first * block, block };
            // SAFETY: the caller's promise.
            unsafe { self.blocks(stream, Way::Gather, &moved, index) }?;
        }
        Ok(())
    }

    /// Block `index[n]` of the target becomes block `n` of the source. The index is free when this returns.
    pub(crate) unsafe fn scatter(
        &self,
        stream: RawStream,
        route: Route,
        source: u64,
        index: &[u32],
        block: u64,
        target: u64,
    ) -> Result<(), KernelError> {
        for (first, index) in launches(index) {
            let moved = Moved { route, source: source + first * block, target, block };
            // SAFETY: the caller's promise.
            unsafe { self.blocks(stream, Way::Scatter, &moved, index) }?;
        }
        Ok(())
    }

    unsafe fn blocks(
        &self,
        stream: RawStream,
        way: Way,
        moved: &Moved,
        index: &[u32],
    ) -> Result<(), KernelError> {
        let units = moved.block < PIECE_BYTES;
        let entries = match (way, units) {
            (Way::Gather, false) => (c"gather_pieces_short", c"gather_pieces_long"),
            (Way::Gather, true) => (c"gather_units_short", c"gather_units_long"),
            (Way::Scatter, false) => (c"scatter_pieces_short", c"scatter_pieces_long"),
            (Way::Scatter, true) => (c"scatter_units_short", c"scatter_units_long"),
        };
        // SAFETY: the caller's promise.
        unsafe {
            if index.len() <= INDEX_SHORT {
                self.indexed::<INDEX_SHORT>(stream, entries.0, moved, index)
            } else {
                self.indexed::<INDEX_LONG>(stream, entries.1, moved, index)
            }
        }
    }

    unsafe fn indexed<const LENGTH: usize>(
        &self,
        stream: RawStream,
        entry: &CStr,
        &Moved { route, source, target, block }: &Moved,
        index: &[u32],
    ) -> Result<(), KernelError> {
        let mut whole = Index([0; LENGTH]);
        whole.0[..index.len()].copy_from_slice(index);
        let count = narrow(index.len() as u64);
        let units = block / UNIT_BYTES;
        let most = if route == Route::Link { LINK_THREAD_BLOCKS } else { u64::from(u32::MAX >> 1) };
        let shape =
            |pieces: u64| Shape { grid: (narrow(pieces.min(most)), 1), block: (narrow(TEAM), 1), shared: 0 };
        if block < PIECE_BYTES {
            let shape = shape((block * u64::from(count)).div_ceil(PIECE_BYTES));
            let units = narrow(units);
            let parameters = parameters![source, target, units, count, whole];
            // SAFETY: the caller's promise; the parameters are the kernel's, in order.
            return unsafe { self.launch(Program::Blocks, entry, shape, stream, parameters) };
        }
        let pieces = narrow(block.div_ceil(PIECE_BYTES));
        let shape = shape(u64::from(pieces) * u64::from(count));
        let parameters = parameters![source, target, units, pieces, count, whole];
        // SAFETY: the caller's promise; the parameters are the kernel's, in order.
        unsafe { self.launch(Program::Blocks, entry, shape, stream, parameters) }
    }

    /// The two sums go to the eight bytes at `total` on the device, the low one first.
    pub(crate) unsafe fn sum(
        &self,
        stream: RawStream,
        source: u64,
        bytes: u64,
        total: u64,
    ) -> Result<(), KernelError> {
        // SAFETY: the caller's promise.
        told("clearing a sum", unsafe { sys::cuMemsetD32Async(total, 0, 2, raw(stream)) })?;
        if bytes == 0 {
            return Ok(());
        }
        let shape = self.filling(bytes.div_ceil(UNIT_BYTES), DEPTH);
        // SAFETY: the caller's promise; the parameters are the kernel's, in order.
        unsafe { self.launch(Program::Sum, c"sum", shape, stream, parameters![source, bytes, total]) }
    }

    /// A kernel that faults: the context is lost when it has run.
    pub(crate) unsafe fn lose_on_purpose(&self, stream: RawStream) -> Result<(), KernelError> {
        let shape = Shape { grid: (1, 1), block: (1, 1), shared: 0 };
        // SAFETY: the caller's promise; the kernel has no parameters.
        unsafe { self.launch(Program::LoseOnPurpose, c"lose_on_purpose", shape, stream, &mut []) }
    }

    /// Enough threads for so many items, `each` of them to a thread; at most what the GPU holds at once, since these
    /// kernels go on until all is done.
    pub(super) fn filling(&self, items: u64, each: u64) -> Shape {
        let most = u64::from(self.multiprocessors.max(1)) * RESIDENT;
        flat(items.div_ceil(THREADS * each).clamp(1, most))
    }

    pub(super) unsafe fn launch(
        &self,
        program: Program,
        entry: &CStr,
        Shape { grid, block, shared }: Shape,
        stream: RawStream,
        parameters: &mut [*mut c_void],
    ) -> Result<(), KernelError> {
        let functions = self.functions(program)?;
        let place = program.entries().iter().position(|&known| known == entry);
        let Some(function) = place.and_then(|place| functions.get(place)) else {
            return told("finding a kernel", sys::CUresult::CUDA_ERROR_NOT_FOUND);
        };
        // SAFETY: the function is loaded in the current context and the parameters are its own (the caller's promise).
        // They are copied before the call returns.
        let launched = unsafe {
            let (grid, block) = ((grid.0, grid.1, 1), (block.0, block.1, 1));
            result::launch_kernel(function.0, grid, block, shared, raw(stream), parameters)
        };
        launched.map_err(|error| refused("launching a kernel", error.0))
    }

    fn functions(&self, program: Program) -> Result<&[Function], KernelError> {
        let slot = &self.loaded[program.number()];
        if let Some(functions) = slot.get() {
            return Ok(functions);
        }
        let _loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(functions) = slot.get() {
            return Ok(functions);
        }
        let functions = self.load(program)?;
        Ok(slot.get_or_init(|| functions))
    }

    fn load(&self, program: Program) -> Result<Vec<Function>, KernelError> {
        let job = Job {
            device: &self.name,
            capability: self.capability,
            name: program.name(),
            text: program.source(),
            own: program.own(),
        };
        let code = self.compiler.code(&job).map_err(KernelError::Code)?;
        // SAFETY: the code is whole: it comes from the compiler, or from a file whose checksum agrees. PTX ends with
        // a zero, as the compiler gives it.
        let module = unsafe { result::module::load_data(code.as_ptr().cast()) }
            .map_err(|error| refused("loading compiled kernels", error.0))?;
        let function = |entry: &&CStr| {
            // SAFETY: the module was loaded just now.
            unsafe { result::module::get_function(module, (*entry).to_owned()) }
                .map(Function)
                .map_err(|error| refused("finding a kernel", error.0))
                .inspect(|function| widen(function, shared_bytes(&entry.to_string_lossy())))
        };
        program.entries().iter().map(function).collect()
    }
}

/// The bytes of its own that a thread block may have, where it is more than what all have.
fn shared_bytes(entry: &str) -> u32 {
    nearest::shared_bytes(entry).max(expand::shared_bytes(entry))
}

/// Lets a kernel have so much of a thread block's memory. A GPU that has less refuses, and so it does at the launch.
pub(super) fn widen(function: &Function, shared: u32) {
    let which = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    let shared = i32::try_from(shared).unwrap_or(0);
    if shared > 0 {
        // SAFETY: the function was loaded just now.
        let _refused = unsafe { sys::cuFuncSetAttribute(function.0, which, shared) };
    }
}

/// An index in as many parts as it takes launches, each with the number of blocks before it.
fn launches(index: &[u32]) -> impl Iterator<Item = (u64, &[u32])> {
    (0..).step_by(INDEX_LONG).zip(index.chunks(INDEX_LONG))
}

/// Windows of 16 bytes of a row, one more than fit in it because it may start within one; each thread takes up to
/// DEPTH of them, and what a short row leaves of a thread block takes other rows.
fn rows_shape(row: u64, rows: u64) -> Shape {
    let windows = row.div_ceil(UNIT_BYTES) + 1;
    let wide = windows.div_ceil(DEPTH).next_power_of_two().min(THREADS);
    let high = THREADS / wide;
    let across = windows.div_ceil(wide * DEPTH).min(u64::from(u32::MAX >> 1));
    let down = rows.div_ceil(high).min(HIGHEST_GRID);
    Shape { grid: (narrow(across), narrow(down)), block: (narrow(wide), narrow(high)), shared: 0 }
}

fn flat(thread_blocks: u64) -> Shape {
    Shape { grid: (narrow(thread_blocks), 1), block: (narrow(THREADS), 1), shared: 0 }
}

/// How many lanes share a group of so many units: the largest power of two that divides it, at most a warp.
const fn team(units: u32) -> u32 {
    let power = 1 << units.trailing_zeros();
    if power < 32 { power } else { 32 }
}

/// The kernel between two different kinds; none between two scaled ones.
fn conversion(from: Number, to: Number) -> Option<&'static CStr> {
    use Number::{Bf16, F16, F32, Int4, Int8};
    Some(match (from, to) {
        (F32, F16) => c"f32_to_f16",
        (F32, Bf16) => c"f32_to_bf16",
        (F16, F32) => c"f16_to_f32",
        (F16, Bf16) => c"f16_to_bf16",
        (Bf16, F32) => c"bf16_to_f32",
        (Bf16, F16) => c"bf16_to_f16",
        (F32, Int8) => c"f32_to_int8",
        (F16, Int8) => c"f16_to_int8",
        (Bf16, Int8) => c"bf16_to_int8",
        (F32, Int4) => c"f32_to_int4",
        (F16, Int4) => c"f16_to_int4",
        (Bf16, Int4) => c"bf16_to_int4",
        (Int8, F32) => c"int8_to_f32",
        (Int8, F16) => c"int8_to_f16",
        (Int8, Bf16) => c"int8_to_bf16",
        (Int4, F32) => c"int4_to_f32",
        (Int4, F16) => c"int4_to_f16",
        (Int4, Bf16) => c"int4_to_bf16",
        _ => return None,
    })
}

/// All that is launched fits 32 bits: the caller bounds it.
pub(super) fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

pub(super) fn raw(stream: RawStream) -> sys::CUstream {
    ptr::with_exposed_provenance_mut(stream.0)
}

pub(super) fn told(what: &'static str, status: sys::CUresult) -> Result<(), KernelError> {
    if status == sys::CUresult::CUDA_SUCCESS { Ok(()) } else { Err(refused(what, status)) }
}

pub(super) fn refused(what: &'static str, status: sys::CUresult) -> KernelError {
    KernelError::Driver(what, Code(status as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::program::HEADER;

    #[test]
    fn the_sources_have_the_same_numbers() {
        for (text, number) in [("THREADS", THREADS), ("DEPTH", DEPTH)] {
            assert!(HEADER.1.contains(&format!("constexpr u32 {text} = {number};")), "{text}");
        }
        for (name, number) in [
            ("TEAM", TEAM),
            ("HELD", HELD),
            ("INDEX_SHORT", INDEX_SHORT as u64),
            ("INDEX_LONG", INDEX_LONG as u64),
        ] {
            assert!(
                Program::Blocks.source().contains(&format!("constexpr u32 {name} = {number};")),
                "{name}"
            );
        }
        // The parameters that every version takes, and those that the oldest driver which is accepted takes: the
        // index, three numbers of eight bytes and two of four.
        assert!(size_of::<Index<INDEX_SHORT>>() + 3 * 8 + 2 * 4 <= 4096);
        assert!(size_of::<Index<INDEX_LONG>>() + 3 * 8 + 2 * 4 <= 32_764);
    }

    #[test]
    fn a_long_index_is_several_launches() {
        let index = vec![0; 2 * INDEX_LONG + 5];
        let parts: Vec<_> = launches(&index).map(|(first, part)| (first, part.len())).collect();
        assert_eq!(parts, [(0, INDEX_LONG), (INDEX_LONG as u64, INDEX_LONG), (2 * INDEX_LONG as u64, 5)]);
    }

    #[test]
    fn every_conversion_that_the_check_lets_pass_is_a_kernel() {
        use Number::{Bf16, F16, F32, Int4, Int8};
        let mut found = Vec::new();
        for from in [F32, F16, Bf16, Int8, Int4] {
            for to in [F32, F16, Bf16, Int8, Int4] {
                let expected = from != to && !(from.scaled() && to.scaled());
                let entry = conversion(from, to);
                assert_eq!(entry.is_some(), expected, "{from:?} to {to:?}");
                found.extend(entry);
            }
        }
        found.sort_unstable();
        let mut known = Program::Convert.entries().to_vec();
        known.sort_unstable();
        assert_eq!(found, known);
    }

    #[test]
    fn teams_divide_their_groups() {
        for group in (32..4096).step_by(32) {
            for units in [group / 8, group / 4] {
                let lanes = team(units);
                assert!(lanes.is_power_of_two() && (4..=32).contains(&lanes), "{group}");
                assert_eq!(units % lanes, 0, "{group}");
            }
        }
    }

    #[test]
    fn rows_of_every_length_fill_thread_blocks_within_the_limits() {
        for row in [1, 15, 16, 17, 64, 100, 1000, 4096, 65_537, 1 << 20, 1 << 40] {
            for rows in [1, 3, 1000, 1 << 20, 1 << 40] {
                let Shape { grid, block, .. } = rows_shape(row, rows);
                assert_eq!(u64::from(block.0) * u64::from(block.1), THREADS);
                assert!(grid.0 >= 1 && grid.1 >= 1 && u64::from(grid.1) <= HIGHEST_GRID, "{row} {rows}");
                let windows = u64::from(grid.0) * u64::from(block.0) * DEPTH;
                assert!(windows > row / UNIT_BYTES, "{row} {rows}");
            }
        }
    }
}
