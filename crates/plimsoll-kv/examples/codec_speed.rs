//! How fast sections are encoded and decoded, beside what copying the same native bytes takes.
//!
//! Everything is measured in turns within one run, and the middle of the turns is told, so that other work on the
//! machine meets all of it alike. Rates are native bytes a second, of one thread.
//!
//! ```console
//! $ cargo run --release -p plimsoll-kv --example codec_speed
//! ```

#![expect(clippy::cast_precision_loss, reason = "counts and sizes that are told, not computed with")]

use std::time::Instant;

use plimsoll_kv::codec::{Codec, CodecError, Packing, Precision};
use plimsoll_kv::layout::{Element, Layout};

const TURNS: usize = 9;

/// The layers of a model with eight heads of 128: blocks of 64 tokens, as many as the bytes asked for.
fn layout(element: Element, native_bytes: usize) -> Layout {
    let layer = Layout::uniform(1, 8, 128, element, 64).layer_bytes(0);
    Layout::uniform(u32::try_from(native_bytes / layer).unwrap_or(u32::MAX), 8, 128, element, 64)
}

/// Numbers as a model has them: a level and a spread for each channel, near normal.
fn fill(element: Element, native: &mut [u8]) {
    let mut state = 7_u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 16_777_216.0
    };
    let channels: Vec<(f32, f32)> = (0..1024).map(|_| (2.0 * uniform() - 1.0, 0.5 + uniform())).collect();
    for (at, number) in native.chunks_exact_mut(element.width()).enumerate() {
        let (level, spread) = channels[at % channels.len()];
        let value = level + spread * ((0..6).map(|_| uniform()).sum::<f32>() - 3.0);
        match element {
            Element::F32 => number.copy_from_slice(&value.to_le_bytes()),
            Element::F16 => number.copy_from_slice(&half::f16::from_f32(value).to_le_bytes()),
            _ => number.copy_from_slice(&half::bf16::from_f32(value).to_le_bytes()),
        }
    }
}

struct Form {
    name: &'static str,
    codec: Codec,
    encoded: Vec<u8>,
    lengths: Vec<usize>,
    encode_s: Vec<f64>,
    decode_s: Vec<f64>,
}

impl Form {
    fn new(
        name: &'static str,
        layout: &Layout,
        precision: Precision,
        packing: Packing,
    ) -> Result<Self, CodecError> {
        let codec = Codec::new(layout, precision, packing)?;
        let encoded = vec![1; codec.block_bytes()];
        let lengths = vec![0; codec.sections()];
        Ok(Self { name, codec, encoded, lengths, encode_s: Vec::new(), decode_s: Vec::new() })
    }

    fn turn(&mut self, layout: &Layout, native: &[u8], again: &mut [u8]) -> Result<(), CodecError> {
        let room = self.codec.section_bytes(0);
        let started = Instant::now();
        for (section, into) in self.encoded.chunks_exact_mut(room).enumerate() {
            self.lengths[section] =
                self.codec.encode(section, &native[layout.span(section..section + 1)], into)?;
        }
        self.encode_s.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        for (section, encoded) in self.encoded.chunks_exact(room).enumerate() {
            let into = &mut again[layout.span(section..section + 1)];
            self.codec.decode(section, &encoded[..self.lengths[section]], into)?;
        }
        self.decode_s.push(started.elapsed().as_secs_f64());
        Ok(())
    }
}

fn middle(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn measure(element: Element, native_bytes: usize) -> Result<(), CodecError> {
    let layout = layout(element, native_bytes);
    let mut native = vec![0; layout.block_bytes()];
    fill(element, &mut native);
    let mut again = vec![1; native.len()];
    let mut forms = [
        Form::new("native", &layout, Precision::Native, Packing::None)?,
        Form::new("8-bit", &layout, Precision::Eight, Packing::None)?,
        Form::new("4-bit", &layout, Precision::Four, Packing::None)?,
        Form::new("native, planes", &layout, Precision::Native, Packing::Planes)?,
        Form::new("4-bit, planes", &layout, Precision::Four, Packing::Planes)?,
    ];
    let mut copies = Vec::new();
    for _ in 0..TURNS {
        let started = Instant::now();
        again.copy_from_slice(std::hint::black_box(&native));
        copies.push(started.elapsed().as_secs_f64());
        std::hint::black_box(&mut again);
        for form in &mut forms {
            form.turn(&layout, &native, &mut again)?;
            std::hint::black_box(&mut again);
        }
    }
    let copy = middle(&copies);
    let rate = |seconds: f64| native.len() as f64 / seconds / 1e9;
    println!("{element:?}, {} MiB: memcpy {:.1} GB/s", native.len() >> 20, rate(copy));
    for form in &forms {
        let (encode, decode) = (middle(&form.encode_s), middle(&form.decode_s));
        println!(
            "  {:15} {:5.3} of native bytes   encode {:5.1} GB/s, {:3.0}% of memcpy   decode {:5.1} GB/s, {:3.0}%",
            form.name,
            form.lengths.iter().sum::<usize>() as f64 / native.len() as f64,
            rate(encode),
            copy / encode * 100.0,
            rate(decode),
            copy / decode * 100.0,
        );
    }
    Ok(())
}

fn main() -> Result<(), CodecError> {
    for element in [Element::F16, Element::Bf16, Element::F32] {
        let sizes: &[usize] =
            if element == Element::F16 { &[16 << 20, 64 << 20, 768 << 20] } else { &[64 << 20] };
        for &native_bytes in sizes {
            measure(element, native_bytes)?;
        }
    }
    Ok(())
}
