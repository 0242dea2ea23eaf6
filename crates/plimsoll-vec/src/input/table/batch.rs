//! Some rows of a table, decoded.

use std::ops::Range;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;

use super::columns::Chosen;
use crate::input::InputError;

/// Vectors, and ids where there are any.
#[derive(Debug)]
pub(super) struct Batch {
    vectors: ArrayRef,
    numbers: ArrayRef,
    ids: Option<ArrayRef>,
}

impl Batch {
    /// Of a batch that has just the columns that were chosen; none where it has others.
    pub(super) fn new(batch: &RecordBatch, chosen: &Chosen) -> Option<Self> {
        let (vector, id) = chosen.places();
        let column = |at: usize| batch.columns().get(at).cloned();
        let vectors = column(vector)?;
        let numbers = match vectors.data_type() {
            DataType::FixedSizeList(..) => vectors.as_fixed_size_list_opt()?.values(),
            DataType::List(_) => vectors.as_list_opt::<i32>()?.values(),
            DataType::LargeList(_) => vectors.as_list_opt::<i64>()?.values(),
            _ => return None,
        };
        let numbers = ArrayRef::clone(numbers);
        let ids = match id {
            Some(at) => Some(column(at)?),
            None => None,
        };
        Some(Self { vectors, numbers, ids })
    }

    pub(super) fn rows(&self) -> usize {
        self.vectors.len()
    }

    /// Writes the numbers of a vector as singles, and its id behind them where there are ids. `row` is its number in the
    /// file, for what is wrong with it.
    pub(super) fn put(&self, at: usize, (name, row): (&str, u64), into: &mut [u8]) -> Result<(), InputError> {
        let id_bytes = if self.ids.is_some() { 8 } else { 0 };
        let (numbers, id) = into.split_at_mut(into.len() - id_bytes);
        let entry = |what| InputError::Entry { name: name.to_owned(), row, what };
        let range = self.range(at).ok_or_else(|| entry("no vector"))?;
        let expected = numbers.len() / 4;
        if range.len() != expected {
            let (found, expected) = (range.len() as u64, expected as u64);
            return Err(InputError::Dimension { name: name.to_owned(), row, found, expected });
        }
        if self.numbers.nulls().is_some_and(|nulls| range.clone().any(|at| nulls.is_null(at))) {
            return Err(entry("a vector that lacks a number"));
        }
        singles(&self.numbers, range, numbers).ok_or_else(|| entry("a vector of no numbers"))?;
        if let Some(ids) = &self.ids {
            let found = whole(ids, at).ok_or_else(|| entry("no id that is a number from 0 on"))?;
            id.copy_from_slice(&found.to_le_bytes());
        }
        Ok(())
    }

    /// Where among all numbers those of a vector are; none where there is no vector.
    fn range(&self, at: usize) -> Option<Range<usize>> {
        if self.vectors.is_null(at) {
            return None;
        }
        let range = if let Some(list) = self.vectors.as_fixed_size_list_opt() {
            let size = usize::try_from(list.value_length()).ok()?;
            let start = list.value_offset_at(at);
            start..start.checked_add(size)?
        } else if let Some(list) = self.vectors.as_list_opt::<i32>() {
            let offsets = list.value_offsets();
            usize::try_from(*offsets.get(at)?).ok()?..usize::try_from(*offsets.get(at + 1)?).ok()?
        } else {
            let offsets = self.vectors.as_list_opt::<i64>()?.value_offsets();
            usize::try_from(*offsets.get(at)?).ok()?..usize::try_from(*offsets.get(at + 1)?).ok()?
        };
        (range.end <= self.numbers.len()).then_some(range)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "singles are what vectors are made of here"
)]
fn singles(of: &ArrayRef, range: Range<usize>, into: &mut [u8]) -> Option<()> {
    match of.data_type() {
        DataType::Float16 => put::<Float16Type>(of, range, into, half::f16::to_f32),
        DataType::Float32 => put::<Float32Type>(of, range, into, |x| x),
        DataType::Float64 => put::<Float64Type>(of, range, into, |x| x as f32),
        DataType::Int8 => put::<Int8Type>(of, range, into, f32::from),
        DataType::UInt8 => put::<UInt8Type>(of, range, into, f32::from),
        DataType::Int16 => put::<Int16Type>(of, range, into, f32::from),
        DataType::UInt16 => put::<UInt16Type>(of, range, into, f32::from),
        DataType::Int32 => put::<Int32Type>(of, range, into, |x| x as f32),
        DataType::UInt32 => put::<UInt32Type>(of, range, into, |x| x as f32),
        DataType::Int64 => put::<Int64Type>(of, range, into, |x| x as f32),
        DataType::UInt64 => put::<UInt64Type>(of, range, into, |x| x as f32),
        _ => None,
    }
}

fn put<T: ArrowPrimitiveType>(
    of: &ArrayRef,
    range: Range<usize>,
    into: &mut [u8],
    single: impl Fn(T::Native) -> f32,
) -> Option<()> {
    let numbers = of.as_primitive_opt::<T>()?.values().get(range)?;
    for (into, number) in into.as_chunks_mut().0.iter_mut().zip(numbers) {
        *into = single(*number).to_le_bytes();
    }
    Some(())
}

/// A whole number from 0 on.
fn whole(of: &ArrayRef, at: usize) -> Option<u64> {
    fn one<T: ArrowPrimitiveType>(of: &ArrayRef, at: usize) -> Option<T::Native> {
        of.as_primitive_opt::<T>()?.values().get(at).copied()
    }
    if of.is_null(at) {
        return None;
    }
    match of.data_type() {
        DataType::Int8 => one::<Int8Type>(of, at)?.try_into().ok(),
        DataType::Int16 => one::<Int16Type>(of, at)?.try_into().ok(),
        DataType::Int32 => one::<Int32Type>(of, at)?.try_into().ok(),
        DataType::Int64 => one::<Int64Type>(of, at)?.try_into().ok(),
        DataType::UInt8 => Some(one::<UInt8Type>(of, at)?.into()),
        DataType::UInt16 => Some(one::<UInt16Type>(of, at)?.into()),
        DataType::UInt32 => Some(one::<UInt32Type>(of, at)?.into()),
        DataType::UInt64 => one::<UInt64Type>(of, at),
        _ => None,
    }
}
