//! Buffers one by one, each into the lowest gap that has room: good where there are few, or where most are small.

use super::instance::Instance;

/// The orders in which buffers are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The largest first.
    Size,
    /// The longest-lived first.
    Life,
    /// The largest product of size and lifetime first.
    Area,
    /// As they begin; of those that begin at once the longest-lived first.
    Begin,
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Size, Self::Life, Self::Area, Self::Begin];
}

/// What stands, by offset.
#[derive(Clone, Copy, Debug)]
struct Standing {
    offset: u64,
    end: u64,
    from: u32,
    to: u32,
}

/// Each item's offset.
pub(super) fn first_fit(instance: &Instance, order: Order) -> Vec<u64> {
    in_order(instance, &ordered(instance, order))
}

fn ordered(instance: &Instance, order: Order) -> Vec<u32> {
    let mut items: Vec<u32> = (0_u32..).take(instance.items.len()).collect();
    items.sort_by_cached_key(|at| {
        let item = &instance.items[*at as usize];
        let (size, life) = (u128::from(item.size), u128::from(item.steps));
        match order {
            Order::Size => (u128::MAX - size, u128::MAX - life),
            Order::Life => (u128::MAX - life, u128::MAX - size),
            Order::Area => (u128::MAX - size * life, u128::MAX - size),
            Order::Begin => (u128::from(item.from), u128::MAX - life),
        }
    });
    items
}

/// Each item's offset when they are taken in this order.
///
/// What stands is kept by offset, so a buffer looks from the ground up until a gap has room; those in low gaps look
/// at little. In the worst case each looks at all before it, which is why this is for some thousands.
pub(super) fn in_order(instance: &Instance, order: &[u32]) -> Vec<u64> {
    let mut offsets = vec![0; instance.items.len()];
    let mut standing: Vec<Standing> = Vec::with_capacity(order.len());
    for &at in order {
        let item = &instance.items[at as usize];
        let mut floor = 0;
        for other in &standing {
            if other.from < item.to && item.from < other.to {
                if item.above(floor) + item.size <= other.offset {
                    break;
                }
                floor = floor.max(other.end);
            }
        }
        let offset = item.above(floor);
        offsets[at as usize] = offset;
        let place = standing.partition_point(|other| other.offset < offset);
        standing.insert(place, Standing { offset, end: offset + item.size, from: item.from, to: item.to });
    }
    offsets
}
