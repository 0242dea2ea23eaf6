//! The small HTTP server: what it answers, and clients that stall, flood and send nonsense.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod full_sample;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use full_sample::full_sample;
use plimsoll::monitor::{HealthSample, Sample, ServeSettings, Server, Sink as _};
use serde_json::Value;

fn server(settings: ServeSettings) -> Server {
    let server = Server::bind("127.0.0.1:0", settings).unwrap();
    server.sink().sample(&Arc::new(full_sample()));
    server
}

fn send(server: &Server, text: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Status line, headers, body.
fn get(server: &Server, path: &str) -> (String, String, String) {
    let answer = send(server, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (status, headers) = head.split_once("\r\n").unwrap();
    assert!(headers.contains(&format!("Content-Length: {}", body.len())), "{headers}");
    (status.to_owned(), headers.to_owned(), body.to_owned())
}

#[test]
fn metrics_health_and_memory() {
    let server = server(ServeSettings::default());
    assert!(server.is_local());
    let (status, headers, body) = get(&server, "/metrics?fresh=1");
    assert_eq!(status, "HTTP/1.1 200 OK");
    assert!(headers.contains("Content-Type: text/plain; version=0.0.4"));
    assert!(body.contains("\nplimsoll_place_charged_bytes{place=\"host\"} 800\n"));
    let (status, _, body) = get(&server, "/health");
    assert_eq!(status, "HTTP/1.1 200 OK");
    let health: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&health["rating"], &health["alerts"][0]["subject"]), (&"good".into(), &"host".into()));
    let (_, headers, body) = get(&server, "/memory");
    assert!(headers.contains("Content-Type: application/json"));
    assert_eq!(serde_json::from_str::<Sample>(&body).unwrap(), full_sample());
    assert_eq!(get(&server, "/").0, "HTTP/1.1 200 OK");
}

#[test]
fn a_critical_state_is_told_by_the_status_too() {
    let server = server(ServeSettings::default());
    let health = HealthSample { rating: "critical".into(), ..HealthSample::default() };
    server.sink().sample(&Arc::new(Sample { health: Some(health), ..Sample::default() }));
    assert_eq!(get(&server, "/health").0, "HTTP/1.1 503 Service Unavailable");
    assert_eq!(get(&server, "/metrics").0, "HTTP/1.1 200 OK");
}

#[test]
fn before_the_first_sample_there_is_nothing_to_say() {
    let server = Server::bind("127.0.0.1:0", ServeSettings::default()).unwrap();
    assert_eq!(get(&server, "/metrics").0, "HTTP/1.1 503 Service Unavailable");
}

#[test]
fn other_paths_methods_and_nonsense_are_refused() {
    let server = server(ServeSettings::default());
    assert_eq!(get(&server, "/secret").0, "HTTP/1.1 404 Not Found");
    let answer = send(&server, "POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    assert!(
        answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n") && answer.contains("Allow: GET, HEAD\r\n")
    );
    let answer = send(&server, "HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"), "no body: {answer}");
    assert!(send(&server, "hello\r\n\r\n").starts_with("HTTP/1.1 400 Bad Request\r\n"));
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(8200));
    assert!(send(&server, &long).starts_with("HTTP/1.1 431 "));
}

#[test]
fn a_request_that_comes_drop_by_drop_is_cut_and_others_are_served() {
    let hasty = ServeSettings { patience: Duration::from_millis(200), ..ServeSettings::default() };
    let server = server(hasty);
    let mut slow = TcpStream::connect(server.address()).unwrap();
    slow.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    let drops = std::thread::spawn(move || {
        // Each drop comes well within the time-out of one read; the whole never ends.
        loop {
            std::thread::sleep(Duration::from_millis(10));
            if slow.write_all(b"X").is_err() {
                return;
            }
        }
    });
    assert_eq!(get(&server, "/metrics").0, "HTTP/1.1 200 OK", "meanwhile others are served");
    drops.join().unwrap();
}

#[test]
fn connections_beyond_the_limit_are_turned_away_and_come_again_later() {
    let few = ServeSettings { connections: 2, patience: Duration::from_mins(1), ..ServeSettings::default() };
    let server = server(few);
    let silent: Vec<_> = (0..2).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    let mut third = TcpStream::connect(server.address()).unwrap();
    let mut answer = String::new();
    third.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(silent);
    // Their threads notice when they read; until then a new one may still be turned away.
    loop {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        let mut answer = String::new();
        // One that is turned away may be reset while it writes.
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n");
        if stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200 OK") {
            break;
        }
    }
}

#[test]
fn dropping_it_frees_the_port() {
    let server = server(ServeSettings::default());
    let address = server.address();
    drop(server);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let server = server(ServeSettings::default());
    assert!(Server::bind(server.address(), ServeSettings::default()).is_err());
}
