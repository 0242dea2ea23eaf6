//! Convolutions as products, with patches in tiles.

use super::elements::{floats_only, one_stage};
use super::product::{add_product, product};
use crate::compute::Window;
use crate::grad::{Sink, Tape, Var};
use crate::{Dtype, Tensor, TensorError};

/// The most bytes of patches at once, unless one row has more.
const AT_ONCE: u64 = 16 << 20;

impl Window {
    /// How many places it has in a picture, down and across; `None` if it does not fit.
    pub(crate) fn places(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let along = |index: usize| {
            let room = size[index].checked_add(self.padding[index].checked_mul(2)?)?;
            let steps = room.checked_sub(self.kernel[index])?.checked_div(self.stride[index])?;
            (self.kernel[index] > 0).then_some(steps + 1)
        };
        Some([along(0)?, along(1)?])
    }
}

/// What a convolution is of.
#[derive(Clone, Copy)]
struct Sizes {
    window: Window,
    images: usize,
    outputs: usize,
    places: [usize; 2],
    patch: usize,
    at_once: usize,
}

impl Sizes {
    fn of(window: Window, x: &Tensor, weight: &Tensor) -> Result<Self, TensorError> {
        const WHAT: &str = "a convolution";
        floats_only(WHAT, &[x, weight])?;
        one_stage(WHAT, &[x, weight])?;
        let places = window.places([x.dim(2), x.dim(3)]);
        let wanted = [weight.dim(0), x.dim(1), window.kernel[0], window.kernel[1]];
        let fits = x.rank() == 4 && weight.dims() == wanted;
        let Some(places) = places.filter(|_| fits) else {
            let why = format!(
                "{window:?} with {weight:?} does not fit into {x:?}: [n, channels, height, width] is meant"
            );
            return Err(TensorError::shape(WHAT, why));
        };
        let patch = wanted[1..].iter().product();
        let rows = x.dim(0) * places[0] * places[1];
        let at_once = usize::try_from(AT_ONCE / (patch as u64 * 4).max(1)).unwrap_or(1).clamp(1, rows.max(1));
        Ok(Self { window, images: x.dim(0), outputs: weight.dim(0), places, patch, at_once })
    }

    fn rows(&self) -> usize {
        self.images * self.places[0] * self.places[1]
    }

    fn tiles(self) -> impl Iterator<Item = (usize, usize)> {
        let rows = self.rows();
        (0..rows).step_by(self.at_once).map(move |from| (from, self.at_once.min(rows - from)))
    }

    fn patches(&self, x: &Tensor, from: usize, len: usize) -> Result<Tensor, TensorError> {
        let mut patches = x.stage().tensor(&[len, self.patch], x.dtype())?;
        x.stage().run(|compute| compute.patches(self.window, from, x, &mut patches))?;
        Ok(patches)
    }
}

impl Tape<'_> {
    /// Convolves `[n, channels, height, width]` with `[outputs, channels, kernel, kernel]`. Patches are made a tile at a time,
    /// on the way back again, so that what a convolution needs beside its operands is bounded.
    pub fn convolution(&mut self, x: &Var, weight: &Var, window: Window) -> Result<Var, TensorError> {
        let sizes = Sizes::of(window, &x.tensor, &weight.tensor)?;
        let (input, kernel) = (x.tensor.contiguous()?, weight.tensor.contiguous()?);
        let flat = kernel.reshape(&[sizes.outputs, sizes.patch])?;
        let stage = self.stage().clone();
        let mut all = stage.tensor(&[sizes.rows(), sizes.outputs], input.dtype())?;
        for (from, len) in sizes.tiles() {
            let found = product(&sizes.patches(&input, from, len)?, &flat.transpose(0, 1)?, input.dtype())?;
            stage.run(|compute| {
                compute.put([1, sizes.rows(), sizes.outputs], from, false, &found, &mut all)
            })?;
        }
        let [down, across] = sizes.places;
        let out = all
            .reshape(&[sizes.images, down, across, sizes.outputs])?
            .permute(&[0, 3, 1, 2])?
            .contiguous()?;
        drop(all);
        let ids = [x.id, weight.id];
        let kernel_dims = kernel.dims();
        Ok(self.outcome(out, &ids, move || {
            Box::new(move |dy: Tensor, sink: &mut Sink<'_>| {
                let dy = dy.permute(&[0, 2, 3, 1])?.contiguous()?.reshape(&[sizes.rows(), sizes.outputs])?;
                let mut dx = ids[0].map(|_| stage.zeros(&input.dims(), input.dtype())).transpose()?;
                let mut dweight =
                    ids[1].map(|_| stage.zeros(&[sizes.outputs, sizes.patch], Dtype::F32)).transpose()?;
                for (from, len) in sizes.tiles() {
                    let part = dy.narrow(0, from, len)?;
                    if let Some(dweight) = &mut dweight {
                        add_product(&part.transpose(0, 1)?, &sizes.patches(&input, from, len)?, dweight)?;
                    }
                    if let Some(dx) = &mut dx {
                        let rows = product(&part, &flat, input.dtype())?;
                        stage.run(|compute| compute.patches_back(window, from, &rows, dx))?;
                    }
                }
                if let Some(dweight) = dweight {
                    sink.give(ids[1], dweight.reshape(&kernel_dims)?)?;
                }
                match dx {
                    Some(dx) => sink.give(ids[0], dx),
                    None => Ok(()),
                }
            })
        }))
    }
}
