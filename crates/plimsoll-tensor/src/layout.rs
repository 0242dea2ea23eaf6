//! Where a tensor's numbers lie in its bytes. Pure: no bytes here.

use std::fmt;

use crate::TensorError;

/// The most dimensions that a tensor has.
pub const MAX_RANK: usize = 6;

/// Sizes, and how far apart neighbours lie, dimension by dimension, in numbers.
///
/// Sizes and strides are 32 bits each, so that a tensor's handle stays small: a dimension has fewer than 2³² entries,
/// which no model comes near to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    dims: [u32; MAX_RANK],
    strides: [u32; MAX_RANK],
    rank: u8,
}

impl Layout {
    /// Numbers one behind the other, the last dimension's side by side.
    pub(crate) fn contiguous(dims: &[usize]) -> Result<Self, TensorError> {
        if dims.len() > MAX_RANK {
            return Err(TensorError::Rank { rank: dims.len() });
        }
        let too_large = || TensorError::TooLarge { dims: dims.to_vec() };
        let mut layout = Self { dims: [1; MAX_RANK], strides: [0; MAX_RANK], rank: 0 };
        layout.rank = u8::try_from(dims.len()).map_err(|_| too_large())?;
        let mut stride = 1_u64;
        for (index, dim) in dims.iter().enumerate().rev() {
            layout.dims[index] = u32::try_from(*dim).map_err(|_| too_large())?;
            layout.strides[index] = u32::try_from(stride).map_err(|_| too_large())?;
            stride = stride.checked_mul((*dim).max(1) as u64).ok_or_else(too_large)?;
        }
        Ok(layout)
    }

    pub(crate) fn rank(&self) -> usize {
        usize::from(self.rank)
    }

    pub(crate) fn dims(&self) -> &[u32] {
        &self.dims[..self.rank()]
    }

    pub(crate) fn strides(&self) -> &[u32] {
        &self.strides[..self.rank()]
    }

    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.dims().iter().map(|dim| *dim as usize).collect()
    }

    /// How many numbers there are. It fits: a layout is made of sizes whose product was looked at.
    pub(crate) fn count(&self) -> u64 {
        self.dims().iter().map(|dim| u64::from(*dim)).product()
    }

    /// Whether the numbers lie one behind the other in order.
    pub(crate) fn is_contiguous(&self) -> bool {
        let mut stride = 1_u64;
        for (dim, have) in self.dims().iter().zip(self.strides()).rev() {
            if *dim != 1 && u64::from(*have) != stride {
                return false;
            }
            stride *= u64::from((*dim).max(1));
        }
        true
    }

    /// Other sizes for the same numbers in the same order.
    pub(crate) fn reshape(&self, dims: &[usize]) -> Result<Self, TensorError> {
        let other = Self::contiguous(dims)?;
        if other.count() != self.count() {
            return Err(TensorError::shape(
                "reshape",
                format!("{self} has {} numbers, {other} would have {}", self.count(), other.count()),
            ));
        }
        if self.is_contiguous() {
            return Ok(other);
        }
        self.regroup(other).ok_or_else(|| {
            TensorError::shape(
                "reshape",
                format!(
                    "the numbers of {self} do not lie so that {other} could share them; call contiguous() first"
                ),
            )
        })
    }

    /// Strides for `other`'s sizes over these numbers, where there are some: each run of dimensions that lies in one
    /// piece is divided anew.
    fn regroup(&self, mut other: Self) -> Option<Self> {
        let kept: Vec<(u64, u64)> = (self.dims().iter().zip(self.strides()))
            .filter(|(dim, _)| **dim != 1)
            .map(|(dim, stride)| (u64::from(*dim), u64::from(*stride)))
            .collect();
        let mut at = other.rank();
        let mut from = kept.len();
        while from > 0 {
            let stride = kept[from - 1].1;
            let mut run = kept[from - 1].0;
            from -= 1;
            while from > 0 && kept[from - 1].1 == stride * run {
                run *= kept[from - 1].0;
                from -= 1;
            }
            let mut next = stride;
            while run > 1 || (at > 0 && other.dims[at - 1] == 1) {
                at = at.checked_sub(1)?;
                let dim = u64::from(other.dims[at]);
                other.strides[at] = u32::try_from(next).ok()?;
                if dim == 0 || !run.is_multiple_of(dim) {
                    return None;
                }
                next *= dim;
                run /= dim;
            }
        }
        other.dims[..at].iter().all(|dim| *dim == 1).then_some(other)
    }

    /// Dimensions in another order.
    pub(crate) fn permute(&self, order: &[usize]) -> Result<Self, TensorError> {
        let mut seen = [false; MAX_RANK];
        let valid = order.len() == self.rank()
            && order.iter().all(|index| *index < self.rank() && !std::mem::replace(&mut seen[*index], true));
        if !valid {
            return Err(TensorError::shape(
                "permute",
                format!("{order:?} does not name each dimension of {self} once"),
            ));
        }
        let mut layout = *self;
        for (to, from) in order.iter().enumerate() {
            layout.dims[to] = self.dims[*from];
            layout.strides[to] = self.strides[*from];
        }
        Ok(layout)
    }

    /// Every `step`-th of `len` entries of one dimension from `start` on; how many numbers the first is away.
    pub(crate) fn slice(
        &self,
        dim: usize,
        start: usize,
        len: usize,
        step: usize,
    ) -> Result<(Self, u64), TensorError> {
        let size = self.dim("slice", dim)?;
        let last = len.checked_sub(1).and_then(|steps| steps.checked_mul(step));
        let end = if len == 0 { Some(start) } else { last.and_then(|last| last.checked_add(start + 1)) };
        if step == 0 || end.is_none_or(|end| end > size) {
            return Err(TensorError::shape(
                "slice",
                format!("{len} entries from {start} on, each {step}, leave dimension {dim} of {self}"),
            ));
        }
        let too_large = || TensorError::TooLarge { dims: self.sizes() };
        let mut layout = *self;
        layout.dims[dim] = u32::try_from(len).map_err(|_| too_large())?;
        let stride = u64::from(self.strides[dim]);
        layout.strides[dim] = u32::try_from(stride * step as u64).map_err(|_| too_large())?;
        Ok((layout, stride * start as u64))
    }

    /// Dimensions of size 1, and ones that are missing in front, repeated.
    pub(crate) fn broadcast(&self, dims: &[usize]) -> Result<Self, TensorError> {
        let mut layout = Self::contiguous(dims)?;
        let missing = dims.len().checked_sub(self.rank());
        let missing = missing.ok_or_else(|| self.cannot_broadcast(dims))?;
        layout.strides[..missing].fill(0);
        for index in 0..self.rank() {
            let (have, want) = (self.dims[index], layout.dims[missing + index]);
            if have != want && have != 1 {
                return Err(self.cannot_broadcast(dims));
            }
            layout.strides[missing + index] = if have == want { self.strides[index] } else { 0 };
        }
        Ok(layout)
    }

    fn cannot_broadcast(&self, dims: &[usize]) -> TensorError {
        TensorError::shape(
            "broadcast",
            format!("{self} cannot be repeated to {dims:?}: sizes must be equal or 1, counted from the last"),
        )
    }

    pub(crate) fn dim(&self, what: &'static str, dim: usize) -> Result<usize, TensorError> {
        self.dims().get(dim).map(|size| *size as usize).ok_or_else(|| {
            TensorError::shape(what, format!("{self} has no dimension {dim}; they count from 0"))
        })
    }
}

/// The sizes that both can be repeated to.
pub(crate) fn together(one: &Layout, other: &Layout) -> Result<Vec<usize>, TensorError> {
    let rank = one.rank().max(other.rank());
    let size = |layout: &Layout, index: usize| {
        index.checked_sub(rank - layout.rank()).map_or(1, |index| layout.dims[index] as usize)
    };
    (0..rank)
        .map(|index| match (size(one, index), size(other, index)) {
            (a, b) if a == b => Ok(a),
            (1, b) => Ok(b),
            (a, 1) => Ok(a),
            _ => Err(TensorError::shape(
                "broadcast",
                format!(
                    "{one} and {other} do not go together: sizes must be equal or 1, counted from the last"
                ),
            )),
        })
        .collect()
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.dims()).finish()
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} strides {:?}", self.strides())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where each number lies, in order.
    fn places(layout: &Layout, from: u64) -> Vec<u64> {
        let mut all = vec![from];
        for (dim, stride) in layout.dims().iter().zip(layout.strides()) {
            all = all
                .iter()
                .flat_map(|at| (0..*dim).map(move |index| at + u64::from(index) * u64::from(*stride)))
                .collect();
        }
        all
    }

    #[test]
    fn sizes_that_overflow_are_refused() {
        for dims in [vec![usize::MAX], vec![1 << 32], vec![1 << 31; 3], vec![1; 7]] {
            assert!(Layout::contiguous(&dims).is_err(), "{dims:?}");
        }
    }

    #[test]
    fn what_cannot_be_shared_is_refused_with_the_reason() {
        let layout = Layout::contiguous(&[3, 4]).unwrap().permute(&[1, 0]).unwrap();
        let error = layout.reshape(&[12]).unwrap_err().to_string();
        assert!(error.contains("contiguous()"), "{error}");
        let error = layout.reshape(&[5, 2]).unwrap_err().to_string();
        assert!(error.contains("12 numbers"), "{error}");
    }

    proptest! {
        #[test]
        fn a_reshape_keeps_every_number_in_its_turn(
            dims in prop::collection::vec(1_usize..5, 1..5),
            order in any::<prop::sample::Index>(),
            cut in any::<prop::sample::Index>(),
            into in prop::collection::vec(1_usize..5, 1..5),
        ) {
            let mut layout = Layout::contiguous(&dims).unwrap();
            let rank = dims.len();
            let turned: Vec<usize> = (0..rank).map(|index| (index + order.index(rank)) % rank).collect();
            layout = layout.permute(&turned).unwrap();
            let dim = cut.index(rank);
            let size = layout.sizes()[dim];
            let (layout, from) = layout.slice(dim, size / 2, size - size / 2, 1).unwrap();
            let count = usize::try_from(layout.count()).unwrap();
            let mut target: Vec<usize> = Vec::new();
            let mut left = count;
            for size in into {
                if left.is_multiple_of(size) { target.push(size); left /= size; }
            }
            target.push(left);
            if target.len() <= MAX_RANK && let Ok(shared) = layout.reshape(&target) {
                prop_assert_eq!(places(&shared, from), places(&layout, from));
            }
        }
    }
}
