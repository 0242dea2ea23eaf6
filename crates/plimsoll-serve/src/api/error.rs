//! A refusal, as clients of OpenAI's service expect it.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use plimsoll_docs::DocsError;
use serde::Serialize;

use crate::engine::EngineFault;
use crate::model::ModelFault;
use crate::seats::NoSeat;
use crate::shelf::ShelfFault;

/// Why something was not answered. It says what to do.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The answer's status.
    pub status: StatusCode,
    /// What kind of mistake it is, in OpenAI's words.
    pub kind: &'static str,
    /// A word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
    /// Which field of the request it is about.
    pub param: Option<&'static str>,
    /// When to try again.
    pub retry: Option<Duration>,
}

/// The code of an answer that nobody reads.
const GONE: &str = "gone";

/// How it is written.
#[derive(Serialize)]
pub(super) struct ErrorBody {
    error: ErrorFacts,
}

#[derive(Serialize)]
struct ErrorFacts {
    message: String,
    r#type: &'static str,
    param: Option<&'static str>,
    code: &'static str,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code, message: message.into(), param: None, retry: None }
    }

    /// A request that cannot be understood, or asks for what there is not.
    pub(super) fn bad(param: &'static str, message: impl Into<String>) -> Self {
        let error = Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", "invalid_value", message);
        Self { param: Some(param), ..error }
    }

    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", "malformed", message)
    }

    pub(super) fn status(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(status, "invalid_request_error", code, message)
    }

    pub(super) fn context(param: &'static str, message: impl Into<String>) -> Self {
        let (status, kind) = (StatusCode::BAD_REQUEST, "invalid_request_error");
        Self { param: Some(param), ..Self::new(status, kind, "context_length_exceeded", message) }
    }

    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::failed_as("failed", message)
    }

    fn failed_as(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", code, message)
    }

    fn busy(status: StatusCode, code: &'static str, message: impl Into<String>, retry: u64) -> Self {
        let error = Self::new(status, "overloaded_error", code, message);
        Self { retry: Some(Duration::from_secs(retry)), ..error }
    }

    pub(super) fn closing() -> Self {
        let message = "the service is stopping; ask again when it is back";
        Self::busy(StatusCode::SERVICE_UNAVAILABLE, "closing", message, 5)
    }

    /// Whoever asked has gone, or reads nothing any more.
    pub(super) fn gone() -> Self {
        Self::failed_as(GONE, "the answer was not read")
    }

    pub(super) fn is_gone(&self) -> bool {
        self.code == GONE
    }

    pub(super) fn body(&self) -> ErrorBody {
        let Self { kind, code, message, param, .. } = self.clone();
        ErrorBody { error: ErrorFacts { message, r#type: kind, param, code } }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body())).into_response();
        if let Some(retry) = self.retry {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry.as_secs().max(1)));
        }
        response
    }
}

impl From<NoSeat> for ApiError {
    fn from(no: NoSeat) -> Self {
        match &no {
            // Waiting would not help: it has to ask for less.
            NoSeat::Never { .. } => {
                let message = format!("{no}; ask for fewer tokens, send a shorter prompt, or raise the line");
                let (status, kind) = (StatusCode::SERVICE_UNAVAILABLE, "invalid_request_error");
                Self::new(status, kind, "never_fits", message)
            }
            NoSeat::Full { waiting, .. } => {
                let retry = (*waiting as u64 / 8).clamp(1, 60);
                Self::busy(
                    StatusCode::TOO_MANY_REQUESTS,
                    "queue_full",
                    format!("{no}; try again later"),
                    retry,
                )
            }
            NoSeat::Pressed { .. } => {
                Self::busy(StatusCode::SERVICE_UNAVAILABLE, "pressure", no.to_string(), 15)
            }
            NoSeat::Late { free, .. } => {
                let message = format!(
                    "{no}; a request of {free} or less would fit now: ask for fewer tokens, or try again later"
                );
                Self::busy(StatusCode::SERVICE_UNAVAILABLE, "no_memory", message, 10)
            }
        }
    }
}

impl From<ModelFault> for ApiError {
    fn from(fault: ModelFault) -> Self {
        let message = fault.to_string();
        match fault {
            ModelFault::Unknown { .. } => {
                let (status, kind) = (StatusCode::NOT_FOUND, "invalid_request_error");
                Self { param: Some("model"), ..Self::new(status, kind, "model_not_found", message) }
            }
            ModelFault::NoRoom { .. } => {
                Self::busy(StatusCode::SERVICE_UNAVAILABLE, "no_room_for_model", message, 10)
            }
            ModelFault::Lost { .. } => Self::busy(StatusCode::SERVICE_UNAVAILABLE, "device_lost", message, 2),
            _ => Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "model_unavailable", message),
        }
    }
}

impl From<ShelfFault> for ApiError {
    fn from(fault: ShelfFault) -> Self {
        let message = fault.to_string();
        match fault {
            ShelfFault::Unknown { .. } | ShelfFault::None => {
                let (status, kind) = (StatusCode::NOT_FOUND, "invalid_request_error");
                Self { param: Some("library"), ..Self::new(status, kind, "library_not_found", message) }
            }
            ShelfFault::Broken { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "server_error", "library_unavailable", message)
            }
            ShelfFault::Elsewhere { .. } => Self::status(StatusCode::CONFLICT, "library_in_use", message),
            ShelfFault::Left(_) => {
                Self::status(StatusCode::UNPROCESSABLE_ENTITY, "document_unreadable", message)
            }
            ShelfFault::Docs(DocsError::Memory(_)) => {
                Self::busy(StatusCode::SERVICE_UNAVAILABLE, "no_memory", message, 10)
            }
            ShelfFault::Docs(DocsError::NoWords) => Self::bad("query", message),
            ShelfFault::Docs(DocsError::NoVectors | DocsError::OtherModel { .. }) => {
                Self::bad("mode", message)
            }
            ShelfFault::Docs(_) | ShelfFault::File(_) => Self::failed(message),
        }
    }
}

impl From<EngineFault> for ApiError {
    fn from(fault: EngineFault) -> Self {
        match fault {
            EngineFault::NoRoom(_) => {
                Self::busy(StatusCode::SERVICE_UNAVAILABLE, "no_memory", fault.to_string(), 10)
            }
            EngineFault::Lost(_) => {
                let message = format!("{fault}; ask again");
                Self::busy(StatusCode::SERVICE_UNAVAILABLE, "device_lost", message, 2)
            }
            EngineFault::Failed(_) => Self::failed(fault.to_string()),
        }
    }
}
