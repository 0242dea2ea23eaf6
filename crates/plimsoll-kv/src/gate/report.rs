//! What was measured of a precision.

use serde::{Deserialize, Deserializer, Serialize};

use crate::codec::Precision;

/// How far a model is off when its context has been through a precision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// Which.
    pub precision: Precision,
    /// The form's [tag](crate::codec::Form::tag): what another version encodes must be measured again.
    pub form: u32,
    /// Texts that were read.
    pub texts: usize,
    /// Tokens whose next was predicted.
    pub tokens: usize,
    /// Blocks that went through.
    pub blocks: usize,
    /// Of those, how many stayed native because they cannot be quantized.
    pub native_blocks: usize,
    /// Kullback–Leibler divergence of the next token, full precision against this one, in nats a token.
    #[serde(deserialize_with = "number")]
    pub kl_mean: f64,
    /// 99 of 100 tokens have at most this.
    #[serde(deserialize_with = "number")]
    pub kl_p99: f64,
    /// The largest.
    #[serde(deserialize_with = "number")]
    pub kl_max: f64,
    /// The part of tokens after which the likeliest next token is the same.
    #[serde(deserialize_with = "number")]
    pub greedy_agreement: f64,
    /// Perplexity of the texts over that in full precision.
    #[serde(deserialize_with = "number")]
    pub perplexity_ratio: f64,
    /// What the mean is held to.
    pub limit: f64,
    /// Whether it is within.
    pub passed: bool,
}

/// What is not a number has no word in JSON, and is written as `null`.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or(f64::NAN))
}
