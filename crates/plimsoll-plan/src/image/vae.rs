//! What decoding an image needs: a walk through the decoder, whose last blocks are as large as the image.
//!
//! The autoencoders of SDXL, SD 3.5 and FLUX.1 share one shape: from 512 channels at an eighth of the image's sides
//! to 128 at the whole, three residual blocks on each scale. What is widest is the step to the whole image at 256
//! channels.

use super::Runtime;
use crate::phase::product;

/// Channels on each scale, from the latent image up.
const CHANNELS: [u64; 4] = [512, 512, 256, 128];
/// Residual blocks on each scale.
const BLOCKS: u64 = 3;

/// What is decoded at once.
#[derive(Clone, Copy)]
pub(super) struct Decoding {
    /// Images.
    pub(super) batch: u64,
    /// Sides of the latent image.
    pub(super) sides: (u64, u64),
    /// Bytes of a number.
    pub(super) number_bytes: u64,
    pub(super) runtime: Runtime,
    /// Whether attention's scores are written out.
    pub(super) written: bool,
}

impl Decoding {
    /// Bytes of a tensor of so many channels on a scale.
    fn tensor(self, channels: u64, scale: u32, number_bytes: u64) -> u64 {
        let factor = 1_u64 << scale;
        let (high, wide) = (self.sides.0.saturating_mul(factor), self.sides.1.saturating_mul(factor));
        product(&[self.batch, channels, high, wide, number_bytes])
    }

    /// What there is at a convolution: input, output, and what the library makes of them. On NVIDIA's tensor cores
    /// both are turned to channels last; ggml writes nine copies of the input in halves and computes in single
    /// precision.
    fn convolution(self, channels: (u64, u64), scale: u32, beside: u64) -> u64 {
        let (input, output) = (
            self.tensor(channels.0, scale, self.number_bytes),
            self.tensor(channels.1, scale, self.number_bytes),
        );
        let there = beside.saturating_add(input).saturating_add(output);
        match self.runtime {
            Runtime::Torch => there.saturating_add(input).saturating_add(output),
            Runtime::StableDiffusionCpp => {
                there.saturating_add(self.tensor(channels.0, scale, 2).saturating_mul(9))
            }
        }
    }

    /// The widest moment.
    pub(super) fn peak(self) -> u64 {
        let bytes = |channels, scale| self.tensor(channels, scale, self.number_bytes);
        // ggml frees a block's input as soon as its last use is planned, and adds in place.
        let keeps = |channels, scale| if self.runtime == Runtime::Torch { bytes(channels, scale) } else { 0 };
        let mut peak = self.attention();
        let mut channels = CHANNELS[0];
        let mut scale = 0;
        for (index, wanted) in CHANNELS.into_iter().enumerate() {
            for _ in 0..BLOCKS {
                // Beside the convolution of what the norm made of it there is the block's input.
                peak = peak.max(self.convolution((channels, wanted), scale, keeps(channels, scale)));
                channels = wanted;
            }
            if index + 1 < CHANNELS.len() {
                // Twice the sides by repetition, then a convolution; the small one is still there.
                let small = keeps(channels, scale);
                scale += 1;
                peak = peak.max(self.convolution((channels, channels), scale, small));
            }
        }
        peak
    }

    /// The one attention, over all places of the latent image with one head of 512 numbers.
    fn attention(self) -> u64 {
        let stream = self.tensor(CHANNELS[0], 0, self.number_bytes);
        let places = product(&[self.sides.0, self.sides.1]);
        // In single precision, before and after softmax.
        let scores = if self.written { product(&[self.batch, places, places, 8]) } else { 0 };
        stream.saturating_mul(14).saturating_add(scores)
    }
}

#[cfg(test)]
mod tests {
    use plimsoll::Bytes;

    use super::*;

    fn decoding(batch: u64, sides: (u64, u64), number_bytes: u64) -> Decoding {
        Decoding { batch, sides, number_bytes, runtime: Runtime::Torch, written: false }
    }

    /// The decoder's shape with random weights in PyTorch 2.11 on an H200 (cuDNN), what `max_memory_allocated` was
    /// over what was there before, in MiB.
    #[test]
    fn a_decoder_needs_what_it_took_on_a_gpu() {
        let rows = [
            (1, (64, 64), 2, 546.1),
            (1, (128, 128), 2, 2178.5),
            (2, (128, 128), 2, 4355.0),
            (1, (96, 168), 2, 2144.5),
            (1, (256, 256), 2, 8708.0),
            (1, (64, 64), 4, 1090.5),
            (1, (128, 128), 4, 4371.0),
            (2, (128, 128), 4, 8724.3),
            (1, (96, 168), 4, 4303.7),
            (1, (256, 256), 4, 17430.3),
        ];
        for (batch, sides, number_bytes, measured) in rows {
            let peak = Bytes::new(decoding(batch, sides, number_bytes).peak()).ratio(Bytes::mib(1));
            assert!(
                (peak / measured - 1.0).abs() < 0.01,
                "{batch} {sides:?} {number_bytes}: {peak} for {measured}"
            );
        }
    }

    /// What stable-diffusion.cpp logs as its compute buffer (its issue 1044), and four times that.
    #[test]
    fn im2col_makes_it_the_largest_part_of_all() {
        for (sides, mib) in [((64, 64), 1664), ((128, 128), 6656)] {
            let runtime = Runtime::StableDiffusionCpp;
            let decoding = Decoding { runtime, number_bytes: 4, ..decoding(1, sides, 4) };
            assert_eq!(decoding.peak(), mib << 20);
        }
    }
}
