//! `plimsoll docs …`, as it is typed.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod program;

use std::fmt::Write as _;
use std::path::Path;

use program::{plimsoll, report as json, run, said, text};

fn files(folder: &Path) {
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    std::fs::write(folder.join("lines.md"), "# Lines\n\nA line says how far a place may be loaded.\n")
        .unwrap();
    std::fs::write(folder.join("sub/pools.txt"), "Pools turn few big allocations into many small leases.\n")
        .unwrap();
    std::fs::write(
        folder.join("sub/records.jsonl"),
        "{\"id\": \"r1\", \"text\": \"A record about anchors.\"}\nnot JSON\n",
    )
    .unwrap();
    std::fs::write(folder.join("picture.png"), [0x89, b'P', 0, 1]).unwrap();
}

#[test]
fn files_are_taken_in_found_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let (folder, library) = (home.path().join("files"), home.path().join("library"));
    files(&folder);
    let (folder, library) = (folder.to_str().unwrap(), library.to_str().unwrap());
    let came = json(&["docs", "ingest", folder, "--into", library, "--memory", "32MiB"]);
    assert_eq!(
        (came["documents"].as_u64(), came["left"].as_u64(), came["skipped"].as_u64()),
        (Some(3), Some(1), Some(1)),
        "{came}"
    );
    assert!(came["peak_bytes"].as_u64().unwrap() <= 32 << 20);
    let found = json(&["docs", "search", library, "small", "lease"]);
    assert!(found["passages"][0]["name"].as_str().unwrap().ends_with("pools.txt"), "{found}");
    let record = json(&["docs", "search", library, "anchor"]);
    assert_eq!(record["passages"][0]["record"], "r1", "{record}");
    let shown = text(&run(&["docs", "search", library, "how far may it be loaded"]).stdout);
    assert!(shown.contains("lines.md, Lines, bytes 0 to"), "{shown}");
    let again = text(&run(&["docs", "ingest", folder, "--into", library]).stdout);
    assert!(again.contains("0 taken in, 3 as they were, 1 left out"), "{again}");
    assert!(again.contains("picture.png: it is not text"), "{again}");
    let info = json(&["docs", "info", library, "--documents"]);
    assert_eq!((info["documents"].as_u64(), info["list"].as_array().unwrap().len()), (Some(3), 3));
    // A folder's path means all below it.
    let below = format!("{folder}/sub");
    assert_eq!(json(&["docs", "remove", library, &below])["removed"], 2);
    assert_eq!(json(&["docs", "search", library, "anchor"])["passages"].as_array().unwrap().len(), 0);
    let compacted = json(&["docs", "compact", library]);
    assert!(compacted["after_bytes"].as_u64().unwrap() < compacted["before_bytes"].as_u64().unwrap());
}

#[test]
fn a_pdf_is_read_by_the_program_itself_in_a_process_of_its_own() {
    let page = "BT /F1 12 Tf 72 720 Td (A page about anchors.) Tj ET";
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [4 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents 5 0 R >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{page}\nendstream", page.len()),
    ];
    let (mut file, mut table) = ("%PDF-1.4\n".to_owned(), "xref\n0 6\n0000000000 65535 f \n".to_owned());
    for (number, object) in objects.iter().enumerate() {
        writeln!(table, "{:010} 00000 n ", file.len()).unwrap();
        writeln!(file, "{} 0 obj\n{object}\nendobj", number + 1).unwrap();
    }
    let start = file.len();
    write!(file, "{table}trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").unwrap();
    let home = tempfile::tempdir().unwrap();
    let (path, library) = (home.path().join("anchors.pdf"), home.path().join("library"));
    std::fs::write(&path, file).unwrap();
    let library = library.to_str().unwrap();
    let came = json(&["docs", "ingest", path.to_str().unwrap(), "--into", library, "--memory", "32MiB"]);
    assert_eq!((came["documents"].as_u64(), came["left"].as_u64()), (Some(1), Some(0)), "{came}");
    let found = json(&["docs", "search", library, "anchor"]);
    let passage = &found["passages"][0];
    assert_eq!(
        (&passage["page"], passage["text"].as_str()),
        (&1.into(), Some("A page about anchors.")),
        "{found}"
    );
}

#[test]
fn what_cannot_be_done_says_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let none = home.path().join("none");
    let none = none.to_str().unwrap();
    assert!(said(&["docs", "search", none, "x"], 1).contains("there is no library"));
    assert!(said(&["docs", "ingest", none, "--into", none], 1).contains("could not be read"));
    assert!(!Path::new(none).exists(), "nothing was made");
    std::fs::write(home.path().join("a.txt"), "words").unwrap();
    let path = home.path().join("a.txt");
    let path = path.to_str().unwrap();
    assert!(said(&["docs", "ingest", path, "--into", none, "--memory", "1MiB"], 1).contains("--memory"));
    assert!(
        said(&["docs", "ingest", path, "--into", none, "--kind", "tree"], 2).contains("no kind of document")
    );
}

/// Killed while it reads, again and again, it gets to the end, and nothing is lost or there twice.
#[cfg(unix)]
#[test]
fn a_process_that_is_killed_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let (path, library) = (home.path().join("long.txt"), home.path().join("library"));
    let mut long = String::new();
    for number in 0..30_000 {
        let _ = writeln!(
            long,
            "Paragraph {number} tells about needle{number}. {}\n",
            "Filling goes on and on here. ".repeat(12)
        );
    }
    std::fs::write(&path, &long).unwrap();
    let (path, folder) = (path.to_str().unwrap(), library.to_str().unwrap());
    let ingest = ["docs", "ingest", path, "--into", folder, "--memory", "32MiB", "--counts-every", "0"];
    let mut kills = 0;
    for wait in [30, 60, 90, 120, 150] {
        let mut child = plimsoll(&ingest).stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        if child.try_wait().unwrap().is_none() {
            kills += 1;
            child.kill().unwrap();
        }
        child.wait().unwrap();
    }
    json(&ingest);
    let info = json(&["docs", "info", folder]);
    assert_eq!(
        (info["documents"].as_u64(), info["unfinished"].as_u64()),
        (Some(1), Some(0)),
        "after {kills} kills"
    );
    let whole = home.path().join("whole");
    let whole = whole.to_str().unwrap();
    json(&["docs", "ingest", path, "--into", whole]);
    assert_eq!(info["passages"], json(&["docs", "info", whole])["passages"]);
    for needle in ["needle0", "needle777", "needle29999"] {
        let found = json(&["docs", "search", folder, needle]);
        assert_eq!(found["passages"].as_array().unwrap().len(), 1, "{needle}");
    }
}

#[test]
fn a_model_writes_questions_and_answers_and_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let (folder, library, lines) =
        (home.path().join("files"), home.path().join("library"), home.path().join("pairs.jsonl"));
    files(&folder);
    let (folder, library, lines) =
        (folder.to_str().unwrap(), library.to_str().unwrap(), lines.to_str().unwrap());
    json(&["docs", "ingest", folder, "--into", library]);
    let qa = ["docs", "qa", library, "-o", lines, "--tokens", "12", "--line", "256MiB"];
    let first = json(&[&qa[..], &["--limit", "2"]].concat());
    let rest = json(&qa);
    let count = |report: &serde_json::Value, name: &str| report[name].as_u64().unwrap();
    assert_eq!(count(&first, "written") + count(&first, "empty"), 2, "{first}");
    assert!(count(&first, "cached_tokens") > 0, "the second request finds what the first computed: {first}");
    assert_eq!(count(&rest, "lines"), count(&first, "written") + count(&rest, "written"));
    let text = std::fs::read_to_string(lines).unwrap();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["question"].as_str().is_some_and(|question| !question.is_empty()));
        assert!(line["context"].as_str().is_some() && line["document"].as_str().is_some());
    }
}
