//! Texts posted to a URL, on a thread of their own.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How patient a [`Poster`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostSettings {
    /// How long one attempt may take, from the name's look-up to the answer's head.
    pub timeout: Duration,
    /// How long it waits before its second and last attempt.
    pub again_after: Duration,
    /// How many texts may wait to be posted; a newer one pushes the oldest out.
    pub queue: usize,
    /// How long a poster that is dropped still tries to deliver what waits.
    pub linger: Duration,
}

impl Default for PostSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            again_after: Duration::from_millis(500),
            queue: 64,
            linger: Duration::from_secs(2),
        }
    }
}

/// What became of the texts so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PostCounts {
    /// Answered with success.
    pub delivered: u64,
    /// Given up after the second attempt.
    pub failed: u64,
    /// Pushed out by newer ones before they were tried.
    pub dropped: u64,
}

/// Why nothing can be posted there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// Not a URL that can be posted to.
    #[error("{url:?} cannot be posted to: {why}; write a URL such as http://127.0.0.1:9000/alerts")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A URL that needs TLS, in a program that was built without it.
    #[error("{url} needs TLS, and this program was built without it; build it with the feature `https`")]
    NoTls {
        /// What was given.
        url: String,
    },
    /// No thread.
    #[error("the thread that posts could not be started: {0}")]
    Thread(#[from] io::Error),
}

/// Posts JSON to a URL from a thread of its own, so that nobody ever waits for the network: the queue is bounded, the
/// oldest text goes first when it is full, and an attempt ends at its time-out. Each text is tried twice; an answer
/// that says the text itself is wrong (4xx, but for 408 and 429) is not asked for again.
pub struct Poster {
    shared: Arc<Shared>,
    url: String,
    settings: PostSettings,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<String>,
    /// One is being posted.
    busy: bool,
    stopping: bool,
    counts: PostCounts,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Poster {
    /// Starts the thread `plimsoll-post`. Nothing is connected to before there is something to post.
    pub fn start(url: &str, settings: PostSettings) -> Result<Self, PostError> {
        let local = check(url)?;
        let mut config = ureq::Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            // What is posted is for this address and no other.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("plimsoll/", env!("CARGO_PKG_VERSION")));
        if local {
            config = config.proxy(None);
        }
        let agent: ureq::Agent = config.build().into();
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let (own, target) = (Arc::clone(&shared), url.to_owned());
        let run = move || own.deliver(&agent, &target, settings);
        thread::Builder::new().name("plimsoll-post".to_owned()).spawn(run)?;
        Ok(Self { shared, url: url.to_owned(), settings })
    }

    /// Puts a text into the queue and returns at once.
    pub fn post(&self, body: String) {
        let mut state = self.shared.lock();
        while state.queue.len() >= self.settings.queue.max(1) {
            state.queue.pop_front();
            state.counts.dropped += 1;
        }
        state.queue.push_back(body);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// What became of the texts so far.
    pub fn counts(&self) -> PostCounts {
        self.shared.lock().counts
    }

    /// Waits until nothing is left to post, at most so long; whether that was reached.
    pub fn flush(&self, at_most: Duration) -> bool {
        let left = |state: &State| state.busy || !state.queue.is_empty();
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), at_most, |state| left(state));
        !left(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }
}

impl Drop for Poster {
    /// What waits gets a little time. A server that hangs keeps nobody: the thread ends with its attempt.
    fn drop(&mut self) {
        self.flush(self.settings.linger);
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
    }
}

impl fmt::Debug for Poster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poster")
            .field("url", &self.url)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// The thread: posts what comes until told to stop.
    fn deliver(&self, agent: &ureq::Agent, url: &str, settings: PostSettings) {
        while let Some(body) = self.next() {
            let mut outcome = attempt(agent, url, &body);
            if outcome == Outcome::Again && !self.stopped_within(settings.again_after) {
                outcome = attempt(agent, url, &body);
            }
            let mut state = self.lock();
            state.busy = false;
            match outcome {
                Outcome::Delivered => state.counts.delivered += 1,
                Outcome::Again | Outcome::Refused => state.counts.failed += 1,
            }
            drop(state);
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Option<String> {
        let waits = |state: &mut State| state.queue.is_empty() && !state.stopping;
        let mut state = self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        if state.stopping {
            return None;
        }
        state.busy = true;
        state.queue.pop_front()
    }

    fn stopped_within(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if state.stopping || left.is_zero() {
                return state.stopping;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Delivered,
    Again,
    Refused,
}

fn attempt(agent: &ureq::Agent, url: &str, body: &str) -> Outcome {
    match agent.post(url).header("Content-Type", "application/json").send(body) {
        Ok(answer) => match answer.status().as_u16() {
            200..=299 => Outcome::Delivered,
            408 | 429 | 500.. => Outcome::Again,
            _ => Outcome::Refused,
        },
        Err(_) => Outcome::Again,
    }
}

/// Whether such a URL can be posted to, and whether it is on this machine.
fn check(url: &str) -> Result<bool, PostError> {
    let wrong = |why: String| PostError::Url { url: url.to_owned(), why };
    let parsed: ureq::http::Uri = url.parse().map_err(|error| wrong(format!("{error}")))?;
    let host = parsed.host().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| wrong("it names no host".to_owned()))?;
    match parsed.scheme_str() {
        Some("http") => {}
        Some("https") if cfg!(feature = "https") => {}
        Some("https") => return Err(PostError::NoTls { url: url.to_owned() }),
        _ => return Err(wrong("it begins with neither http:// nor https://".to_owned())),
    }
    let literal = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    Ok(host == "localhost" || literal.is_ok_and(|address| address.is_loopback()))
}
