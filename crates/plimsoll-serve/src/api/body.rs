//! A request's body.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::aside::aside;
use super::desk::BODIES_KIB;
use super::{ApiError, Desk};

/// Bodies up to this are read without a turn, and understood where they arrive.
const SMALL: u64 = 64 << 10;
/// How many times its length a body may take while it is understood.
const BECOMES: u64 = 8;

/// Reads it as JSON of a form, within a size and a time.
///
/// A body may become several times as large when it is understood, so that many times its length is taken of the room that all
/// bodies share; small ones are let through.
pub(super) async fn read<T: DeserializeOwned + Send + 'static>(
    desk: &Arc<Desk>,
    body: Body,
) -> Result<T, ApiError> {
    let limits = &desk.limits;
    let most = usize::try_from(limits.body.get()).unwrap_or(usize::MAX);
    let said = body.size_hint().exact().unwrap_or(limits.body.get()).min(limits.body.get());
    let _room = if said > SMALL {
        let kib = u32::try_from(said.saturating_mul(BECOMES) >> 10).unwrap_or(u32::MAX).clamp(1, BODIES_KIB);
        Some(desk.bodies.acquire_many(kib).await.map_err(|_| ApiError::closing())?)
    } else {
        None
    };
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
    if bytes.len() as u64 <= SMALL {
        return parse(&bytes);
    }
    // Not on a thread that answers others.
    aside(move || parse(&bytes)).await?
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let utf8 = std::str::from_utf8(bytes).is_ok();
        let what = if utf8 { error.to_string() } else { "it is no UTF-8".to_owned() };
        ApiError::malformed(format!("the request is no JSON of the form that is wanted: {what}"))
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
