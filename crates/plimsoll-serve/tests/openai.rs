//! OpenAI's own Python client asks: whole and in pieces, JSON, several answers, what was cached, and what is refused.

mod common;

use std::process::{Command, Stdio};

use common::{settings, start};

#[test]
fn openais_own_client_is_answered() {
    let required = std::env::var_os("PLIMSOLL_REQUIRE_OPENAI").is_some();
    let mut settings = settings();
    settings.keys = vec!["test-key".to_owned()];
    let running = start(settings);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openai_client.py");
    let mut command = Command::new("python3");
    if let Some(folder) = std::env::var_os("PLIMSOLL_OPENAI") {
        command.env("PYTHONPATH", folder);
    }
    // A proxy would be asked for this machine's own address too.
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.args([script, &format!("http://{}/v1", running.address()), "test-key"]);
    let Ok(done) = command.stdin(Stdio::null()).output() else {
        assert!(!required, "there is no python3");
        return eprintln!("skipped: no python3 here");
    };
    let said = String::from_utf8_lossy(&done.stderr);
    if done.status.code() == Some(77) {
        assert!(!required, "{said}");
        return eprintln!("skipped: no OpenAI client here (the Python package openai)");
    }
    assert!(done.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&done.stdout).trim(), "all is well");
}
