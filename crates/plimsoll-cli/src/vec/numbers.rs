//! Files of whole numbers and of vectors that are small enough to be read at once.

use std::path::Path;

use plimsoll::{Bytes, EngineAccount};
use plimsoll_vec::index::VecError;
use plimsoll_vec::input::Input;

use crate::CliError;

/// All vectors of a file. They are charged to nobody: queries are as many as the caller has.
pub(super) fn vectors(path: &Path, account: &EngineAccount) -> Result<(usize, Vec<f32>), CliError> {
    let streaming = account.engine().streaming(account.path()).map_err(VecError::from)?;
    let mut input = Input::open(path, &streaming, Bytes::mib(1)).map_err(VecError::from)?;
    let dimension = input.facts().dimension;
    let (mut all, mut ids) = (Vec::new(), Vec::new());
    let mut part = vec![0.0; dimension * 64];
    loop {
        let count = input.read(&mut part, &mut ids).map_err(VecError::from)?;
        if count == 0 {
            return Ok((dimension, all));
        }
        all.extend_from_slice(&part[..count * dimension]);
    }
}

/// Ids as text: one a line, or with commas or spaces between them.
pub(super) fn ids(path: &Path) -> Result<Vec<u64>, CliError> {
    let failed = |source| CliError::Read { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let words = text.split([',', ' ', '\t', '\r', '\n', '[', ']']).filter(|word| !word.is_empty());
    let id = |word: &str| word.parse().map_err(|_| CliError::Ids { path: path.to_owned(), word: word.to_owned() });
    words.map(id).collect()
}
