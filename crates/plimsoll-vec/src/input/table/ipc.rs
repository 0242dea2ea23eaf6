//! Arrow files (Feather, version 2): batches that are read as a whole, one at a time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::{FileDecoder, read_footer_length};
use arrow_ipc::{Block, MetadataVersion, RecordBatch as Head, root_as_footer, root_as_message};
use arrow_schema::{ArrowError, DataType, Schema};

use super::columns::{Chosen, choose};
use super::table::{Said, broken};
use crate::input::{InputError, Origin};

/// The footer's length and the magic word.
const END: usize = 10;
/// What precedes a message: a mark and its length.
const MARK: usize = 8;

/// An Arrow file whose footer was read.
#[derive(Debug)]
pub(super) struct Ipc {
    path: PathBuf,
    schema: Arc<Schema>,
    version: MetadataVersion,
    blocks: Vec<Block>,
    columns: Vec<usize>,
}

/// What the head of a batch says.
struct Batch {
    rows: u64,
    /// Numbers of its vectors.
    numbers: u64,
    /// What it takes in memory, packed and unpacked.
    bytes: u64,
}

impl Ipc {
    /// Reads the footer and the heads of all batches, and says what is there.
    pub(super) fn open(name: &str, origin: &Origin<'_>) -> Result<(Self, Chosen, Said), InputError> {
        let read = |source| InputError::Read { name: name.to_owned(), source };
        let file = File::open(origin.path).map_err(read)?;
        let length = file.metadata().map_err(read)?.len();
        let footer = footer(&file, length).map_err(|error| broken(name, &error))?;
        let footer = root_as_footer(&footer).map_err(|error| broken(name, &error))?;
        let schema = footer.schema().ok_or_else(|| broken(name, &"it has no schema"))?;
        let schema = try_fb_to_schema(schema).map_err(|error| broken(name, &error))?;
        let chosen = choose(name, &schema, origin)?;
        let node =
            schema.fields().iter().take(chosen.vector).map(|field| nodes(field.data_type())).sum::<usize>();
        let blocks: Vec<Block> =
            footer.recordBatches().map(|blocks| blocks.iter().copied().collect()).unwrap_or_default();
        let mut said = Said { rows: 0, numbers: None, beside: 0 };
        for block in &blocks {
            let batch = head(&file, length, block, node + 1).map_err(|error| broken(name, &error))?;
            said.rows += batch.rows;
            said.beside = said.beside.max(batch.bytes);
            if batch.rows > 0 && said.numbers.is_none() {
                said.numbers = Some((batch.numbers, batch.rows));
            }
        }
        let (version, columns) = (footer.version(), chosen.all());
        let ipc = Self { path: origin.path.to_owned(), schema: Arc::new(schema), version, blocks, columns };
        Ok((ipc, chosen, said))
    }

    /// Its rows from the first on.
    pub(super) fn batches(
        &self,
        name: &str,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, ArrowError>> + Send + use<>, InputError> {
        let file =
            File::open(&self.path).map_err(|source| InputError::Read { name: name.to_owned(), source })?;
        let decoder =
            FileDecoder::new(Arc::clone(&self.schema), self.version).with_projection(self.columns.clone());
        let blocks = self.blocks.clone().into_iter();
        Ok(blocks.filter_map(move |block| {
            let whole = body(&file, &block).map_err(ArrowError::from);
            whole.and_then(|bytes| decoder.read_record_batch(&block, &bytes)).transpose()
        }))
    }
}

fn footer(file: &File, length: u64) -> Result<Vec<u8>, String> {
    let mut end = [0; END];
    let at = length.checked_sub(END as u64).ok_or("it is too short")?;
    file.read_exact_at(&mut end, at).map_err(|error| error.to_string())?;
    let footer = read_footer_length(end).map_err(|error| error.to_string())?;
    let start = at.checked_sub(footer as u64).ok_or("its footer is longer than the file")?;
    let mut bytes = vec![0; footer];
    file.read_exact_at(&mut bytes, start).map_err(|error| error.to_string())?;
    Ok(bytes)
}

/// Where a block begins, and the lengths of its head and its body; none where that cannot be.
fn extent(block: &Block, length: u64) -> Option<(u64, usize, u64)> {
    let start = u64::try_from(block.offset()).ok()?;
    let head = usize::try_from(block.metaDataLength()).ok().filter(|head| *head > MARK)?;
    let body = u64::try_from(block.bodyLength()).ok()?;
    let end = start.checked_add(head as u64)?.checked_add(body)?;
    (end <= length).then_some((start, head, body))
}

/// What a batch says of itself; `child` is where among its nodes the numbers of vectors are.
fn head(file: &File, length: u64, block: &Block, child: usize) -> Result<Batch, String> {
    let (start, head, body) = extent(block, length).ok_or("a batch lies outside of the file")?;
    let mut bytes = vec![0; head];
    file.read_exact_at(&mut bytes, start).map_err(|error| error.to_string())?;
    // Older files have no mark before the length.
    let skip = if bytes.starts_with(&[0xff; 4]) { MARK } else { MARK / 2 };
    let message = root_as_message(&bytes[skip..]).map_err(|error| error.to_string())?;
    let batch = message.header_as_record_batch().ok_or("a batch is something else")?;
    let number = |number: i64| u64::try_from(number).map_err(|_| "a length is negative".to_owned());
    let numbers = batch.nodes().filter(|nodes| child < nodes.len()).ok_or("a batch lacks columns")?;
    Ok(Batch {
        rows: number(batch.length())?,
        numbers: number(numbers.get(child).length())?,
        // Packed parts are unpacked beside it; the rest is used where it lies.
        bytes: head as u64 + body + unpacked(file, &batch, (start + head as u64, body))?,
    })
}

/// What the packed parts of a batch take unpacked: their first eight bytes say so.
fn unpacked(file: &File, batch: &Head<'_>, (at, body): (u64, u64)) -> Result<u64, String> {
    let mut bytes = 0_u64;
    if batch.compression().is_none() {
        return Ok(0);
    }
    for buffer in batch.buffers().iter().flatten() {
        let (Ok(offset), Ok(length)) = (u64::try_from(buffer.offset()), u64::try_from(buffer.length()))
        else {
            return Err("a length is negative".to_owned());
        };
        if length < 8 {
            continue;
        }
        if offset.checked_add(length).is_none_or(|end| end > body) {
            return Err("a column lies outside of its batch".to_owned());
        }
        let mut said = [0; 8];
        file.read_exact_at(&mut said, at + offset).map_err(|error| error.to_string())?;
        // Less than nothing: it was left as it is.
        bytes = bytes.saturating_add(u64::try_from(i64::from_le_bytes(said)).unwrap_or_default());
    }
    Ok(bytes)
}

fn body(file: &File, block: &Block) -> io::Result<Buffer> {
    let wrong = || io::Error::from(io::ErrorKind::InvalidData);
    let (start, head, body) = extent(block, u64::MAX).ok_or_else(wrong)?;
    let mut bytes = MutableBuffer::from_len_zeroed(head + usize::try_from(body).map_err(|_| wrong())?);
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes.into())
}

/// How many nodes of a batch a column has: itself, and what is within it.
fn nodes(kind: &DataType) -> usize {
    match kind {
        DataType::List(of)
        | DataType::LargeList(of)
        | DataType::ListView(of)
        | DataType::LargeListView(of)
        | DataType::FixedSizeList(of, _)
        | DataType::Map(of, _) => 1 + nodes(of.data_type()),
        DataType::Struct(fields) => 1 + fields.iter().map(|field| nodes(field.data_type())).sum::<usize>(),
        DataType::Union(fields, _) => {
            1 + fields.iter().map(|(_, field)| nodes(field.data_type())).sum::<usize>()
        }
        DataType::RunEndEncoded(ends, values) => 1 + nodes(ends.data_type()) + nodes(values.data_type()),
        _ => 1,
    }
}
