//! The keys of a header and their values.

use crate::read::budget::Budget;
use crate::read::cursor::Cursor;
use crate::read::keys::{Keys, Value};
use crate::read::{Fault, ReadError};

/// The longest key. The format's own limit.
const KEY_MAX: u64 = 65_535;
/// The longest key that is kept; none that is looked up comes near.
const KEY_KEPT: usize = 128;
/// The longest text that is kept.
const TEXT_KEPT: u64 = 1024;
/// The longest list that is kept: one number for each layer.
const LIST_KEPT: u64 = 4096;
/// Arrays in arrays in arrays: deeper is refused. No key of any model has even two.
const DEPTH_MAX: u32 = 2;
/// What a pair takes besides its letters and numbers.
const PAIR_BYTES: u64 = 256;

/// Reads so many pairs.
pub(super) fn pairs(cursor: &mut Cursor<'_>, count: u64, budget: &mut Budget) -> Result<Keys, ReadError> {
    let mut keys = Keys::default();
    room(cursor, count)?;
    for _ in 0..count {
        let offset = cursor.at();
        let key = key(cursor)?;
        let value = value(cursor, &key)?;
        let size = match &value {
            Value::Text(text) => text.len() as u64,
            Value::List(list) => list.len() as u64 * 8,
            _ => 0,
        };
        if key.len() > KEY_KEPT {
            continue;
        }
        budget.take(PAIR_BYTES + key.len() as u64 + size, cursor.path(), offset)?;
        if keys.whole(&key).is_some() {
            return Err(fault(cursor, offset, Fault::DuplicateKey(key)));
        }
        keys.insert(key, value);
    }
    Ok(keys)
}

/// Refuses a number of pairs that the file cannot hold: a pair takes 13 bytes at least.
pub(super) fn room(cursor: &Cursor<'_>, count: u64) -> Result<(), ReadError> {
    if count.saturating_mul(13) <= cursor.left() {
        return Ok(());
    }
    let most = cursor.left() / 13;
    let (path, offset) = (cursor.path().to_owned(), cursor.at());
    Err(ReadError::Excess { path, offset, what: "keys", found: count, most })
}

/// The next pair's key.
pub(super) fn key(cursor: &mut Cursor<'_>) -> Result<String, ReadError> {
    let offset = cursor.at();
    let key = cursor.text(KEY_MAX, "letters in a key")?;
    if key.is_empty() {
        return Err(fault(cursor, offset, Fault::Nameless));
    }
    Ok(key)
}

fn fault(cursor: &Cursor<'_>, offset: u64, fault: Fault) -> ReadError {
    ReadError::Fault { path: cursor.path().to_owned(), offset, fault }
}

/// The value of a key.
pub(super) fn value(cursor: &mut Cursor<'_>, key: &str) -> Result<Value, ReadError> {
    let kind = cursor.u32()?;
    match kind {
        8 => text(cursor),
        9 => array(cursor, key, 0),
        _ => scalar(cursor, key, kind),
    }
}

/// A text if it is short; else how long it is.
fn text(cursor: &mut Cursor<'_>) -> Result<Value, ReadError> {
    let len = cursor.peek_u64()?;
    if len > TEXT_KEPT {
        return cursor.skip_text().map(Value::Skipped);
    }
    cursor.text(TEXT_KEPT, "letters in a value").map(Value::Text)
}

/// What a scalar of a type takes.
pub(super) fn scalar_bytes(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

/// A scalar of a type.
pub(super) fn scalar(cursor: &mut Cursor<'_>, key: &str, kind: u32) -> Result<Value, ReadError> {
    let signed = |number: i64| Value::Number(u64::try_from(number).unwrap_or(0));
    Ok(match kind {
        0 => Value::Number(cursor.bytes().map(u8::from_le_bytes)?.into()),
        1 => signed(cursor.bytes().map(i8::from_le_bytes)?.into()),
        2 => Value::Number(cursor.bytes().map(u16::from_le_bytes)?.into()),
        3 => signed(cursor.bytes().map(i16::from_le_bytes)?.into()),
        4 => Value::Number(cursor.u32()?.into()),
        5 => signed(cursor.bytes().map(i32::from_le_bytes)?.into()),
        6 => Value::Real(cursor.bytes().map(f32::from_le_bytes)?.into()),
        7 => Value::Flag(cursor.bytes::<1>()? != [0]),
        10 => Value::Number(cursor.u64()?),
        11 => signed(cursor.bytes().map(i64::from_le_bytes)?),
        12 => Value::Real(cursor.bytes().map(f64::from_le_bytes)?),
        _ => {
            let wrong = Fault::ValueType { key: key.chars().take(KEY_KEPT).collect(), kind };
            return Err(fault(cursor, cursor.at().saturating_sub(4), wrong));
        }
    })
}

/// An array: its numbers where it may be one of layers, else how many items it has.
fn array(cursor: &mut Cursor<'_>, key: &str, depth: u32) -> Result<Value, ReadError> {
    let offset = cursor.at();
    let kind = cursor.u32()?;
    let count = cursor.u64()?;
    match kind {
        8 => {
            check(cursor, count, 8)?;
            for _ in 0..count {
                cursor.skip_text()?;
            }
            Ok(Value::Skipped(count))
        }
        9 if depth + 1 >= DEPTH_MAX => {
            Err(fault(cursor, offset, Fault::Nesting(key.chars().take(KEY_KEPT).collect())))
        }
        9 => {
            check(cursor, count, 12)?;
            for _ in 0..count {
                array(cursor, key, depth + 1)?;
            }
            Ok(Value::Skipped(count))
        }
        _ => numbers(cursor, key, kind, count, offset),
    }
}

fn numbers(
    cursor: &mut Cursor<'_>,
    key: &str,
    kind: u32,
    count: u64,
    offset: u64,
) -> Result<Value, ReadError> {
    let Some(size) = scalar_bytes(kind) else {
        let wrong = Fault::ValueType { key: key.chars().take(KEY_KEPT).collect(), kind };
        return Err(fault(cursor, offset, wrong));
    };
    check(cursor, count, size)?;
    // Of a vocabulary's scores and sorts only the number matters, however few they are.
    if count > LIST_KEPT || key.starts_with("tokenizer.") {
        cursor.skip(count * size)?;
        return Ok(Value::Skipped(count));
    }
    let mut list = Vec::new();
    for _ in 0..count {
        let number = match scalar(cursor, key, kind)? {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
            Value::Real(number) => number as u64,
            value => value.number().unwrap_or(0),
        };
        list.push(number);
    }
    Ok(Value::List(list))
}

/// Refuses a count of items that the file has no room for.
pub(super) fn check(cursor: &Cursor<'_>, count: u64, least: u64) -> Result<(), ReadError> {
    let most = cursor.left() / least;
    if count <= most {
        return Ok(());
    }
    let (path, offset) = (cursor.path().to_owned(), cursor.at().saturating_sub(8));
    Err(ReadError::Excess { path, offset, what: "items of an array", found: count, most })
}
