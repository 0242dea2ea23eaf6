//! What one does with FAISS, in its words: an index, `add`, `search(xq, k)`.
//!
//! ```python
//! index = faiss.IndexFlatL2(d)
//! index.add(xb)
//! D, I = index.search(xq, k)
//! ```
//!
//! `cargo run --release -p plimsoll-vec --example faiss_habit`

use plimsoll::{Bytes, Engine};
use plimsoll_vec::index::{Index, Shape};
use plimsoll_vec::{Codec, Metric};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (d, k) = (64, 5);
    let (xb, xq) = (numbers(1, 10_000 * d), numbers(2, 3 * d));
    let folder = std::env::temp_dir().join(format!("plimsoll-faiss-habit-{}", std::process::id()));

    // All that the index takes of memory is inside this.
    let account = Engine::in_memory(Bytes::mib(64), "vec")?.account("vec")?;
    let shape = Shape {
        dimension: d,
        metric: Metric::L2,
        codec: Codec::F32,
        originals: false,
        lists: None,
        reduced: None,
    };
    let index = Index::create(&folder, shape, &account)?;

    index.add(&xb, None)?;
    let (distances, ids) = index.search(&xq, k)?.into_arrays();

    for (ids, distances) in ids.chunks(k).zip(distances.chunks(k)) {
        println!("{ids:?} {distances:.3?}");
    }
    drop(index);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Numbers that look random.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        f32::from(u16::try_from(state >> 48).unwrap_or_default()) / 32_768.0 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}
