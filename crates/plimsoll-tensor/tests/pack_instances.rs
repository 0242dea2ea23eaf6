//! Eleven public instances that are hard to pack, each with a capacity that is known to suffice, and a training step as
//! large as they come.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use plimsoll::Bytes;
use plimsoll_tensor::pack::{Buffer, Effort, pack, pack_least, verify};

const CAPACITY: Bytes = Bytes::mib(1);

/// The instances, or `None` with a reason that is printed.
fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/static-plans");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn read(path: &Path) -> Vec<Buffer> {
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().skip(1);
    rows.map(|line| {
        let cells: Vec<u64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
        Buffer::new(cells[1], cells[2], Bytes::new(cells[3]))
    })
    .collect()
}

const NAMES: [&str; 11] = ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K"];

/// The table of `docs/measurements.md`: `-- --ignored --nocapture ten_beginnings`. Seconds of the clock, one instance after
/// another, on one thread.
#[test]
#[ignore = "measures for minutes"]
fn ten_beginnings_find_all_eleven() {
    let Some(folder) = folder() else { return };
    println!("| beginning | {} |", NAMES.join(" | "));
    let mut slowest = [0.0_f64; 11];
    for beginning in 0..10 {
        let mut row = format!("| {beginning} |");
        for (name, slowest) in NAMES.iter().zip(&mut slowest) {
            let buffers = read(&folder.join(format!("{name}.1048576.csv")));
            let begun = Instant::now();
            let mut effort = Effort::steps(40_000_000_000).drawn_from(beginning);
            let layout =
                pack(&buffers, CAPACITY, &mut effort).unwrap_or_else(|error| panic!("{name}: {error}"));
            let seconds = begun.elapsed().as_secs_f64();
            assert!(verify(&buffers, &layout.offsets).is_ok_and(|height| height <= CAPACITY), "{name}");
            *slowest = slowest.max(seconds);
            write!(row, " {seconds:.2} |").unwrap();
        }
        println!("{row}");
    }
    println!("| slowest | {} |", slowest.map(|seconds| format!("{seconds:.2}")).join(" | "));
}

#[test]
fn all_eleven_are_packed_into_their_capacity() {
    let Some(folder) = folder() else { return };
    for name in NAMES {
        let buffers = read(&folder.join(format!("{name}.1048576.csv")));
        let begun = Instant::now();
        let layout = pack(&buffers, CAPACITY, &mut Effort::steps(4_000_000_000))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        println!("{name}: {} buffers in {:.2} s", buffers.len(), begun.elapsed().as_secs_f64());
        assert_eq!(verify(&buffers, &layout.offsets), Ok(layout.height), "{name}");
        assert!(layout.height <= CAPACITY, "{name}");
    }
}

/// Layers whose activations wait for their way back, with temporaries at each operation and weights that stay.
fn training_step(layers: u64) -> Vec<Buffer> {
    let end = layers * 40;
    let size = |at: u64, of: u64| Bytes::new((1 + ((at * 2_654_435_761) >> 7) % of) * 512);
    let mut buffers = Vec::new();
    for layer in 0..layers {
        buffers.push(Buffer::new(0, end + 1, size(layer, 4096)));
        for op in 0..20 {
            let (forth, at) = (layer * 20 + op, layer * 31 + op);
            let back = end - 1 - forth;
            let kept = if op % 3 == 0 { back + 1 } else { forth + 3 };
            buffers.push(Buffer::new(forth, kept, size(at, 2000)));
            buffers.push(Buffer::new(back, (back + 2 + op % 4).min(end), size(at + 7, 2000)));
        }
    }
    buffers
}

#[test]
fn fifty_thousand_buffers_are_packed_near_their_bound() {
    let buffers = training_step(1220);
    assert!(buffers.len() > 50_000);
    let begun = Instant::now();
    let layout = pack_least(&buffers, &mut Effort::steps(10_000_000)).unwrap();
    println!(
        "{} buffers, {:.5} of the bound in {:.2} s",
        buffers.len(),
        layout.ratio(),
        begun.elapsed().as_secs_f64()
    );
    assert_eq!(verify(&buffers, &layout.offsets), Ok(layout.height));
    assert!(layout.ratio() < 1.02, "{}", layout.ratio());
}
