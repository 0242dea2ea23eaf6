//! Files of whole numbers and of vectors that are small enough to be read at once.

use std::path::Path;

use plimsoll::governor::{Charge, Reservation};
use plimsoll::holding::{Site, Streaming};
use plimsoll::{Bytes, EngineAccount, Place};
use plimsoll_vec::index::VecError;
use plimsoll_vec::input::{Input, Origin};

use crate::CliError;

/// Vectors in memory, and what pays for them.
#[derive(Debug)]
pub(super) struct Vectors {
    pub(super) dimension: usize,
    pub(super) numbers: Vec<f32>,
    _charges: Vec<Charge>,
}

/// All vectors of a file, within the account.
pub(super) fn vectors(origin: Origin<'_>, account: &EngineAccount) -> Result<Vectors, CliError> {
    const AT_ONCE: usize = 64;
    // Of the host, where the account may have a share of a device too.
    let streaming = Streaming::open(&Site::new(account, Place::Host), "queries");
    let facts = Input::facts_of(origin).map_err(VecError::from)?;
    let dimension = facts.dimension;
    let pay =
        |bytes| account.reserve(Place::Host, bytes).now().map(Reservation::back).map_err(VecError::from);
    let charge = |rows: usize| pay(Bytes::new((rows * dimension * 4) as u64));
    let _decoding = pay(facts.beside)?;
    let mut input = Input::open(origin, &streaming, Bytes::kib(16)).map_err(VecError::from)?;
    let (mut numbers, mut ids) = (Vec::new(), Vec::new());
    let mut charges = vec![charge(AT_ONCE)?];
    if let Some(rows) = facts.rows.and_then(|rows| usize::try_from(rows).ok()) {
        charges.push(charge(rows)?);
        numbers.reserve_exact(rows * dimension);
    }
    let known = charges.len() > 1;
    let mut part = vec![0.0; dimension * AT_ONCE];
    loop {
        let count = input.read(&mut part, &mut ids).map_err(VecError::from)?;
        if count == 0 {
            return Ok(Vectors { dimension, numbers, _charges: charges });
        }
        if !known {
            // A vector that grows has twice its room at times.
            charges.push(charge(count * 2)?);
        }
        numbers.extend_from_slice(&part[..count * dimension]);
    }
}

/// Ids as text: one a line, or with commas or spaces between them.
pub(super) fn ids(path: &Path) -> Result<Vec<u64>, CliError> {
    let failed = |source| CliError::Read { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let words = text.split([',', ' ', '\t', '\r', '\n', '[', ']']).filter(|word| !word.is_empty());
    let id =
        |word: &str| word.parse().map_err(|_| CliError::Ids { path: path.to_owned(), word: word.to_owned() });
    words.map(id).collect()
}
