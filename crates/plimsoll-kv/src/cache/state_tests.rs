use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Place { parent: usize, number: u128 },
    Put { which: usize, tier: usize },
    Drop { which: usize, tier: usize },
    Victim { tier: usize },
    Pin { which: usize },
    Unpin,
    Use { which: usize },
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0_usize..30, 1_u128..40).prop_map(|(parent, number)| Op::Place { parent, number }),
        3 => (0_usize..30, 0_usize..3).prop_map(|(which, tier)| Op::Put { which, tier }),
        2 => (0_usize..30, 0_usize..3).prop_map(|(which, tier)| Op::Drop { which, tier }),
        4 => (0_usize..3).prop_map(|tier| Op::Victim { tier }),
        2 => (0_usize..30).prop_map(|which| Op::Pin { which }),
        2 => Just(Op::Unpin),
        2 => (0_usize..30).prop_map(|which| Op::Use { which }),
    ]
}

fn put(state: &mut State<u64, u64>, node: NodeId, tier: Tier) {
    match tier {
        Tier::Hot => drop(state.put_hot(node, Arc::new(1), 10)),
        Tier::Warm => drop(state.put_warm(node, Arc::new(2), 5)),
        Tier::Cold => {
            if let Some(form) = NonZeroU32::new(1) {
                state.put_cold(node, ColdCopy { stored: 3, form, sections: None });
            }
        }
    }
}

proptest! {
    #[test]
    fn the_book_adds_up_whatever_is_done_to_it(ops in vec(op(), 1..150)) {
        let mut state: State<u64, u64> = State::new(64);
        let (mut pins, mut now) = (Vec::new(), 0.0);
        for op in ops {
            now += 0.5;
            let nodes: Vec<NodeId> = state.tree().iter().collect();
            let pick = |which: usize| (!nodes.is_empty()).then(|| nodes[which % nodes.len()]);
            match op {
                Op::Place { parent, number } => {
                    let above = if parent % 4 == 0 { None } else { pick(parent) };
                    let node = state.place(above, BlockId::new(number));
                    put(&mut state, node, Tier::Hot);
                    state.unpin(node);
                }
                Op::Put { which, tier } => if let Some(node) = pick(which) {
                    put(&mut state, node, Tier::ALL[tier]);
                },
                Op::Drop { which, tier } => if let Some(node) = pick(which) {
                    state.drop_copy(node, Tier::ALL[tier], [10, 5, 3][tier]).forget();
                },
                Op::Victim { tier } => if let Some(node) = state.victim(Tier::ALL[tier], now) {
                    prop_assert!(state.tree().is_leaf(node, Tier::ALL[tier]), "what is used, or is not a leaf, was chosen");
                    state.drop_copy(node, Tier::ALL[tier], [10, 5, 3][tier]).forget();
                },
                Op::Pin { which } => if let Some(node) = pick(which) {
                    state.pin(node);
                    pins.push(node);
                },
                Op::Unpin => if let Some(node) = pins.pop() {
                    state.unpin(node);
                },
                Op::Use { which } => if let Some(node) = pick(which) {
                    let id = state.tree().id(node);
                    let mut visit = state.visit(now, &[id], 1);
                    state.used(&mut visit, node);
                    state.cost(node, 0.25, 10);
                },
            }
            state.check();
        }
        // With nothing held, everything can go.
        pins.drain(..).for_each(|node| state.unpin(node));
        for tier in Tier::ALL {
            while let Some(node) = state.victim(tier, now) {
                state.drop_copy(node, tier, [10, 5, 3][tier as usize]).forget();
            }
        }
        prop_assert_eq!(state.tree().len(), 0);
        prop_assert_eq!(state.bytes, Tiers([0; 3]));
    }
}
