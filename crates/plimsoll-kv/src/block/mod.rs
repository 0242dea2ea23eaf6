//! What a block is: its identity, and the tokens that it stands for.

mod chain;
mod id;
mod root;

pub use chain::Chain;
pub(crate) use chain::identity;
pub use id::BlockId;
pub use root::{Root, RootBuilder};

/// A token's number in its model's vocabulary.
pub type Token = u32;
