//! Rows at right angles to each other.

/// Sums of products in doubles, eight apart so that they can be done at once.
pub(in crate::neural) fn dot(a: &[f32], b: &[f32]) -> f64 {
    let mut sums = [0.0; 8];
    let (heads, tail) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    for (a, b) in heads.0.iter().zip(tail.0) {
        for at in 0..8 {
            sums[at] += f64::from(a[at]) * f64::from(b[at]);
        }
    }
    let rest: f64 = heads.1.iter().zip(tail.1).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    sums.iter().sum::<f64>() + rest
}

/// Makes rows orthonormal, each from what it has that those before it have not; a row that has nothing more becomes one at
/// right angles to all. `told` hears what row `at` had of row `of`: with `of == at` its own length, with the rows before it
/// the products.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "the numbers are singles")]
pub(in crate::neural) fn orthonormalize(
    rows: &mut [f32],
    width: usize,
    mut told: impl FnMut(usize, usize, f64),
) {
    let count = rows.len() / width;
    let mut spare = 0;
    for at in 0..count {
        let (before, rest) = rows.split_at_mut(at * width);
        let row = &mut rest[..width];
        let start = dot(row, row).sqrt();
        let mut length = clear(before, row, width, |of, had| told(at, of, had));
        // What is left of rounding is no direction.
        let is_real = length > start * 1e-5 && length > 0.0;
        told(at, at, if is_real { length } else { 0.0 });
        if !is_real {
            // One of the unit vectors has at least its share of what the rows before leave.
            let least = 0.5 / (width as f64).sqrt();
            for _ in 0..width {
                row.fill(0.0);
                row[spare % width] = 1.0;
                spare += 1;
                length = clear(before, row, width, |_, _| ());
                if length > least {
                    break;
                }
            }
        }
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        for x in row {
            *x = (f64::from(*x) * scale) as f32;
        }
    }
}

/// Takes off a row what it has of those before it, twice for what rounding left, and says how long it is then.
#[expect(clippy::cast_possible_truncation, reason = "the numbers are singles")]
fn clear(before: &[f32], row: &mut [f32], width: usize, mut told: impl FnMut(usize, f64)) -> f64 {
    for _ in 0..2 {
        for (of, other) in before.chunks_exact(width).enumerate() {
            let had = dot(row, other);
            told(of, had);
            let had = had as f32;
            for (x, y) in row.iter_mut().zip(other) {
                *x -= had * y;
            }
        }
    }
    dot(row, row).sqrt()
}
