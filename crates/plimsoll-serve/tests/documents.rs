//! Documents come, are found, answer, and go.

mod common;

use common::{Answer, get, post, send, settings, start};
use plimsoll_serve::shelf::LibrarySource;
use plimsoll_serve::{Running, ServeSettings};
use serde_json::{Value, json};
use tempfile::TempDir;

const LINES: &str = "# Lines\n\nA line says how far a place may be loaded.\n\n# Reserve\n\nNobody may take the reserve but the governor.\n";

fn with_libraries(home: &TempDir, names: &[&str]) -> ServeSettings {
    let source = |name: &&str| LibrarySource { name: (*name).to_owned(), folder: home.path().join(name) };
    ServeSettings { libraries: names.iter().map(source).collect(), ..settings() }
}

fn add(running: &Running, name: &str, text: &str) -> Answer {
    post(running.address(), "/v1/documents", &json!({"name": name, "text": text}))
}

fn search(running: &Running, query: &str) -> Value {
    post(running.address(), "/v1/search", &json!({"query": query, "k": 3})).json()
}

#[test]
fn a_document_comes_is_found_changes_and_goes() {
    let home = tempfile::tempdir().expect("a folder");
    let running = start(with_libraries(&home, &["notes"]));
    let at = running.address();
    let came = add(&running, "lines.md", LINES);
    assert_eq!(came.status, 200, "{}", came.body);
    let id = came.json()["id"].as_u64().expect("a number");
    assert_eq!((&came.json()["kind"], &came.json()["whole"]), (&json!("markdown"), &json!(true)));
    let found = search(&running, "who may take the reserve");
    assert_eq!((&found["mode"], &found["library"]), (&json!("words"), &json!("notes")));
    assert_eq!(
        (&found["data"][0]["name"], &found["data"][0]["heading"]),
        (&json!("lines.md"), &json!("Reserve"))
    );
    // The same again is the same; another text under the name takes its place.
    assert_eq!(add(&running, "lines.md", LINES).json()["id"], id);
    assert_eq!(add(&running, "copy.md", LINES).json()["duplicate"], true);
    add(&running, "lines.md", "Only pools are left.");
    assert_eq!(search(&running, "reserve")["data"], json!([]));
    let list = get(at, "/v1/documents").json();
    assert_eq!(list["data"].as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list["libraries"][0]["documents"], 1);
    let id = list["data"][0]["id"].as_u64().expect("a number");
    assert_eq!(get(at, &format!("/v1/documents/{id}")).json()["name"], "lines.md");
    assert_eq!(send(at, &format!("DELETE /v1/documents/{id} HTTP/1.1"), b"").json()["deleted"], true);
    assert_eq!(send(at, &format!("DELETE /v1/documents/{id} HTTP/1.1"), b"").code(), "document_not_found");
    assert_eq!(search(&running, "pools")["data"], json!([]));
}

#[test]
fn a_file_is_sent_as_it_is_and_nothing_of_it_is_left_beside_the_library() {
    let home = tempfile::tempdir().expect("a folder");
    let running = start(with_libraries(&home, &["notes"]));
    let at = running.address();
    let page = b"<html><head><title>Pools</title></head><body><h1>Pools</h1><p>Small leases of few allocations.</p></body></html>";
    let came = send(at, "POST /v1/documents?name=../../pools.html HTTP/1.1\r\nContent-Type: text/html", page);
    assert_eq!(came.status, 200, "{}", came.body);
    assert_eq!(came.json()["kind"], "html");
    assert_eq!(
        search(&running, "few allocation")["data"][0]["name"],
        "../../pools.html",
        "a name is no path"
    );
    let picture = send(at, "POST /v1/documents?name=a.png HTTP/1.1", &[0x89, b'P', b'N', b'G', 0, 0, 1]);
    assert_eq!((picture.status, picture.code().as_str()), (422, "document_unreadable"));
    let beside: Vec<_> =
        std::fs::read_dir(home.path()).expect("a folder").flatten().map(|one| one.file_name()).collect();
    assert_eq!(beside, ["notes"]);
    let inside = std::fs::read_dir(home.path().join("notes")).expect("a folder").flatten();
    assert!(inside.map(|one| one.file_name()).all(|name| !name.to_string_lossy().starts_with("incoming")));
}

#[test]
fn an_answer_tells_the_passages_that_it_is_from() {
    let home = tempfile::tempdir().expect("a folder");
    let running = start(with_libraries(&home, &["notes"]));
    let at = running.address();
    add(&running, "lines.md", LINES);
    let messages = json!([{"role": "user", "content": "Who may take the reserve?"}]);
    let mut ask = json!({"messages": messages, "max_tokens": 8, "temperature": 0, "documents": {"k": 2}});
    let answer = post(at, "/v1/chat/completions", &ask).json();
    assert_eq!(answer["citations"][0]["index"], 1, "{answer}");
    assert_eq!(answer["citations"][0]["heading"], "Reserve");
    let without = post(at, "/v1/chat/completions", &json!({"messages": messages, "max_tokens": 8})).json();
    assert_eq!(without["citations"], Value::Null);
    let tokens = |answer: &Value| answer["usage"]["prompt_tokens"].as_u64().expect("a number");
    assert!(tokens(&answer) > tokens(&without) + 20, "the model has read them");
    ask["stream"] = json!(true);
    let pieces = post(at, "/v1/chat/completions", &ask).pieces();
    assert_eq!(pieces[0]["citations"][0]["heading"], "Reserve");
    assert!(pieces[1..].iter().all(|piece| piece["citations"].is_null()), "they are told once");
    ask["documents"] = json!({"library": "other"});
    assert_eq!(post(at, "/v1/chat/completions", &ask).code(), "library_not_found");
    // More than the context holds: fewer are shown, and an answer comes all the same.
    for number in 0..40 {
        add(
            &running,
            &format!("{number}.txt"),
            &format!("reserve {number} {}", "and many more words ".repeat(70)),
        );
    }
    let ask = json!({"messages": messages, "max_tokens": 4, "documents": {"k": 40}});
    let answer = post(at, "/v1/chat/completions", &ask);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let shown = answer.json()["citations"].as_array().map(Vec::len).expect("some");
    assert!((1..40).contains(&shown), "{shown}");
}

#[test]
fn vectors_are_made_meanwhile_and_both_ways_find() {
    let home = tempfile::tempdir().expect("a folder");
    let settings = ServeSettings { embedder: Some("tiny".to_owned()), ..with_libraries(&home, &["notes"]) };
    let running = start(settings.clone());
    add(&running, "lines.md", LINES);
    let made = |running: &Running| {
        get(running.address(), "/v1/documents").json()["libraries"][0]["vectors"].as_u64()
    };
    for _ in 0..600 {
        if made(&running) == Some(2) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(made(&running), Some(2));
    let found = search(&running, "Nobody may take the reserve but the governor.");
    assert_eq!((&found["mode"], &found["data"][0]["heading"]), (&json!("both"), &json!("Reserve")));
    let ask = json!({"query": "Nobody may take the reserve but the governor.", "mode": "vectors", "k": 1});
    assert_eq!(post(running.address(), "/v1/search", &ask).json()["data"][0]["heading"], "Reserve");
    drop(running);
    // They are there again, and who has no model for them finds by words.
    let running = start(settings);
    assert_eq!(search(&running, "reserve")["mode"], "both");
    drop(running);
    let running = start(with_libraries(&home, &["notes"]));
    assert_eq!(search(&running, "reserve")["mode"], "words");
    assert_eq!(post(running.address(), "/v1/search", &ask).status, 400);
}

#[test]
fn what_is_wrong_is_told() {
    let home = tempfile::tempdir().expect("a folder");
    let running = start(with_libraries(&home, &["notes"]));
    let at = running.address();
    for (path, body, code) in [
        ("/v1/search", json!({"k": 1}), "invalid_value"),
        ("/v1/search", json!({"query": "x", "k": 0}), "invalid_value"),
        ("/v1/search", json!({"query": "?!"}), "invalid_value"),
        ("/v1/search", json!({"query": "x", "library": "other"}), "library_not_found"),
        ("/v1/search", json!({"query": "x", "mode": "vectors"}), "invalid_value"),
        ("/v1/documents", json!({"text": "no name"}), "invalid_value"),
        ("/v1/documents", json!({"name": "empty", "text": " "}), "invalid_value"),
        ("/v1/documents?kind=tree", json!({"name": "a", "text": "b"}), "malformed"),
    ] {
        let answer = post(at, path, &body);
        assert_eq!(answer.code(), code, "{path} {body}: {}", answer.body);
        assert_eq!(answer.status / 100, 4, "{}", answer.body);
    }
    assert_eq!(get(at, "/v1/documents/x").status, 400);
    assert_eq!(get(at, "/v1/documents/77").status, 404);
    drop(running);
    let running = start(settings());
    assert_eq!(search(&running, "x")["error"]["code"], "library_not_found", "there is none at all");
}

#[test]
fn a_broken_library_is_named_and_the_others_are_served() {
    let home = tempfile::tempdir().expect("a folder");
    drop(start(with_libraries(&home, &["broken", "whole"])));
    std::fs::write(home.path().join("broken/manifest.json"), "{").expect("written");
    let running = start(with_libraries(&home, &["broken", "whole"]));
    let at = running.address();
    let refused = post(at, "/v1/search", &json!({"query": "x"}));
    assert_eq!((refused.status, refused.code().as_str()), (503, "library_unavailable"));
    assert!(refused.body.contains("broken"), "{}", refused.body);
    let came = post(at, "/v1/documents", &json!({"name": "a.txt", "text": "some words", "library": "whole"}));
    assert_eq!(came.status, 200, "{}", came.body);
    let list = get(at, "/v1/documents?library=whole").json();
    assert_eq!(
        (&list["libraries"][0]["state"], &list["libraries"][1]["state"]),
        (&json!("broken"), &json!("open"))
    );
}

#[test]
fn a_folder_is_taken_in_beside_what_is_asked() {
    let home = tempfile::tempdir().expect("a folder");
    let pages = home.path().join("pages");
    std::fs::create_dir_all(pages.join("deep")).expect("a folder");
    std::fs::write(pages.join("deep/lines.md"), LINES).expect("written");
    let mut running = start(with_libraries(&home, &["notes"]));
    for (library, good) in [("notes", true), ("other", false)] {
        let (told, came) = std::sync::mpsc::channel();
        let done = move |result: Result<(), _>| told.send(result.is_ok()).expect("somebody waits");
        running.take_in(library, pages.clone(), done).expect("a thread");
        assert_eq!(came.recv(), Ok(good), "{library}");
    }
    assert_eq!(search(&running, "who may take the reserve")["data"][0]["name"], "deep/lines.md");
}
