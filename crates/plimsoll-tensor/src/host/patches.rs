//! Patches of pictures as rows, for convolutions that are products.

use super::numbers::{floats, floats_mut};
use super::place::Host;
use crate::Tensor;
use crate::compute::{Done, Window};

/// The picture that patches are of.
struct Picture {
    channels: usize,
    size: [usize; 2],
    places: [usize; 2],
    window: Window,
}

impl Picture {
    fn new(window: Window, x: &Tensor) -> Self {
        let size = [x.dim(2), x.dim(3)];
        Self { channels: x.dim(1), size, places: window.places(size).unwrap_or([0, 0]), window }
    }

    /// For each number of a patch, in order, where in the pictures it is; `None` beyond the rim.
    fn each(&self, row: usize, mut tell: impl FnMut(usize, Option<usize>)) {
        let [height, width] = self.size;
        let (place, image) =
            (row % (self.places[0] * self.places[1]), row / (self.places[0] * self.places[1]));
        let (top, left) = (place / self.places[1], place % self.places[1]);
        let mut index = 0;
        for channel in 0..self.channels {
            for dy in 0..self.window.kernel[0] {
                let y = (top * self.window.stride[0] + dy).checked_sub(self.window.padding[0]);
                let y = y.filter(|y| *y < height);
                for dx in 0..self.window.kernel[1] {
                    let x = (left * self.window.stride[1] + dx).checked_sub(self.window.padding[1]);
                    let x = x.filter(|x| *x < width);
                    let at =
                        y.zip(x).map(|(y, x)| ((image * self.channels + channel) * height + y) * width + x);
                    tell(index, at);
                    index += 1;
                }
            }
        }
    }
}

impl Host {
    pub(super) fn take_patches(&self, window: Window, first: usize, x: &Tensor, out: &mut Tensor) -> Done {
        let (picture, from) = (Picture::new(window, x), floats("patches", x)?);
        self.by_rows("patches", out.dim(1), out, |row, into| {
            picture.each(first + row, |index, at| into[index] = at.map_or(0.0, |at| from.at(at)));
        })
    }

    /// One thread: patches overlap.
    pub(super) fn give_patches(window: Window, first: usize, rows: &Tensor, dx: &mut Tensor) -> Done {
        let picture = Picture::new(window, dx);
        let from = floats("patches", rows)?;
        let mut target = floats_mut("patches", dx)?;
        let mut one = [0.0];
        for row in 0..rows.dim(0) {
            picture.each(first + row, |index, at| {
                if let Some(at) = at {
                    let given = from.at(row * rows.dim(1) + index);
                    target.change(at, 1, &mut one, |into| into[0] += given);
                }
            });
        }
        Ok(())
    }
}
