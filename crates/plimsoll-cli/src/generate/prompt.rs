//! The prompt's tokens.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use plimsoll_kv::block::Token;
use plimsoll_llm::text::{Chat, ChatSettings, Encode, Given, Message, Tokenizer};

use super::model::Model;
use super::{GenerateArgs, GenerateError};

/// No token stands for so many bytes on average, so a prompt that is longer fits no context.
const TOKEN_BYTES: u64 = 256;

/// The prompt of some arguments, in tokens. `context` bounds what is read.
pub(super) fn tokens(
    args: &GenerateArgs,
    model: &Model,
    context: usize,
) -> Result<Vec<Token>, GenerateError> {
    let most = (context as u64 + 1) * TOKEN_BYTES;
    let bytes = match (&args.prompt, &args.file) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(path)) => read(path, most, context)?,
        (None, None) => Vec::new(),
    };
    if bytes.len() as u64 > most {
        return Err(GenerateError::Huge { bytes: bytes.len() as u64, context });
    }
    let text = Tokenizer::text(&bytes)?;
    let mut tokens = match &model.tokenizer {
        Some(tokenizer) if args.chat => conversation(args, model, tokenizer, text)?,
        Some(tokenizer) => tokenizer.encode(text, Encode::PROMPT)?,
        None => ids(text)?,
    };
    if tokens.is_empty() {
        tokens.push(model.first().ok_or(GenerateError::Empty)?);
    }
    Ok(tokens)
}

/// A prompt as what somebody asks.
fn conversation(
    args: &GenerateArgs,
    model: &Model,
    tokenizer: &Arc<Tokenizer>,
    text: &str,
) -> Result<Vec<Token>, GenerateError> {
    let chat = match &args.template {
        None => model.chat(tokenizer)?,
        Some(path) => {
            let failed = |source| GenerateError::Prompt { path: path.clone(), source };
            Chat::of_template(&std::fs::read_to_string(path).map_err(failed)?, path, tokenizer)?
        }
    };
    let mut settings = ChatSettings::default();
    for name in &args.names {
        let wrong = || GenerateError::Name { text: name.clone() };
        let (name, value) = name.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(wrong)?;
        // What is no JSON is a text.
        let value = serde_json::from_str(value).unwrap_or_else(|_| Given::from(value));
        settings.more.insert(name.to_owned(), value);
    }
    let system = args.system.as_deref().map(Message::system);
    let messages: Vec<Message> = system.into_iter().chain([Message::user(text)]).collect();
    Ok(chat.tokens(&messages, &settings)?)
}

/// A file, or stdin; not more of it than could be used.
fn read(path: &Path, most: u64, context: usize) -> Result<Vec<u8>, GenerateError> {
    let failed = |source| GenerateError::Prompt { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(most + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
    };
    if read.map_err(failed)? as u64 > most {
        return Err(GenerateError::Huge { bytes: most + 1, context });
    }
    // The end of a file's last line is the file's, not the text's.
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(bytes)
}

fn ids(text: &str) -> Result<Vec<Token>, GenerateError> {
    let words = text.split(|letter: char| letter.is_whitespace() || letter == ',');
    let words = words.filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(|_| GenerateError::Id { word: word.to_owned() })).collect()
}
