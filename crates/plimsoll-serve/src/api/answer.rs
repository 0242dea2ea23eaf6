//! What answers of all kinds have in common.

use serde::Serialize;

use super::ask::Whole;
use super::cite::Citation;
use super::form::now;
use crate::batch::Finish;

/// An answer, or a piece of one: its choices are those of its kind.
#[derive(Clone, Serialize)]
pub(super) struct Answer<C> {
    pub(super) id: String,
    pub(super) object: &'static str,
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) choices: Vec<C>,
    /// The passages that it was to be answered from, by the numbers that it names them by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) citations: Vec<Citation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<Usage>,
}

impl<C> Answer<C> {
    /// One without choices yet.
    pub(super) fn new(id: String, object: &'static str, model: &str) -> Self {
        Self {
            id,
            object,
            created: now(),
            model: model.to_owned(),
            choices: Vec::new(),
            citations: Vec::new(),
            usage: None,
        }
    }
}

/// How many tokens there were.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Usage {
    prompt_tokens: usize,
    completion_tokens: usize,
    total_tokens: usize,
    prompt_tokens_details: Cached,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Cached {
    cached_tokens: usize,
}

impl Usage {
    /// Of all answers together; a prompt of `answers` answers counts once, as what was computed for it does.
    pub(super) fn of(ends: &[Whole], answers: usize) -> Self {
        let prompts = ends.iter().step_by(answers.max(1));
        let (prompt_tokens, cached_tokens) =
            prompts.fold((0, 0), |(prompt, cached), end| (prompt + end.prompt, cached + end.cached));
        let completion_tokens = ends.iter().map(|end| end.tokens).sum();
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens + completion_tokens,
            prompt_tokens_details: Cached { cached_tokens },
        }
    }
}

/// Why it ended, in OpenAI's words.
pub(super) fn finish(finish: Option<Finish>) -> Option<&'static str> {
    finish.map(|finish| match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    })
}
