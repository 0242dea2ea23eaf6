//! What lists are like.

use super::Expected;
use crate::index::view::View;

/// What is known of the lists of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFacts {
    /// How many there are.
    pub count: usize,
    /// Rows of the largest.
    pub largest: u64,
    /// How many have no row.
    pub empty: usize,
    /// Rows that are in no list: every search looks at them.
    pub outside: u64,
    /// What looking into some of them was found to find.
    pub expected: Vec<Expected>,
}

impl View {
    /// What its lists are like, if it has any.
    pub(in crate::index) fn list_facts(&self) -> Option<ListFacts> {
        let division = self.division.as_ref()?;
        let mut sizes = vec![0; division.count()];
        let mut outside: u64 = self.young.iter().map(|(batch, _)| batch.rows()).sum();
        for (segment, _) in &self.segments {
            match segment.lists() {
                Some(lists) => {
                    for (list, size) in sizes.iter_mut().enumerate() {
                        let rows = lists.rows(list);
                        *size += rows.end - rows.start;
                    }
                }
                None => outside += segment.rows(),
            }
        }
        Some(ListFacts {
            count: sizes.len(),
            largest: sizes.iter().copied().max().unwrap_or_default(),
            empty: sizes.iter().filter(|size| **size == 0).count(),
            outside,
            expected: division.expected().to_vec(),
        })
    }
}
