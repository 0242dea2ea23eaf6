//! One text that is asked for: from tokens of a prompt to events of an answer.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _};
use plimsoll::holding::cached::Hit;
use plimsoll_kv::block::Token;
use plimsoll_kv::policy::Hint;
use tokio::sync::mpsc::{self, Receiver};

use super::aside::aside;
use super::{ApiError, Desk};
use crate::batch::{Event, Finish, Job, Voice, VoiceSettings};
use crate::model::Model;

/// Events that a reader may be behind; one that falls further behind is dropped.
const BEHIND: usize = 1024;
/// Texts of one request that are written side by side.
const AT_ONCE: usize = 16;

/// A text that can be begun.
pub(super) struct Ask {
    pub(super) model: Hit<Arc<Model>>,
    pub(super) prompt: Arc<[Token]>,
    pub(super) voice: VoiceSettings,
    /// What its session says of its future.
    pub(super) hint: Hint,
}

/// A text that has begun. Dropped, it ends.
pub(super) struct Answer {
    events: Receiver<Event>,
    /// Tokens of the prompt.
    pub(super) prompt: usize,
    /// Those that were not computed.
    pub(super) cached: usize,
    // Held until the text has ended, so that its model is not given up.
    _model: Hit<Arc<Model>>,
}

/// A text that has ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Whole {
    pub(super) text: String,
    pub(super) tokens: usize,
    pub(super) finish: Option<Finish>,
    pub(super) prompt: usize,
    pub(super) cached: usize,
}

/// What comes of a text.
pub(super) enum Piece {
    Text(String),
    Done(Whole),
}

/// A model by its name, or the first. Loading one may take a while, and waiting for others to be given up too; those who want one
/// that is here go on in the meantime.
pub(super) async fn model(desk: &Arc<Desk>, name: Option<String>) -> Result<Hit<Arc<Model>>, ApiError> {
    desk.open()?;
    let name = name.unwrap_or_else(|| desk.keeper().first().to_owned());
    if let Some(here) = desk.keeper().here(&name) {
        return Ok(here);
    }
    // Those who wait for a model hold no thread.
    let _turn = desk.loading.acquire().await.map_err(|_| ApiError::closing())?;
    let keeper = Arc::clone(desk);
    Ok(aside(move || keeper.keeper().get(&name)).await??)
}

impl Ask {
    /// Begins it as soon as there is a seat for it; whoever waits is told its place.
    pub(super) async fn begin(self, desk: &Arc<Desk>, told: impl FnMut(usize)) -> Result<Answer, ApiError> {
        let Self { model, prompt, voice, hint } = self;
        let most = prompt.len() + voice.tokens;
        let voice = Voice::new(voice, model.tokenizer(), &prompt)
            .map_err(|error| ApiError::bad("temperature", error.to_string()))?;
        let seat = tokio::select! {
            seat = model.seat(desk.seats(), most, told) => seat?,
            () = desk.closed() => return Err(ApiError::closing()),
        };
        let (events, heard) = mpsc::channel(BEHIND);
        let tokens = prompt.len();
        let job = Job { prompt, voice, events, hint, seat };
        // What a disk has of the prompt is brought before the first step.
        let sender = model.clone();
        let cached = aside(move || sender.send(job)).await??;
        Ok(Answer { events: heard, prompt: tokens, cached, _model: model })
    }
}

impl Answer {
    /// What comes next.
    pub(super) async fn next(&mut self) -> Result<Piece, ApiError> {
        match self.events.recv().await {
            Some(Event::Text { text, .. }) => Ok(Piece::Text(text)),
            Some(Event::Done { text, tokens, finish }) => {
                let (prompt, cached) = (self.prompt, self.cached);
                Ok(Piece::Done(Whole { text, tokens, finish: Some(finish), prompt, cached }))
            }
            Some(Event::Failed(fault)) => Err(fault.into()),
            None => Err(ApiError::failed(
                "the text was ended: it was not read fast enough, or its model was given up",
            )),
        }
    }

    /// All of it.
    pub(super) async fn whole(mut self) -> Result<Whole, ApiError> {
        let mut text = String::new();
        loop {
            match self.next().await? {
                Piece::Text(more) => text.push_str(&more),
                Piece::Done(end) => {
                    text.push_str(&end.text);
                    return Ok(Whole { text, ..end });
                }
            }
        }
    }
}

/// Several texts at once, all of them to their end.
pub(super) async fn all(desk: &Arc<Desk>, asks: Vec<Ask>) -> Result<Vec<Whole>, ApiError> {
    let one = |ask: Ask| async move { ask.begin(desk, |_| ()).await?.whole().await };
    // Some at a time: one request is not to have all places of the queue.
    let some = futures_util::stream::iter(asks.into_iter().map(one)).buffered(AT_ONCE);
    some.try_collect().await
}
