//! What a session says of its future, for the cache: in the body as OpenAI's clients say it, or in a header, which wins.

use std::time::Duration;

use axum::http::HeaderMap;
use plimsoll_kv::policy::Hint;

use super::ApiError;
use super::form::Manner;

/// The header.
const HEADER: &str = "X-Plimsoll-Cache";
/// How a time to live begins.
const TIME: &str = "ttl=";

/// What a request's text leaves behind. Without a word a turn has ended, and the next one waits for a person.
pub(super) fn hint(headers: &HeaderMap, manner: &Manner) -> Result<Hint, ApiError> {
    // Both are looked at: a word that is not known is a mistake also where another one wins.
    let said = of_body(manner.prompt_cache_key.as_deref(), manner.prompt_cache_retention.as_deref())?;
    match headers.get(HEADER) {
        Some(word) => of_header(word.to_str().unwrap_or("letters that are not ASCII")),
        None => Ok(said),
    }
}

fn of_body(key: Option<&str>, retention: Option<&str>) -> Result<Hint, ApiError> {
    // A session with a name comes back by itself: it keeps its full worth.
    let usual = if key.is_some_and(|key| !key.is_empty()) { Hint::None } else { Hint::TurnEnded };
    match retention {
        // OpenAI's clients of different years write it in both ways.
        None | Some("in_memory" | "in-memory") => Ok(usual),
        Some("24h") => Ok(Hint::Pin),
        Some(other) => {
            let message = format!("{other:?} is not known; there are in_memory and 24h");
            Err(ApiError::bad("prompt_cache_retention", message))
        }
    }
}

fn of_header(word: &str) -> Result<Hint, ApiError> {
    if let Some(seconds) = word.strip_prefix(TIME).and_then(|seconds| seconds.parse().ok()) {
        return Ok(Hint::TimeToLive(Duration::from_secs(seconds)));
    }
    match word {
        "turn" => Ok(Hint::TurnEnded),
        "done" => Ok(Hint::SubagentFinished),
        "pin" => Ok(Hint::Pin),
        _ => {
            let message = format!("{word:?} is not known; there are turn, done, pin and ttl=SECONDS");
            Err(ApiError::bad(HEADER, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn said(key: Option<&str>, retention: Option<&str>, header: Option<&str>) -> Result<Hint, ApiError> {
        let body = serde_json::json!({"prompt_cache_key": key, "prompt_cache_retention": retention});
        let manner: Manner = serde_json::from_value(body).expect("its form");
        let mut headers = HeaderMap::new();
        if let Some(word) = header {
            headers.insert("x-plimsoll-cache", HeaderValue::from_str(word).expect("letters"));
        }
        hint(&headers, &manner)
    }

    #[test]
    fn the_body_says_what_openais_clients_say_and_the_header_wins() {
        let ok = |key, retention, header| said(key, retention, header).expect("it is known");
        assert_eq!(ok(None, None, None), Hint::TurnEnded);
        assert_eq!(ok(Some("session 7"), None, None), Hint::None);
        assert_eq!(ok(Some(""), Some("in-memory"), None), Hint::TurnEnded);
        assert_eq!(ok(Some("session 7"), Some("in_memory"), None), Hint::None);
        assert_eq!(ok(None, Some("24h"), None), Hint::Pin);
        assert_eq!(ok(Some("session 7"), Some("24h"), Some("done")), Hint::SubagentFinished);
        assert_eq!(ok(Some("session 7"), None, Some("turn")), Hint::TurnEnded);
        assert_eq!(ok(None, None, Some("pin")), Hint::Pin);
        assert_eq!(ok(None, None, Some("ttl=90")), Hint::TimeToLive(Duration::from_secs(90)));
    }

    #[test]
    fn a_word_that_is_not_known_is_named_with_those_that_are() {
        for word in ["", "ttl", "ttl=", "ttl=-1", "ttl=1.5", "ttl=99999999999999999999", "Done", "pinned"] {
            let refused = said(None, None, Some(word)).expect_err(word);
            assert_eq!((refused.status.as_u16(), refused.param), (400, Some(HEADER)), "{word}");
            assert!(refused.message.contains("turn, done, pin and ttl=SECONDS"), "{}", refused.message);
        }
        let refused =
            said(None, Some("forever"), Some("pin")).expect_err("a mistake is one also beside a header");
        assert_eq!(refused.param, Some("prompt_cache_retention"));
        assert!(refused.message.contains("in_memory and 24h"), "{}", refused.message);
    }
}
