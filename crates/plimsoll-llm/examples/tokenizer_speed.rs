//! How fast texts are cut into tokens, and whether the time grows with their length only.
//!
//! `cargo run --release -p plimsoll-llm --example tokenizer_speed -- MODEL TEXT`

use std::error::Error;
use std::time::Instant;

use plimsoll_llm::text::{Encode, Tokenizer};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(model), Some(text)) = (args.next(), args.next()) else {
        return Err("give a model or tokenizer.json, and a text".into());
    };
    let began = Instant::now();
    let tokenizer = Tokenizer::open(&model)?;
    println!("{} tokens, read in {:?}", tokenizer.len(), began.elapsed());
    let text = std::fs::read_to_string(text)?;
    // A text as it is, and one that is a single word to every pattern.
    for (name, base) in [("text", text.as_str()), ("one word", "abcdefgh")] {
        for bytes in [1_usize << 14, 1 << 17, 1 << 20] {
            let text: String = base.chars().cycle().take(bytes).collect();
            let mut best = f64::INFINITY;
            let mut count = 0;
            for _ in 0..5 {
                let began = Instant::now();
                count = tokenizer.encode(&text, Encode::TEXT)?.len();
                best = best.min(began.elapsed().as_secs_f64());
            }
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            let rate = text.len() as f64 / best / 1e6;
            println!("{name}, {bytes} letters: {rate:.1} MB/s, {count} tokens");
        }
    }
    Ok(())
}
