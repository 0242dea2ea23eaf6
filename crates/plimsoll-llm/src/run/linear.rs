//! Products of what flows with a model's matrices, and with what an adapter changes of them.

use plimsoll_tensor::packed::{Desk, Product, products};

use crate::Decoder;
use crate::math::add;
use crate::weights::{Matrix, Thin};

/// A matrix, its change if it has one, and where its products go.
pub(super) struct Linear<'a> {
    pub(super) matrix: &'a Matrix,
    pub(super) change: Option<&'a Thin>,
    pub(super) out: &'a mut Vec<f32>,
}

/// What the thin products of changes need.
#[derive(Debug, Default)]
pub(super) struct Between {
    /// The inputs times the lower factors, one for each change.
    low: [Vec<f32>; 3],
    /// Those times an upper factor.
    more: Vec<f32>,
}

/// Products of the same inputs, each with room for its rows. `file` is where the matrices lie.
pub(super) fn multiply<const N: usize>(
    decoder: &Decoder,
    (desk, between): (&mut Desk, &mut Between),
    file: &[u8],
    inputs: &[f32],
    list: [Linear<'_>; N],
) {
    let columns = list.first().map_or(1, |linear| linear.matrix.columns);
    let count = inputs.len() / columns;
    let thin = list.each_ref().map(|linear| linear.change);
    let mut whole = list.map(|linear| {
        linear.out.resize(count * linear.matrix.rows, 0.0);
        Product { view: linear.matrix.of(file), out: linear.out }
    });
    products(decoder.crew(), inputs, &mut whole, desk);
    let changed: Vec<_> =
        thin.into_iter().enumerate().filter_map(|(number, change)| Some((number, change?))).collect();
    if changed.is_empty() {
        return;
    }
    // One job for all lower factors, and one for each upper one, whose inputs differ.
    let mut low = Vec::with_capacity(changed.len());
    for ((_, change), out) in changed.iter().zip(&mut between.low) {
        out.resize(count * change.rank, 0.0);
        low.push(Product { view: change.down(), out });
    }
    products(decoder.crew(), inputs, &mut low, desk);
    for ((number, change), low) in changed.into_iter().zip(&between.low) {
        let out = &mut whole[number].out;
        between.more.resize(out.len(), 0.0);
        let mut up = [Product { view: change.up(), out: &mut between.more }];
        products(decoder.crew(), low, &mut up, desk);
        add(out, &between.more);
    }
}
