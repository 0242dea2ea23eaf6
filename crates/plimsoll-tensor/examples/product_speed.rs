//! How fast packed matrices are multiplied: gigabytes of weights a second with one input, and billions of products a
//! second with many.
//!
//! ```console
//! $ cargo run --release -p plimsoll-tensor --example product_speed -- [ROWS] [COLUMNS] [THREADS]
//! ```

use std::error::Error;
use std::time::Instant;

use plimsoll_tensor::Crew;
use plimsoll_tensor::packed::{Desk, Instructions, PackedView, Packing, multiply, multiply_back};

/// Turns of each measurement; the best is told.
const TURNS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let mut count = |otherwise: usize| words.next().map_or(Ok(otherwise), |word| word.parse());
    let (rows, columns, threads) = (count(32_768)?, count(2_048)?, count(2)?);
    let crew = Crew::new(threads);
    let mut desk = Desk::new(threads, columns, 256);
    println!("{rows} × {columns}, {threads} threads, {:?}", Instructions::best());
    for packing in Packing::ALL {
        let bytes = vec![0x11; PackedView::bytes_of(packing, rows, columns)?];
        let view = PackedView::new(packing, rows, columns, &bytes)?;
        print!("{packing:5}");
        for inputs in [1, 4, 16, 256] {
            let (x, mut y) = (vec![0.5; inputs * columns], vec![0.0; inputs * rows]);
            let seconds = best(|| multiply(&crew, view, &x, &mut y, &mut desk));
            print!(
                "  {inputs}: {:6.1} GB/s {:6.1} G/s",
                rate(bytes.len(), seconds),
                rate(inputs * rows * columns, seconds)
            );
        }
        let (mut x, y) = (vec![0.0; 256 * columns], vec![0.5; 256 * rows]);
        let seconds = best(|| multiply_back(&crew, view, &y, &mut x, &mut desk));
        println!("  back: {:6.1} G/s", rate(256 * rows * columns, seconds));
    }
    Ok(())
}

fn best(mut work: impl FnMut()) -> f64 {
    let turn = |_| {
        let began = Instant::now();
        work();
        began.elapsed().as_secs_f64()
    };
    (0..TURNS).map(turn).fold(f64::INFINITY, f64::min)
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn rate(count: usize, seconds: f64) -> f64 {
    count as f64 / seconds / 1e9
}
