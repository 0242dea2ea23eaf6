//! A server that speaks S3 and was written by others: `moto_server`, started and stopped here. `PLIMSOLL_MOTO` names the
//! folder that it was installed into, if it is not installed for everybody.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// How many keys a page of its listings has, so that few are enough for several pages.
pub const PAGE_KEYS: usize = 10;

/// The server. It stops when it is dropped.
pub struct Moto {
    child: Child,
    pub endpoint: String,
}

impl Moto {
    /// Starts it. Nothing if it is not installed, which is said, and is a failure if `PLIMSOLL_REQUIRE_S3` is set.
    pub fn start() -> Option<Self> {
        let started = Self::try_start();
        if started.is_none() {
            let required = std::env::var_os("PLIMSOLL_REQUIRE_S3").is_some();
            assert!(!required, "moto_server could not be started; install the Python package moto[server]");
            eprintln!("skipped: no moto_server here (the Python package moto[server])");
        }
        started
    }

    fn try_start() -> Option<Self> {
        let mut command = Command::new("python3");
        if let Some(folder) = std::env::var_os("PLIMSOLL_MOTO") {
            command.env("PYTHONPATH", folder);
        }
        command.env("MOTO_S3_DEFAULT_MAX_KEYS", PAGE_KEYS.to_string());
        command.args(["-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().ok()?;
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, address) = line.split_once("Running on ")?;
            Some(address.trim().to_owned())
        });
        // What it says of every request must not fill its pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let Some(endpoint) = address else {
            let _ = child.wait();
            return None;
        };
        Some(Self { child, endpoint })
    }

    /// Makes a bucket, as its owner would: with a bare request.
    pub fn bucket(&self, name: &str) {
        let address = self.endpoint.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!(
            "PUT /{name} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.split(' ').nth(1) == Some("200"), "{answer}");
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
