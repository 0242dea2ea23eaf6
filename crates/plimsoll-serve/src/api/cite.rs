//! Answers from passages: they are found, shown to the model with numbers, and told with the answer.

use std::fmt::Write as _;
use std::sync::Arc;

use plimsoll_llm::text::Message;
use serde::{Deserialize, Serialize};

use super::search::{self, Passage, Wanted};
use super::{ApiError, Desk};

/// Passages where it is not said how many.
const USUAL: usize = 4;
/// What a model is told of them.
const TOLD: &str = "Answer from the passages below, and name those that you use by their numbers, as [1]. If they do not answer \
                    the question, say so.";

/// From which passages an answer is wanted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retrieval {
    library: Option<String>,
    k: Option<usize>,
    mode: Option<Wanted>,
    /// What is looked for; what was asked last, unless said.
    query: Option<String>,
}

/// A passage, by the number that an answer names it by.
#[derive(Clone, Serialize)]
pub(super) struct Citation {
    index: usize,
    #[serde(flatten)]
    passage: Passage,
}

/// The passages for a conversation.
pub(super) async fn found(
    desk: &Arc<Desk>,
    wanted: Retrieval,
    messages: &[Message],
) -> Result<Vec<Citation>, ApiError> {
    let asked = || {
        messages
            .iter()
            .rev()
            .find(|message| message.role == "user")
            .and_then(|message| message.content.clone())
    };
    let Some(query) = wanted.query.or_else(asked).filter(|query| !query.trim().is_empty()) else {
        return Err(ApiError::bad("documents", "nobody asked anything that passages could answer"));
    };
    let shelf = desk.shelves().get(wanted.library.as_deref())?;
    let (_, passages) = search::find(desk, &shelf, query, wanted.k.unwrap_or(USUAL), wanted.mode).await?;
    Ok(passages
        .into_iter()
        .enumerate()
        .map(|(index, passage)| Citation { index: index + 1, passage })
        .collect())
}

/// The conversation as the model sees it: what it is told first names the passages.
pub(super) fn shown(messages: &[Message], citations: &[Citation]) -> Vec<Message> {
    if citations.is_empty() {
        return messages.to_vec();
    }
    let mut text = TOLD.to_owned();
    for Citation { index, passage } in citations {
        let name = passage.found.name.rsplit('/').next().unwrap_or_default();
        let heading =
            passage.found.heading.as_deref().map(|heading| format!(", {heading}")).unwrap_or_default();
        // A string takes whatever is written to it.
        let _ = write!(text, "\n\n[{index}] {name}{heading}\n{}", passage.found.text.trim());
    }
    let mut shown = messages.to_vec();
    match shown.first_mut().filter(|first| first.role == "system") {
        Some(first) => {
            let before = first.content.take().unwrap_or_default();
            first.content = Some(format!("{before}\n\n{text}"));
        }
        None => shown.insert(0, Message::new("system", text)),
    }
    shown
}
