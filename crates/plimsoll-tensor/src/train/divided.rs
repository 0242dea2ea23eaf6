//! Matrices that are divided among several that learn together: each has some rows, and all of them while it needs them.

use super::share::Share;
use super::team::{Parts, Together};
use crate::stage::Stage;
use crate::{Tensor, TensorError, Weight};

const WHAT: &str = "a divided matrix";

/// Which rows of a matrix one of several has: its own, one behind the other and as many as each of the others, and behind
/// them the few that do not divide evenly, which all have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Division {
    rows: usize,
    share: Share,
}

impl Division {
    /// Of so many rows, for one of several.
    pub const fn new(rows: usize, share: Share) -> Self {
        Self { rows, share }
    }

    /// Rows that only it has.
    pub const fn own(self) -> usize {
        self.rows / self.share.members
    }

    /// Rows of its part: its own, and those that all have.
    pub const fn rows(self) -> usize {
        self.own() + self.rows % self.share.members
    }

    /// Which row of the matrix a row of its part is.
    pub const fn row(self, of_part: usize) -> usize {
        let before = if of_part < self.own() { self.share.place } else { self.share.members - 1 };
        before * self.own() + of_part
    }
}

/// One's part of a frozen matrix.
#[derive(Clone, Debug)]
pub struct Divided {
    part: Weight,
    division: Division,
}

impl Divided {
    /// Its part, whose rows are those that the division says.
    pub fn new(part: Weight, division: Division) -> Result<Self, TensorError> {
        let [rows, _] = part.dims()?;
        if rows != division.rows() {
            let why = format!("a part of {} rows is to have {}, not {rows}", division.rows, division.rows());
            return Err(TensorError::shape(WHAT, why));
        }
        division.share.check()?;
        Ok(Self { part, division })
    }

    /// All of several matrices, on the stage where their parts are. Among GPUs they come beside what is computed, and whoever
    /// uses one first waits for it.
    pub fn gather(all: &[Self], together: Option<&dyn Together>) -> Result<Vec<Weight>, TensorError> {
        let wholes = all.iter().map(|one| one.part.with_rows(one.division.rows));
        let mut wholes = wholes.collect::<Result<Vec<_>, TensorError>>()?;
        if all.iter().any(|one| one.stage().rehearses()) {
            return Ok(wholes);
        }
        let together = together.ok_or(TensorError::Mode(
            "it has a part of the weights and nobody has the others; let it learn in a team",
        ))?;
        let mut parts = Vec::with_capacity(all.len());
        for (one, whole) in all.iter().zip(&mut wholes) {
            let bytes = bytes(one.part.stored());
            let own = bytes / (one.division.rows().max(1) as u64) * one.division.own() as u64;
            parts.push(Parts { part: one.part.stored(), own, whole: whole.stored_mut() });
        }
        together.gather(&mut parts)?;
        drop(parts);
        Ok(wholes)
    }

    fn stage(&self) -> Stage {
        self.part.stored().stage()
    }
}

pub(super) fn bytes(tensor: &Tensor) -> u64 {
    tensor.count() * tensor.dtype().bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_somebodys_and_the_last_few_are_everybodys() {
        for rows in 0..40 {
            for members in 1..=7 {
                let division = |place| Division::new(rows, Share { place, members });
                let mut had = vec![0; rows];
                for place in 0..members {
                    let one = division(place);
                    assert_eq!(one.rows(), rows / members + rows % members);
                    (0..one.rows()).for_each(|row| had[one.row(row)] += 1);
                }
                let even = rows / members * members;
                assert!(had[..even].iter().all(|times| *times == 1), "{rows} among {members}: {had:?}");
                assert!(had[even..].iter().all(|times| *times == members), "{rows} among {members}: {had:?}");
            }
        }
    }
}
