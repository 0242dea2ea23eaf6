//! What a step is asked of the logits behind its rows: how they are changed, and what is drawn of them. It stands among the step's
//! orders, so that launches are the same whatever it is.

use super::inputs::FEW;
use super::lots::Lots;
use crate::TensorError;

const WHAT: &str = "what is asked of rows";
/// Changes of all rows together, at most.
const MOST: usize = 1 << 15;
/// What a row's ask takes, and a change.
const ASK: usize = 48;
const CHANGE: usize = 16;

/// How one token's logit is changed: `less` is taken off, `more` added, and what is above zero then divided by `penalty`, what is not
/// multiplied by it. In singles and in this order, so that the outcome is the same bits wherever it is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Which token.
    pub token: u32,
    /// Zero takes nothing off.
    pub less: f32,
    /// Minus zero adds nothing, not even to what is minus zero itself.
    pub more: f32,
    /// One changes nothing.
    pub penalty: f32,
}

/// A token that is drawn by lot among all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lot {
    /// Above one, the chances of tokens come nearer to each other.
    pub temperature: f64,
    /// How far along the chances of all who take part, in the order of tokens: from zero to below one.
    pub share: f64,
    /// Only so many of the likeliest take part; zero lets all.
    pub top_k: usize,
    /// Of these only the likeliest that have this of their chances together, before the temperature; one lets all.
    pub top_p: f64,
    /// Tokens whose logits lie further from the greatest than this, which is below zero, take no part; minus infinity lets all.
    pub least: f32,
}

impl Lot {
    /// Among all tokens.
    pub const fn among_all(temperature: f64, share: f64) -> Self {
        Self { temperature, share, top_k: 0, top_p: 1.0, least: f32::NEG_INFINITY }
    }

    /// Whether who takes part depends on the chances of all.
    pub fn is_cut(&self) -> bool {
        self.top_k == 0 && self.top_p < 1.0
    }

    fn what(&self) -> u32 {
        let few = if self.top_k > 0 { Lots::FEW } else { 0 };
        Lots::LOT | few | if self.is_cut() { Lots::CUT } else { 0 }
    }
}

/// What is asked of a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// No token twice.
    pub changes: &'a [Change],
    /// Whether one is drawn by lot.
    pub lot: Option<Lot>,
}

impl Change {
    /// One that leaves a logit as it is.
    pub const fn none(token: u32) -> Self {
        Self { token, less: 0.0, more: -0.0, penalty: 1.0 }
    }

    /// What it makes of a logit.
    pub fn of(&self, logit: f32) -> f32 {
        let now = logit - self.less + self.more;
        if now > 0.0 { now / self.penalty } else { now * self.penalty }
    }
}

impl Ask<'_> {
    /// Changes of all rows of a step, at most.
    pub const MOST_CHANGES: usize = MOST;
}

/// What asks of a few rows take among orders, and all changes behind them.
pub(super) const ASK_BYTES: usize = ASK * FEW;
pub(super) const CHANGE_BYTES: usize = CHANGE * MOST;

/// Refuses what there is no room for.
pub(super) fn check(rows: usize, asks: &[Ask<'_>]) -> Result<(), TensorError> {
    let changes: usize = asks.iter().map(|ask| ask.changes.len()).sum();
    if (asks.is_empty() || asks.len() == rows) && rows <= FEW && changes <= MOST {
        return Ok(());
    }
    let why = format!("{} of {rows} rows, with {changes} changes; {MOST} can be told of", asks.len());
    Err(TensorError::shape(WHAT, why))
}

/// Writes asks where there is room for them, and changes behind all else.
pub(super) fn write(bytes: &mut Vec<u8>, at: usize, asks: &[Ask<'_>]) {
    if asks.iter().any(|ask| !ask.changes.is_empty()) {
        bytes.resize(bytes.len().next_multiple_of(CHANGE), 0);
    }
    for (row, ask) in asks.iter().enumerate() {
        let small = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let what = ask.lot.map_or(0, |lot| lot.what());
        let Lot { temperature, share, top_k, top_p, least } = ask.lot.unwrap_or(Lot::among_all(1.0, 0.0));
        let words = [what, small(bytes.len() / CHANGE), small(ask.changes.len()), least.to_bits()];
        let mut told = Vec::with_capacity(ASK);
        told.extend(words.into_iter().flat_map(u32::to_le_bytes));
        told.extend([temperature, share, top_p].into_iter().flat_map(f64::to_le_bytes));
        told.extend([small(top_k), 0].into_iter().flat_map(u32::to_le_bytes));
        bytes[at + row * ASK..][..ASK].copy_from_slice(&told);
        for change in ask.changes {
            bytes.extend(change.token.to_le_bytes());
            let floats = [change.less, change.more, change.penalty];
            bytes.extend(floats.into_iter().flat_map(f32::to_le_bytes));
        }
    }
}
