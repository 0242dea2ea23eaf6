//! What is answered to what.

use serde::Serialize;

use super::request::{Request, Unread};
use crate::monitor::metrics::{CONTENT_TYPE, prometheus_text};
use crate::monitor::{AlertSample, HealthSample, Sample};

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// One answer, without what belongs to the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: &'static str,
    pub(super) kind: &'static str,
    pub(super) allow: bool,
    pub(super) body: String,
}

/// What `/health` says.
#[derive(Serialize)]
struct Health<'s> {
    #[serde(flatten)]
    health: Option<&'s HealthSample>,
    alerts: &'s [AlertSample],
}

impl Answer {
    fn new(status: &'static str, kind: &'static str, body: String) -> Self {
        Self { status, kind, allow: false, body }
    }

    fn plain(status: &'static str, body: &str) -> Self {
        Self::new(status, TEXT, format!("{body}\n"))
    }

    /// To a request, with the last sample.
    pub(super) fn to(request: &Request, sample: Option<&Sample>) -> Self {
        let path = request.path.as_str();
        if !matches!(path, "/metrics" | "/health" | "/memory" | "/") {
            return Self::plain("404 Not Found", "there are /metrics, /health and /memory");
        }
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            let answer = Self::plain("405 Method Not Allowed", "only GET and HEAD are answered");
            return Self { allow: true, ..answer };
        }
        if path == "/" {
            return Self::plain("200 OK", "plimsoll: /metrics, /health, /memory");
        }
        let Some(sample) = sample else {
            return Self::plain("503 Service Unavailable", "no sample was taken yet");
        };
        match path {
            "/metrics" => Self::new("200 OK", CONTENT_TYPE, prometheus_text(sample)),
            "/health" => {
                let critical = sample.health.as_ref().is_some_and(|health| health.rating == "critical");
                let status = if critical { "503 Service Unavailable" } else { "200 OK" };
                Self::json(status, &Health { health: sample.health.as_ref(), alerts: &sample.alerts })
            }
            _ => Self::json("200 OK", sample),
        }
    }

    /// To what is no request; nobody waits for an answer where the client has gone.
    pub(super) fn to_unread(why: &Unread) -> Option<Self> {
        match why {
            Unread::Gone => None,
            Unread::TooLong => {
                Some(Self::plain("431 Request Header Fields Too Large", "the request is too long"))
            }
            Unread::Malformed => Some(Self::plain("400 Bad Request", "that is no HTTP/1.1 request")),
        }
    }

    pub(super) fn busy() -> Self {
        Self::plain("503 Service Unavailable", "too many connections at once")
    }

    fn json(status: &'static str, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => Self::new(status, JSON, text + "\n"),
            Err(error) => Self::plain("500 Internal Server Error", &error.to_string()),
        }
    }

    /// As it goes over the wire.
    pub(super) fn bytes(&self, head_only: bool) -> Vec<u8> {
        let allow = if self.allow { "Allow: GET, HEAD\r\n" } else { "" };
        let mut text = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}Cache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
            self.status,
            self.kind,
            self.body.len(),
        );
        if !head_only {
            text.push_str(&self.body);
        }
        text.into_bytes()
    }
}
