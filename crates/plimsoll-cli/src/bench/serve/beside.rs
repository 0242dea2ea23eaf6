//! Turns of many sessions, asked of a service of ours and of another server in turns.
//!
//! The shapes are those of a trace: which session asks when, and how much of its prompt stood in the one before. They are made as
//! much smaller as the model's context asks for, session by session; what stood at a place of a prompt stands there again in the next.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::time::{Duration, Instant};

use plimsoll::Place;
use plimsoll_kv::replay::Trace;
use serde_json::{Value, json};

use super::args::ServeBenchArgs;
use super::client::Client;
use super::lot::lot;
use super::report::{ServeRow, Unit};
use crate::CliError;
use crate::bench::resident;

/// Tokens that each turn writes.
const WRITTEN: usize = 8;
/// What the other server is called.
pub(super) const OTHER: &str = "beside";

/// A turn: whose, and what it asks.
pub(super) struct Turn {
    pub(super) session: usize,
    first: bool,
    pub(super) prompt: Vec<u32>,
}

/// What came of one server's turns.
#[derive(Default)]
struct Came {
    first_ms: Vec<f64>,
    prompt: u64,
    cached: u64,
    /// Whether each session's last turn found at least half of its prompt.
    kept: Vec<bool>,
    failed: usize,
}

/// The turns of the first sessions of a trace, in the order of their times.
pub(super) fn turns(
    path: &Path,
    (sessions, turns): (usize, usize),
    (context, vocabulary): (usize, usize),
) -> Result<Vec<Turn>, CliError> {
    let trace = Trace::open(path).map_err(|error| CliError::ServeBench(io::Error::other(error)))?;
    let mut asked = vec![0_usize; sessions];
    let mut longest = vec![0_usize; sessions];
    let mut chosen = Vec::new();
    for request in trace.requests() {
        let session = request.session as usize;
        if session >= sessions || asked[session] >= turns || request.blocks == 0 {
            continue;
        }
        asked[session] += 1;
        longest[session] = longest[session].max(request.blocks as usize);
        chosen.push(*request);
    }
    let most = context.saturating_sub(WRITTEN + 8).max(1);
    let mut seen = vec![false; sessions];
    let mut blocks = Vec::new();
    let turns = chosen.iter().map(|request| {
        let session = request.session as usize;
        trace.path(request, &mut blocks);
        // A place of the prompt is a place of the trace's; another block there is another token.
        let tokens = (blocks.len() * most / longest[session]).max(1);
        let prompt = (0..tokens).map(|at| {
            let block = blocks[(at * longest[session] / most).min(blocks.len() - 1)];
            token(session as u64, u64::from(block), at as u64, vocabulary as u64)
        });
        let first = !std::mem::replace(&mut seen[session], true);
        Turn { session, first, prompt: prompt.collect() }
    });
    Ok(turns.collect())
}

/// Turns of sessions that all grow alike, for who has no trace.
pub(super) fn made_up(sessions: usize, turns: usize, (context, vocabulary): (usize, usize)) -> Vec<Turn> {
    let most = context.saturating_sub(WRITTEN + 8).max(1);
    let all = (0..turns).flat_map(|turn| (0..sessions).map(move |session| (turn, session)));
    let made = all.map(|(turn, session)| {
        let tokens = 0..(most * (turn + 1) / turns.max(1)).max(1) as u64;
        let prompt = tokens.map(|at| token(session as u64, 0, at, vocabulary as u64)).collect();
        Turn { session, first: turn == 0, prompt }
    });
    made.collect()
}

/// A token by lot, the same for the same place.
fn token(session: u64, block: u64, at: u64, vocabulary: u64) -> u32 {
    let lot = lot(session << 48 ^ block << 20 ^ at);
    // The first ones are often no text.
    u32::try_from((lot >> 33) % vocabulary.saturating_sub(300).max(1) + 300.min(vocabulary / 2)).unwrap_or(0)
}

/// Where a URL leads.
fn address(url: &str) -> Result<SocketAddr, CliError> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let place = rest.split('/').next().unwrap_or(rest);
    let place = if place.contains(':') { place.to_owned() } else { format!("{place}:80") };
    let found = place.to_socket_addrs().map_err(CliError::ServeBench)?.next();
    found.ok_or_else(|| CliError::ServeBench(io::Error::other(format!("{url} leads nowhere"))))
}

/// Asks all turns of both, one after the other, and says what came of it.
pub(super) fn compare(
    ours: SocketAddr,
    book: &plimsoll::Engine,
    url: &str,
    turns: &[Turn],
    args: &ServeBenchArgs,
) -> Result<Vec<ServeRow>, CliError> {
    let other = address(url)?;
    let sessions = turns.iter().map(|turn| turn.session + 1).max().unwrap_or(0);
    let mut came = [Came::of(sessions), Came::of(sessions)];
    let mut most = 0;
    for (number, turn) in turns.iter().enumerate() {
        // Whoever is asked first is not always the same: the other finds the machine warm.
        let order = if number % 2 == 0 { [0, 1] } else { [1, 0] };
        for who in order {
            came[who].ask([ours, other][who], turn);
        }
        most = most.max(resident());
    }
    let [mine, theirs] = &mut came;
    let (mut rows, beside) = (mine.rows("plimsoll"), theirs.rows(OTHER));
    for (row, other) in rows.iter_mut().zip(&beside) {
        let better = if row.unit == Unit::Ms { row.value <= other.value } else { row.value >= other.value };
        (row.target, row.met) = (Some(other.value), Some(better));
    }
    rows.extend(beside);
    let line = book.snapshot().place(Place::Host).map_or(0, |host| host.peak.get());
    #[expect(clippy::cast_precision_loss, reason = "bytes of a process")]
    let bytes = |work: &str, value: u64| ServeRow::new(work, value as f64, Unit::Bytes);
    rows.push(bytes("charged at most", line));
    rows.push(bytes("this process had at most", most));
    if let Some(had) = args.beside_pid.and_then(had_at_most) {
        rows.push(bytes("had at most", had).by(OTHER));
    }
    Ok(rows)
}

/// The most memory that a process had (Linux).
pub(super) fn had_at_most(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

impl Came {
    fn of(sessions: usize) -> Self {
        Self { kept: vec![false; sessions], ..Self::default() }
    }

    /// Asks one turn, and counts what is told of it. A refusal is counted and not timed.
    fn ask(&mut self, at: SocketAddr, turn: &Turn) {
        match ask(at, &turn.prompt) {
            Ok((first, cached)) => {
                if !turn.first {
                    self.first_ms.push(first.as_secs_f64() * 1e3);
                    self.prompt += turn.prompt.len() as u64;
                    self.cached += cached;
                    self.kept[turn.session] = 2 * cached >= turn.prompt.len() as u64;
                }
            }
            Err(_) => self.failed += 1,
        }
    }

    fn rows(&mut self, engine: &'static str) -> Vec<ServeRow> {
        self.first_ms.sort_by(f64::total_cmp);
        let at = |part: usize| {
            let last = self.first_ms.len().saturating_sub(1);
            self.first_ms.get(last * part / 100).copied().unwrap_or(f64::NAN)
        };
        #[expect(clippy::cast_precision_loss, reason = "counts")]
        let number = |count: u64| count as f64;
        let kept = self.kept.iter().filter(|kept| **kept).count() as u64;
        vec![
            ServeRow::new("first token of a later turn, half of them", at(50), Unit::Ms).by(engine),
            ServeRow::new("first token of a later turn, nine of ten", at(90), Unit::Ms).by(engine),
            ServeRow::new(
                "of later turns' prompts not computed",
                number(self.cached) / number(self.prompt.max(1)),
                Unit::Times,
            )
            .by(engine),
            ServeRow::new(
                format!("of {} sessions kept at their last turn", self.kept.len()),
                number(kept),
                Unit::Count,
            )
            .by(engine),
            ServeRow::new("turns answered", number(self.first_ms.len() as u64), Unit::Count).by(engine),
        ]
    }
}

/// How soon the first token came, and how many of the prompt were not computed.
fn ask(at: SocketAddr, prompt: &[u32]) -> io::Result<(Duration, u64)> {
    let ask = json!({
        "prompt": prompt, "max_tokens": WRITTEN, "temperature": 0, "stream": true,
        "stream_options": {"include_usage": true}, "cache_prompt": true
    });
    let mut client = Client::connect(at)?;
    let began = Instant::now();
    let status = client.begin("/v1/completions", &ask.to_string())?;
    if status != 200 {
        return Err(io::Error::other(format!("answered with {status}")));
    }
    let mut first = None;
    let mut cached = None;
    client.pieces(|piece| {
        first.get_or_insert_with(|| began.elapsed());
        cached = found(piece).or(cached);
    })?;
    let first = first.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    Ok((first, cached.unwrap_or(0)))
}

/// How many tokens of the prompt a cache had: as OpenAI tells it, or among llama-server's timings.
fn found(piece: &Value) -> Option<u64> {
    let told = piece["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64();
    told.or_else(|| piece["timings"]["cache_n"].as_u64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_have_the_shapes_of_a_trace_in_a_smaller_context() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("trace.jsonl");
        let lines = r#"{"session":1,"block_tokens":64,"requests":[{"t":0,"type":"n","in":128,"out":1,"keep":0,"new":[1,2]},{"t":9,"type":"n","in":256,"out":1,"keep":2,"new":[3,4]}]}
{"session":2,"block_tokens":64,"requests":[{"t":5,"type":"n","in":64,"out":1,"keep":0,"new":[1]}]}"#;
        std::fs::write(&path, lines).expect("written");
        let turns = turns(&path, (2, 8), (216, 4096)).expect("a trace");
        let shapes: Vec<_> = turns.iter().map(|turn| (turn.session, turn.first, turn.prompt.len())).collect();
        assert_eq!(shapes, [(0, true, 100), (1, true, 200), (0, false, 200)]);
        assert_eq!(turns[2].prompt[..100], turns[0].prompt[..]);
        assert_ne!(turns[1].prompt[..100], turns[0].prompt[..], "sessions have nothing in common");
        assert!(turns.iter().flat_map(|turn| &turn.prompt).all(|token| *token < 4096));
    }

    #[test]
    fn both_ways_of_telling_are_understood() {
        let open = json!({"usage": {"prompt_tokens_details": {"cached_tokens": 7}}});
        assert_eq!(found(&open), Some(7));
        assert_eq!(found(&json!({"timings": {"cache_n": 5}})), Some(5));
        assert_eq!(found(&json!({"choices": []})), None);
        assert_eq!(address("http://127.0.0.1:81/v1").expect("an address").port(), 81);
    }
}
