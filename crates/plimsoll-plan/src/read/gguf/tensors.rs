//! The tensors of a header: names, shapes, types, and where their bytes are.

use plimsoll::Bytes;

use crate::model::{Doubt, Tensor, TensorType};
use crate::read::budget::Budget;
use crate::read::cursor::Cursor;
use crate::read::{Fault, ReadError};

/// The longest name. The format allows 64 bytes; some converters write more.
const NAME_MAX: u64 = 1024;
/// The most sides. The format's own limit.
const SIDES_MAX: u32 = 4;
/// Which unknown types are told apart; further ones count as known from elsewhere.
const UNKNOWN_MAX: usize = 16;

/// A tensor's place in the data, while the header is read.
pub(super) struct Spot {
    /// From the beginning of the data.
    pub(super) offset: u64,
    /// Which tensor.
    pub(super) index: usize,
    /// The number of its type where that is not known.
    pub(super) unknown: Option<u32>,
}

/// The tensors of one part, before where they lie has been checked.
pub(super) struct Infos {
    tensors: Vec<Tensor>,
    spots: Vec<Spot>,
}

/// Reads so many.
pub(super) fn infos(cursor: &mut Cursor<'_>, count: u64, budget: &mut Budget) -> Result<Infos, ReadError> {
    // One takes 24 bytes at least: a length, a number of sides, a type and an offset.
    let most = cursor.left() / 24;
    if count > most {
        let (path, offset) = (cursor.path().to_owned(), cursor.at());
        return Err(ReadError::Excess { path, offset, what: "tensors", found: count, most });
    }
    let mut infos = Infos { tensors: Vec::new(), spots: Vec::new() };
    for index in 0..usize::try_from(count).unwrap_or(usize::MAX) {
        let at = cursor.at();
        let (tensor, offset, unknown) = info(cursor)?;
        budget.tensor(&tensor.name, tensor.shape.len(), cursor.path(), at)?;
        budget.push(&mut infos.tensors, tensor, cursor.path(), at)?;
        budget.push(&mut infos.spots, Spot { offset, index, unknown }, cursor.path(), at)?;
    }
    Ok(infos)
}

fn info(cursor: &mut Cursor<'_>) -> Result<(Tensor, u64, Option<u32>), ReadError> {
    let at = cursor.at();
    let fault =
        |cursor: &Cursor<'_>, fault| ReadError::Fault { path: cursor.path().to_owned(), offset: at, fault };
    let name = cursor.text(NAME_MAX, "letters in a tensor's name")?;
    if name.is_empty() {
        return Err(fault(cursor, Fault::Nameless));
    }
    let sides = cursor.u32()?;
    if sides > SIDES_MAX {
        return Err(fault(cursor, Fault::Sides { name, sides: sides.into(), most: SIDES_MAX.into() }));
    }
    let mut shape = Vec::with_capacity(sides as usize);
    for _ in 0..sides {
        shape.push(cursor.u64()?);
    }
    let number = cursor.u32()?;
    let offset = cursor.u64()?;
    let known = TensorType::of_gguf(number);
    // What has no numbers at all is harmless; what has more than can be counted is not.
    let elements = shape.iter().try_fold(1_u64, |product, side| product.checked_mul(*side));
    let Some(elements) = elements else { return Err(fault(cursor, Fault::Overflow(name))) };
    let bytes = match known {
        Some(kind) => {
            let (row, block) = (shape.first().copied().unwrap_or(1), kind.block_elements());
            if row % block != 0 {
                return Err(fault(cursor, Fault::Row { name, row, block }));
            }
            let Some(bytes) = kind.size(elements) else { return Err(fault(cursor, Fault::Overflow(name))) };
            bytes
        }
        None => Bytes::ZERO,
    };
    let kind = known.unwrap_or(TensorType::I8);
    Ok((Tensor { name, shape, kind, bytes }, offset, known.is_none().then_some(number)))
}

/// What checking a part's tensors has found.
pub(super) struct Checked {
    pub(super) tensors: Vec<Tensor>,
    /// Where they lie, in that order; counted in the budget.
    pub(super) spots: Vec<Spot>,
    pub(super) doubts: Vec<Doubt>,
    /// Bytes of data that the tensors say there are, from the beginning of the data on.
    pub(super) data_bytes: u64,
}

impl Infos {
    /// Checks that tensors have places of their own, and measures those of unknown types by the room they have.
    ///
    /// `data_len` is what the file has behind its header.
    pub(super) fn check(
        mut self,
        cursor: &Cursor<'_>,
        alignment: u64,
        data_len: u64,
    ) -> Result<Checked, ReadError> {
        let offset = cursor.at();
        let fault = |fault| ReadError::Fault { path: cursor.path().to_owned(), offset, fault };
        self.spots.sort_unstable_by_key(|spot| (spot.offset, self.tensors[spot.index].bytes.get()));
        let mut unknown: Vec<Unknown> = Vec::new();
        let mut end = 0_u64;
        let mut before = None;
        for place in 0..self.spots.len() {
            let Spot { offset, index, unknown: number } = self.spots[place];
            let tensor = &self.tensors[index];
            if offset % alignment != 0 {
                let name = tensor.name.clone();
                return Err(fault(Fault::Unaligned { name, offset, alignment }));
            }
            let room = match (number, self.spots.get(place + 1)) {
                (None, _) => tensor.bytes.get(),
                (Some(_), Some(next)) => next.offset - offset,
                (Some(_), None) => data_len.saturating_sub(offset),
            };
            if offset < end && room > 0 {
                let first: Option<usize> = before;
                let first = first.map(|first| self.tensors[first].name.clone()).unwrap_or_default();
                let shared = Bytes::new(end.min(offset.saturating_add(room)) - offset);
                return Err(fault(Fault::Overlap { first, second: tensor.name.clone(), shared }));
            }
            let Some(stop) = offset.checked_add(room) else {
                return Err(fault(Fault::Overflow(tensor.name.clone())));
            };
            if let Some(number) = number {
                let elements = tensor.elements();
                note(&mut unknown, number, elements, room);
                self.tensors[index].bytes = Bytes::new(room);
                self.tensors[index].kind = nearest(elements, room);
            }
            if room > 0 {
                (end, before) = (stop, Some(index));
            }
        }
        self.guess(&unknown);
        let doubts = unknown.iter().map(doubt).collect();
        Ok(Checked { tensors: self.tensors, spots: self.spots, doubts, data_bytes: end })
    }
}

impl Infos {
    /// Gives a tensor of unknown type that has no room, because the file ends before it, as much as others of its type
    /// take.
    fn guess(&mut self, unknown: &[Unknown]) {
        let Some(Spot { index, unknown: Some(number), .. }) = self.spots.last() else { return };
        let Some(tensor) = self.tensors.get_mut(*index).filter(|tensor| tensor.bytes.is_zero()) else {
            return;
        };
        let elements = tensor.elements();
        let like = unknown.iter().find(|entry| entry.number == *number && entry.bytes > 0);
        let bytes = like.map_or(u128::from(elements), |like| {
            u128::from(elements) * u128::from(like.bytes) / u128::from(like.elements.max(1))
        });
        tensor.bytes = Bytes::new(u64::try_from(bytes).unwrap_or(u64::MAX));
        tensor.kind = nearest(elements, tensor.bytes.get());
    }
}

/// A type that is not known, and what its tensors have.
struct Unknown {
    number: u32,
    elements: u64,
    bytes: u64,
    /// Whether one of them had no room to be measured by.
    guessed: bool,
}

fn note(unknown: &mut Vec<Unknown>, number: u32, elements: u64, room: u64) {
    let guessed = room == 0 && elements > 0;
    let elements = if guessed { 0 } else { elements };
    if let Some(entry) = unknown.iter_mut().find(|entry| entry.number == number) {
        entry.elements = entry.elements.saturating_add(elements);
        entry.bytes = entry.bytes.saturating_add(room);
        entry.guessed |= guessed;
    } else if unknown.len() < UNKNOWN_MAX {
        unknown.push(Unknown { number, elements, bytes: room, guessed });
    }
}

/// Bits of one number, on average.
#[expect(clippy::cast_precision_loss, reason = "an average")]
fn bits(elements: u64, bytes: u64) -> f64 {
    bytes as f64 * 8.0 / elements.max(1) as f64
}

/// The known type whose numbers are nearest in size.
fn nearest(elements: u64, bytes: u64) -> TensorType {
    let wanted = bits(elements, bytes);
    let distance = |kind: &TensorType| (kind.bits() - wanted).abs();
    let kinds = TensorType::all();
    kinds.min_by(|one, other| distance(one).total_cmp(&distance(other))).unwrap_or(TensorType::I8)
}

fn doubt(unknown: &Unknown) -> Doubt {
    let Unknown { number, elements, bytes, guessed } = *unknown;
    if guessed {
        let text = format!(
            "a tensor of type {number}, which is not known, lies behind the end of the file: its size is a guess"
        );
        return Doubt { text, share: 0.5 };
    }
    let text = format!(
        "tensors of type {number}, which is not known, are measured by their room in the file: {:.2} bits a weight",
        bits(elements, bytes)
    );
    // The room is exact but for the padding behind each tensor.
    Doubt { text, share: 0.001 }
}

/// Refuses two tensors of one name, of all parts.
pub(in crate::read) fn distinct(tensors: &[Tensor]) -> Result<(), Fault> {
    let mut order: Vec<u32> = (0..u32::try_from(tensors.len()).unwrap_or(u32::MAX)).collect();
    let name = |index: &u32| tensors.get(*index as usize).map(|tensor| tensor.name.as_str());
    order.sort_unstable_by(|one, other| name(one).cmp(&name(other)));
    let twice = order.windows(2).find(|pair| name(&pair[0]) == name(&pair[1]));
    match twice.and_then(|pair| name(&pair[0])) {
        Some(name) => Err(Fault::DuplicateTensor(name.to_owned())),
        None => Ok(()),
    }
}
