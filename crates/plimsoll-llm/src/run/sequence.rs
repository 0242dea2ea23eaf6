//! Tokens that were decoded, and going on from them.

use std::sync::Arc;

use plimsoll_kv::block::Token;
use plimsoll_kv::layout::Layout;

use super::pages::PageTable;
use super::stage::{Next, Share, Stage};
use super::wish::{Found, Need, Wish};
use crate::{Decoder, StepError};

/// How many rows of logits are computed side by side.
const ROWS: usize = 16;

/// What is told of a step.
enum Tell<'e> {
    /// The logits behind the last token.
    Logits,
    /// What is wished of them.
    Drawn,
    /// The logits behind every token, with its index.
    Each(&'e mut dyn FnMut(usize, &[f32])),
}

/// One sequence of tokens, whose keys and values are in the pages of a [`PageTable`].
///
/// # Who owns what
/// It knows how many tokens stand in the pages, and owns what a step needs for a moment. The pages are the caller's, and
/// are passed to each step; between steps they may be moved, shared and restored, as long as their bytes are the same.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use plimsoll_kv::layout::Element;
/// # use plimsoll_llm::{Decoder, OwnPages, Sequence};
/// # fn go(decoder: &Arc<Decoder>, mut pages: OwnPages, tokens: &[u32]) -> Result<(), plimsoll_llm::StepError> {
/// let layout = decoder.layout(16, Element::F16);
/// let mut sequence = Sequence::begin(decoder, &layout)?;
/// sequence.resume(3 * 16); // three blocks of the prefix were found in a cache
/// let logits = sequence.step(&tokens[3 * 16..], &mut pages)?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Sequence {
    stage: Stage,
    /// Tokens in the pages.
    len: usize,
    logits: Vec<f32>,
    /// What was wished of the logits behind the last step, what was found, and which of its tokens was the last.
    wish: Wish,
    found: Found,
    last: usize,
}

impl Sequence {
    /// An empty one, over pages of this form.
    pub fn begin(decoder: &Arc<Decoder>, layout: &Layout) -> Result<Self, StepError> {
        let (stage, wish) = (Stage::begin(decoder, layout)?, Wish::plain(Need::Nothing));
        Ok(Self { stage, len: 0, logits: Vec::new(), wish, found: Found::Nothing, last: 0 })
    }

    /// How many tokens stand in the pages.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Goes on from so many tokens, whose keys and values stand in the pages already: a prefix that was found in a cache,
    /// or less than there was.
    pub const fn resume(&mut self, tokens: usize) {
        self.len = tokens;
    }

    /// Decodes some more tokens. Their keys and values go to the pages; what comes back are the logits of the token that
    /// follows the last.
    pub fn step(&mut self, tokens: &[Token], table: &mut dyn PageTable) -> Result<&[f32], StepError> {
        self.whole(tokens, table, Tell::Logits)?;
        Ok(&self.logits)
    }

    /// The same for who needs to know little of the logits: what is found of them, as it is wished. On a device no more than that comes to
    /// the host.
    pub fn draw(
        &mut self,
        tokens: &[Token],
        table: &mut dyn PageTable,
        wish: Wish,
    ) -> Result<&Found, StepError> {
        self.wish = wish;
        self.whole(tokens, table, Tell::Drawn)?;
        Ok(&self.found)
    }

    /// What was found behind the last step that was [drawn](Self::draw) from.
    pub(super) const fn found(&self) -> &Found {
        &self.found
    }

    /// The logits behind the last [step](Self::step).
    pub(super) fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// All logits behind the last step that was [drawn](Self::draw) from, for who found that what it wished was not enough: changed as it
    /// wished, unless what was found says that they are as they came.
    pub fn row(&mut self) -> Result<&mut [f32], StepError> {
        self.logits.resize(self.stage.vocabulary(), 0.0);
        self.stage.row(self.last, (&self.wish, &self.found), &mut self.logits)?;
        Ok(&mut self.logits)
    }

    /// The same, telling the logits behind every token: `each` gets the token's index and the logits of the one after it.
    pub fn score(
        &mut self,
        tokens: &[Token],
        table: &mut dyn PageTable,
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), StepError> {
        self.whole(tokens, table, Tell::Each(each))
    }

    /// Decodes tokens for what they mean together: the mean of what they are behind the last layer and its norm, of length one. It
    /// is as wide as the model. No logits are computed.
    pub fn embed(&mut self, tokens: &[Token], table: &mut dyn PageTable) -> Result<Vec<f32>, StepError> {
        self.stage.check(self.len, tokens)?;
        let before = self.len;
        let mut sum = vec![0.0; self.stage.width()];
        for part in tokens.chunks(self.stage.side_by_side()) {
            let share = Share { tokens: part, begin: self.len, table: &mut *table };
            if let Err((_, error)) = self.stage.part(&mut [share], Next::Nothing) {
                self.len = before;
                return Err(error);
            }
            self.len += part.len();
            if let Err(error) = self.stage.add_inner(part.len(), &mut sum) {
                self.len = before;
                return Err(error);
            }
        }
        let length = sum.iter().map(|number| number * number).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        #[expect(clippy::cast_possible_truncation, reason = "singles are what vectors are of")]
        Ok(sum.iter().map(|number| (number / length) as f32).collect())
    }

    /// All of the tokens or none.
    fn whole(
        &mut self,
        tokens: &[Token],
        table: &mut dyn PageTable,
        tell: Tell<'_>,
    ) -> Result<(), StepError> {
        let before = self.len;
        let done = self.decode(tokens, table, tell);
        if done.is_err() {
            self.len = before;
        }
        done
    }

    fn decode(
        &mut self,
        tokens: &[Token],
        table: &mut dyn PageTable,
        mut tell: Tell<'_>,
    ) -> Result<(), StepError> {
        self.stage.check(self.len, tokens)?;
        let mut done = 0;
        for part in tokens.chunks(self.stage.side_by_side()) {
            let share = Share { tokens: part, begin: self.len, table: &mut *table };
            let last = [part.len() - 1];
            let ends = done + part.len() == tokens.len();
            let next = match tell {
                Tell::Logits if ends => Next::Logits(&last),
                Tell::Drawn if ends => Next::Drawn(&last, std::slice::from_ref(&self.wish)),
                _ => Next::Nothing,
            };
            self.stage.part(&mut [share], next).map_err(|(_, error)| error)?;
            self.len += part.len();
            match &mut tell {
                Tell::Logits if ends => {
                    self.logits.resize(self.stage.vocabulary(), 0.0);
                    self.stage.logits(&last, &mut self.logits)?;
                }
                Tell::Drawn if ends => {
                    let (wish, found) =
                        (std::slice::from_ref(&self.wish), std::slice::from_mut(&mut self.found));
                    self.stage.draw(&last, wish, found)?;
                    self.last = last[0];
                }
                Tell::Logits | Tell::Drawn => {}
                Tell::Each(each) => self.tell(part.len(), done, *each)?,
            }
            done += part.len();
        }
        Ok(())
    }

    /// Tells the logits behind each of the tokens that were computed last, of which the first is number `done`.
    fn tell(
        &mut self,
        tokens: usize,
        done: usize,
        each: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<(), StepError> {
        let vocabulary = self.stage.vocabulary();
        let all: Vec<usize> = (0..tokens).collect();
        let mut rows = vec![0.0; ROWS.min(tokens) * vocabulary];
        for some in all.chunks(ROWS) {
            let rows = &mut rows[..some.len() * vocabulary];
            self.stage.logits(some, rows)?;
            for (token, logits) in some.iter().zip(rows.chunks_exact(vocabulary)) {
                each(done + token, logits);
            }
        }
        Ok(())
    }
}
