//! A model's conversations.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use minijinja::{Environment, Error, ErrorKind, Value};
use plimsoll_kv::block::Token;
use plimsoll_plan::read::Source;

use super::date::written;
use super::engine::engine;
use super::find::Found;
use super::guard::Guard;
use super::{ChatError, Given, Message};
use crate::text::{Encode, Tokenizer};

/// Steps of a template, besides one for each byte that it is given. A message takes some tens.
const STEPS: u64 = 1 << 20;
/// The longest template.
const TEMPLATE_MAX: usize = 1 << 20;
/// What a model is given that has the tokens for it and no template.
const TURNS: &str = "\
{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + (message.content or '') + '<|im_end|>\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// How a model's conversations are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChatForm {
    /// By a template.
    Template,
    /// It brings none, and has the tokens `<|im_start|>` and `<|im_end|>`: turns are between those.
    Turns,
    /// It brings none, and has no tokens for turns: what is said stands there as a text, one message after the other with
    /// a line between, and the model goes on.
    Plain,
}

/// What is asked of a template besides messages.
#[derive(Clone, Debug)]
pub struct ChatSettings {
    /// Whether the text ends where the model is to answer.
    pub reply: bool,
    /// Tools that the model may call, as templates expect them: objects of JSON.
    pub tools: Vec<Given>,
    /// Names of the template's own, such as `enable_thinking`.
    pub more: BTreeMap<String, Given>,
    /// The day, for templates that tell the model. In UTC.
    pub now: SystemTime,
}

impl Default for ChatSettings {
    fn default() -> Self {
        Self { reply: true, tools: Vec::new(), more: BTreeMap::new(), now: SystemTime::now() }
    }
}

/// Writes conversations as a model was trained to read them.
///
/// # What it is not
/// It keeps no conversation, and reads no answers: where an answer ends say [`Tokenizer::stops`].
///
/// # Example
/// ```no_run
/// use std::sync::Arc;
/// use plimsoll_llm::text::{Chat, ChatSettings, Message, Tokenizer};
/// let tokenizer = Arc::new(Tokenizer::open("model.gguf")?);
/// let chat = Chat::open("model.gguf", &tokenizer)?;
/// let messages = [Message::system("You are brief."), Message::user("What is a borrow?")];
/// let tokens = chat.tokens(&messages, &ChatSettings::default())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Chat {
    tokenizer: Arc<Tokenizer>,
    engine: Environment<'static>,
    path: PathBuf,
    form: ChatForm,
    /// What texts begin and end with, as texts.
    ends: (String, String),
}

impl Chat {
    /// Reads the template of a model: out of a GGUF file, or beside safetensors (`chat_template.jinja`,
    /// `tokenizer_config.json`).
    pub fn open(path: impl AsRef<Path>, tokenizer: &Arc<Tokenizer>) -> Result<Self, ChatError> {
        Self::of(Found::of(path.as_ref())?, path.as_ref(), tokenizer)
    }

    /// Reads that of a GGUF file's header. `path` is what messages call it.
    pub fn of_gguf(source: &dyn Source, path: &Path, tokenizer: &Arc<Tokenizer>) -> Result<Self, ChatError> {
        Self::of(Found::in_gguf(source, path)?, path, tokenizer)
    }

    /// By a template of one's own. `path` is what messages call it.
    pub fn of_template(template: &str, path: &Path, tokenizer: &Arc<Tokenizer>) -> Result<Self, ChatError> {
        let templates = vec![("default".to_owned(), template.to_owned())];
        Self::of(Found { templates, ..Found::default() }, path, tokenizer)
    }

    fn of(found: Found, path: &Path, tokenizer: &Arc<Tokenizer>) -> Result<Self, ChatError> {
        let turns = ["<|im_start|>", "<|im_end|>"].iter().all(|name| tokenizer.special(name).is_some());
        let (form, templates) = match found.templates.is_empty() {
            false => (ChatForm::Template, found.templates),
            true if turns => (ChatForm::Turns, vec![("default".to_owned(), TURNS.to_owned())]),
            true => (ChatForm::Plain, Vec::new()),
        };
        let wrong = |error: Error| ChatError::of(&error, path, 0);
        let mut engine = engine().map_err(wrong)?;
        for (name, template) in templates {
            if template.len() > TEMPLATE_MAX {
                let what = format!("it is {} bytes long", template.len());
                return Err(ChatError::Damaged { path: path.to_owned(), what });
            }
            engine.add_template_owned(name, template).map_err(wrong)?;
        }
        let name = |token: Option<Token>| token.map_or(String::new(), |token| tokenizer.name(token).into());
        let ends = (
            found.first.unwrap_or_else(|| name(tokenizer.first)),
            found.last.unwrap_or_else(|| name(tokenizer.last)),
        );
        Ok(Self { tokenizer: Arc::clone(tokenizer), engine, path: path.to_owned(), form, ends })
    }

    /// How conversations are written.
    pub const fn form(&self) -> ChatForm {
        self.form
    }

    /// A conversation as a text.
    pub fn text(&self, messages: &[Message], settings: &ChatSettings) -> Result<String, ChatError> {
        Ok(self.write(messages, settings)?.0)
    }

    /// A conversation as tokens. The template says all of them: nothing is put before or behind.
    pub fn tokens(&self, messages: &[Message], settings: &ChatSettings) -> Result<Vec<Token>, ChatError> {
        let (text, guards) = self.write(messages, settings)?;
        let how = Encode { ends: self.form == ChatForm::Plain, specials: self.form != ChatForm::Plain };
        Ok(self.tokenizer.encode_guarded(&text, how, &guards)?)
    }

    /// The text, and where a message has what looks like a token.
    fn write(
        &self,
        messages: &[Message],
        settings: &ChatSettings,
    ) -> Result<(String, Vec<usize>), ChatError> {
        if messages.is_empty() {
            return Err(ChatError::Empty);
        }
        if self.form != ChatForm::Template && !settings.tools.is_empty() {
            return Err(ChatError::Tools { path: self.path.clone() });
        }
        if self.form == ChatForm::Plain {
            let said: Vec<&str> = messages.iter().filter_map(|message| message.content.as_deref()).collect();
            return Ok((said.join("\n\n"), Vec::new()));
        }
        let of_tools = !settings.tools.is_empty() && self.engine.get_template("tool_use").is_ok();
        let name = if of_tools { "tool_use" } else { "default" };
        // A model with several templates may have none for all.
        let missing = |_| ChatError::Damaged {
            path: self.path.clone(),
            what: "it has templates for some uses, and none for all".to_owned(),
        };
        let template = self.engine.get_template(name).map_err(missing)?;
        let given = serde_json::to_string(&(messages, &settings.tools, &settings.more));
        let given = given.map_err(|error| ChatError::Damaged {
            path: self.path.clone(),
            what: format!("what it is given cannot be written ({error})"),
        })?;
        let steps = STEPS.saturating_add(given.len() as u64);
        let mut engine = self.engine.clone();
        engine.set_fuel(Some(steps));
        let guard = Guard::new(&self.tokenizer.specials, &[&given, template.source()]);
        let guard = guard.ok_or(ChatError::Letters)?;
        let context = self.context(messages, settings, &guard);
        let template = engine.get_template(name).map_err(missing)?;
        let text = template.render(context).map_err(|error| ChatError::of(&error, &self.path, steps))?;
        Ok(guard.places(&text))
    }

    /// What a template sees.
    fn context(&self, messages: &[Message], settings: &ChatSettings, guard: &Guard<'_>) -> Value {
        let message = |message: &Message| {
            let text = |text: &str| Value::from(guard.text(text));
            let content = message.content.as_deref().map_or(Value::from(()), text);
            let own = [("role", text(&message.role)), ("content", content)];
            let own = own.map(|(key, value)| (Value::from(key), value));
            let more = message.more.iter().map(|(key, value)| (text(key), guard.value(&value.0)));
            Value::from_pairs(own.into_iter().chain(more))
        };
        let none = settings.tools.is_empty();
        let tools = settings.tools.iter().map(|tool| guard.value(&tool.0));
        let tools = if none { Value::from(()) } else { tools.collect() };
        let now = settings.now;
        let date = move |form: String| {
            written(now, &form).map_err(|what| Error::new(ErrorKind::InvalidOperation, what))
        };
        let more = settings.more.iter().map(|(key, value)| (Value::from(key), guard.value(&value.0)));
        let own = [
            ("messages", messages.iter().map(message).collect()),
            ("tools", tools),
            ("documents", Value::from(())),
            ("add_generation_prompt", settings.reply.into()),
            ("bos_token", self.ends.0.as_str().into()),
            ("eos_token", self.ends.1.as_str().into()),
            ("strftime_now", Value::from_function(date)),
        ];
        Value::from_pairs(more.chain(own.into_iter().map(|(key, value)| (Value::from(key), value))))
    }
}

impl std::fmt::Debug for Chat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chat").field("path", &self.path).field("form", &self.form).finish_non_exhaustive()
    }
}
