//! `/v1/completions`: texts that go on.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use plimsoll_kv::block::Token;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, Usage, finish};
use super::aside::aside;
use super::ask::{self, Ask, Whole};
use super::form::{Manner, TEXTS, not_more, tokens};
use super::hint::hint;
use super::prompt::Prompt;
use super::stream::{self, json};
use super::{ApiError, Desk, body};

/// Tokens of an answer that does not say how many: what OpenAI's service has.
const USUAL: usize = 16;

/// What is asked.
#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    prompt: Option<Prompt>,
    max_tokens: Option<usize>,
    #[serde(default)]
    echo: bool,
    best_of: Option<usize>,
    suffix: Option<String>,
    #[serde(flatten)]
    manner: Manner,
}

#[derive(Clone, Serialize)]
struct Choice {
    index: usize,
    text: String,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

pub(super) async fn answer(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let request: Request = body::read(&desk, body).await?;
    let hint = hint(&headers, &request.manner)?;
    if request.best_of.is_some_and(|best| best > 1) {
        return Err(ApiError::bad(
            "best_of",
            "only one text is written for each answer; leave `best_of` out",
        ));
    }
    if request.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
        return Err(ApiError::bad("suffix", "texts are only written on at their end; leave `suffix` out"));
    }
    let (prompt, limits) = (request.prompt.unwrap_or_default(), desk.limits);
    let answers = request.manner.answers()?;
    if prompt.count() == 0 {
        return Err(ApiError::bad("prompt", "there is no text among the prompts; give one at least"));
    }
    // Before any of them is looked at.
    not_more("prompt", prompt.count().saturating_mul(answers), TEXTS)?;
    let model = ask::model(&desk, request.model).await?;
    let head = Answer::new(format!("cmpl-{:08x}", desk.number()), "text_completion", model.name());
    // The hit itself goes along: what is not done with must not be given up, whoever leaves.
    let own = model.clone();
    let prompts = aside(move || prompt.cut(&own, &limits, "prompt")).await??;
    let (mut asks, mut echoes) = (Vec::new(), Vec::new());
    for (prompt, text) in prompts {
        let (prompt, text): (Arc<[Token]>, Arc<str>) = (prompt.into(), text.into());
        for _ in 0..answers {
            let most = tokens("prompt", request.max_tokens, USUAL, prompt.len(), model.facts().context)?;
            let voice = request.manner.voice(most, asks.len())?;
            asks.push(Ask { model: model.clone(), prompt: Arc::clone(&prompt), voice, hint });
            echoes.push(request.echo.then(|| Arc::clone(&text)));
        }
    }
    if request.manner.stream == Some(true) {
        let wanted = request.manner.stream_options.unwrap_or_default().include_usage;
        return stream::answer(&desk, asks, Pieces { head, echoes: echoes.into(), wanted, answers }).await;
    }
    let ends = ask::all(&desk, asks).await?;
    let usage = Usage::of(&ends, answers);
    let choices = ends.into_iter().zip(echoes).enumerate();
    let choices = choices
        .map(|(index, (end, echo))| Choice {
            index,
            text: echo.as_deref().unwrap_or_default().to_owned() + &end.text,
            logprobs: None,
            finish_reason: finish(end.finish),
        })
        .collect();
    Ok(Json(Answer { choices, usage: Some(usage), ..head }).into_response())
}

/// The pieces of a stream.
#[derive(Clone)]
struct Pieces {
    head: Answer<Choice>,
    echoes: Arc<[Option<Arc<str>>]>,
    wanted: bool,
    answers: usize,
}

impl Pieces {
    fn piece(&self, index: usize, text: &str, finish_reason: Option<&'static str>) -> String {
        let choice = Choice { index, text: text.to_owned(), logprobs: None, finish_reason };
        json(&Answer { choices: vec![choice], ..self.head.clone() })
    }
}

impl stream::Shape for Pieces {
    fn begin(&self, index: usize) -> Option<String> {
        let echo = self.echoes.get(index)?.as_ref()?;
        Some(self.piece(index, echo, None))
    }

    fn text(&mut self, index: usize, text: &str) -> Option<String> {
        (!text.is_empty()).then(|| self.piece(index, text, None))
    }

    fn end(&mut self, index: usize, end: &Whole) -> Vec<String> {
        vec![self.piece(index, &end.text, finish(end.finish))]
    }

    fn usage(&self, ends: &[Whole]) -> Option<String> {
        let usage = Some(Usage::of(ends, self.answers));
        self.wanted.then(|| json(&Answer { usage, ..self.head.clone() }))
    }
}
