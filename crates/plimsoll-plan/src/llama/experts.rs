//! What follows attention: one feed-forward part for all tokens, or many of which each token takes some.

use super::graph::{Graph, Id};
use super::net::{Net, flat};
use super::style::{Act, Shared};
use crate::model::{Experts, Ffn, TensorType};

/// The names of a feed-forward part's matrices.
#[derive(Clone, Copy, Debug)]
struct Names {
    gate: &'static str,
    up: &'static str,
    down: &'static str,
}

/// No model lets a token take more experts; a header that says so must not make the graph endless.
const USED_MAX: u64 = 64;

const OWN: Names = Names { gate: "ffn_gate", up: "ffn_up", down: "ffn_down" };
const SHARED: Names = Names { gate: "ffn_gate_shexp", up: "ffn_up_shexp", down: "ffn_down_shexp" };

impl Net<'_> {
    /// The feed-forward part of a layer, of whatever sort.
    pub(crate) fn ffn(&mut self, layer: usize, of: Id) -> Id {
        match self.hyper.layers.get(layer).map(|layer| layer.ffn.clone()) {
            Some(Ffn::Dense { width, gated }) => {
                let act = Act::of(&Ffn::Dense { width, gated }, self.style.act);
                self.dense(layer, of, width, act)
            }
            Some(Ffn::Experts(experts)) => {
                let routed = self.experts(layer, of, &experts, None);
                if experts.shared_width == 0 { routed } else { self.with_shared(layer, of, routed, &experts) }
            }
            Some(Ffn::None) | None => of,
        }
    }

    pub(crate) fn dense(&mut self, layer: usize, of: Id, width: u64, act: Act) -> Id {
        let biased = self.style.ffn_bias;
        self.part(layer, of, width, OWN, act, biased)
    }

    fn part(&mut self, layer: usize, of: Id, width: u64, names: Names, act: Act, biased: bool) -> Id {
        let out = self.graph.get(of).sides[0];
        let wide = if act == Act::Halves { width.saturating_mul(2) } else { width };
        let mut up = self.project(layer, names.up, of, wide);
        if biased {
            up = self.bias(layer, up);
        }
        let mid = match act {
            Act::Gated => {
                let mut gate = self.project(layer, names.gate, of, width);
                if biased {
                    gate = self.bias(layer, gate);
                }
                self.graph.gate(gate, up)
            }
            Act::Halves => self.graph.gate_halves(up),
            Act::Plain(steps) => (0..steps).fold(up, |mid, _| self.graph.each(&[mid])),
        };
        let down = self.project(layer, names.down, mid, out);
        if biased { self.bias(layer, down) } else { down }
    }

    fn with_shared(&mut self, layer: usize, of: Id, routed: Id, experts: &Experts) -> Id {
        let shared = self.style.choice.shared;
        // The quotient's weight is computed before the expert, the sigmoid's after it.
        let early = (shared == Shared::Quotient).then(|| {
            let logit = self.project(layer, "ffn_gate_inp_shexp", of, 1);
            let act = self.graph.each(&[logit]);
            self.graph.each(&[act, logit])
        });
        let mut own = self.part(layer, of, experts.shared_width, SHARED, Act::Gated, false);
        if shared == Shared::Sigmoid {
            let logit = self.project(layer, "ffn_gate_inp_shexp", of, 1);
            let weight = self.graph.each(&[logit]);
            own = self.graph.each(&[own, weight]);
        } else if let Some(weight) = early {
            own = self.graph.each(&[own, weight]);
        }
        self.graph.each(&[routed, own])
    }

    /// The experts' part: choice, products with the chosen experts' matrices, weighed sum.
    pub(crate) fn experts(&mut self, layer: usize, of: Id, experts: &Experts, logits: Option<Id>) -> Id {
        let choice = self.style.choice;
        let (width, tokens) = (self.graph.get(of).sides[0], self.graph.get(of).sides[1]);
        let used = experts.used.min(experts.count).max(1);
        let logits = logits.unwrap_or_else(|| self.project(layer, "ffn_gate_inp", of, experts.count));
        let (chosen, weights) = self.choose(layer, logits, experts.count, used);
        self.graph.expand(weights);
        let input = self.graph.reshape(of, [width, 1, tokens, 1]);
        let mid = self.chosen_mid(layer, input, chosen, experts);
        let down = self.weight(layer, "ffn_down_exps", [experts.width, width, experts.count, 1]);
        let mut out = self.graph.matmul_id(down, mid, chosen);
        if choice.matrices_biased {
            let bias = self.expert_vector(layer, width, experts.count);
            out = self.graph.each(&[out, bias, chosen]);
        }
        if choice.scaled_results {
            out = self.scaled_results(layer, out, chosen, experts.count);
        }
        let out = self.graph.each(&[out, weights]);
        self.graph.expand(out);
        self.sum_of(out, used)
    }

    /// Each expert's result times a factor of its own.
    fn scaled_results(&mut self, layer: usize, of: Id, chosen: Id, count: u64) -> Id {
        let tokens = self.graph.get(of).sides[2];
        let factors = self.expert_vector(layer, count, 1);
        let factors = self.graph.reshape(factors, [1, count, 1, 1]);
        let many = self.graph.fresh(TensorType::F32, [1, count, tokens, 1], &[factors]);
        let own = self.graph.get_rows(many, chosen);
        self.graph.each(&[of, own])
    }

    fn chosen_mid(&mut self, layer: usize, input: Id, chosen: Id, experts: &Experts) -> Id {
        let width = self.graph.get(input).sides[0];
        let (count, inner) = (experts.count, experts.width);
        if self.style.choice.merged {
            let both = self.weight(layer, "ffn_gate_up_exps", [width, inner.saturating_mul(2), count, 1]);
            let both = self.graph.matmul_id(both, input, chosen);
            let (s, t) = (self.graph.get(both).sides, self.graph.get(both).strides);
            let half = |graph: &mut Graph| graph.view(both, [inner, s[1], s[2], 1], [t[1], t[2], t[3]]);
            let (gate, up) = (half(&mut self.graph), half(&mut self.graph));
            return self.graph.gate(gate, up);
        }
        let biased = self.style.choice.matrices_biased;
        let mut made = [input; 2];
        for (slot, name) in made.iter_mut().zip(["ffn_up_exps", "ffn_gate_exps"]) {
            let matrix = self.weight(layer, name, [width, inner, count, 1]);
            *slot = self.graph.matmul_id(matrix, input, chosen);
            if biased {
                let bias = self.expert_vector(layer, inner, count);
                *slot = self.graph.each(&[*slot, bias, chosen]);
            }
        }
        self.graph.gate(made[1], made[0])
    }

    /// Which experts each token takes, and with what weight.
    fn choose(&mut self, layer: usize, logits: Id, count: u64, used: u64) -> (Id, Id) {
        let choice = self.style.choice;
        let tokens = self.graph.get(logits).sides[1];
        let mut logits = logits;
        if choice.matrices_biased {
            logits = self.bias(layer, logits);
        }
        let shares = if choice.shares_first { self.graph.each(&[logits]) } else { logits };
        let mut ranked = shares;
        if choice.biased {
            ranked = self.bias(layer, ranked);
        }
        if choice.groups > 1 && count >= choice.groups {
            ranked = self.best_groups(ranked, count, choice.groups, choice.groups_used);
        }
        let chosen = self.top(ranked, used);
        let table = self.graph.reshape(shares, [1, count, tokens, 1]);
        let mut weights = self.graph.get_rows(table, chosen);
        if !choice.shares_first {
            weights = self.graph.reshape(weights, flat(used, tokens));
            weights = self.graph.each(&[weights]);
            weights = self.graph.reshape(weights, [1, used, tokens, 1]);
        }
        if choice.summed {
            weights = self.graph.reshape(weights, flat(used, tokens));
            let sum = self.graph.sum_rows(weights);
            let sum = self.graph.each(&[sum]);
            weights = self.graph.each(&[weights, sum]);
            weights = self.graph.reshape(weights, [1, used, tokens, 1]);
        }
        if choice.scaled {
            weights = self.graph.each(&[weights]);
        }
        (chosen, weights)
    }

    /// The numbers of the largest of each row.
    fn top(&mut self, of: Id, count: u64) -> Id {
        let mut sides = self.graph.get(of).sides;
        let order = self.graph.fresh(TensorType::I32, sides, &[of]);
        let strides = self.graph.get(order).strides;
        sides[0] = count;
        self.graph.view(order, sides, [strides[1], strides[2], strides[3]])
    }

    /// Leaves only the groups whose two best experts are best.
    fn best_groups(&mut self, ranked: Id, count: u64, groups: u64, used: u64) -> Id {
        let tokens = self.graph.get(ranked).sides[1];
        let each = count / groups;
        let grouped = self.graph.reshape(ranked, [each, groups, tokens, 1]);
        let two = self.top(grouped, 2);
        let single = self.graph.reshape(grouped, [1, each, groups, tokens]);
        let best = self.graph.get_rows(single, two);
        let best = self.graph.reshape(best, [2, groups, tokens, 1]);
        let scores = self.graph.sum_rows(best);
        let scores = self.graph.reshape(scores, flat(groups, tokens));
        let chosen = self.top(scores, used);
        let kept = self.graph.get_rows(grouped, chosen);
        let empty = self.graph.each(&[grouped]);
        let filled = self.graph.set_rows(empty, kept, chosen);
        self.graph.reshape(filled, flat(count, tokens))
    }

    /// The sum of the chosen experts' results.
    fn sum_of(&mut self, of: Id, used: u64) -> Id {
        let (s, t) = (self.graph.get(of).sides, self.graph.get(of).strides);
        let parts: Vec<_> = (0..used.min(USED_MAX))
            .map(|_| {
                let part = self.graph.view(of, flat(s[0], s[2]), [t[2], t[2].saturating_mul(s[2]), 0]);
                self.graph.expand(part);
                part
            })
            .collect();
        let mut sum = parts.first().copied().unwrap_or(of);
        for part in parts.iter().skip(1) {
            sum = self.graph.each(&[sum, *part]);
            self.graph.expand(sum);
        }
        if parts.len() == 1 { self.graph.packed(sum) } else { sum }
    }
}
