//! Which tokens of which sequences a step computes.

/// A token, as llama.cpp numbers them.
pub type Token = u32;

/// A sequence of a context, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SequenceId(pub u16);

/// Tokens to be computed in one call, each of one sequence.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) tokens: Vec<i32>,
    pub(crate) positions: Vec<i32>,
    pub(crate) sequences: Vec<i32>,
    pub(crate) asked: Vec<i8>,
}

impl Batch {
    /// Takes one more. `asked` is whether what follows it is wanted: logits, or a vector.
    pub fn push(&mut self, token: Token, position: usize, sequence: SequenceId, asked: bool) {
        self.tokens.push(i32::try_from(token).unwrap_or(-1));
        self.positions.push(i32::try_from(position).unwrap_or(i32::MAX));
        self.sequences.push(i32::from(sequence.0));
        self.asked.push(i8::from(asked));
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Leaves none.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.sequences.clear();
        self.asked.clear();
    }
}
