//! The tensors of an operation, added up as they are named.

use plimsoll::{Bytes, Place};

use crate::model::TensorType;
use crate::wording::{Wording, WordingError};
use crate::{Certainty, Formula, Part};

/// The longest side that a tensor may have.
pub(super) const SIDE_MAX: u64 = 1 << 48;

/// A side's name and length.
pub(super) type Side = (&'static str, u64);

/// Tensors by role.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Role {
    Input,
    Output,
    /// There while the operation runs.
    Workspace,
    /// Kept from forward to backward.
    Saved,
}

impl Role {
    fn account(self) -> &'static str {
        match self {
            Self::Input => "inputs",
            Self::Output => "outputs",
            Self::Workspace => "scratch",
            Self::Saved => "saved",
        }
    }
}

/// What an operation needs, so far.
pub(super) struct Tally {
    place: Place,
    pub(super) parts: Vec<Part>,
    /// Bytes that go between memory and processor.
    pub(super) moved: Bytes,
    pub(super) flops: f64,
}

impl Tally {
    pub(super) fn new(said: &Wording) -> Result<Self, WordingError> {
        let place = said.place("on")?.unwrap_or(Place::Host);
        Ok(Self { place, parts: Vec::new(), moved: Bytes::ZERO, flops: 0.0 })
    }

    /// A tensor: its bytes are a whole number of blocks a row, times all other sides.
    pub(super) fn add(
        &mut self,
        name: &'static str,
        role: Role,
        kind: TensorType,
        sides: &[Side],
    ) -> Result<(), WordingError> {
        let key = sides.iter().max_by_key(|side| side.1).map_or("sides", |side| side.0);
        let overflow = WordingError::Overflow { what: name, key };
        let (row, others) = sides.split_last().map_or((1, sides), |(row, others)| (row.1, others));
        let row = kind.size(row).ok_or(overflow.clone())?;
        let bytes =
            others.iter().try_fold(row, |bytes, side| bytes.checked_mul(side.1)).ok_or(overflow.clone())?;
        // What is made and used within the operation is written and read.
        let times = if role == Role::Workspace { 2 } else { 1 };
        self.moved =
            bytes.checked_mul(times).and_then(|more| self.moved.checked_add(more)).ok_or(overflow)?;
        let names = sides.iter().map(|side| side.0).chain(["size"]).collect::<Vec<_>>().join(" × ");
        let mut formula = Formula::new(names);
        for (name, length) in sides {
            formula = formula.term(*name, length);
        }
        let size = if kind.is_quantized() {
            format!("{} for {} ({kind})", kind.block_bytes(), kind.block_elements())
        } else {
            format!("{} ({kind})", kind.block_bytes())
        };
        formula = formula.term("size", size);
        self.push(name, role, bytes, Certainty::Exact, formula);
        Ok(())
    }

    /// Bytes that are known as such.
    pub(super) fn push(
        &mut self,
        name: &str,
        role: Role,
        bytes: Bytes,
        certainty: Certainty,
        formula: Formula,
    ) {
        if !bytes.is_zero() {
            let (name, place, account) = (name.to_owned(), self.place, role.account());
            self.parts.push(Part { name, place, account, bytes, certainty, formula });
        }
    }

    /// So many operations for each of so many elements.
    #[expect(clippy::cast_precision_loss, reason = "operations are counted for a time, not for book-keeping")]
    pub(super) fn count(&mut self, each: f64, factors: &[u64]) {
        self.flops += factors.iter().fold(each, |product, factor| product * *factor as f64);
    }
}

/// The plain type of numbers behind a key.
pub(super) fn plain_type(said: &Wording, key: &str, usual: TensorType) -> Result<TensorType, WordingError> {
    use TensorType as T;
    let plain = [
        ("f64", T::F64),
        ("f32", T::F32),
        ("f16", T::F16),
        ("bf16", T::BF16),
        ("fp32", T::F32),
        ("fp16", T::F16),
        ("f8", T::F8),
        ("fp8", T::F8),
        ("i8", T::I8),
        ("int8", T::I8),
    ];
    said.choice(key, &plain, usual)
}

/// The type of what is summed up: at least single precision.
pub(super) fn wide(kind: TensorType) -> TensorType {
    if kind == TensorType::F64 { kind } else { TensorType::F32 }
}
