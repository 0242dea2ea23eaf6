//! Asks a service for a question and its answer.

use std::time::Duration;

use plimsoll_docs::Match;
use serde_json::{Value, json};

/// How long an answer may take, waiting for memory included.
const PATIENCE: Duration = Duration::from_mins(10);
/// How often a service that has no room at the moment is asked again.
const TRIES: u32 = 8;
/// Tokens of a question at most.
const QUESTION: u32 = 64;

/// A service and how to ask it.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    agent: ureq::Agent,
    url: String,
    key: Option<String>,
    tokens: u32,
}

/// What came of a passage.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) question: String,
    pub(super) answer: String,
    pub(super) model: String,
    /// Tokens of the two prompts, and those that did not have to be computed.
    pub(super) read: u64,
    pub(super) cached: u64,
}

/// Why nothing came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The model said nothing that is a pair.
    Empty,
    /// The service refused it, or is not there.
    Service(String),
}

impl Asker {
    pub(super) fn new(url: &str, key: Option<String>, tokens: u32) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false);
        Self { agent: config.build().into(), url: url.trim_end_matches('/').to_owned(), key, tokens }
    }

    /// A question that a passage answers, and its answer.
    ///
    /// The passage comes first in both requests, so that a cache of keys and values serves the second with what the first computed.
    pub(super) fn pair(&self, passage: &Match) -> Result<Pair, Refused> {
        let heading = passage.heading.as_deref().map(|heading| format!("{heading}\n\n")).unwrap_or_default();
        let shown = format!("{heading}{}\n\n", passage.text);
        let first = self.ask(
            &format!("{shown}Write one question that the passage above answers. Write the question alone."),
            QUESTION,
        )?;
        let question = one_line(&text(&first));
        if question.is_empty() {
            return Err(Refused::Empty);
        }
        let second = self.ask(
            &format!("{shown}Answer from the passage above alone, in a sentence or two: {question}"),
            self.tokens,
        )?;
        let answer = text(&second).trim().to_owned();
        if answer.is_empty() {
            return Err(Refused::Empty);
        }
        let count =
            |name: &str| [&first, &second].iter().filter_map(|said| said.pointer(name)?.as_u64()).sum();
        let model = second["model"].as_str().unwrap_or_default().to_owned();
        let (read, cached) =
            (count("/usage/prompt_tokens"), count("/usage/prompt_tokens_details/cached_tokens"));
        Ok(Pair { question, answer, model, read, cached })
    }

    fn ask(&self, text: &str, tokens: u32) -> Result<Value, Refused> {
        let body =
            json!({"messages": [{"role": "user", "content": text}], "max_tokens": tokens, "temperature": 0})
                .to_string();
        for turn in 1.. {
            let mut request =
                self.agent.post(format!("{}/v1/chat/completions", self.url)).content_type("application/json");
            if let Some(key) = &self.key {
                request = request.header("Authorization", format!("Bearer {key}"));
            }
            let failed = |error: ureq::Error| Refused::Service(error.to_string());
            let mut answer = request.send(&body).map_err(failed)?;
            let status = answer.status().as_u16();
            let said = answer.body_mut().read_to_string().map_err(failed)?;
            if status == 200 {
                return serde_json::from_str(&said).map_err(|error| Refused::Service(error.to_string()));
            }
            if !matches!(status, 429 | 503) || turn == TRIES {
                return Err(Refused::Service(format!("{status}: {}", message(&said))));
            }
            let header =
                answer.headers().get("retry-after").and_then(|text| text.to_str().ok()?.parse().ok());
            std::thread::sleep(Duration::from_secs(header.unwrap_or(u64::from(turn)).min(30)));
        }
        unreachable!("the last turn returns")
    }
}

fn text(said: &Value) -> String {
    said.pointer("/choices/0/message/content").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The first line that says something: models like to go on.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

fn message(body: &str) -> String {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    let said = value.pointer("/error/message").and_then(Value::as_str);
    said.map_or_else(|| body.chars().take(200).collect(), str::to_owned)
}
