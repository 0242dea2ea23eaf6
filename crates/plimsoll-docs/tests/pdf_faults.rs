//! PDFs that would end who reads them: told, passed over, and nothing else.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod bed;
mod paper;
mod support;

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bed::{Bed, find, ingest, names};
use flate2::write::ZlibEncoder;
use flate2::{Compress, Compression, FlushCompress};
use paper::{behind, file, kids, paper, pdf, shown, stream};
use plimsoll::Bytes;
use plimsoll_docs::passage::{Chunking, Passages};
use plimsoll_docs::source::Kind;
use plimsoll_docs::{DocsError, TextError};
use support::Desk;

const DEEP: usize = 100_000;

/// Files that are large because they are nested take some memory until they are found out.
const MUCH: Bytes = Bytes::gib(4);
/// Small ones get no more than this, whatever they unpack to.
const LITTLE: Bytes = Bytes::mib(64);

/// One test at a time, so that processes that were begun meanwhile are its own.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is read of a file, and what is told of pages.
fn read(content: &[u8], line: Bytes) -> Result<(Vec<String>, Vec<String>), TextError> {
    let desk = Desk::of(line);
    let found = desk.found("a.pdf", content, Kind::Pdf);
    let told = |error| match error {
        DocsError::Text { source, .. } => source,
        other => panic!("{other}"),
    };
    let mut passages = Passages::open(&found, Chunking::default(), &desk.account()).map_err(told)?;
    let mut texts = Vec::new();
    let ended = loop {
        match passages.next() {
            Ok(Some(passage)) => texts.push(passage.text.to_owned()),
            Ok(None) => break Ok(()),
            Err(error) => break Err(told(error)),
        }
    };
    let pages = passages.flaws().told.into_iter().map(|page| page.why).collect();
    drop(passages);
    assert_eq!(desk.charged(), Bytes::ZERO);
    ended.map(|()| (texts, pages))
}

/// Three pages, of which the second draws a form, and forms behind it.
fn drawing(forms: impl Fn(usize) -> Vec<Vec<u8>>) -> Vec<u8> {
    let first = behind(3);
    let resources = format!("/XObject << /X {first} 0 R >>");
    let page = |text| (stream("", shown(text).as_bytes()), "");
    let drawn = (stream("", b"/X Do"), resources.as_str());
    paper(&[page("The first page."), drawn, page("The last page.")], forms(first))
}

/// A form that draws others.
fn form(draws: &str, others: &str) -> Vec<u8> {
    let says =
        format!("/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << {others} >> >>");
    stream(&says, draws.as_bytes())
}

/// The second page is told, and the others are read.
fn second_is_told(content: &[u8], line: Bytes, why: &str) {
    let (texts, told) = read(content, line).unwrap();
    assert_eq!(texts, ["The first page.", "The last page."]);
    assert!(told.len() == 1 && told[0].starts_with("page 2: ") && told[0].contains(why), "{told:?}");
}

#[test]
fn forms_within_forms() {
    let _turn = turn();
    second_is_told(
        &drawing(|first| (0..DEEP).map(|at| form("/X Do", &format!("/X {} 0 R", first + at + 1))).collect()),
        MUCH,
        "nested too deep",
    );
}

#[test]
fn a_form_within_itself() {
    let _turn = turn();
    second_is_told(
        &drawing(|first| vec![form("/X Do", &format!("/X {first} 0 R"))]),
        LITTLE,
        "within itself",
    );
}

#[test]
fn forms_that_take_for_ever() {
    let _turn = turn();
    // Each draws the next ten times: 10^15 of the last.
    let ten = "/X Do ".repeat(10);
    let forms = |first: usize| {
        let mut forms: Vec<_> = (1..15).map(|at| form(&ten, &format!("/X {} 0 R", first + at))).collect();
        forms.push(form("", ""));
        forms
    };
    second_is_told(&drawing(forms), LITTLE, "2 s of a processor");
}

#[test]
fn objects_within_objects() {
    let _turn = turn();
    let arrays = format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP));
    let dictionaries = format!("{}0{}", "<< /A ".repeat(DEEP), " >>".repeat(DEEP));
    let strings = format!("{}{} Tj", "(".repeat(DEEP), ")".repeat(DEEP));
    for deep in [&arrays, &dictionaries, &strings] {
        // On a page, where what cannot be understood is passed over; and as an object that a page is made of.
        let pages = [(stream("", deep.as_bytes()), ""), (stream("", shown("The last page.").as_bytes()), "")];
        let (texts, told) = read(&paper(&pages, Vec::new()), MUCH).unwrap();
        assert_eq!(
            (texts.last().map(String::as_str), told.len() < 2),
            (Some("The last page."), true),
            "{told:?}"
        );
        let resources = format!("/Properties {} 0 R", behind(1));
        let page = [(stream("", shown("A page.").as_bytes()), resources.as_str())];
        match read(&paper(&page, vec![deep.clone().into_bytes()]), MUCH) {
            Ok((texts, _)) => assert_eq!(texts, ["A page."]),
            Err(error) => assert!(matches!(error, TextError::Damaged(_)), "{error}"),
        }
    }
}

#[test]
fn pages_within_pages() {
    let _turn = turn();
    let root = b"<< /Type /Catalog /Pages 2 0 R >>".to_vec();
    let tree = |kid: usize| format!("<< /Type /Pages /Kids [{kid} 0 R] /Count 1 >>").into_bytes();
    let mut deep = vec![root.clone()];
    deep.extend((3..DEEP).map(tree));
    deep.push(b"<< /Type /Page /MediaBox [0 0 9 9] >>".to_vec());
    let error = read(&file(&deep), MUCH).unwrap_err();
    assert!(matches!(error, TextError::NoText { .. } | TextError::Damaged(_)), "{error}");
    let error = read(&file(&[root.clone(), tree(2)]), MUCH).unwrap_err();
    assert!(matches!(error, TextError::NoText { .. }), "{error}");
    // What a page has not it takes from its parent, which is itself.
    let only = tree(3);
    let page = b"<< /Type /Page /Parent 3 0 R >>".to_vec();
    let (texts, told) = read(&file(&[root.clone(), only, page]), MUCH).unwrap();
    assert!(texts.is_empty() && told.len() == 1 && told[0].contains("within itself"), "{texts:?} {told:?}");
    // A file in which all pages are so is not tried for ever.
    let kids = kids(3..53);
    let mut all = vec![root, format!("<< /Type /Pages /Kids [{kids}] /Count 50 >>").into_bytes()];
    all.extend((3..53).map(|page| format!("<< /Type /Page /Parent {page} 0 R >>").into_bytes()));
    let error = read(&file(&all), MUCH).unwrap_err();
    assert!(matches!(&error, TextError::Damaged(why) if why.contains("within itself")), "{error}");
}

/// So many MiB of zeros, packed and packed again: four thousand MiB are 14 KB.
fn bomb(mib: usize) -> Vec<u8> {
    let zeros = vec![0; 1 << 20];
    let mut mib_packed = Vec::with_capacity(1 << 16);
    let mut packer = Compress::new(Compression::default(), false);
    packer.compress_vec(&zeros, &mut mib_packed, FlushCompress::Full).unwrap();
    // What was flushed stands for itself, wherever it stands. What all comes to is left out: nobody gets so far.
    let mut again = ZlibEncoder::new(Vec::new(), Compression::default());
    again.write_all(&[0x78, 0x9c]).unwrap();
    for _ in 0..mib {
        again.write_all(&mib_packed).unwrap();
    }
    again.finish().unwrap()
}

/// Says that it is over when it is.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The most memory of their own that processes have which this one began, while something is done.
fn most_of_children<T>(work: impl FnOnce() -> T) -> (T, Bytes) {
    let (over, most) = (AtomicBool::new(false), AtomicU64::new(0));
    let own = std::process::id().to_string();
    let value = |status: &str, name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?.strip_prefix(':')?;
        Some(line.trim().trim_end_matches(" kB").to_owned())
    };
    let look = || {
        while !over.load(Ordering::Relaxed) {
            for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
                let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
                if value(&status, "PPid").as_ref() == Some(&own) {
                    let kib = value(&status, "RssAnon").and_then(|kib| kib.parse::<u64>().ok());
                    most.fetch_max(kib.unwrap_or(0), Ordering::Relaxed);
                }
            }
        }
    };
    let outcome = std::thread::scope(|scope| {
        scope.spawn(look);
        // Also where it panics.
        let _over = Over(&over);
        work()
    });
    (outcome, Bytes::kib(most.into_inner()))
}

#[test]
fn what_unpacks_to_gigabytes() {
    let _turn = turn();
    let bomb = bomb(4096);
    assert!(bomb.len() < 64 << 10, "{}", bomb.len());
    let packed = stream("/Filter [/FlateDecode /FlateDecode]", &bomb);
    // As a page.
    let page = |text| (stream("", shown(text).as_bytes()), "");
    let content = paper(&[page("The first page."), (packed, ""), page("The last page.")], Vec::new());
    let ((), most) = most_of_children(|| second_is_told(&content, LITTLE, "to read"));
    assert!(most > Bytes::ZERO && most <= Bytes::mib(64), "{most}");
    // As what says where everything is.
    let objects = stream("/Type /ObjStm /N 1 /First 4 /Filter [/FlateDecode /FlateDecode]", &bomb);
    let content = paper(&[page("A page.")], vec![objects]);
    let (outcome, most) = most_of_children(|| read(&content, LITTLE));
    assert!(most <= Bytes::mib(64), "{most}");
    match outcome {
        Err(TextError::PdfTooMuch { .. } | TextError::PdfRoom { .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_rest_of_a_folder_is_taken_in() {
    let _turn = turn();
    let bed = Bed::new(Bytes::mib(64));
    let packed = stream("/Filter [/FlateDecode /FlateDecode]", &bomb(2048));
    bed.file("a.pdf", paper(&[(packed, "")], Vec::new()));
    bed.file("b.pdf", drawing(|first| vec![form("/X Do", &format!("/X {first} 0 R"))]));
    bed.file("c.pdf", pdf(&["A page that is as it should be."]));
    bed.file("d.txt", "Words that can be read.");
    let library = bed.create();
    let before = bed.account.charged(plimsoll::Place::Host);
    let report = ingest(&library, bed.files());
    assert_eq!((report.documents, report.left, report.skipped), (4, 0, 2), "{report:?}");
    assert_eq!(names(&find(&library, "as it should")), ["c.pdf"]);
    assert_eq!(names(&find(&library, "first page"))[..2], ["b.pdf", "b.pdf"]);
    assert_eq!(names(&find(&library, "words that can be read"))[0], "d.txt");
    drop(library);
    assert!(bed.account.charged(plimsoll::Place::Host) <= before);
}
