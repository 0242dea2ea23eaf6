//! A header, or those of all parts, as a model.

use std::path::Path;

use plimsoll::Bytes;

use super::header::{Header, header};
use super::tensors::distinct;
use crate::model::{Doubt, Model, Origin, Tensor};
use crate::read::budget::Budget;
use crate::read::keys::{Keys, Value};
use crate::read::{Fault, ReadError, Source, shape};

/// What has been read of a model so far.
pub(in crate::read) struct Reading<'p> {
    path: &'p Path,
    keys: Keys,
    tensors: Vec<Tensor>,
    doubts: Vec<Doubt>,
    missing: u64,
    data_start: u64,
}

impl<'p> Reading<'p> {
    pub(super) fn new(path: &'p Path, first: Header) -> Self {
        let Header { keys, checked, missing, data_start, .. } = first;
        Self { path, keys, tensors: checked.tensors, doubts: checked.doubts, missing, data_start }
    }

    /// Adds what another part has.
    pub(super) fn append(&mut self, part: Header, budget: &mut Budget) -> Result<(), ReadError> {
        let Header { checked, missing, .. } = part;
        budget.append(&mut self.tensors, checked.tensors, self.path)?;
        for doubt in checked.doubts {
            if !self.doubts.contains(&doubt) {
                self.doubts.push(doubt);
            }
        }
        self.missing = self.missing.saturating_add(missing);
        Ok(())
    }

    /// Refuses parts that together have not as many tensors as the first says.
    pub(super) fn complete(&self) -> Result<(), ReadError> {
        let stated = self.keys.whole("split.tensors.count").and_then(Value::number);
        let found = self.tensors.len() as u64;
        match stated.filter(|stated| *stated != found) {
            None => Ok(()),
            Some(stated) => {
                let fault = Fault::TensorCount { found, stated };
                Err(ReadError::Fault { path: self.path.to_owned(), offset: self.data_start, fault })
            }
        }
    }
}

/// Reads a model from one source. `path` is what messages call it, and gives its name where the file has none.
///
/// Parts that lie in other files are not looked for: [`open`](crate::read::open) does that.
pub fn read(source: &dyn Source, path: &Path) -> Result<Model, ReadError> {
    let first = header(source, path, &mut Budget::new())?;
    let parts = first.number("split.count").unwrap_or(1);
    let mut reading = Reading::new(path, first);
    if parts > 1 {
        let text =
            format!("of {parts} parts only this one was read: the tensors of the others are not counted");
        reading.doubts.push(Doubt { text, share: 1.0 });
    }
    model(reading)
}

/// The model of what was read.
pub(in crate::read) fn model(reading: Reading<'_>) -> Result<Model, ReadError> {
    let Reading { path, keys, tensors, mut doubts, missing, data_start } = reading;
    let fault = |fault| ReadError::Fault { path: path.to_owned(), offset: data_start, fault };
    distinct(&tensors).map_err(fault)?;
    if let Some(kind @ "imatrix") = keys.text("general.type") {
        return Err(ReadError::Other {
            path: path.to_owned(),
            kind: format!("an {kind}: data for quantizing"),
        });
    }
    let hyper = shape::hyper(&keys, &tensors, path, &mut doubts)?;
    if tensors.is_empty() && !hyper.layers.is_empty() {
        let text = "the file has a vocabulary and no tensors: weights are not counted".to_owned();
        doubts.push(Doubt { text, share: 1.0 });
    }
    doubts.sort_by(|one, other| other.share.total_cmp(&one.share));
    if missing > 0 {
        let text = format!(
            "the file is cut short: {} of its data are missing; download it again",
            Bytes::new(missing)
        );
        doubts.insert(0, Doubt { text, share: 0.0 });
    }
    let stem = || path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = keys.text("general.name").filter(|name| !name.is_empty()).map_or_else(stem, str::to_owned);
    Ok(Model { name, hyper, tensors, origin: Origin::File(path.to_owned()), doubts })
}
