//! Texts that a request brings, as text or as tokens.

use plimsoll_kv::block::Token;
use plimsoll_llm::text::Encode;
use serde::Deserialize;

use super::ApiError;
use super::form::{OneOr, not_huge};
use crate::Limits;
use crate::model::Model;

/// A text or several, each as text or as tokens.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Prompt {
    Text(OneOr<String>),
    Tokens(OneOr<Vec<Token>>),
}

impl Default for Prompt {
    fn default() -> Self {
        Self::Text(OneOr::One(String::new()))
    }
}

/// One prompt.
enum Given {
    Text(String),
    Tokens(Vec<Token>),
}

impl Prompt {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Text(OneOr::One(_)) | Self::Tokens(OneOr::One(_)) => 1,
            Self::Text(OneOr::Several(several)) => several.len(),
            Self::Tokens(OneOr::Several(several)) => several.len(),
        }
    }

    /// Each as tokens, with the text that it is. `param` is the field that refusals name.
    pub(super) fn cut(
        self,
        model: &Model,
        limits: &Limits,
        param: &'static str,
    ) -> Result<Vec<(Vec<Token>, String)>, ApiError> {
        self.into_given().into_iter().map(|given| given.cut(model, limits, param)).collect()
    }

    fn into_given(self) -> Vec<Given> {
        match self {
            Self::Text(texts) => texts.into_vec().into_iter().map(Given::Text).collect(),
            Self::Tokens(several) => several.into_vec().into_iter().map(Given::Tokens).collect(),
        }
    }
}

impl Given {
    fn cut(
        self,
        model: &Model,
        limits: &Limits,
        param: &'static str,
    ) -> Result<(Vec<Token>, String), ApiError> {
        let context = model.facts().context;
        let (mut tokens, text) = match self {
            Self::Text(text) => {
                not_huge(param, text.len(), context, limits)?;
                let tokens = model.tokenizer().encode(&text, Encode::PROMPT);
                (tokens.map_err(|error| ApiError::bad(param, error.to_string()))?, text)
            }
            Self::Tokens(tokens) => {
                let vocabulary = model.facts().vocabulary;
                if let Some(unknown) = tokens.iter().find(|token| **token as usize >= vocabulary) {
                    let message = format!("token {unknown} is none of the model's {vocabulary}");
                    return Err(ApiError::bad(param, message));
                }
                let text = model.tokenizer().decode(&tokens);
                (tokens, text)
            }
        };
        if tokens.is_empty() {
            tokens.extend(model.first());
        }
        if tokens.is_empty() {
            return Err(ApiError::bad(
                param,
                "the text is empty, and the model names no token that texts begin with",
            ));
        }
        Ok((tokens, text))
    }
}
