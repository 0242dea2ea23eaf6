//! How fast a model file is decoded on one thread: tokens a second while a prompt is read and while text is written.
//!
//! ```console
//! $ cargo run --release -p plimsoll-llm --example decoder_speed -- MODEL.gguf [TOKENS]
//! ```

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use plimsoll_kv::layout::Element;
use plimsoll_llm::{Decoder, Draw, OwnPages, Sequence};

/// Turns of each measurement; the median is told.
const TURNS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let path = words.next().ok_or("give the path of a GGUF model")?;
    let tokens: usize = words.next().as_deref().unwrap_or("512").parse()?;
    let began = Instant::now();
    let decoder = Arc::new(Decoder::open(&path)?);
    println!("opened in {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let began = Instant::now();
    decoder.fingerprint();
    println!("fingerprint in {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    let text = decoder.sample(1, tokens.min(decoder.shape().context))?;
    let layout = decoder.layout(32, Element::F16);
    let (mut reading, mut writing) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let mut pages = OwnPages::new(&layout);
        let mut sequence = Sequence::begin(&decoder, &layout)?;
        let began = Instant::now();
        let mut next = Draw::Likeliest.next(sequence.step(&text, &mut pages)?);
        reading.push(rate(text.len(), began));
        sequence.resume(text.len() / 2);
        let count = text.len() / 4;
        let began = Instant::now();
        for _ in 0..count {
            next = Draw::Likeliest.next(sequence.step(&[next], &mut pages)?);
        }
        writing.push(rate(count, began));
    }
    println!("reads {:.0} tokens/s ({} tokens)", median(&mut reading), text.len());
    println!("writes {:.0} tokens/s (behind {} tokens)", median(&mut writing), text.len() / 2);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a count of tokens")]
fn rate(tokens: usize, began: Instant) -> f64 {
    tokens as f64 / began.elapsed().as_secs_f64()
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or(0.0)
}
