//! Rows of levels times a matrix: what a linear decoder does. What is asked, what fits together, and what it means.

use super::check::{apart, bad, operand, writable};
use crate::{Bytes, DeviceError, Span};

/// The most levels of a row.
pub const DEPTH_MAX: u32 = 1 << 16;

const WHAT: &str = "an expansion of rows";

/// The sizes of an expansion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExpandShape {
    /// How many rows.
    pub rows: u32,
    /// Levels of a row: 1..=[`DEPTH_MAX`].
    pub depth: u32,
    /// Numbers that it becomes: 1 to as many.
    pub width: u32,
}

impl ExpandShape {
    /// All levels, a byte each in two's complement, row after row.
    pub const fn levels_bytes(&self) -> u64 {
        self.rows as u64 * self.depth as u64
    }

    /// A single for each row.
    pub const fn scales_bytes(&self) -> u64 {
        self.rows as u64 * 4
    }

    /// The matrix: for each number of a row that comes out, `depth` singles.
    pub const fn matrix_bytes(&self) -> u64 {
        self.width as u64 * self.depth as u64 * 4
    }

    /// What is added to each number of a row.
    pub const fn offsets_bytes(&self) -> u64 {
        self.width as u64 * 4
    }

    /// The rows that come out, singles.
    pub const fn target_bytes(&self) -> u64 {
        self.rows as u64 * self.width as u64 * 4
    }

    /// Whether there is nothing to do.
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    fn check(&self) -> Result<(), DeviceError> {
        let Self { depth, width, .. } = *self;
        for (what, number) in [("levels", depth), ("numbers", width)] {
            if number == 0 || number > DEPTH_MAX {
                return Err(bad(WHAT, format!("rows of {number} {what}; they have 1 to {DEPTH_MAX}")));
            }
        }
        Ok(())
    }
}

/// Rows to be expanded. Each span has exactly the bytes that the shape says.
#[derive(Clone, Copy, Debug)]
pub struct Expand<'r> {
    /// The sizes.
    pub shape: ExpandShape,
    /// The levels.
    pub levels: Span<'r>,
    /// A scale for each row.
    pub scales: Span<'r>,
    /// The matrix.
    pub matrix: Span<'r>,
    /// What is added.
    pub offsets: Span<'r>,
    /// Where rows go.
    pub target: Span<'r>,
    /// Memory to work in, of at least [`Kernels::expand_desk`](crate::Kernels::expand_desk) bytes. What it holds afterwards
    /// is nothing.
    pub desk: Span<'r>,
}

/// The arguments of [`Kernels::expand`](crate::Kernels::expand). `desk` is what the back end needs.
pub fn check(ask: &Expand<'_>, desk: Bytes) -> Result<ExpandShape, DeviceError> {
    let shape = ask.shape;
    writable(&ask.target)?;
    writable(&ask.desk)?;
    shape.check()?;
    let read = [
        ("levels", &ask.levels, shape.levels_bytes()),
        ("scales", &ask.scales, shape.scales_bytes()),
        ("the matrix", &ask.matrix, shape.matrix_bytes()),
        ("offsets", &ask.offsets, shape.offsets_bytes()),
    ];
    for (name, span, wanted) in read.into_iter().chain([("the target", &ask.target, shape.target_bytes())]) {
        let found = span.bytes().get();
        if found != wanted {
            return Err(bad(WHAT, format!("{name} of {found} bytes; {shape:?} has {wanted}")));
        }
    }
    if ask.desk.bytes() < desk {
        let found = ask.desk.bytes();
        return Err(bad(WHAT, format!("a desk of {found}; ask expand_desk, which says {desk}")));
    }
    for (_, span, _) in read {
        operand(WHAT, span)?;
        apart(span, &ask.target)?;
        apart(span, &ask.desk)?;
    }
    operand(WHAT, &ask.target)?;
    operand(WHAT, &ask.desk)?;
    apart(&ask.target, &ask.desk)?;
    Ok(shape)
}

/// The desk of a shape that can be expanded; nothing for one that cannot, which the check refuses.
pub fn desk_of(shape: &ExpandShape, bytes: impl FnOnce() -> u64) -> Bytes {
    if shape.is_empty() || shape.check().is_err() { Bytes::ZERO } else { Bytes::new(bytes()) }
}

/// What is expanded, as bytes.
#[derive(Clone, Copy, Debug)]
pub struct ExpandStored<'b> {
    /// The levels.
    pub levels: &'b [u8],
    /// A scale for each row.
    pub scales: &'b [u8],
    /// The matrix.
    pub matrix: &'b [u8],
    /// What is added.
    pub offsets: &'b [u8],
}

fn singles(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// Every number that comes out, in order: its level products' sum in some arithmetic, scale and offset applied by `done`.
fn each(shape: &ExpandShape, stored: &ExpandStored<'_>, mut done: impl FnMut(&[f32], &[f32], f32, f32)) {
    let depth = shape.depth as usize;
    let (matrix, offsets) = (singles(stored.matrix), singles(stored.offsets));
    let mut row = vec![0.0; depth];
    for (levels, scale) in stored.levels.chunks_exact(depth).zip(singles(stored.scales)) {
        for (number, level) in row.iter_mut().zip(levels) {
            *number = f32::from(level.cast_signed());
        }
        for (column, offset) in matrix.chunks_exact(depth).zip(&offsets) {
            done(&row, column, scale, *offset);
        }
    }
}

/// The expansion of [`Kernels::expand`](crate::Kernels::expand), in doubles.
#[expect(clippy::cast_possible_truncation, reason = "what comes out are singles")]
pub fn reference(shape: &ExpandShape, stored: &ExpandStored<'_>, target: &mut [u8]) {
    let mut places = target.as_chunks_mut::<4>().0.iter_mut();
    each(shape, stored, |row, column, scale, offset| {
        let sum: f64 = row.iter().zip(column).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
        if let Some(place) = places.next() {
            *place = ((f64::from(scale) * sum + f64::from(offset)) as f32).to_le_bytes();
        }
    });
}

/// The same in singles, for the host.
#[cfg(unix)]
pub(crate) fn on_host(shape: &ExpandShape, stored: &ExpandStored<'_>, target: &mut [u8]) {
    const LANES: usize = 16;
    let mut places = target.as_chunks_mut::<4>().0.iter_mut();
    each(shape, stored, |row, column, scale, offset| {
        let mut sums = [0.0_f32; LANES];
        for (row, column) in row.chunks(LANES).zip(column.chunks(LANES)) {
            for (sum, (x, w)) in sums.iter_mut().zip(row.iter().zip(column)) {
                *sum += x * w;
            }
        }
        if let Some(place) = places.next() {
            *place = (scale * sums.iter().sum::<f32>() + offset).to_le_bytes();
        }
    });
}

/// Whether `found` is what an expansion may give; if not, where not and why. Sums are of singles in any order, and of
/// numbers that keep 21 bits: one is within (D + 64) · 2⁻²⁴ of its terms' magnitudes, and of the offset's.
#[expect(clippy::float_cmp, reason = "an infinity is itself")]
pub fn found(shape: &ExpandShape, stored: &ExpandStored<'_>, found: &[u8]) -> Result<(), String> {
    let part = (f64::from(shape.depth) + 64.0) / f64::from(1 << 24);
    let mut numbers = singles(found).into_iter().enumerate();
    let mut wrong = None;
    each(shape, stored, |row, column, scale, offset| {
        let terms = row.iter().zip(column).map(|(x, w)| f64::from(*x) * f64::from(*w));
        let scale = f64::from(scale);
        let (sum, most) = terms.fold((0.0, 0.0), |(sum, most), term| (sum + term, most + term.abs()));
        let should = scale * sum + f64::from(offset);
        let room = (scale.abs() * most + f64::from(offset).abs()) * part + f64::from(f32::MIN_POSITIVE);
        let Some((at, is)) = numbers.next() else { return };
        let is = f64::from(is);
        if should.is_finite() && is != should && ((is - should).abs() > room || is.is_nan()) {
            wrong.get_or_insert_with(|| {
                format!("number {at} is {is:e} instead of {should:e}, {room:e} of room")
            });
        }
    });
    wrong.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(numbers: &[f32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    #[test]
    fn a_row_is_its_levels_times_the_matrix_and_the_tolerance_is_narrow() {
        let shape = ExpandShape { rows: 2, depth: 3, width: 2 };
        let (scales, matrix, offsets) =
            (bytes(&[0.5, 2.0]), bytes(&[1.0, 0.0, -1.0, 0.25, 4.0, 0.0]), bytes(&[10.0, 0.0]));
        let levels = [1_i8, 2, 3, -127, 0, 127].map(i8::cast_unsigned);
        let stored = ExpandStored { levels: &levels, scales: &scales, matrix: &matrix, offsets: &offsets };
        let mut out = vec![0; 16];
        reference(&shape, &stored, &mut out);
        assert_eq!(singles(&out), [9.0, 4.125, -498.0, -63.5]);
        assert_eq!(found(&shape, &stored, &out), Ok(()));
        #[cfg(unix)]
        {
            let mut host = vec![0; 16];
            on_host(&shape, &stored, &mut host);
            assert_eq!(host, out);
        }
        out[8..12].copy_from_slice(&(-498.01_f32).to_le_bytes());
        assert!(found(&shape, &stored, &out).unwrap_err().contains("number 2"));
        out[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(found(&shape, &stored, &out).is_err());
    }
}
