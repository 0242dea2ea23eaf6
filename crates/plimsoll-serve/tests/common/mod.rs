//! A service on a port of its own with the small model, and a client for it.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, reason = "a test that cannot ask has failed")]

pub mod gguf;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use plimsoll::Bytes;
use plimsoll_serve::model::ModelSource;
use plimsoll_serve::{Running, ServeSettings, Service};
use serde_json::Value;

/// The model that the program ships.
pub fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny-7m-q8_0.gguf")
}

/// Settings for the small model below a small line, on any port.
pub fn settings() -> ServeSettings {
    let source = ModelSource { name: "tiny".to_owned(), ..ModelSource::at(model()) };
    let mut settings = ServeSettings::new(Bytes::mib(256), vec![source]);
    settings.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.drain = Duration::from_secs(5);
    settings
}

pub fn start(settings: ServeSettings) -> Running {
    Service::open(settings).expect("it adds up").start().expect("it listens")
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The pieces of a stream, without the last word.
    pub fn pieces(&self) -> Vec<Value> {
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).expect("JSON")).collect()
    }

    /// The code of a refusal.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A request whose answer is read to its end.
pub fn send(at: SocketAddr, head: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(at).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a timeout");
    let head =
        format!("{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("it is taken");
    read(stream)
}

/// Reads an answer to its end.
pub fn read(stream: TcpStream) -> Answer {
    let mut reader = BufReader::new(stream);
    let mut headers = String::new();
    while reader.read_line(&mut headers).expect("a head") > 2 {}
    let status = headers.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("a body");
    let chunked = headers.to_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { dechunked(&bytes) } else { bytes };
    Answer { status, headers, body: String::from_utf8(body).expect("text") }
}

fn dechunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        whole.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 2 + size + 2..];
    }
    whole
}

pub fn get(at: SocketAddr, path: &str) -> Answer {
    send(at, &format!("GET {path} HTTP/1.1"), b"")
}

pub fn post(at: SocketAddr, path: &str, body: &Value) -> Answer {
    send(at, &format!("POST {path} HTTP/1.1"), body.to_string().as_bytes())
}
