//! Who may ask.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

/// Keys, one of which a request must bring. Without any, everybody may ask.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<String>);

impl Keys {
    /// These.
    pub fn new(keys: impl IntoIterator<Item = String>) -> Self {
        Self(keys.into_iter().collect())
    }

    /// Whether everybody may ask.
    pub const fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a request may be answered. Takes as long for a key that is nearly right as for any other.
    pub fn admit(&self, headers: &HeaderMap) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let brought = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let brought = brought.strip_prefix("Bearer ").unwrap_or_default().as_bytes();
        self.0.iter().fold(false, |found, key| found | same(key.as_bytes(), brought))
    }
}

fn same(one: &[u8], other: &[u8]) -> bool {
    let differ = one.iter().zip(other).fold(0, |differ, (one, other)| differ | (one ^ other));
    one.len() == other.len() && differ == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_key_opens() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().expect("a header"));
            headers
        };
        let keys = Keys::new(["secret".to_owned(), "other".to_owned()]);
        assert!(keys.admit(&with("Bearer secret")) && keys.admit(&with("Bearer other")));
        for wrong in ["Bearer secre", "Bearer secrets", "secret", "Basic secret", "Bearer "] {
            assert!(!keys.admit(&with(wrong)), "{wrong}");
        }
        assert!(!keys.admit(&HeaderMap::new()));
        assert!(Keys::default().admit(&HeaderMap::new()));
    }
}
