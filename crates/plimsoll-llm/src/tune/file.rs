//! Tensors in a safetensors file: what is learned, and what learning goes on from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use plimsoll_tensor::TensorError;
use serde_json::{Map, Value, json};

use super::error::TuneError;

/// The longest header that is read.
const HEADER_MAX: u64 = 64 << 20;

/// Writes singles, tensor after tensor, each with its name and sizes, so that one of them is on the heap at a time: `numbers`
/// makes them.
pub(super) fn write<T>(
    path: &Path,
    facts: &BTreeMap<String, String>,
    tensors: &[(String, Vec<usize>, T)],
    mut numbers: impl FnMut(&str, &T) -> Result<Vec<f32>, TensorError>,
) -> Result<(), TuneError> {
    let mut header = Map::new();
    header.insert("__metadata__".to_owned(), json!(facts));
    let mut from = 0;
    for (name, dims, _) in tensors {
        let to = from + dims.iter().product::<usize>() * 4;
        header.insert(name.clone(), json!({"dtype": "F32", "shape": dims, "data_offsets": [from, to]}));
        from = to;
    }
    let mut header = Value::Object(header).to_string();
    // Numbers begin at a multiple of eight.
    header.push_str(&" ".repeat((8 - header.len() % 8) % 8));
    let wrong = || TuneError::file(path);
    let file = File::create(path).map_err(wrong())?;
    let mut file = BufWriter::with_capacity(1 << 16, file);
    file.write_all(&(header.len() as u64).to_le_bytes()).map_err(wrong())?;
    file.write_all(header.as_bytes()).map_err(wrong())?;
    for (name, _, tensor) in tensors {
        for number in numbers(name, tensor)? {
            file.write_all(&number.to_le_bytes()).map_err(wrong())?;
        }
    }
    let file = file.into_inner().map_err(std::io::IntoInnerError::into_error).map_err(wrong())?;
    file.sync_all().map_err(wrong())
}

/// A file of ours that was opened.
pub(super) struct Kept {
    file: BufReader<File>,
    path: std::path::PathBuf,
    header: Map<String, Value>,
    begin: u64,
}

impl Kept {
    pub(super) fn open(path: &Path) -> Result<Self, TuneError> {
        let wrong = |what: &str| TuneError::Kept {
            path: path.to_owned(),
            what: format!("{what}; take the one before, or begin anew"),
        };
        let mut file = BufReader::new(File::open(path).map_err(TuneError::file(path))?);
        let mut len = [0; 8];
        file.read_exact(&mut len).map_err(|_| wrong("it is cut short"))?;
        let len = u64::from_le_bytes(len);
        if len > HEADER_MAX {
            return Err(wrong("it is no safetensors file"));
        }
        let mut header = vec![0; usize::try_from(len).unwrap_or(0)];
        file.read_exact(&mut header).map_err(|_| wrong("it is cut short"))?;
        let header: Map<String, Value> =
            serde_json::from_slice(&header).map_err(|_| wrong("it is no safetensors file"))?;
        Ok(Self { file, path: path.to_owned(), header, begin: 8 + len })
    }

    /// One of its facts.
    pub(super) fn fact(&self, name: &str) -> Option<&str> {
        self.header.get("__metadata__")?.get(name)?.as_str()
    }

    /// The numbers of one of its tensors, which is to have these sizes.
    pub(super) fn numbers(&mut self, name: &str, dims: &[usize]) -> Result<Vec<f32>, TuneError> {
        let path = self.path.clone();
        let wrong = move |what: &str| TuneError::Kept {
            path: path.clone(),
            what: format!("{name:?} {what}; it is of another fine-tuning, or damaged"),
        };
        let entry = self.header.get(name).ok_or_else(|| wrong("is missing"))?;
        let sizes = entry.get("shape").and_then(Value::as_array);
        let same = sizes.is_some_and(|sizes| {
            sizes.len() == dims.len()
                && sizes.iter().zip(dims).all(|(size, dim)| size.as_u64() == Some(*dim as u64))
        });
        if !same || entry.get("dtype").and_then(Value::as_str) != Some("F32") {
            return Err(wrong("has another shape"));
        }
        let from = entry.get("data_offsets").and_then(|both| both.get(0)).and_then(Value::as_u64);
        let from = from.and_then(|from| self.begin.checked_add(from)).ok_or_else(|| wrong("lies nowhere"))?;
        self.file.seek(SeekFrom::Start(from)).map_err(TuneError::file(&self.path))?;
        let mut bytes = vec![0; dims.iter().product::<usize>() * 4];
        self.file.read_exact(&mut bytes).map_err(|_| wrong("is cut short"))?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect())
    }
}
