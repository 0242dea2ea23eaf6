//! A small server that speaks enough of S3, and does it wrong when it is told to.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does to a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Fault {
    #[default]
    None,
    /// Answers with this status and does nothing.
    Status(u16),
    /// Does what was asked and answers with this status.
    DoneBut(u16),
    /// Does nothing and never answers.
    Silence,
    /// Does what was asked and never answers.
    DoneSilence,
    /// Sends the head of the answer and half of its body.
    Half,
    /// Sends a shorter body and says that this is all.
    Short,
    /// Flips a bit of the body's last byte.
    Flip,
    /// Ignores the range that is asked for.
    NoRange,
}

type Choose = Box<dyn Fn(&str, &str) -> Fault + Send + Sync>;

struct Shared {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    choose: Mutex<Choose>,
    stop: AtomicBool,
    requests: AtomicUsize,
    /// Those that it has and does not answer.
    held: AtomicUsize,
}

/// The server. It stops when it is dropped.
pub struct Server {
    at: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            objects: Mutex::default(),
            choose: Mutex::new(Box::new(|_, _| Fault::None)),
            stop: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
        });
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if theirs.stop.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&theirs);
                std::thread::spawn(move || while serve(&shared, &stream).is_some() {});
            }
        });
        Self { at, shared }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.at)
    }

    /// From now on, what happens to a request is chosen by its method and target.
    pub fn fault(&self, choose: impl Fn(&str, &str) -> Fault + Send + Sync + 'static) {
        *self.shared.choose.lock().unwrap() = Box::new(choose);
    }

    pub fn heal(&self) {
        self.fault(|_, _| Fault::None);
    }

    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Waits until it holds so many requests that it does not answer. It holds them until it stops, so whoever sent
    /// them gave up; a server that is slow to take them in is waited for.
    pub fn holds(&self, count: usize) {
        for _ in 0..3_000 {
            if self.shared.held.load(Ordering::SeqCst) >= count {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it holds {} requests and not {count}", self.shared.held.load(Ordering::SeqCst));
    }

    /// Changes what is kept.
    pub fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> T {
        change(&mut self.shared.objects.lock().unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.at);
    }
}

struct Asked {
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

fn receive(mut stream: &TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).ok()?;
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: BTreeMap<_, _> = lines.filter_map(header).collect();
    let length = headers.get("content-length").map_or(Some(0), |length| length.parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Asked { method, target, headers, body })
}

fn serve(shared: &Shared, mut stream: &TcpStream) -> Option<()> {
    let asked = receive(stream)?;
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let fault = (shared.choose.lock().unwrap())(&asked.method, &asked.target);
    if let Fault::Status(status) = fault {
        let body = format!("<Error><Code>Told{status}</Code></Error>");
        return answer(stream, status, &[], body.as_bytes(), body.len());
    }
    if fault == Fault::Silence {
        return wait(shared);
    }
    let (mut status, headers, mut body) = act(shared, &asked, fault == Fault::NoRange);
    let mut said = body.len();
    match fault {
        Fault::DoneSilence => return wait(shared),
        Fault::DoneBut(other) => (status, body, said) = (other, Vec::new(), 0),
        Fault::Half => body.truncate(body.len() / 2),
        Fault::Short => {
            body.truncate(body.len() / 2);
            said = body.len();
        }
        Fault::Flip => {
            if let Some(last) = body.last_mut() {
                *last ^= 4;
            }
        }
        _ => {}
    }
    answer(stream, status, &headers, &body, said)?;
    if body.len() == said {
        return Some(());
    }
    let _ = stream.flush();
    None
}

/// Keeps a request until the server stops; whoever sent it has to give up. A minute is for one who does not: its test
/// then fails and does not hang.
fn wait(shared: &Shared) -> Option<()> {
    shared.held.fetch_add(1, Ordering::SeqCst);
    for _ in 0..3_000 {
        if shared.stop.load(Ordering::SeqCst) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    shared.held.fetch_sub(1, Ordering::SeqCst);
    None
}

fn answer(
    mut stream: &TcpStream,
    status: u16,
    headers: &[(&str, String)],
    body: &[u8],
    said: usize,
) -> Option<()> {
    let mut head = format!("HTTP/1.1 {status} Told\r\ncontent-length: {said}\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head.push_str("\r\n");
    // In one piece: a second one would wait for the first to be acknowledged, which takes its time.
    stream.write_all(&[head.as_bytes(), body].concat()).ok()
}

type Answered = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// An entity tag: a sum over the bytes is enough to tell ours apart.
fn tag(bytes: &[u8]) -> String {
    let sum = bytes.iter().fold(17_u64, |sum, byte| sum.wrapping_mul(1_099_511_628_211) ^ u64::from(*byte));
    format!("\"{sum:x}\"")
}

const DATE: &str = "Sat, 28 Nov 2026 12:00:00 GMT";

fn act(shared: &Shared, asked: &Asked, whole: bool) -> Answered {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let mut objects = shared.objects.lock().unwrap();
    let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key).to_owned();
    match asked.method.as_str() {
        "PUT" => {
            if asked.headers.contains_key("if-none-match") && objects.contains_key(&key) {
                return (412, Vec::new(), b"<Error><Code>PreconditionFailed</Code></Error>".to_vec());
            }
            let tag = tag(&asked.body);
            objects.insert(key, asked.body.clone());
            (200, vec![("etag", tag)], Vec::new())
        }
        "DELETE" => {
            objects.remove(&key);
            (204, Vec::new(), Vec::new())
        }
        "POST" => {
            let body = String::from_utf8_lossy(&asked.body).into_owned();
            let mut deleted = String::new();
            for part in body.split("<Key>").skip(1) {
                let key = part.split("</Key>").next().unwrap_or_default();
                objects.remove(key);
                write!(deleted, "<Deleted><Key>{key}</Key></Deleted>").unwrap();
            }
            (200, Vec::new(), format!("<DeleteResult>{deleted}</DeleteResult>").into_bytes())
        }
        _ if query.contains("list-type=2") => list(&objects),
        _ => match objects.get(&key) {
            None => (404, Vec::new(), b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
            Some(bytes) => get(bytes, asked.headers.get("range").filter(|_| !whole)),
        },
    }
}

fn list(objects: &BTreeMap<String, Vec<u8>>) -> Answered {
    let one = |(key, bytes): (&String, &Vec<u8>)| {
        let (tag, size) = (tag(bytes), bytes.len());
        format!(
            "<Contents><Key>{key}</Key><LastModified>2026-11-28T12:00:00.000Z</LastModified>\
             <ETag>{tag}</ETag><Size>{size}</Size></Contents>"
        )
    };
    let all: String = objects.iter().map(one).collect();
    let xml = format!("<ListBucketResult><IsTruncated>false</IsTruncated>{all}</ListBucketResult>");
    (200, Vec::new(), xml.into_bytes())
}

fn get(bytes: &[u8], range: Option<&String>) -> Answered {
    let mut headers = vec![("etag", tag(bytes)), ("last-modified", DATE.to_owned())];
    let Some((from, to)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return (200, headers, bytes.to_vec());
    };
    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap_or(usize::MAX));
    if from >= bytes.len() {
        return (416, headers, b"<Error><Code>InvalidRange</Code></Error>".to_vec());
    }
    let end = to.saturating_add(1).min(bytes.len());
    headers.push(("content-range", format!("bytes {from}-{}/{}", end - 1, bytes.len())));
    (206, headers, bytes[from..end].to_vec())
}
