//! Wishes as a device is asked them, and what it tells as what was found.

use plimsoll_tensor::flow::{Ask, Drawing, Drawn, Lots};

use super::wish::{Found, Greatest, Need, Wish};

/// What a device is asked of some rows.
#[derive(Debug)]
pub(super) struct Asked<'w> {
    pub(super) asks: Vec<Ask<'w>>,
    pub(super) how: Drawing,
    needs: Vec<Need>,
    vocabulary: usize,
}

impl<'w> Asked<'w> {
    /// What it cannot be asked is wished whole: rows that are too long for it, and more changes than there is room for.
    pub(super) fn of(wishes: &'w [Wish], vocabulary: usize) -> Self {
        let (mut asks, mut needs) = (Vec::with_capacity(wishes.len()), Vec::with_capacity(wishes.len()));
        let (mut how, mut room) = (Drawing::default(), Ask::MOST_CHANGES);
        for wish in wishes {
            let long = !Lots::fits(vocabulary) && !matches!(wish.need, Need::Nothing | Need::Likeliest);
            let many = matches!(wish.need, Need::Greatest(count) if count > Lots::MOST);
            let whole = long || many || wish.changes.len() > room;
            let need = if whole { Need::Whole } else { wish.need };
            let mut ask = Ask::default();
            if !matches!(need, Need::Nothing | Need::Whole) {
                ask.changes = &wish.changes;
                room -= wish.changes.len();
            }
            match need {
                Need::Lot(lot) => {
                    ask.lot = Some(lot);
                    how.lots = true;
                    how.cuts |= lot.is_cut();
                }
                Need::Greatest(count) => {
                    how.keep = how.keep.max(if count > Lots::SOME { Lots::MOST } else { Lots::SOME });
                }
                Need::Nothing | Need::Likeliest | Need::Whole => {}
            }
            how.changed |= !ask.changes.is_empty();
            asks.push(ask);
            needs.push(need);
        }
        Self { asks, how, needs, vocabulary }
    }

    /// What was found, row after row.
    pub(super) fn found(&self, drawn: Vec<Drawn>) -> impl Iterator<Item = Found> {
        let (keep, vocabulary) = (self.how.keep, self.vocabulary);
        self.needs.iter().zip(drawn).map(move |(need, drawn)| match (need, drawn.likeliest) {
            (Need::Nothing, _) => Found::Nothing,
            (Need::Whole, _) => Found::Whole,
            (_, None) => Found::Damaged,
            (Need::Likeliest, Some(token)) => Found::Token(token),
            (Need::Lot(_), _) => drawn.lot.map_or(Found::Missed, Found::Token),
            (Need::Greatest(_), _) => Found::Greatest(Greatest {
                more: drawn.greatest.len() >= keep && keep < vocabulary,
                logits: drawn.greatest,
            }),
        })
    }
}
