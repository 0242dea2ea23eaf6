//! `/v1/chat/completions`: conversations.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use plimsoll_kv::block::Token;
use plimsoll_llm::text::{ChatError, ChatSettings, Given, Message};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::{Answer, Usage, finish};
use super::aside::aside;
use super::ask::{self, Ask, Whole};
use super::cite::{self, Citation, Retrieval};
use super::form::{Manner, not_huge, tokens};
use super::hint::hint;
use super::stream::{self, json};
use super::tools::{self, Call, Held};
use super::{ApiError, Desk, body};
use crate::Limits;
use crate::model::Model;

/// What is asked.
#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    #[serde(default)]
    messages: Vec<Value>,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
    #[serde(default)]
    tools: Vec<Given>,
    tool_choice: Option<Value>,
    /// Answer from passages of a library.
    documents: Option<Retrieval>,
    /// Names that the model's template knows.
    #[serde(default)]
    chat_template_kwargs: BTreeMap<String, Given>,
    #[serde(flatten)]
    manner: Manner,
}

#[derive(Clone, Serialize)]
struct Choice {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<Said>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Clone, Default, Serialize)]
struct Said {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call>,
}

pub(super) async fn answer(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let mut request: Request = body::read(&desk, body).await?;
    let hint = hint(&headers, &request.manner)?;
    let messages = std::mem::take(&mut request.messages);
    let messages = messages.into_iter().map(message).collect::<Result<Vec<_>, _>>()?;
    let model = ask::model(&desk, request.model.clone()).await?;
    let no_tools = match &request.tool_choice {
        None => false,
        Some(choice) if choice == "auto" => false,
        Some(choice) if choice == "none" => true,
        Some(_) => {
            let message = "a model is not made to call a tool here; there are auto and none";
            return Err(ApiError::bad("tool_choice", message));
        }
    };
    let tools = if no_tools { Vec::new() } else { request.tools.clone() };
    let calls = !tools.is_empty();
    let settings =
        ChatSettings { tools, more: request.chat_template_kwargs.clone(), ..ChatSettings::default() };
    let citations = match request.documents.take() {
        Some(wanted) => cite::found(&desk, wanted, &messages).await?,
        None => Vec::new(),
    };
    let asked = request.max_completion_tokens.or(request.max_tokens);
    let (own, limits) = (model.clone(), desk.limits);
    let room = asked.unwrap_or(limits.tokens).min(own.facts().context / 4);
    let cut = aside(move || fitting(&own, &limits, &messages, citations, &settings, room));
    let (prompt, citations) = cut.await??;
    let prompt: Arc<[Token]> = prompt.into();
    let most = tokens("messages", asked, desk.limits.tokens, prompt.len(), model.facts().context)?;
    let answers = request.manner.answers()?;
    let asks = (0..answers).map(|index| {
        Ok(Ask {
            model: model.clone(),
            prompt: Arc::clone(&prompt),
            voice: request.manner.voice(most, index)?,
            hint,
        })
    });
    let asks = asks.collect::<Result<Vec<_>, ApiError>>()?;
    let number = desk.number();
    let mut head = Answer::new(format!("chatcmpl-{number:08x}"), "chat.completion", model.name());
    head.citations = citations;
    drop(model);
    if request.manner.stream == Some(true) {
        head.object = "chat.completion.chunk";
        let wanted = request.manner.stream_options.unwrap_or_default().include_usage;
        let citations = std::mem::take(&mut head.citations);
        let pieces =
            Pieces { head, citations, wanted, held: vec![Held::new(calls); answers], answers, number };
        return stream::answer(&desk, asks, pieces).await;
    }
    let ends = ask::all(&desk, asks).await?;
    let usage = Usage::of(&ends, answers);
    let choices = ends.into_iter().enumerate().map(|(index, end)| {
        let (content, tool_calls) =
            if calls { tools::found(&end.text, number) } else { (end.text, Vec::new()) };
        let finish_reason = if tool_calls.is_empty() { finish(end.finish) } else { Some("tool_calls") };
        let content = (tool_calls.is_empty() || !content.is_empty()).then_some(content);
        let message = Some(Said { role: Some("assistant"), content, tool_calls });
        Choice { index, message, delta: None, logprobs: None, finish_reason }
    });
    let choices = choices.collect();
    Ok(Json(Answer { choices, usage: Some(usage), ..head }).into_response())
}

/// The tokens of a conversation, with as many passages as leave room for an answer.
fn fitting(
    model: &Model,
    limits: &Limits,
    messages: &[Message],
    mut citations: Vec<Citation>,
    settings: &ChatSettings,
    room: usize,
) -> Result<(Vec<Token>, Vec<Citation>), ApiError> {
    let bytes = messages.iter().filter_map(|message| message.content.as_ref()).map(String::len).sum();
    let context = model.facts().context;
    not_huge("messages", bytes, context, limits)?;
    loop {
        let shown = cite::shown(messages, &citations);
        let tokens = model.chat().tokens(&shown, settings).map_err(|error| refused(&error))?;
        if citations.is_empty() || tokens.len() + room <= context {
            return Ok((tokens, citations));
        }
        citations.pop();
    }
}

/// A message, with its text whole where it came in parts.
fn message(mut value: Value) -> Result<Message, ApiError> {
    let bad = |what: String| ApiError::bad("messages", what);
    let Some(fields) = value.as_object_mut() else {
        return Err(bad("a message is an object with a role and a content".to_owned()));
    };
    if let Some(Value::Array(parts)) = fields.get("content") {
        let mut text = String::new();
        for part in parts {
            match (part.get("type").and_then(Value::as_str), part.get("text").and_then(Value::as_str)) {
                (Some("text" | "input_text"), Some(more)) => text.push_str(more),
                (kind, _) => {
                    let kind = kind.unwrap_or("nothing").to_owned();
                    return Err(bad(format!("a part of a message is {kind}; only text is read here")));
                }
            }
        }
        fields.insert("content".to_owned(), Value::String(text));
    }
    serde_json::from_value(value).map_err(|error| bad(format!("a message cannot be read: {error}")))
}

/// Who gave the template what it does not take is told so; a template that is broken is the model's fault.
fn refused(error: &ChatError) -> ApiError {
    match error {
        ChatError::Refused { .. }
        | ChatError::Empty
        | ChatError::Letters
        | ChatError::Tools { .. }
        | ChatError::Text(_) => ApiError::bad("messages", error.to_string()),
        _ => ApiError::failed(error.to_string()),
    }
}

/// The pieces of a stream.
#[derive(Clone)]
struct Pieces {
    head: Answer<Choice>,
    /// Told once, before the text.
    citations: Vec<Citation>,
    wanted: bool,
    held: Vec<Held>,
    answers: usize,
    number: u64,
}

impl Pieces {
    fn piece(&self, index: usize, delta: Said, finish_reason: Option<&'static str>) -> String {
        let choice = Choice { index, message: None, delta: Some(delta), logprobs: None, finish_reason };
        json(&Answer { choices: vec![choice], ..self.head.clone() })
    }
}

impl stream::Shape for Pieces {
    fn begin(&self, index: usize) -> Option<String> {
        let begin = Said { role: Some("assistant"), content: Some(String::new()), ..Said::default() };
        let choice = Choice { index, message: None, delta: Some(begin), logprobs: None, finish_reason: None };
        let citations = if index == 0 { self.citations.clone() } else { Vec::new() };
        Some(json(&Answer { choices: vec![choice], citations, ..self.head.clone() }))
    }

    fn text(&mut self, index: usize, text: &str) -> Option<String> {
        let text = self.held.get_mut(index)?.push(text);
        (!text.is_empty()).then(|| self.piece(index, Said { content: Some(text), ..Said::default() }, None))
    }

    fn end(&mut self, index: usize, end: &Whole) -> Vec<String> {
        let Some(held) = self.held.get_mut(index) else { return Vec::new() };
        let (text, tool_calls) = held.finish(&end.text, self.number);
        let mut pieces = Vec::new();
        if !text.is_empty() {
            pieces.push(self.piece(index, Said { content: Some(text), ..Said::default() }, None));
        }
        let reason = if tool_calls.is_empty() { finish(end.finish) } else { Some("tool_calls") };
        if !tool_calls.is_empty() {
            pieces.push(self.piece(index, Said { tool_calls, ..Said::default() }, None));
        }
        pieces.push(self.piece(index, Said::default(), reason));
        pieces
    }

    fn usage(&self, ends: &[Whole]) -> Option<String> {
        let usage = Some(Usage::of(ends, self.answers));
        self.wanted.then(|| json(&Answer { usage, ..self.head.clone() }))
    }
}
