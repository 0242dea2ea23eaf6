//! The text as it is written: drawn, shown, and ended.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plimsoll_kv::block::Token;
use plimsoll_llm::text::{Stopped, Stops, TextStream};
use plimsoll_llm::{CachedError, Found, Sampler, Wish, Writer};

use super::model::Model;
use super::report::StoppedBy;
use super::{GenerateArgs, GenerateError};

/// A writer to stdout.
pub(super) struct Voice {
    sampler: Sampler,
    stream: Option<TextStream>,
    stops: Stops,
    ends: Vec<Token>,
    left: usize,
    shown: bool,
    interrupt: Arc<AtomicBool>,
    /// What was written.
    pub text: String,
    pub tokens: usize,
    pub stopped: StoppedBy,
    pub stop: Option<usize>,
}

impl Voice {
    /// For some tokens at most. `shown` says whether the text goes to stdout as it comes.
    pub(super) fn new(
        args: &GenerateArgs,
        model: &Model,
        prompt: &[Token],
        tokens: usize,
        shown: bool,
    ) -> Result<Self, GenerateError> {
        let mut sampler = Sampler::new(args.sampling())?;
        for token in prompt {
            sampler.accept(*token);
        }
        let tokenizer = model.tokenizer.as_ref();
        Ok(Self {
            sampler,
            stream: tokenizer.map(TextStream::after_text),
            stops: Stops::new(args.stop.iter().cloned()),
            ends: tokenizer.map(|tokenizer| tokenizer.stops().to_vec()).unwrap_or_default(),
            left: tokens,
            shown,
            interrupt: crate::interrupt::flag(),
            text: String::new(),
            tokens: 0,
            stopped: StoppedBy::Limit,
            stop: None,
        })
    }

    /// What has been held back, and the end of the line.
    pub(super) fn finish(&mut self) -> Result<(), GenerateError> {
        if self.stopped != StoppedBy::Stop {
            let rest = self.stream.as_mut().map(TextStream::finish).unwrap_or_default();
            let rest = self.stops.push(&rest);
            self.show(&rest.text).map_err(GenerateError::Output)?;
            if let Some(index) = rest.at {
                (self.stopped, self.stop) = (StoppedBy::Stop, Some(index));
            } else {
                let rest = self.stops.finish();
                self.show(&rest).map_err(GenerateError::Output)?;
            }
        }
        if self.shown && !self.text.ends_with('\n') {
            writeln!(std::io::stdout().lock()).map_err(GenerateError::Output)?;
        }
        Ok(())
    }

    fn show(&mut self, text: &str) -> std::io::Result<()> {
        self.text.push_str(text);
        if !self.shown || text.is_empty() {
            return Ok(());
        }
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
    }
}

impl Writer for Voice {
    fn goes_on(&mut self, _: usize) -> bool {
        if self.interrupt.load(Ordering::Relaxed) {
            self.stopped = StoppedBy::Interrupt;
            return false;
        }
        self.left > 0
    }

    fn next(&mut self, logits: &[f32]) -> Result<Option<Token>, CachedError> {
        let token = self.sampler.draw(logits)?;
        self.say(token)
    }

    fn wish(&self) -> Option<Wish> {
        Some(self.sampler.wish(Vec::new()))
    }

    fn next_found(
        &mut self,
        found: &Found,
        row: &mut dyn FnMut() -> Result<Vec<f32>, CachedError>,
    ) -> Result<Option<Token>, CachedError> {
        let token = self.sampler.hear(found, row)?;
        self.say(token)
    }
}

impl Voice {
    /// Shows a token, unless it is the end.
    fn say(&mut self, token: Token) -> Result<Option<Token>, CachedError> {
        self.left -= 1;
        if self.ends.contains(&token) {
            self.stopped = StoppedBy::End;
            return Ok(None);
        }
        self.sampler.accept(token);
        self.tokens += 1;
        let piece = match &mut self.stream {
            Some(stream) => stream.push(token),
            None if self.tokens == 1 => token.to_string(),
            None => format!(" {token}"),
        };
        let Stopped { text, at } = self.stops.push(&piece);
        self.show(&text).map_err(CachedError::Output)?;
        if at.is_some() {
            (self.stopped, self.stop) = (StoppedBy::Stop, at);
            return Ok(None);
        }
        Ok(Some(token))
    }
}
