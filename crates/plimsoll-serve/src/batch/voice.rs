//! The text of one request as it is written: drawn, kept to a form, shown, and ended.

use std::collections::HashMap;
use std::sync::Arc;

use plimsoll_kv::block::Token;
use plimsoll_llm::text::{Stopped, Stops, TextStream, Tokenizer};
use plimsoll_llm::{SampleError, Sampler, Sampling};

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

    /// Whether it goes on by the likeliest token whatever that is: then it need not see logits.
    pub fn takes_likeliest(&self) -> bool {
        let VoiceSettings { frequency_penalty, presence_penalty, bias, .. } = &self.settings;
        let as_they_come = *frequency_penalty == 0.0 && *presence_penalty == 0.0 && bias.is_empty();
        as_they_come && self.json.is_none() && self.sampler.takes_likeliest()
    }

    /// Goes on from these logits, which it may change.
    pub fn say(&mut self, logits: &mut [f32]) -> Result<Said, SampleError> {
        self.weigh(logits);
        let token = self.draw(logits)?;
        Ok(self.speak(token))
    }

    /// Goes on by the likeliest token, if there is one.
    pub fn say_likeliest(&mut self, token: Option<Token>) -> Result<Said, SampleError> {
        let token = self.sampler.taken(token)?;
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

    fn weigh(&self, logits: &mut [f32]) {
        let VoiceSettings { frequency_penalty, presence_penalty, .. } = self.settings;
        if frequency_penalty != 0.0 || presence_penalty != 0.0 {
            for (token, count) in &self.written {
                if let Some(logit) = logits.get_mut(*token as usize) {
                    #[expect(clippy::cast_precision_loss, reason = "counts of tokens in a text")]
                    let often = *count as f32;
                    *logit -= frequency_penalty.mul_add(often, presence_penalty);
                }
            }
        }
        for (token, bias) in &self.settings.bias {
            if let Some(logit) = logits.get_mut(*token as usize) {
                *logit += bias;
            }
        }
    }

    /// A token that the form allows. The first that is drawn most often does; after some that did not, all that cannot follow
    /// are made impossible at once.
    fn draw(&mut self, logits: &mut [f32]) -> Result<Token, SampleError> {
        let Some(json) = self.json else { return self.sampler.draw(logits) };
        for _ in 0..TRIES {
            let token = self.sampler.draw(logits)?;
            if let Some(then) = self.after(json, token) {
                self.json = Some(then);
                return Ok(token);
            }
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = f32::NEG_INFINITY;
            }
        }
        for (token, logit) in (0..).zip(logits.iter_mut()) {
            if *logit > f32::NEG_INFINITY && self.after(json, token).is_none() {
                *logit = f32::NEG_INFINITY;
            }
        }
        let token = self.sampler.draw(logits)?;
        self.json = self.after(json, token);
        Ok(token)
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
