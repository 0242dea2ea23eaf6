//! A request's body.

use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::ApiError;
use crate::Limits;

/// Reads it as JSON of a form, within a size and a time.
pub(super) async fn read<T: DeserializeOwned>(body: Body, limits: &Limits) -> Result<T, ApiError> {
    let most = usize::try_from(limits.body.get()).unwrap_or(usize::MAX);
    let bytes = match tokio::time::timeout(limits.reading, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if too_long(&error) => {
            let message = format!("the request is longer than {}; send it in parts", limits.body);
            return Err(ApiError::status(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message));
        }
        Ok(Err(error)) => {
            return Err(ApiError::malformed(format!("the request did not come whole: {error}")));
        }
        Err(_) => {
            let message = format!("the request did not come within {:?}", limits.reading);
            return Err(ApiError::status(StatusCode::REQUEST_TIMEOUT, "too_slow", message));
        }
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        let what = if std::str::from_utf8(&bytes).is_err() { "it is no UTF-8" } else { "" };
        let message = if what.is_empty() { error.to_string() } else { what.to_owned() };
        ApiError::malformed(format!("the request is no JSON of the form that is wanted: {message}"))
    })
}

fn too_long(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(now) = cause {
        if now.to_string().contains("length limit") {
            return true;
        }
        cause = now.source();
    }
    false
}
