//! Where a model's weights are while they are used: all of them at once, or some of its layers, read when they are needed.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use plimsoll::Bytes;
use plimsoll::holding::Streaming;
use plimsoll::holding::streaming::{FileSource, Indexed, Page, Source, StreamError};
use plimsoll_tensor::packed::PackedView;

use super::load::{Layer, Weights};
use super::matrix::Matrix;
use super::model_bytes::ModelBytes;
use super::on_device::OnDevice;
use crate::StepError;

/// Why the host finds none of them.
const ELSEWHERE: &str = "they are on a device";
/// Matrices within a shard begin at multiples of this.
const ALIGN: usize = 64;
/// Rows that are multiplied together; pieces of the output are multiples of it.
const ROWS: usize = 16;

/// A model's weights.
pub(crate) enum Kept {
    /// All in one slice, mapped or lent: matrices say where they are in it.
    Whole(ModelBytes),
    /// Shards in the slots of a ring: matrices say where they are in theirs.
    Demand(Demand),
    /// On a device, all at once; what they came from is looked at again only for their fingerprint.
    There(Arc<OnDevice>, Behind),
}

/// What weights on a device came from.
pub(crate) enum Behind {
    /// Bytes that someone keeps anyway.
    Bytes(ModelBytes),
    /// Files, which are not mapped any more.
    Files(Files),
}

/// One shard's bytes, for as long as it is computed with.
pub(crate) enum Lent<'k> {
    Whole(&'k [u8]),
    Page(Page),
}

impl Lent<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(bytes) => bytes,
            Self::Page(page) => page,
        }
    }
}

impl Kept {
    /// A shard: those of layers have their numbers, and pieces of the output follow.
    pub(crate) fn lend(&self, shard: usize) -> Result<Lent<'_>, StepError> {
        match self {
            Self::Whole(bytes) => Ok(Lent::Whole((**bytes).as_ref())),
            Self::Demand(demand) => match demand.indexed.at(shard as u64) {
                Ok(page) => Ok(Lent::Page(page)),
                Err(error) => Err(StepError::Weights { shard, why: error.to_string() }),
            },
            Self::There(..) => Err(StepError::Weights { shard, why: ELSEWHERE.to_owned() }),
        }
    }

    /// A row of the embedding, wherever it is.
    pub(crate) fn row(&self, matrix: &Matrix, row: usize, into: &mut [f32]) -> Result<(), StepError> {
        match self {
            Self::Whole(bytes) => matrix.of((**bytes).as_ref()).row(row, into),
            Self::Demand(demand) => {
                let len = matrix.bytes.len() / matrix.rows.max(1);
                let mut bytes = vec![0; len];
                let failed = |error: io::Error| StepError::Weights { shard: row, why: error.to_string() };
                demand.files.fill(matrix.bytes.start + row * len, &mut bytes).map_err(failed)?;
                match PackedView::new(matrix.kind, 1, matrix.columns, &bytes) {
                    Ok(view) => view.row(0, into),
                    Err(error) => unreachable!("a row of a matrix that was checked: {error}"),
                }
            }
            Self::There(..) => return Err(StepError::Weights { shard: row, why: ELSEWHERE.to_owned() }),
        }
        Ok(())
    }

    /// Tells all bytes of some ranges, in order.
    pub(crate) fn tell(&self, parts: &[Range<usize>], each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        match self {
            Self::Whole(bytes) | Self::There(_, Behind::Bytes(bytes)) => {
                for part in parts {
                    each(&(**bytes).as_ref()[part.clone()]);
                }
                Ok(())
            }
            Self::Demand(demand) => demand.files.tell(parts, each),
            Self::There(_, Behind::Files(files)) => files.tell(parts, each),
        }
    }
}

/// What shards are, before there is memory for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shards {
    /// How many there are: one for each layer, and some for the output.
    pub count: usize,
    /// Bytes of each: those of the largest.
    pub bytes: u64,
}

/// What was read of a model whose weights are not all held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Shards that were read from the files.
    pub shards: u64,
    /// Those of them that somebody waited for from the beginning, because they were not read ahead.
    pub late: u64,
    /// Uses of shards, of those too that were there.
    pub uses: u64,
}

/// Shards in a ring's slots.
pub(crate) struct Demand {
    indexed: Indexed,
    files: Arc<Files>,
    shards: Shards,
}

impl Demand {
    /// Cuts a model's weights into shards, and opens a ring for them. The matrices of layers and of the output then say
    /// where they are in their shards; that of the embedding stays where it was.
    pub(crate) fn open(
        weights: &mut Weights,
        files: &[PathBuf],
        parts: &[Range<usize>],
        streaming: &Streaming,
    ) -> Result<Self, StreamError> {
        let files = Arc::new(Files::open(files, parts)?);
        let shards = shards(weights);
        let mut cut = Vec::with_capacity(shards.count);
        for layer in &mut weights.layers {
            let mut at = 0;
            let extents = layer.matrices_mut().map(|matrix| {
                let from = matrix.bytes.start;
                matrix.bytes = at..at + matrix.bytes.len();
                at = matrix.bytes.end.next_multiple_of(ALIGN);
                Extent { at: matrix.bytes.clone(), from }
            });
            cut.push(extents.to_vec());
        }
        let output = weights.output.remove(0);
        let row = output.bytes.len() / output.rows.max(1);
        for (first, rows) in pieces(&output, shards.bytes) {
            let bytes = 0..rows * row;
            cut.push(vec![Extent { at: bytes.clone(), from: output.bytes.start + first * row }]);
            weights.output.push(Matrix { kind: output.kind, rows, columns: output.columns, bytes });
        }
        let source = Cut { files: Arc::clone(&files), shards: cut, bytes: shards.bytes };
        // Layers come in a circle: all that is read ahead stands where a layer might have stayed.
        let streaming = streaming.clone().ahead(1);
        let indexed = streaming.source(Arc::new(source))?.indexed(Bytes::new(shards.bytes))?;
        Ok(Self { indexed, files, shards })
    }

    pub(crate) const fn shards(&self) -> Shards {
        self.shards
    }

    pub(crate) fn reads(&self) -> Reads {
        let stats = self.indexed.stats();
        Reads {
            shards: stats.misses + stats.read_ahead,
            late: stats.misses,
            uses: stats.hits + stats.waits + stats.misses,
        }
    }
}

/// What the shards of weights in one slice would be.
pub(crate) fn shards(weights: &Weights) -> Shards {
    let layer = |layer: &Layer| -> usize {
        layer.matrices().iter().map(|matrix| matrix.bytes.len().next_multiple_of(ALIGN)).sum()
    };
    let most = weights.layers.iter().map(layer).max().unwrap_or(0);
    // An output is cut into pieces; some of its rows must fit.
    let output = &weights.output[0];
    let bytes = most.max(output.bytes.len() / output.rows.max(1) * ROWS.min(output.rows)) as u64;
    Shards { count: weights.layers.len() + pieces(output, bytes).count(), bytes }
}

/// The first row, and how many, of each piece of an output that fits into a shard.
fn pieces(output: &Matrix, bytes: u64) -> impl Iterator<Item = (usize, usize)> + use<> {
    let row = output.bytes.len() / output.rows.max(1);
    let fits = usize::try_from(bytes).unwrap_or(usize::MAX) / row.max(1);
    let (step, rows) = ((fits / ROWS * ROWS).max(1), output.rows);
    (0..rows).step_by(step).map(move |first| (first, step.min(rows - first)))
}

/// A model's files, one behind the other as they would be mapped.
pub(crate) struct Files(Vec<(Range<usize>, FileSource)>);

impl Files {
    pub(crate) fn open(paths: &[PathBuf], parts: &[Range<usize>]) -> Result<Self, StreamError> {
        let open =
            |(path, part): (&PathBuf, &Range<usize>)| Ok((part.clone(), FileSource::open(path, false)?));
        paths.iter().zip(parts).map(open).collect::<Result<_, StreamError>>().map(Self)
    }

    /// Reads what is at a place, whole.
    fn fill(&self, mut at: usize, mut into: &mut [u8]) -> io::Result<()> {
        while !into.is_empty() {
            match self.read(at, into) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    into = &mut into[read..];
                    at += read;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&self, at: usize, into: &mut [u8]) -> io::Result<usize> {
        let found = self.0.iter().find(|(part, _)| part.contains(&at));
        let Some((part, file)) = found else { return Ok(0) };
        let most = into.len().min(part.end - at);
        file.read_at((at - part.start) as u64, &mut into[..most])
    }

    /// Tells all bytes of some ranges, in order.
    fn tell(&self, parts: &[Range<usize>], each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let mut step = vec![0; 1 << 20];
        for part in parts {
            let mut at = part.start;
            while at < part.end {
                let len = step.len().min(part.end - at);
                self.fill(at, &mut step[..len])?;
                each(&step[..len]);
                at += len;
            }
        }
        Ok(())
    }

    fn name(&self) -> &str {
        self.0.first().map_or("weights", |(_, file)| file.name())
    }
}

/// A part of a shard, and where it comes from.
#[derive(Clone, Debug)]
struct Extent {
    at: Range<usize>,
    from: usize,
}

/// A model's files in the order of its shards, each of which takes as much as the largest.
struct Cut {
    files: Arc<Files>,
    shards: Vec<Vec<Extent>>,
    bytes: u64,
}

impl Source for Cut {
    fn name(&self) -> &str {
        self.files.name()
    }

    fn bytes_now(&self) -> io::Result<u64> {
        Ok(self.shards.len() as u64 * self.bytes)
    }

    /// What lies between the parts of a shard, and behind the last, is not read, and may be anything.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let shard = usize::try_from(offset / self.bytes).unwrap_or(usize::MAX);
        let within = usize::try_from(offset % self.bytes).unwrap_or(usize::MAX);
        let Some(extents) = self.shards.get(shard) else { return Ok(0) };
        let next = extents.iter().find(|extent| within < extent.at.end);
        let Some(extent) = next else { return Ok(into.len()) };
        if within < extent.at.start {
            return Ok(into.len().min(extent.at.start - within));
        }
        let most = into.len().min(extent.at.end - within);
        self.files.read(extent.from + within - extent.at.start, &mut into[..most])
    }
}
