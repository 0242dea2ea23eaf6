//! `/v1/models`: which there are.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::aside::aside;
use super::{ApiError, Desk};
use crate::model::{Model, Standing};

/// A model as OpenAI's clients expect it, and what else is known of it.
#[derive(Serialize)]
pub(super) struct ModelFacts {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Layers>,
}

/// Where the layers of a model are that does not fit the device which computes it.
#[derive(Serialize)]
pub(super) struct Layers {
    /// Those that stay there.
    stay: usize,
    /// Those that come from page-locked memory with every pass.
    come: usize,
    /// What these take there.
    pinned_bytes: u64,
}

impl Layers {
    pub(super) fn of(model: &Model) -> Option<Self> {
        let split = model.split()?;
        Some(Self { stay: split.stay(), come: split.come, pinned_bytes: split.pinned_bytes })
    }
}

/// All of them.
#[derive(Serialize)]
pub(super) struct List {
    object: &'static str,
    data: Vec<ModelFacts>,
}

impl ModelFacts {
    fn new(standing: Standing<'_>) -> Self {
        let Standing { source, state, model, why } = standing;
        Self {
            id: source.name.clone(),
            object: "model",
            created: 0,
            owned_by: "plimsoll",
            state: state.name(),
            why,
            context: model.as_ref().map(|model| model.facts().context),
            bytes: model.as_ref().map(|model| model.bytes().get()),
            layers: model.as_ref().and_then(|model| Layers::of(model)),
        }
    }
}

pub(super) async fn list(State(desk): State<Arc<Desk>>) -> Result<Json<List>, ApiError> {
    Ok(Json(List { object: "list", data: facts(&desk).await? }))
}

/// As in `facts.rs`: looking at a model may be the last that holds it.
async fn facts(desk: &Arc<Desk>) -> Result<Vec<ModelFacts>, ApiError> {
    let desk = Arc::clone(desk);
    aside(move || desk.keeper().standings().into_iter().map(ModelFacts::new).collect()).await
}

pub(super) async fn one(
    State(desk): State<Arc<Desk>>,
    Path(name): Path<String>,
) -> Result<Json<ModelFacts>, ApiError> {
    let found = facts(&desk).await?.into_iter().find(|model| model.id == name);
    Ok(Json(found.ok_or_else(|| desk.keeper().unknown(&name))?))
}
