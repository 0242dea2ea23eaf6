//! The gate passes what is near and fails what is broken, on a small model that is made of noise.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    reason = "numbers made up for tests, and zero exactly"
)]

use super::measure::measure_through;
use super::{GateError, GateReport, Limits, Probe, ProbeError, Through, Verdicts, measure};
use crate::block::{Root, Token};
use crate::codec::{Codec, CodecError, Packing, Precision};
use crate::layout::{Element, Layout};

const VOCABULARY: usize = 48;
const WIDTH: usize = 64;
const LAYERS: usize = 2;

/// Attention over all tokens before, in two layers, with random weights. Some channels of its keys are large in every token,
/// as in real models.
struct Noise {
    layout: Layout,
    embedding: Vec<f32>,
    /// Queries, keys, values and outputs of each layer.
    weights: Vec<[Vec<f32>; 4]>,
    broken: bool,
}

fn noise(count: usize, seed: u64, size: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 16_777_216.0 - 0.5
    };
    (0..count).map(|_| size * (0..4).map(|_| uniform()).sum::<f32>()).collect()
}

fn product(matrix: &[f32], vector: &[f32]) -> Vec<f32> {
    matrix.chunks_exact(vector.len()).map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum()).collect()
}

impl Noise {
    fn new() -> Self {
        let matrix = |seed| noise(WIDTH * WIDTH, seed, 0.25);
        let layer = |seed: u64| [matrix(seed), matrix(seed + 1), matrix(seed + 2), matrix(seed + 3)];
        Self {
            layout: Layout::uniform(LAYERS as u32, 1, WIDTH as u32, Element::F32, 16),
            embedding: noise(VOCABULARY * WIDTH, 1, 2.0),
            weights: vec![layer(10), layer(20)],
            broken: false,
        }
    }

    /// Reads one token behind the keys and values of those before, and adds its own.
    fn read(&self, token: Token, cache: &mut [[Vec<f32>; 2]]) -> Vec<f32> {
        let at = token as usize * WIDTH;
        let mut stream = self.embedding[at..at + WIDTH].to_vec();
        for ([queries, keys, values, outputs], [cached_keys, cached_values]) in self.weights.iter().zip(cache)
        {
            let size = (stream.iter().map(|x| x * x).sum::<f32>() / WIDTH as f32).sqrt();
            let input: Vec<f32> = stream.iter().map(|x| x / size).collect();
            let mut key = product(keys, &input);
            key.iter_mut().step_by(16).for_each(|channel| *channel += 6.0);
            cached_keys.extend(key);
            cached_values.extend(product(values, &input));
            let query = product(queries, &input);
            let scores: Vec<f32> =
                product(cached_keys, &query).iter().map(|score| (score * 0.2).exp()).collect();
            let sum: f32 = scores.iter().sum();
            let mut mixed = vec![0.0; WIDTH];
            for (score, value) in scores.iter().zip(cached_values.chunks_exact(WIDTH)) {
                mixed.iter_mut().zip(value).for_each(|(mixed, value)| *mixed += score / sum * value);
            }
            stream.iter_mut().zip(product(outputs, &mixed)).for_each(|(stream, more)| *stream += 2.0 * more);
        }
        let logits: Vec<f32> = product(&self.embedding, &stream).iter().map(|logit| logit * 0.2).collect();
        let most = logits.iter().copied().fold(f32::MIN, f32::max);
        let sum: f32 = logits.iter().map(|logit| (logit - most).exp()).sum();
        logits.iter().map(|logit| logit - most - sum.ln()).collect()
    }
}

impl Probe for Noise {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn vocabulary(&self) -> usize {
        VOCABULARY
    }

    fn judge(
        &mut self,
        context: &[Token],
        continuation: &[Token],
        through: Option<Through<'_>>,
    ) -> Result<Vec<f32>, ProbeError> {
        if self.broken {
            return Ok(vec![0.0; 3]);
        }
        let mut cache: Vec<[Vec<f32>; 2]> = vec![Default::default(); LAYERS];
        for token in context {
            self.read(*token, &mut cache);
        }
        if let Some(through) = through {
            let rows = self.layout.block_tokens as usize * WIDTH;
            for block in 0..context.len() * WIDTH / rows {
                let span = block * rows..(block + 1) * rows;
                let parts = || cache.iter().flatten();
                let mut native: Vec<u8> = parts()
                    .flat_map(|part| &part[span.clone()])
                    .flat_map(|number| number.to_le_bytes())
                    .collect();
                through(&mut native)?;
                let mut numbers = native.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four));
                for number in cache.iter_mut().flatten().flat_map(|part| &mut part[span.clone()]) {
                    *number = numbers.next().ok_or("a block became shorter")?;
                }
            }
        }
        Ok(continuation.iter().flat_map(|token| self.read(*token, &mut cache)).collect())
    }
}

fn texts() -> Vec<Vec<Token>> {
    let text = |seed: u64| {
        noise(90, seed, 1000.0).iter().map(|number| number.abs() as Token % VOCABULARY as Token).collect()
    };
    vec![text(3), text(4), vec![1; 7]]
}

fn through(precision: Precision, through: &mut dyn FnMut(&Codec, &mut [u8])) -> GateReport {
    let mut model = Noise::new();
    let codec = Codec::new(&model.layout, precision, Packing::None).unwrap();
    let mut whole = |block: &mut [u8]| {
        through(&codec, block);
        Ok(())
    };
    measure_through(&mut model, &texts(), &codec, &Limits::default(), &mut whole).unwrap()
}

#[test]
fn what_is_near_passes_and_fewer_bits_are_further_off() {
    let of = |precision| measure(&mut Noise::new(), &texts(), precision, &Limits::default()).unwrap();
    let (native, eight, four) = (of(Precision::Native), of(Precision::Eight), of(Precision::Four));
    assert!(native.passed && native.kl_mean == 0.0 && native.greedy_agreement == 1.0, "{native:?}");
    assert!(eight.passed && eight.kl_mean > 0.0 && eight.kl_mean < 0.002, "{eight:?}");
    assert!(four.passed && four.kl_mean > 4.0 * eight.kl_mean, "{four:?}, {eight:?}");
    // Two texts of 90 have three blocks and what follows; the third is too short.
    assert_eq!((four.texts, four.blocks, four.tokens, four.native_blocks), (2, 6, 2 * 42, 0));
    assert!(four.kl_mean <= four.kl_p99 && four.kl_p99 <= four.kl_max);
}

#[test]
fn a_codec_whose_scales_are_swapped_fails() {
    for precision in [Precision::Eight, Precision::Four] {
        let report = through(precision, &mut |codec, block| {
            let layer = block.len() / LAYERS;
            for (section, native) in block.chunks_exact_mut(layer).enumerate() {
                let mut encoded = vec![0; codec.section_bytes(section)];
                codec.encode(section, native, &mut encoded).unwrap();
                // Each channel gets the least and the step of its neighbour.
                encoded[..WIDTH * 4].rotate_left(4);
                encoded[WIDTH * 4..WIDTH * 8].rotate_left(4);
                codec.decode(section, &encoded, native).unwrap();
            }
        });
        assert!(!report.passed, "{report:?}");
        assert!(report.greedy_agreement < 1.0);
    }
}

#[test]
fn zeros_and_what_is_no_number_fail() {
    assert!(!through(Precision::Four, &mut |_, block| block.fill(0)).passed);
    let report = through(Precision::Four, &mut |_, block| block.fill(0xff));
    assert!(!report.passed && report.kl_max.is_nan(), "{report:?}");
}

#[test]
fn blocks_that_cannot_be_quantized_are_counted_and_stay_native() {
    let mut model = Noise::new();
    let codec = Codec::new(&model.layout, Precision::Four, Packing::None).unwrap();
    let mut refuse = |_: &mut [u8]| Err(CodecError::Unquantizable { section: 0 });
    let report = measure_through(&mut model, &texts(), &codec, &Limits::default(), &mut refuse).unwrap();
    assert_eq!((report.native_blocks, report.kl_mean), (6, 0.0));
}

#[test]
fn texts_and_answers_that_are_none_are_told() {
    let short = measure(&mut Noise::new(), &[vec![1; 16]], Precision::Four, &Limits::default());
    assert!(matches!(short, Err(GateError::NoText { block_tokens: 16 })), "{short:?}");
    let mut broken = Noise { broken: true, ..Noise::new() };
    let answer = measure(&mut broken, &texts(), Precision::Four, &Limits::default());
    assert!(matches!(answer, Err(GateError::Answer { found: 3, .. })), "{answer:?}");
}

fn report(precision: Precision, kl_mean: f64) -> GateReport {
    let mut report = through(precision, &mut |_, _| {});
    report.kl_mean = kl_mean;
    report
}

#[test]
fn the_next_finer_precision_is_used_where_one_fails() {
    let root = Root::of(b"a", &Noise::new().layout).build();
    let other = Root::of(b"b", &Noise::new().layout).build();
    let limits = Limits::default();
    let mut verdicts = Verdicts::new();
    let allowed = |verdicts: &Verdicts, root| verdicts.allowed(root, Precision::Four, &limits);
    assert_eq!(allowed(&verdicts, &root), Precision::Native, "what was not measured is not used");
    verdicts.keep(root, report(Precision::Four, 0.06)).unwrap();
    assert_eq!(allowed(&verdicts, &root), Precision::Native);
    verdicts.keep(root, report(Precision::Eight, 0.001)).unwrap();
    assert_eq!(allowed(&verdicts, &root), Precision::Eight);
    verdicts.keep(root, report(Precision::Four, 0.04)).unwrap();
    assert_eq!(allowed(&verdicts, &root), Precision::Four);
    assert_eq!(verdicts.allowed(&root, Precision::Native, &limits), Precision::Native);
    assert_eq!(allowed(&verdicts, &other), Precision::Native);
    let strict = Limits { four: 0.01, ..limits };
    assert_eq!(verdicts.allowed(&root, Precision::Four, &strict), Precision::Eight);
    let mut foreign = report(Precision::Four, 0.0);
    foreign.form += 1 << 24;
    verdicts.keep(root, foreign).unwrap();
    assert_eq!(allowed(&verdicts, &root), Precision::Eight, "another version's codec was measured");
}

#[test]
fn verdicts_outlive_the_process_and_damage_is_measured_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gate.json");
    let root = Root::of(b"a", &Noise::new().layout).build();
    let mut verdicts = Verdicts::open(&path);
    assert_eq!(verdicts.doubt(), None);
    verdicts.keep(root, report(Precision::Eight, 0.001)).unwrap();
    verdicts.keep(root, report(Precision::Four, f64::NAN)).unwrap();
    let again = Verdicts::open(&path);
    assert_eq!(again.doubt(), None);
    assert_eq!(again.allowed(&root, Precision::Four, &Limits::default()), Precision::Eight);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
    let whole = std::fs::read(&path).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"[]", b"", &whole.to_ascii_uppercase()] {
        std::fs::write(&path, damaged).unwrap();
        let again = Verdicts::open(&path);
        assert!(again.doubt().is_some());
        assert_eq!(again.allowed(&root, Precision::Eight, &Limits::default()), Precision::Native);
    }
    let mut lost = Verdicts::open(folder.path().join("none").join("gate.json"));
    let kept = lost.keep(root, report(Precision::Eight, 0.001));
    assert!(matches!(kept, Err(GateError::File { .. })), "{kept:?}");
}
