//! An answer that comes in pieces: events that a server sends.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::mpsc::{self, Sender};

use super::ask::{Ask, Piece, Whole};
use super::{ApiError, Desk};

/// Pieces that a connection may be behind before its text waits.
const BEHIND: usize = 64;
/// Who takes nothing for so long is taken for gone: the text would hold its model.
const STUCK: Duration = Duration::from_secs(30);

/// How an answer's pieces are written.
pub(super) trait Shape: Clone + Send + 'static {
    /// Before the first text of an answer, if anything is.
    fn begin(&self, index: usize) -> Option<String>;
    /// Some text.
    fn text(&mut self, index: usize, text: &str) -> Option<String>;
    /// The end of an answer.
    fn end(&mut self, index: usize, end: &Whole) -> Vec<String>;
    /// How many tokens there were in all, if that was asked for.
    fn usage(&self, ends: &[Whole]) -> Option<String>;
}

/// A piece of JSON as it is sent.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Answers with pieces as they come. What is refused before the first is an answer like any other; what fails later is told
/// in the stream.
pub(super) async fn answer<S: Shape>(
    desk: &Arc<Desk>,
    asks: Vec<Ask>,
    shape: S,
) -> Result<Response, ApiError> {
    let (pieces, mut sent) = mpsc::channel::<Bytes>(BEHIND);
    let writer = tokio::spawn(write(Arc::clone(desk), asks, shape, pieces));
    // The first piece tells whether it was refused at once.
    let Some(first) = sent.recv().await else {
        return match writer.await {
            Ok(Err(error)) => Err(error),
            _ => Err(ApiError::failed("the answer ended before it began")),
        };
    };
    let rest = futures_util::stream::unfold(sent, |mut sent| async move {
        let piece = sent.recv().await?;
        Some((Ok::<_, Infallible>(piece), sent))
    });
    let first = futures_util::stream::once(async move { Ok::<_, Infallible>(first) });
    let body = Body::from_stream(futures_util::StreamExt::chain(first, rest));
    Ok(([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")], body).into_response())
}

/// Where pieces go, and whether any has gone.
#[derive(Clone)]
struct Out {
    pieces: Sender<Bytes>,
    begun: Arc<AtomicBool>,
}

impl Out {
    /// Sends a piece of JSON; false if nobody reads any more, or has not for a while.
    async fn send(&self, piece: &str) -> bool {
        self.begun.store(true, Ordering::Relaxed);
        let sent = self.pieces.send(Bytes::from(format!("data: {piece}\n\n")));
        matches!(tokio::time::timeout(STUCK, sent).await, Ok(Ok(())))
    }

    /// A piece of an answer, which ends with its reader.
    async fn piece(&self, piece: &str) -> Result<(), ApiError> {
        if self.send(piece).await { Ok(()) } else { Err(ApiError::gone()) }
    }

    /// Says something that is no piece of the answer, unless the reader is behind.
    fn remark(&self, text: &str) {
        self.begun.store(true, Ordering::Relaxed);
        let _ = self.pieces.try_send(Bytes::from(format!(": {text}\n\n")));
    }
}

/// Writes all answers side by side. An error before anything was sent is given back instead of being written.
async fn write<S: Shape>(
    desk: Arc<Desk>,
    asks: Vec<Ask>,
    shape: S,
    pieces: Sender<Bytes>,
) -> Result<(), ApiError> {
    let out = Out { pieces, begun: Arc::default() };
    let one = |(index, ask): (usize, Ask)| write_one(&desk, index, ask, shape.clone(), &out);
    let all = futures_util::future::try_join_all(asks.into_iter().enumerate().map(one));
    let ends = tokio::select! {
        ends = all => ends,
        // Whoever has gone waits for nothing; what was being written for it ends here.
        () = out.pieces.closed() => return Ok(()),
    };
    match ends {
        Ok(ends) => {
            if let Some(usage) = shape.usage(&ends) {
                out.send(&usage).await;
            }
        }
        Err(error) if !out.begun.load(Ordering::Relaxed) => return Err(error),
        // Nobody is there to be told.
        Err(error) if error.is_gone() => return Ok(()),
        Err(error) => {
            out.send(&json(&error.body())).await;
        }
    }
    out.send("[DONE]").await;
    Ok(())
}

async fn write_one<S: Shape>(
    desk: &Arc<Desk>,
    index: usize,
    ask: Ask,
    mut shape: S,
    out: &Out,
) -> Result<Whole, ApiError> {
    let mut answer =
        ask.begin(desk, |place| out.remark(&format!("waiting for memory, place {place}"))).await?;
    if let Some(begin) = shape.begin(index) {
        out.piece(&begin).await?;
    }
    loop {
        match answer.next().await? {
            Piece::Text(text) => {
                if let Some(piece) = shape.text(index, &text) {
                    out.piece(&piece).await?;
                }
            }
            Piece::Done(end) => {
                for piece in shape.end(index, &end) {
                    out.piece(&piece).await?;
                }
                return Ok(end);
            }
        }
    }
}
