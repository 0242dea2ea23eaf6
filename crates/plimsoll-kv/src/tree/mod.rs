//! The index: which blocks are stored, and what comes before each. Pure: no locks, no clock, no bytes.
//!
//! Blocks form a tree, each below the block that comes before it. Since an identity is hashed over its parent's, one
//! table from identities to nodes finds any prefix: a prefix is stored exactly if its last block is. So the longest
//! stored prefix of a thousand blocks is found by halving, in ten looks instead of a thousand.
//!
//! What the tree promises, and everything else relies on:
//!
//! * a block is stored only if the one before it is (a prefix stays closed). A block whose last copy is lost while others
//!   come after it stays as a *hollow*, which no prefix reaches past;
//! * what a [`pin`](Tree::pin) holds stays, and all that comes before it;
//! * counts are right: how many children of a block have a copy in each tier.

mod node;
#[expect(clippy::module_inception, reason = "the tree is what the module is about")]
mod tree;

pub use node::{NodeId, Tier, Tiers};
pub use tree::Tree;
