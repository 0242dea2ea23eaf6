//! What the files of a model hold, for who computes with them: each tensor's file and place in it.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::files::of_model;
use super::header::placed;
use crate::model::Tensor;
use crate::read::budget::Budget;
use crate::read::gguf::distinct;
use crate::read::{FileSource, ReadError, Source};

/// The tensors of one file, or of all files of a model.
///
/// # What it is not
/// It reads no configuration and judges no names; tensors' bytes are not read.
#[derive(Clone, Debug)]
pub struct Contents {
    files: Vec<PathBuf>,
    /// By name.
    tensors: Vec<Placed>,
    missing: u64,
}

/// A tensor, and where its bytes are. A type that is not known counts as [`I8`](crate::model::TensorType::I8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its name, shape (the fastest side first) and type.
    pub tensor: Tensor,
    /// Which of [`Contents::files`].
    pub file: usize,
    /// Its bytes in that file. They may reach beyond the file's end: see [`Contents::missing_bytes`].
    pub bytes: Range<u64>,
}

impl Contents {
    /// Reads the headers of a model: a file, any part or the index of one in several files, or its folder.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let files = of_model(path.as_ref())?;
        let mut contents = Self { files: Vec::new(), tensors: Vec::new(), missing: 0 };
        let mut budget = Budget::new();
        for file in files {
            let source = FileSource::open(&file)?;
            if source.is_empty() {
                return Err(ReadError::Empty { path: file });
            }
            contents.append(&source, &file, &mut budget)?;
            contents.files.push(file);
        }
        contents.sorted(path.as_ref())
    }

    /// Reads the header of one source. `path` is what messages call it.
    pub fn read(source: &dyn Source, path: &Path) -> Result<Self, ReadError> {
        let mut contents = Self { files: Vec::new(), tensors: Vec::new(), missing: 0 };
        contents.append(source, path, &mut Budget::new())?;
        contents.files.push(path.to_owned());
        contents.sorted(path)
    }

    fn append(&mut self, source: &dyn Source, path: &Path, budget: &mut Budget) -> Result<(), ReadError> {
        let header = placed(source, path, budget)?;
        let mut ranges = vec![0..0; header.tensors.len()];
        for (start, end, index) in &header.spots {
            let at = |offset: &u64| header.start.saturating_add(*offset);
            ranges[*index] = at(start)..at(end);
        }
        let file = self.files.len();
        let tensors = header.tensors.into_iter().zip(ranges);
        self.tensors.extend(tensors.map(|(tensor, bytes)| Placed { tensor, file, bytes }));
        self.missing = self.missing.saturating_add(header.missing);
        Ok(())
    }

    fn sorted(mut self, path: &Path) -> Result<Self, ReadError> {
        self.tensors.sort_by(|one, other| one.tensor.name.cmp(&other.tensor.name));
        let names: Vec<Tensor> = self.tensors.iter().map(|placed| placed.tensor.clone()).collect();
        let fault = |fault| ReadError::Fault { path: path.to_owned(), offset: 8, fault };
        distinct(&names).map_err(fault)?;
        Ok(self)
    }

    /// The files, in order.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
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

    /// Bytes of tensors that the files lack at their ends, because they were cut short.
    pub const fn missing_bytes(&self) -> u64 {
        self.missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(tensors: &[(&str, u64, u64)]) -> Vec<u8> {
        let entry = |(name, start, end): &(&str, u64, u64)| {
            let sides = (end - start) / 4;
            format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":[{sides}],\"data_offsets\":[{start},{end}]}}")
        };
        let header = format!("{{{}}}", tensors.iter().map(entry).collect::<Vec<_>>().join(","));
        let data = tensors.iter().map(|tensor| tensor.2).max().unwrap_or(0);
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + usize::try_from(data).unwrap(), 0);
        bytes
    }

    #[test]
    fn tensors_of_several_files_have_their_places() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (file(&[("b", 8, 16), ("a", 0, 8)]), file(&[("c", 0, 4)]));
        std::fs::write(folder.path().join("model-00001-of-00002.safetensors"), &one).unwrap();
        std::fs::write(folder.path().join("model-00002-of-00002.safetensors"), &two).unwrap();
        let by_part = Contents::open(folder.path().join("model-00002-of-00002.safetensors")).unwrap();
        let index = "{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\",\
                     \"c\":\"model-00002-of-00002.safetensors\"}}";
        std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        let len = one.len() as u64;
        for contents in [by_part, Contents::open(folder.path()).unwrap()] {
            assert_eq!(contents.files().len(), 2);
            assert_eq!(contents.tensor("a").unwrap().bytes, len - 16..len - 8);
            assert_eq!(contents.tensor("b").unwrap().bytes, len - 8..len);
            assert_eq!(contents.tensor("c").unwrap().file, 1);
            assert!(contents.tensor("d").is_none() && contents.missing_bytes() == 0);
        }
        std::fs::remove_file(folder.path().join("model-00002-of-00002.safetensors")).unwrap();
        let gone = Contents::open(folder.path()).unwrap_err().to_string();
        assert!(gone.contains("model-00002-of-00002"), "{gone}");
    }

    #[test]
    fn a_tensor_in_two_files_is_refused_and_a_cut_file_says_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m-00001-of-00002.safetensors"), file(&[("a", 0, 8)])).unwrap();
        std::fs::write(folder.path().join("m-00002-of-00002.safetensors"), file(&[("a", 0, 8)])).unwrap();
        let twice = Contents::open(folder.path()).unwrap_err().to_string();
        assert!(twice.contains("stands twice"), "{twice}");
        let whole = file(&[("a", 0, 8)]);
        let cut = Contents::read(&whole[..whole.len() - 3].to_vec(), Path::new("x")).unwrap();
        assert_eq!(cut.missing_bytes(), 3);
    }
}
