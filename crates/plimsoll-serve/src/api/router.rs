//! Which path is which answer.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::{ApiError, Desk, chat, completions, documents, embeddings, facts, models, search};
use crate::page;

pub(crate) fn router(desk: &Arc<Desk>) -> Router {
    let guarded = Router::new()
        .route("/v1/models", get(models::list))
        .route("/v1/models/{name}", get(models::one))
        .route("/v1/chat/completions", post(chat::answer))
        .route("/v1/completions", post(completions::answer))
        .route("/v1/embeddings", post(embeddings::answer))
        .route("/v1/search", post(search::answer))
        .route("/v1/documents", get(documents::list).post(documents::add))
        .route("/v1/documents/{id}", get(documents::one).delete(documents::remove))
        .route("/metrics", get(facts::metrics))
        .route("/memory", get(facts::memory))
        .route("/activity", get(facts::activity))
        .route_layer(from_fn_with_state(Arc::clone(desk), key));
    Router::new()
        .merge(guarded)
        .merge(page::routes())
        // Whoever watches over a service asks how it is, and has no key.
        .route("/health", get(facts::health))
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(Arc::clone(desk), count))
        .with_state(Arc::clone(desk))
}

async fn key(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    if !desk.keys.admit(request.headers()) {
        let message = "a key is needed: send it as `Authorization: Bearer …`";
        return ApiError::status(StatusCode::UNAUTHORIZED, "invalid_api_key", message).into_response();
    }
    if desk.keys.is_open()
        && let Some(refused) = foreign(&desk, request.headers())
    {
        return refused.into_response();
    }
    next.run(request).await
}

/// Without keys whoever can reach the address may ask, but not the pages of others through their readers' browsers: what comes from
/// another page says so, and a name that was made to lead to this machine is none of its own.
fn foreign(desk: &Desk, headers: &HeaderMap) -> Option<ApiError> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host = text(HOST).unwrap_or_default();
    let elsewhere =
        text(ORIGIN).is_some_and(|origin| origin.split_once("://").map_or(origin, |(_, rest)| rest) != host);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    let own = name.is_empty() || name == "localhost" || name.parse::<IpAddr>().is_ok();
    let message =
        "this service has no keys and does not answer pages of other addresses; give it one with --key";
    (elsewhere || (desk.is_local() && !own))
        .then(|| ApiError::status(StatusCode::FORBIDDEN, "foreign_page", message))
}

async fn count(State(desk): State<Arc<Desk>>, request: Request, next: Next) -> Response {
    desk.counts.asked.fetch_add(1, Ordering::Relaxed);
    let response = next.run(request).await;
    let counter = match response.status() {
        status if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE => {
            &desk.counts.failed
        }
        status if status.is_client_error() || status.is_server_error() => &desk.counts.refused,
        _ => return response,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    response
}

async fn unknown(request: Request) -> ApiError {
    let message = format!(
        "there is nothing at {}; there are /v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models, /v1/search, /v1/documents, /health, /metrics, /memory and \
         /activity",
        request.uri().path().chars().take(100).collect::<String>()
    );
    ApiError::status(StatusCode::NOT_FOUND, "not_found", message)
}

async fn other_method(request: Request) -> ApiError {
    let message = format!("{} is not answered there", request.method());
    ApiError::status(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}
