//! The gate's limits on the shipped model: what eight and four bits cost it, measured over pages.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a scenario fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use plimsoll_kv::codec::Precision;
use plimsoll_kv::gate::{self, Limits, Probe};
use plimsoll_kv::layout::Element;
use plimsoll_llm::{Decoder, Trial};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/models/tiny-7m-q8_0.gguf");
const BLOCK_TOKENS: u32 = 16;

fn decoder() -> Option<Arc<Decoder>> {
    if Path::new(MODEL).is_file() {
        return Some(Arc::new(Decoder::open(MODEL).unwrap()));
    }
    println!("skipped: {MODEL} is not there");
    None
}

#[test]
fn precisions_cost_the_shipped_model_what_they_may() {
    let Some(decoder) = decoder() else { return };
    let texts: Vec<_> = (1..=3).map(|seed| decoder.sample(seed, 150).unwrap()).collect();
    let mut trial = Trial::new(&decoder, BLOCK_TOKENS, Element::F16);
    let mut before = 0.0;
    for precision in [Precision::Native, Precision::Eight, Precision::Four] {
        let report = gate::measure(&mut trial, &texts, precision, &Limits::default()).unwrap();
        println!("{report:?}");
        assert_eq!((report.texts, report.blocks, report.native_blocks), (3, 18, 0));
        assert!(report.passed, "{precision:?}: {} nats of {}", report.kl_mean, report.limit);
        // Coarser costs more; native costs nothing at all, and the others something, or they were not applied.
        assert_eq!(report.kl_mean > before, precision != Precision::Native, "{precision:?}");
        before = report.kl_mean;
    }
}

#[test]
fn rows_are_logarithms_of_chances_and_whole_blocks_pass() {
    let Some(decoder) = decoder() else { return };
    let text = decoder.sample(1, 60).unwrap();
    let (context, continuation) = text.split_at(40);
    let mut trial = Trial::new(&decoder, BLOCK_TOKENS, Element::F16);
    let untouched = trial.judge(context, continuation, None).unwrap();
    assert_eq!(untouched.len(), 20 * trial.vocabulary());
    for row in untouched.chunks_exact(trial.vocabulary()) {
        let whole: f64 = row.iter().map(|number| f64::from(*number).exp()).sum();
        assert!((whole - 1.0).abs() < 1e-4, "{whole}");
    }
    let (bytes, mut blocks) = (trial.layout().block_bytes(), 0);
    let mut same = |block: &mut [u8]| {
        assert_eq!(block.len(), bytes);
        blocks += 1;
        Ok(())
    };
    assert_eq!(trial.judge(context, continuation, Some(&mut same)).unwrap(), untouched);
    assert_eq!(blocks, 2, "40 tokens are two whole blocks and a rest that does not pass");
    let mut gone = |block: &mut [u8]| {
        block.fill(0);
        Ok(())
    };
    assert_ne!(trial.judge(context, continuation, Some(&mut gone)).unwrap(), untouched);
}
