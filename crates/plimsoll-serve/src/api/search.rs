//! `/v1/search`: passages that answer a question.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use plimsoll_docs::{Match, Mode, Query};
use serde::{Deserialize, Serialize};

use super::aside::aside;
use super::{ApiError, Desk, body, vectors};
use crate::shelf::Shelf;

/// Passages at most.
const MOST: usize = 100;
/// Bytes of a question at most.
const LONG: usize = 64 << 10;

#[derive(Deserialize)]
struct Request {
    query: Option<String>,
    library: Option<String>,
    k: Option<usize>,
    /// OpenAI's word for the same.
    max_num_results: Option<usize>,
    mode: Option<Wanted>,
}

/// How passages are to be found.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Wanted {
    Words,
    Vectors,
    Both,
}

#[derive(Serialize)]
pub(super) struct Answer {
    object: &'static str,
    library: String,
    mode: &'static str,
    data: Vec<Passage>,
}

/// A passage, and where it stands.
#[derive(Clone, Serialize)]
pub(super) struct Passage {
    object: &'static str,
    #[serde(flatten)]
    pub(super) found: Match,
}

impl From<Match> for Passage {
    fn from(found: Match) -> Self {
        Self { object: "passage", found }
    }
}

pub(super) async fn answer(State(desk): State<Arc<Desk>>, body: Body) -> Result<Json<Answer>, ApiError> {
    let request: Request = body::read(&desk, body).await?;
    let Some(query) = request.query.filter(|query| !query.trim().is_empty()) else {
        return Err(ApiError::bad("query", "there is nothing to look for; give a `query`"));
    };
    let k = request.k.or(request.max_num_results).unwrap_or(10);
    let shelf = desk.shelves().get(request.library.as_deref())?;
    let (mode, data) = find(&desk, &shelf, query, k, request.mode).await?;
    let mode = match mode {
        Mode::Words => "words",
        Mode::Vectors => "vectors",
        Mode::Both => "both",
    };
    Ok(Json(Answer { object: "list", library: shelf.name().to_owned(), mode, data }))
}

/// The best passages of a library, by words and by vectors where it has some.
pub(super) async fn find(
    desk: &Arc<Desk>,
    shelf: &Arc<Shelf>,
    query: String,
    k: usize,
    wanted: Option<Wanted>,
) -> Result<(Mode, Vec<Passage>), ApiError> {
    if !(1..=MOST).contains(&k) {
        return Err(ApiError::bad("k", format!("{k} passages were asked for; ask for 1 to {MOST}")));
    }
    if query.len() > LONG {
        return Err(ApiError::bad(
            "query",
            format!("a question of {} bytes is longer than {LONG}", query.len()),
        ));
    }
    let has = shelf.library()?.has_vectors() && desk.shelves().embedder().is_some();
    let mode = match wanted {
        Some(Wanted::Vectors) => Mode::Vectors,
        Some(Wanted::Both) => Mode::Both,
        None if has => Mode::Both,
        Some(Wanted::Words) | None => Mode::Words,
    };
    let vector = match mode {
        Mode::Words => None,
        _ => Some(vectors::of(desk, shelf, &query).await?),
    };
    let shelf = Arc::clone(shelf);
    let found = aside(move || {
        let query = Query { text: &query, vector: vector.as_deref(), k, mode };
        Ok::<_, ApiError>(shelf.library()?.search(&query).map_err(crate::shelf::ShelfFault::from)?)
    });
    let found = found.await??;
    Ok((mode, found.into_iter().map(Passage::from).collect()))
}
