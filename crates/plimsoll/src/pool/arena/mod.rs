//! Where blocks go in a growable address range: pure placement, no device.

#[expect(
    clippy::module_inception,
    reason = "one noun, one file; the noun is the arena"
)]
mod arena;
mod bins;
mod check;
mod compact;
mod ends;
mod grow;
mod node;
mod settings;

pub use arena::{Arena, Placed};
pub use compact::Move;
pub use grow::Growth;
pub use node::NodeId;
pub use settings::{ArenaSettings, Backing, SizeClass, Slack};
