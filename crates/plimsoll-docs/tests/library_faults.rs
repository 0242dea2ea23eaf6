//! What can go wrong with a library: nothing is lost, and nothing wrong is found.
#![allow(clippy::expect_used, reason = "a test that cannot write its files has failed")]

mod bed;

use std::collections::HashMap;

use bed::{Bed, find, ingest, long, names};
use plimsoll::Bytes;
use plimsoll_docs::{DocsError, Embed, EmbedFault, IngestSettings, Library, Mode, PartError, Query};

fn part_of(bed: &Bed) -> std::path::PathBuf {
    let paths = std::fs::read_dir(bed.folder()).expect("a folder").flatten().map(|entry| entry.path());
    let mut parts: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "part")).collect();
    assert_eq!(parts.len(), 1);
    parts.remove(0)
}

#[test]
fn a_byte_that_was_changed_is_damage_or_changes_nothing() {
    let bed = Bed::new(Bytes::mib(64));
    bed.file("a.txt", long("word", 30));
    let library = bed.create();
    ingest(&library, bed.files());
    let before = find(&library, "word7");
    drop(library);
    let path = part_of(&bed);
    let whole = std::fs::read(&path).expect("read");
    let mut damaged = 0;
    for at in (0..whole.len()).step_by(whole.len() / 150) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, &bytes).expect("written");
        match Library::open(&bed.folder(), &bed.account) {
            Err(DocsError::Part(PartError::Damaged { .. } | PartError::Newer { .. })) => damaged += 1,
            Err(other) => panic!("{other}"),
            Ok(library) => match library.search(&Query::words("word7", 10)) {
                Ok(found) => assert_eq!(found, before, "byte {at}"),
                Err(DocsError::Part(PartError::Damaged { .. })) => damaged += 1,
                Err(other) => panic!("{other}"),
            },
        }
    }
    assert!(damaged > 20, "{damaged}");
    for short in [0, 10, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..short]).expect("written");
        assert!(matches!(
            Library::open(&bed.folder(), &bed.account),
            Err(DocsError::Part(PartError::Damaged { .. }))
        ));
    }
    std::fs::write(&path, &whole).expect("written");
    assert_eq!(find(&Library::open(&bed.folder(), &bed.account).expect("opened"), "word7"), before);
}

#[test]
fn what_a_killed_process_left_behind_counts_for_nothing() {
    let bed = Bed::new(Bytes::mib(64));
    bed.file("a.txt", "The first words.");
    let library = bed.create();
    ingest(&library, bed.files());
    // As if the process was killed after a part and a line were written, and before the manifest was.
    let manifest = std::fs::read(bed.folder().join("manifest.json")).expect("read");
    bed.file("b.txt", "The second words.");
    ingest(&library, bed.files());
    drop(library);
    std::fs::write(bed.folder().join("manifest.json"), manifest).expect("written");
    let left = ["0000000077.part", "0000000078.terms", "0000000079.documents", "manifest.json.new"];
    for name in left {
        std::fs::write(bed.folder().join(name), "half of it").expect("written");
    }
    let library = bed.open();
    assert_eq!(library.facts().documents, 1);
    for name in left {
        assert!(!bed.folder().join(name).exists(), "{name}");
    }
    assert!(find(&library, "second").is_empty());
    assert_eq!(ingest(&library, bed.files()).documents, 1);
    drop(library);
    let library = bed.open();
    assert_eq!(names(&find(&library, "second")), ["b.txt"]);
    assert_eq!(library.facts().documents, 2);
}

#[test]
fn one_writes_and_others_read() {
    let bed = Bed::new(Bytes::mib(64));
    bed.file("a.txt", "The first words.");
    let library = bed.create();
    ingest(&library, bed.files());
    assert!(matches!(Library::open_to_write(&bed.folder(), &bed.account), Err(DocsError::InUse { .. })));
    let reader = Library::open(&bed.folder(), &bed.account).expect("opened");
    bed.file("b.txt", "The second words.");
    ingest(&library, bed.files());
    library.compact().expect("compacted");
    assert_eq!(names(&find(&reader, "first")), ["a.txt"], "it reads on what it has open");
    assert!(find(&reader, "second").is_empty());
    assert_eq!(names(&find(&library, "second")), ["b.txt"]);
}

#[test]
fn other_folders_and_newer_libraries_are_refused() {
    let bed = Bed::new(Bytes::mib(64));
    let path = bed.file("a.txt", "words");
    let folder = path.parent().expect("it has one");
    assert!(matches!(Library::create(folder, true, &bed.account), Err(DocsError::NotEmpty { .. })));
    assert!(matches!(Library::open(folder, &bed.account), Err(DocsError::NoLibrary { .. })));
    drop(bed.create());
    let manifest = bed.folder().join("manifest.json");
    let text = std::fs::read_to_string(&manifest).expect("read").replace("\"version\": 1", "\"version\": 9");
    std::fs::write(&manifest, text).expect("written");
    assert!(matches!(Library::open(&bed.folder(), &bed.account), Err(DocsError::Newer { version: 9, .. })));
}

#[test]
fn a_document_that_cannot_be_read_leaves_the_others_alone_and_its_number_unused() {
    let bed = Bed::new(Bytes::mib(64));
    bed.file("a.pdf", "%PDF-1.7 and nothing that a PDF has");
    bed.file("b.txt", "Words that can be read.");
    let library = bed.create();
    let report = ingest(&library, bed.files());
    assert_eq!((report.documents, report.left), (1, 1), "{report:?}");
    assert!(report.left_out[0].path.ends_with("a.pdf"), "{report:?}");
    assert_eq!(names(&find(&library, "words")), ["b.txt"]);
}

/// A model that counts letters.
struct Letters {
    name: &'static str,
    asked: u64,
    fails_at: u64,
}

impl Letters {
    fn new() -> Self {
        Self { name: "letters", asked: 0, fails_at: u64::MAX }
    }

    fn vector(text: &str) -> Vec<f32> {
        let mut counts: HashMap<u8, f32> = HashMap::new();
        text.bytes().for_each(|byte| *counts.entry(byte.to_ascii_lowercase()).or_default() += 1.0);
        (b'a'..=b'z').map(|letter| counts.get(&letter).copied().unwrap_or_default()).collect()
    }
}

impl Embed for Letters {
    fn model(&self) -> &str {
        self.name
    }

    fn dimension(&self) -> usize {
        26
    }

    fn embed(&mut self, texts: &[&str]) -> Result<Vec<f32>, EmbedFault> {
        self.asked += texts.len() as u64;
        if self.asked > self.fails_at {
            return Err(EmbedFault("it is tired".to_owned()));
        }
        Ok(texts.iter().flat_map(|text| Self::vector(text)).collect())
    }
}

#[test]
fn vectors_go_on_where_they_were_left_and_follow_their_documents() {
    let bed = Bed::new(Bytes::mib(64));
    for number in 0..100 {
        bed.file(&format!("{number:03}.txt"), format!("zz{} quite other {number}", "q".repeat(number)));
    }
    let library = bed.create();
    ingest(&library, bed.files());
    let vector = Letters::vector("zzqqqq quite other 4");
    let by_vector = Query { text: "", vector: Some(&vector), k: 1, mode: Mode::Vectors };
    assert!(matches!(library.search(&by_vector), Err(DocsError::NoVectors)));
    let mut tired = Letters { fails_at: 40, ..Letters::new() };
    assert!(matches!(library.embed(&mut tired, &mut |_| true), Err(DocsError::Embed(_))));
    drop(library);
    let library = bed.open();
    let mut model = Letters::new();
    let made = library.embed(&mut model, &mut |_| true).expect("made");
    assert_eq!((made.done, made.of), (made.of, 100), "what did not count yet is made again, once");
    assert_eq!(library.embed(&mut model, &mut |_| true).expect("made").of, 0, "all have one");
    assert_eq!(names(&library.search(&by_vector).expect("searched")), ["004.txt"]);
    let both = Query { text: "quite", vector: Some(&vector), k: 3, mode: Mode::Both };
    assert_eq!(names(&library.search(&both).expect("searched"))[0], "004.txt");
    let other = &mut Letters { name: "others", ..Letters::new() };
    assert!(matches!(library.embed(other, &mut |_| true), Err(DocsError::OtherModel { .. })));
    // A document that goes takes its vectors with it.
    let gone = library.search(&by_vector).expect("searched")[0].document;
    library.remove(&[gone]).expect("removed");
    assert_ne!(names(&library.search(&by_vector).expect("searched")), ["004.txt"]);
    library.compact().expect("compacted");
    assert_ne!(names(&library.search(&by_vector).expect("searched")), ["004.txt"]);
}

#[test]
fn a_disk_that_is_full_loses_nothing_that_counted() {
    // A folder that cannot be written to stands for a disk without room.
    let bed = Bed::new(Bytes::mib(64));
    bed.file("a.txt", "The first words.");
    let library = bed.create();
    ingest(&library, bed.files());
    bed.file("b.txt", "The second words.");
    let manifest = bed.folder().join("manifest.json.new");
    std::fs::create_dir(&manifest).expect("in the way of the next manifest");
    let refused = library.ingest(&[bed.files()], &IngestSettings::default(), &mut |_| true);
    assert!(matches!(refused, Err(DocsError::Folder { .. })), "{refused:?}");
    assert_eq!(names(&find(&library, "first")), ["a.txt"]);
    std::fs::remove_dir(&manifest).expect("there is room again");
    assert_eq!(ingest(&library, bed.files()).documents, 1);
    assert_eq!(names(&find(&library, "second")), ["b.txt"]);
}
