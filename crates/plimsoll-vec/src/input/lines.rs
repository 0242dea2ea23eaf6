//! A line of JSON as a vector.

use serde::Deserialize;

/// What a line may be.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Bare(Vec<f64>),
    Named {
        id: Option<u64>,
        #[serde(alias = "embedding", alias = "values")]
        vector: Vec<f64>,
    },
}

/// A vector and its id, if it has one; what is wrong with it otherwise.
pub(super) fn vector(line: &[u8]) -> Result<(Option<u64>, Vec<f64>), String> {
    match serde_json::from_slice(line) {
        Ok(Line::Bare(vector)) => Ok((None, vector)),
        Ok(Line::Named { id, vector }) => Ok((id, vector)),
        Err(error) => {
            Err(if error.is_data() { "it is JSON, but not that".to_owned() } else { error.to_string() })
        }
    }
}
