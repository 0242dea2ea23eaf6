//! The judge learns, hints lower and never forbid, and the queue finds the least.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll_kv::policy::{Facts, Hint, Judge, Queue};
use proptest::prelude::*;

/// Prompts of 4 blocks come back after a minute, prompts of 64 never do.
fn taught() -> Judge {
    let mut judge = Judge::new(0);
    let mut again = Vec::new();
    for round in 0..200_u32 {
        let now = f64::from(round) * 60.0;
        let mut visit = judge.visit(now, 4, again.len());
        for (key, facts) in &mut again {
            judge.used(&mut visit, *key, true, facts);
        }
        again = Vec::new();
        let mut visit = judge.visit(now, 4, 0);
        for block in 0..4 {
            let (key, mut facts) = (u64::from(round) * 1000 + block, Facts::new(1.0));
            judge.used(&mut visit, key, true, &mut facts);
            again.push((key, facts));
        }
        let mut visit = judge.visit(now, 64, 0);
        for block in 0..64 {
            judge.used(&mut visit, u64::from(round) * 1000 + 500 + block, true, &mut Facts::new(1.0));
        }
    }
    judge
}

fn used(judge: &mut Judge, blocks: usize, whole: bool) -> Facts {
    let mut facts = Facts::new(1.0);
    let mut visit = judge.visit(12_000.0, blocks, 0);
    judge.used(&mut visit, 7, whole, &mut facts);
    facts
}

#[test]
fn what_comes_back_is_worth_more_than_what_never_does() {
    let mut judge = taught();
    let (short, long) = (used(&mut judge, 4, true), used(&mut judge, 64, true));
    let (short, long) = (judge.value(&short, 12_010.0), judge.value(&long, 12_010.0));
    assert!(short > 10.0 * long, "{short} and {long}");
}

#[test]
fn value_rises_with_the_price_and_falls_with_age() {
    let mut judge = taught();
    let facts = used(&mut judge, 4, true);
    let value = |facts: &Facts, now_s| judge.value(facts, now_s);
    assert!((value(&facts.priced(3.0), 12_010.0) / value(&facts, 12_010.0) - 3.0).abs() < 1e-6);
    assert!(value(&facts, 12_010.0) > 3.0 * value(&facts, 20_000.0));
}

#[test]
fn hints_change_what_a_block_is_worth_and_forbid_nothing() {
    let mut judge = taught();
    let facts = used(&mut judge, 4, true);
    let plain = judge.value(&facts, 12_010.0);
    let hinted = |hint| judge.value(&facts.hinted(hint), 12_010.0);
    for hint in [Hint::TurnEnded, Hint::SubagentFinished, Hint::TimeToLive(Duration::from_secs(2))] {
        assert!(hinted(hint) < plain && hinted(hint) > 0.0, "{hint:?}");
    }
    assert!((hinted(Hint::TimeToLive(Duration::from_mins(10))) - plain).abs() < f64::EPSILON);
    assert!(hinted(Hint::Pin) > plain);
    let mut queue = Queue::new();
    queue.insert(3, &facts.hinted(Hint::Pin));
    assert_eq!(queue.least(12_010.0, &judge, |_| facts.hinted(Hint::Pin)), Some(3));
}

#[test]
fn what_is_gone_is_remembered_from_its_deepest_block_up() {
    let mut judge = Judge::new(0);
    let mut visit = judge.visit(0.0, 100, 0);
    let mut all: Vec<Facts> = vec![Facts::new(1.0); 100];
    for (key, facts) in (1..).zip(&mut all) {
        judge.used(&mut visit, key, true, facts);
    }
    for (key, facts) in (1..).zip(&all).skip(40) {
        judge.forgotten(key, facts);
    }
    let mut told = Vec::new();
    let known = judge.recall(41..=120, |facts| told.push(facts));
    assert_eq!(told.len(), 80);
    assert!((45..=60).contains(&known), "{known}");
    assert!(told.iter().rev().take(known).all(|facts| facts.is_some_and(|facts| facts.uses() == 1)));
    assert_eq!(judge.recall(41..=120, |_| ()), 0);
}

proptest! {
    #[test]
    fn the_least_of_one_class_is_the_oldest(steps in prop::collection::vec((0_u32..24, 0_u8..3), 1..200)) {
        let mut judge = Judge::new(0);
        let mut queue = Queue::new();
        let mut facts = vec![Facts::new(1.0); 24];
        let mut model: BTreeMap<u32, usize> = BTreeMap::new();
        for (at, (node, step)) in steps.into_iter().enumerate() {
            let now_s = 10.0 * f64::from(u32::try_from(at).unwrap());
            if step < 2 {
                let mut fresh = Facts::new(1.0);
                let mut visit = judge.visit(now_s, 8, 0);
                judge.used(&mut visit, 1000 + at as u64, true, &mut fresh);
                facts[node as usize] = fresh;
                queue.insert(node, &fresh);
                model.insert(node, at);
            } else {
                prop_assert_eq!(queue.remove(node), model.remove(&node).is_some());
            }
            prop_assert_eq!(queue.len(), model.len());
            let oldest = model.iter().min_by_key(|(_, at)| **at).map(|(node, _)| *node);
            prop_assert_eq!(queue.least(now_s, &judge, |node| facts[node as usize]), oldest);
            prop_assert!((0..24).all(|node| queue.contains(node) == model.contains_key(&node)));
        }
    }
}
