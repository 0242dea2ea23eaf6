//! `/v1/embeddings`: texts as vectors.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::aside::aside;
use super::form::not_more;
use super::prompt::Prompt;
use super::{ApiError, Desk, ask, base64, body};

/// Texts of one request at most.
const TEXTS: usize = 2048;

/// What is asked.
#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    input: Option<Prompt>,
    encoding_format: Option<String>,
    dimensions: Option<usize>,
}

#[derive(Serialize)]
struct Answer {
    object: &'static str,
    data: Vec<Embedding>,
    model: String,
    usage: Usage,
}

#[derive(Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    #[serde(rename = "embedding")]
    numbers: Numbers,
}

/// As they were asked for.
#[derive(Serialize)]
#[serde(untagged)]
enum Numbers {
    Plain(Vec<f32>),
    /// Singles, the lowest byte first, in base64.
    Packed(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

pub(super) async fn answer(State(desk): State<Arc<Desk>>, body: Body) -> Result<Response, ApiError> {
    let request: Request = body::read(&desk, body).await?;
    let packed = match request.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => {
            let message = format!("the format {other:?} is not known; there are float and base64");
            return Err(ApiError::bad("encoding_format", message));
        }
    };
    if request.dimensions.is_some() {
        return Err(ApiError::bad("dimensions", "vectors are as wide as the model; leave `dimensions` out"));
    }
    let Some(input) = request.input else {
        return Err(ApiError::bad("input", "there is nothing to embed; give a text or several"));
    };
    // Before any of them is looked at.
    not_more("input", input.count(), TEXTS)?;
    let model = ask::model(&desk, request.model).await?;
    let (own, limits) = (model.clone(), desk.limits);
    let texts = aside(move || input.cut(&own, &limits, "input")).await??;
    let context = model.facts().context;
    if let Some((index, (tokens, _))) =
        texts.iter().enumerate().find(|(_, (tokens, _))| tokens.len() > context)
    {
        let message = format!(
            "text {index} has {} tokens, and the model's context {context}; shorten it",
            tokens.len()
        );
        return Err(ApiError::context("input", message));
    }
    let (mut data, mut count) = (Vec::with_capacity(texts.len()), 0);
    for (index, (tokens, _)) in texts.into_iter().enumerate() {
        count += tokens.len();
        // One text's pages at a time: many texts wait for their turn, and others come in between.
        let seat = model.seat(desk.seats(), tokens.len(), |_| ()).await?;
        // A model embeds one text at a time: whoever waits for it holds no thread.
        let turn = desk.embedding.acquire().await.map_err(|_| ApiError::closing())?;
        let own = model.clone();
        let made = aside(move || {
            let made = own.embed(&tokens);
            drop(seat);
            made
        });
        let numbers = made.await??;
        drop(turn);
        let numbers =
            if packed { Numbers::Packed(base64::singles(&numbers)) } else { Numbers::Plain(numbers) };
        data.push(Embedding { object: "embedding", index, numbers });
    }
    let usage = Usage { prompt_tokens: count, total_tokens: count };
    Ok(Json(Answer { object: "list", data, model: model.name().to_owned(), usage }).into_response())
}
