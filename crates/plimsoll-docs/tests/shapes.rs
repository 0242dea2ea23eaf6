//! What becomes of each kind of document.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a scenario whose set-up fails cannot go on")]

mod support;

use plimsoll_docs::passage::{Chunking, Passages};
use plimsoll_docs::source::Kind;
use support::Desk;

fn pairs(all: &[(String, String)]) -> Vec<(&str, &str)> {
    all.iter().map(|(heading, text)| (heading.as_str(), text.as_str())).collect()
}

#[test]
fn headings_of_markdown_begin_passages() {
    let desk = Desk::new();
    let text = "intro\n\n# One #\n\n## Two\n\ntext two\n\nThree\n-----\ntext three\n\n```\n# no heading\n```\n# Four\n";
    let found = desk.found("a.md", text.as_bytes(), Kind::Markdown);
    let all = desk.under(&found, 1600);
    assert_eq!(
        pairs(&all),
        [
            ("", "intro"),
            ("One > Two", "# One #\n\n## Two\n\ntext two"),
            ("One > Three", "Three\n-----\ntext three\n\n```\n# no heading\n```"),
            ("Four", "# Four"),
        ]
    );
}

#[test]
fn fenced_code_is_whole_where_it_fits() {
    let desk = Desk::new();
    let code = "```rust\nfn one() {}\n\nfn two() {}\n```";
    let text = format!("Some words before it stand here. And more words.\n\n{code}\n\nAfter.\n");
    let found = desk.found("a.md", text.as_bytes(), Kind::Markdown);
    for most in 48..80 {
        let all = desk.under(&found, most);
        assert!(all.iter().any(|(_, text)| text.contains(code)), "{most}: {all:?}");
    }
    let settings = desk.found("b.md", b"---\ntitle: x\ndate: y\n---\n\n# Head\n", Kind::Markdown);
    assert_eq!(
        pairs(&desk.under(&settings, 1600)),
        [("", "---\ntitle: x\ndate: y\n---"), ("Head", "# Head")]
    );
}

#[test]
fn a_page_becomes_what_a_reader_sees() {
    let desk = Desk::new();
    let page = "<!doctype html><html><head><title>The Page</title><style>p { color: red }</style>\
        <script>if (a < b) { document.write('<p>no</p>'); }</script></head><body>\n\
        <nav><ul><li><a href='/'>Home</a></ul></nav>\
        <h1>The Page</h1>\n<p>Caf&eacute; &amp; <b>bar</b>&nbsp;&#8212; 1 &lt; 2,\n  wrapped &unknown; here.\
        <h2>Sub</h2><p>Second<br>line<ul><li>one<li>two</ul><!-- <p>not</p> -->\
        <table><tr><td>a<td>b<tr><td>c<td>d</table>\
        <pre>\nfn x() {\n    y\n}</pre>last";
    let found = desk.found("a.html", page.as_bytes(), Kind::Html);
    let all = desk.under(&found, 1600);
    assert_eq!(
        pairs(&all),
        [
            ("The Page", "The Page\n\nThe Page\n\nCafé & bar — 1 < 2, wrapped &unknown; here."),
            ("The Page > Sub", "Sub\n\nSecond\nline\n\none\ntwo\n\na b\nc d\n\nfn x() {\n    y\n}\n\nlast"),
        ]
    );
}

fn range(at: &std::ops::Range<u64>) -> std::ops::Range<usize> {
    usize::try_from(at.start).unwrap()..usize::try_from(at.end).unwrap()
}

#[test]
fn passages_of_a_page_say_where_they_are() {
    let desk = Desk::new();
    let page = "<p>one &amp; <b>two</b></p><script>x</script><h2 id=a>three</h2><p>four";
    let found = desk.found("a.html", page.as_bytes(), Kind::Html);
    let mut passages = Passages::open(&found, Chunking::default(), &desk.account()).unwrap();
    let one = passages.next().unwrap().unwrap();
    assert_eq!(&page[range(&one.at)], "one &amp; <b>two");
    let three = passages.next().unwrap().unwrap();
    assert_eq!(&page[range(&three.at)], "three</h2><p>four");
    assert_eq!(passages.read(), page.len() as u64);
}

#[test]
fn tags_without_ends_and_without_number_are_read() {
    let desk = Desk::new();
    let open = format!("{}deep{}", "<div><b>".repeat(100_000), "</i>".repeat(1000));
    let found = desk.found("a.html", open.as_bytes(), Kind::Html);
    assert_eq!(desk.texts(&found).unwrap(), ["deep"]);
    for (page, text) in [
        ("<p>one<div>two", "one\n\ntwo"),
        ("one <a href=\"x", "one"),
        ("one < two <3 </ three", "one < two <3"),
        ("<nav>menu<main>text</main>", "text"),
        ("<nav><nav>a</nav>b</nav>c", "c"),
        ("<svg><path/>x</svg>y<svg/>z", "y z"),
        ("<script>never ended <p>x", ""),
        ("a<!-- never ended", "a"),
        ("&amp", "&"),
    ] {
        let found = desk.found("b.html", page.as_bytes(), Kind::Html);
        assert_eq!(desk.texts(&found).unwrap().join("|"), text, "{page}");
    }
}

#[test]
fn records_are_passages_of_their_own() {
    let desk = Desk::new();
    let lines = "{\"_id\": \"a\", \"body\": \"One\\ntwo.\"}\r\n{\"doc_id\": 4, \"q\": \"why\", \"a\": {\"b\": \"so\"}}\n";
    let found = desk.found("a.jsonl", lines.as_bytes(), Kind::Jsonl);
    let mut passages = Passages::open(&found, Chunking::default(), &desk.account()).unwrap();
    let first = passages.next().unwrap().unwrap();
    assert_eq!((first.text, first.record), ("One\ntwo.", Some("a")));
    let second = passages.next().unwrap().unwrap();
    assert_eq!((second.text, second.record), ("why\nso", Some("4")));
    assert_eq!(second.at.end, lines.len() as u64);
}

#[test]
fn items_of_code_stay_together() {
    let desk = Desk::new();
    let item =
        |n: usize| format!("/// Doc {n}.\n#[inline]\nfn item_{n}() {{\n    let x = {n};\n\n    x\n}}\n\n");
    let code: String = (0..50).map(item).collect();
    let found = desk.found("a.rs", code.as_bytes(), Kind::Code);
    for (_, text) in desk.under(&found, 200) {
        assert!(text.starts_with("/// Doc") && text.ends_with('}'), "{text}");
    }
}

#[test]
fn headings_that_do_not_fit_with_others_stand_alone() {
    let desk = Desk::new();
    let text = "Title\n===\n\nTitle\n===\n\n### Aaaaaaa\n\n#### Aaaaaaaa\na\n---\n";
    for most in 16..60 {
        let found = desk.found("a.md", text.as_bytes(), Kind::Markdown);
        let all = desk.under(&found, most);
        assert_eq!(all.last().unwrap().0, "Title > a", "{most}");
        assert!(
            all.iter().all(|(heading, text)| text.contains(heading.rsplit(" > ").next().unwrap())),
            "{all:?}"
        );
    }
}

#[test]
fn blanks_at_the_end_of_a_record_are_not_the_next_ones() {
    let desk = Desk::new();
    let lines = "{\"text\": \"one\\n  \"}\n{\"text\": \"two\"}\n";
    let found = desk.found("a.jsonl", lines.as_bytes(), Kind::Jsonl);
    assert_eq!(desk.texts(&found).unwrap(), ["one", "two"]);
}
