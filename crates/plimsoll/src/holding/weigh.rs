//! How many bytes a value keeps.

use std::sync::Arc;

use crate::Bytes;

/// A value that knows how many bytes it keeps, those behind its pointers included.
///
/// What is counted should be what would be released if the value were dropped: for a vector its capacity, not its
/// length. A value that lies here is charged wrongly, and nobody else can notice.
pub trait Weigh {
    /// All the bytes that dropping the value would release, its own size included.
    fn weigh(&self) -> Bytes;
}

/// `count` values of type `T`, and the header that holds them.
fn spread<Header, T>(count: usize) -> Bytes {
    let behind = count.saturating_mul(size_of::<T>());
    Bytes::new(behind.saturating_add(size_of::<Header>()) as u64)
}

impl<T: Copy> Weigh for Vec<T> {
    fn weigh(&self) -> Bytes {
        spread::<Self, T>(self.capacity())
    }
}

impl<T: Copy> Weigh for Box<[T]> {
    fn weigh(&self) -> Bytes {
        spread::<Self, T>(self.len())
    }
}

impl<T: Copy> Weigh for Arc<[T]> {
    fn weigh(&self) -> Bytes {
        spread::<Self, T>(self.len())
    }
}

impl Weigh for String {
    fn weigh(&self) -> Bytes {
        spread::<Self, u8>(self.capacity())
    }
}

impl<T: Weigh> Weigh for Box<T> {
    fn weigh(&self) -> Bytes {
        Bytes::new(size_of::<Self>() as u64).saturating_add(T::weigh(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_counts_not_what_is_used() {
        let header = size_of::<Vec<f32>>() as u64;
        assert_eq!(Vec::<f32>::with_capacity(100).weigh(), Bytes::new(400 + header));
        assert_eq!(vec![0_u8; 7].into_boxed_slice().weigh(), Bytes::new(7 + 16));
    }
}
