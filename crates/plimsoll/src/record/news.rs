//! What happened since somebody last looked, for who watches and does not record.

use std::collections::HashMap;
use std::sync::Arc;

use super::packed::unpack;
use super::{Event, Kind, Recorder, clock};

/// How far somebody has looked.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// By ring: the chunk and the event to look at next.
    seen: HashMap<u16, (u64, usize)>,
}

/// What is worth telling: little happens of it, and somebody may have to act.
const WORTH: [Kind; 6] = [Kind::Demote, Kind::Promote, Kind::Evict, Kind::Refuse, Kind::Pressure, Kind::Mark];

impl News {
    /// The newest events worth telling, oldest first, at most so many, each with its age in nanoseconds. What a thread
    /// has written over since the last look is not among them.
    pub(crate) fn read(&mut self, recorder: &Recorder, most: usize) -> Vec<(Event, u64)> {
        let mut found: Vec<Event> = Vec::new();
        let rings = recorder.rings();
        self.seen.retain(|thread, _| rings.iter().any(|ring| ring.thread == *thread));
        for ring in rings {
            let (previous, current) = {
                let chunks = ring.chunks();
                (chunks.previous.as_ref().map(Arc::clone), Arc::clone(&chunks.current))
            };
            let seen = self.seen.entry(ring.thread).or_default();
            let end = (current.serial, current.len());
            for chunk in previous.iter().chain([&current]).filter(|chunk| chunk.serial >= seen.0) {
                let from = if chunk.serial == seen.0 { seen.1 } else { 0 };
                let words = (from..chunk.len().min(end_of(chunk.serial, end))).map(|at| chunk.get(at));
                found.extend(
                    words.filter_map(|words| unpack(words, 0)).filter(|event| WORTH.contains(&event.kind)),
                );
            }
            *seen = end;
        }
        found.sort_by_key(|event| event.at_ns);
        let now = clock::now_ns();
        let newest = found.len().saturating_sub(most);
        found.drain(newest..).map(|event| (event, now.saturating_sub(event.at_ns))).collect()
    }
}

/// Up to where a chunk was looked at when its ring was.
const fn end_of(serial: u64, end: (u64, usize)) -> usize {
    if serial == end.0 { end.1 } else { usize::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(recorder: &Arc<Recorder>, kind: Kind, bytes: u64) {
        recorder.note(Event { bytes, ..Event::new(kind) });
    }

    fn read(news: &mut News, recorder: &Recorder, most: usize) -> Vec<u64> {
        news.read(recorder, most).iter().map(|(event, _)| event.bytes).collect()
    }

    #[test]
    fn each_is_told_once_and_the_newest_are_told_first() {
        let (recorder, mut news) = (Recorder::new(std::iter::empty()), News::default());
        note(&recorder, Kind::Refuse, 1);
        note(&recorder, Kind::Charge, 2);
        note(&recorder, Kind::Evict, 3);
        assert_eq!(read(&mut news, &recorder, 10), [1, 3]);
        assert!(read(&mut news, &recorder, 10).is_empty());
        for bytes in 0..5_000 {
            note(&recorder, Kind::Evict, bytes);
        }
        assert_eq!(read(&mut news, &recorder, 3), [4_997, 4_998, 4_999]);
        let there = Arc::clone(&recorder);
        std::thread::spawn(move || note(&there, Kind::Pressure, 9)).join().unwrap();
        assert_eq!(read(&mut news, &recorder, 3), [9]);
    }
}
