//! What a file holds, for who computes with it: each tensor's place, and the metadata by key.

use std::ops::Range;
use std::path::Path;

use super::header::placed;
use super::tensors::distinct;
use crate::model::Tensor;
use crate::read::budget::Budget;
use crate::read::keys::{Keys, Value};
use crate::read::{Fault, ReadError, Source};

/// The tensors of one file and its metadata, as the header says it.
///
/// # What it is not
/// It knows no architectures and judges no values; tensors' bytes are not read. Of a model in several parts it is the
/// part that was read.
///
/// ```no_run
/// use std::path::Path;
/// use plimsoll_plan::read::{FileSource, gguf::Contents};
/// let path = Path::new("model.gguf");
/// let contents = Contents::read(&FileSource::open(path)?, path)?;
/// let rows = contents.tensor("token_embd.weight").map(|placed| placed.bytes.clone());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Contents {
    keys: Keys,
    /// By name.
    tensors: Vec<Placed>,
    missing: u64,
    big_endian: bool,
}

/// A tensor, and where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its name, shape and type.
    pub tensor: Tensor,
    /// The number of its type where nobody knows that type: what [`tensor`](Self::tensor) says of it is then a guess.
    pub unknown: Option<u32>,
    /// Its bytes in the file. They may reach beyond the file's end: see [`Contents::missing_bytes`].
    pub bytes: Range<u64>,
}

impl Contents {
    /// Reads the header of a file. `path` is what messages call it.
    pub fn read(source: &dyn Source, path: &Path) -> Result<Self, ReadError> {
        let header = placed(source, path, &mut Budget::new())?;
        let fault = |fault| ReadError::Fault { path: path.to_owned(), offset: header.data_start, fault };
        distinct(&header.checked.tensors).map_err(fault)?;
        let mut places = vec![(0, None); header.checked.tensors.len()];
        for spot in &header.checked.spots {
            places[spot.index] = (spot.offset, spot.unknown);
        }
        let mut tensors = Vec::with_capacity(places.len());
        for (tensor, (offset, unknown)) in header.checked.tensors.into_iter().zip(places) {
            let start = header.data_start.checked_add(offset);
            let end = start.and_then(|start| start.checked_add(tensor.bytes.get()));
            let (Some(start), Some(end)) = (start, end) else {
                return Err(fault(Fault::Overflow(tensor.name)));
            };
            tensors.push(Placed { tensor, unknown, bytes: start..end });
        }
        tensors.sort_unstable_by(|one, other| one.tensor.name.cmp(&other.tensor.name));
        Ok(Self { keys: header.keys, tensors, missing: header.missing, big_endian: header.big_endian })
    }

    /// The architecture, by GGUF's name; empty where the file does not say.
    pub fn architecture(&self) -> &str {
        self.keys.architecture()
    }

    /// All tensors, by name.
    pub fn tensors(&self) -> &[Placed] {
        &self.tensors
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<&Placed> {
        let found = self.tensors.binary_search_by(|placed| placed.tensor.name.as_str().cmp(name)).ok()?;
        self.tensors.get(found)
    }

    /// Bytes of tensors that the file lacks at its end, because it was cut short.
    pub const fn missing_bytes(&self) -> u64 {
        self.missing
    }

    /// Whether numbers, those of tensors too, stand with the big end first.
    pub const fn is_big_endian(&self) -> bool {
        self.big_endian
    }

    /// A whole number by its key. A key that begins with a dot is the architecture's: `.block_count` of a llama is
    /// `llama.block_count`.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.value(key)?.number()
    }

    /// A number, with a fraction or not.
    pub fn real(&self, key: &str) -> Option<f64> {
        match self.value(key)? {
            Value::Real(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "a hyper-parameter is far below 2⁵³")]
            value => value.number().map(|number| number as f64),
        }
    }

    /// A text, if it is not longer than the reader keeps (1 KiB).
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether there is a value, of whatever type.
    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    fn value(&self, key: &str) -> Option<&Value> {
        match key.strip_prefix('.') {
            Some(key) => self.keys.get(key),
            None => self.keys.whole(key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TensorType;

    fn text(into: &mut Vec<u8>, text: &str) {
        into.extend((text.len() as u64).to_le_bytes());
        into.extend(text.as_bytes());
    }

    /// Two tensors, the later name first, and three keys; `kind` is the second's type.
    fn file(kind: u32) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(2_u64.to_le_bytes());
        bytes.extend(3_u64.to_le_bytes());
        text(&mut bytes, "general.architecture");
        bytes.extend(8_u32.to_le_bytes());
        text(&mut bytes, "llama");
        text(&mut bytes, "llama.block_count");
        bytes.extend(4_u32.to_le_bytes());
        bytes.extend(7_u32.to_le_bytes());
        text(&mut bytes, "llama.rope.freq_base");
        bytes.extend(6_u32.to_le_bytes());
        bytes.extend(1e4_f32.to_le_bytes());
        for (name, kind, offset) in [("b", 0_u32, 0_u64), ("a", kind, 32)] {
            text(&mut bytes, name);
            bytes.extend(1_u32.to_le_bytes());
            bytes.extend(4_u64.to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
        }
        bytes.resize(bytes.len().next_multiple_of(32) + 32 + 16, 0);
        bytes
    }

    #[test]
    fn tensors_have_places_and_keys_have_values() {
        let bytes = file(0);
        let contents = Contents::read(&bytes, Path::new("a.gguf")).unwrap();
        let len = bytes.len() as u64;
        assert_eq!(contents.tensor("a").unwrap().bytes, len - 16..len);
        assert_eq!(contents.tensor("b").unwrap().bytes, len - 48..len - 32);
        assert_eq!(contents.tensor("a").unwrap().tensor.kind, TensorType::F32);
        assert_eq!(contents.tensor("c"), None);
        assert_eq!((contents.architecture(), contents.number(".block_count")), ("llama", Some(7)));
        assert_eq!(contents.real("llama.rope.freq_base"), Some(1e4));
        assert!(!contents.has(".rope.scaling.type") && !contents.is_big_endian());
        assert_eq!((contents.missing_bytes(), contents.text("general.architecture")), (0, Some("llama")));
    }

    #[test]
    fn a_file_that_is_cut_says_what_it_lacks_and_an_unknown_type_is_told() {
        let bytes = file(0);
        let cut = Contents::read(&bytes[..bytes.len() - 5].to_vec(), Path::new("a.gguf")).unwrap();
        assert_eq!(cut.missing_bytes(), 5);
        let odd = Contents::read(&file(999), Path::new("a.gguf")).unwrap();
        assert_eq!(odd.tensor("a").unwrap().unknown, Some(999));
        assert_eq!(odd.tensor("b").unwrap().unknown, None);
    }
}
