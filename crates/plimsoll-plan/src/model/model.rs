//! A model: shape, tensors, where that is known from, and what had to be guessed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use plimsoll::Bytes;

use super::{Hyper, Seat, Tensor};
use crate::Certainty;

/// A language model, as far as a plan has to know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// What it is called.
    pub name: String,
    /// Its shape.
    pub hyper: Hyper,
    /// Its tensors. Read from a file they are exact; from a configuration and a quantization they follow from the
    /// shape and from the rules by which files of that quantization are made.
    pub tensors: Vec<Tensor>,
    /// Where all this is known from.
    pub origin: Origin,
    /// What was not known and how it was bridged, worst first. Empty when all is known.
    pub doubts: Vec<Doubt>,
}

/// Where a model's facts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file, or the first of several.
    File(PathBuf),
    /// A configuration without weights.
    Config(PathBuf),
    /// The catalogue that is built in.
    Catalogue,
}

/// Something that was not known, what was assumed instead, and how far off that may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubt {
    /// "architecture \"foo\" is not known: taken for a plain transformer".
    pub text: String,
    /// What a figure that rests on it is worth: the share that it may be off by.
    pub share: f64,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (±{:.0}%)", self.text, self.share * 100.0)
    }
}

impl Model {
    /// All its tensors together, as a file has them.
    pub fn weight_bytes(&self) -> Bytes {
        self.tensors.iter().fold(Bytes::ZERO, |sum, tensor| sum.saturating_add(tensor.bytes))
    }

    /// Those of one seat.
    pub fn seat_bytes(&self, seat: Seat) -> Bytes {
        let there = self.tensors.iter().filter(|tensor| tensor.seat() == seat);
        there.fold(Bytes::ZERO, |sum, tensor| sum.saturating_add(tensor.bytes))
    }

    /// The same model with few tensors: one for each seat and sort (those of experts, matrices, the rest), each with the
    /// elements and bytes of all that it stands for. What is summed over tensors comes out the same, and sooner.
    #[must_use]
    pub fn condensed(&self) -> Self {
        let mut tensors: Vec<Tensor> = Vec::new();
        let mut found: BTreeMap<(Seat, bool, bool), usize> = BTreeMap::new();
        for tensor in &self.tensors {
            let (seat, expert, matrix) = (tensor.seat(), tensor.is_expert(), tensor.shape.len() > 1);
            let elements = tensor.elements();
            // Embeddings keep their names, by which it is told whether they are the output too.
            let known = found.get(&(seat, expert, matrix)).filter(|_| seat != Seat::Input);
            if let Some(&at) = known {
                let known: &mut Tensor = &mut tensors[at];
                known.bytes = known.bytes.saturating_add(tensor.bytes);
                if let Some(side) = known.shape.first_mut() {
                    *side = side.saturating_add(elements);
                }
            } else {
                found.insert((seat, expert, matrix), tensors.len());
                let shape = if matrix { vec![elements, 1] } else { vec![elements] };
                tensors.push(Tensor { shape, ..tensor.clone() });
            }
        }
        Self { tensors, ..self.clone() }
    }

    /// How many weights it has.
    pub fn weights(&self) -> u64 {
        self.tensors.iter().fold(0, |sum: u64, tensor| sum.saturating_add(tensor.elements()))
    }

    /// How sure a figure is that rests on this model's shape alone.
    pub fn certainty(&self) -> Certainty {
        let worst = self.doubts.iter().map(|doubt| doubt.share).fold(0.0, f64::max);
        if worst > 0.0 { Certainty::Estimated(worst) } else { Certainty::Exact }
    }
}
