//! What an engine brings to be timed.

/// One page in this many bytes is what `--touch` writes to.
pub const PAGE: usize = 4_096;

/// What one thread uses to take and return blocks.
pub trait Seat: Send {
    /// A block that was taken. Dropping it without [`put`](Self::put) may leak it.
    type Block: Send;

    /// Takes a block, or `None` when the engine has no room.
    fn take(&mut self, bytes: u64) -> Option<Self::Block>;

    /// Gives a block back.
    fn put(&mut self, block: Self::Block);

    /// Writes one byte to each page of a block. `false` when the engine has no memory behind its blocks.
    fn touch(&mut self, block: &mut Self::Block, bytes: u64) -> bool;
}

/// Something that hands out memory.
pub trait Engine: Send + Sync {
    /// What a thread uses.
    type Seat: Seat + 'static;

    /// The name in the results.
    fn name(&self) -> &'static str;

    /// A fresh engine for so many threads, a seat for each. With one thread the engine need not be shared, and
    /// takes no lock that it would not take in a program with one thread.
    fn seats(&self, threads: usize) -> Vec<Self::Seat>;
}
