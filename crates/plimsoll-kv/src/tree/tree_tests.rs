#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic says what went wrong")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::tree::Tier;

fn id(number: u64) -> BlockId {
    BlockId::new(u128::from(number) << 64 | u128::from(number.wrapping_mul(0x9e37_79b9)))
}

fn chain(tree: &mut Tree<u32>, ids: &[BlockId]) -> Vec<NodeId> {
    let mut nodes = Vec::new();
    for (at, &id) in ids.iter().enumerate() {
        let node = tree.insert(nodes.last().copied(), id, || u32::try_from(at).unwrap());
        tree.set_copy(node, Tier::Warm, true, |_, _| panic!("nothing leaves"));
        nodes.push(node);
    }
    nodes
}

#[test]
fn the_longest_prefix_of_every_length_is_found() {
    let ids: Vec<BlockId> = (1..=70).map(id).collect();
    for stored in 0..=ids.len() {
        let mut tree = Tree::<u32>::new();
        let nodes = chain(&mut tree, &ids[..stored]);
        for asked in 0..=ids.len() {
            let expected = stored.min(asked).checked_sub(1).map(|last| (last + 1, nodes[last]));
            assert_eq!(tree.longest(&ids[..asked]), expected, "{stored} stored, {asked} asked");
        }
    }
}

#[test]
fn a_hollow_ends_the_prefix_and_leaves_with_what_comes_after() {
    let ids: Vec<BlockId> = (1..=5).map(id).collect();
    let mut tree = Tree::<u32>::new();
    let nodes = chain(&mut tree, &ids);
    tree.set_copy(nodes[2], Tier::Warm, false, |_, _| panic!("others come after it"));
    assert_eq!(tree.longest(&ids), Some((2, nodes[1])));
    assert_eq!((tree.len(), tree.hollows()), (5, 1));
    let mut gone = Vec::new();
    tree.set_copy(nodes[4], Tier::Warm, false, |id, _| gone.push(id));
    tree.set_copy(nodes[3], Tier::Warm, false, |id, _| gone.push(id));
    assert_eq!(gone, [ids[4], ids[3], ids[2]]);
    assert_eq!((tree.len(), tree.hollows()), (2, 0));
}

#[test]
fn a_pin_holds_a_block_that_has_no_copy() {
    let mut tree = Tree::<u32>::new();
    let node = chain(&mut tree, &[id(1)])[0];
    tree.pin(node);
    assert!(!tree.is_leaf(node, Tier::Warm));
    tree.set_copy(node, Tier::Warm, false, |_, _| panic!("it is pinned"));
    let mut gone = 0;
    tree.unpin(node, |_, _| gone += 1);
    assert_eq!((gone, tree.len()), (1, 0));
}

#[test]
fn a_block_takes_little_of_the_index() {
    let mut tree = Tree::<[u64; 6]>::new();
    let mut last = None;
    for number in 0..100_000 {
        let node = tree.insert(last, id(number), || [0; 6]);
        tree.set_copy(node, Tier::Cold, true, |_, _| {});
        last = Some(node);
    }
    // What vectors keep in reserve when they double is theirs, and is not counted against a block here.
    assert!(size_of::<Node<[u64; 6]>>() <= 100, "{}", size_of::<Node<[u64; 6]>>());
}

#[derive(Clone, Debug)]
enum Op {
    Insert { parent: usize, number: u64 },
    Copy { which: usize, tier: usize, there: bool },
    Pin { which: usize },
    Unpin { which: usize },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0_usize..40, 0_u64..60).prop_map(|(parent, number)| Op::Insert { parent, number }),
        4 => (0_usize..40, 0_usize..3, any::<bool>()).prop_map(|(which, tier, there)| Op::Copy { which, tier, there }),
        1 => (0_usize..40).prop_map(|which| Op::Pin { which }),
        2 => (0_usize..40).prop_map(|which| Op::Unpin { which }),
    ]
}

#[derive(Default)]
struct Naive {
    parent: BTreeMap<u128, Option<u128>>,
    copies: BTreeMap<u128, BTreeSet<Tier>>,
    pins: BTreeMap<u128, u32>,
}

impl Naive {
    /// Takes out all that nothing holds.
    fn settle(&mut self) {
        loop {
            let held = |id: &u128| {
                self.copies.get(id).is_some_and(|tiers| !tiers.is_empty())
                    || self.pins.get(id).is_some_and(|&pins| pins > 0)
                    || self.parent.values().any(|parent| *parent == Some(*id))
            };
            let gone: Vec<u128> = self.parent.keys().copied().filter(|id| !held(id)).collect();
            if gone.is_empty() {
                return;
            }
            for id in gone {
                self.parent.remove(&id);
                self.copies.remove(&id);
                self.pins.remove(&id);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_tree_is_the_map_that_it_stands_for(ops in vec(op(), 1..120)) {
        let mut tree = Tree::<u32>::new();
        let mut naive = Naive::default();
        for op in ops {
            let ids: Vec<u128> = naive.parent.keys().copied().collect();
            let pick = |which: usize| (!ids.is_empty()).then(|| ids[which % ids.len()]);
            match op {
                Op::Insert { parent, number } => {
                    let fresh = id(number);
                    if naive.parent.contains_key(&fresh.get()) {
                        continue;
                    }
                    let above = if parent % 5 == 0 { None } else { pick(parent) };
                    let node = tree.insert(above.map(|id| tree.find(BlockId::new(id)).unwrap()), fresh, || 0);
                    tree.set_copy(node, Tier::Hot, true, |_, _| {});
                    naive.parent.insert(fresh.get(), above);
                    naive.copies.insert(fresh.get(), BTreeSet::from([Tier::Hot]));
                }
                Op::Copy { which, tier, there } => {
                    let Some(id) = pick(which) else { continue };
                    let (node, tier) = (tree.find(BlockId::new(id)).unwrap(), Tier::ALL[tier]);
                    tree.set_copy(node, tier, there, |_, _| {});
                    let tiers = naive.copies.entry(id).or_default();
                    if there { tiers.insert(tier); } else { tiers.remove(&tier); }
                }
                Op::Pin { which } => {
                    let Some(id) = pick(which) else { continue };
                    tree.pin(tree.find(BlockId::new(id)).unwrap());
                    *naive.pins.entry(id).or_default() += 1;
                }
                Op::Unpin { which } => {
                    let Some(id) = pick(which) else { continue };
                    if naive.pins.get(&id).copied().unwrap_or(0) > 0 {
                        tree.unpin(tree.find(BlockId::new(id)).unwrap(), |_, _| {});
                        *naive.pins.entry(id).or_default() -= 1;
                    }
                }
            }
            naive.settle();
            prop_assert_eq!(tree.len(), naive.parent.len());
            let mut hollows = 0;
            for (&id, &parent) in &naive.parent {
                let node = tree.find(BlockId::new(id)).expect("it is stored");
                prop_assert_eq!(tree.parent(node).map(|node| tree.id(node).get()), parent);
                let tiers = naive.copies.get(&id).cloned().unwrap_or_default();
                hollows += usize::from(tiers.is_empty());
                for tier in Tier::ALL {
                    let kid = |child: &u128| naive.copies.get(child).is_some_and(|tiers| tiers.contains(&tier));
                    let kids = naive.parent.iter().any(|(child, above)| *above == Some(id) && kid(child));
                    let pinned = naive.pins.get(&id).is_some_and(|&pins| pins > 0);
                    prop_assert_eq!(tree.is_leaf(node, tier), tiers.contains(&tier) && !kids && !pinned);
                }
            }
            prop_assert_eq!(tree.hollows(), hollows);
        }
    }
}
