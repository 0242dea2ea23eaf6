//! Decoding: sequences over pages of keys and values, and the choice of the next token.

mod batch;
mod cached;
mod draw;
mod linear;
mod pages;
mod sampler;
mod sequence;
mod stage;
mod stored;
mod trial;
mod work;

pub use batch::{Batch, BatchError, Strand};
pub use cached::{CachedError, CachedPages, Generated, Writer};
pub use draw::Draw;
pub use pages::{OwnPages, PageTable};
pub use sampler::{SampleError, Sampler, Sampling};
pub use sequence::Sequence;
pub use trial::Trial;
