//! `plimsoll bench llm` on the shipped model: the figures that it prints, and what it refuses.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod program;

use program::{report, said};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tiny-7m-q8_0.gguf");

#[test]
fn figures_of_the_shipped_model() {
    let report = report(&["bench", "llm", "--model", MODEL, "--threads", "2", "--quick"]);
    assert_eq!(report["threads"], 2);
    // Eight layers of 786,432 numbers and a vocabulary of 4,096 × 256, which is the output too.
    assert_eq!(report["weights_bytes"], 7_340_032 / 32 * 34);
    let rows = report["rows"].as_array().unwrap();
    let work: Vec<_> =
        rows.iter().map(|row| (row["work"].as_str().unwrap(), row["batch"].as_u64().unwrap())).collect();
    assert_eq!(work, [("prefill", 1), ("decode", 1), ("decode", 4), ("decode", 16)]);
    for row in rows {
        assert!(row["tokens_per_s"].as_f64().unwrap() > 0.0, "{row}");
        let decode = row["work"] == "decode";
        assert_eq!(row["bytes_per_token"].is_f64(), decode, "{row}");
        assert_eq!(row["bandwidth_fraction"].is_f64(), decode, "{row}");
    }
}

#[test]
fn a_device_that_computes_no_models_is_refused_in_words() {
    let words = said(&["bench", "llm", "--quick", "--device", "sim:0"], 1);
    assert!(words.contains("compute on the host"), "{words}");
    let words = said(&["generate", "--prompt", "x", "--device", "sim:0"], 1);
    assert!(words.contains("compute on the host"), "{words}");
    assert!(words.contains("no model can be computed at sim:0") && !words.contains("--memory"), "{words}");
    let words = said(&["serve", "--device", "sim:0", "--no-cache", "--listen", "127.0.0.1:0"], 1);
    assert!(words.contains("compute on the host"), "{words}");
}

#[test]
fn what_cannot_be_measured_is_said() {
    let words = said(&["bench", "llm", "--model", "nowhere.gguf"], 1);
    assert!(words.contains("nowhere.gguf") && words.contains("plimsoll bench llm --quick"), "{words}");
    let words = said(&["bench", "llm", "--model", "x.gguf", "--shape", "1b"], 2);
    assert!(words.contains("cannot be used with"), "{words}");
    let words = said(&["bench", "llm", "--quick", "--keep", "/nowhere/at/all.gguf"], 1);
    assert!(words.contains("choose a place with room"), "{words}");
}
