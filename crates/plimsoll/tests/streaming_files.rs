//! Files through a ring: every byte, in order, cut where it may be cut, whatever the file does meanwhile.

#![allow(clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod holdings_support;

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use holdings_support::Yard;
use plimsoll::Bytes;
use plimsoll::holding::Streaming;
use plimsoll::holding::streaming::{Align, StreamError};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 9_u64;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    })
    .take(len)
    .collect()
}

fn read(
    streaming: &Streaming,
    path: &PathBuf,
    chunk: u64,
    align: Align,
) -> Result<Vec<Vec<u8>>, StreamError> {
    let mut offset = 0;
    let mut pieces = Vec::new();
    for chunk in streaming.file(path)?.chunks(Bytes::new(chunk), align) {
        let chunk = chunk?;
        assert_eq!(chunk.offset(), offset, "chunks join without a gap");
        offset += chunk.len() as u64;
        pieces.push(chunk.to_vec());
    }
    Ok(pieces)
}

#[test]
fn every_byte_arrives_in_order_however_it_is_read() {
    let (folder, yard) = (Folder::new(), Yard::of(Bytes::mib(8)));
    let content = noise(300_000);
    let path = folder.file("noise", &content);
    let plain = Streaming::open(&yard.work(), "s");
    let ways = [
        plain.clone(),
        plain.clone().direct(),
        plain.clone().readers(4).slots(8),
        plain.clone().readers(3).direct(),
        plain.slots(2),
    ];
    for streaming in &ways {
        for chunk in [1_000, 4_096, 65_536, 299_999, 300_000, 1 << 20] {
            for align in [Align::None, Align::Utf8, Align::Record(0), Align::Bytes(8)] {
                // Noise has a longer way to its next zero than that, now and then.
                if chunk == 1_000 && align == Align::Record(0) {
                    continue;
                }
                let pieces = read(streaming, &path, chunk, align);
                let pieces = pieces.unwrap_or_else(|error| panic!("{chunk} {align:?}: {error}"));
                assert!(pieces.concat() == content, "{streaming:?} {chunk} {align:?}");
            }
        }
    }
    drop(ways);
    yard.balances_to_zero(&["work"]);
}

#[test]
fn text_is_cut_between_characters_and_lines() {
    let (folder, yard) = (Folder::new(), Yard::of(Bytes::mib(8)));
    let text = "Ein Wörtchen, 二言三言, 😀\r\n".repeat(2_000);
    let path = folder.file("text", text.as_bytes());
    for streaming in [Streaming::open(&yard.work(), "s"), Streaming::open(&yard.work(), "s").direct()] {
        for piece in read(&streaming, &path, 5_000, Align::Utf8).unwrap() {
            assert!(std::str::from_utf8(&piece).is_ok());
        }
        for piece in read(&streaming, &path, 5_000, Align::Record(b'\n')).unwrap() {
            assert!(piece.ends_with(b"\r\n"));
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_passed_on() {
    let (folder, yard) = (Folder::new(), Yard::of(Bytes::mib(8)));
    let content = [&[0x80, 0xBF, 0xFF, 0xC3][..], "ü".as_bytes(), &[0xF0, 0x9F]].concat().repeat(500);
    let path = folder.file("bad", &content);
    let pieces = read(&Streaming::open(&yard.work(), "s"), &path, 100, Align::Utf8).unwrap();
    assert_eq!(pieces.concat(), content);
}

#[test]
fn an_empty_file_has_no_chunks_and_takes_no_memory() {
    let (folder, yard) = (Folder::new(), Yard::of(Bytes::new(1)));
    let path = folder.file("empty", b"");
    let streaming = Streaming::open(&yard.work(), "s");
    for align in [Align::None, Align::Utf8, Align::Record(0), Align::Bytes(8)] {
        assert!(read(&streaming, &path, 1 << 20, align).unwrap().is_empty());
    }
    assert_eq!(streaming.file(&path).unwrap().indexed(Bytes::mib(1)).unwrap().chunks(), 0);
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_small_file_takes_little() {
    let (folder, yard) = (Folder::new(), Yard::of(Bytes::mib(64)));
    let path = folder.file("small", b"a line\n");
    let streaming = Streaming::open(&yard.work(), "s");
    let mut chunks = streaming.file(&path).unwrap().chunks(Bytes::mib(8), Align::Record(b'\n'));
    let chunk = chunks.next().unwrap().unwrap();
    assert_eq!(&*chunk, b"a line\n");
    assert!(yard.charged("work") < Bytes::kib(1));
}

#[test]
fn a_file_that_grows_is_read_to_where_it_ended() {
    let (folder, yard) = (Folder::new(), Yard::of(Bytes::mib(8)));
    let path = folder.file("log", &[b'a'; 10_000]);
    let streaming = Streaming::open(&yard.work(), "s").slots(2);
    let append = |count: usize| {
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(&vec![b'b'; count]).unwrap();
    };
    let feed = streaming.file(&path).unwrap();
    let followed = feed.clone().follow();
    append(5_000);
    let count = |feed: plimsoll::holding::streaming::Feed| {
        let chunks = feed.chunks(Bytes::new(1_000), Align::None);
        chunks.map(|chunk| chunk.unwrap().len()).sum::<usize>()
    };
    assert_eq!(count(feed), 10_000);
    assert_eq!(count(followed.clone()), 15_000);
    append(1);
    assert_eq!(count(followed), 15_001);
}

#[test]
fn a_file_that_is_followed_may_begin_empty() {
    let (folder, yard) = (Folder::new(), Yard::of(Bytes::mib(8)));
    let path = folder.file("log", b"");
    let feed = Streaming::open(&yard.work(), "s").file(&path).unwrap().follow();
    fs::write(&path, b"late").unwrap();
    let chunks: Vec<_> = feed.chunks(Bytes::kib(1), Align::Utf8).map(|c| c.unwrap().to_vec()).collect();
    assert_eq!(chunks, [b"late"]);
}

#[test]
fn a_file_that_is_cut_is_an_error_that_says_so() {
    let (folder, yard) = (Folder::new(), Yard::of(Bytes::mib(8)));
    for direct in [false, true] {
        let path = folder.file("cut", &vec![b'a'; 100_000]);
        let streaming = Streaming::open(&yard.work(), "s").slots(2);
        let streaming = if direct { streaming.direct() } else { streaming };
        let feed = streaming.file(&path).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(42_000).unwrap();
        for feed in [feed.clone(), feed.follow()] {
            let last = feed.chunks(Bytes::new(1_000), Align::None).last().unwrap();
            let error = last.unwrap_err();
            assert!(matches!(error, StreamError::Shrunk { .. }), "{error}");
            assert!(error.to_string().contains("100000 bytes long"), "{error}");
        }
    }
    yard.balances_to_zero(&["work"]);
}

#[test]
fn a_record_longer_than_a_chunk_is_named() {
    let (folder, yard) = (Folder::new(), Yard::of(Bytes::mib(8)));
    let content = [b"short\n".as_slice(), &[b'x'; 500], b"\nshort\n"].concat();
    let path = folder.file("records", &content);
    let streaming = Streaming::open(&yard.work(), "s");
    let mut chunks = streaming.file(&path).unwrap().chunks(Bytes::new(100), Align::Record(b'\n'));
    assert_eq!(&*chunks.next().unwrap().unwrap(), b"short\n");
    let error = chunks.next().unwrap().unwrap_err();
    assert!(matches!(error, StreamError::RecordTooLong { offset: 6, .. }), "{error}");
    assert!(error.to_string().contains("ask for larger chunks"));
    assert!(chunks.next().is_none());
    assert_eq!(read(&streaming, &path, 507, Align::Record(b'\n')).unwrap().concat(), content);
}

#[test]
fn a_file_that_ends_within_a_row_is_an_error_after_the_whole_rows() {
    let (folder, yard) = (Folder::new(), Yard::of(Bytes::mib(8)));
    let path = folder.file("rows", &[1; 1_003]);
    for readers in [1, 4] {
        let streaming = Streaming::open(&yard.work(), "s").readers(readers);
        let mut whole = 0;
        let mut wrong = None;
        for chunk in streaming.file(&path).unwrap().chunks(Bytes::new(100), Align::Bytes(10)) {
            match chunk {
                Ok(chunk) => whole += chunk.len(),
                Err(error) => wrong = Some(error),
            }
        }
        assert_eq!(whole, 1_000);
        let expected = matches!(wrong, Some(StreamError::PartialRow { offset: 1_000, left: 3, row: 10, .. }));
        assert!(expected, "{wrong:?}");
    }
}

#[test]
fn what_cannot_be_streamed_is_refused_in_words() {
    let (folder, yard) = (Folder::new(), Yard::of(Bytes::mib(8)));
    let streaming = Streaming::open(&yard.work(), "s");
    assert!(matches!(streaming.file(folder.0.path()), Err(StreamError::NotAFile { .. })));
    assert!(matches!(streaming.file("/no/such/file"), Err(StreamError::Read { .. })));
    let path = folder.file("f", b"abc");
    let chunk =
        |bytes, align| streaming.file(&path).unwrap().chunks(Bytes::new(bytes), align).next().unwrap();
    for (bytes, align) in [(0, Align::None), (3, Align::Utf8), (7, Align::Bytes(8)), (7, Align::Bytes(0))] {
        assert!(matches!(chunk(bytes, align), Err(StreamError::ChunkTooSmall { .. })), "{bytes} {align:?}");
    }
}
