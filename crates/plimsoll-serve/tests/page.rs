//! The page in a browser: Debian's Chromium, driven by Playwright. `PLIMSOLL_PLAYWRIGHT` names the folder that has the package
//! playwright-core in its `node_modules`.

mod common;

use std::process::{Command, Stdio};

use common::{post, settings, start};
use plimsoll_serve::shelf::LibrarySource;
use serde_json::json;

#[test]
fn the_page_shows_where_memory_goes() {
    let Some(folder) = std::env::var_os("PLIMSOLL_PLAYWRIGHT") else {
        assert!(
            std::env::var_os("PLIMSOLL_REQUIRE_BROWSER").is_none(),
            "PLIMSOLL_PLAYWRIGHT is to name a folder"
        );
        return eprintln!("skipped: PLIMSOLL_PLAYWRIGHT names no folder with playwright-core");
    };
    let mut settings = settings();
    settings.keys = vec!["page-key".to_owned()];
    let home = tempfile::tempdir().expect("a folder");
    settings.libraries = vec![LibrarySource::at(home.path().join("notes"))];
    let running = start(settings);
    let at = running.address();
    let ask = json!({"prompt": "Returns", "max_tokens": 8}).to_string();
    let head = "POST /v1/completions HTTP/1.1\r\nAuthorization: Bearer page-key";
    assert_eq!(common::send(at, head, ask.as_bytes()).status, 200);
    assert_eq!(post(at, "/", &json!({})).status, 405);
    let reserve = json!({"name": "reserve.md", "text": "# Reserve\n\nNobody may take it."}).to_string();
    let head =
        "POST /v1/documents HTTP/1.1\r\nAuthorization: Bearer page-key\r\nContent-Type: application/json";
    assert_eq!(common::send(at, head, reserve.as_bytes()).status, 200);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/page.cjs");
    let mut node = Command::new("node");
    node.env("NODE_PATH", std::path::Path::new(&folder).join("node_modules"));
    node.args([script, &format!("http://{at}/"), "page-key"]);
    let done = node.stdin(Stdio::null()).output().expect("node is there where playwright-core is");
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}
