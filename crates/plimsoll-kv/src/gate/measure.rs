//! Measures how far a precision is off.

use super::{GateError, GateReport, Limits, Probe, ProbeError};
use crate::block::Token;
use crate::codec::{Codec, CodecError, Packing, Precision};

/// The most tokens behind a context that are predicted: what is asked of the engine is so many rows of its vocabulary.
const CONTINUATION: usize = 256;

/// Measures a precision on texts: of each, the context is the whole blocks of its first two thirds, and what follows
/// them is predicted (up to 256 tokens). Texts too short for that are passed over.
///
/// # Formula
/// `KL = Σ p · (ln p − ln q)` over the vocabulary, `p` in full precision and `q` with the context in this one; the verdict
/// is on its mean over all predicted tokens. What is not a number fails.
pub fn measure(
    probe: &mut dyn Probe,
    texts: &[Vec<Token>],
    precision: Precision,
    limits: &Limits,
) -> Result<GateReport, GateError> {
    let codec = Codec::new(probe.layout(), precision, Packing::None)?;
    let layout = probe.layout().clone();
    let mut encoded = vec![0; (0..codec.sections()).map(|n| codec.section_bytes(n)).max().unwrap_or(0)];
    let mut through = |block: &mut [u8]| {
        // All of a block is in one form: if a layer cannot be quantized, no layer is.
        let before = block.to_vec();
        for layer in 0..layout.layers.len() {
            let Some(native) = block.get_mut(layout.span(layer..layer + 1)) else {
                let (wanted, found) = (layout.block_bytes(), before.len());
                return Err(CodecError::Length { section: layer, wanted, found });
            };
            let round = codec
                .encode(layer, native, &mut encoded)
                .and_then(|length| codec.decode(layer, &encoded[..length], native));
            if round.is_err() {
                block.copy_from_slice(&before);
                return round;
            }
        }
        Ok(())
    };
    measure_through(probe, texts, &codec, limits, &mut through)
}

/// The same with anything in the codec's place.
pub(super) fn measure_through(
    probe: &mut dyn Probe,
    texts: &[Vec<Token>],
    codec: &Codec,
    limits: &Limits,
    through: &mut dyn FnMut(&mut [u8]) -> Result<(), CodecError>,
) -> Result<GateReport, GateError> {
    let block_tokens = probe.layout().block_tokens;
    let mut sums = Sums::default();
    for text in texts {
        let Some((context, rest)) = split(text, block_tokens as usize) else { continue };
        let continuation = &rest[..rest.len().min(CONTINUATION)];
        let full = ask(probe.judge(context, continuation, None), continuation, probe.vocabulary())?;
        let mut counted = |block: &mut [u8]| {
            sums.blocks += 1;
            match through(block) {
                // As a tier does: what cannot be quantized stays as it is.
                Err(CodecError::Unquantizable { .. }) => sums.native_blocks += 1,
                other => return other,
            }
            Ok(())
        };
        let answer = probe.judge(context, continuation, Some(&mut counted));
        let coarse = ask(answer, continuation, probe.vocabulary())?;
        sums.texts += 1;
        let rows = full.chunks_exact(probe.vocabulary()).zip(coarse.chunks_exact(probe.vocabulary()));
        for (at, (full, coarse)) in rows.enumerate() {
            sums.add(full, coarse, rest.get(at + 1).copied());
        }
    }
    if sums.kl.is_empty() {
        return Err(GateError::NoText { block_tokens });
    }
    Ok(sums.report(codec, limits))
}

/// A text's context, and what follows it.
fn split(text: &[Token], block_tokens: usize) -> Option<(&[Token], &[Token])> {
    let blocks = (text.len() / 3 * 2).checked_div(block_tokens)?.max(1);
    let (context, rest) = text.split_at_checked(blocks * block_tokens)?;
    (!rest.is_empty()).then_some((context, rest))
}

fn ask(
    answer: Result<Vec<f32>, ProbeError>,
    continuation: &[Token],
    vocabulary: usize,
) -> Result<Vec<f32>, GateError> {
    let answer = answer.map_err(GateError::Probe)?;
    let (wanted, found) = (continuation.len().saturating_mul(vocabulary), answer.len());
    if wanted == found && found > 0 { Ok(answer) } else { Err(GateError::Answer { wanted, found }) }
}

#[derive(Default)]
struct Sums {
    texts: usize,
    blocks: usize,
    native_blocks: usize,
    kl: Vec<f64>,
    agreed: usize,
    /// What full precision and this one give the tokens that really follow, in nats.
    surprise: [f64; 2],
    surprises: usize,
}

impl Sums {
    fn add(&mut self, full: &[f32], coarse: &[f32], next: Option<Token>) {
        let pairs = || full.iter().zip(coarse).map(|(p, q)| (f64::from(*p), f64::from(*q)));
        // What is impossible in full precision adds nothing.
        let terms = pairs().filter(|(p, _)| *p > f64::NEG_INFINITY).map(|(p, q)| p.exp() * (p - q));
        self.kl.push(terms.sum::<f64>());
        self.agreed += usize::from(likeliest(full) == likeliest(coarse));
        let next = next.and_then(|next| pairs().nth(next as usize));
        if let Some((p, q)) = next {
            self.surprise[0] -= p;
            self.surprise[1] -= q;
            self.surprises += 1;
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of tokens")]
    fn report(mut self, codec: &Codec, limits: &Limits) -> GateReport {
        let tokens = self.kl.len();
        // NaN comes last, and is then the largest.
        self.kl.sort_by(f64::total_cmp);
        let kl_mean = self.kl.iter().sum::<f64>() / tokens as f64;
        let precision = codec.form().precision;
        let limit = limits.of(precision);
        let at =
            |part: usize| self.kl.get((tokens * part / 100).min(tokens - 1)).copied().unwrap_or(f64::NAN);
        let [full, coarse] = self.surprise;
        GateReport {
            precision,
            form: codec.form().tag(),
            texts: self.texts,
            tokens,
            blocks: self.blocks,
            native_blocks: self.native_blocks,
            // Rounding may leave it a hair below zero.
            kl_mean: if kl_mean < 0.0 { 0.0 } else { kl_mean },
            kl_p99: at(99),
            kl_max: at(100),
            greedy_agreement: self.agreed as f64 / tokens as f64,
            perplexity_ratio: ((coarse - full) / self.surprises.max(1) as f64).exp(),
            limit,
            passed: kl_mean <= limit,
        }
    }
}

fn likeliest(row: &[f32]) -> Option<usize> {
    row.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(at, _)| at)
}
