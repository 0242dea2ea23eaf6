//! The product that decoding is, by a library that does nothing else: the limit that a codec is measured against.

use gemm::Parallelism;

/// Two matrices, row after row, and the room for their product.
#[derive(Debug)]
pub(super) struct Product<'p> {
    /// `m × k`.
    pub(super) left: &'p [f32],
    /// `n × k`: its rows are multiplied with those of the left.
    pub(super) right: &'p [f32],
    /// `m × n`.
    pub(super) into: &'p mut [f32],
    /// How long rows are that are multiplied.
    pub(super) depth: usize,
}

impl Product<'_> {
    /// Multiplies, with each thread an equal part of the left rows.
    pub(super) fn run(self, threads: usize) {
        let Self { left, right, into, depth } = self;
        let (rows, columns) = (left.len() / depth, right.len() / depth);
        let part = rows.div_ceil(threads.max(1)).max(1);
        std::thread::scope(|scope| {
            for (left, into) in left.chunks(part * depth).zip(into.chunks_mut(part * columns)) {
                scope.spawn(move || multiply(left, right, into, depth));
            }
        });
    }
}

fn multiply(left: &[f32], right: &[f32], into: &mut [f32], depth: usize) {
    let (rows, columns) = (left.len() / depth, right.len() / depth);
    assert!(left.len() == rows * depth && right.len() == columns * depth && into.len() == rows * columns);
    let [wide, deep] = [columns, depth].map(usize::cast_signed);
    // SAFETY: the three slices are matrices of these sizes and strides, as was just made sure of, and the product's is ours
    // alone.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            into.as_mut_ptr(),
            1,
            wide,
            false,
            left.as_ptr(),
            1,
            deep,
            right.as_ptr(),
            deep,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_product_of_rows_with_rows() {
        let left = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let right = [1.0, 0.0, 0.0, 2.0, 1.0, 1.0, 0.0, -1.0];
        let mut into = [f32::NAN; 12];
        Product { left: &left, right: &right, into: &mut into, depth: 2 }.run(2);
        let expected: [f32; 12] = [1.0, 4.0, 3.0, -2.0, 3.0, 8.0, 7.0, -4.0, 5.0, 12.0, 11.0, -6.0];
        assert!(into.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{into:?}");
    }
}
