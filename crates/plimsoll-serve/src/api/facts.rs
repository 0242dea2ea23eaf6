//! Facts about the service: how it is, what it does, where its memory is.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use plimsoll::Bytes;
use plimsoll_kv::tree::Tier;
use serde::Serialize;

use super::aside::aside;
use super::documents::LibraryJson;
use super::models::Layers;
use super::{ApiError, Desk};
use crate::model::Standing;

/// What it does at this moment.
#[derive(Serialize)]
pub(super) struct Activity {
    up_seconds: u64,
    connections: usize,
    asked: u64,
    refused: u64,
    failed: u64,
    seats: SeatFacts,
    models: Vec<ModelActivity>,
    libraries: Vec<LibraryJson>,
}

#[derive(Serialize)]
struct SeatFacts {
    bytes: u64,
    taken_bytes: u64,
    waiting: usize,
}

#[derive(Serialize)]
struct ModelActivity {
    name: String,
    state: &'static str,
    why: Option<String>,
    engine: Option<&'static str>,
    bytes: u64,
    /// What llama.cpp says that it took of them.
    allocated_bytes: Option<u64>,
    /// Where its layers are, if only some of them stay on the device that computes.
    layers: Option<Layers>,
    context: usize,
    loaded_seconds: u64,
    running: usize,
    waiting: usize,
    tokens_read: u64,
    tokens_cached: u64,
    tokens_written: u64,
    dropped: u64,
    /// Rows of logits that came whole from a device.
    logits_brought: u64,
    tiers: Vec<TierActivity>,
}

#[derive(Serialize)]
struct TierActivity {
    tier: &'static str,
    blocks: u64,
    bytes: u64,
    hits: u64,
    evicted: u64,
}

impl Activity {
    fn of(desk: &Desk) -> Self {
        let promised = desk.seats().stats();
        let models = desk.keeper().standings().into_iter().map(|Standing { source, state, model, why }| {
            let (stats, cache) =
                model.as_ref().map_or_else(Default::default, |model| (model.stats(), model.cache()));
            let tier = |(tier, name)| {
                cache.as_ref().map(|cache| {
                    let stats = &cache.tiers[tier];
                    TierActivity {
                        tier: name,
                        blocks: stats.blocks,
                        bytes: stats.bytes.get(),
                        hits: stats.hits,
                        evicted: stats.evicted,
                    }
                })
            };
            let tiers = [(Tier::Hot, "hot"), (Tier::Warm, "warm"), (Tier::Cold, "cold")];
            ModelActivity {
                name: source.name.clone(),
                state: state.name(),
                why,
                engine: model.as_ref().map(|model| model.engine_name()),
                bytes: model.as_ref().map_or(0, |model| model.bytes().get()),
                allocated_bytes: model.as_ref().and_then(|model| model.allocated()).map(Bytes::get),
                layers: model.as_ref().and_then(|model| Layers::of(model)),
                context: model.as_ref().map_or(0, |model| model.facts().context),
                loaded_seconds: model.as_ref().map_or(0, |model| model.loaded().elapsed().as_secs()),
                running: stats.running,
                waiting: stats.waiting,
                tokens_read: stats.read,
                tokens_cached: stats.cached,
                tokens_written: stats.written,
                dropped: stats.dropped,
                logits_brought: stats.brought,
                tiers: tiers.into_iter().filter_map(tier).collect(),
            }
        });
        Self {
            up_seconds: desk.up_seconds(),
            connections: desk.connections(),
            asked: desk.counts.asked.load(Ordering::Relaxed),
            refused: desk.counts.refused.load(Ordering::Relaxed),
            failed: desk.counts.failed.load(Ordering::Relaxed),
            seats: SeatFacts {
                bytes: promised.most.get(),
                taken_bytes: promised.taken.get(),
                waiting: promised.waiting,
            },
            models: models.collect(),
            libraries: desk.shelves().iter().map(|shelf| LibraryJson::of(shelf)).collect(),
        }
    }
}

pub(super) async fn activity(State(desk): State<Arc<Desk>>) -> Result<Json<Activity>, ApiError> {
    Ok(Json(looked(&desk).await?))
}

/// Looking at a model may be the last that holds it, and then waits for its thread: not on one that answers others.
async fn looked(desk: &Arc<Desk>) -> Result<Activity, ApiError> {
    let desk = Arc::clone(desk);
    aside(move || Activity::of(&desk)).await
}

/// The last sample: the machine, the line, and every account.
pub(super) async fn memory(State(desk): State<Arc<Desk>>) -> Response {
    match desk.sample() {
        Some(sample) => Json(&*sample).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "no sample was taken yet\n").into_response(),
    }
}

/// How memory stands: 503 while it is critical.
pub(super) async fn health(State(desk): State<Arc<Desk>>) -> Response {
    let Some(sample) = desk.sample() else {
        return Json(serde_json::json!({"status": "ok"})).into_response();
    };
    let critical = sample.health.as_ref().is_some_and(|health| health.rating == "critical");
    let status = if critical { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let body = serde_json::json!({
        "status": if critical { "critical" } else { "ok" },
        "health": sample.health,
        "alerts": sample.alerts,
    });
    (status, Json(body)).into_response()
}

/// For Prometheus: the monitor's families, and those of requests and models.
pub(super) async fn metrics(State(desk): State<Arc<Desk>>) -> Result<Response, ApiError> {
    let sample = desk.sample();
    let mut text = sample.as_deref().map(plimsoll::monitor::metrics::prometheus_text).unwrap_or_default();
    let activity = looked(&desk).await?;
    families(&mut text, &activity);
    let kind = plimsoll::monitor::metrics::CONTENT_TYPE;
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-store")], text).into_response())
}

/// A name as a label has it.
fn label(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn families(text: &mut String, activity: &Activity) {
    let mut one = |name: &str, kind: &str, help: &str, values: &[(String, u64)]| {
        // A string takes whatever is written to it.
        let _ = write!(text, "# HELP plimsoll_serve_{name} {help}\n# TYPE plimsoll_serve_{name} {kind}\n");
        for (labels, value) in values {
            let _ = writeln!(text, "plimsoll_serve_{name}{labels} {value}");
        }
    };
    let alone = |value: u64| vec![(String::new(), value)];
    one("requests_total", "counter", "Requests that came.", &alone(activity.asked));
    one("requests_refused_total", "counter", "Requests that were refused.", &alone(activity.refused));
    one("requests_failed_total", "counter", "Requests that failed.", &alone(activity.failed));
    one("connections", "gauge", "Connections that are open.", &alone(activity.connections as u64));
    one("seats_bytes", "gauge", "What sequences may hold together.", &alone(activity.seats.bytes));
    one("seats_taken_bytes", "gauge", "What is promised to sequences.", &alone(activity.seats.taken_bytes));
    let of_library = |of: fn(&LibraryJson) -> u64| -> Vec<(String, u64)> {
        let value =
            |library: &LibraryJson| (format!("{{library=\"{}\"}}", label(&library.name)), of(library));
        activity.libraries.iter().map(value).collect()
    };
    one("library_documents", "gauge", "Documents of a library.", &of_library(|library| library.documents));
    one("library_passages", "gauge", "Passages of a library.", &of_library(|library| library.passages));
    one("requests_waiting", "gauge", "Requests that wait for memory.", &alone(activity.seats.waiting as u64));
    let each = |of: fn(&ModelActivity) -> u64| -> Vec<(String, u64)> {
        let value = |model: &ModelActivity| (format!("{{model=\"{}\"}}", label(&model.name)), of(model));
        activity.models.iter().map(value).collect()
    };
    one(
        "model_loaded",
        "gauge",
        "Whether a model is loaded.",
        &each(|model| u64::from(model.state == "loaded")),
    );
    one("running", "gauge", "Sequences that are stepped.", &each(|model| model.running as u64));
    one(
        "tokens_read_total",
        "counter",
        "Tokens of prompts that were computed.",
        &each(|model| model.tokens_read),
    );
    one(
        "tokens_cached_total",
        "counter",
        "Tokens of prompts that the cache had.",
        &each(|model| model.tokens_cached),
    );
    one("tokens_written_total", "counter", "Tokens that were written.", &each(|model| model.tokens_written));
    one("dropped_total", "counter", "Texts that nobody read to their end.", &each(|model| model.dropped));
    one(
        "logits_brought_total",
        "counter",
        "Rows of logits that came whole from a device, because what was looked for there was not enough.",
        &each(|model| model.logits_brought),
    );
}
