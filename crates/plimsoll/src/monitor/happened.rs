//! What happened since the sample before, in words.

use std::time::Duration;

use super::EventSample;
use super::engine::code_level;
use crate::Engine;
use crate::governor::Why;
use crate::record::{Item, Kind, News};

/// Events that a sample carries at most.
const MOST: usize = 32;
/// Of so many at most it is made: what happens more often is read as one anyway.
const READ: usize = 4_096;

/// Reads the recorder's events that people want to hear of.
#[derive(Debug)]
pub(super) struct Happened {
    news: News,
}

impl Happened {
    pub(super) fn of(engine: &Engine) -> Self {
        Self { news: News::of(engine.recorder()) }
    }

    /// Since the last call. What happened again and again is one event, at the last time that it did.
    pub(super) fn since(&mut self, up: Duration) -> Vec<EventSample> {
        let told = |kind| {
            matches!(
                kind,
                Kind::Evict | Kind::Refuse | Kind::Pressure | Kind::Demote | Kind::Promote | Kind::Mark
            )
        };
        let mut all: Vec<(Item, u64)> = Vec::new();
        for item in self.news.take(READ, told) {
            let same = |(other, _): &(Item, u64)| {
                (other.kind, &other.source, &other.tag, other.code)
                    == (item.kind, &item.source, &item.tag, item.code)
            };
            match all.iter().position(same) {
                // What a level is now matters, not the sum of what it was.
                Some(at) => {
                    let (before, times) = all.remove(at);
                    let sum = before.bytes.saturating_add(item.bytes);
                    let bytes = if item.kind == Kind::Pressure { item.bytes } else { sum };
                    all.push((Item { bytes, ..item }, times + 1));
                }
                None => all.push((item, 1)),
            }
        }
        let last = all.len().saturating_sub(MOST);
        all.into_iter().skip(last).map(|(item, times)| sample(&item, times, up)).collect()
    }
}

fn sample(item: &Item, times: u64, up: Duration) -> EventSample {
    let at = up.saturating_sub(Duration::from_nanos(item.age_ns));
    let tag = item.tag.clone().unwrap_or_default();
    let said = match item.kind {
        Kind::Evict => {
            let why = match item.code {
                0 => "others needed it",
                1 => "its account was full",
                _ => "its owner said so",
            };
            format!("{tag}: {why}")
        }
        Kind::Refuse => Why::of_code(item.code).to_owned(),
        Kind::Pressure => code_level(item.code).to_owned(),
        _ => tag,
    };
    let detail = if times > 1 { format!("{said} ({times} times)") } else { said };
    EventSample {
        at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
        kind: item.kind.name().to_owned(),
        place: item.source.as_ref().map(|source| source.place.to_string()).unwrap_or_default(),
        account: item.source.as_ref().map(|source| source.account.clone()).unwrap_or_default(),
        bytes: item.bytes,
        detail,
    }
}
