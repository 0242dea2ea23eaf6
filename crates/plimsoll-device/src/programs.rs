//! Programs that a caller brings to a device, and products of matrices by the device's own library.
//!
//! [`Kernels`](crate::Kernels) are what every device does on memory, with one reference and one suite. What is computed
//! above them differs from caller to caller, so a device that has a compiler runs what it is given, by address, and who
//! gives it answers for it: these calls are `unsafe` and check nothing but that the device took them.

use std::any::Any;
use std::sync::Arc;

use crate::{DeviceError, Fence, Stream};

/// A program's source, in the device's own language: CUDA C for CUDA, without an include path.
#[derive(Clone, Copy, Debug)]
pub struct Source<'s> {
    /// What messages call it.
    pub name: &'s str,
    /// Its text.
    pub text: &'s str,
    /// What can be launched of it, each with the most bytes that a thread block asks for when it is launched.
    pub entries: &'s [(&'s str, u32)],
}

/// Something that can be launched, loaded by one device and good on it for as long as the device is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(pub u64);

/// How many threads run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    /// Thread blocks, in three dimensions.
    pub blocks: [u32; 3],
    /// Threads of each.
    pub each: u32,
    /// Bytes of a thread block's own memory, beyond what the source names.
    pub shared: u32,
}

/// What is handed over at a launch.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// Eight bytes: an address on the device, a count.
    Long(u64),
    /// Four bytes.
    Word(u32),
    /// A single.
    Single(f32),
    /// A structure of words.
    Words(&'a [u32]),
}

/// A launch that is written down: what [`Argument`]s were, kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    /// What is launched.
    pub entry: Entry,
    /// By how many threads.
    pub threads: Threads,
    /// What is handed over: each argument's words, the low one of eight bytes first.
    pub arguments: Vec<Vec<u32>>,
    /// Whether it may begin before the launch in front of it in a series has ended, because it waits for that by itself before it reads
    /// what others write, and before it writes. A device that cannot have it so lets it begin later.
    pub early: bool,
}

impl Launch {
    /// Writes one down.
    pub fn new(entry: Entry, threads: Threads, arguments: &[Argument<'_>]) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the low half, then the high one")]
        let words = |argument: &Argument<'_>| match argument {
            Argument::Long(long) => vec![*long as u32, (*long >> 32) as u32],
            Argument::Word(word) => vec![*word],
            Argument::Single(single) => vec![single.to_bits()],
            Argument::Words(words) => words.to_vec(),
        };
        Self { entry, threads, arguments: arguments.iter().map(words).collect(), early: false }
    }

    /// The same, of one that waits by itself.
    #[must_use]
    pub const fn early(mut self) -> Self {
        self.early = true;
        self
    }
}

/// Launches that were put together, good on one device for as long as it is open.
pub type Series = Arc<dyn Any + Send + Sync>;

/// What floats are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// Singles, as singles: not rounded to fewer bits on the way.
    F32,
    /// Halves.
    F16,
    /// The upper halves of singles.
    Bf16,
}

/// Matrices of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrices {
    /// Where the first begins.
    pub address: u64,
    /// What they are kept as.
    pub factor: Factor,
    /// Whether columns lie one behind the other, and not rows.
    pub by_columns: bool,
    /// How many numbers one row (or column) lies from the next.
    pub pitch: u64,
    /// How many numbers one matrix lies from the next; 0 where it is one for all.
    pub apart: u64,
}

/// `out[b] = factor · x[b] y[b] + keep · out[b]`, added up in singles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Multiply {
    /// Rows, columns and what is added up.
    pub sizes: [u32; 3],
    /// How many products.
    pub batch: u32,
    /// `[rows, depth]`, kept as `y` is.
    pub x: Matrices,
    /// `[depth, columns]`
    pub y: Matrices,
    /// `[rows, columns]`, by rows, as `x` or as singles.
    pub out: Matrices,
    /// What products are multiplied by.
    pub scale: f32,
    /// How much of the outcome is kept; 0 reads nothing of it.
    pub keep: f32,
    /// Memory that it works in: an address, and how many bytes are there. What is in it before and after means nothing.
    pub desk: (u64, u64),
}

/// Programs of a caller's own.
///
/// # Safety
/// Of every `unsafe` method: an address is one of the device, or of memory that it reaches, and what is done there stays
/// within memory that is backed and that nobody gives back or lends elsewhere until the stream has come past it. The
/// device does not look: it holds regions for its own operations, not for these.
pub trait Programs: Send + Sync {
    /// Loads a program, compiling it the first time. The same text is loaded once.
    fn load(&self, source: &Source<'_>) -> Result<Vec<Entry>, DeviceError>;

    /// How many thread blocks run side by side at least: one on each of its processors.
    fn processors(&self) -> u32;

    /// What it can do: the major and minor number of its generation, as its maker counts them.
    fn capability(&self) -> (u32, u32);

    /// Puts a launch on a stream.
    ///
    /// # Safety
    /// As the trait says; the entry is this device's, and the arguments are its parameters, in order.
    unsafe fn launch(
        &self,
        stream: Stream,
        entry: Entry,
        threads: Threads,
        arguments: &[Argument<'_>],
    ) -> Result<(), DeviceError>;

    /// Puts launches together, each behind the one before it, so that they can be run again at little more than the cost of one.
    ///
    /// # Safety
    /// As for [`launch`](Self::launch), of each of them, whenever they are run; and those that say they wait by themselves do.
    unsafe fn series(&self, launches: &[Launch]) -> Result<Series, DeviceError>;

    /// Puts a series of this device on a stream.
    ///
    /// # Safety
    /// As for each of its launches.
    unsafe fn run(&self, stream: Stream, series: &Series) -> Result<(), DeviceError>;

    /// Makes ready for products on a stream, or says what is missing.
    fn ready_to_multiply(&self, stream: Stream) -> Result<(), DeviceError>;

    /// Puts products on a stream.
    ///
    /// # Safety
    /// As the trait says.
    unsafe fn multiply(&self, stream: Stream, what: &Multiply) -> Result<(), DeviceError>;

    /// Puts a copy on a stream, between any two places that the device reaches.
    ///
    /// # Safety
    /// As the trait says; the two do not overlap.
    unsafe fn move_bytes(&self, stream: Stream, from: u64, to: u64, bytes: u64) -> Result<(), DeviceError>;

    /// Puts on a stream: bytes of the host arrive. Returns when they have been read.
    ///
    /// # Safety
    /// As the trait says.
    unsafe fn bring(&self, stream: Stream, from: &[u8], to: u64) -> Result<(), DeviceError>;

    /// Copies to the host, after all work already on the stream. Returns when they are there.
    ///
    /// # Safety
    /// As the trait says.
    unsafe fn fetch(&self, stream: Stream, from: u64, into: &mut [u8]) -> Result<(), DeviceError>;

    /// What is put on a stream from now on begins when a fence of another one is signalled. Nobody waits.
    fn follow(&self, stream: Stream, fence: Fence) -> Result<(), DeviceError>;
}

/// What members of a group have parts of, on one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    /// Where its own part lies.
    pub part: u64,
    /// Where all parts are to lie, one behind the other in the order of members.
    pub whole: u64,
    /// The bytes of one part, as many for every member.
    pub bytes: u64,
}

/// A device's place in a group whose members add up what each of them has, or give their parts of something to all.
///
/// All members have to ask for the same in the same order, each from a thread of its own; who does not come keeps the
/// others waiting.
pub trait Member: Send + Sync + std::fmt::Debug {
    /// How many members there are.
    fn members(&self) -> usize;

    /// Puts on a stream: singles, so many at each address, become the sums of what all members have.
    ///
    /// # Safety
    /// As [`Programs`] says; the numbers of different places do not overlap, and they are as many at every member.
    unsafe fn sum(&self, stream: Stream, singles: &[(u64, u64)]) -> Result<(), DeviceError>;

    /// Puts on a stream: wholes are made of the parts that members have.
    ///
    /// # Safety
    /// As [`Programs`] says; there is room for all parts at each whole, nothing overlaps, and parts are as large at every member.
    unsafe fn gather(&self, stream: Stream, all: &[Gather]) -> Result<(), DeviceError>;

    /// Nobody waits for anybody any more: what waits fails, and so does what is asked for from now on.
    fn leave(&self);
}
