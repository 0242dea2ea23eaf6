//! What a Llama-family model computes, on a tape.

use plimsoll_tensor::{Rotation, Shelf, Tape, Tensor, TensorError, Var};

use super::changes::{Changes, Projection};
use super::fit::Keeping;
use super::frozen::Frozen;
use crate::weights::Pairs;

const NOWHERE: TensorError = TensorError::Mode(
    "inputs of layers are to be kept elsewhere and there is no elsewhere; give a stage for it",
);

/// A frozen model with changes.
#[derive(Clone, Copy, Debug)]
pub struct Llama<'m> {
    /// What does not change.
    pub frozen: &'m Frozen,
    /// What does.
    pub changes: &'m Changes,
}

impl<'m> Llama<'m> {
    /// The mean loss of `[batch, rows]` tokens, each of which is to foretell its target; tokens are where the table is. `keeping` says for each layer what
    /// is kept for the way back.
    pub fn loss(
        self,
        tape: &mut Tape<'m>,
        tokens: &Tensor,
        targets: &Tensor,
        counted: usize,
        keeping: &[Keeping],
    ) -> Result<Var, TensorError> {
        let mut stream = self.frozen.embed(tape, tokens)?;
        let waiting = match &self.frozen.stages.away {
            Some(away) if keeping.contains(&Keeping::InputAway) => Some(Shelf::new(tape.stage(), away)),
            _ => None,
        };
        for layer in 0..self.frozen.layers.len() {
            stream = match keeping.get(layer).copied().unwrap_or_default() {
                Keeping::All => self.layer(tape, layer, &stream)?,
                Keeping::Products => {
                    let middle = self.attend(tape, layer, &stream)?;
                    drop(stream);
                    self.feed_lean(tape, layer, &middle)?
                }
                Keeping::Input => {
                    tape.checkpoint(&[stream], move |tape, v| self.layer(tape, layer, &v[0]))?
                }
                Keeping::InputAway => {
                    let waiting = waiting.as_ref().ok_or(NOWHERE)?;
                    tape.checkpoint_away(waiting, &[stream], move |tape, v| self.layer(tape, layer, &v[0]))?
                }
            };
        }
        let norm = tape.constant(&self.frozen.norm);
        let hidden = tape.rms_norm(&stream, Some(&norm), self.frozen.shape.epsilon)?;
        drop(stream);
        let output = tape.constant(&self.frozen.output);
        tape.cross_entropy(&hidden, &output, targets, counted)
    }

    fn layer(self, tape: &mut Tape<'m>, layer: usize, stream: &Var) -> Result<Var, TensorError> {
        let middle = self.attend(tape, layer, stream)?;
        let [gate, up] = self.gate_and_up(tape, layer, &middle)?;
        let through = tape.gated(&gate, &up)?;
        drop((gate, up));
        tape.last_of_part(|tape| {
            let found = self.project(tape, layer, Projection::Down, &through)?;
            tape.add(&middle, &found)
        })
    }

    /// What goes into the gate of the feed-forward part.
    fn gate_and_up(self, tape: &mut Tape<'m>, layer: usize, middle: &Var) -> Result<[Var; 2], TensorError> {
        let norm = tape.constant(&self.frozen.layers[layer].ffn_norm);
        let inputs = tape.rms_norm(middle, Some(&norm), self.frozen.shape.epsilon)?;
        let gate = self.project(tape, layer, Projection::Gate, &inputs)?;
        Ok([gate, self.project(tape, layer, Projection::Up, &inputs)?])
    }

    /// The feed-forward part with its products kept, and what its gate lets through computed again on the way back.
    fn feed_lean(self, tape: &mut Tape<'m>, layer: usize, middle: &Var) -> Result<Var, TensorError> {
        let into_gate = self.gate_and_up(tape, layer, middle)?;
        let found = tape.checkpoint(&into_gate, move |tape, v| {
            let through = tape.gated(&v[0], &v[1])?;
            tape.last_of_part(|tape| self.project(tape, layer, Projection::Down, &through))
        })?;
        drop(into_gate);
        tape.add(middle, &found)
    }

    fn attend(self, tape: &mut Tape<'m>, layer: usize, stream: &Var) -> Result<Var, TensorError> {
        let (shape, frozen) = (&self.frozen.shape, &self.frozen.layers[layer]);
        let [batch, rows] = [stream.tensor().dim(0), stream.tensor().dim(1)];
        let norm = tape.constant(&frozen.attention_norm);
        let inputs = tape.rms_norm(stream, Some(&norm), shape.epsilon)?;
        let heads = |tape: &mut Tape<'m>, projection: Projection, heads: usize, width: usize| {
            let mut flat = self.project(tape, layer, projection, &inputs)?;
            if let Some(bias) = &frozen.biases[projection.index()] {
                let bias = tape.constant(bias);
                flat = tape.add(&flat, &bias)?;
            }
            let found = tape.reshape(&flat, &[batch, rows, heads, width])?;
            match frozen.head_norms.get(projection.index()).and_then(Option::as_ref) {
                Some(norm) => {
                    let norm = tape.constant(norm);
                    tape.rms_norm(&found, Some(&norm), shape.epsilon)
                }
                None => Ok(found),
            }
        };
        let rotation = Rotation { position: 0, neighbours: shape.rope_pairs == Pairs::Neighbours };
        let queries = heads(tape, Projection::Query, shape.heads, shape.key_width)?;
        let queries = tape.rope(&queries, &self.frozen.frequencies, rotation)?;
        let keys = heads(tape, Projection::Key, shape.kv_heads, shape.key_width)?;
        let keys = tape.rope(&keys, &self.frozen.frequencies, rotation)?;
        let values = heads(tape, Projection::Value, shape.kv_heads, shape.value_width)?;
        #[expect(clippy::cast_precision_loss, reason = "widths are small")]
        // Queries and keys that rotations make longer are as much nearer to each other.
        let scale = self.frozen.length * self.frozen.length / (shape.key_width as f32).sqrt();
        let found = tape.attention(&queries, &keys, &values, scale, true)?;
        drop((queries, keys, values));
        let found = tape.reshape(&found, &[batch, rows, shape.heads * shape.value_width])?;
        let found = self.project(tape, layer, Projection::Output, &found)?;
        tape.add(stream, &found)
    }

    /// A product with a frozen matrix and its change.
    fn project(
        self,
        tape: &mut Tape<'m>,
        layer: usize,
        projection: Projection,
        x: &Var,
    ) -> Result<Var, TensorError> {
        let weight = self.frozen.weight(layer, projection, tape.does_again())?;
        match self.changes.of(layer, projection) {
            None => tape.linear(x, weight),
            Some(change) => {
                let down = tape.leaf(&self.changes.leaves, change.down);
                let up = tape.leaf(&self.changes.leaves, change.up);
                tape.linear_low_rank(x, weight, &down, &up, self.changes.scale())
            }
        }
    }
}
