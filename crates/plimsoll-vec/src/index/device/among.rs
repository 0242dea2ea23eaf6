//! What looking into some of the lists takes on a device, known before it runs. Pure.

use std::sync::Mutex;

use plimsoll::Bytes;
use plimsoll_device::Kernels;
use plimsoll_device::kernels::nearest::{NearestShape, RunsShape};

use super::super::lists::{Division, Probed, Want};
use super::super::view::View;
use crate::Codec;
use crate::gpu::{FlatShape, GpuError};
use crate::held::lock;

/// Candidates of a pass take no more, but for those of one query.
const CANDIDATES_BYTES: u64 = 512 << 20;
const CANDIDATE_BYTES: u64 = 8;

/// A search that looks into some lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Among {
    pub(super) probed: Probed,
    /// The most rows of a segment that one query may look at: those of its longest lists.
    pub(super) looks: u64,
    /// The middles as they are compared.
    pub(super) middles: FlatShape,
}

impl Among {
    pub(super) fn new(view: &View, division: &Division, probed: Probed) -> Self {
        let longest = |lists: &crate::segment::Starts| {
            let mut rows: Vec<u64> = (0..division.count())
                .map(|list| lists.rows(list))
                .map(|rows| rows.end - rows.start)
                .collect();
            rows.sort_unstable_by(|one, other| other.cmp(one));
            rows.iter().take(probed.lists).sum()
        };
        let looks = view.segments.iter().filter_map(|(segment, _)| segment.lists()).map(longest);
        let (metric, dimension) = division.looked_for_by();
        let rows = u32::try_from(division.count()).unwrap_or(u32::MAX);
        let middles = FlatShape { codec: Codec::F32, metric, dimension, rows };
        Self { probed, looks: looks.max().unwrap_or_default(), middles }
    }

    /// Whether so many queries at once have no more candidates than there should be.
    pub(super) fn suits(&self, queries: usize) -> bool {
        let bytes = self.looks.saturating_mul(queries as u64).saturating_mul(CANDIDATE_BYTES);
        queries == 1 || bytes <= CANDIDATES_BYTES
    }

    /// The middles, and a bit each for those that are looked for.
    pub(super) fn middles_bytes(&self) -> [u64; 2] {
        let rows = u64::from(self.middles.rows);
        [rows * self.middles.dimension as u64 * 4, crate::gpu::desk::mask_bytes(rows)]
    }

    /// What the kernels work in that look at runs of rows.
    pub(super) fn runs_desk(&self, kernels: &dyn Kernels, nearest: NearestShape, queries: usize) -> Bytes {
        let wants = (queries as u64).saturating_mul(self.probed.lists as u64);
        let shape = RunsShape {
            nearest,
            runs: wants.min(self.probed.of as u64),
            // Those of rows in no list stand behind them.
            wants: wants.saturating_add(queries as u64),
            looks: self.looks.saturating_mul(queries as u64).min(u64::from(u32::MAX)),
        };
        kernels.nearest_runs_desk(&shape)
    }

    /// Queries as middles are looked for by, their lists, and what the kernels work in.
    pub(super) fn middles_desk(&self, kernels: &dyn Kernels, queries: usize) -> Result<[u64; 3], GpuError> {
        let shape = self.middles.search(u64::from(self.middles.rows), queries, self.probed.lists)?;
        Ok([shape.queries_bytes(), shape.lists_bytes(), kernels.nearest_desk(&shape).get()])
    }

    /// What the host has of so many queries: the lists of each, by queries and by lists, runs, and what a device is told of them.
    pub(super) fn host_bytes(&self, queries: usize) -> u64 {
        let wants = (queries as u64).saturating_mul(self.probed.lists as u64);
        let numbers = (queries as u64).saturating_mul(self.middles.dimension as u64 * 4);
        let found = 8 + size_of::<Want>() as u64 + 4 + 8 + 8;
        wants
            .saturating_mul(found)
            .saturating_add(wants.min(self.probed.of as u64).saturating_mul(40 + 20 + 20))
            .saturating_add(numbers)
            .saturating_add(queries as u64 * 16)
    }
}

/// What was worked out last: how long lists are is not added up again in every search.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Option<(Vec<u64>, Among)>>);

impl Known {
    pub(super) fn of(&self, view: &View, division: &Division, probed: Probed) -> Among {
        let mut last = lock(&self.0);
        // Segments are never changed, and their numbers not used again.
        let segments = view.segments.iter().map(|(segment, _)| segment.number());
        match &*last {
            Some((known, among)) if among.probed == probed && segments.clone().eq(known.iter().copied()) => {
                *among
            }
            _ => {
                let among = Among::new(view, division, probed);
                *last = Some((segments.collect(), among));
                among
            }
        }
    }
}
