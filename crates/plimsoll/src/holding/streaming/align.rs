//! Where a chunk may be cut. Pure: bytes in, a length out.
//!
//! A stream is cut so that what belongs together stays together: a character, a record, a row. The cut only ever
//! moves *back* from the end of what was read, so a chunk is never longer than its slot and no byte is dropped,
//! added or changed. Bytes that are not valid UTF-8 are passed on as they are: alignment avoids cutting a character,
//! it does not judge the text.

use crate::Bytes;

/// What must not be cut in two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Nothing: every chunk but the last is full.
    #[default]
    None,
    /// A UTF-8 character. A chunk is at most three bytes short of full. Invalid bytes are passed on.
    Utf8,
    /// A record that ends with this byte, which stays with its record; `\r\n` stays whole under
    /// `Record(b'\n')`. The last record need not be ended.
    Record(u8),
    /// A row of so many bytes. A file that ends within a row is an error.
    Bytes(u64),
}

/// Why a chunk could not be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutError {
    /// No record ends within a full chunk.
    RecordTooLong,
    /// The data ends within a row.
    PartialRow,
}

impl Align {
    /// The largest chunk of at most `bytes` that holds whole rows; `None` when not even one fits (or for rows of
    /// no bytes, which would never end).
    pub fn chunk_bytes(self, bytes: Bytes) -> Option<Bytes> {
        let whole = match self {
            Self::Bytes(0) => Bytes::ZERO,
            Self::Bytes(row) => Bytes::new(bytes.get() / row * row),
            // The longest character has four bytes; a smaller chunk could make no progress.
            Self::Utf8 if bytes.get() < 4 => Bytes::ZERO,
            Self::None | Self::Utf8 | Self::Record(_) => bytes,
        };
        (!whole.is_zero()).then_some(whole)
    }

    /// How much of `data` makes the chunk. `last` says that the data ends here; otherwise the chunk is full and
    /// more follows. Never zero for data that is not empty.
    pub fn cut(self, data: &[u8], last: bool) -> Result<usize, CutError> {
        match self {
            Self::Bytes(row) => {
                let row = usize::try_from(row).unwrap_or(usize::MAX).max(1);
                let whole = data.len() / row * row;
                if whole == 0 && !data.is_empty() {
                    return Err(CutError::PartialRow);
                }
                Ok(whole)
            }
            _ if last => Ok(data.len()),
            Self::None => Ok(data.len()),
            Self::Utf8 => Ok(character_end(data)),
            Self::Record(end) => match data.iter().rposition(|&byte| byte == end) {
                Some(at) => Ok(at + 1),
                None => Err(CutError::RecordTooLong),
            },
        }
    }
}

/// The end of the last whole character: a lead byte within the last three positions whose character does not fit is
/// left for the next chunk.
fn character_end(data: &[u8]) -> usize {
    let len = data.len();
    for back in 1..=3.min(len) {
        let byte = data[len - back];
        let wants = match byte {
            0x80..=0xBF => continue,
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => 1,
        };
        // A chunk that is nothing but the beginning of a character is passed on: it cannot grow.
        return if wants > back && len > back { len - back } else { len };
    }
    len
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(align: Align, data: &[u8], chunk: usize) -> Result<Vec<&[u8]>, CutError> {
        let mut at = 0;
        let mut pieces = Vec::new();
        while at < data.len() {
            let end = data.len().min(at + chunk);
            let cut = align.cut(&data[at..end], end == data.len())?;
            assert!(cut > 0, "a cut of nothing would never end");
            pieces.push(&data[at..at + cut]);
            at += cut;
        }
        Ok(pieces)
    }

    #[test]
    fn characters_stay_whole() {
        let text = "aé€😀".repeat(50);
        for chunk in 4..40 {
            for piece in pieces(Align::Utf8, text.as_bytes(), chunk).unwrap() {
                assert!(std::str::from_utf8(piece).is_ok(), "cut at {chunk}");
                assert!(piece.len() + 3 >= chunk || text.as_bytes().ends_with(piece));
            }
        }
    }

    #[test]
    fn records_stay_whole_and_keep_their_end() {
        let text = b"one\r\ntwo\r\n\r\nthree\r\nfour";
        let pieces = pieces(Align::Record(b'\n'), text, 9).unwrap();
        assert_eq!(pieces, [&b"one\r\n"[..], b"two\r\n\r\n", b"three\r\n", b"four"]);
        assert_eq!(Align::Record(b'\n').cut(b"no end here", false), Err(CutError::RecordTooLong));
        assert_eq!(Align::Record(b'\n').cut(b"no end here", true), Ok(11));
    }

    #[test]
    fn rows_stay_whole() {
        assert_eq!(Align::Bytes(12).chunk_bytes(Bytes::new(100)), Some(Bytes::new(96)));
        assert_eq!(Align::Bytes(12).chunk_bytes(Bytes::new(11)), None);
        assert_eq!(Align::Bytes(0).chunk_bytes(Bytes::new(11)), None);
        assert_eq!(Align::Utf8.chunk_bytes(Bytes::new(3)), None);
        assert_eq!(Align::Bytes(4).cut(&[0; 7], true), Ok(4));
        assert_eq!(Align::Bytes(4).cut(&[0; 3], true), Err(CutError::PartialRow));
    }

    proptest! {
        #[test]
        fn every_byte_is_passed_on_in_order(
            data in proptest::collection::vec(any::<u8>(), 0..400), chunk in 4_usize..64,
            align in prop_oneof![Just(Align::None), Just(Align::Utf8), Just(Align::Record(7))],
        ) {
            if let Ok(pieces) = pieces(align, &data, chunk) {
                prop_assert_eq!(pieces.concat(), data);
            } else {
                prop_assert!(matches!(align, Align::Record(_)));
            }
        }

        #[test]
        fn valid_text_is_never_cut_within_a_character(text in "\\PC{0,200}", chunk in 4_usize..32) {
            for piece in pieces(Align::Utf8, text.as_bytes(), chunk).unwrap() {
                prop_assert!(std::str::from_utf8(piece).is_ok());
            }
        }
    }
}
