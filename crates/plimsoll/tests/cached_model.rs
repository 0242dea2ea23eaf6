//! A cache over a ledger that is too small, against a plain map: what is found is what was last put, what is held
//! stays as it was, and the ledger shows exactly what exists.

mod holdings_support;

use std::collections::HashMap;
use std::time::Duration;

use holdings_support::Yard;
use plimsoll::holding::cached::{Cached, CachedError, Hit};
use plimsoll::{Bytes, Place};
use proptest::prelude::*;

const LINE: u64 = 1_000;

#[derive(Clone, Debug)]
enum Op {
    Insert {
        key: u8,
        bytes: u16,
        cost: u8,
    },
    Get {
        key: u8,
    },
    Compute {
        key: u8,
        bytes: u16,
        fails: bool,
    },
    Drop {
        nth: usize,
    },
    Remove {
        key: u8,
    },
    Evict {
        bytes: u16,
    },
    Clear,
    /// Somebody else takes and returns memory of the same account.
    Press {
        bytes: u16,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let (key, bytes) = (0_u8..10, 0_u16..600);
    prop_oneof![
        4 => (key.clone(), bytes.clone(), any::<u8>()).prop_map(|(key, bytes, cost)| Op::Insert { key, bytes, cost }),
        4 => key.clone().prop_map(|key| Op::Get { key }),
        4 => (key.clone(), bytes.clone(), any::<bool>())
            .prop_map(|(key, bytes, fails)| Op::Compute { key, bytes, fails }),
        8 => any::<usize>().prop_map(|nth| Op::Drop { nth }),
        1 => key.prop_map(|key| Op::Remove { key }),
        1 => bytes.clone().prop_map(|bytes| Op::Evict { bytes }),
        1 => Just(Op::Clear),
        2 => bytes.prop_map(|bytes| Op::Press { bytes }),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_map(ops in proptest::collection::vec(op(), 1..120)) {
        let yard = Yard::of(Bytes::new(LINE));
        let account = yard.governor.account("work").expect("declared");
        let cache: Cached<u8, u64> = Cached::open(&yard.work(), "cache");
        // What each key must lead to, if it leads to anything.
        let mut model: HashMap<u8, u64> = HashMap::new();
        let mut held: Vec<(Hit<u64>, u64)> = Vec::new();
        for (stamp, op) in (0_u64..).zip(ops) {
            match op {
                Op::Insert { key, bytes, cost } => {
                    let made = cache.insert(key, stamp, Bytes::new(bytes.into()), Duration::from_millis(cost.into()));
                    match made {
                        Ok(hit) => {
                            model.insert(key, stamp);
                            held.push((hit, stamp));
                        }
                        Err(CachedError::Refused { value, .. }) => prop_assert_eq!(value, Some(stamp)),
                        Err(error) => prop_assert!(false, "{}", error),
                    }
                }
                Op::Get { key } => {
                    if let Some(hit) = cache.get(&key) {
                        prop_assert_eq!(Some(&*hit), model.get(&key));
                        let stamp = *hit;
                        held.push((hit, stamp));
                    }
                }
                Op::Compute { key, bytes, fails } => {
                    let before = cache.get(&key).map(|hit| *hit);
                    let bytes = Bytes::new(bytes.into());
                    let made = cache.try_get_or_insert_sized(&key, bytes, || if fails { Err(()) } else { Ok(stamp) });
                    if let Ok(hit) = made {
                        prop_assert_eq!(*hit, before.unwrap_or(stamp));
                        model.insert(key, *hit);
                        let stamp = *hit;
                        held.push((hit, stamp));
                    } else {
                        prop_assert!(before.is_none(), "what is there needs no computing");
                    }
                }
                Op::Drop { nth } if !held.is_empty() => drop(held.swap_remove(nth % held.len())),
                Op::Drop { .. } => {}
                Op::Remove { key } => {
                    cache.remove(&key);
                    prop_assert!(cache.get(&key).is_none());
                }
                Op::Evict { bytes } => drop(cache.evict(Bytes::new(bytes.into()))),
                Op::Clear => cache.clear(),
                Op::Press { bytes } => drop(account.reserve(Place::Host, Bytes::new(bytes.into())).now()),
            }
            prop_assert!(held.iter().all(|(hit, stamp)| **hit == *stamp));
            let stats = cache.stats();
            prop_assert_eq!(stats.bytes, yard.charged("work"));
            prop_assert!(stats.bytes <= Bytes::new(LINE) && stats.pinned <= stats.bytes);
        }
        let in_use = cache.stats().pinned;
        drop(cache);
        prop_assert_eq!(yard.charged("work"), in_use);
        held.clear();
        yard.balances_to_zero(&["work"]);
    }
}
