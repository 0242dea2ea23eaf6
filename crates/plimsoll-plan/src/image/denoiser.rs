//! What one step of denoising needs at its widest moment.

use super::{Denoiser, Runtime};
use crate::phase::product;

/// A step.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// Images at once, each twice where it is guided.
    pub(super) batch: u64,
    /// Sides of the latent image.
    pub(super) sides: (u64, u64),
    /// Bytes of a number.
    pub(super) number_bytes: u64,
    pub(super) runtime: Runtime,
    /// Whether attention's scores are written out.
    pub(super) written: bool,
}

/// Vectors of a transformer in a UNet at its widest: the stream five times (the block's input twice, itself, after
/// the norm and after attention), and the gated feed-forward part before (8) and within (4 + 4) its function.
const UNET_VECTORS: u64 = 21;

impl Denoiser {
    /// The widest moment of a step, without weights.
    pub(super) fn peak(&self, step: Step) -> u64 {
        match *self {
            Self::Unet { channels, depths, blocks, head_width } => {
                unet(step, channels, depths, blocks, head_width)
            }
            Self::Transformer { width, text_tokens, heads, image_vectors, text_vectors, rotated } => {
                let image_tokens = product(&[step.sides.0.div_ceil(2), step.sides.1.div_ceil(2)]);
                let tokens = image_tokens.saturating_add(text_tokens);
                let image = product(&[image_tokens, image_vectors]);
                let vectors = image.saturating_add(product(&[text_tokens, text_vectors]));
                let rotations =
                    if rotated { product(&[tokens, 2, width.checked_div(heads).unwrap_or(0), 4]) } else { 0 };
                let scores = step.scores(heads, tokens);
                product(&[step.batch, vectors, width, step.number_bytes])
                    .saturating_add(rotations)
                    .saturating_add(scores)
            }
        }
    }
}

impl Step {
    /// Bytes of a tensor of so many channels, on a scale that halves the sides so many times.
    fn tensor(self, channels: u64, scale: u32) -> u64 {
        let side = |side: u64| side.div_ceil(1_u64 << scale.min(63));
        product(&[self.batch, channels, side(self.sides.0), side(self.sides.1), self.number_bytes])
    }

    /// Scores of all heads before and after softmax, if they are written; ggml does softmax in place, in single
    /// precision.
    fn scores(self, heads: u64, tokens: u64) -> u64 {
        let each = match self.runtime {
            Runtime::Torch => self.number_bytes.saturating_mul(2),
            Runtime::StableDiffusionCpp => 4,
        };
        if self.written { product(&[self.batch, heads, tokens, tokens, each]) } else { 0 }
    }

    /// A residual block: its input, what the norm made of it, the convolution's output, and both turned.
    fn residual(self, (from, to): (u64, u64), scale: u32) -> u64 {
        let (input, output) = (self.tensor(from, scale), self.tensor(to, scale));
        let copies = match self.runtime {
            Runtime::Torch => input.saturating_add(output),
            // Nine copies in halves, beside what is computed in single precision.
            Runtime::StableDiffusionCpp => product(&[input, 9]) / self.number_bytes.max(1) * 2,
        };
        product(&[input, 2]).saturating_add(output).saturating_add(copies)
    }

    /// A transformer on a scale.
    fn transformer(self, channels: u64, scale: u32, depth: u64, head_width: u64) -> u64 {
        if depth == 0 {
            return 0;
        }
        let places = self.sides.0.div_ceil(1 << scale).saturating_mul(self.sides.1.div_ceil(1 << scale));
        let stream = self.tensor(channels, scale);
        let scores = self.scores(channels.checked_div(head_width).unwrap_or(1), places);
        // Scores and the feed-forward part take turns.
        let wide = product(&[stream, UNET_VECTORS - 5]).max(scores.saturating_add(product(&[stream, 4])));
        product(&[stream, 5]).saturating_add(wide)
    }
}

/// A walk down and up again. What goes across from the way down to the way up is kept until its scale is done.
fn unet(step: Step, channels: &[u64], depths: &[u64], blocks: u64, head_width: u64) -> u64 {
    let Some(&first) = channels.first() else { return 0 };
    let scales: Vec<_> = channels.iter().zip(depths).zip(0_u32..).collect();
    let mut across = vec![(first, step.tensor(first, 0))];
    let kept = |across: &[(u64, u64)]| across.iter().fold(0_u64, |sum, one| sum.saturating_add(one.1));
    let mut peak = 0_u64;
    let mut from = first;
    for ((&to, &depth), scale) in scales.iter().copied() {
        for _ in 0..blocks.min(64) {
            let widest = step.residual((from, to), scale).max(step.transformer(to, scale, depth, head_width));
            peak = peak.max(kept(&across).saturating_add(widest));
            across.push((to, step.tensor(to, scale)));
            from = to;
        }
        if (scale as usize) + 1 < channels.len() {
            across.push((to, step.tensor(to, scale + 1)));
        }
    }
    for ((&to, &depth), scale) in scales.into_iter().rev() {
        // The scale's own are let go only when all of it is done, and so is what came in from below.
        let all = kept(&across);
        let below = step.tensor(from, scale);
        for _ in 0..=blocks.min(64) {
            let beside = across.pop().map_or(0, |one| one.0);
            let both = from.saturating_add(beside);
            let widest = step.residual((both, to), scale).max(step.transformer(to, scale, depth, head_width));
            peak = peak.max(all.saturating_add(below).saturating_add(widest));
            from = to;
        }
    }
    peak
}

#[cfg(test)]
mod tests {
    use plimsoll::Bytes;

    use super::super::pipeline::PIPELINES;
    use super::*;

    /// diffusers 0.42 on tensors without memory, fused attention, weights left out: the most that was alive, in
    /// MiB. The libraries' own workspaces are not in these; a UNet's convolutions add theirs here, so it may lie
    /// above.
    #[test]
    fn a_step_needs_what_was_alive() {
        let rows = [
            ("sdxl", 1, (64, 64), 39.7, 0.10),
            ("sdxl", 1, (128, 128), 157.9, 0.10),
            ("sdxl", 2, (128, 128), 315.9, 0.10),
            ("sdxl", 2, (96, 168), 310.9, 0.10),
            ("sdxl", 2, (256, 256), 1261.6, 0.10),
            ("flux.1-dev", 1, (64, 64), 158.7, 0.04),
            ("flux.1-dev", 1, (128, 128), 468.1, 0.03),
            ("flux.1-dev", 2, (128, 128), 931.6, 0.03),
            ("flux.1-dev", 1, (256, 256), 1705.7, 0.03),
            ("sd3.5-large", 1, (64, 64), 69.1, 0.05),
            ("sd3.5-large", 1, (128, 128), 254.8, 0.02),
            ("sd3.5-large", 2, (128, 128), 509.5, 0.02),
            ("sd3.5-medium", 1, (64, 64), 47.7, 0.05),
            ("sd3.5-medium", 1, (128, 128), 174.1, 0.02),
            ("sd3.5-medium", 2, (128, 128), 348.2, 0.02),
        ];
        for (name, batch, sides, measured, share) in rows {
            let pipeline = PIPELINES.iter().find(|pipeline| pipeline.name == name).unwrap();
            let step = Step { batch, sides, number_bytes: 2, runtime: Runtime::Torch, written: false };
            let peak = Bytes::new(pipeline.denoiser.peak(step)).ratio(Bytes::mib(1));
            assert!((peak / measured - 1.0).abs() < share, "{name} {batch} {sides:?}: {peak} for {measured}");
        }
    }
}
