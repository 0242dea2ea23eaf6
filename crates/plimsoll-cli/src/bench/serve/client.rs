//! A client of one connection, as bare as can be: what it takes is not to be measured.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A connection that is kept open.
pub(super) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(super) fn connect(at: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(at)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_mins(5)))?;
        Ok(Self { stream: BufReader::with_capacity(4096, stream) })
    }

    fn send(&mut self, path: &str, body: &str) -> io::Result<()> {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())
    }

    /// The head of an answer: its status, and how long its body is, where that is said.
    fn head(&mut self) -> io::Result<(u16, Option<usize>)> {
        let (mut status, mut length, mut line) = (0, None, String::new());
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? <= 2 {
                return Ok((status, length));
            }
            let lower = line.to_ascii_lowercase();
            if let Some(rest) = lower.strip_prefix("http/1.1 ") {
                status = rest.get(..3).and_then(|word| word.parse().ok()).unwrap_or(0);
            }
            if let Some(rest) = lower.strip_prefix("content-length:") {
                length = rest.trim().parse().ok();
            }
        }
    }

    /// An answer that comes whole; an empty body asks with GET.
    pub(super) fn ask(&mut self, path: &str, body: &str) -> io::Result<(u16, Value)> {
        self.send(path, body)?;
        let (status, length) = self.head()?;
        let mut bytes = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut bytes)?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// Sends a request for a stream, and reads its head.
    pub(super) fn begin(&mut self, path: &str, body: &str) -> io::Result<u16> {
        self.send(path, body)?;
        Ok(self.head()?.0)
    }

    /// Reads a stream to its end, piece by piece; the connection is of no use after that.
    pub(super) fn pieces(mut self, mut each: impl FnMut(&Value)) -> io::Result<()> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end().strip_prefix("data: ") {
                Some("[DONE]") => return Ok(()),
                Some(piece) => each(&serde_json::from_str(piece).unwrap_or_default()),
                None => {}
            }
        }
    }
}
