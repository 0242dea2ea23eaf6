//! `plimsoll doctor`: what is in the way is named with what to do, and what is not is left alone.

#![allow(clippy::expect_used, reason = "a test that cannot begin has failed")]

mod program;

use std::net::TcpListener;
use std::path::Path;

use program::{plimsoll, words};
use serde_json::Value;

fn model() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny-7m-q8_0.gguf").display().to_string()
}

/// What it says of a file of settings, and its code.
fn examined(folder: &Path, settings: &str) -> (Value, Option<i32>, String) {
    let file = folder.join("serve.toml");
    std::fs::write(&file, settings).expect("written");
    let file = file.display().to_string();
    let output = plimsoll(&["doctor", "--config", &file, "--json"]).output().expect("it runs");
    let report = serde_json::from_slice(&output.stdout).expect("a report");
    (report, output.status.code(), words(&output.stderr))
}

fn check<'r>(report: &'r Value, what: &str) -> &'r Value {
    let checks = report["checks"].as_array().expect("a list");
    checks.iter().find(|check| check["what"] == what).unwrap_or_else(|| panic!("no {what} in {report}"))
}

#[test]
fn what_would_run_is_not_touched_and_nothing_is_bad() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = format!(
        "listen = \"127.0.0.1:0\"\nline = \"256MiB\"\nmodel = \"{}\"\nlibrary = \"notes\"\ncache = \"kv\"\ncache_size = \"64MiB\"\n",
        model()
    );
    let (report, code, said) = examined(folder.path(), &settings);
    assert_eq!(code, Some(0), "{report}\n{said}");
    assert_ne!(report["verdict"], "bad");
    let of_model = check(&report, "model tiny-7m-q8_0");
    assert_eq!(of_model["verdict"], "good");
    assert!(of_model["found"].as_str().expect("a text").contains("native"), "{of_model}");
    for what in ["library notes", "cache folder", "address", "locked memory"] {
        assert_eq!(check(&report, what)["verdict"], "good", "{report}");
    }
    for what in ["memory", "swap", "pressure", "open files"] {
        assert_ne!(check(&report, what)["verdict"], "bad", "{report}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("it is there").flatten().collect();
    assert_eq!(left.len(), 1, "only the settings are there: {left:?}");
}

#[test]
fn everything_that_is_in_the_way_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    std::fs::write(folder.path().join("broken.gguf"), b"GGUF and nothing else").expect("written");
    std::fs::write(folder.path().join("kv"), b"a file").expect("written");
    std::fs::create_dir(folder.path().join("notes")).expect("a folder");
    std::fs::write(folder.path().join("notes/other.txt"), b"no library").expect("written");
    let settings = format!(
        "listen = \"{address}\"\nline = \"900TiB\"\nmodel = \"broken.gguf\"\nlibrary = \"notes\"\ncache = \"kv\"\n"
    );
    let (report, code, said) = examined(folder.path(), &settings);
    assert_eq!((code, &report["verdict"]), (Some(1), &Value::from("bad")), "{report}");
    for (what, word) in [
        ("memory", "--line"),
        ("model broken", "GGUF"),
        ("library notes", "folder"),
        ("cache folder", "--cache"),
        ("address", "--listen"),
    ] {
        let check = check(&report, what);
        assert_eq!(check["verdict"], "bad", "{check}");
        assert!(check["next"].as_str().expect("what to do").contains(word), "{check}");
    }
    assert!(said.contains("5 of what a service needs"), "{said}");
}

#[test]
fn settings_that_cannot_be_read_or_do_not_add_up_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (report, code, _) = examined(folder.path(), "lime = \"1GiB\"\n");
    assert_eq!(code, Some(1));
    assert!(check(&report, "settings")["found"].as_str().expect("a text").contains("lime"), "{report}");
    // What the machine is, is told all the same.
    assert_ne!(check(&report, "memory")["verdict"], "bad");
    let small =
        format!("line = \"70MiB\"\nmodel = \"{}\"\nlisten = \"127.0.0.1:0\"\ncache = \"kv\"\n", model());
    let (report, code, _) = examined(folder.path(), &small);
    assert_eq!((code, &check(&report, "settings")["verdict"]), (Some(1), &Value::from("bad")), "{report}");
}
