//! Quick ways first, search after.

use plimsoll::Bytes;

use super::buffer::Buffer;
use super::effort::Effort;
use super::error::PackError;
use super::first_fit::{self, Order};
use super::instance::Instance;
use super::layout::{Layout, height};
use super::portfolio::{MOST_ITEMS, search};
use super::search::Outcome;
use super::skyline::{self, Choice};

/// Up to so many buffers each may look at all others: first fit takes a tenth of a second then.
const FEW: usize = 12_000;

/// Packs buffers into a capacity.
///
/// The answer is any arrangement that fits, not the lowest. Quick ways are tried first; a search among sunk
/// arrangements follows for as long as the effort allows.
///
/// ```
/// use plimsoll::Bytes;
/// use plimsoll_tensor::pack::{Buffer, Effort, pack};
///
/// let buffers = [
///     Buffer::new(0, 3, Bytes::new(4)),
///     Buffer::new(3, 9, Bytes::new(4)),
///     Buffer::new(0, 9, Bytes::new(4)),
///     Buffer::new(9, 21, Bytes::new(4)),
///     Buffer::new(0, 21, Bytes::new(4)),
/// ];
/// let layout = pack(&buffers, Bytes::new(12), &mut Effort::steps(1_000_000)).unwrap();
/// assert_eq!(layout.height, Bytes::new(12));
/// ```
pub fn pack(buffers: &[Buffer], capacity: Bytes, effort: &mut Effort<'_>) -> Result<Layout, PackError> {
    let instance = Instance::of(buffers)?;
    let (bound, units) = (instance.bytes(instance.bound), instance.units(capacity));
    if units < instance.bound {
        return Err(PackError::BelowBound { capacity, bound });
    }
    let (least, offsets) = quick(&instance, units, effort);
    if least <= units {
        return Ok(Layout::of(&instance, &offsets));
    }
    let least = instance.bytes(least);
    match search(&instance, units, effort) {
        Outcome::Found(offsets) => Ok(Layout::of(&instance, &offsets)),
        Outcome::Impossible => Err(PackError::Impossible { capacity, bound, least }),
        Outcome::Spent => Err(PackError::NotFound { capacity, bound, least }),
    }
}

/// A quick way of packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Each buffer into the lowest gap that has room, in an order. Each may look at all others.
    FirstFit(Order),
    /// From the ground up, the buffer that fills the lowest stretch best.
    BestFit(Choice),
}

/// Packs buffers by one quick way alone: to compare, or where the others are known to be worse.
pub fn pack_by(buffers: &[Buffer], way: Way) -> Result<Layout, PackError> {
    let instance = Instance::of(buffers)?;
    let offsets = match way {
        Way::FirstFit(order) => first_fit::first_fit(&instance, order),
        Way::BestFit(choice) => skyline::best_fit(&instance, choice),
    };
    Ok(Layout::of(&instance, &offsets))
}

/// Packs buffers as low as the effort allows.
///
/// Where the quick ways do not reach the bound and there are no more than 4,096 buffers, half of the effort goes to
/// a search at the bound itself, and the rest to heights between the bound and the best so far, halving what is between.
pub fn pack_least(buffers: &[Buffer], effort: &mut Effort<'_>) -> Result<Layout, PackError> {
    let instance = Instance::of(buffers)?;
    let (mut least, mut offsets) = quick(&instance, instance.bound, effort);
    let mut impossible = instance.bound.saturating_sub(1);
    let mut target = instance.bound;
    while impossible + 1 < least && instance.items.len() <= MOST_ITEMS && !effort.is_spent() {
        let outcome = effort.half(|part| search(&instance, target, part));
        if let Outcome::Found(found) = outcome {
            least = height(&instance, &found);
            offsets = found;
        } else {
            // Not found is taken as not there: what is left is spent where it is likelier to help.
            impossible = target;
        }
        target = impossible + (least - impossible) / 2;
    }
    Ok(Layout::of(&instance, &offsets))
}

/// The best of the quick ways, or the first that is no higher than `enough`.
fn quick(instance: &Instance, enough: u64, effort: &mut Effort<'_>) -> (u64, Vec<u64>) {
    let mut best = (u64::MAX, Vec::new());
    let mut offer = |offsets: Vec<u64>| {
        let height = height(instance, &offsets);
        if height < best.0 {
            best = (height, offsets);
        }
        best.0 <= enough
    };
    let items = instance.items.len();
    for choice in Choice::ALL {
        effort.spend(items as u64);
        if offer(skyline::best_fit(instance, choice)) {
            return best;
        }
    }
    if items <= FEW {
        for order in Order::ALL {
            effort.spend((items * items / 4) as u64);
            if offer(first_fit::first_fit(instance, order)) {
                return best;
            }
        }
    }
    best
}
