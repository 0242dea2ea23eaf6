//! The text of one request as it is written: drawn, kept to a form, shown, and ended.

use std::collections::HashMap;
use std::sync::Arc;

use plimsoll_kv::block::Token;
use plimsoll_llm::text::{Stopped, Stops, TextStream, Tokenizer};
use plimsoll_llm::{Change, Found, SampleError, Sampler, Sampling, Wish, change};

use super::{Finish, Json};

/// Tokens that are drawn one by one before all are looked at.
const TRIES: usize = 4;

/// What form a text is to have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Any.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// How a text is to be written.
#[derive(Clone, Debug, Default)]
pub struct VoiceSettings {
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Taken off the logit of a token for each time it was written.
    pub frequency_penalty: f32,
    /// Taken off the logit of a token that was written at all.
    pub presence_penalty: f32,
    /// Added to logits.
    pub bias: HashMap<Token, f32>,
    /// Texts at which it ends.
    pub stops: Vec<String>,
    /// Tokens at most.
    pub tokens: usize,
    /// Its form.
    pub format: Format,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What can be shown now.
    pub text: String,
    /// The token to go on with, unless it ended.
    pub next: Result<Token, Finish>,
}

/// The voice of one request.
#[derive(Debug)]
pub struct Voice {
    settings: VoiceSettings,
    sampler: Sampler,
    tokenizer: Arc<Tokenizer>,
    stream: TextStream,
    stops: Stops,
    json: Option<Json>,
    written: HashMap<Token, u32>,
    tokens: usize,
}

impl Voice {
    /// Behind this prompt. Settings that mean nothing are refused.
    pub fn new(
        settings: VoiceSettings,
        tokenizer: &Arc<Tokenizer>,
        prompt: &[Token],
    ) -> Result<Self, SampleError> {
        let mut sampler = Sampler::new(settings.sampling)?;
        for token in prompt {
            sampler.accept(*token);
        }
        Ok(Self {
            sampler,
            tokenizer: Arc::clone(tokenizer),
            stream: TextStream::after_text(tokenizer),
            stops: Stops::new(settings.stops.iter().cloned()),
            json: (settings.format == Format::Json).then(Json::default),
            written: HashMap::new(),
            tokens: 0,
            settings,
        })
    }

    /// How many tokens were written.
    pub const fn tokens(&self) -> usize {
        self.tokens
    }

    /// What it needs of the logits behind what stands there.
    pub fn wish(&self) -> Wish {
        self.sampler.wish(self.weights())
    }

    /// Goes on from these logits, which it may change.
    pub fn say(&mut self, logits: &mut [f32]) -> Result<Said, SampleError> {
        change(logits, &self.sampler.changes(self.weights()));
        let token = self.draw(logits, TRIES)?;
        Ok(self.speak(token))
    }

    /// Goes on from what was found, as it [wished](Self::wish), and from all logits where that is not enough, or the token is not of the
    /// form. The text is the same as if it had seen them all.
    pub fn hear<'r, E: From<SampleError>>(
        &mut self,
        found: &Found,
        row: impl FnOnce() -> Result<&'r mut [f32], E>,
    ) -> Result<Said, E> {
        let token = match self.sampler.take(found)? {
            Some(token) if self.takes(token) => token,
            Some(token) => {
                let row = row()?;
                forbid(row, token);
                self.draw(row, TRIES - 1)?
            }
            None => {
                let row = row()?;
                if *found == Found::Whole {
                    change(row, &self.sampler.changes(self.weights()));
                }
                self.draw(row, TRIES)?
            }
        };
        Ok(self.speak(token))
    }

    fn speak(&mut self, token: Token) -> Said {
        if self.tokenizer.stops().contains(&token) {
            return self.ends(String::new(), Finish::Stop);
        }
        self.sampler.accept(token);
        *self.written.entry(token).or_default() += 1;
        self.tokens += 1;
        let piece = self.stream.push(token);
        let Stopped { mut text, at } = self.stops.push(&piece);
        if at.is_some() {
            return Said { text, next: Err(Finish::Stop) };
        }
        if self.json.as_ref().is_some_and(Json::is_whole) {
            return self.ends(text, Finish::Stop);
        }
        if self.tokens >= self.settings.tokens {
            text.push_str(&self.rest());
            return Said { text, next: Err(Finish::Length) };
        }
        Said { text, next: Ok(token) }
    }

    fn ends(&mut self, mut text: String, finish: Finish) -> Said {
        text.push_str(&self.rest());
        Said { text, next: Err(finish) }
    }

    /// What was held back.
    fn rest(&mut self) -> String {
        let held = self.stream.finish();
        let Stopped { mut text, at } = self.stops.push(&held);
        if at.is_none() {
            text.push_str(&self.stops.finish());
        }
        text
    }

    /// What is taken off logits and added to them, but for the sampler's own penalty.
    fn weights(&self) -> Vec<Change> {
        let VoiceSettings { frequency_penalty, presence_penalty, bias, .. } = &self.settings;
        let penalizes = *frequency_penalty != 0.0 || *presence_penalty != 0.0;
        let less = |token: Token| match self.written.get(&token) {
            #[expect(clippy::cast_precision_loss, reason = "counts of tokens in a text")]
            Some(count) if penalizes => frequency_penalty.mul_add(*count as f32, *presence_penalty),
            _ => 0.0,
        };
        let more = |(token, more): (&Token, &f32)| Change {
            less: less(*token),
            more: *more,
            ..Change::none(*token)
        };
        let mut weights: Vec<Change> = bias.iter().map(more).collect();
        if penalizes {
            let others = self.written.keys().filter(|token| !bias.contains_key(token));
            weights.extend(others.map(|token| Change { less: less(*token), ..Change::none(*token) }));
        }
        weights
    }

    /// A token that the form allows, of logits that are changed already. The first that is drawn most often does; after some that did not,
    /// all that cannot follow are made impossible at once.
    fn draw(&mut self, logits: &mut [f32], tries: usize) -> Result<Token, SampleError> {
        let Some(json) = self.json else { return self.sampler.draw_changed(logits) };
        for _ in 0..tries {
            let token = self.sampler.draw_changed(logits)?;
            if self.takes(token) {
                return Ok(token);
            }
            forbid(logits, token);
        }
        for (token, logit) in (0..).zip(logits.iter_mut()) {
            if *logit > f32::NEG_INFINITY && self.after(json, token).is_none() {
                *logit = f32::NEG_INFINITY;
            }
        }
        let token = self.sampler.draw_changed(logits)?;
        self.json = self.after(json, token);
        Ok(token)
    }

    /// Goes on to what the form is behind this token; false if it cannot follow.
    fn takes(&mut self, token: Token) -> bool {
        let Some(json) = self.json else { return true };
        let then = self.after(json, token);
        if then.is_some() {
            self.json = then;
        }
        then.is_some()
    }

    /// The object behind this token, if it can follow.
    fn after(&self, json: Json, token: Token) -> Option<Json> {
        if self.tokenizer.stops().contains(&token) {
            return json.is_whole().then_some(json);
        }
        let bytes = self.tokenizer.bytes(token);
        let mut then = json;
        (!bytes.is_empty() && then.takes(bytes)).then_some(then)
    }
}

/// Makes a token impossible.
fn forbid(logits: &mut [f32], token: Token) {
    if let Some(logit) = logits.get_mut(token as usize) {
        *logit = f32::NEG_INFINITY;
    }
}
