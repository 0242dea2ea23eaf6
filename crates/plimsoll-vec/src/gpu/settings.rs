//! What is searched, and how it comes to the device. Pure.

use plimsoll::Bytes;
use plimsoll_device::kernels::nearest::{Form, Measure, NearestShape};

use super::GpuError;
use crate::code::Shape;
use crate::{Codec, Metric};

/// Rows whose part of a mask starts where operands do.
pub(crate) const STEP: u64 = 128;

/// The vectors of a flat search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlatShape {
    /// How rows are kept: as numbers ([`Codec::F32`], [`Codec::F16`], [`Codec::Bf16`]) or levels ([`Codec::Int8`],
    /// [`Codec::Int8Affine`], [`Codec::Int4`]).
    pub codec: Codec,
    /// What is near.
    pub metric: Metric,
    /// Numbers of a vector.
    pub dimension: usize,
    /// The most rows.
    pub rows: u32,
}

impl FlatShape {
    /// What the rows take where they lie: `rows · (D · b + s)`, b bytes a number and s the codec's side.
    pub fn bytes(&self) -> Bytes {
        Bytes::new(u64::from(self.rows) * self.codec.row_bytes(self.dimension) as u64)
    }

    /// Whether queries are compared as they come.
    pub(crate) fn is_plain(&self) -> bool {
        Shape::new(self.codec, self.metric).is_plain()
    }

    /// What a device calls such rows.
    pub(crate) fn form(&self) -> Result<Form, GpuError> {
        match self.codec {
            Codec::F32 => Ok(Form::F32),
            Codec::F16 => Ok(Form::F16),
            Codec::Bf16 => Ok(Form::Bf16),
            Codec::Int8 => Ok(Form::Int8),
            Codec::Int8Affine => Ok(Form::Level8),
            Codec::Int4 => Ok(Form::Level4),
            // Of planes the signs: what they leave is looked at again.
            Codec::Binary | Codec::Planes => Ok(Form::Sign),
            codec @ (Codec::Pq2 | Codec::Pq4 | Codec::Pq8) => Err(GpuError::Codec { codec }),
        }
    }

    pub(crate) fn measure(&self) -> Result<Measure, GpuError> {
        match self.metric {
            Metric::L2 => Ok(Measure::Distance),
            Metric::Ip | Metric::Cosine => Ok(Measure::Product),
            Metric::Hamming if self.codec.serves(Metric::Hamming) => Ok(Measure::Hamming),
            metric @ Metric::Hamming => Err(GpuError::Metric { codec: self.codec, metric }),
        }
    }

    /// A search among so many rows of it.
    pub(crate) fn search(&self, rows: u64, queries: usize, k: usize) -> Result<NearestShape, GpuError> {
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(NearestShape {
            rows: u32::try_from(rows).unwrap_or(u32::MAX),
            queries: narrow(queries),
            dimension: narrow(self.dimension),
            form: self.form()?,
            measure: self.measure()?,
            k: narrow(k),
            squares: false,
        })
    }

    /// How many rows fit so many bytes, in whole steps where there are several: at least one step.
    pub(super) fn rows_in(&self, bytes: Bytes) -> u64 {
        let fit = bytes.get() / (self.codec.code_bytes(self.dimension).max(4) as u64);
        (fit / STEP * STEP).max(STEP).min(u64::from(self.rows).max(1))
    }
}

/// How rows come to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlatSettings {
    /// How much comes at a time.
    pub chunk: Bytes,
    /// How many chunks the device has room for: one is searched, the others are on their way. At least two.
    pub ring: usize,
}

impl Default for FlatSettings {
    /// Three chunks of 64 MiB: each takes a link a millisecond or more, so that what one costs is little beside it.
    fn default() -> Self {
        Self { chunk: Bytes::mib(64), ring: 3 }
    }
}
