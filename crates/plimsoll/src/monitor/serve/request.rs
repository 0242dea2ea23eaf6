//! The part of a request that matters: method and path.

use std::io::{self, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What came instead of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It took too long, or the client has gone: nobody waits for an answer.
    Gone,
    /// It has no end within the length that is read.
    TooLong,
    /// It is not HTTP.
    Malformed,
}

/// Method and path of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
}

/// Reads a head of at most `longest` bytes in at most `within`, however slowly its bytes come.
pub(super) fn read(stream: &mut TcpStream, longest: usize, within: Duration) -> Result<Request, Unread> {
    let until = Instant::now() + within;
    let mut head = Vec::new();
    let mut part = [0; 1024];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return Err(Unread::Gone);
        }
        match stream.read(&mut part) {
            Ok(0) => return Err(Unread::Gone),
            Ok(count) => head.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(Unread::Gone),
        }
        if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            return if end > longest { Err(Unread::TooLong) } else { parse(&head[..end]) };
        }
        if head.len() > longest {
            return Err(Unread::TooLong);
        }
    }
}

/// "GET /metrics?x HTTP/1.1" and what follows it.
fn parse(head: &[u8]) -> Result<Request, Unread> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| Unread::Malformed)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Unread::Malformed);
    };
    let known = matches!(version, "HTTP/1.1" | "HTTP/1.0");
    let letters = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    if !known || !letters || !target.starts_with('/') {
        return Err(Unread::Malformed);
    }
    let path = target.split(['?', '#']).next().unwrap_or_default();
    Ok(Request { method: method.to_owned(), path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_understood_or_refused() {
        let read = |text: &str| parse(text.as_bytes()).map(|request| (request.method, request.path));
        let get = |path: &str| Ok(("GET".to_owned(), path.to_owned()));
        assert_eq!(read("GET /metrics HTTP/1.1\r\nHost: x"), get("/metrics"));
        assert_eq!(read("GET /metrics?a=b HTTP/1.0"), get("/metrics"));
        for wrong in [
            "",
            "GET",
            "GET /",
            "GET / HTTP/2",
            "get / HTTP/1.1",
            "GET x HTTP/1.1",
            "GET / a HTTP/1.1",
            "\u{0} / HTTP/1.1",
        ] {
            assert_eq!(read(wrong), Err(Unread::Malformed), "{wrong:?}");
        }
        assert_eq!(parse(b"GET /\xff HTTP/1.1"), Err(Unread::Malformed));
    }
}
