//! What a line of a trace says.

use serde::Deserialize;

/// A request of Mooncake's format. What else a line has is passed over.
#[derive(Debug, Deserialize)]
pub(super) struct RequestLine {
    /// Milliseconds.
    pub timestamp: f64,
    pub input_length: u64,
    pub hash_ids: Vec<u64>,
}

/// A session of an agent.
#[derive(Debug, Deserialize)]
pub(super) struct SessionLine {
    pub block_tokens: u32,
    pub requests: Vec<TurnLine>,
}

/// One request of a session.
#[derive(Debug, Deserialize)]
pub(super) struct TurnLine {
    /// Seconds.
    pub t: f64,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    #[serde(rename = "in")]
    pub input: u64,
    pub keep: usize,
    pub new: Vec<u64>,
}

/// Either.
#[derive(Debug)]
pub(super) enum Line {
    Request(RequestLine),
    Session(SessionLine),
}

impl Line {
    /// Told apart by the field that only sessions have, so that what is wrong with a line is said of its own kind.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Kind {
            #[serde(default)]
            requests: Option<serde::de::IgnoredAny>,
        }
        let kind: Kind = serde_json::from_str(text)?;
        Ok(if kind.requests.is_some() {
            Self::Session(serde_json::from_str(text)?)
        } else {
            Self::Request(serde_json::from_str(text)?)
        })
    }
}
