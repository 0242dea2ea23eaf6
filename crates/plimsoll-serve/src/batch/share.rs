//! Who gets how many tokens of a step. Pure.

use std::time::Duration;

/// A step with sequences that write takes about so long at most, so that reading a long prompt does not hold them up.
const STEP_AIM: Duration = Duration::from_millis(100);
/// A prompt always gets this far, however slow the machine is.
const PROMPT_LEAST: usize = 16;

/// What a sequence waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Tokens that are to be computed before it can write on: one for a text that is being written.
    pub left: usize,
    /// Whether it has written already.
    pub writes: bool,
}

/// Gives out the tokens of steps: one to each sequence that writes, what is left to prompts, the oldest first. How much that
/// may be is learnt from how long steps took.
#[derive(Clone, Debug)]
pub struct Shares {
    /// Tokens of a step at most.
    most: usize,
    /// Seconds that a token of a prompt takes, as far as is known.
    token_seconds: f64,
    /// Whether a step takes about as long whatever it has.
    even: bool,
}

impl Shares {
    /// Of steps that have so many tokens at most: what is computed in one pass over the weights. `even`: whether one takes about as long
    /// whatever it has, as [`Engine::is_even`](crate::engine::Engine::is_even) says.
    pub const fn new(most: usize, even: bool) -> Self {
        Self { most, token_seconds: 0.0, even }
    }

    /// How many tokens each gets, in the same order.
    pub fn of(&self, wants: &[Share]) -> Vec<usize> {
        let writing = wants.iter().filter(|want| want.writes && want.left > 0).count();
        let mut room = self.most.saturating_sub(writing);
        // Where steps are even fewer tokens would make none shorter, and each of them the dearer.
        if writing > 0 && self.token_seconds > 0.0 && !self.even {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a count, cut to the step's"
            )]
            let aim = (STEP_AIM.as_secs_f64() / self.token_seconds).min(1e6) as usize;
            room = room.min(aim.saturating_sub(writing));
        }
        room = room.max(PROMPT_LEAST);
        let mut shares = Vec::with_capacity(wants.len());
        for want in wants {
            shares.push(if want.writes {
                want.left.min(1)
            } else {
                let now = want.left.min(room);
                room -= now;
                now
            });
        }
        shares
    }

    /// A step of so many tokens took so long.
    pub fn took(&mut self, tokens: usize, time: Duration) {
        // Steps of few tokens say what reading the weights takes, and not what one more token does.
        if tokens < PROMPT_LEAST {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "at most some hundreds")]
        let each = time.as_secs_f64() / tokens as f64;
        self.token_seconds =
            if self.token_seconds > 0.0 { 0.7 * self.token_seconds + 0.3 * each } else { each };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn prompt(left: usize) -> Share {
        Share { left, writes: false }
    }
    const WRITES: Share = Share { left: 1, writes: true };

    #[test]
    fn who_writes_always_gets_a_token_and_prompts_share_the_rest_in_order() {
        let shares = Shares::new(256, false);
        assert_eq!(shares.of(&[prompt(1000), WRITES, prompt(10), WRITES]), [254, 1, 0, 1]);
        assert_eq!(shares.of(&[prompt(100), prompt(100), prompt(100)]), [100, 100, 56]);
        assert_eq!(shares.of(&[]), Vec::<usize>::new());
        let many = vec![WRITES; 300];
        assert_eq!(shares.of(&many).iter().sum::<usize>(), 300);
        assert_eq!(
            Shares::new(512, false).of(&[prompt(1000), WRITES]),
            [511, 1],
            "as much as an engine computes at once"
        );
    }

    #[test]
    fn where_weights_come_a_pass_is_full() {
        let mut shares = Shares::new(2048, true);
        shares.took(2048, Duration::from_secs(1));
        assert_eq!(shares.of(&[WRITES, prompt(5000)]), [1, 2047]);
    }

    #[test]
    fn a_slow_machine_reads_prompts_in_small_parts_while_others_write() {
        let mut shares = Shares::new(256, false);
        shares.took(256, Duration::from_secs(1));
        let given = shares.of(&[WRITES, prompt(1000)]);
        assert!(given[1] >= PROMPT_LEAST && given[1] < 40, "{given:?}");
        assert_eq!(shares.of(&[prompt(1000)]), [256], "alone it may have all");
        shares.took(1, Duration::from_secs(9));
        assert_eq!(shares.of(&[WRITES, prompt(1000)]), given, "one token says nothing");
    }
}
