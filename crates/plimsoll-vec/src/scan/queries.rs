//! Queries in the form that kernels want.

use plimsoll_device::Bytes;

use super::Path;
use super::form::{Bits, Floats, Form, Levels};
use super::kernels::{GROUP, Kernels, Kind, kernels};
use super::tables::Tables;
use crate::code::{CodeError, Layout, Shape, check, finite, whole};
use crate::{Codebooks, Codec, Metric};

/// From so many queries on, products of a block with groups of sixteen pay, though groups are not full.
pub(crate) const MANY: usize = 6;

/// A batch of queries for one codec and metric.
///
/// They are checked and shaped as vectors that are coded, and kept in up to two forms: one after the other, and packed by
/// sixteen where there are many. [`bytes_for`](Self::bytes_for) says before what that takes. It does not know rows or `k`.
#[derive(Clone, Debug)]
pub struct Queries {
    layout: Layout,
    metric: Metric,
    count: usize,
    path: Path,
    kernels: &'static Kernels,
    form: Form,
}

impl Queries {
    /// Checks and keeps queries, for rows of a codec that learns nothing.
    pub fn new(codec: Codec, metric: Metric, dimension: usize, vectors: &[f32]) -> Result<Self, CodeError> {
        Self::with_books(codec, metric, dimension, None, vectors)
    }

    /// The same with what the codec has learnt, if it learns: the books that the rows were coded with.
    pub fn with_books(
        codec: Codec,
        metric: Metric,
        dimension: usize,
        books: Option<&Codebooks>,
        vectors: &[f32],
    ) -> Result<Self, CodeError> {
        Self::on(Path::best(), codec, metric, dimension, books, vectors)
    }

    /// The same, for the instructions of a path that this processor has.
    pub fn on(
        path: Path,
        codec: Codec,
        metric: Metric,
        dimension: usize,
        books: Option<&Codebooks>,
        vectors: &[f32],
    ) -> Result<Self, CodeError> {
        check(codec, metric, dimension)?;
        match books {
            Some(books) => books.fit(codec, metric, dimension)?,
            None if codec.group().is_some() => return Err(CodeError::Untrained { codec }),
            None => {}
        }
        let count = whole(vectors, dimension)?;
        let shape = Shape::new(codec, metric);
        let mut form = Form::new(path, codec, metric, dimension, count);
        let mut shaped = vec![0.0; dimension];
        for (query, numbers) in vectors.chunks_exact(dimension).enumerate() {
            finite(query, numbers)?;
            shaped.copy_from_slice(numbers);
            if !shape.apply(&mut shaped) {
                return Err(CodeError::NoDirection { vector: query });
            }
            form.set(query, &shaped, books);
        }
        let layout = Layout::new(codec, dimension);
        Ok(Self { layout, metric, count, path, kernels: kernels(path), form })
    }

    /// Room for so many of these, to be [gathered](Self::gather); it takes no more than they did.
    pub(crate) fn room(&self, count: usize) -> Self {
        let form = Form::new(self.path, self.codec(), self.metric, self.dimension(), count);
        Self { count, form, ..*self }
    }

    /// Takes these of another batch, in the order in which they are named. Both are many: at least [`MANY`], and no more
    /// than there is room for.
    pub(crate) fn gather(&mut self, from: &Self, these: &[u32]) {
        self.count = these.len();
        for (query, source) in these.iter().enumerate() {
            self.form.copy(query, &from.form, *source as usize);
        }
    }

    /// What they take from the heap at most: with one vector that is shaped on the way.
    pub fn bytes_for(codec: Codec, metric: Metric, dimension: usize, count: usize) -> Bytes {
        let levels = |kind, most| Levels::bytes_for(kind, most, dimension, count);
        let kept = match codec {
            Codec::F32 | Codec::F16 | Codec::Bf16 => {
                Floats::bytes_for(Path::best() == Path::Amx, dimension, count)
            }
            Codec::Int8 => levels(Kind::Int8, 127),
            Codec::Int8Affine => levels(Kind::Int8Affine, 127),
            Codec::Int4 => levels(Kind::Int4, 127),
            Codec::Binary if metric == Metric::Hamming => Bits::bytes_for(dimension, count),
            Codec::Binary => levels(Kind::Signs, 127),
            Codec::Planes => levels(Kind::Planes, 127).saturating_add(levels(Kind::Signs, 7)),
            Codec::Pq2 | Codec::Pq4 | Codec::Pq8 => Tables::bytes_for(codec.groups(dimension), count),
        };
        Bytes::new(kept.saturating_add(dimension as u64 * 4))
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The codec of the rows they are for.
    pub fn codec(&self) -> Codec {
        self.layout.codec()
    }

    /// What near means.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Numbers in a query.
    pub fn dimension(&self) -> usize {
        self.layout.dimension()
    }

    /// The instructions in use.
    pub fn path(&self) -> Path {
        self.path
    }

    /// The layout of the blocks they are for.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    pub(crate) fn form(&self) -> &Form {
        &self.form
    }

    pub(crate) fn kernels(&self) -> &'static Kernels {
        self.kernels
    }

    /// How many there would be in whole groups.
    pub(crate) fn padded(&self) -> usize {
        Self::padded_for(self.count)
    }

    /// The same before there are any.
    pub(crate) fn padded_for(count: usize) -> usize {
        count.next_multiple_of(GROUP)
    }
}
