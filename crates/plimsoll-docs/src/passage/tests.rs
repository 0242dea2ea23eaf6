//! Passages against a whole text: nothing is lost, whatever it is read in.

use std::path::{Path, PathBuf};

use plimsoll::{Bytes, Engine};
use proptest::prelude::*;

use super::{Chunking, Passages};
use crate::source::{Found, Kind};
use crate::text::{Grain, Start};

/// What a passage said, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    text: String,
    at: std::ops::Range<u64>,
    page: Option<u32>,
    heading: Option<String>,
    record: Option<String>,
}

struct Desk {
    engine: Engine,
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        Self {
            engine: Engine::in_memory(Bytes::mib(64), "documents").unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn found(&self, name: &str, content: &[u8], kind: Kind) -> Found {
        let path: PathBuf = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        found(&path, kind)
    }

    fn all(&self, found: &Found, chunking: Chunking, grain: Grain) -> Vec<Said> {
        let account = self.engine.account("documents").unwrap();
        let passages = Passages::begin(found, chunking, &account, &Start::default(), grain);
        rest(&mut passages.unwrap())
    }

    /// What is given after each passage when reading stops there and goes on from its position.
    fn resumed(&self, found: &Found, chunking: Chunking, grain: Grain) -> Vec<Vec<Said>> {
        let account = self.engine.account("documents").unwrap();
        let mut passages = Passages::begin(found, chunking, &account, &Start::default(), grain).unwrap();
        let mut out = Vec::new();
        loop {
            let position = serde_json::to_string(&passages.position()).unwrap();
            let position = serde_json::from_str(&position).unwrap();
            let mut again = Passages::resume(found, chunking, &account, &position, grain).unwrap();
            assert_eq!(again.flaws(), passages.flaws());
            out.push(rest(&mut again));
            if passages.next().unwrap().is_none() {
                return out;
            }
        }
    }
}

fn found(path: &Path, kind: Kind) -> Found {
    let bytes = Bytes::new(std::fs::metadata(path).unwrap().len());
    Found { path: path.to_owned(), kind, bytes }
}

fn rest(passages: &mut Passages) -> Vec<Said> {
    let mut out = Vec::new();
    while let Some(passage) = passages.next().unwrap() {
        out.push(Said {
            text: passage.text.to_owned(),
            at: passage.at,
            page: passage.page,
            heading: passage.heading.map(str::to_owned),
            record: passage.record.map(str::to_owned),
        });
    }
    out
}

const GRAINS: [Grain; 3] = [
    Grain { chunk: Bytes::new(4), piece: 3, small: 0 },
    Grain { chunk: Bytes::new(61), piece: 17, small: 0 },
    Grain { chunk: Bytes::kib(64), piece: 4096, small: 65_536 },
];

fn offset(at: u64) -> usize {
    usize::try_from(at).unwrap()
}

/// Nothing that is not white space is lost, no passage is too long, each is where it says.
fn check_whole(source: &[u8], passages: &[Said], most: usize) {
    let mut covered = 0;
    for passage in passages {
        assert!(passage.text.len() <= most, "{} of {most}", passage.text.len());
        assert!(!passage.text.trim().is_empty());
        let (start, end) = (offset(passage.at.start), offset(passage.at.end));
        if start > covered {
            let left = String::from_utf8_lossy(&source[covered..start]);
            assert!(left.trim_start_matches('\u{FEFF}').trim().is_empty(), "{left:?} is in no passage");
        }
        assert!(end > covered, "a passage brings something new");
        assert_eq!(String::from_utf8_lossy(&source[start..end]), passage.text);
        covered = end;
    }
    assert!(String::from_utf8_lossy(&source[covered..]).trim().is_empty());
}

fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        6 => "[a-z]{1,9}",
        2 => "[A-Z][a-z]{0,5}[.!?]",
        1 => Just("\n\n".to_owned()),
        1 => Just("\n  ".to_owned()),
        1 => Just("今日は。明日".to_owned()),
        1 => Just("é€😀".to_owned()),
        1 => "\\PC{1,30}",
        1 => Just("}\n".to_owned()),
        1 => "[a-z]{30,90}",
        2 => "\n#{1,4} [A-Z][a-z]{0,8}\n",
        1 => Just("\n```\n".to_owned()),
        1 => Just("\nTitle\n===\n".to_owned()),
        1 => Just("\n---\n".to_owned()),
    ];
    proptest::collection::vec(word, 0..60).prop_map(|words| words.join(" "))
}

fn chunkings() -> impl Strategy<Value = Chunking> {
    (16_usize..120, 0_usize..60).prop_map(|(most, overlap)| Chunking { most, overlap: overlap.min(most / 2) })
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Plain), Just(Kind::Markdown), Just(Kind::Code)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_whatever_it_is_read_in(text in words(), chunking in chunkings(), kind in kinds()) {
        let desk = Desk::new();
        let found = desk.found("text", text.as_bytes(), kind);
        let [first, others @ ..] = GRAINS.map(|grain| desk.all(&found, chunking, grain));
        check_whole(text.as_bytes(), &first, chunking.most);
        for other in others {
            prop_assert_eq!(&other, &first);
        }
    }

    #[test]
    fn reading_goes_on_where_it_stopped(text in words(), chunking in chunkings(), kind in kinds()) {
        let desk = Desk::new();
        let found = desk.found("text", text.as_bytes(), kind);
        let whole = desk.all(&found, chunking, GRAINS[2]);
        for (given, rest) in desk.resumed(&found, chunking, GRAINS[1]).into_iter().enumerate() {
            prop_assert_eq!(&rest[..], &whole[given..]);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_and_counted(
        bytes in proptest::collection::vec(prop_oneof![3 => 32_u8..127, 1 => any::<u8>()], 0..300),
        chunking in chunkings(),
    ) {
        let desk = Desk::new();
        let found = desk.found("text", &bytes, Kind::Plain);
        let [first, others @ ..] = GRAINS.map(|grain| desk.all(&found, chunking, grain));
        for other in others {
            prop_assert_eq!(&other, &first);
        }
        if !bytes.starts_with(b"\xFF\xFE") && !bytes.starts_with(b"\xFE\xFF") {
            check_whole(&bytes, &first, chunking.most);
        }
        desk.resumed(&found, chunking, GRAINS[1]);
    }

    #[test]
    fn pages_and_records_do_not_depend_on_pieces(page in pages(), lines in records(), chunking in chunkings()) {
        let desk = Desk::new();
        for (content, kind) in [(page, Kind::Html), (lines, Kind::Jsonl)] {
            let found = desk.found("text", content.as_bytes(), kind);
            let [first, others @ ..] = GRAINS.map(|grain| desk.all(&found, chunking, grain));
            for other in others {
                prop_assert_eq!(&other, &first);
            }
            for (given, rest) in desk.resumed(&found, chunking, GRAINS[1]).into_iter().enumerate() {
                prop_assert_eq!(&rest[..], &first[given..]);
            }
        }
    }

    #[test]
    fn utf_16_is_read_like_utf_8(text in words(), chunking in chunkings(), big in any::<bool>()) {
        let desk = Desk::new();
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        let wide: Vec<u8> = std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(bytes).collect();
        let narrow = desk.all(&desk.found("narrow", text.as_bytes(), Kind::Markdown), chunking, GRAINS[2]);
        let found = desk.found("wide", &wide, Kind::Markdown);
        for grain in GRAINS {
            let all = desk.all(&found, chunking, grain);
            prop_assert_eq!(all.len(), narrow.len());
            for (wide, narrow) in all.iter().zip(&narrow) {
                prop_assert_eq!(&wide.text, &narrow.text);
                let before = text[..offset(narrow.at.start)].encode_utf16().count() as u64;
                prop_assert_eq!(wide.at.start, 2 + 2 * before);
            }
        }
        desk.resumed(&found, chunking, GRAINS[1]);
    }
}

fn pages() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => "[a-zA-Z .é€]{1,20}",
        4 => prop::sample::select(vec![
            "<p>", "</p>", "<h1>", "</h1>", "<h2 class=\"a>b\">", "</h2>", "<br/>", "<pre>", "</pre>", "<li>",
            "<script>if (a < b) \"</p>\";</script>", "<!-- a -- > b -->", "<nav>", "</nav>", "<td>", "&amp;", "&eacute;",
            "&#233;", "&nosuch;", "& ", "<", "< ", "</", "<svg/>", "<title>", "</title>", "\n", "  ", "<a href='>'>", "&lt",
        ]).prop_map(str::to_owned),
    ];
    proptest::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

fn records() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        4 => words().prop_map(|text| serde_json::json!({ "id": 7, "text": text, "title": "T" }).to_string()),
        1 => "[a-z ]{0,30}".prop_map(|text| serde_json::json!({ "q": text, "a": [text] }).to_string()),
        1 => Just("{ broken".to_owned()),
        1 => Just(String::new()),
    ];
    proptest::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n"))
}
