//! How soon a first token comes: of a prompt that nobody has read, of the same again, and after the program was killed.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::args::ServeBenchArgs;
use super::child::Served;
use super::client::Client;
use super::measure::{answered, failed, milliseconds};
use super::report::{ServeRow, Unit};
use crate::CliError;
use crate::bench::median;

/// How much sooner a first token comes after a kill than of a prompt that nobody has read, for a thousand tokens and more.
const RESTART: f64 = 10.0;
/// Tokens that are compared.
const WRITTEN: usize = 16;
/// Blocks are written a second after they are whole: a folder that did not grow for so long has them.
const SETTLED: Duration = Duration::from_secs(3);
/// How long that may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is asked.
pub(super) struct Asked {
    /// A prompt a turn.
    pub(super) prompts: Vec<Vec<u32>>,
    /// Another, after which the model is in memory.
    pub(super) small: Vec<u32>,
    /// What a token's keys and values take.
    pub(super) token: u64,
}

/// An answer.
struct Answer {
    first_ms: f64,
    text: String,
    /// Tokens of the prompt that were not computed.
    cached: u64,
}

/// Measures.
pub(super) fn rows(args: &ServeBenchArgs, asked: &Asked) -> Result<Vec<ServeRow>, CliError> {
    let (mut cold, mut warm, mut restarted) = (Vec::new(), Vec::new(), Vec::new());
    let (mut restored, mut least) = (Vec::new(), Vec::new());
    let mut same = 0;
    for prompt in &asked.prompts {
        let folder = tempfile::tempdir().map_err(failed)?;
        let cache = [Path::new("--cache"), folder.path(), Path::new("--cache-size"), Path::new("4GiB")];
        let served = begun(args, cache, asked)?;
        let new = answer(served.at(), prompt)?;
        let again = answer(served.at(), prompt)?;
        settle(folder.path()).map_err(failed)?;
        // It is at work when it is killed.
        let mut other = Client::connect(served.at()).map_err(failed)?;
        let more = json!({"prompt": asked.small, "max_tokens": 500, "temperature": 0, "stream": true});
        answered(other.begin("/v1/completions", &more.to_string()).map_err(failed)?)?;
        drop(served);
        drop(other);
        let served = begun(args, cache, asked)?;
        let after = answer(served.at(), prompt)?;
        drop(served);
        let rate = reading(folder.path()).map_err(failed)?;
        #[expect(clippy::cast_precision_loss, reason = "bytes of a cache")]
        let bytes = (after.cached * asked.token) as f64;
        same += usize::from(new.text == after.text && new.text == again.text && !new.text.is_empty());
        cold.push(new.first_ms);
        warm.push(again.first_ms);
        restarted.push(after.first_ms);
        restored.push(bytes);
        least.push(bytes / rate * 1e3);
    }
    let (cold, restarted, turns) = (median(cold), median(restarted), asked.prompts.len());
    let times = ServeRow::new("sooner after a kill", cold / restarted, Unit::Times);
    let long = asked.prompts.iter().all(|prompt| prompt.len() >= 1000);
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let (same, all) = (same as f64, turns as f64);
    Ok(vec![
        ServeRow::new("first token, prompt not read before", cold, Unit::Ms),
        ServeRow::new("first token, the same prompt again", median(warm), Unit::Ms),
        ServeRow::new("first token, after a kill", restarted, Unit::Ms),
        ServeRow::new("brought back from the folder", median(restored), Unit::Bytes),
        ServeRow::new("reading as much of the folder, and nothing else", median(least), Unit::Ms),
        if long { times.at_least(RESTART) } else { times },
        ServeRow::new(format!("of {turns} texts the same all three times"), same, Unit::Count).at_least(all),
    ])
}

/// The program with its model in memory.
fn begun(args: &ServeBenchArgs, cache: [&Path; 4], asked: &Asked) -> Result<Served, CliError> {
    let served = Served::start(args, cache).map_err(failed)?;
    answer(served.at(), &asked.small)?;
    Ok(served)
}

fn answer(at: SocketAddr, prompt: &[u32]) -> Result<Answer, CliError> {
    let ask = json!({
        "prompt": prompt, "max_tokens": WRITTEN, "temperature": 0, "stream": true,
        "stream_options": {"include_usage": true}
    });
    let mut client = Client::connect(at).map_err(failed)?;
    let began = Instant::now();
    answered(client.begin("/v1/completions", &ask.to_string()).map_err(failed)?)?;
    let (mut first_ms, mut text, mut cached) = (None, String::new(), 0);
    let each = |piece: &Value| {
        first_ms.get_or_insert_with(|| milliseconds(began.elapsed()));
        text.push_str(piece["choices"][0]["text"].as_str().unwrap_or_default());
        let found = piece["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64();
        cached = found.unwrap_or(cached);
    };
    client.pieces(each).map_err(failed)?;
    let first_ms = first_ms.ok_or_else(|| failed(io::ErrorKind::UnexpectedEof.into()))?;
    Ok(Answer { first_ms, text, cached })
}

/// Waits until a folder grows no more.
fn settle(folder: &Path) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    let (mut bytes, mut since) = (sizes(folder)?, Instant::now());
    while since.elapsed() < SETTLED && Instant::now() < until {
        thread::sleep(Duration::from_millis(100));
        let now = sizes(folder)?;
        if now != bytes {
            (bytes, since) = (now, Instant::now());
        }
    }
    Ok(())
}

/// Bytes of all files below.
fn sizes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    each_file(folder, &mut |path| {
        bytes += path.metadata()?.len();
        Ok(())
    })?;
    Ok(bytes)
}

/// Bytes a second at which files below are read, one after the other: as whoever brings blocks back finds them.
fn reading(folder: &Path) -> io::Result<f64> {
    let (mut bytes, mut buffer, began) = (0, vec![0; 1 << 20], Instant::now());
    each_file(folder, &mut |path| {
        let mut file = File::open(path)?;
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                count => bytes += count,
            }
        }
    })?;
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let rate = bytes as f64 / began.elapsed().as_secs_f64().max(1e-9);
    Ok(rate.max(1.0))
}

fn each_file(folder: &Path, told: &mut dyn FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            each_file(&entry.path(), told)?;
        } else if let Err(error) = told(&entry.path()) {
            // A file that was there a moment ago may be gone.
            if error.kind() != io::ErrorKind::NotFound {
                return Err(error);
            }
        }
    }
    Ok(())
}
