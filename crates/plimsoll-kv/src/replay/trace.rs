//! A trace: the tree of its blocks, and its requests in the order of their times.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::TraceError;
use super::line::{Line, RequestLine, SessionLine};
use super::tree::{NO_BLOCK, Tree};

/// How many tokens a block of Mooncake's traces has; the files do not say.
const MOONCAKE_BLOCK_TOKENS: u32 = 512;

/// One request: a walk down the tree of blocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// When, in seconds from the trace's own zero.
    pub at_s: f64,
    /// Its last block; [`Trace::path`] gives all.
    pub end: u32,
    /// How many blocks it has.
    pub blocks: u32,
    /// How many tokens; its last block may have fewer than the others.
    pub tokens: u64,
    /// Its session's number, in order of appearance. Traces without sessions have one for all.
    pub session: u32,
    /// Whether a subagent asked, where the trace tells.
    pub subagent: bool,
}

/// Requests as walks down a tree of blocks.
#[derive(Clone, Debug)]
pub struct Trace {
    parents: Vec<u32>,
    requests: Vec<Request>,
    block_tokens: u32,
}

impl Trace {
    /// Reads a file; gzip is told by its first bytes, not by its name.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let mut file = BufReader::new(File::open(path).map_err(TraceError::Open)?);
        let gzip = file.fill_buf().map_err(TraceError::Open)?.starts_with(&[0x1f, 0x8b]);
        if gzip { Self::read(MultiGzDecoder::new(file)) } else { Self::read(file) }
    }

    /// Reads lines of JSON: requests as Mooncake writes them, or sessions.
    pub fn read(from: impl Read) -> Result<Self, TraceError> {
        let mut from = BufReader::with_capacity(1 << 16, from);
        let mut reading = Reading::default();
        let mut text = String::new();
        for line in 1.. {
            text.clear();
            let got = from.read_line(&mut text).map_err(|source| TraceError::Read { line, source })?;
            if got == 0 {
                break;
            }
            if text.trim().is_empty() {
                continue;
            }
            reading.line = line;
            match Line::parse(&text).map_err(|source| TraceError::Line { line, source })? {
                Line::Request(request) => reading.request(&request)?,
                Line::Session(session) => reading.session(&session)?,
            }
        }
        reading.finish()
    }

    /// In the order of their times; those of one moment in the order of the file.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// How many different blocks there are; they are numbered from 0.
    pub fn blocks(&self) -> usize {
        self.parents.len()
    }

    /// How many tokens a whole block has.
    pub const fn block_tokens(&self) -> u32 {
        self.block_tokens
    }

    /// The block before a block; `None` before the first of a prompt.
    pub fn parent(&self, block: u32) -> Option<u32> {
        self.parents.get(block as usize).copied().filter(|parent| *parent != NO_BLOCK)
    }

    /// Writes a request's blocks into `path`, first to last.
    pub fn path(&self, request: &Request, path: &mut Vec<u32>) {
        path.clear();
        path.resize(request.blocks as usize, NO_BLOCK);
        let mut block = request.end;
        for place in path.iter_mut().rev() {
            *place = block;
            block = self.parents[block as usize];
        }
    }

    /// How many of a request's tokens its first blocks hold.
    pub fn tokens_of(&self, request: &Request, blocks: usize) -> u64 {
        (blocks as u64).saturating_mul(u64::from(self.block_tokens)).min(request.tokens)
    }
}

#[derive(Debug, Default)]
struct Reading {
    tree: Tree,
    requests: Vec<Request>,
    block_tokens: Option<u32>,
    sessions: u32,
    line: usize,
}

impl Reading {
    fn request(&mut self, line: &RequestLine) -> Result<(), TraceError> {
        self.check_block_tokens(MOONCAKE_BLOCK_TOKENS)?;
        self.check_time("timestamp", line.timestamp)?;
        let mut end = NO_BLOCK;
        for hash in &line.hash_ids {
            end = self.child(end, *hash)?;
        }
        self.requests.push(Request {
            at_s: line.timestamp / 1000.0,
            end,
            blocks: u32::try_from(line.hash_ids.len())
                .map_err(|_| TraceError::TooLong { line: self.line })?,
            tokens: line.input_length,
            session: 0,
            subagent: false,
        });
        Ok(())
    }

    fn session(&mut self, session: &SessionLine) -> Result<(), TraceError> {
        if session.block_tokens == 0 {
            return Err(self.value("block_tokens is 0, a block has at least one"));
        }
        self.check_block_tokens(session.block_tokens)?;
        let mut path: Vec<u32> = Vec::new();
        let mut at_s = 0.0_f64;
        self.tree.next_session();
        for (index, turn) in session.requests.iter().enumerate() {
            self.check_time("t", turn.t)?;
            if turn.keep > path.len() {
                let (keep, had) = (turn.keep, path.len());
                return Err(self.value(format!("request {index} keeps {keep} blocks of the {had} before it")));
            }
            path.truncate(turn.keep);
            for hash in &turn.new {
                let parent = path.last().copied().unwrap_or(NO_BLOCK);
                path.push(self.child(parent, *hash)?);
            }
            // A turn needs what the one before it made, whatever the clock says.
            at_s = at_s.max(turn.t);
            self.requests.push(Request {
                at_s,
                end: path.last().copied().unwrap_or(NO_BLOCK),
                blocks: u32::try_from(path.len()).map_err(|_| TraceError::TooLong { line: self.line })?,
                tokens: turn.input,
                session: self.sessions,
                subagent: turn.kind.as_deref() == Some("s"),
            });
        }
        self.sessions = self.sessions.saturating_add(1);
        Ok(())
    }

    fn finish(mut self) -> Result<Trace, TraceError> {
        let Some(block_tokens) = self.block_tokens.filter(|_| !self.requests.is_empty()) else {
            return Err(TraceError::Empty);
        };
        // Stable: requests of one moment stay in the order of the file.
        self.requests.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        Ok(Trace { parents: self.tree.into_parents(), requests: self.requests, block_tokens })
    }

    fn child(&mut self, parent: u32, hash: u64) -> Result<u32, TraceError> {
        self.tree.child(parent, hash).ok_or(TraceError::TooLong { line: self.line })
    }

    fn check_block_tokens(&mut self, tokens: u32) -> Result<(), TraceError> {
        match *self.block_tokens.get_or_insert(tokens) {
            before if before != tokens => Err(TraceError::BlockTokens { line: self.line, tokens, before }),
            _ => Ok(()),
        }
    }

    fn check_time(&self, field: &str, time: f64) -> Result<(), TraceError> {
        if time.is_finite() && time >= 0.0 {
            return Ok(());
        }
        Err(self.value(format!("{field} is {time}; a time is a number from 0")))
    }

    fn value(&self, what: impl Into<String>) -> TraceError {
        TraceError::Value { line: self.line, what: what.into() }
    }
}
