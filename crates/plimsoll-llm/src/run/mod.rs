//! Decoding: sequences over pages of keys and values, and the choice of the next token.

mod asked;
mod batch;
mod cached;
mod device;
mod draw;
mod host;
mod linear;
mod pages;
mod pool_pages;
mod row;
mod sampler;
mod sequence;
mod stage;
mod stored;
mod trial;
mod wish;
mod work;

pub use batch::{Batch, BatchError, Strand};
pub use cached::{CachedError, CachedPages, Generated, Writer};
pub use device::computes_on;
pub use draw::Draw;
pub use pages::{OwnPages, PageTable};
pub use pool_pages::PoolPages;
pub use sampler::{SampleError, Sampler, Sampling};
pub use sequence::Sequence;
pub(crate) use stage::side_by_side;
pub use trial::Trial;
pub use wish::{Found, Need, Wish, change};
