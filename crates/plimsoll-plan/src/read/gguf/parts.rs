//! Models in several files: `NAME-00001-of-00009.gguf`.
//!
//! The first has the keys; each has tensors and their bytes. Whichever is opened, all are read.

use std::path::{Path, PathBuf};

use super::header::{Header, header};
use super::{Reading, model};
use crate::model::Model;
use crate::read::budget::Budget;
use crate::read::{Fault, FileSource, ReadError, Source};

/// How many missing parts a message names.
const NAMED: usize = 8;

/// The place of a file among its parts, by its name.
struct Place<'p> {
    stem: &'p str,
    number: u64,
    count: u64,
}

impl<'p> Place<'p> {
    fn of(path: &'p Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(".gguf")?;
        let (rest, count) = name.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        let digits = |text: &str| (text.len() == 5).then(|| text.parse::<u64>().ok()).flatten();
        let place = Self { stem, number: digits(number)?, count: digits(count)? };
        (place.number >= 1 && place.number <= place.count).then_some(place)
    }

    fn part(&self, path: &Path, number: u64) -> PathBuf {
        path.with_file_name(format!("{}-{number:05}-of-{:05}.gguf", self.stem, self.count))
    }
}

/// Reads a model from its file, or from all its parts if it has several.
pub(in crate::read) fn open(path: &Path, source: &dyn Source) -> Result<Model, ReadError> {
    let mut budget = Budget::new();
    let Some(place) = Place::of(path).filter(|place| place.count > 1) else {
        let first = header(source, path, &mut budget)?;
        if let Some(count) = first.number("split.count").filter(|count| *count > 1) {
            return Err(ReadError::PartName { path: path.to_owned(), count });
        }
        return model(Reading::new(path, first));
    };
    absent(&place, path)?;
    let mut reading: Option<Reading<'_>> = None;
    let first_path = place.part(path, 1);
    for number in 1..=place.count {
        let part = place.part(path, number);
        let source = FileSource::open(&part)?;
        let header = header(&source, &part, &mut budget)?;
        check(&header, &part, &place, number)?;
        match &mut reading {
            None => reading = Some(Reading::new(&first_path, header)),
            Some(reading) => reading.append(header, &mut budget)?,
        }
    }
    match reading {
        Some(reading) => {
            reading.complete()?;
            model(reading)
        }
        None => Err(ReadError::PartName { path: path.to_owned(), count: place.count }),
    }
}

/// Refuses a model whose parts are not all there, naming those that are missing.
fn absent(place: &Place<'_>, path: &Path) -> Result<(), ReadError> {
    let mut missing = Vec::new();
    let mut count = 0_usize;
    for number in 1..=place.count {
        let part = place.part(path, number);
        if part.is_file() {
            continue;
        }
        count += 1;
        if missing.len() < NAMED {
            missing
                .push(part.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default());
        }
    }
    if count == 0 {
        return Ok(());
    }
    let mut missing = missing.join(", ");
    if count > NAMED {
        missing = format!("{missing} and {} more", count - NAMED);
    }
    Err(ReadError::Parts { path: path.to_owned(), count: place.count, missing })
}

/// Refuses a part that says that it is another.
fn check(header: &Header, part: &Path, place: &Place<'_>, number: u64) -> Result<(), ReadError> {
    let (Some(found), Some(count)) = (header.number("split.no"), header.number("split.count")) else {
        return Ok(());
    };
    if found.checked_add(1) == Some(number) && count == place.count {
        return Ok(());
    }
    let found = found.saturating_add(1);
    let fault = Fault::Part { found, count, named: number };
    Err(ReadError::Fault { path: part.to_owned(), offset: 0, fault })
}
