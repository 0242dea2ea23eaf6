//! How large a quantized layer is, and where its parts lie.
//!
//! ```text
//! keys:    for every 64 tokens (the last time for what is left):
//!              least of each channel │ step of each channel │ codes, a token a row
//! values:  for every token:
//!              least of each 64 channels │ step of each │ codes
//! ```
//!
//! A row of codes is a byte a number at eight bits. At four, each 64 numbers share 32 bytes: the first half of them in
//! the lower halves of the bytes, the second in the upper, so that no instruction has to sort neighbours.

use crate::layout::Element;

/// How many tokens share a channel's scale in keys, and how many channels share a token's in values. It is also how
/// many numbers the vector instructions take at a time.
pub(super) const GROUP: usize = 64;

/// How large a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bits {
    Eight,
    Four,
}

impl Bits {
    /// The highest code.
    pub(super) const fn levels(self) -> f32 {
        match self {
            Self::Eight => 255.0,
            Self::Four => 15.0,
        }
    }

    /// Bytes of the codes of so many numbers in a row.
    pub(super) const fn row(self, numbers: usize) -> usize {
        match self {
            Self::Eight => numbers,
            Self::Four => numbers.div_ceil(2),
        }
    }
}

/// Rows that are quantized together: the tokens of a group of keys, or one token's values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub(super) element: Element,
    pub(super) bits: Bits,
    /// Numbers a row.
    pub(super) width: usize,
    /// Rows.
    pub(super) count: usize,
}

impl Rows {
    /// Bytes of the rows as they are.
    pub(super) const fn native(&self) -> usize {
        self.count * self.width * self.element.width()
    }

    /// Bytes of the rows' codes.
    pub(super) const fn codes(&self) -> usize {
        self.count * self.bits.row(self.width)
    }

    /// Bytes of leasts and steps where every channel has its own.
    pub(super) const fn scales_of_channels(&self) -> usize {
        2 * self.width * self.element.width()
    }

    /// Bytes of a row's leasts and steps where each 64 channels have theirs.
    pub(super) const fn scales_of_row(&self) -> usize {
        2 * self.width.div_ceil(GROUP) * self.element.width()
    }

    /// Bytes of a row's leasts, steps and codes.
    pub(super) const fn row(&self) -> usize {
        self.scales_of_row() + self.bits.row(self.width)
    }
}

/// One layer's rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) element: Element,
    pub(super) bits: Bits,
    pub(super) tokens: usize,
    pub(super) keys: usize,
    pub(super) values: usize,
}

impl Shape {
    /// Groups of tokens whose keys are quantized together.
    pub(super) fn key_groups(&self) -> impl Iterator<Item = Rows> + use<> {
        let Self { element, bits, tokens, keys, .. } = *self;
        (0..tokens).step_by(GROUP).map(move |from| Rows {
            element,
            bits,
            width: keys,
            count: GROUP.min(tokens - from),
        })
    }

    /// All tokens' values.
    pub(super) const fn value_rows(&self) -> Rows {
        Rows { element: self.element, bits: self.bits, width: self.values, count: self.tokens }
    }

    /// Bytes of all of it, if they can be counted.
    pub(super) fn bytes(&self) -> Option<usize> {
        let width = self.element.width();
        let times =
            |parts: &[usize]| parts.iter().try_fold(1_usize, |product, part| product.checked_mul(*part));
        let key_scales = times(&[self.tokens.div_ceil(GROUP), 2, self.keys, width])?;
        let key_codes = times(&[self.tokens, self.bits.row(self.keys)])?;
        let value_scales = times(&[self.tokens, 2, self.values.div_ceil(GROUP), width])?;
        let value_codes = times(&[self.tokens, self.bits.row(self.values)])?;
        [key_scales, key_codes, value_scales, value_codes].into_iter().try_fold(0_usize, usize::checked_add)
    }
}
