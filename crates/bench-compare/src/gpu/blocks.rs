//! Blocks that lie apart, collected and spread: by our kernels, and by one driver copy for each block.

use plimsoll_device::{Bytes, Device, Request, StorageMode, Stream};

use super::copies::{bare, ours, rate};
use super::rounds::medians;
use super::{Bench, Failed, Row};

const BLOCK: u64 = 256 << 10;
const SIZE: u64 = 1 << 30;
const DEPTH: u32 = 8;
const ROUNDS: usize = 9;

/// Every block once, in an order with nothing in a row.
fn shuffled() -> Vec<u32> {
    let count = u32::try_from(SIZE / BLOCK).unwrap_or(u32::MAX);
    (0..count).map(|n| (n.wrapping_mul(1_103) + 7) % count).collect()
}

/// On the device, and over the link both ways.
pub fn measure(bench: &Bench, row: &mut dyn FnMut(Row)) -> Result<(), Failed> {
    let Bench { device, pinned, driver } = bench;
    let Some(kernels) = device.kernels() else {
        return Ok(());
    };
    let index = shuffled();
    let range = device.reserve(Bytes::new(2 * SIZE), StorageMode::Private)?;
    device.commit(&range, 0..2 * SIZE)?;
    let host = pinned.allocate(Request::new(Bytes::new(SIZE), StorageMode::Shared))?;
    pinned.write(host.whole(), &vec![0x5a; Bytes::new(SIZE).as_usize()])?;
    let (one, two) = (range.span(0..SIZE)?, range.span(SIZE..2 * SIZE)?);
    for (what, source, target, counted) in [
        ("4,096 blocks of 256 KiB on the device, read and written", one, two, 2),
        ("4,096 blocks of 256 KiB up from pinned memory", host.whole(), one, 1),
        ("4,096 blocks of 256 KiB down to pinned memory", one, host.whole(), 1),
    ] {
        let stream = Stream(0);
        let mut gather =
            || ours(device.as_ref(), DEPTH, || kernels.gather(stream, source, &index, BLOCK, target));
        let mut scatter =
            || ours(device.as_ref(), DEPTH, || kernels.scatter(stream, source, &index, BLOCK, target));
        let mut one_by_one = || {
            bare(bench, 1, || {
                (0_u64..).zip(&index).try_for_each(|(n, &at)| {
                    let from = source.address() + u64::from(at) * BLOCK;
                    driver.copy(target.address() + n * BLOCK, from, BLOCK)
                })
            })
        };
        let mut whole = || bare(bench, DEPTH, || driver.copy(target.address(), source.address(), SIZE));
        let times = medians(ROUNDS, &mut [&mut gather, &mut scatter, &mut one_by_one, &mut whole])?;
        for (who, time) in ["plimsoll gather", "plimsoll scatter", "cuMemcpyAsync each", "one cuMemcpyAsync"]
            .into_iter()
            .zip(times)
        {
            row(Row { what: what.to_owned(), who, value: rate(counted * SIZE, time), unit: "GB/s" });
        }
    }
    Ok(())
}
