//! Vectors of questions and passages, by the model that makes a service's.

use std::sync::Arc;

use plimsoll::holding::cached::Hit;
use plimsoll_docs::{Embed, EmbedFault};
use plimsoll_llm::text::Encode;
use tokio::runtime::Handle;

use super::aside::aside;
use super::{ApiError, Desk, ask};
use crate::model::Model;
use crate::shelf::{Shelf, ShelfFault};

/// A model that makes vectors.
struct Embedder {
    desk: Arc<Desk>,
    model: Hit<Arc<Model>>,
    /// What tells it from others.
    name: String,
    /// Known once one was made: see [`measured`](Self::measured).
    dimension: usize,
    waits: Handle,
}

impl Embedder {
    /// The service's, on a thread that may wait.
    fn new(desk: &Arc<Desk>, model: Hit<Arc<Model>>, waits: Handle) -> Self {
        let name = format!("{} ({})", model.name(), model.bytes());
        Self { desk: Arc::clone(desk), model, name, dimension: 0, waits }
    }

    /// The same, with how many numbers its vectors have.
    fn measured(self) -> Result<Self, EmbedFault> {
        let dimension = self.one(".")?.len();
        Ok(Self { dimension, ..self })
    }

    fn one(&self, text: &str) -> Result<Vec<f32>, EmbedFault> {
        let told = |error: &dyn std::fmt::Display| EmbedFault(error.to_string());
        let mut tokens = self
            .model
            .tokenizer()
            .encode(text, Encode { ends: true, specials: false })
            .map_err(|error| told(&error))?;
        tokens.truncate(self.model.facts().context);
        if tokens.is_empty() {
            return Err(EmbedFault("a text without tokens".to_owned()));
        }
        // As for whoever asks for embeddings: pages when they are free, and one text after the other.
        let (seat, turn) = self.waits.block_on(async {
            let seat = self.desk.seats().take(self.model.facts().worst_case(tokens.len()), |_| ()).await;
            (seat, self.desk.embedding.acquire().await)
        });
        let _seat = seat.map_err(|no| told(&no))?;
        let _turn = turn.map_err(|_| EmbedFault("the service is stopping".to_owned()))?;
        self.model.embed(&tokens).map_err(|fault| told(&fault))
    }
}

impl Embed for Embedder {
    fn model(&self) -> &str {
        &self.name
    }

    fn dimension(&self) -> usize {
        self.dimension
    }

    fn embed(&mut self, texts: &[&str]) -> Result<Vec<f32>, EmbedFault> {
        let mut vectors = Vec::with_capacity(texts.len() * self.dimension);
        for text in texts {
            vectors.extend(self.one(text)?);
        }
        Ok(vectors)
    }
}

/// The vector of a question, by the model that made the library's.
pub(super) async fn of(desk: &Arc<Desk>, shelf: &Arc<Shelf>, text: &str) -> Result<Vec<f32>, ApiError> {
    let Some(name) = desk.shelves().embedder().map(str::to_owned) else {
        return Err(ShelfFault::Docs(plimsoll_docs::DocsError::NoVectors).into());
    };
    let model = ask::model(desk, Some(name)).await?;
    let (desk, shelf, text, waits) =
        (Arc::clone(desk), Arc::clone(shelf), text.to_owned(), Handle::current());
    let made = aside(move || {
        let embedder = Embedder::new(&desk, model, waits);
        match shelf.library()?.embedded_by() {
            Some(found) if found != embedder.name => {
                Err(plimsoll_docs::DocsError::OtherModel { found, asked: embedder.name.clone() }.into())
            }
            None => Err(plimsoll_docs::DocsError::NoVectors.into()),
            Some(_) => Ok(embedder.one(&text).map_err(plimsoll_docs::DocsError::from)?),
        }
    });
    made.await?.map_err(|fault: ShelfFault| fault.into())
}

/// Makes vectors of what a library has none of, meanwhile. What fails is tried again with the next document.
pub(crate) fn catch_up(desk: &Arc<Desk>, shelf: &Arc<Shelf>) {
    let Some(name) = desk.shelves().embedder().map(str::to_owned) else { return };
    let (desk, shelf, waits) = (Arc::clone(desk), Arc::clone(shelf), Handle::current());
    tokio::spawn(async move {
        let Ok(model) = ask::model(&desk, Some(name)).await else { return };
        let made = aside(move || {
            let mut embedder = Embedder::new(&desk, model, waits).measured().ok()?;
            let own = Arc::clone(&desk);
            shelf.embed(&mut embedder, &|| own.open().is_ok()).ok()
        });
        // Those who wait for vectors find by words.
        let _ = made.await;
    });
}
