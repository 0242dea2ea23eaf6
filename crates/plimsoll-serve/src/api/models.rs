//! `/v1/models`: which there are.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::{ApiError, Desk};
use crate::model::{Model, ModelFault, ModelSource, ModelState};

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
}

/// All of them.
#[derive(Serialize)]
pub(super) struct List {
    object: &'static str,
    data: Vec<ModelFacts>,
}

impl ModelFacts {
    fn new(source: &ModelSource, state: ModelState, model: Option<&Model>, why: Option<String>) -> Self {
        let state = match state {
            ModelState::Idle => "idle",
            ModelState::Loaded => "loaded",
            ModelState::Broken => "broken",
        };
        Self {
            id: source.name.clone(),
            object: "model",
            created: 0,
            owned_by: "plimsoll",
            state,
            why,
            context: model.map(|model| model.facts().context),
            bytes: model.map(|model| model.bytes().get()),
        }
    }
}

pub(super) async fn list(State(desk): State<Arc<Desk>>) -> Json<List> {
    let states = desk.keeper().states();
    let data = states
        .into_iter()
        .map(|(source, state, model, why)| ModelFacts::new(source, state, model.as_deref(), why))
        .collect();
    Json(List { object: "list", data })
}

pub(super) async fn one(
    State(desk): State<Arc<Desk>>,
    Path(name): Path<String>,
) -> Result<Json<ModelFacts>, ApiError> {
    let states = desk.keeper().states();
    let found = states.into_iter().find(|(source, ..)| source.name == name);
    let known = || desk.keeper().names().collect::<Vec<_>>().join(", ");
    let (source, state, model, why) =
        found.ok_or_else(|| ModelFault::Unknown { name: name.clone(), known: known() })?;
    Ok(Json(ModelFacts::new(source, state, model.as_deref(), why)))
}
