//! The header of one file.

use std::fmt;
use std::path::Path;

use plimsoll::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::json;
use crate::model::{Doubt, Tensor, TensorType};
use crate::read::budget::Budget;
use crate::read::{Fault, ReadError, Source};

/// The longest header. The format's own limit.
const HEADER_MAX: u64 = 100_000_000;
/// The most sides of a tensor.
const SIDES_MAX: usize = 8;
/// The longest name.
const NAME_MAX: usize = 1024;
/// Which unknown types are named.
const UNKNOWN_MAX: usize = 8;

/// What a header says.
pub(super) struct Header {
    pub(super) tensors: Vec<Tensor>,
    pub(super) doubts: Vec<Doubt>,
    /// Bytes that the file lacks at its end.
    pub(super) missing: u64,
    /// Where tensors lie in the data, in that order; counted in the budget.
    pub(super) spots: Vec<Spot>,
    /// Where the data begins.
    pub(super) start: u64,
}

/// Reads a header, for what a model's shape and size follow from.
pub(super) fn header(source: &dyn Source, path: &Path, budget: &mut Budget) -> Result<Header, ReadError> {
    let mut header = placed(source, path, budget)?;
    budget.forget(std::mem::take(&mut header.spots));
    Ok(header)
}

/// Reads a header with where each tensor lies.
pub(super) fn placed(source: &dyn Source, path: &Path, budget: &mut Budget) -> Result<Header, ReadError> {
    let fault = |offset, fault| ReadError::Fault { path: path.to_owned(), offset, fault };
    let mut length = [0; 8];
    if source.len() < 8 {
        let path = path.to_owned();
        return Err(ReadError::CutShort { path, offset: 0, wanted: 8, len: source.len() });
    }
    let read = source.read_at(0, &mut length);
    read.map_err(|source| ReadError::Read { path: path.to_owned(), offset: 0, source })?;
    let length = u64::from_le_bytes(length);
    if length > HEADER_MAX {
        let (path, what) = (path.to_owned(), "bytes of header");
        return Err(ReadError::Excess { path, offset: 0, what, found: length, most: HEADER_MAX });
    }
    let start = length.saturating_add(8);
    if start > source.len() {
        return Err(fault(0, Fault::HeaderLength(length)));
    }
    let mut entries =
        Entries { path, budget, tensors: Vec::new(), spots: Vec::new(), unknown: Vec::new(), refused: None };
    let mut parser = serde_json::Deserializer::from_reader(json(source, 8, start));
    let parsed = parser.deserialize_map(&mut entries).and_then(|()| parser.end());
    let Entries { tensors, mut spots, unknown, refused, .. } = entries;
    if let Some(refused) = refused {
        return Err(refused);
    }
    parsed.map_err(|source| ReadError::Json { path: path.to_owned(), source })?;
    let end = check(&tensors, &mut spots).map_err(|found| fault(start, found))?;
    let missing = end.saturating_sub(source.len().saturating_sub(start));
    let doubts = unknown.into_iter().map(|dtype| Doubt {
        text: format!(
            "tensors of type {dtype:?}, which is not known, are measured by their room in the file"
        ),
        share: 0.001,
    });
    Ok(Header { tensors, doubts: doubts.collect(), missing, spots, start })
}

/// Where a tensor's bytes are: beginning, end, and which tensor it is.
pub(super) type Spot = (u64, u64, usize);

/// Checks that no two tensors share bytes. Gives where the last one ends.
fn check(tensors: &[Tensor], spots: &mut [Spot]) -> Result<u64, Fault> {
    spots.sort_unstable();
    let mut last = (0_u64, 0_usize);
    for (start, end, index) in spots.iter().filter(|spot| spot.1 > spot.0) {
        if *start < last.0 {
            let name =
                |index: usize| tensors.get(index).map(|tensor| tensor.name.clone()).unwrap_or_default();
            let shared = Bytes::new(last.0.min(*end) - start);
            return Err(Fault::Overlap { first: name(last.1), second: name(*index), shared });
        }
        last = (*end, *index);
    }
    Ok(last.0)
}

/// One tensor's entry.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Sides,
    data_offsets: (u64, u64),
}

/// Sides of a tensor, not more than there may be.
struct Sides(Vec<u64>);

impl<'de> Deserialize<'de> for Sides {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Some8;
        impl<'de> Visitor<'de> for Some8 {
            type Value = Sides;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {SIDES_MAX} sides")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Sides, A::Error> {
                let mut sides = Vec::with_capacity(4);
                while let Some(side) = list.next_element()? {
                    if sides.len() == SIDES_MAX {
                        return Err(A::Error::invalid_length(SIDES_MAX + 1, &self));
                    }
                    sides.push(side);
                }
                Ok(Sides(sides))
            }
        }
        deserializer.deserialize_seq(Some8)
    }
}

/// Collects entries as they come.
struct Entries<'b> {
    path: &'b Path,
    budget: &'b mut Budget,
    tensors: Vec<Tensor>,
    spots: Vec<Spot>,
    unknown: Vec<String>,
    /// Why no more is taken: said here, because a parser's error knows neither path nor sort.
    refused: Option<ReadError>,
}

impl<'de> Visitor<'de> for &mut Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with an entry for each tensor")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if name.len() > NAME_MAX {
                return Err(A::Error::custom("a tensor's name of more than 1024 bytes"));
            }
            let entry = map.next_value::<Entry>()?;
            if let Err(refused) = self.take(name, entry) {
                self.refused = Some(refused);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

impl Entries<'_> {
    fn take(&mut self, name: String, entry: Entry) -> Result<(), ReadError> {
        let offset = entry.data_offsets.0;
        let fault = |fault| ReadError::Fault { path: self.path.to_owned(), offset, fault };
        let (start, end) = entry.data_offsets;
        let range = Bytes::new(end.checked_sub(start).ok_or_else(|| fault(Fault::Overflow(name.clone())))?);
        let mut shape = entry.shape.0;
        shape.reverse();
        shape.shrink_to_fit();
        let elements = shape.iter().try_fold(1_u64, |product, side| product.checked_mul(*side));
        let elements = elements.ok_or_else(|| fault(Fault::Overflow(name.clone())))?;
        let kind = if let Some((kind, bits)) = known(&entry.dtype) {
            let bytes = elements.checked_mul(bits).map(|bits| Bytes::new(bits.div_ceil(8)));
            let bytes = bytes.ok_or_else(|| fault(Fault::Overflow(name.clone())))?;
            if bytes != range {
                return Err(fault(Fault::Range { name, shape: bytes, range }));
            }
            kind
        } else {
            if self.unknown.len() < UNKNOWN_MAX && !self.unknown.contains(&entry.dtype) {
                self.unknown.push(entry.dtype.chars().take(32).collect());
            }
            TensorType::I8
        };
        self.budget.tensor(&name, shape.capacity(), self.path, offset)?;
        self.budget.push(&mut self.spots, (start, end, self.tensors.len()), self.path, offset)?;
        let tensor = Tensor { name, shape, kind, bytes: range };
        self.budget.push(&mut self.tensors, tensor, self.path, offset)
    }
}

/// The type that the format calls so, and the bits of one number. Types of equal size without one of their own are
/// called by that size.
fn known(dtype: &str) -> Option<(TensorType, u64)> {
    Some(match dtype {
        "F64" => (TensorType::F64, 64),
        "F32" => (TensorType::F32, 32),
        "F16" => (TensorType::F16, 16),
        "BF16" => (TensorType::BF16, 16),
        "F8_E4M3" | "F8_E5M2" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" => (TensorType::F8, 8),
        "I8" | "U8" | "BOOL" => (TensorType::I8, 8),
        "I16" | "U16" => (TensorType::I16, 16),
        "I32" | "U32" => (TensorType::I32, 32),
        "I64" | "U64" | "C64" => (TensorType::I64, 64),
        "F4" => (TensorType::NVFP4, 4),
        "F6_E2M3" | "F6_E3M2" => (TensorType::F8, 6),
        _ => return None,
    })
}
