//! What a search gives.

use std::time::Duration;

use plimsoll::Bytes;

use super::Forecast;

/// Stands in the place of an id where there are fewer answers than were asked for.
pub const NO_ID: u64 = u64::MAX;

/// The nearest of each query, nearest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// How many each query has.
    pub k: usize,
    /// `k` a query; [`NO_ID`] where a filter leaves fewer.
    pub ids: Vec<u64>,
    /// Their distances, as [`Metric::distance`](crate::Metric::distance) tells them; NaN beside [`NO_ID`].
    pub distances: Vec<f32>,
    /// What was said beforehand.
    pub forecast: Forecast,
    /// What came of it.
    pub measured: Measured,
}

/// What a search took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// How long.
    pub took: Duration,
    /// Passes over what is on disk.
    pub passes: u64,
    /// Codes that were read.
    pub read: Bytes,
    /// Lower planes that were read of what the signs left.
    pub lower: Bytes,
    /// Originals that were read of candidates.
    pub again: Bytes,
    /// The most that the account ever had.
    pub peak: Bytes,
    /// The most that it ever had on the device that searched; nothing where the host did.
    pub device_peak: Bytes,
}

impl Answer {
    /// One without hits, of a search of which this was said.
    pub(super) fn begun(k: usize, forecast: Forecast) -> Self {
        let measured = Measured { passes: forecast.passes, ..Measured::default() };
        Self { k, ids: Vec::new(), distances: Vec::new(), forecast, measured }
    }

    /// Distances and ids, `k` a query, row after row: what FAISS calls `D` and `I`.
    pub fn into_arrays(self) -> (Vec<f32>, Vec<u64>) {
        (self.distances, self.ids)
    }

    /// The answers of one query: ids and distances.
    pub fn of(&self, query: usize) -> impl Iterator<Item = (u64, f32)> {
        let range = query * self.k..(query + 1) * self.k;
        let ids = self.ids.get(range.clone()).unwrap_or_default();
        let distances = self.distances.get(range).unwrap_or_default();
        ids.iter().copied().zip(distances.iter().copied()).filter(|(id, _)| *id != NO_ID)
    }
}
