//! Eigenvalues of a small symmetric matrix, by turns of two rows at a time (Jacobi).

/// Turns the matrix until it is diagonal. Gives the eigenvalues, the largest first, and for each its vector as a row.
pub(super) fn eigen(mut matrix: Vec<f64>, side: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; side * side];
    vectors.iter_mut().step_by(side + 1).for_each(|x| *x = 1.0);
    let total: f64 = matrix.iter().map(|x| x * x).sum();
    // A dozen sweeps are more than any matrix was seen to need.
    for _ in 0..30 {
        let mut off = 0.0;
        for p in 0..side {
            for q in p + 1..side {
                off += matrix[p * side + q].powi(2);
                turn(&mut matrix, &mut vectors, side, (p, q));
            }
        }
        if off <= total * 1e-20 {
            break;
        }
    }
    let mut order: Vec<usize> = (0..side).collect();
    order.sort_by(|a, b| matrix[b * side + b].total_cmp(&matrix[a * side + a]));
    let values = order.iter().map(|at| matrix[at * side + at]).collect();
    let vectors = order.iter().flat_map(|at| vectors[at * side..][..side].iter().copied()).collect();
    (values, vectors)
}

/// Turns rows and columns `p` and `q` so that nothing is left between them.
fn turn(matrix: &mut [f64], vectors: &mut [f64], side: usize, (p, q): (usize, usize)) {
    let between = matrix[p * side + q];
    let (own, other) = (matrix[p * side + p], matrix[q * side + q]);
    if between.abs() <= 1e-17 * (own.abs() + other.abs()) {
        return;
    }
    let slope = (other - own) / (2.0 * between);
    let tangent = slope.signum() / (slope.abs() + (slope * slope + 1.0).sqrt());
    let along = 1.0 / (tangent * tangent + 1.0).sqrt();
    let across = tangent * along;
    for row in 0..side {
        let at = row * side;
        let (a, b) = (matrix[at + p], matrix[at + q]);
        matrix[at + p] = along * a - across * b;
        matrix[at + q] = across * a + along * b;
    }
    rows(matrix, side, (p, q), (along, across));
    rows(vectors, side, (p, q), (along, across));
}

fn rows(matrix: &mut [f64], side: usize, (p, q): (usize, usize), (along, across): (f64, f64)) {
    let (front, back) = matrix.split_at_mut(q * side);
    for (a, b) in front[p * side..][..side].iter_mut().zip(&mut back[..side]) {
        (*a, *b) = (along * *a - across * *b, across * *a + along * *b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::tests::normal;

    #[test]
    fn vectors_are_what_the_matrix_only_stretches() {
        for side in [1, 2, 7, 40] {
            let some = normal(3, side * side);
            let matrix: Vec<f64> = (0..side * side)
                .map(|at| f64::from(some[at]) + f64::from(some[at % side * side + at / side]))
                .collect();
            let (values, vectors) = eigen(matrix.clone(), side);
            assert!(values.is_sorted_by(|a, b| a >= b));
            for (value, vector) in values.iter().zip(vectors.chunks(side)) {
                assert!((vector.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-9);
                for (row, x) in matrix.chunks(side).zip(vector) {
                    let stretched: f64 = row.iter().zip(vector).map(|(a, b)| a * b).sum();
                    assert!((stretched - value * x).abs() < 1e-8, "{side}");
                }
            }
        }
    }
}
