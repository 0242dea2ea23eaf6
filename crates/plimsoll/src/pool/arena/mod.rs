//! Where blocks go in a growable address range: pure placement, no device.
//!
//! Addresses cost nothing and backing is fungible, so an arena spans many times what it may ever hold and decides
//! three things. *Which run*: small blocks share small slabs through a two-level index with two looks; others take
//! the tightest run, and neighbours merge at once. *Which end of it*: by size, so that what is large lines up with the
//! granules (`ends`). *What to back*: the window that needs the fewest new granules, in exchange for those that lay
//! idle longest once a slack over the highest need is used up (`grow`).
//!
//! The slack and the first growth were chosen on fourteen recorded traces, and the smallest pools react strongly to
//! either: a pool of seventeen granules has room for one that is wasted.

#[expect(clippy::module_inception, reason = "one noun, one file; the noun is the arena")]
mod arena;
mod bins;
mod check;
mod compact;
mod ends;
mod grow;
mod node;
mod parts;
mod settings;
mod swap;

pub use arena::{Arena, Placed};
pub use compact::Move;
pub use grow::{Growth, GrowthMode};
pub use node::NodeId;
pub(crate) use node::Zone;
pub use settings::{ArenaSettings, Backing, SizeClass, Slack};
pub(crate) use swap::Swap;
