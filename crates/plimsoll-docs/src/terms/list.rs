//! What the bytes of a list come to.

use xxhash_rust::xxh3::Xxh3;

/// Bytes of a list as they come.
#[derive(Clone, Default)]
pub(crate) struct ListSum {
    hash: Xxh3,
    bytes: u64,
}

impl ListSum {
    /// Of all of them at once.
    pub(crate) fn of(list: &[u8]) -> u32 {
        half(xxhash_rust::xxh3::xxh3_64(list))
    }

    /// More of them.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// How many there were and what they come to; the next list begins.
    pub(crate) fn end(&mut self) -> (u64, u32) {
        let ended = (self.bytes, half(self.hash.digest()));
        self.hash.reset();
        self.bytes = 0;
        ended
    }
}

impl std::fmt::Debug for ListSum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListSum").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

fn half(sum: u64) -> u32 {
    (sum & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use super::ListSum;

    #[test]
    fn pieces_come_to_what_the_whole_does() {
        let list: Vec<u8> = (0..2000_u32).map(|number| (number % 251) as u8).collect();
        let mut sum = ListSum::default();
        for step in [1, 7, 700, 3000] {
            list.chunks(step).for_each(|piece| sum.add(piece));
            assert_eq!(sum.end(), (2000, ListSum::of(&list)));
        }
        assert_eq!(sum.end(), (0, ListSum::of(&[])));
    }
}
