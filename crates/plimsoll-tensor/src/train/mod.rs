//! Steps that change what is learned.

mod adam;
mod code;
mod divided;
mod scale;
mod share;
mod states;
mod team;

pub use adam::{AdamW, AdamWSettings};
pub(crate) use code::{BLOCK, MEAN, SQUARE, read as read_block, tell as tell_block};
pub use divided::{Divided, Division};
pub use scale::LossScale;
pub use share::Share;
pub use states::StatesAs;
pub(crate) use states::StatesPart;
pub use team::{DeviceTogether, HostTogether, Parts, Together};
