//! A file's chat templates: texts that are longer than the other readers keep.

use std::path::Path;

use super::header::begin;
use super::metadata::{key, room, value};
use crate::read::{Fault, ReadError, Source};

/// The longest that is read. Those in use take some twenty thousand bytes.
const TEMPLATE_MAX: u64 = 1 << 20;
/// The key of the one that is used unless something else is asked for; others have a name behind it.
const KEY: &str = "tokenizer.chat_template";

/// The chat templates of a header, by name; that without a name is `default`. `path` is what messages call it.
pub fn templates(source: &dyn Source, path: &Path) -> Result<Vec<(String, String)>, ReadError> {
    let (mut cursor, _, count) = begin(source, path)?;
    room(&cursor, count)?;
    let mut found = Vec::new();
    for _ in 0..count {
        let name = key(&mut cursor)?;
        let Some(rest) = name.strip_prefix(KEY).filter(|rest| rest.is_empty() || rest.starts_with('.'))
        else {
            drop(value(&mut cursor, &name)?);
            continue;
        };
        let offset = cursor.at();
        let kind = cursor.u32()?;
        if kind != 8 {
            let fault = Fault::ValueType { key: name.clone(), kind };
            return Err(ReadError::Fault { path: path.to_owned(), offset, fault });
        }
        let name = rest.strip_prefix('.').unwrap_or("default").to_owned();
        found.push((name, cursor.text(TEMPLATE_MAX, "letters in a chat template")?));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(into: &mut Vec<u8>, text: &str) {
        into.extend((text.len() as u64).to_le_bytes());
        into.extend(text.as_bytes());
    }

    fn file(kind: u32) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend(3_u64.to_le_bytes());
        for (key, kind, value) in [
            ("general.architecture", 8, "llama".to_owned()),
            ("tokenizer.chat_template.tool_use", 8, "of tools".to_owned()),
            // Longer than the other readers keep.
            ("tokenizer.chat_template", kind, "a".repeat(5000)),
        ] {
            text(&mut bytes, key);
            bytes.extend(u32::to_le_bytes(kind));
            text(&mut bytes, &value);
        }
        bytes
    }

    #[test]
    fn templates_are_found_whole_and_by_name() {
        let found = templates(&file(8), Path::new("a.gguf")).unwrap();
        assert_eq!(found[0], ("tool_use".to_owned(), "of tools".to_owned()));
        assert_eq!(found[1], ("default".to_owned(), "a".repeat(5000)));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let refused = templates(&file(4), Path::new("a.gguf")).unwrap_err().to_string();
        assert!(refused.contains("tokenizer.chat_template"), "{refused}");
    }
}
