//! What is done to queries, keys and values before they are rotated, where a family has it: biases, and norms of heads.

use plimsoll_tensor::wide::widest;

use crate::math::Normalize;

/// One layer's; what is empty is not done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heads {
    pub(crate) query_bias: Vec<f32>,
    pub(crate) key_bias: Vec<f32>,
    pub(crate) value_bias: Vec<f32>,
    pub(crate) query_norm: Vec<f32>,
    pub(crate) key_norm: Vec<f32>,
}

impl Heads {
    /// Does it to the rows of some tokens.
    pub(crate) fn apply(&self, queries: &mut [f32], keys: &mut [f32], values: &mut [f32], epsilon: f32) {
        add(queries, &self.query_bias);
        add(keys, &self.key_bias);
        add(values, &self.value_bias);
        norm(queries, &self.query_norm, epsilon);
        norm(keys, &self.key_norm, epsilon);
    }
}

fn add(rows: &mut [f32], bias: &[f32]) {
    if bias.is_empty() {
        return;
    }
    for row in rows.chunks_exact_mut(bias.len()) {
        for (number, more) in row.iter_mut().zip(bias) {
            *number += more;
        }
    }
}

fn norm(rows: &mut [f32], weights: &[f32], epsilon: f32) {
    if weights.is_empty() {
        return;
    }
    let before = rows.to_vec();
    widest(Normalize { rows: &before, weights, epsilon, into: rows });
}
