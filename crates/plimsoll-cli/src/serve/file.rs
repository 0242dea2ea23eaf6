//! Settings of a file and of the environment, beneath those that were typed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use plimsoll::{Bytes, Place};
use plimsoll_serve::model::EngineChoice;
use plimsoll_serve::shelf::LibrarySource;
use serde::Deserialize;

use super::{ServeArgs, ServeFailure};

/// What a file may say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSettings {
    listen: Option<SocketAddr>,
    #[serde(default, deserialize_with = "size")]
    line: Option<Bytes>,
    #[serde(default, deserialize_with = "place")]
    device: Option<Place>,
    #[serde(default, deserialize_with = "size")]
    device_memory: Option<Bytes>,
    #[serde(default, deserialize_with = "size")]
    away: Option<Bytes>,
    #[serde(default, deserialize_with = "size")]
    kv: Option<Bytes>,
    #[serde(default)]
    model: OneOr<PathBuf>,
    models: Option<PathBuf>,
    #[serde(default, deserialize_with = "engine")]
    engine: Option<EngineChoice>,
    #[serde(default)]
    library: OneOr<String>,
    embed: Option<String>,
    #[serde(default, deserialize_with = "size")]
    docs: Option<Bytes>,
    cache: Option<PathBuf>,
    #[serde(default, deserialize_with = "size")]
    cache_size: Option<Bytes>,
    #[serde(default)]
    keys: Vec<String>,
    answer_tokens: Option<usize>,
    parallel: Option<usize>,
    waiting: Option<usize>,
    patience_seconds: Option<u64>,
    drain_seconds: Option<u64>,
}

/// A size as people write it.
fn size<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Bytes>, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// A place by its name.
fn place<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Place>, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// An engine by its name.
fn engine<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<EngineChoice>, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// One or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOr<T> {
    One(T),
    Several(Vec<T>),
}

impl<T> Default for OneOr<T> {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl<T> OneOr<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Several(several) => several,
        }
    }
}

/// What the environment says.
pub(super) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// What was typed, with what the environment says where nothing was, and the file beneath both.
pub(super) fn merged(typed: &ServeArgs, environment: Environment<'_>) -> Result<ServeArgs, ServeFailure> {
    let config = typed.config.clone().or_else(|| environment("PLIMSOLL_CONFIG").map(PathBuf::from));
    let file = match &config {
        Some(path) => read(path)?,
        None => FileSettings::default(),
    };
    // Paths in a file are meant from where it is.
    let beside = |path: PathBuf| match config.as_deref().and_then(Path::parent) {
        Some(folder) => folder.join(path),
        None => path,
    };
    let of = Of(environment);
    let list = |typed: &[PathBuf], name: &str, file: OneOr<PathBuf>| -> Vec<PathBuf> {
        match (typed.is_empty(), environment(name)) {
            (false, _) => typed.to_vec(),
            (true, Some(path)) => vec![path.into()],
            (true, None) => file.into_vec().into_iter().map(beside).collect(),
        }
    };
    let path = |typed: &Option<PathBuf>, name: &str, file: Option<PathBuf>| {
        typed.clone().or_else(|| environment(name).map(PathBuf::from)).or_else(|| file.map(beside))
    };
    let keys = match (typed.keys.is_empty(), environment("PLIMSOLL_KEY")) {
        (false, _) => typed.keys.clone(),
        (true, Some(key)) => vec![key],
        (true, None) => file.keys,
    };
    Ok(ServeArgs {
        listen: of.value(typed.listen, "PLIMSOLL_LISTEN", file.listen)?,
        line: of.value(typed.line, "PLIMSOLL_LINE", file.line)?,
        device: of.value(typed.device, "PLIMSOLL_DEVICE", file.device)?,
        device_memory: of.value(typed.device_memory, "PLIMSOLL_DEVICE_MEMORY", file.device_memory)?,
        away: of.value(typed.away, "PLIMSOLL_AWAY", file.away)?,
        kv: of.value(typed.kv, "PLIMSOLL_KV", file.kv)?,
        model: list(&typed.model, "PLIMSOLL_MODEL", file.model),
        models: path(&typed.models, "PLIMSOLL_MODELS", file.models),
        engine: of.value(typed.engine, "PLIMSOLL_ENGINE", file.engine)?,
        library: match (typed.library.is_empty(), environment("PLIMSOLL_LIBRARY")) {
            (false, _) => typed.library.clone(),
            (true, Some(library)) => vec![library],
            (true, None) => file.library.into_vec().iter().map(|one| beside_library(one, &beside)).collect(),
        },
        embed: typed.embed.clone().or_else(|| environment("PLIMSOLL_EMBED")).or(file.embed),
        docs: of.value(typed.docs, "PLIMSOLL_DOCS", file.docs)?,
        cache: path(&typed.cache, "PLIMSOLL_CACHE", file.cache),
        cache_size: of.value(typed.cache_size, "PLIMSOLL_CACHE_SIZE", file.cache_size)?,
        no_cache: typed.no_cache,
        keys,
        answer_tokens: of.value(typed.answer_tokens, "PLIMSOLL_ANSWER_TOKENS", file.answer_tokens)?,
        parallel: of.value(typed.parallel, "PLIMSOLL_PARALLEL", file.parallel)?,
        waiting: of.value(typed.waiting, "PLIMSOLL_WAITING", file.waiting)?,
        patience_seconds: of.value(
            typed.patience_seconds,
            "PLIMSOLL_PATIENCE_SECONDS",
            file.patience_seconds,
        )?,
        drain_seconds: of.value(typed.drain_seconds, "PLIMSOLL_DRAIN_SECONDS", file.drain_seconds)?,
        config,
    })
}

/// The folder of a library, with its name before it where it has one, meant from where the file is.
fn beside_library(text: &str, beside: &dyn Fn(PathBuf) -> PathBuf) -> String {
    let source = LibrarySource::parse(text);
    format!("{}={}", source.name, beside(source.folder).display())
}

struct Of<'e>(Environment<'e>);

impl Of<'_> {
    fn value<T: FromStr>(
        &self,
        typed: Option<T>,
        name: &str,
        file: Option<T>,
    ) -> Result<Option<T>, ServeFailure> {
        match (typed, (self.0)(name)) {
            (Some(typed), _) => Ok(Some(typed)),
            (None, Some(text)) => {
                let parsed = text.parse().map(Some);
                parsed.map_err(|_| ServeFailure::Environment { name: name.to_owned(), text })
            }
            (None, None) => Ok(file),
        }
    }
}

fn read(path: &Path) -> Result<FileSettings, ServeFailure> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ServeFailure::Config { path: path.to_owned(), what: source.to_string() })?;
    toml::from_str(&text)
        .map_err(|error| ServeFailure::Config { path: path.to_owned(), what: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("serve.toml");
        std::fs::write(
            &path,
            "line = \"1GiB\"\naway = \"0B\"\nkv = \"100MiB\"\nmodel = \"a.gguf\"\nengine = \"native\"\nkeys = [\"k\"]\nwaiting = 3\n",
        )
        .expect("written");
        let environment = |name: &str| match name {
            "PLIMSOLL_KV" => Some("200MiB".to_owned()),
            "PLIMSOLL_WAITING" => Some("4".to_owned()),
            _ => None,
        };
        let typed = ServeArgs { config: Some(path), waiting: Some(5), ..ServeArgs::default() };
        let merged = merged(&typed, &environment).expect("they add up");
        assert_eq!(
            (merged.line, merged.kv, merged.waiting),
            (Some(Bytes::gib(1)), Some(Bytes::mib(200)), Some(5))
        );
        assert_eq!(merged.away, Some(Bytes::ZERO));
        assert_eq!(merged.model, [folder.path().join("a.gguf")], "beside the file");
        assert_eq!((merged.engine, &merged.keys[..]), (Some(EngineChoice::Native), &["k".to_owned()][..]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("serve.toml");
        std::fs::write(&path, "lime = \"1GiB\"").expect("written");
        let typed = ServeArgs { config: Some(path), ..ServeArgs::default() };
        let error = merged(&typed, &nothing).expect_err("it has a typing error").to_string();
        assert!(error.contains("lime") && error.contains("serve.toml"), "{error}");
        let wrong = |name: &str| (name == "PLIMSOLL_LINE").then(|| "much".to_owned());
        let error = merged(&ServeArgs::default(), &wrong).expect_err("that is no size").to_string();
        assert!(error.contains("PLIMSOLL_LINE") && error.contains("much"), "{error}");
        let missing = ServeArgs { config: Some("/nowhere/serve.toml".into()), ..ServeArgs::default() };
        assert!(
            merged(&missing, &nothing)
                .expect_err("there is none")
                .to_string()
                .contains("/nowhere/serve.toml")
        );
    }
}
