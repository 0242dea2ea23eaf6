//! The terms of one passage, each once with how often it stands there.

use xxhash_rust::xxh3::xxh3_64;

use super::each_term;

/// Places of the table at first; twice as many as terms, at least.
const PLACES: usize = 1024;

/// A term of the passage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) hash: u64,
    at: u32,
    len: u8,
    pub(super) times: u8,
}

/// The terms of one passage. It is small enough to stay near the processor: what is looked up in the table of all terms, which is
/// not, is looked up once a passage, and one look does not wait for another.
#[derive(Debug)]
pub(super) struct Tally {
    letters: Vec<u8>,
    seen: Vec<Seen>,
    /// One more than the number of a term, by its hash.
    places: Vec<u32>,
    /// Terms, counted as often as they stand there.
    pub(super) count: u32,
}

impl Default for Tally {
    fn default() -> Self {
        Self { letters: Vec::new(), seen: Vec::new(), places: vec![0; PLACES], count: 0 }
    }
}

impl Tally {
    /// Takes the place of what was there with the terms of some texts.
    pub(super) fn read(&mut self, texts: &[&str]) {
        self.letters.clear();
        self.seen.clear();
        self.places.fill(0);
        self.count = 0;
        for text in texts {
            each_term(text, |term| self.meet(term));
        }
    }

    #[inline]
    fn meet(&mut self, term: &[u8]) {
        self.count += 1;
        let hash = xxh3_64(term);
        let mask = self.places.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "any bits do")]
        let mut place = hash as usize & mask;
        loop {
            let number = self.places[place];
            if number == 0 {
                break;
            }
            let seen = &mut self.seen[number as usize - 1];
            let at = seen.at as usize;
            if seen.hash == hash && &self.letters[at..at + seen.len as usize] == term {
                seen.times = seen.times.saturating_add(1);
                return;
            }
            place = (place + 1) & mask;
        }
        let at = u32::try_from(self.letters.len()).unwrap_or(u32::MAX);
        self.letters.extend_from_slice(term);
        self.seen.push(Seen { hash, at, len: u8::try_from(term.len()).unwrap_or(u8::MAX), times: 1 });
        self.places[place] = u32::try_from(self.seen.len()).unwrap_or(u32::MAX);
        if self.seen.len() * 2 > self.places.len() {
            self.widen();
        }
    }

    fn widen(&mut self) {
        let mask = self.places.len() * 4 - 1;
        self.places.clear();
        self.places.resize(mask + 1, 0);
        for (number, seen) in (1..).zip(&self.seen) {
            #[expect(clippy::cast_possible_truncation, reason = "any bits do")]
            let mut place = seen.hash as usize & mask;
            while self.places[place] != 0 {
                place = (place + 1) & mask;
            }
            self.places[place] = number;
        }
    }

    /// Each term with its letters.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Seen, &[u8])> {
        self.seen
            .iter()
            .map(|seen| (seen, &self.letters[seen.at as usize..seen.at as usize + seen.len as usize]))
    }

    /// What it takes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.letters.capacity() + self.seen.capacity() * size_of::<Seen>() + self.places.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn each_term_is_there_once() {
        let mut tally = Tally::default();
        tally.read(&["the line and the ledger", "The end"]);
        let terms: Vec<_> = tally.iter().map(|(seen, term)| (term.to_vec(), seen.times)).collect();
        let expected: [(&[u8], u8); 5] =
            [(b"the", 3), (b"line", 1), (b"and", 1), (b"ledger", 1), (b"end", 1)];
        assert_eq!(terms, expected.map(|(term, times)| (term.to_vec(), times)));
        assert_eq!(tally.count, 7);
        let mut many = String::new();
        for number in 0..5000 {
            let _ = write!(many, "word{} ", number % 2500);
        }
        tally.read(&[&many]);
        assert_eq!((tally.seen.len(), tally.count), (2500, 5000));
        assert!(tally.iter().all(|(seen, _)| seen.times == 2));
    }
}
