//! Young rows by lists, on their way into a segment.

use super::division::NOWHERE;
use crate::index::encode::threads;
use crate::index::view::View;
use crate::index::young::Batch;
use crate::index::{Index, Shape, VecError};

impl Index {
    /// The same rows in the order of their lists, and where those begin. None where there are no lists yet, or no room for
    /// another batch: such rows make a segment that every search looks at.
    pub(in crate::index) fn by_lists(
        &self,
        view: &View,
        batch: &Batch,
    ) -> Result<Option<(Batch, Vec<u32>)>, VecError> {
        let Some(division) = &view.division else { return Ok(None) };
        let (shape, lists) = (view.shape, division.count());
        let rows = batch.ids.len();
        let Shape { metric, dimension, .. } = shape.coded();
        let compare = super::Division::nearest_bytes(metric, dimension, 1, threads())
            + shape.latent_bytes(rows)
            + shape.desk_bytes() * threads() as u64;
        let beside = compare + (rows * 24 + (lists + 1) * 8) as u64;
        let Ok(_charge) = self.budget().charge(beside) else { return Ok(None) };
        let mut hits = vec![NOWHERE; rows];
        division.lists_of(&view.as_coded(&batch.vectors, threads())?, threads(), &mut hits)?;
        let list = |row: usize| usize::try_from(hits[row].row).unwrap_or_default().min(lists - 1);
        let mut starts = vec![0_u32; lists + 1];
        for row in 0..rows {
            starts[list(row) + 1] += 1;
        }
        for list in 0..lists {
            starts[list + 1] += starts[list];
        }
        let mut order: Vec<usize> = (0..rows).collect();
        order.sort_by_key(|row| list(*row));
        match batch.ordered(&view.coding()?, &shape, &order, self.budget()) {
            Ok(ordered) => Ok(Some((ordered, starts))),
            Err(VecError::Refused(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
