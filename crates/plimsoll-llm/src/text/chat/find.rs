//! Where models keep their templates.

use std::path::{Path, PathBuf};

use plimsoll_plan::read::{FileSource, Source, gguf};
use serde_json::Value;

use super::ChatError;

/// The longest file that is read for one.
const FILE_MAX: u64 = 16 << 20;

/// What a model brings.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Templates by name: `default`, and such as `tool_use`.
    pub(super) templates: Vec<(String, String)>,
    /// What its texts begin and end with, where a file beside the tokenizer says so.
    pub(super) first: Option<String>,
    pub(super) last: Option<String>,
}

impl Found {
    /// What a model has: a GGUF file, a safetensors file, the index of several, or the folder of either.
    pub(super) fn of(path: &Path) -> Result<Self, ChatError> {
        let is = |extension: &str| path.extension().is_some_and(|found| found == extension);
        if path.is_dir() {
            return Self::in_folder(path);
        }
        if is("safetensors") || is("json") {
            return Self::in_folder(path.parent().unwrap_or(path));
        }
        let source = FileSource::open(path)?;
        Self::in_gguf(&source, path)
    }

    /// What a GGUF file's header has.
    pub(super) fn in_gguf(source: &dyn Source, path: &Path) -> Result<Self, ChatError> {
        Ok(Self { templates: gguf::templates(source, path)?, ..Self::default() })
    }

    /// What stands beside a tokenizer.
    fn in_folder(folder: &Path) -> Result<Self, ChatError> {
        let mut found = Self::default();
        let path = folder.join("tokenizer_config.json");
        if let Some(text) = read(&path)? {
            let damaged = |what: String| ChatError::Damaged { path: path.clone(), what };
            let config: Value = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
            found.templates = named(&config, &path)?;
            (found.first, found.last) = (token(&config, "bos_token"), token(&config, "eos_token"));
        }
        // Newer models keep it in a file of its own, which then is the one that counts.
        if let Some(text) = read(&folder.join("chat_template.jinja"))? {
            found.templates.retain(|(name, _)| name != "default");
            found.templates.push(("default".to_owned(), text));
        }
        Ok(found)
    }
}

/// A file, if there is one.
fn read(path: &PathBuf) -> Result<Option<String>, ChatError> {
    let failed = |source| ChatError::File { path: path.clone(), source };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
        Ok(about) if about.len() > FILE_MAX => {
            Err(failed(std::io::Error::other(format!("it is {} bytes long", about.len()))))
        }
        Ok(_) => std::fs::read_to_string(path).map(Some).map_err(failed),
    }
}

/// One template, or several with names.
fn named(config: &Value, path: &Path) -> Result<Vec<(String, String)>, ChatError> {
    let text = |value: &Value, key: &str| Some(value.get(key)?.as_str()?.to_owned());
    match config.get("chat_template") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(template)) => Ok(vec![("default".to_owned(), template.clone())]),
        Some(Value::Array(several)) => several
            .iter()
            .map(|one| Some((text(one, "name")?, text(one, "template")?)))
            .collect::<Option<_>>()
            .ok_or_else(|| ChatError::Damaged {
                path: path.to_owned(),
                what: "one of its templates has no name or no text".to_owned(),
            }),
        Some(_) => {
            Err(ChatError::Damaged { path: path.to_owned(), what: "chat_template is no text".to_owned() })
        }
    }
}

/// A token's text, in either of the ways in which it is written.
fn token(config: &Value, key: &str) -> Option<String> {
    let value = config.get(key)?;
    value.as_str().or_else(|| value.get("content")?.as_str()).map(str::to_owned)
}
