//! Whose an optimizer's states are among several that learn together.

use crate::TensorError;

/// Which part of an optimizer's states is kept, and of what is learned is changed, by one of several that learn together.
///
/// Whole leaves, one behind the other, so that each has about as many numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its place among them.
    pub place: usize,
    /// How many there are.
    pub members: usize,
}

impl Default for Share {
    fn default() -> Self {
        Self::ALL
    }
}

impl Share {
    /// All of it.
    pub const ALL: Self = Self { place: 0, members: 1 };

    /// Whether it is only a part.
    pub const fn is_part(self) -> bool {
        self.members > 1
    }

    /// Refuses a place that is none.
    pub(super) fn check(self) -> Result<(), TensorError> {
        if self.place < self.members {
            return Ok(());
        }
        let why =
            format!("a place is below {}, how many learn together; {} is not", self.members, self.place);
        Err(TensorError::shape("AdamW", why))
    }

    /// Which of leaves with so many numbers are its own: those whose middle lies in its part of all numbers.
    pub(super) fn of(self, counts: &[usize]) -> Vec<bool> {
        let wide = |count: usize| count as u128;
        let all: u128 = counts.iter().map(|count| wide(*count)).sum();
        let mut before = 0;
        let own = counts.iter().map(|count| {
            // Twice the middle, so that it is whole.
            let middle = 2 * before + wide(*count);
            before += wide(*count);
            middle * wide(self.members) / (2 * all).max(1) == wide(self.place)
        });
        own.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_is_of_one_and_shares_are_alike() {
        let counts: Vec<usize> = (0..60).map(|leaf| [100, 400, 1, 250][leaf % 4]).collect();
        let all: usize = counts.iter().sum();
        for members in 1..=9 {
            let shares: Vec<Vec<bool>> =
                (0..members).map(|place| Share { place, members }.of(&counts)).collect();
            for leaf in 0..counts.len() {
                assert_eq!(shares.iter().filter(|share| share[leaf]).count(), 1, "{leaf} of {members}");
            }
            for share in shares {
                let own: usize =
                    share.iter().zip(&counts).filter(|(own, _)| **own).map(|(_, count)| count).sum();
                assert!(own.abs_diff(all / members) <= 400, "{own} of {all} among {members}");
            }
        }
        assert!(
            Share { place: 2, members: 2 }.check().is_err()
                && Share { place: 0, members: 0 }.check().is_err()
        );
    }
}
