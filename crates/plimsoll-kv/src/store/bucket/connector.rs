//! HTTP for the object store's client: through `ureq`, which the program has anyway, on threads that may block. The
//! client's own would bring an HTTP/2 stack, a second TLS set-up and some fifty crates for requests that are few and large.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::time::Duration;

use http_body::Body as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use ureq::http::{Method, Request, Response};

/// How long requests may take and how much may come back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub connect: Duration,
    pub read: Duration,
    pub write: Duration,
    pub body_bytes: u64,
    pub requests: usize,
}

/// Makes clients.
#[derive(Debug)]
pub(super) struct Connector {
    agent: ureq::Agent,
    limits: Limits,
}

impl Connector {
    pub fn new(limits: Limits) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // The client judges redirects; a signature does not survive one.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("plimsoll/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(limits.connect))
            .timeout_resolve(Some(limits.connect))
            .max_idle_connections(limits.requests)
            .max_idle_connections_per_host(limits.requests)
            .build();
        Self { agent: config.new_agent(), limits }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service { agent: self.agent.clone(), limits: self.limits }))
    }
}

#[derive(Debug)]
struct Service {
    agent: ureq::Agent,
    limits: Limits,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

impl HttpService for Service {
    fn call<'life0, 'async_trait>(&'life0 self, request: HttpRequest) -> Answer<'async_trait>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = collect(body).await?;
            let (agent, limits) = (self.agent.clone(), self.limits);
            let work = move || send(&agent, limits, Request::from_parts(parts, body));
            let done = tokio::task::spawn_blocking(work).await;
            done.unwrap_or_else(|gone| Err(HttpError::new(HttpErrorKind::Unknown, gone)))
        })
    }
}

/// A request's body in one piece; our objects are in one, so nothing is copied but the odd XML.
async fn collect(mut body: object_store::client::HttpRequestBody) -> Result<Vec<u8>, HttpError> {
    let mut whole = Vec::with_capacity(body.content_length());
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame?.into_data() {
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole)
}

fn send(agent: &ureq::Agent, limits: Limits, request: Request<Vec<u8>>) -> Result<HttpResponse, HttpError> {
    let limit = if request.method() == Method::PUT { limits.write } else { limits.read };
    let (parts, body) = request.into_parts();
    let bare = body.is_empty() && parts.method != Method::PUT && parts.method != Method::POST;
    let answer = if bare {
        let request = Request::from_parts(parts, ());
        agent.run(agent.configure_request(request).timeout_global(Some(limit)).build())
    } else {
        let request = Request::from_parts(parts, body.as_slice());
        agent.run(agent.configure_request(request).timeout_global(Some(limit)).build())
    };
    let (parts, body) = answer.map_err(explain)?.into_parts();
    let body = body.into_with_config().limit(limits.body_bytes).read_to_vec().map_err(explain)?;
    Ok(Response::from_parts(parts, body.into()))
}

/// What may be tried again: what was not sent, and what broke off.
fn explain(error: ureq::Error) -> HttpError {
    let kind = match &error {
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => HttpErrorKind::Connect,
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::Io(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => HttpErrorKind::Connect,
            io::ErrorKind::TimedOut => HttpErrorKind::Timeout,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => HttpErrorKind::Interrupted,
            _ => HttpErrorKind::Unknown,
        },
        ureq::Error::Protocol(_) | ureq::Error::Http(_) => HttpErrorKind::Decode,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}
