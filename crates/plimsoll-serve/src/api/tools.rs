//! Calls of tools in what a model has written.
//!
//! Models write them as they were trained to: most between `<tool_call>` and `</tool_call>`, an object with a name and
//! arguments; Llama 3 as an object that is the whole answer, with `parameters`. What is neither is text.

use serde::Serialize;
use serde_json::Value;

const BEGIN: &str = "<tool_call>";
const END: &str = "</tool_call>";

/// A call as OpenAI's clients expect it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Call {
    index: usize,
    id: String,
    r#type: &'static str,
    function: Function,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Function {
    name: String,
    /// JSON in a string.
    arguments: String,
}

impl Call {
    fn of(text: &str, (number, index): (u64, usize)) -> Option<Self> {
        let value: Value = serde_json::from_str(text.trim()).ok()?;
        let name = value.get("name")?.as_str()?.to_owned();
        let arguments = value.get("arguments").or_else(|| value.get("parameters"))?;
        let arguments = match arguments {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Some(Self {
            index,
            id: format!("call_{number:08x}_{index}"),
            r#type: "function",
            function: Function { name, arguments },
        })
    }
}

/// The text without calls, and the calls; the answer's number is in their names.
pub(super) fn found(text: &str, number: u64) -> (String, Vec<Call>) {
    if let Some(call) = Call::of(text, (number, 0)) {
        return (String::new(), vec![call]);
    }
    let (mut rest, mut left, mut calls) = (String::new(), text, Vec::new());
    while let Some(begin) = left.find(BEGIN) {
        let inside = &left[begin + BEGIN.len()..];
        let (inside, behind) = inside.split_once(END).unwrap_or((inside, ""));
        rest.push_str(&left[..begin]);
        match Call::of(inside, (number, calls.len())) {
            Some(call) => calls.push(call),
            // What only looks like one stays text.
            None => rest.push_str(&left[begin..left.len() - behind.len()]),
        }
        left = behind;
    }
    rest.push_str(left);
    let rest = if calls.is_empty() { rest } else { rest.trim().to_owned() };
    (rest, calls)
}

/// A text that comes in pieces: what may be a call is held back until it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// Whether calls are looked for.
    looks: bool,
    /// What is held back.
    kept: String,
    /// Whether a call has begun, so that all that follows is held.
    begun: bool,
}

impl Held {
    pub(super) fn new(looks: bool) -> Self {
        Self { looks, ..Self::default() }
    }

    /// What can be shown, now that this is here.
    pub(super) fn push(&mut self, text: &str) -> String {
        if !self.looks {
            return text.to_owned();
        }
        self.kept.push_str(text);
        let seen = self.kept.trim_start();
        // An answer that begins as an object may be one whole call.
        if self.begun || seen.is_empty() || seen.starts_with('{') || self.kept.contains(BEGIN) {
            self.begun = self.begun || !seen.is_empty();
            return String::new();
        }
        let may_begin = |at: &usize| BEGIN.starts_with(&self.kept[*at..]);
        let keep = self.kept.char_indices().map(|(at, _)| at).find(may_begin).unwrap_or(self.kept.len());
        let rest = self.kept.split_off(keep);
        std::mem::replace(&mut self.kept, rest)
    }

    /// The rest of the text, and the calls.
    pub(super) fn finish(&mut self, text: &str, number: u64) -> (String, Vec<Call>) {
        if !self.looks {
            return (text.to_owned(), Vec::new());
        }
        self.kept.push_str(text);
        found(&std::mem::take(&mut self.kept), number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str = r#"<tool_call>{"name": "weather", "arguments": {"place": "Oslo"}}</tool_call>"#;

    #[test]
    fn calls_are_found_and_what_only_looks_like_one_is_text() {
        let (text, calls) = found(&format!("I look.\n{CALL}\n{CALL}"), 7);
        assert_eq!((text.as_str(), calls.len()), ("I look.", 2));
        assert_eq!(calls[1].function.arguments, r#"{"place":"Oslo"}"#);
        assert_eq!(calls[1].index, 1);
        let llama = found(r#" {"name": "f", "parameters": {}}"#, 7);
        assert_eq!((llama.0.as_str(), llama.1.len()), ("", 1));
        for text in ["<tool_call>no</tool_call>", "{}", "a < b", "<tool_call>"] {
            assert_eq!(found(text, 7), (text.to_owned(), vec![]));
        }
    }

    #[test]
    fn a_text_in_pieces_gives_what_the_whole_gives() {
        for text in
            [format!("I look. {CALL}"), CALL.to_owned(), "a <tool b <tool_call".to_owned(), String::new()]
        {
            for size in 1..7 {
                let (mut held, mut shown) = (Held::new(true), String::new());
                let letters: Vec<char> = text.chars().collect();
                for piece in letters.chunks(size) {
                    shown.push_str(&held.push(&piece.iter().collect::<String>()));
                }
                let (rest, calls) = held.finish("", 7);
                shown.push_str(&rest);
                let (whole, wanted) = found(&text, 7);
                assert_eq!((shown.trim(), calls.len()), (whole.trim(), wanted.len()), "{text} by {size}");
            }
        }
        assert_eq!(Held::new(false).push("<tool_call>"), "<tool_call>");
    }
}
