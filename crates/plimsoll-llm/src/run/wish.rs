//! What is wanted of the logits behind a step, told before it, so that a device can look at them where they are; and what was found.
//!
//! A row of logits is half a megabyte, and one token is drawn from it. So a step is told of each row how its logits are changed and which
//! lot is drawn, and the host's [`Sampler`](super::Sampler) goes on with the token, which is the one that it would have drawn. Where a
//! device cannot tell it, the row is there still, and is asked for whole.

use plimsoll_kv::block::Token;
use plimsoll_tensor::flow::{Change, Lot};

use super::row::{are_sound, fallen, likeliest};

/// What is wanted of the logits behind some tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    /// What is looked for, among logits that are changed already.
    pub need: Need,
    /// How they are changed; no token stands there twice. Nothing is where they are wanted as they are.
    pub changes: Vec<Change>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    /// Nothing.
    Nothing,
    /// The likeliest token; of equals the first.
    Likeliest,
    /// A token by lot.
    Lot(Lot),
    /// All of them, unchanged.
    Whole,
}

/// What was found of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Nothing was looked for.
    Nothing,
    /// Some logits are no numbers, or infinitely great, or all are minus infinity.
    Damaged,
    /// The likeliest token, or the one that the lot fell on.
    Token(Token),
    /// What was looked for could not be told.
    Missed,
    /// It has to be looked at whole. Its logits are as they came.
    Whole,
}

impl Wish {
    /// For this, of logits as they come.
    pub const fn plain(need: Need) -> Self {
        Self { need, changes: Vec::new() }
    }

    /// Looks at a row on the host, which it changes.
    pub fn look(&self, row: &mut [f32]) -> Found {
        if self.need == Need::Whole {
            return Found::Whole;
        }
        change(row, &self.changes);
        match self.need {
            Need::Nothing => Found::Nothing,
            _ if !are_sound(row) => Found::Damaged,
            Need::Likeliest => Found::Token(Token::try_from(likeliest(row)).unwrap_or(0)),
            Need::Lot(lot) => Found::Token(fallen(row, &lot)),
            Need::Whole => Found::Whole,
        }
    }
}

/// Changes a row.
pub fn change(row: &mut [f32], changes: &[Change]) {
    for change in changes {
        if let Some(logit) = row.get_mut(change.token as usize) {
            *logit = change.of(*logit);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, Strategy, prop_assert_eq, prop_oneof, proptest};
    use proptest::strategy::Just;

    use super::super::row::tests::logit;
    use super::*;
    use crate::{SampleError, Sampler, Sampling};

    /// What a sampler draws from a row that it is told of, and how often that had to be brought whole.
    fn told(sampler: &mut Sampler, row: &[f32], weights: &[Change], brought: &mut u32) -> Option<Token> {
        let wish = sampler.wish(weights.to_vec());
        let mut there = row.to_vec();
        let found = wish.look(&mut there);
        let token = sampler.hear(&found, || {
            *brought += 1;
            if found == Found::Whole {
                change(&mut there, weights);
            }
            Ok::<_, SampleError>(&there)
        });
        token.ok()
    }

    /// The same of one that sees all.
    fn shown(sampler: &mut Sampler, row: &[f32], weights: &[Change]) -> Option<Token> {
        let mut there = row.to_vec();
        change(&mut there, &sampler.changes(weights.to_vec()));
        sampler.draw_changed(&there).ok()
    }

    fn settings() -> impl Strategy<Value = Sampling> {
        let top_k = prop_oneof![2 => Just(0_usize), 3 => 1_usize..90, 1 => 200_usize..600];
        let top_p = prop_oneof![1 => Just(1.0_f32), 2 => 0.05_f32..1.0];
        let min_p = prop_oneof![1 => Just(0.0_f32), 1 => 0.0_f32..0.5];
        let temperature = prop_oneof![1 => Just(0.0_f32), 4 => 0.05_f32..3.0];
        let penalty = prop_oneof![1 => Just(1.0_f32), 1 => 0.8_f32..1.5];
        (top_k, top_p, min_p, temperature, penalty, 0_u64..1000).prop_map(
            |(top_k, top_p, min_p, temperature, repeat_penalty, seed)| {
                let repeat_window = 16;
                Sampling { temperature, top_k, top_p, min_p, repeat_penalty, repeat_window, seed }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_told_of_a_row_gives_the_same_tokens(
            row in proptest::collection::vec(logit(), 1..900), settings in settings(),
            weights in proptest::collection::btree_map(0_u32..1000, (-2.0_f32..2.0, -2.0_f32..2.0), 0..9),
        ) {
            let weights: Vec<Change> = weights
                .into_iter()
                .map(|(token, (less, more))| Change { less, more, ..Change::none(token) })
                .collect();
            let mut one = Sampler::new(settings).unwrap();
            let mut other = one.clone();
            for _ in 0..12 {
                let token = told(&mut one, &row, &weights, &mut 0);
                prop_assert_eq!(token, shown(&mut other, &row, &weights));
                let Some(token) = token else { break };
                one.accept(token);
                other.accept(token);
            }
        }
    }

    #[test]
    fn rows_without_any_difference_and_short_ones_are_drawn_alike() {
        for row in [vec![1.5; 700], vec![-0.0, 0.0, -0.0], vec![f32::NEG_INFINITY, 2.0], vec![7.0; 128]] {
            for (top_k, top_p, min_p) in
                [(0, 1.0, 0.0), (40, 0.95, 0.05), (0, 0.5, 0.0), (0, 0.2, 0.1), (128, 0.9, 0.0)]
            {
                let settings = Sampling { top_k, top_p, min_p, temperature: 1.0, ..Sampling::default() };
                let mut one = Sampler::new(settings).unwrap();
                let mut other = one.clone();
                for _ in 0..50 {
                    let token = told(&mut one, &row, &[], &mut 0);
                    assert_eq!(token, shown(&mut other, &row, &[]), "{} logits, {settings:?}", row.len());
                }
            }
        }
    }

    #[test]
    fn a_row_is_brought_whole_only_where_no_device_could_draw_of_it() {
        let brought = |settings: Sampling, row: &[f32]| {
            let (mut count, mut sampler) = (0, Sampler::new(settings).unwrap());
            (0..10).for_each(|_| assert!(told(&mut sampler, row, &[], &mut count).is_some()));
            count
        };
        let flat = vec![1.0; 1000];
        let steep: Vec<f32> = (0_u16..1000).map(|at| -f32::from(at) / 10.0).collect();
        let usual = Sampling::default();
        assert_eq!(brought(usual, &flat), 0);
        assert_eq!(brought(Sampling { top_k: 0, top_p: 1.0, min_p: 0.0, ..usual }, &flat), 0);
        assert_eq!(brought(Sampling { top_k: 0, min_p: 0.0, ..usual }, &steep), 0);
        assert_eq!(brought(Sampling { top_k: 128, ..usual }, &steep), 0);
        assert_eq!(brought(Sampling { top_k: 129, ..usual }, &steep), 10);
    }

    #[test]
    fn what_is_no_number_is_told_of() {
        for row in [[f32::NAN, 1.0], [f32::INFINITY, 1.0], [f32::NEG_INFINITY; 2]] {
            for need in [
                Need::Likeliest,
                Need::Lot(Lot { top_p: 0.9, ..Lot::among_all(1.0, 0.5) }),
                Need::Lot(Lot { top_k: 40, ..Lot::among_all(1.0, 0.5) }),
            ] {
                assert_eq!(Wish::plain(need).look(&mut row.to_vec()), Found::Damaged);
            }
            assert_eq!(Wish::plain(Need::Nothing).look(&mut row.to_vec()), Found::Nothing);
            assert_eq!(Wish::plain(Need::Whole).look(&mut row.to_vec()), Found::Whole);
        }
        let mut sampler = Sampler::new(Sampling::default()).unwrap();
        sampler.accept(9);
        let error = sampler.take(&Found::Damaged).unwrap_err();
        assert_eq!(error, SampleError::Damaged { position: 1, last: Some(9) });
    }
}
