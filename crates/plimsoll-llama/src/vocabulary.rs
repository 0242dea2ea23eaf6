//! llama.cpp's own tokenizer.

use llama_cpp_sys_2 as sys;

use crate::{LlamaError, Model, Token};

/// What sort of token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordKind {
    /// A piece of text, or a byte of one.
    Text,
    /// A piece of text that is always one token.
    User,
    /// Says something about a text and is none.
    Control,
    /// Stands for what has no token.
    Unknown,
}

/// A model's tokenizer.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    model: Model,
}

impl Vocabulary {
    pub(crate) const fn new(model: Model) -> Self {
        Self { model }
    }

    fn raw(&self) -> *const sys::llama_vocab {
        // SAFETY: the model is loaded, and its vocabulary is a part of it.
        unsafe { sys::llama_model_get_vocab(self.model.raw.pointer) }
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.model.facts().vocabulary
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Cuts a text into tokens, with those around it that the model's file asks for or without. Texts like `<|im_end|>` stay texts.
    pub fn cut(&self, text: &str, ends: bool) -> Result<Vec<Token>, LlamaError> {
        let wrong = || LlamaError::Text { bytes: text.len() };
        let length = i32::try_from(text.len()).map_err(|_| wrong())?;
        // No text has more tokens than bytes; some get a few around them.
        let mut tokens = vec![0_i32; text.len() + 16];
        for _ in 0..2 {
            let room = i32::try_from(tokens.len()).map_err(|_| wrong())?;
            // SAFETY: text and room are as long as they are said to be.
            let count = unsafe {
                let (text, into) = (text.as_ptr().cast(), tokens.as_mut_ptr());
                sys::llama_tokenize(self.raw(), text, length, into, room, ends, false)
            };
            if let Ok(count) = usize::try_from(count) {
                tokens.truncate(count);
                return Ok(tokens.into_iter().map(|token| Token::try_from(token).unwrap_or(0)).collect());
            }
            tokens.resize(count.unsigned_abs() as usize, 0);
        }
        Err(wrong())
    }

    /// What a token adds to a text, or its name if it is none.
    pub fn piece(&self, token: Token) -> Vec<u8> {
        let mut bytes = vec![0_u8; 64];
        for _ in 0..2 {
            // SAFETY: the library refuses tokens that it has not, and the room is as long as it is said to be.
            let count = unsafe {
                let (token, room) = (number(token), i32::try_from(bytes.len()).unwrap_or(0));
                sys::llama_token_to_piece(self.raw(), token, bytes.as_mut_ptr().cast(), room, 0, true)
            };
            match usize::try_from(count) {
                Ok(count) => {
                    bytes.truncate(count);
                    return bytes;
                }
                Err(_) => bytes.resize(count.unsigned_abs() as usize, 0),
            }
        }
        Vec::new()
    }

    /// What sort it is.
    pub fn kind(&self, token: Token) -> WordKind {
        if token as usize >= self.len() {
            return WordKind::Unknown;
        }
        // SAFETY: it is a token of this vocabulary.
        let attributes = unsafe { sys::llama_vocab_get_attr(self.raw(), number(token)) };
        let is = |attribute| attributes & attribute != 0;
        if is(sys::LLAMA_TOKEN_ATTR_CONTROL) {
            WordKind::Control
        } else if is(sys::LLAMA_TOKEN_ATTR_UNKNOWN) {
            WordKind::Unknown
        } else if is(sys::LLAMA_TOKEN_ATTR_USER_DEFINED) {
            WordKind::User
        } else {
            WordKind::Text
        }
    }

    /// Whether a text ends at it.
    pub fn ends(&self, token: Token) -> bool {
        // SAFETY: the library looks it up and finds nothing for tokens that it has not.
        unsafe { sys::llama_vocab_is_eog(self.raw(), number(token)) }
    }

    /// The token that texts begin with, if there is one.
    pub fn first(&self) -> Option<Token> {
        // SAFETY: it reads a number of the vocabulary.
        Token::try_from(unsafe { sys::llama_vocab_bos(self.raw()) }).ok()
    }

    /// The token that texts end with, if there is one.
    pub fn last(&self) -> Option<Token> {
        // SAFETY: it reads a number of the vocabulary.
        Token::try_from(unsafe { sys::llama_vocab_eos(self.raw()) }).ok()
    }
}

fn number(token: Token) -> i32 {
    i32::try_from(token).unwrap_or(-1)
}
