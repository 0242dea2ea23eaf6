//! One file's header: version, keys, tensors, and how much data should follow.

use std::path::Path;

use super::metadata;
use super::tensors::{self, Checked};
use crate::read::budget::Budget;
use crate::read::cursor::Cursor;
use crate::read::keys::{Keys, Value};
use crate::read::{Fault, ReadError, Source};

/// Where tensors begin when nobody says: at multiples of this.
const ALIGNMENT: u64 = 32;
/// The largest alignment: that of huge pages.
const ALIGNMENT_MAX: u64 = 1 << 30;

/// What one file's header says.
pub(super) struct Header {
    pub(super) keys: Keys,
    pub(super) checked: Checked,
    /// Bytes that the file lacks at its end.
    pub(super) missing: u64,
    /// Where its data begins.
    pub(super) data_start: u64,
    /// Whether its numbers stand with the big end first.
    pub(super) big_endian: bool,
}

/// Reads a header, for what a model's shape and size follow from.
pub(super) fn header(source: &dyn Source, path: &Path, budget: &mut Budget) -> Result<Header, ReadError> {
    let mut header = placed(source, path, budget)?;
    budget.forget(std::mem::take(&mut header.checked.spots));
    Ok(header)
}

/// Reads a header with where each tensor lies.
pub(super) fn placed(source: &dyn Source, path: &Path, budget: &mut Budget) -> Result<Header, ReadError> {
    let (mut cursor, tensor_count, key_count) = begin(source, path)?;
    let keys = metadata::pairs(&mut cursor, key_count, budget)?;
    let alignment = alignment(&keys, &cursor)?;
    let infos = tensors::infos(&mut cursor, tensor_count, budget)?;
    let data_start = cursor.at().next_multiple_of(alignment);
    let data_len = source.len().saturating_sub(data_start);
    let checked = infos.check(&cursor, alignment, data_len)?;
    let missing = checked.data_bytes.saturating_sub(data_len);
    Ok(Header { keys, checked, missing, data_start, big_endian: cursor.big_endian })
}

/// Reads what stands before the keys: how many tensors and keys follow.
pub(super) fn begin<'s>(source: &'s dyn Source, path: &'s Path) -> Result<(Cursor<'s>, u64, u64), ReadError> {
    let mut cursor = Cursor::new(source, path);
    if cursor.bytes::<4>()? != *b"GGUF" {
        let found = crate::read::open::beginning(source, path)?;
        return Err(ReadError::Format { path: path.to_owned(), found });
    }
    let written = cursor.u32()?;
    // The file's own order shows in its version, which is a small number in one order only.
    cursor.big_endian = written.trailing_zeros() >= 16 && written != 0;
    let version = if cursor.big_endian { written.swap_bytes() } else { written };
    if !(2..=3).contains(&version) {
        return Err(ReadError::Version { path: path.to_owned(), version });
    }
    let tensor_count = cursor.u64()?;
    let key_count = cursor.u64()?;
    Ok((cursor, tensor_count, key_count))
}

fn alignment(keys: &Keys, cursor: &Cursor<'_>) -> Result<u64, ReadError> {
    let stated = match keys.whole("general.alignment") {
        None => return Ok(ALIGNMENT),
        Some(value) => value.number().unwrap_or(0),
    };
    if stated.is_power_of_two() && stated <= ALIGNMENT_MAX {
        return Ok(stated);
    }
    let (path, offset) = (cursor.path().to_owned(), cursor.at());
    Err(ReadError::Fault { path, offset, fault: Fault::Alignment(stated) })
}

impl Header {
    /// A key of the file as a whole number.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.keys.whole(key).and_then(Value::number)
    }
}
