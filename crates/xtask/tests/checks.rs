//! Each check finds what it is for, in a small tree that breaks its rule, and nothing in one that keeps it.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::fs;

use xtask::{Finding, Rules, Tree, all};

const RULES: Rules = Rules {
    file_lines: 5,
    long_files: &[],
    contents_lines: 3,
    long_contents: &[],
    unsafe_files: &[],
    directions: &[("low", &[]), ("high", &["low"])],
    confined: &[("high", &["peer"])],
    papers: &["README.md"],
};

/// What one check finds in a tree of these files.
fn found(name: &str, rules: &Rules, files: &[(&str, &str)]) -> Vec<Finding> {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let tree = Tree::read(root.path()).unwrap();
    let check = all().into_iter().find(|check| check.name == name).unwrap();
    (check.find)(&tree, rules)
}

/// The check finds one thing, at this place, and says this.
#[track_caller]
fn finds(name: &str, files: &[(&str, &str)], place: &str, says: &str) {
    let findings = found(name, &RULES, files);
    let [finding] = &findings[..] else {
        panic!("one finding was expected: {findings:?}");
    };
    let text = finding.to_string();
    assert!(text.starts_with(place) && text.contains(says), "{text}");
}

#[track_caller]
fn passes(name: &str, files: &[(&str, &str)]) {
    assert_eq!(found(name, &RULES, files), []);
}

const LONG: &str = "1\n2\n3\n4\n5\n6\n";

#[test]
fn length() {
    finds("length", &[("a.rs", LONG), ("b.rs", "1\n")], "a.rs", "6 lines");
    passes("length", &[("a.md", LONG), ("target/a.rs", LONG)]);
    let excepted = Rules { long_files: &[("a.rs", "a table")], ..RULES };
    assert_eq!(found("length", &excepted, &[("a.rs", LONG)]), []);
    assert_eq!(found("length", &excepted, &[("a.rs", "1\n")]).len(), 1, "an exception that is not needed");
}

#[test]
fn layout() {
    let manifest = "[package]\nname = \"low\"\n";
    finds("layout", &[("crates/deep/Cargo.toml", manifest)], "crates/deep/Cargo.toml", "\"low\"");
    passes("layout", &[("crates/low/Cargo.toml", manifest)]);
    finds("layout", &[("crates/low/Cargo.toml", "[package")], "crates/low/Cargo.toml", "not TOML");
}

#[test]
fn contents() {
    let code = "//! Docs.\n\nmod a;\nmod b;\nfn f() {\n}\n";
    finds("contents", &[("crates/low/src/lib.rs", code)], "crates/low/src/lib.rs", "4 lines");
    let excepted = Rules { long_contents: &[("crates/low/src/lib.rs", "a table of its own")], ..RULES };
    assert_eq!(found("contents", &excepted, &[("crates/low/src/lib.rs", code)]), []);
    let short = [("crates/low/src/lib.rs", "mod a;\n")];
    assert_eq!(found("contents", &excepted, &short).len(), 1, "an exception that is not needed");
    let table =
        "//! Docs.\n//!\n//! More.\n\nmod a;\npub use a::A;\n#[cfg(test)]\nmod tests {\n    fn f() {}\n}\n";
    passes("contents", &[("crates/low/src/a/mod.rs", table), ("crates/low/src/main.rs", code)]);
}

#[test]
fn unsafety() {
    let code = "// unsafe\nconst S: &str = \"unsafe\";\nfn f() { unsafe {} }\n";
    finds("unsafe", &[("a.rs", code)], "a.rs:3", "unsafe");
    passes("unsafe", &[("a.rs", "#![deny(unsafe_op_in_unsafe_fn)] // unsafe\n")]);
    let listed = Rules { unsafe_files: &[("a.rs", "maps memory")], ..RULES };
    assert_eq!(found("unsafe", &listed, &[("a.rs", code)]), []);
    assert_eq!(found("unsafe", &listed, &[("a.rs", "fn f() {}")]).len(), 1, "a listing that is not needed");
}

#[test]
fn words() {
    // Put together here, so that this file does not break the rule itself.
    let promise = format!("fn f() {{}}\n// {}DO: the rest\n", "TO");
    finds("words", &[("a.rs", &promise)], "a.rs:2", "finish it");
    finds("words", &[("a.md", &format!("It works, for {}.\n", "now"))], "a.md:1", "finish it");
    finds("words", &[("a.toml", &format!("# {}ME\n", "FIX"))], "a.toml:1", "finish it");
    finds("words", &[("a.md", &format!("See /{}/someone/a.txt\n", "home"))], "a.md:1", "only one machine");
    passes("words", &[("a.md", "The tod\u{f6}s of mastodons.\n"), ("a.bin", &promise)]);
}

#[test]
fn papers() {
    finds("papers", &[("a.md", "x")], "README.md", "missing");
    finds("papers", &[("README.md", " \n")], "README.md", "empty");
    passes("papers", &[("README.md", "# A\n")]);
}

#[test]
fn links() {
    finds("links", &[("docs/a.md", "# A\n\n[b](b.md)\n")], "docs/a.md:3", "docs/b.md");
    finds("links", &[("a.md", "# A\n[b](#there)\n")], "a.md:2", "heading");
    finds("links", &[("a.md", "[b]: docs/b.md\n")], "a.md:1", "docs/b.md");
    let whole =
        "# A b!\n[c](docs/c.md#what-it-is) [a](#a-b) [w](https://example.org/x) `[x](y)`\n```\n[x](y)\n```\n";
    passes("links", &[("a.md", whole), ("docs/c.md", "## What it is\n[a](../a.md) [c](c.md)\n")]);
}

#[test]
fn commands() {
    let member = ("crates/low/Cargo.toml", "[package]\nname = \"low\"\n");
    let document = |command: &str| format!("```console\n{command}\n```\n");
    let text = document("$ cargo test -p high");
    finds("commands", &[member, ("a.md", &text)], "a.md:2", "\"high\"");
    finds("commands", &[("a.md", &document("./run --all"))], "a.md:2", "\"run\"");
    let text = document("$ cargo run --release -p low -- -p x");
    passes("commands", &[member, ("a.md", &text), ("b.md", &document("ls ./x"))]);
}

#[test]
fn decided() {
    let root = ("Cargo.toml", "[workspace.dependencies]\nlow = { path = \"crates/low\" }\nserde = \"1\"\n");
    let decisions = ("docs/decisions.md", "`serde` and `toml`\n");
    passes("decided", &[root, decisions]);
    finds("decided", &[root], "Cargo.toml", "\"serde\"");
    let targeted = "[package]\nname = \"high\"\n[dependencies]\nlow.workspace = true\n\
                    [target.'cfg(unix)'.dev-dependencies]\nc = { package = \"libc\", version = \"1\" }\n";
    finds(
        "decided",
        &[root, decisions, ("crates/high/Cargo.toml", targeted)],
        "crates/high/Cargo.toml",
        "\"libc\"",
    );
}

#[test]
fn direction() {
    let crate_of =
        |name: &str, needs: &str| format!("[package]\nname = \"{name}\"\n[dependencies]\n{needs}\n");
    let root = ("Cargo.toml", "[workspace.dependencies]\nlow = { path = \"crates/low\" }\n");
    let low = crate_of("low", "high = { path = \"../high\" }");
    finds("direction", &[root, ("crates/low/Cargo.toml", &low)], "crates/low/Cargo.toml", "not below it");
    let low = crate_of("low", "peer-sys = \"1\"");
    finds("direction", &[root, ("crates/low/Cargo.toml", &low)], "crates/low/Cargo.toml", "only high may");
    let new = crate_of("new", "");
    finds("direction", &[root, ("crates/new/Cargo.toml", &new)], "crates/new/Cargo.toml", "no row");
    let high = crate_of("high", "low.workspace = true\npeer-sys = \"1\"\nserde = \"1\"");
    passes("direction", &[root, ("crates/high/Cargo.toml", &high)]);
}

#[test]
fn licences() {
    let root = (
        "Cargo.toml",
        "[package]\nname = \"alone\"\nversion = \"1.0.0\"\nedition = \"2024\"\nlicense = \"GPL-3.0\"\n[workspace]\n",
    );
    let lock = ("Cargo.lock", "version = 4\n\n[[package]]\nname = \"alone\"\nversion = \"1.0.0\"\n");
    let code = ("src/lib.rs", "//! Nothing.\n");
    let only_mit = ("deny.toml", "[licenses]\nallow = [\"MIT\"]\n");
    finds("licences", &[root, lock, code, only_mit], "Cargo.lock", "alone 1.0.0 is under GPL-3.0");
    let gpl = ("deny.toml", "[licenses]\nallow = [\"GPL-3.0\"]\n");
    passes("licences", &[root, lock, code, gpl]);
    let excepted = |package: &str| {
        format!(
            "[licenses]\nallow = [\"MIT\"]\nexceptions = [{{ crate = \"{package}\", allow = [\"GPL-3.0\"] }}]\n"
        )
    };
    passes("licences", &[root, lock, code, ("deny.toml", &excepted("alone"))]);
    finds("licences", &[root, lock, code, ("deny.toml", &excepted("other"))], "Cargo.lock", "alone 1.0.0");
    finds("licences", &[root, lock, code], "deny.toml", "no list");
}
