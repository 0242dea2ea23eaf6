//! Copies: through our devices and through the bare driver, between the same addresses or ones like them.

use std::time::{Duration, Instant};

use plimsoll_device::{Bytes, Device, Request, Span, StorageMode, Stream};

use super::rounds::medians;
use super::{Bench, Failed, Row};

const SIZE: u64 = 1 << 30;
/// Copies in a row before they are waited for.
pub const DEPTH: u32 = 8;
const ROUNDS: usize = 9;
const PATIENCE: Duration = Duration::from_mins(1);

/// Bytes that were moved in this time.
#[expect(clippy::cast_precision_loss, reason = "gigabytes a second are given to three digits")]
pub fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64() / 1e9
}

/// Runs work on a stream of ours, several in a row; the time of one.
pub fn ours(
    device: &dyn Device,
    depth: u32,
    mut work: impl FnMut() -> Result<(), plimsoll_device::DeviceError>,
) -> Result<Duration, Failed> {
    let began = Instant::now();
    for _ in 0..depth {
        work()?;
    }
    device.wait(device.fence(Stream(0))?, PATIENCE)?;
    Ok(began.elapsed() / depth)
}

/// The same on the bare driver.
pub fn bare(
    bench: &Bench,
    depth: u32,
    mut work: impl FnMut() -> Result<(), Failed>,
) -> Result<Duration, Failed> {
    let began = Instant::now();
    for _ in 0..depth {
        work()?;
    }
    bench.driver.finish()?;
    Ok(began.elapsed() / depth)
}

/// Everything about copies.
pub fn measure(bench: &Bench, row: &mut dyn FnMut(Row)) -> Result<(), Failed> {
    let Bench { device, pinned, driver } = bench;
    let bytes = Bytes::new(SIZE);
    let host = pinned.allocate(Request::new(bytes, StorageMode::Shared))?;
    pinned.write(host.whole(), &vec![0x5a; bytes.as_usize()])?;
    let range = device.reserve(Bytes::new(2 * SIZE), StorageMode::Private)?;
    device.commit(&range, 0..2 * SIZE)?;
    let (one, two) = (range.span(0..SIZE)?, range.span(SIZE..2 * SIZE)?);
    let (theirs, other) = (driver.take(SIZE)?, driver.take(SIZE)?);
    let host_at = host.address();
    let cases: [(&str, Span<'_>, Span<'_>, u64, u64, u64); 3] = [
        ("copy 1 GiB up from pinned memory", host.whole(), one, host_at, theirs, 1),
        ("copy 1 GiB down to pinned memory", one, host.whole(), theirs, host_at, 1),
        ("copy 1 GiB on the device, read and written", one, two, theirs, other, 2),
    ];
    for (what, source, target, bare_source, bare_target, counted) in cases {
        let mut mine = || ours(device.as_ref(), DEPTH, || device.copy(Stream(0), source, target));
        let mut plain = || bare(bench, DEPTH, || driver.copy(bare_target, bare_source, SIZE));
        let times = medians(ROUNDS, &mut [&mut mine, &mut plain])?;
        for (who, time) in [("plimsoll", times[0]), ("cuMemcpyAsync", times[1])] {
            row(Row { what: what.to_owned(), who, value: rate(counted * SIZE, time), unit: "GB/s" });
        }
    }
    // What of the difference is the range's: it lies in pieces of a granule, which the driver copies one by one.
    let mut on_range = || bare(bench, DEPTH, || driver.copy(two.address(), one.address(), SIZE));
    let kernels = device.kernels();
    let mut by_kernel = || match kernels {
        Some(kernels) => ours(device.as_ref(), DEPTH, || kernels.gather(Stream(0), one, &[0], SIZE, two)),
        None => Err(Failed("there are no kernels".to_owned())),
    };
    let times = medians(ROUNDS, &mut [&mut on_range, &mut by_kernel])?;
    for (who, time) in [("cuMemcpyAsync on it", times[0]), ("our kernel on it", times[1])] {
        let what = "copy 1 GiB within a growable range, read and written".to_owned();
        row(Row { what, who, value: rate(2 * SIZE, time), unit: "GB/s" });
    }
    let mut pageable = vec![0x5a_u8; bytes.as_usize() / 4];
    let quarter = range.span(0..SIZE / 4)?;
    let address = pageable.as_ptr().expose_provenance() as u64;
    let mut up = || ours(device.as_ref(), 1, || device.upload(Stream(0), &pageable, quarter));
    let mut bare_up = || bare(bench, 1, || driver.copy(theirs, address, SIZE / 4));
    let times = medians(3, &mut [&mut up, &mut bare_up])?;
    for (who, time) in [("plimsoll", times[0]), ("cuMemcpyAsync", times[1])] {
        let what = "copy 256 MiB up from pageable memory".to_owned();
        row(Row { what, who, value: rate(SIZE / 4, time), unit: "GB/s" });
    }
    let address = pageable.as_mut_ptr().expose_provenance() as u64;
    let mut down = || ours(device.as_ref(), 1, || device.download(Stream(0), quarter, &mut pageable));
    let mut bare_down = || bare(bench, 1, || driver.copy(address, theirs, SIZE / 4));
    let times = medians(3, &mut [&mut down, &mut bare_down])?;
    for (who, time) in [("plimsoll", times[0]), ("cuMemcpyAsync", times[1])] {
        let what = "copy 256 MiB down to pageable memory".to_owned();
        row(Row { what, who, value: rate(SIZE / 4, time), unit: "GB/s" });
    }
    driver.release(theirs);
    driver.release(other);
    Ok(())
}
