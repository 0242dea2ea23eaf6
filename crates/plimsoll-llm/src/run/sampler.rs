//! Drawing the next token.
//!
//! The steps, in this order: the repetition penalty; with temperature 0 the likeliest token, and nothing else; then the `top_k`
//! likeliest; of those the fewest that together have a chance of `top_p`; of those the ones with at least `min_p` times
//! the chance of the first; then chances are sharpened or flattened by the temperature, and one is drawn. Chances in
//! `top_p` and `min_p` are those before the temperature, so a high temperature lets no unlikely token in.
//!
//! All logits need not be at hand: [`Sampler::wish`] says what of them is needed, and [`Sampler::take`] goes on with what was found. What is
//! drawn is the same.

use std::collections::VecDeque;

use plimsoll_kv::block::Token;

use plimsoll_tensor::flow::{Change, Lot, Lots};

use super::choice::{Candidate, Limits, fall, possible};
use super::draw::{are_sound, is_odd, likeliest, share};
use super::wish::{Found, Need, Wish, change};

/// How tokens are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// 0 takes the likeliest; 1 draws each as often as the model expects it; more is wilder.
    pub temperature: f32,
    /// So many of the likeliest; 0 is all.
    pub top_k: usize,
    /// The fewest of the likeliest that have this chance together; 1 is all.
    pub top_p: f32,
    /// Those with this share of the likeliest one's chance; 0 is all.
    pub min_p: f32,
    /// Tokens that are among the last ones become less likely: logits above zero are divided by this, others multiplied.
    /// 1 changes nothing.
    pub repeat_penalty: f32,
    /// How many last tokens those are, the prompt's included.
    pub repeat_window: usize,
    /// The same seed draws the same tokens on every machine whose logits are the same.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repeat_penalty: 1.0,
            repeat_window: 64,
            seed: 1,
        }
    }
}

impl Sampling {
    /// Always the likeliest.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }
}

/// Why no token was drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// A setting that means nothing.
    #[error("{name} is {found}, and {wanted} is needed")]
    Setting {
        /// Which.
        name: &'static str,
        /// What it is.
        found: f32,
        /// What it should be.
        wanted: &'static str,
    },
    /// Logits that are no numbers.
    #[error(
        "behind {position} tokens, the last of them {last:?}, {odd} of {vocabulary} logits are no numbers, the first for \
         token {first}; the weights are damaged, or overflow in this precision: check the file"
    )]
    Logits {
        /// How many tokens there were.
        position: usize,
        /// The last of them.
        last: Option<Token>,
        /// How many logits are no numbers, or infinitely great.
        odd: usize,
        /// The first of those.
        first: usize,
        /// How many there are in all.
        vocabulary: usize,
    },
    /// The same, of logits that were looked at where they are.
    #[error(
        "behind {position} tokens, the last of them {last:?}, logits are no numbers; the weights are damaged, or overflow in this \
         precision: check the file"
    )]
    Damaged {
        /// How many tokens there were.
        position: usize,
        /// The last of them.
        last: Option<Token>,
    },
}

/// Draws tokens one after another.
#[derive(Clone, Debug)]
pub struct Sampler {
    settings: Sampling,
    state: u64,
    recent: VecDeque<Token>,
    position: usize,
    last: Option<Token>,
    logits: Vec<f32>,
    candidates: Vec<Candidate>,
}

impl Sampler {
    /// Refuses settings that mean nothing.
    pub fn new(settings: Sampling) -> Result<Self, SampleError> {
        let Sampling { temperature, top_p, min_p, repeat_penalty, .. } = settings;
        let checks = [
            ("the temperature", temperature, (0.0..=f32::MAX).contains(&temperature), "a number from 0 on"),
            ("top-p", top_p, top_p > 0.0 && top_p <= 1.0, "a number above 0, up to 1"),
            ("min-p", min_p, (0.0..=1.0).contains(&min_p), "a number between 0 and 1"),
            (
                "the repetition penalty",
                repeat_penalty,
                repeat_penalty > 0.0 && repeat_penalty.is_finite(),
                "a number above 0",
            ),
        ];
        if let Some((name, found, _, wanted)) = checks.into_iter().find(|(_, _, good, _)| !good) {
            return Err(SampleError::Setting { name, found, wanted });
        }
        Ok(Self {
            settings,
            state: settings.seed,
            recent: VecDeque::new(),
            position: 0,
            last: None,
            logits: Vec::new(),
            candidates: Vec::new(),
        })
    }

    /// This token stands in the text: of the prompt, or drawn.
    pub fn accept(&mut self, token: Token) {
        self.position += 1;
        self.last = Some(token);
        if self.settings.repeat_window > 0 {
            if self.recent.len() == self.settings.repeat_window {
                self.recent.pop_front();
            }
            self.recent.push_back(token);
        }
    }

    /// Draws the token after those that were accepted. It is not accepted by that.
    pub fn draw(&mut self, logits: &[f32]) -> Result<Token, SampleError> {
        let changes = self.changes(Vec::new());
        if changes.is_empty() {
            return self.draw_changed(logits);
        }
        let mut own = std::mem::take(&mut self.logits);
        own.clear();
        own.extend_from_slice(logits);
        change(&mut own, &changes);
        let token = self.draw_changed(&own);
        self.logits = own;
        token
    }

    /// The same from logits that are [changed](Self::changes) already.
    pub fn draw_changed(&mut self, logits: &[f32]) -> Result<Token, SampleError> {
        if !are_sound(logits) {
            let count = logits.iter().filter(|logit| is_odd(**logit)).count();
            return Err(SampleError::Logits {
                position: self.position,
                last: self.last,
                // Without one of them all are minus infinity.
                odd: if count == 0 { logits.len() } else { count },
                first: logits.iter().position(|logit| is_odd(*logit)).unwrap_or(0),
                vocabulary: logits.len(),
            });
        }
        if self.settings.temperature == 0.0 {
            return Ok(Token::try_from(likeliest(logits)).unwrap_or(0));
        }
        self.candidates.clear();
        self.candidates.extend(possible(logits));
        let Sampling { temperature, top_k, top_p, min_p, .. } = self.settings;
        let limits = Limits { top_k, top_p: top_p.into(), least: least(min_p) };
        limits.leave(&mut self.candidates);
        Ok(fall(&self.candidates, share(&mut self.state), temperature.into()))
    }

    /// What it needs of the logits behind the tokens that were accepted, of which others are changed as `weights` say before.
    pub fn wish(&self, weights: Vec<Change>) -> Wish {
        let need = self.need();
        let changes = if need == Need::Whole { Vec::new() } else { self.changes(weights) };
        Wish { need, changes }
    }

    fn need(&self) -> Need {
        let Sampling { temperature, top_k, top_p, min_p, .. } = self.settings;
        let mut state = self.state;
        match top_k {
            _ if temperature == 0.0 => Need::Likeliest,
            ..=Lots::MOST => Need::Lot(Lot {
                temperature: temperature.into(),
                // The lot that is drawn next.
                share: share(&mut state),
                top_k,
                top_p: top_p.into(),
                least: least(min_p),
            }),
            _ => Need::Whole,
        }
    }

    /// How logits are changed before it draws from them: as `weights` say, which name no token twice, and by the repetition penalty.
    pub fn changes(&self, mut weights: Vec<Change>) -> Vec<Change> {
        let penalty = self.settings.repeat_penalty;
        if penalty.to_bits() == 1_f32.to_bits() {
            return weights;
        }
        weights.sort_unstable_by_key(|change| change.token);
        let mut seen: Vec<Token> = self.recent.iter().copied().collect();
        seen.sort_unstable();
        seen.dedup();
        let weighed = weights.len();
        for token in seen {
            match weights[..weighed].binary_search_by_key(&token, |change| change.token) {
                Ok(at) => weights[at].penalty = penalty,
                Err(_) => weights.push(Change { penalty, ..Change::none(token) }),
            }
        }
        weights
    }

    /// Draws from what was found behind the tokens that were accepted, as it [wished](Self::wish); none where that is not enough, and the
    /// row has to be looked at whole. What it draws then is the same lot's.
    pub fn take(&mut self, found: &Found) -> Result<Option<Token>, SampleError> {
        match found {
            Found::Nothing | Found::Missed | Found::Whole => Ok(None),
            Found::Damaged => Err(SampleError::Damaged { position: self.position, last: self.last }),
            Found::Token(token) => {
                if self.settings.temperature > 0.0 {
                    share(&mut self.state);
                }
                Ok(Some(*token))
            }
        }
    }

    /// The same, from `row` where what was found is not enough: changed as it wished, or, where that says that logits are as they came, by
    /// all but its own penalty.
    pub fn hear<R: AsRef<[f32]>, E: From<SampleError>>(
        &mut self,
        found: &Found,
        row: impl FnOnce() -> Result<R, E>,
    ) -> Result<Token, E> {
        if let Some(token) = self.take(found)? {
            return Ok(token);
        }
        let row = row()?;
        let drawn = match found {
            Found::Whole => self.draw(row.as_ref()),
            _ => self.draw_changed(row.as_ref()),
        };
        Ok(drawn?)
    }
}

/// How far a logit may lie below the greatest.
fn least(min_p: f32) -> f32 {
    if min_p > 0.0 { min_p.ln() } else { f32::NEG_INFINITY }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};

    use super::*;

    /// Which tokens may be drawn, done with everything sorted.
    fn allowed(logits: &[f32], settings: &Sampling) -> Vec<Token> {
        let mut all: Vec<(f32, Token)> = logits.iter().copied().zip(0..).collect();
        all.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(&other.1)));
        if settings.top_k > 0 {
            all.truncate(settings.top_k);
        }
        let first = f64::from(all[0].0);
        let chances: Vec<f64> = all.iter().map(|one| (f64::from(one.0) - first).exp()).collect();
        let (whole, mut sum, mut kept) = (chances.iter().sum::<f64>(), 0.0, Vec::new());
        for ((_, token), chance) in all.iter().zip(&chances) {
            if settings.top_p < 1.0 && sum >= whole * f64::from(settings.top_p) {
                break;
            }
            sum += chance;
            // Just below the edge rounding decides.
            if *chance >= f64::from(settings.min_p) * 0.9999 {
                kept.push(*token);
            }
        }
        kept
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn only_what_the_settings_leave_is_drawn(
            logits in proptest::collection::vec(-9.0_f32..9.0, 1..300),
            top_k in 0_usize..90, top_p in 0.05_f32..1.3, min_p in 0.0_f32..0.5, seed in 0_u64..1000,
        ) {
            let settings =
                Sampling { top_k, top_p: top_p.min(1.0), min_p, seed, temperature: 1.5, ..Sampling::default() };
            let allowed = allowed(&logits, &settings);
            let mut sampler = Sampler::new(settings).unwrap();
            let mut again = sampler.clone();
            for _ in 0..20 {
                let token = sampler.draw(&logits).unwrap();
                prop_assert!(allowed.contains(&token), "{} is not among {:?}", token, allowed);
                prop_assert_eq!(again.draw(&logits).unwrap(), token);
            }
        }
    }

    #[test]
    fn tokens_are_drawn_as_often_as_the_temperature_says() {
        let logits = [0.0, 3_f32.ln(), f32::NEG_INFINITY, 0.0];
        let counts = |temperature| {
            let settings = Sampling { temperature, top_k: 0, top_p: 1.0, min_p: 0.0, ..Sampling::default() };
            let (mut sampler, mut counts) = (Sampler::new(settings).unwrap(), [0_u32; 4]);
            for _ in 0..10_000 {
                counts[sampler.draw(&logits).unwrap() as usize] += 1;
            }
            counts
        };
        let [one, three, never, _] = counts(1.0);
        assert!(never == 0 && (5700..6300).contains(&three) && (1800..2200).contains(&one));
        // Halved, the temperature squares the ratio: nine of eleven.
        assert!((7900..8500).contains(&counts(0.5)[1]));
        assert_eq!(Sampler::new(Sampling::greedy()).unwrap().draw(&logits).unwrap(), 1);
    }

    #[test]
    fn what_stood_there_lately_is_less_likely() {
        let settings = Sampling { repeat_penalty: 2.0, repeat_window: 2, ..Sampling::greedy() };
        let mut sampler = Sampler::new(settings).unwrap();
        let logits = [3.0, 2.9, -1.0];
        assert_eq!(sampler.draw(&logits).unwrap(), 0);
        sampler.accept(0);
        assert_eq!(sampler.draw(&logits).unwrap(), 1);
        sampler.accept(1);
        assert_eq!(sampler.draw(&logits).unwrap(), 0);
        // Two tokens later it is forgotten.
        sampler.accept(2);
        sampler.accept(2);
        assert_eq!(sampler.draw(&logits).unwrap(), 0);
        let negative = [-1.0, -1.5, -4.0];
        sampler.accept(0);
        assert_eq!(sampler.draw(&negative).unwrap(), 1);
    }

    #[test]
    fn logits_that_are_no_numbers_are_an_error_with_the_facts() {
        let mut sampler = Sampler::new(Sampling::default()).unwrap();
        sampler.accept(7);
        sampler.accept(9);
        let error = sampler.draw(&[0.0, f32::NAN, 1.0, f32::NAN]).unwrap_err();
        let facts = SampleError::Logits { position: 2, last: Some(9), odd: 2, first: 1, vocabulary: 4 };
        assert_eq!(error, facts);
        assert!(error.to_string().contains("behind 2 tokens"));
        assert!(sampler.draw(&[f32::INFINITY, 0.0]).is_err());
        assert!(sampler.draw(&[f32::NEG_INFINITY; 3]).is_err() && sampler.draw(&[]).is_err());
        assert_eq!(sampler.draw(&[f32::NEG_INFINITY, 0.0]).unwrap(), 1);
    }

    #[test]
    fn settings_that_mean_nothing_are_refused() {
        let usual = Sampling::default();
        for (settings, names) in [
            (Sampling { temperature: -1.0, ..usual }, "temperature"),
            (Sampling { temperature: f32::NAN, ..usual }, "temperature"),
            (Sampling { top_p: 0.0, ..usual }, "top-p"),
            (Sampling { min_p: 1.5, ..usual }, "min-p"),
            (Sampling { repeat_penalty: 0.0, ..usual }, "penalty"),
        ] {
            let message = Sampler::new(settings).unwrap_err().to_string();
            assert!(message.contains(names), "{message}");
        }
    }
}
