//! Failures on order: the n-th call, every n-th call, or by chance with a seed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A kind of call that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// `allocate`; fails as out of memory.
    Allocate,
    /// `reserve`; fails as out of memory.
    Reserve,
    /// `commit`; fails as out of memory.
    Commit,
    /// `decommit`; fails as refused by the system.
    Decommit,
    /// `copy`; fails as refused by the system, and moves nothing. So do the rest.
    Copy,
    /// `fill`.
    Fill,
    /// `upload`.
    Upload,
    /// `download`.
    Download,
    /// `sync`.
    Sync,
    /// Any operation of `kernels`.
    Kernel,
    /// `fence`.
    Fence,
    /// `stream`.
    Stream,
}

#[derive(Clone, Copy, Debug)]
enum When {
    /// At the call that counts down to zero.
    Nth(u64),
    /// At each `every`-th; `left` until the next.
    Every { every: u64, left: u64 },
    /// With this probability.
    Chance(f64),
}

#[derive(Debug)]
struct Plan {
    orders: Vec<(Call, When)>,
    random: u64,
}

/// The orders of one device.
#[derive(Debug)]
pub(super) struct Faults {
    /// Whether there are any orders: the only thing that a call on a healthy device looks at.
    armed: AtomicBool,
    plan: Mutex<Plan>,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self { armed: AtomicBool::new(false), plan: Mutex::new(Plan { orders: Vec::new(), random: seed }) }
    }

    pub(super) fn nth(&self, call: Call, n: u64) {
        self.order(call, When::Nth(n.max(1)));
    }

    pub(super) fn every(&self, call: Call, n: u64) {
        let every = n.max(1);
        self.order(call, When::Every { every, left: every });
    }

    pub(super) fn chance(&self, call: Call, probability: f64) {
        self.order(call, When::Chance(probability));
    }

    pub(super) fn clear(&self) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.orders.clear();
        self.armed.store(false, Ordering::Release);
    }

    /// Whether this call is to fail.
    pub(super) fn strikes(&self, call: Call) -> bool {
        self.armed.load(Ordering::Acquire) && self.strikes_armed(call)
    }

    fn order(&self, call: Call, when: When) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.orders.push((call, when));
        self.armed.store(true, Ordering::Release);
    }

    #[cold]
    fn strikes_armed(&self, call: Call) -> bool {
        let mut guard = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let Plan { orders, random } = &mut *guard;
        let mut struck = false;
        orders.retain_mut(|(of, when)| {
            if *of != call {
                return true;
            }
            match when {
                When::Nth(left) => {
                    *left -= 1;
                    struck |= *left == 0;
                    *left > 0
                }
                When::Every { every, left } => {
                    *left -= 1;
                    if *left == 0 {
                        struck = true;
                        *left = *every;
                    }
                    true
                }
                When::Chance(probability) => {
                    struck |= chance(random) < *probability;
                    true
                }
            }
        });
        if orders.is_empty() {
            self.armed.store(false, Ordering::Release);
        }
        struck
    }
}

/// The next number in `0.0..1.0` of a Weyl sequence with a mixed output: small, and the same everywhere.
#[expect(clippy::cast_precision_loss, reason = "53 bits are kept, as many as an f64 has")]
fn chance(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}
