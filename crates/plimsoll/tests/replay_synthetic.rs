//! What was tuned on recordings must not be worse elsewhere: pools under traces of four made-up shapes, drawn from
//! seeds, keep to what they kept when these figures were written down.

#![expect(clippy::unwrap_used, reason = "a test")]

mod synthetic;

use plimsoll::Bytes;
use plimsoll::replay::{PooledReplay, Replayer as _, replay};
use synthetic::{Shape, synthetic};

const SEEDS: u64 = 6;

/// The mean over seeds of what is reserved at most, over what is live at most.
#[expect(clippy::cast_precision_loss, reason = "a ratio")]
fn mean(shape: Shape, about: Bytes, granule: Bytes) -> f64 {
    let one = |seed: u64| {
        let trace = synthetic(shape, seed * 7919 + 13, about.get());
        let mut pooled = PooledReplay::simulated(&trace, granule).unwrap();
        replay(&trace, &mut pooled).unwrap();
        pooled.peak_reserved_bytes() as f64 / trace.facts.peak_live_bytes as f64
    };
    (0..SEEDS).map(one).sum::<f64>() / SEEDS as f64
}

fn hold(granule: Bytes, written_down: &[(Shape, u64, f64)]) {
    let mut worse = Vec::new();
    for &(shape, about, before) in written_down {
        let now = mean(shape, Bytes::mib(about), granule);
        println!("{shape:?} of {about} MiB: {now:.4}, {before:.4} before");
        if now > before + 0.01 {
            worse.push((shape, about, now, before));
        }
    }
    assert!(worse.is_empty(), "{worse:#?}");
}

#[test]
fn nothing_gets_worse_in_granules_of_a_host() {
    hold(
        Bytes::kib(512),
        &[
            (Shape::Inference, 250, 1.0884),
            (Shape::Training, 250, 1.0730),
            (Shape::Serving, 250, 1.0847),
            (Shape::Mixed, 250, 1.0875),
            (Shape::Inference, 4000, 1.0279),
            (Shape::Training, 4000, 1.0274),
            (Shape::Serving, 4000, 1.0271),
            (Shape::Mixed, 4000, 1.0273),
        ],
    );
}

#[test]
fn nothing_gets_worse_in_granules_of_a_gpu() {
    hold(
        Bytes::mib(2),
        &[
            (Shape::Inference, 250, 1.0923),
            (Shape::Training, 250, 1.0642),
            (Shape::Serving, 250, 1.1572),
            (Shape::Mixed, 250, 1.1362),
            (Shape::Inference, 4000, 1.0273),
            (Shape::Training, 4000, 1.0276),
            (Shape::Serving, 4000, 1.0265),
            (Shape::Mixed, 4000, 1.0272),
        ],
    );
}
