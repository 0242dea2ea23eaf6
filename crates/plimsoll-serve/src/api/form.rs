//! Fields that several kinds of requests have.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use plimsoll_llm::Sampling;
use serde::Deserialize;

use super::ApiError;
use crate::Limits;
use crate::batch::{Format, VoiceSettings};

/// One or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOr<T> {
    One(T),
    Several(Vec<T>),
}

impl<T> OneOr<T> {
    pub(super) fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Several(several) => several,
        }
    }
}

/// What a stream is to have besides text.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct StreamOptions {
    /// A last piece that says how many tokens there were.
    #[serde(default)]
    pub(super) include_usage: bool,
}

/// Which form an answer is to have.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ResponseFormat {
    r#type: String,
}

/// How a text is to be written. What is not said is as the program's own `generate` has it.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Manner {
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<usize>,
    min_p: Option<f32>,
    repeat_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    logit_bias: Option<HashMap<String, f32>>,
    seed: Option<i64>,
    stop: Option<OneOr<String>>,
    response_format: Option<ResponseFormat>,
    /// How many answers.
    pub(super) n: Option<usize>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    pub(super) stream_options: Option<StreamOptions>,
    /// A session's name, and how long it is kept: see `hint.rs`.
    pub(super) prompt_cache_key: Option<String>,
    pub(super) prompt_cache_retention: Option<String>,
    logprobs: Option<serde_json::Value>,
}

/// Answers to one request at most.
const ANSWERS: usize = 16;
/// Texts at which to end at most, and how long each may be.
const STOPS: usize = 16;
const STOP_BYTES: usize = 512;
/// Tokens that a bias is given for at most: all are looked at for each token of the text.
const BIASES: usize = 1024;
/// Texts that one request is answered with at most, all prompts and answers together.
pub(super) const TEXTS: usize = 64;

impl Manner {
    /// How many answers are wanted.
    pub(super) fn answers(&self) -> Result<usize, ApiError> {
        match self.n.unwrap_or(1) {
            n @ 1..=ANSWERS => Ok(n),
            n => Err(ApiError::bad("n", format!("{n} answers were asked for; ask for 1 to {ANSWERS}"))),
        }
    }

    /// What it means, for an answer of so many tokens. `index` tells several answers to one request apart.
    pub(super) fn voice(&self, tokens: usize, index: usize) -> Result<VoiceSettings, ApiError> {
        if self
            .logprobs
            .as_ref()
            .is_some_and(|wanted| !matches!(wanted, serde_json::Value::Bool(false) | serde_json::Value::Null))
        {
            return Err(ApiError::bad(
                "logprobs",
                "chances of tokens are not told here; leave `logprobs` out",
            ));
        }
        let format = match self.response_format.as_ref().map(|format| format.r#type.as_str()) {
            None | Some("text") => Format::Text,
            Some("json_object") => Format::Json,
            Some(other) => {
                let message = format!("the form {other:?} is not kept here; there are text and json_object");
                return Err(ApiError::bad("response_format", message));
            }
        };
        let stops = self.stop.clone().map(OneOr::into_vec).unwrap_or_default();
        if stops.len() > STOPS {
            return Err(ApiError::bad(
                "stop",
                format!("{} texts to end at are more than {STOPS}", stops.len()),
            ));
        }
        if let Some(long) = stops.iter().find(|stop| stop.len() > STOP_BYTES) {
            let message = format!("a text of {} bytes to end at is longer than {STOP_BYTES}", long.len());
            return Err(ApiError::bad("stop", message));
        }
        not_more("logit_bias", self.logit_bias.as_ref().map_or(0, HashMap::len), BIASES)?;
        let own = Sampling::default();
        let seed = self.seed.map_or_else(chance, i64::cast_unsigned);
        let sampling = Sampling {
            temperature: self.temperature.unwrap_or(own.temperature),
            top_k: self.top_k.unwrap_or(own.top_k),
            top_p: self.top_p.unwrap_or(own.top_p),
            min_p: self.min_p.unwrap_or(own.min_p),
            repeat_penalty: self.repeat_penalty.unwrap_or(own.repeat_penalty),
            seed: seed.wrapping_add(index as u64),
            ..own
        };
        Ok(VoiceSettings {
            sampling,
            frequency_penalty: within("frequency_penalty", self.frequency_penalty)?,
            presence_penalty: within("presence_penalty", self.presence_penalty)?,
            bias: self.bias()?,
            stops,
            tokens,
            format,
        })
    }

    fn bias(&self) -> Result<HashMap<u32, f32>, ApiError> {
        let pairs = self.logit_bias.iter().flatten();
        pairs
            .map(|(token, bias)| {
                let number = token.parse::<u32>().ok().filter(|_| bias.is_finite());
                let message = || format!("{token:?}: {bias} is no token's number with a finite bias");
                number.map(|token| (token, *bias)).ok_or_else(|| ApiError::bad("logit_bias", message()))
            })
            .collect()
    }
}

fn within(name: &'static str, value: Option<f32>) -> Result<f32, ApiError> {
    match value.unwrap_or(0.0) {
        value if (-2.0..=2.0).contains(&value) => Ok(value),
        value => Err(ApiError::bad(name, format!("{value} is not between -2 and 2"))),
    }
}

/// A seed for who does not give one.
fn chance() -> u64 {
    static TURN: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    #[expect(clippy::cast_possible_truncation, reason = "any bits do")]
    let now = now.as_nanos() as u64;
    now ^ turn.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Tokens of an answer at most: as many as are asked for, or as usual; never more than the context has left.
pub(super) fn tokens(
    param: &'static str,
    asked: Option<usize>,
    usual: usize,
    prompt: usize,
    context: usize,
) -> Result<usize, ApiError> {
    let left = context.saturating_sub(prompt);
    if left == 0 {
        let message = format!(
            "the prompt has {prompt} tokens, and the model's context {context}: there is no room for an answer; shorten it"
        );
        return Err(ApiError::context(param, message));
    }
    match asked {
        Some(0) => {
            Err(ApiError::bad("max_tokens", "an answer of no tokens was asked for; ask for one at least"))
        }
        Some(asked) => Ok(asked.min(left)),
        None => Ok(usual.min(left)),
    }
}

/// The seconds since 1970, as answers carry them.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Whether the request's own limits allow this many tokens of text at all: nobody cuts a novel to find that it is too long.
pub(super) fn not_huge(
    param: &'static str,
    bytes: usize,
    context: usize,
    limits: &Limits,
) -> Result<(), ApiError> {
    // No token has more letters than this in any vocabulary that is about.
    const LETTERS: usize = 128;
    if bytes > context.saturating_mul(LETTERS) || bytes as u64 > limits.body.get() {
        let message = format!(
            "the prompt has {bytes} bytes, which the model's context of {context} tokens cannot hold"
        );
        return Err(ApiError::context(param, message));
    }
    Ok(())
}

/// No more of something than is served at once.
pub(super) fn not_more(param: &'static str, found: usize, most: usize) -> Result<(), ApiError> {
    if found > most {
        return Err(ApiError::bad(
            param,
            format!("{found} are more than {most} at once; send them in parts"),
        ));
    }
    Ok(())
}
