//! Documents come, change and go; what is found follows.

mod bed;

use bed::{Bed, find, ingest, long, names};
use plimsoll::Bytes;
use plimsoll_docs::{DocsError, IngestSettings, Library, Query, State};

fn room() -> Bytes {
    Bytes::mib(64)
}

#[test]
fn what_was_taken_in_is_found_and_told_where() {
    let bed = Bed::new(room());
    bed.file("lines.md", "# Lines\n\nA line says how far a place may be loaded.\n\n## Reserve\n\nNobody may take the reserve.\n");
    bed.file("sub/pools.txt", "Pools turn few big allocations into many small leases.\n");
    bed.file("picture.png", [0x89, b'P', 0, 1, 2]);
    let library = bed.create();
    let report = ingest(&library, bed.files());
    assert_eq!((report.documents, report.left), (2, 1), "{report:?}");
    let found = find(&library, "who may take the reserve?");
    assert_eq!(found[0].heading.as_deref(), Some("Lines > Reserve"));
    assert!(found[0].text.contains("Nobody may take the reserve."), "{}", found[0].text);
    assert_eq!(names(&find(&library, "small lease")), ["pools.txt"], "a plural is found by one");
    assert!(find(&library, "xylophone").is_empty());
    assert!(matches!(library.search(&Query::words("?!", 3)), Err(DocsError::NoWords)));
    // The same by another who opens it.
    drop(library);
    let library = Library::open(&bed.folder(), &bed.account).expect("opened");
    assert_eq!(names(&find(&library, "small lease")), ["pools.txt"]);
    assert!(matches!(
        library.ingest(&[bed.files()], &IngestSettings::default(), &mut |_| true),
        Err(DocsError::ReadOnly)
    ));
}

#[test]
fn what_is_as_it_was_is_passed_over_and_what_changed_takes_its_place() {
    let bed = Bed::new(room());
    let path = bed.file("a.txt", "The quick fox.");
    bed.file("b.txt", "A lazy dog.");
    let library = bed.create();
    assert_eq!(ingest(&library, bed.files()).documents, 2);
    let again = ingest(&library, bed.files());
    assert_eq!((again.documents, again.unchanged), (0, 2));
    std::fs::write(&path, "The slow tortoise walks.").expect("written");
    let changed = ingest(&library, bed.files());
    assert_eq!((changed.documents, changed.unchanged), (1, 1));
    assert!(find(&library, "fox").is_empty(), "what it said before is not found");
    assert_eq!(names(&find(&library, "tortoise")), ["a.txt"]);
    assert_eq!(library.facts().documents, 2);
}

#[test]
fn what_says_the_same_is_kept_once() {
    let bed = Bed::new(room());
    bed.file("one.txt", "The same words in both files.");
    bed.file("two.txt", "The same words in both files.");
    let library = bed.create();
    let report = ingest(&library, bed.files());
    assert_eq!((report.documents, report.duplicates), (1, 1));
    assert_eq!(find(&library, "same words").len(), 1);
    let again = ingest(&library, bed.files());
    assert_eq!((again.documents, again.unchanged, again.duplicates), (0, 1, 1));
}

#[test]
fn removed_documents_are_not_found_and_leave_nothing_behind() {
    let bed = Bed::new(room());
    for number in 0..5 {
        bed.file(&format!("{number}.txt"), long(&format!("word{number}x"), 50));
    }
    let library = bed.create();
    ingest(&library, bed.files());
    let disk = library.facts().disk;
    let gone: Vec<u64> = library.list(0, 100).iter().take(4).map(|document| document.id).collect();
    assert_eq!(library.remove(&gone).expect("removed"), 4);
    assert_eq!(library.remove(&gone).expect("removed"), 0, "they are gone already");
    let kept = library.list(0, 100).remove(0);
    let number = kept.name.as_bytes()[kept.name.len() - 5] - b'0';
    let word = format!("word{number}x7");
    let before = find(&library, &word);
    assert_eq!(before.len(), 1);
    assert!(library.facts().dead > 0);
    library.compact().expect("compacted");
    assert!(library.facts().disk.get() < disk.get() / 2, "{} of {disk}", library.facts().disk);
    assert_eq!(find(&library, &word)[0].passage, before[0].passage, "passages keep their numbers");
    assert_eq!(find(&library, &word)[0].text, before[0].text);
    drop(library);
    assert_eq!(find(&bed.open(), &word).len(), 1);
}

#[test]
fn what_a_passage_does_not_have_is_not_in_its_json() {
    let bed = Bed::new(room());
    bed.file("a.md", "# Lines\n\nA line holds.\n");
    bed.file("b.txt", "A needle.");
    let library = bed.create();
    ingest(&library, bed.files());
    let told = |words: &str| serde_json::to_value(&find(&library, words)[0]).expect("JSON");
    let line = told("line holds");
    assert_eq!((&line["heading"], &line["kind"]), (&"Lines".into(), &"markdown".into()));
    assert_eq!(line["at"], serde_json::json!([0, 22]));
    let needle = told("needle");
    for absent in ["page", "heading", "record"] {
        assert!(needle.get(absent).is_none(), "{needle}");
    }
}

#[test]
fn many_small_ones_are_put_together() {
    let bed = Bed::new(room());
    let library = bed.create();
    for number in 0..20 {
        let path =
            bed.file(&format!("{number}.txt"), format!("Only here is needle{number}. {}", long("hay", 3)));
        ingest(&library, path);
    }
    assert!(library.facts().parts < 9, "{} parts", library.facts().parts);
    for number in 0..20 {
        assert_eq!(names(&find(&library, &format!("needle{number}"))), [format!("{number}.txt")]);
    }
    let paths: Vec<_> = std::fs::read_dir(bed.folder()).expect("a folder").flatten().collect();
    let parts = paths.iter().filter(|path| path.file_name().to_string_lossy().ends_with(".part")).count();
    assert_eq!(parts, library.facts().parts, "what was put together is gone");
}

#[test]
fn who_stops_goes_on_where_it_was_and_gets_the_same() {
    let text = long("tale", 4000);
    let whole = Bed::new(room());
    whole.file("tale.txt", &text);
    let library = whole.create();
    ingest(&library, whole.files());
    let expected = library.list(0, 10).remove(0);

    let bed = Bed::new(room());
    bed.file("tale.txt", &text);
    let library = bed.create();
    let mut asked = 0;
    let stop_soon = &mut |_: &plimsoll_docs::Progress<'_>| {
        asked += 1;
        asked < 3
    };
    let report = library.ingest(&[bed.files()], &IngestSettings::default(), stop_soon).expect("stopped");
    assert!(report.stopped && report.documents == 0);
    assert_eq!(library.facts().unfinished, 1);
    let half = library.list(0, 10).remove(0);
    assert!(half.passages > 0 && half.passages < expected.passages);
    assert!(matches!(half.state, State::Part { .. }));
    drop(library);
    let library = bed.open();
    let report = ingest(&library, bed.files());
    assert_eq!(report.documents, 1);
    assert!(report.passages < expected.passages, "what was read is not read again");
    let found = library.list(0, 10).remove(0);
    assert_eq!(
        (found.passages, &found.hash),
        (expected.passages, &expected.hash),
        "as if it had never stopped"
    );
    for number in [0, 1999, 3999] {
        assert_eq!(find(&library, &format!("tale{number}")).len(), 1, "tale{number}");
    }
}

#[test]
fn a_budget_is_kept_and_one_that_is_too_small_is_refused() {
    let bed = Bed::new(Bytes::mib(24));
    bed.file("long.txt", long("story", 20_000));
    let library = bed.create();
    let settings = IngestSettings { threads: 2, ..IngestSettings::default() };
    let report = library.ingest(&[bed.files()], &settings, &mut |_| true).expect("taken in");
    assert_eq!(report.documents, 1);
    assert!(bed.account.charged(plimsoll::Place::Host) < Bytes::mib(2), "what is left is small");
    assert_eq!(find(&library, "story19999").len(), 1);

    let small = Bed::new(Bytes::mib(3));
    small.file("a.txt", "some words");
    let library = small.create();
    let refused = library.ingest(&[small.files()], &settings, &mut |_| true);
    assert!(matches!(refused, Err(DocsError::Memory(_))), "{refused:?}");
    assert_eq!(library.facts().documents, 0);
}
