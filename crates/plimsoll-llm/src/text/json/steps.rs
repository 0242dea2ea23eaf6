//! What is done to a text before it is cut into tokens, and to tokens before they are a text.

use plimsoll_kv::block::Token;
use serde_json::Value;

use super::file::File;
use crate::text::lead::Lead;
use crate::text::normal::Form;
use crate::text::pattern::GPT2;
use crate::text::split::{Sort, Splitter, Stage, of_expression};

/// All steps of a file. Whatever is not among them is refused by name.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub(super) form: Option<Form>,
    pub(super) spaced: bool,
    pub(super) lead: Lead,
    pub(super) strips: bool,
    /// Whether the vocabulary is of bytes.
    pub(super) bytes: bool,
    pub(super) splitter: Splitter,
    /// Tokens before and behind a text.
    pub(super) around: (Vec<Token>, Vec<Token>),
}

/// The steps that an object means: itself, or those in its list.
fn each<'v>(value: &'v Value, list: &str, all: &mut Vec<&'v Value>) {
    match value.get(list).and_then(Value::as_array) {
        Some(inner) if kind(value) == "Sequence" => inner.iter().for_each(|value| each(value, list, all)),
        _ if value.is_null() => {}
        _ => all.push(value),
    }
}

fn kind(value: &Value) -> &str {
    value.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn flag(value: &Value, key: &str, otherwise: bool) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(otherwise)
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str()
}

impl Steps {
    /// Reads all of a file. What comes back otherwise is what it asks for that is not done.
    pub(super) fn read(file: &File) -> Result<Self, String> {
        let mut steps = Self::default();
        let mut all = Vec::new();
        each(&file.normalizer, "normalizers", &mut all);
        for value in all.drain(..) {
            steps.normalize(value)?;
        }
        each(&file.pre_tokenizer, "pretokenizers", &mut all);
        for value in all.drain(..) {
            steps.split(value)?;
        }
        each(&file.decoder, "decoders", &mut all);
        for value in all.drain(..) {
            steps.decode(value)?;
        }
        each(&file.post_processor, "processors", &mut all);
        for value in all.drain(..) {
            steps.process(value)?;
        }
        if !steps.bytes && !steps.spaced {
            return Err("words that are neither of bytes nor of SentencePiece's letters".to_owned());
        }
        Ok(steps)
    }

    fn normalize(&mut self, value: &Value) -> Result<(), String> {
        let form = match kind(value) {
            "NFC" => Form::Nfc,
            "NFD" => Form::Nfd,
            "NFKC" => Form::Nfkc,
            "NFKD" => Form::Nfkd,
            "Prepend" if text(value, "prepend") == Some("▁") => {
                (self.lead, self.spaced) = (Lead::Each, true);
                return Ok(());
            }
            "Replace" if is_space(value) => {
                self.spaced = true;
                return Ok(());
            }
            other => return Err(format!("the normalizer {other:?}")),
        };
        match self.form.replace(form) {
            None => Ok(()),
            Some(_) => Err("two normal forms".to_owned()),
        }
    }

    fn split(&mut self, value: &Value) -> Result<(), String> {
        let stages = &mut self.splitter.stages;
        match kind(value) {
            "ByteLevel" => {
                self.bytes = true;
                if flag(value, "add_prefix_space", true) {
                    if !stages.is_empty() {
                        return Err("a space before each word".to_owned());
                    }
                    self.lead = Lead::EachUnless;
                }
                if flag(value, "use_regex", true) {
                    stages.push(Stage::Words(GPT2));
                }
            }
            "Digits" => {
                let most = if flag(value, "individual_digits", false) { 1 } else { usize::MAX };
                stages.push(Stage::Apart(Sort::Numbers, most));
            }
            "Metaspace" => {
                if text(value, "replacement").is_some_and(|replacement| replacement != "▁") {
                    return Err("another letter for spaces than ▁".to_owned());
                }
                self.spaced = true;
                // What older files say instead.
                let older = if flag(value, "add_prefix_space", true) { "always" } else { "never" };
                self.lead = match text(value, "prepend_scheme").unwrap_or(older) {
                    "first" => Lead::First,
                    "never" => Lead::Never,
                    "always" => Lead::EachUnless,
                    other => return Err(format!("the prepend_scheme {other:?}")),
                };
                if flag(value, "split", true) {
                    stages.push(Stage::Spaces);
                }
            }
            "Split" => stages.push(split(value)?),
            other => return Err(format!("the pre-tokenizer {other:?}")),
        }
        Ok(())
    }

    fn decode(&mut self, value: &Value) -> Result<(), String> {
        match kind(value) {
            "ByteFallback" | "Fuse" | "Replace" => {}
            "ByteLevel" => self.bytes = true,
            "Metaspace" => self.strips = self.lead != Lead::Never,
            "Strip" => {
                let number = |key| value.get(key).and_then(Value::as_u64).unwrap_or(0);
                if text(value, "content") != Some(" ") || number("start") > 1 || number("stop") > 0 {
                    return Err("a decoder that strips more than one space".to_owned());
                }
                self.strips = number("start") == 1;
            }
            other => return Err(format!("the decoder {other:?}")),
        }
        Ok(())
    }

    fn process(&mut self, value: &Value) -> Result<(), String> {
        let pair = |key: &str| Some(Token::try_from(value.get(key)?.get(1)?.as_u64()?).ok());
        match kind(value) {
            "ByteLevel" => {}
            "TemplateProcessing" => self.around = around(value)?,
            "RobertaProcessing" | "BertProcessing" => {
                let (first, last) = (pair("cls").flatten(), pair("sep").flatten());
                self.around = (first.into_iter().collect(), last.into_iter().collect());
            }
            other => return Err(format!("the post-processor {other:?}")),
        }
        Ok(())
    }
}

/// Whether a step writes ▁ for spaces.
fn is_space(value: &Value) -> bool {
    let pattern = value.get("pattern").and_then(|pattern| text(pattern, "String"));
    pattern == Some(" ") && text(value, "content") == Some("▁")
}

fn split(value: &Value) -> Result<Stage, String> {
    let pattern = value.get("pattern");
    let expression = pattern.and_then(|pattern| text(pattern, "Regex")).ok_or_else(|| {
        format!("a split by {}", pattern.map_or_else(|| "nothing".to_owned(), Value::to_string))
    })?;
    let stage =
        of_expression(expression).ok_or_else(|| format!("a split by the expression {expression:?}"))?;
    let behavior = text(value, "behavior").unwrap_or_default();
    match (behavior, flag(value, "invert", false), stage) {
        ("Isolated", false, _) | ("Removed", true, Stage::Words(_)) => Ok(stage),
        (other, invert, _) => Err(format!("a split of the behavior {other:?}, inverted: {invert}")),
    }
}

/// The tokens that a template puts before and behind a text.
fn around(value: &Value) -> Result<(Vec<Token>, Vec<Token>), String> {
    let none = Vec::new();
    let pieces = value.get("single").and_then(Value::as_array).unwrap_or(&none);
    let (mut before, mut behind, mut passed) = (Vec::new(), Vec::new(), false);
    for piece in pieces {
        let Some(name) = piece.get("SpecialToken").and_then(|token| text(token, "id")) else {
            passed = true;
            continue;
        };
        let ids = value.get("special_tokens").and_then(|tokens| tokens.get(name)?.get("ids")?.as_array());
        let ids = ids.ok_or_else(|| format!("a template with {name:?}, which it does not explain"))?;
        let ids = ids.iter().filter_map(|id| Token::try_from(id.as_u64()?).ok());
        if passed { behind.extend(ids) } else { before.extend(ids) }
    }
    Ok((before, behind))
}
