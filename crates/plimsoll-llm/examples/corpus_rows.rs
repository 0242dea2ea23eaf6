//! The rows that texts become, a JSON line each: what another program is given to be compared with a fine-tuning here.
//!
//!     cargo run -p plimsoll-llm --example corpus_rows -- MODEL DATA ROW [HOLD-OUT]

use std::path::Path;

use plimsoll_llm::text::Tokenizer;
use plimsoll_llm::tune::Corpus;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [model, data, row, rest @ ..] = &words[..] else {
        return Err("a model, data and how long rows are".into());
    };
    let mut corpus = Corpus::read(Path::new(data), &Tokenizer::open(model)?, row.parse()?)?;
    let share: f64 = rest.first().map_or(Ok(0.05), |share| share.parse())?;
    let held_out = corpus.hold_out(share).ok_or("nothing is held out")?;
    for row in 0..held_out.rows() {
        let batch = held_out.batch(&[row]);
        println!("{}", serde_json::json!({"tokens": batch.tokens, "targets": batch.targets}));
    }
    Ok(())
}
