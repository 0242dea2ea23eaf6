//! `plimsoll kv …`: cold stores, looked at from outside.

mod compact;
mod inspect;
mod verify;

pub use compact::{CompactArgs, run as run_compact};
pub use inspect::{InspectArgs, run as run_inspect};
pub use verify::{VerifyArgs, run as run_verify};
