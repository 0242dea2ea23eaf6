//! `/v1/documents`: what libraries have, what comes and what goes.

use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use futures_util::StreamExt as _;
use plimsoll_docs::source::Kind;
use plimsoll_docs::{Document, State as Standing};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::aside::aside;
use super::{ApiError, Desk, body, vectors};
use crate::shelf::{Shelf, ShelfFault, Taken};

/// Documents of one answer at most.
const MOST: usize = 1000;
/// Bytes of a name at most.
const NAME: usize = 1024;
/// Pieces of a document on their way to the disk.
const PIECES: usize = 16;

/// What is said in the address.
#[derive(Deserialize)]
pub(super) struct Said {
    library: Option<String>,
    name: Option<String>,
    kind: Option<Kind>,
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

/// What is said in the address, or what is wrong with it.
type Address = Result<Query<Said>, QueryRejection>;

/// A document that comes as JSON.
#[derive(Deserialize)]
struct Coming {
    library: Option<String>,
    name: Option<String>,
    text: Option<String>,
    kind: Option<Kind>,
}

#[derive(Serialize)]
pub(super) struct DocumentFacts {
    object: &'static str,
    id: u64,
    library: String,
    name: String,
    kind: String,
    bytes: u64,
    passages: u64,
    whole: bool,
}

#[derive(Serialize)]
pub(super) struct List {
    object: &'static str,
    data: Vec<DocumentFacts>,
    has_more: bool,
    libraries: Vec<LibraryJson>,
}

/// How a library stands.
#[derive(Clone, Serialize)]
pub(super) struct LibraryJson {
    pub(super) name: String,
    pub(super) state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    pub(super) documents: u64,
    pub(super) passages: u64,
    /// Passages that have a vector.
    pub(super) vectors: u64,
    pub(super) disk_bytes: u64,
}

#[derive(Serialize)]
pub(super) struct Gone {
    object: &'static str,
    id: u64,
    deleted: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Came {
    Document(DocumentFacts),
    Duplicate { object: &'static str, name: String, duplicate: bool },
}

impl DocumentFacts {
    fn new(shelf: &Shelf, document: Document) -> Self {
        Self {
            object: "document",
            id: document.id,
            library: shelf.name().to_owned(),
            name: document.name,
            kind: document.kind.to_string(),
            bytes: document.bytes,
            passages: document.passages,
            whole: document.state == Standing::Whole,
        }
    }
}

impl LibraryJson {
    pub(super) fn of(shelf: &Shelf) -> Self {
        let name = shelf.name().to_owned();
        match shelf.library() {
            Ok(library) => {
                let facts = library.facts();
                let state = if library.is_writable() { "open" } else { "written elsewhere" };
                let (documents, passages, disk_bytes) =
                    (facts.documents, facts.passages - facts.dead, facts.disk.get());
                let vectors = facts.vectors.map_or(0, |(.., to)| to);
                Self { name, state, why: None, documents, passages, vectors, disk_bytes }
            }
            Err(fault) => Self {
                name,
                state: "broken",
                why: Some(fault.to_string()),
                documents: 0,
                passages: 0,
                vectors: 0,
                disk_bytes: 0,
            },
        }
    }
}

pub(super) async fn list(State(desk): State<Arc<Desk>>, said: Address) -> Result<Json<List>, ApiError> {
    let said = read(said)?;
    let limit = said.limit.unwrap_or(100).clamp(1, MOST);
    let libraries = desk.shelves().iter().map(|shelf| LibraryJson::of(shelf)).collect();
    let shelf = desk.shelves().get(said.library.as_deref())?;
    let mut documents = shelf.library()?.list(said.after, limit + 1);
    let has_more = documents.len() > limit;
    documents.truncate(limit);
    let data = documents.into_iter().map(|document| DocumentFacts::new(&shelf, document)).collect();
    Ok(Json(List { object: "list", data, has_more, libraries }))
}

pub(super) async fn one(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    said: Address,
) -> Result<Json<DocumentFacts>, ApiError> {
    let (said, id) = (read(said)?, number(&id)?);
    let shelf = desk.shelves().get(said.library.as_deref())?;
    let document = shelf.library()?.document(id).ok_or_else(|| unknown(id))?;
    Ok(Json(DocumentFacts::new(&shelf, document)))
}

pub(super) async fn remove(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    said: Address,
) -> Result<Json<Gone>, ApiError> {
    let (said, id) = (read(said)?, number(&id)?);
    let shelf = desk.shelves().get(said.library.as_deref())?;
    let deleted = aside(move || shelf.remove(id)).await??;
    if deleted { Ok(Json(Gone { object: "document.deleted", id, deleted })) } else { Err(unknown(id)) }
}

fn read(said: Address) -> Result<Said, ApiError> {
    said.map(|Query(said)| said)
        .map_err(|error| ApiError::malformed(format!("the address is not understood: {error}")))
}

fn number(id: &str) -> Result<u64, ApiError> {
    id.parse().map_err(|_| {
        ApiError::bad("id", format!("{:?} is no document's number", id.chars().take(40).collect::<String>()))
    })
}

fn unknown(id: u64) -> ApiError {
    ApiError::status(StatusCode::NOT_FOUND, "document_not_found", format!("there is no document {id}"))
}

/// A document as JSON with its text, or as it is, with its name in the address.
pub(super) async fn add(
    State(desk): State<Arc<Desk>>,
    said: Address,
    head: HeaderMap,
    body: Body,
) -> Result<Json<Came>, ApiError> {
    let said = read(said)?;
    desk.open()?;
    let kind = head.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // Curl calls whatever it sends a form.
    let json = said.name.is_none() || kind.starts_with("application/json");
    if json {
        let coming: Coming = body::read(&desk, body).await?;
        let Some(text) = coming.text.filter(|text| !text.trim().is_empty()) else {
            return Err(ApiError::bad(
                "text",
                "there is nothing in the document; give its `text`, or send it as it is to /v1/documents?name=NAME",
            ));
        };
        let name = named(coming.name.or(said.name))?;
        let shelf = desk.shelves().get(coming.library.or(said.library).as_deref())?;
        let path = Incoming::new(&shelf)?;
        let written = path.0.clone();
        aside(move || std::fs::write(written, text)).await?.map_err(ShelfFault::from)?;
        return take(&desk, shelf, name, path, coming.kind.or(said.kind)).await;
    }
    let name = named(said.name)?;
    let shelf = desk.shelves().get(said.library.as_deref())?;
    let path = Incoming::new(&shelf)?;
    put_down(&desk, body, &path.0).await?;
    take(&desk, shelf, name, path, said.kind).await
}

fn named(name: Option<String>) -> Result<String, ApiError> {
    match name {
        Some(name) if name.len() > NAME => {
            Err(ApiError::bad("name", format!("a name has {NAME} bytes at most")))
        }
        Some(name) if !name.trim().is_empty() && !name.chars().any(char::is_control) => Ok(name),
        _ => Err(ApiError::bad("name", "give the document a `name`, by which it is told apart and replaced")),
    }
}

/// A file that is gone when the document was taken in, or not.
struct Incoming(PathBuf);

impl Incoming {
    fn new(shelf: &Shelf) -> Result<Self, ApiError> {
        Ok(Self(shelf.incoming()?))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Puts a body down as it comes: a document may be larger than memory, and nobody waits for its next piece for ever.
async fn put_down(desk: &Arc<Desk>, body: Body, path: &FsPath) -> Result<(), ApiError> {
    let (pieces, mut coming) = mpsc::channel::<axum::body::Bytes>(PIECES);
    let path = path.to_owned();
    let writing = tokio::spawn(aside(move || {
        let mut file = std::fs::File::create(path)?;
        while let Some(piece) = coming.blocking_recv() {
            std::io::Write::write_all(&mut file, &piece)?;
        }
        Ok::<_, std::io::Error>(())
    }));
    let (mut stream, mut bytes) = (body.into_data_stream(), 0_u64);
    let most = desk.limits.document.get();
    let sent = loop {
        let next = tokio::time::timeout(desk.limits.reading, stream.next()).await;
        let piece = match next {
            Ok(Some(Ok(piece))) => piece,
            Ok(None) => break Ok(()),
            Ok(Some(Err(error))) => {
                break Err(ApiError::malformed(format!("the document did not come whole: {error}")));
            }
            Err(_) => {
                let message = format!("nothing came of the document for {:?}", desk.limits.reading);
                break Err(ApiError::status(StatusCode::REQUEST_TIMEOUT, "too_slow", message));
            }
        };
        bytes += piece.len() as u64;
        if bytes > most {
            let message = format!(
                "a document has {} at most here; `plimsoll docs ingest` takes any",
                desk.limits.document
            );
            break Err(ApiError::status(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message));
        }
        if pieces.send(piece).await.is_err() {
            break Ok(());
        }
    };
    drop(pieces);
    let written = writing.await.map_err(|error| ApiError::failed(error.to_string()))??;
    sent?;
    Ok(written.map_err(ShelfFault::from)?)
}

async fn take(
    desk: &Arc<Desk>,
    shelf: Arc<Shelf>,
    name: String,
    path: Incoming,
    kind: Option<Kind>,
) -> Result<Json<Came>, ApiError> {
    let (own, closing, said) = (Arc::clone(&shelf), Arc::clone(desk), name.clone());
    let taken = aside(move || own.take(&said, &path.0, kind, &|| closing.open().is_ok())).await??;
    vectors::catch_up(desk, &shelf);
    Ok(Json(match taken {
        Taken::Document(document) => Came::Document(DocumentFacts::new(&shelf, *document)),
        Taken::Duplicate => Came::Duplicate { object: "document", name, duplicate: true },
    }))
}
