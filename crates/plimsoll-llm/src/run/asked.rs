//! Wishes as a device is asked them, and what it tells as what was found.

use plimsoll_tensor::flow::{Ask, Drawing, Drawn, Lots};

use super::wish::{Found, Need, Wish};

/// What a device is asked of some rows.
#[derive(Debug)]
pub(super) struct Asked<'w> {
    pub(super) asks: Vec<Ask<'w>>,
    pub(super) how: Drawing,
    needs: Vec<Need>,
}

impl<'w> Asked<'w> {
    /// What it cannot be asked is wished whole: lots that it does not draw, and more changes than there is room for.
    pub(super) fn of(wishes: &'w [Wish], vocabulary: usize) -> Self {
        let (mut asks, mut needs) = (Vec::with_capacity(wishes.len()), Vec::with_capacity(wishes.len()));
        let mut room = Ask::MOST_CHANGES;
        for wish in wishes {
            let beyond = matches!(&wish.need, Need::Lot(lot) if !Lots::fits(vocabulary, lot));
            let need = if beyond || wish.changes.len() > room { Need::Whole } else { wish.need };
            let mut ask = Ask::default();
            if !matches!(need, Need::Nothing | Need::Whole) {
                ask.changes = &wish.changes;
                room -= wish.changes.len();
            }
            if let Need::Lot(lot) = need {
                ask.lot = Some(lot);
            }
            asks.push(ask);
            needs.push(need);
        }
        Self { how: Drawing::of(&asks), asks, needs }
    }

    /// What was found, row after row.
    pub(super) fn found(&self, drawn: Vec<Drawn>) -> impl Iterator<Item = Found> {
        self.needs.iter().zip(drawn).map(|(need, drawn)| match (need, drawn.likeliest) {
            (Need::Nothing, _) => Found::Nothing,
            (Need::Whole, _) => Found::Whole,
            (_, None) => Found::Damaged,
            (Need::Likeliest, Some(token)) => Found::Token(token),
            (Need::Lot(_), _) => drawn.lot.map_or(Found::Missed, Found::Token),
        })
    }
}
