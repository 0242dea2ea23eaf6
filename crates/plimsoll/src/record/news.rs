//! What happened since somebody looked last.

use std::collections::HashMap;
use std::sync::Arc;

use super::clock;
use super::event::{Event, Kind};
use super::names::Source;
use super::packed::unpack;
use super::recorder::Recorder;
use super::ring::Chunk;
use crate::pool::Tag;

/// Reads on in what threads have written, from where it stood. Asks no thread for anything and keeps none waiting: what
/// was overwritten meanwhile is missed.
#[derive(Debug)]
pub(crate) struct News {
    recorder: Arc<Recorder>,
    /// How far each thread was read: the chunk, and the events of it.
    read: HashMap<u16, (u64, usize)>,
}

/// One thing that happened, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// How long ago.
    pub(crate) age_ns: u64,
    /// What.
    pub(crate) kind: Kind,
    /// How much.
    pub(crate) bytes: u64,
    /// Its number of whatever else there is to say; see [`Kind`].
    pub(crate) code: u64,
    /// Its tag, cache or mark.
    pub(crate) tag: Option<String>,
    /// Whose and where.
    pub(crate) source: Option<Source>,
}

impl News {
    /// From here on.
    pub(crate) fn of(recorder: &Arc<Recorder>) -> Self {
        let mut news = Self { recorder: Arc::clone(recorder), read: HashMap::new() };
        let _ = news.fresh(|_| false);
        news
    }

    /// The last so many of these kinds, the oldest first.
    pub(crate) fn take(&mut self, most: usize, wanted: impl Fn(Kind) -> bool) -> Vec<Item> {
        let mut events = self.fresh(wanted);
        if events.is_empty() {
            return Vec::new();
        }
        events.sort_by_key(|event| event.at_ns);
        let sources = self.recorder.sources();
        let now = clock::now_ns();
        let tags = Tag::all();
        let item = |event: &Event| Item {
            age_ns: now.saturating_sub(event.at_ns),
            kind: event.kind,
            bytes: event.bytes,
            code: event.address,
            tag: tags.get(usize::from(event.tag)).filter(|_| event.tag > 0).cloned(),
            source: sources.get(usize::from(event.source)).cloned(),
        };
        events[events.len().saturating_sub(most)..].iter().map(item).collect()
    }

    fn fresh(&mut self, wanted: impl Fn(Kind) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        for ring in self.recorder.rings() {
            let (previous, current) = {
                let chunks = ring.chunks();
                (chunks.previous.clone(), Arc::clone(&chunks.current))
            };
            let (serial, read) = self.read.get(&ring.thread).copied().unwrap_or_default();
            let end = current.len();
            let mut take = |chunk: &Chunk, end: usize| {
                // A chunk after the one that was read is all new, one before it is not.
                let from = match chunk.serial.cmp(&serial) {
                    std::cmp::Ordering::Less => end,
                    std::cmp::Ordering::Equal => read,
                    std::cmp::Ordering::Greater => 0,
                };
                let new = (from..end).filter_map(|at| unpack(chunk.get(at), ring.thread));
                events.extend(new.filter(|event| wanted(event.kind)));
            };
            if let Some(previous) = &previous {
                take(previous, previous.len());
            }
            take(&current, end);
            self.read.insert(ring.thread, (current.serial, end));
        }
        events
    }
}
