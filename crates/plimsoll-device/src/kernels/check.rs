//! What the arguments of an operation must be, checked once for every back end.
//!
//! Each check takes what the operation takes and returns the numbers that a back end needs, so that nothing is
//! computed twice and nothing unchecked is launched. A result that says `is_empty` is no work: the back end
//! returns at once, whatever the operands' starts.
//!
//! What only the device knows stays with it: that the regions are its own, backed and alive, and that the
//! stream exists.

use super::{Number, Numbers, OPERAND_ALIGN, Rows};
use crate::{DeviceError, Span};

/// An operation whose arguments do not fit together.
pub fn bad(what: &'static str, why: impl Into<String>) -> DeviceError {
    DeviceError::BadOperation { what, why: why.into() }
}

/// An operand that starts where loads are whole.
pub fn aligned(what: &'static str, span: &Span<'_>) -> Result<(), DeviceError> {
    if span.offset().is_multiple_of(OPERAND_ALIGN) {
        return Ok(());
    }
    Err(bad(
        what,
        format!("an operand starts at byte {}; it must be a multiple of {OPERAND_ALIGN}", span.offset()),
    ))
}

/// Rows to be copied: byte `b` of row `r` goes from `r * source_pitch + b` to `r * target_pitch + b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCopy {
    /// How many rows.
    pub rows: u64,
    /// Bytes of one row; not zero where there are rows.
    pub row: u64,
    /// From row to row in the source.
    pub source_pitch: u64,
    /// From row to row in the target.
    pub target_pitch: u64,
}

impl RowCopy {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }
}

/// A pattern to be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The pattern repeated to 16 bytes: byte `b` of the target becomes `unit[b % 16]`.
    pub unit: [u8; 16],
    /// Bytes of the target, not always a multiple of 16.
    pub bytes: u64,
}

impl Pattern {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

/// Numbers to be converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// How many numbers.
    pub count: u64,
    /// How they are stored now.
    pub from: Number,
    /// How they will be.
    pub to: Number,
    /// How many numbers share a scale: a multiple of 32 that divides the count; 0 between floats.
    pub group: u32,
}

impl Conversion {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many scales there are.
    pub const fn groups(&self) -> u64 {
        if self.group == 0 { 0 } else { self.count / self.group as u64 }
    }
}

/// Blocks to be collected or spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// How many are moved: the length of the index.
    pub count: u32,
    /// Bytes of one: a multiple of [`OPERAND_ALIGN`], not zero.
    pub block: u64,
}

impl Blocks {
    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// The arguments of [`Kernels::copy_rows`](super::Kernels::copy_rows). Rows may start at any byte.
pub fn copy_rows(source: &Rows<'_>, target: &Rows<'_>) -> Result<RowCopy, DeviceError> {
    const WHAT: &str = "a copy of rows";
    writable(&target.span)?;
    let (from, to) = (rows_of(WHAT, source)?, rows_of(WHAT, target)?);
    if from != to {
        return Err(bad(WHAT, format!("the source has {from} rows and the target {to}; give both as many")));
    }
    if from > 0 && source.row != target.row {
        let (from, to) = (source.row, target.row);
        return Err(bad(WHAT, format!("a row of the source has {from} bytes and one of the target {to}")));
    }
    apart(&source.span, &target.span)?;
    let row = if from == 0 { 0 } else { source.row };
    Ok(RowCopy { rows: from, row, source_pitch: source.pitch, target_pitch: target.pitch })
}

/// How many rows fill the span exactly.
fn rows_of(what: &'static str, rows: &Rows<'_>) -> Result<u64, DeviceError> {
    let (bytes, row, pitch) = (rows.span.bytes().get(), rows.row, rows.pitch);
    if bytes == 0 {
        return Ok(0);
    }
    if row == 0 || pitch < row {
        return Err(bad(
            what,
            format!(
                "rows of {row} bytes at a pitch of {pitch}; a row has bytes and a pitch is at least a row"
            ),
        ));
    }
    match bytes.checked_sub(row) {
        Some(before) if before.is_multiple_of(pitch) => Ok(before / pitch + 1),
        _ => Err(bad(
            what,
            format!(
                "{bytes} bytes do not end with a row of {row} at a pitch of {pitch}; \
                 give pitch × (rows − 1) + row bytes"
            ),
        )),
    }
}

/// The arguments of [`Kernels::fill_pattern`](super::Kernels::fill_pattern).
pub fn fill_pattern(target: &Span<'_>, pattern: &[u8]) -> Result<Pattern, DeviceError> {
    const WHAT: &str = "a fill with a pattern";
    writable(target)?;
    let length = pattern.len();
    if !matches!(length, 1 | 2 | 4 | 8 | 16) {
        return Err(bad(WHAT, format!("a pattern of {length} bytes; it must have 1, 2, 4, 8 or 16")));
    }
    let bytes = target.bytes().get();
    if !bytes.is_multiple_of(length as u64) {
        return Err(bad(WHAT, format!("{bytes} bytes are not a whole number of patterns of {length}")));
    }
    operand(WHAT, target)?;
    let mut unit = [0; 16];
    for part in unit.chunks_mut(length) {
        part.copy_from_slice(pattern);
    }
    Ok(Pattern { unit, bytes })
}

/// The arguments of [`Kernels::convert`](super::Kernels::convert).
pub fn convert(source: &Numbers<'_>, target: &Numbers<'_>) -> Result<Conversion, DeviceError> {
    const WHAT: &str = "a conversion";
    writable(&target.span)?;
    if let Some(scales) = target.scales {
        writable(&scales.span)?;
    }
    let (from, to) = (source.number, target.number);
    if from.scaled() && to.scaled() {
        return Err(bad(WHAT, format!("{from:?} and {to:?} both have scales; go through F32 or F16")));
    }
    let (count, room) = (count_of(WHAT, source)?, count_of(WHAT, target)?);
    if count != room {
        return Err(bad(
            WHAT,
            format!("{count} numbers as {from:?} do not fill a target of {room} as {to:?}"),
        ));
    }
    let group = group_of(WHAT, source, count)?.max(group_of(WHAT, target, count)?);
    let inputs = [Some(source.span), source.scales.map(|scales| scales.span)];
    let outputs = [Some(target.span), target.scales.map(|scales| scales.span)];
    for input in inputs.iter().flatten() {
        operand(WHAT, input)?;
        for output in outputs.iter().flatten() {
            apart(input, output)?;
        }
    }
    for output in outputs.iter().flatten() {
        operand(WHAT, output)?;
    }
    if let [Some(numbers), Some(scales)] = &outputs {
        apart(numbers, scales)?;
    }
    Ok(Conversion { count, from, to, group })
}

fn count_of(what: &'static str, numbers: &Numbers<'_>) -> Result<u64, DeviceError> {
    let (bytes, bits) = (numbers.span.bytes().get(), numbers.number.bits());
    if bits < 8 {
        return bytes
            .checked_mul(8 / bits)
            .ok_or_else(|| bad(what, format!("{bytes} bytes hold more numbers than can be counted")));
    }
    if !bytes.is_multiple_of(bits / 8) {
        let number = numbers.number;
        return Err(bad(what, format!("{bytes} bytes are not a whole number of {number:?} values")));
    }
    Ok(bytes / (bits / 8))
}

/// How many numbers share a scale; 0 for those that have none.
fn group_of(what: &'static str, numbers: &Numbers<'_>, count: u64) -> Result<u32, DeviceError> {
    let number = numbers.number;
    let scales = match numbers.scales {
        None if number.scaled() => {
            return Err(bad(what, format!("{number:?} values need scales and none are given")));
        }
        None => return Ok(0),
        Some(_) if !number.scaled() => {
            return Err(bad(what, format!("{number:?} values have no scales and some are given")));
        }
        Some(scales) => scales,
    };
    let group = scales.group;
    if group == 0 || !group.is_multiple_of(32) {
        return Err(bad(what, format!("a scale for each {group} numbers; it must be a multiple of 32")));
    }
    if !count.is_multiple_of(u64::from(group)) {
        return Err(bad(what, format!("{count} numbers are not a whole number of groups of {group}")));
    }
    let (wanted, found) = (count / u64::from(group) * 4, scales.span.bytes().get());
    if found != wanted {
        return Err(bad(
            what,
            format!(
                "{count} numbers in groups of {group} have {wanted} bytes of scales, and {found} are given"
            ),
        ));
    }
    Ok(group)
}

/// The arguments of [`Kernels::gather`](super::Kernels::gather).
pub fn gather(
    source: &Span<'_>,
    index: &[u32],
    block: u64,
    target: &Span<'_>,
) -> Result<Blocks, DeviceError> {
    const WHAT: &str = "a gather";
    writable(target)?;
    let blocks = blocks_of(WHAT, source, index, block, target)?;
    apart(source, target)?;
    Ok(blocks)
}

/// The arguments of [`Kernels::scatter`](super::Kernels::scatter).
pub fn scatter(
    source: &Span<'_>,
    index: &[u32],
    block: u64,
    target: &Span<'_>,
) -> Result<Blocks, DeviceError> {
    const WHAT: &str = "a scatter";
    writable(target)?;
    let blocks = blocks_of(WHAT, target, index, block, source)?;
    if let Some(twice) = repeated(index) {
        return Err(bad(WHAT, format!("block {twice} of the target is named twice")));
    }
    apart(source, target)?;
    Ok(blocks)
}

/// `many` is the side whose blocks the index names, `few` the other.
fn blocks_of(
    what: &'static str,
    many: &Span<'_>,
    index: &[u32],
    block: u64,
    few: &Span<'_>,
) -> Result<Blocks, DeviceError> {
    if block == 0 || !block.is_multiple_of(OPERAND_ALIGN) {
        return Err(bad(what, format!("blocks of {block} bytes; give a multiple of {OPERAND_ALIGN}")));
    }
    let count = u32::try_from(index.len())
        .map_err(|_| bad(what, format!("{} blocks are more than 2^32 − 1; split the index", index.len())))?;
    let (bytes, room) = (many.bytes().get(), few.bytes().get());
    if !bytes.is_multiple_of(block) {
        return Err(bad(what, format!("{bytes} bytes are not a whole number of blocks of {block}")));
    }
    if u64::from(count).checked_mul(block) != Some(room) {
        return Err(bad(what, format!("{count} blocks of {block} bytes are named for {room} bytes")));
    }
    let blocks = bytes / block;
    // The largest decides, so that what is usual costs one pass that vectorizes.
    if index.iter().max().is_some_and(|&largest| u64::from(largest) >= blocks) {
        let at = index.iter().position(|&named| u64::from(named) >= blocks).unwrap_or(0);
        return Err(bad(what, format!("entry {at} names block {} of {blocks}", index[at])));
    }
    if count > 0 {
        operand(what, many)?;
        operand(what, few)?;
    }
    Ok(Blocks { count, block })
}

/// A number that is there more than once.
fn repeated(index: &[u32]) -> Option<u32> {
    if index.is_sorted_by(|a, b| a < b) {
        return None;
    }
    let largest = *index.iter().max()? as usize;
    // A bit for each block while that is as small as the index; sorting otherwise.
    if largest / 32 <= index.len().max(1024) {
        let mut seen = vec![0_u32; largest / 32 + 1];
        return index.iter().copied().find(|&named| {
            let (word, bit) = (&mut seen[named as usize / 32], 1 << (named % 32));
            let again = *word & bit != 0;
            *word |= bit;
            again
        });
    }
    let mut sorted = index.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// The argument of [`Kernels::sum`](super::Kernels::sum): how many bytes there are.
pub fn sum(source: &Span<'_>) -> Result<u64, DeviceError> {
    operand("a sum", source)?;
    Ok(source.bytes().get())
}

/// Nothing starts anywhere when it has no bytes.
pub(super) fn operand(what: &'static str, span: &Span<'_>) -> Result<(), DeviceError> {
    if span.bytes().is_zero() { Ok(()) } else { aligned(what, span) }
}

pub(super) fn writable(span: &Span<'_>) -> Result<(), DeviceError> {
    if span.region().writable() { Ok(()) } else { Err(DeviceError::ReadOnly) }
}

pub(super) fn apart(source: &Span<'_>, target: &Span<'_>) -> Result<(), DeviceError> {
    if source.overlaps(target) { Err(DeviceError::Overlap) } else { Ok(()) }
}
