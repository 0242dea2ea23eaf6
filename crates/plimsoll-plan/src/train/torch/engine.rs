//! The backward pass: nodes in the order in which `PyTorch`'s engine takes them, each with the gradients it gives.

use std::collections::{BinaryHeap, HashMap};
use std::rc::Rc;

use super::graph::{Edge, Given, Leaf, Node, Saved, Target};
use super::{Kind, Phase, Tensor, Torch};

/// What the engine knows of a node that has not run.
struct Waiting {
    node: Rc<Node>,
    /// How many nodes that give to it have not run.
    givers: usize,
    gradients: Vec<Option<Tensor>>,
}

/// The backward pass from one tensor.
pub(super) fn backward(torch: &Torch, root: Tensor) {
    torch.memory.enter(Phase::Backward);
    let Some(Edge { target: Target::Node(first), slot }) = root.edge.clone() else { return };
    let (mut waiting, mut leaves) = (HashMap::new(), HashMap::new());
    survey(&first, &mut waiting, &mut leaves);
    let seed = torch.fresh(root.count, root.dtype);
    drop(root);
    if let Some(entry) = waiting.get_mut(&first.number) {
        entry.gradients[slot] = Some(seed);
    }
    let mut ready = BinaryHeap::from([first.number]);
    drop(first);
    while let Some(number) = ready.pop() {
        let Some(Waiting { node, gradients, .. }) = waiting.remove(&number) else { continue };
        let inputs = node.inputs.take();
        let given = run(torch, &node, &inputs, gradients);
        drop(node);
        for ((edge, _), gradient) in inputs.into_iter().zip(given) {
            match edge.target {
                Target::Leaf(leaf) => arrive(torch, &leaf, gradient, &mut leaves),
                Target::Node(next) => {
                    let Some(entry) = waiting.get_mut(&next.number) else { continue };
                    if let Some(gradient) = gradient {
                        collect(torch, &mut entry.gradients[edge.slot], gradient);
                    }
                    entry.givers -= 1;
                    if entry.givers == 0 {
                        ready.push(next.number);
                    }
                }
            }
        }
    }
}

/// What a parameter has been given, and from how many more it will be.
type Leaves = HashMap<*const Leaf, (usize, Option<Tensor>)>;

/// A parameter that is used twice, as a tied embedding is, gets one gradient when both are there, and until then the
/// first waits. Their sum is a third tensor.
fn arrive(torch: &Torch, leaf: &Rc<Leaf>, gradient: Option<Tensor>, leaves: &mut Leaves) {
    let Some((givers, sum)) = leaves.get_mut(&Rc::as_ptr(leaf)) else { return };
    *givers -= 1;
    *sum = match (sum.take(), gradient) {
        (Some(_old), Some(new)) => Some(torch.fresh(new.count, new.dtype)),
        (old, new) => old.or(new),
    };
    if *givers == 0
        && let Some(sum) = sum.take()
    {
        leaf.accumulate(sum);
    }
}

/// Finds every node and every parameter, and how many give to each.
fn survey(first: &Rc<Node>, waiting: &mut HashMap<u64, Waiting>, leaves: &mut Leaves) {
    let mut stack = vec![Rc::clone(first)];
    waiting.insert(first.number, entry(first));
    while let Some(node) = stack.pop() {
        for (edge, _) in node.inputs.borrow().iter() {
            let next = match &edge.target {
                Target::Node(next) => next,
                Target::Leaf(leaf) => {
                    leaves.entry(Rc::as_ptr(leaf)).or_default().0 += 1;
                    continue;
                }
            };
            let known = waiting.entry(next.number).or_insert_with(|| {
                stack.push(Rc::clone(next));
                entry(next)
            });
            known.givers += 1;
        }
    }
}

fn entry(node: &Rc<Node>) -> Waiting {
    Waiting { node: Rc::clone(node), givers: 0, gradients: vec![None; node.outputs] }
}

/// One node: what it saved comes back, its gradients are computed, and then what it saved and was given is let go.
fn run(
    torch: &Torch,
    node: &Node,
    inputs: &[(Edge, Given)],
    gradients: Vec<Option<Tensor>>,
) -> Vec<Option<Tensor>> {
    if gradients.iter().all(Option::is_none) {
        node.saved.take();
        return vec![None; inputs.len()];
    }
    let mut saved = Vec::new();
    for each in node.saved.take() {
        if let Saved::Hidden(frame, number) = &each {
            saved.extend(frame.unhide(torch, *number));
        }
        saved.push(each);
    }
    let scratch: Vec<_> =
        node.scratch.iter().map(|bytes| torch.memory.allocate(*bytes, Kind::Temporary)).collect();
    let give = |(_, given): &(Edge, Given)| match *given {
        Given::Same(slot) => gradients.get(slot).cloned().flatten(),
        Given::Piece(count) => gradients.first().cloned().flatten().map(|whole| Tensor { count, ..whole }),
        Given::Fresh(count, dtype) => Some(torch.fresh(count, dtype)),
    };
    let given = inputs.iter().map(give).collect();
    drop(scratch);
    drop(gradients);
    given
}

/// Adds a gradient to what an output has: in place where nobody else holds either.
fn collect(torch: &Torch, slot: &mut Option<Tensor>, gradient: Tensor) {
    let alone = |tensor: &Tensor| Rc::strong_count(&tensor.storage) == 1;
    *slot = Some(match slot.take() {
        None => gradient,
        Some(old) if alone(&old) => old,
        Some(_) if alone(&gradient) => gradient,
        Some(old) => torch.fresh(old.count, old.dtype),
    });
}
