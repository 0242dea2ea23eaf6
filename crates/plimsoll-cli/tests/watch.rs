//! `plimsoll watch` and `plimsoll health` as a user meets them.
#![allow(clippy::unwrap_used, reason = "a test that cannot start its program fails")]

mod program;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Output, Stdio};

use plimsoll::monitor::Sample;
use program::{plimsoll, run, text};
use serde_json::Value;

/// Ends its program when the test does.
struct Running(Child);

impl Running {
    fn start(args: &[&str]) -> Self {
        Self(plimsoll(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn stderr_line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn json_is_one_object_a_line() {
    let output = run(&["watch", "--json", "--every", "10ms", "--count", "3"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let samples: Vec<Sample> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(samples.iter().map(|sample| sample.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(samples[2].machine.total_bytes.is_some() && samples[2].health.is_some());
    assert!(samples.windows(2).all(|pair| pair[1].up_ms >= pair[0].up_ms));
}

#[test]
fn people_get_a_line_a_sample_under_a_heading() {
    let output = run(&["watch", "--every", "10ms", "--count", "2"]);
    let text = text(&output.stdout);
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.lines().next().unwrap().contains("in use"), "{text}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = Running::start(&["watch", "--json", "--every", "10ms"]);
    let mut first = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(serde_json::from_str::<Sample>(&first).is_ok());
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    let mut complaint = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert!(!complaint.to_lowercase().contains("error") && !complaint.contains('×'), "{complaint}");
}

#[test]
fn metrics_are_served_meanwhile() {
    let mut child = Running::start(&["watch", "--every", "10ms", "--metrics", "127.0.0.1:0"]);
    let remark = child.stderr_line();
    let address = remark.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let get = |path: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    // The first sample may not be taken yet.
    let metrics = loop {
        let answer = get("/metrics");
        if answer.starts_with("HTTP/1.1 200 OK") {
            break answer;
        }
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    };
    assert!(metrics.contains("\nplimsoll_machine_memory_size_bytes "), "{metrics}");
    assert!(get("/memory").contains("\"machine\":{"));
    assert!(get("/nothing").starts_with("HTTP/1.1 404"));
}

#[test]
fn alerts_reach_a_webhook_and_stderr_before_it_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/alerts", listener.local_addr().unwrap());
    // A thousandth of the memory is in use on any machine that runs this.
    let args = ["--alert", "pressure=0.001", "--alert-after", "0s", "--webhook", &url];
    let mut child =
        Running::start(&[&["watch", "--every", "10ms", "--count", "2", "--json"], &args[..]].concat());
    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut length, mut line) = (0, String::new());
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).unwrap();
        if let Some(found) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = found.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    stream.write_all(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    drop((stream, reader));
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["turn"], &body["alert"]["subject"]), (&"raised".into(), &"machine".into()));
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
    let mut log = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("warning raised pressure machine: "), "{log}");
}

#[test]
fn alerts_of_a_configuration_are_used_unless_typed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.toml");
    let text = "[places.host]\nline = \"1GiB\"\n[monitor]\npressure = \"0.001\"\nafter = \"0s\"\n";
    std::fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    let args = ["watch", "--json", "--every", "10ms", "--count", "1", "--config", &path];
    let alerts = |output: &Output| {
        let sample: Sample = serde_json::from_slice(&output.stdout).unwrap();
        sample.alerts.iter().filter(|alert| alert.name == "pressure").count()
    };
    assert_eq!(alerts(&run(&args)), 1);
    assert_eq!(alerts(&run(&[&args[..], &["--alert", "pressure=off"]].concat())), 0);
    std::fs::write(&path, text.replace("0.001", "7")).unwrap();
    let refused = run(&args);
    assert_eq!(refused.status.code(), Some(1));
    assert!(self::text(&refused.stderr).contains("pressure"), "it is shown where");
}

#[test]
fn what_cannot_be_done_says_what_to_do_instead() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (args, code, part) in [
        (vec!["watch", "--every", "1"], 2, "for example 500ms"),
        (vec!["watch", "--alert", "presure=1"], 2, "there are pressure, fragmentation and swap"),
        (vec!["watch", "--count", "0"], 2, "count"),
        (vec!["watch", "--webhook", "nowhere"], 1, "http://127.0.0.1:9000/alerts"),
        (vec!["watch", "--metrics", &address], 1, "port 0 takes one that is free"),
        (vec!["watch", "--attach", "/no/such/socket"], 1, "no engine listens at"),
        (vec!["health", "--symptom", "sad"], 2, "slow"),
    ] {
        let output = run(&args);
        let complaint = text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(code), "{args:?}: {complaint}");
        assert!(complaint.contains(part), "{args:?}: {complaint}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn health_is_told_with_its_parts_and_an_exit_code() {
    for symptom in ["slow", "load", "unresponsive"] {
        let output = run(&["health", "--for", "10ms", "--json", "--symptom", symptom]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(report["score"].as_f64().is_some_and(|score| (0.0..=1.0).contains(&score)), "{report}");
        let critical = report["rating"] == "critical";
        assert_eq!(output.status.code(), Some(i32::from(critical)), "{report}");
        assert!(!report["findings"].as_array().unwrap().is_empty());
        assert!(report["findings"][0]["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()));
    }
    let people = text(&run(&["health", "--for", "10ms"]).stdout);
    for part in ["headroom", "swapping", "stalls", "what to do"] {
        assert!(people.contains(part), "{part} is not in\n{people}");
    }
    let weighted = run(&["health", "--for", "10ms", "--score", "weighted", "--json"]);
    let report: Value = serde_json::from_slice(&weighted.stdout).unwrap();
    assert_eq!(report["parts"][0]["name"], "utilisation");
    assert_eq!(report["scoring"], "weighted");
}

#[test]
#[cfg(unix)]
fn a_running_engine_is_watched_until_it_ends() {
    use plimsoll::{Bytes, Engine, Place};
    let engine = Engine::in_memory(Bytes::mib(64), "work").unwrap();
    let held = engine.account("work").unwrap().scratch(Place::Host).unwrap().lease(Bytes::mib(3)).unwrap();
    let published = engine.publish("watched", std::time::Duration::from_millis(20)).unwrap();
    let path = published.path().display().to_string();
    let output = run(&["watch", "--json", "--count", "2", "--attach", &path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let first: Sample = serde_json::from_str(text(&output.stdout).lines().next().unwrap()).unwrap();
    assert_eq!((first.source.program.as_str(), first.places[0].live_bytes), ("watched", held.bytes().get()));
    let output = run(&["health", "--json", "--attach", &path]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["parts"].as_array().unwrap().iter().any(|part| part["name"] == "lines"), "{report}");
    let mut child = Running::start(&["watch", "--json", "--attach", &path]);
    let mut reader = BufReader::new(child.0.stdout.take().unwrap());
    reader.read_line(&mut String::new()).unwrap();
    drop(published);
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(0), "an engine that ends is how watching it ends");
}
