//! Operations on memory, held to the plain Rust reference.

use super::Check;
use super::trial::{Held, Stop, Trial, failed, index, must, pattern, refused, so, was};
use crate::kernels::reference::{self, Stored, StoredMut};
use crate::kernels::{Number, Numbers, Rows, Scales, check, tolerance};
use crate::{Bytes, DeviceError, Kernels, Span, StorageMode, Stream};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "rows go from one pitch to another", run: rows },
    Check { name: "a pattern is repeated through its target", run: patterns },
    Check { name: "floats are converted to the bit", run: floats },
    Check { name: "numbers go to scaled integers and back", run: scaled },
    Check { name: "blocks are gathered as they are named", run: gathers },
    Check { name: "blocks are scattered as they are named", run: scatters },
    Check { name: "sums tell bytes and their places apart", run: sums },
    Check { name: "kernels keep the order of their stream", run: order },
    Check { name: "kernels refuse what does not fit", run: refusals },
    Check { name: "kernels refuse bytes that are not backed", run: unbacked },
    Check { name: "kernels refuse another device's regions", run: foreign },
    Check { name: "kernels of no bytes are no work", run: nothing },
];

const STREAM: Stream = Stream(0);
/// What stands around every target and must stay.
pub(super) const MARGIN: u64 = 64;

pub(super) fn offered<'t>(trial: &'t Trial<'_>) -> Result<&'t dyn Kernels, Stop> {
    trial.device.kernels().ok_or(Stop::Skipped("the device has no kernels"))
}

/// Memory to write to, with margins that show what else was written.
pub(super) struct Target<'t> {
    pub(super) region: Held<'t>,
    /// All of the region as it should be.
    wanted: Vec<u8>,
    bytes: u64,
}

impl<'t> Target<'t> {
    pub(super) fn new(trial: &'t Trial<'_>, bytes: u64, mode: StorageMode, seed: u64) -> Result<Self, Stop> {
        let region = trial.allocate(bytes + 2 * MARGIN, mode)?;
        let wanted = pattern(index(bytes + 2 * MARGIN), seed);
        trial.put(region.whole(), &wanted)?;
        Ok(Self { region, wanted, bytes })
    }

    pub(super) fn span(&self) -> Result<Span<'_>, Stop> {
        self.region.part(MARGIN, MARGIN + self.bytes)
    }

    /// The part between the margins as it should be.
    pub(super) fn inside(&mut self) -> &mut [u8] {
        &mut self.wanted[index(MARGIN)..index(MARGIN + self.bytes)]
    }

    pub(super) fn check(&self, trial: &Trial<'_>, step: &str) -> Result<(), Stop> {
        trial.holds(step, self.region.whole(), &self.wanted)
    }

    /// The margins must be as they were; what is between them is returned.
    pub(super) fn take(&self, trial: &Trial<'_>, step: &str) -> Result<Vec<u8>, Stop> {
        let found = trial.get(self.region.whole())?;
        let (start, end) = (index(MARGIN), index(MARGIN + self.bytes));
        trial.same(&format!("before {step}"), &found[..start], &self.wanted[..start])?;
        trial.same(&format!("behind {step}"), &found[end..], &self.wanted[end..])?;
        Ok(found[start..end].to_vec())
    }
}

/// Memory to read from.
pub(super) fn filled<'t>(trial: &'t Trial<'_>, bytes: &[u8], mode: StorageMode) -> Result<Held<'t>, Stop> {
    let region = trial.allocate(bytes.len().max(1) as u64, mode)?;
    trial.put(region.part(0, bytes.len() as u64)?, bytes)?;
    Ok(region)
}

fn rows(trial: &Trial<'_>) -> Result<(), Stop> {
    let kernels = offered(trial)?;
    // Rows, bytes of a row, both pitches, where source and target start.
    let shapes = [
        (1, 1, 1, 1, 0, 0),
        (3, 16, 16, 48, 0, 0),
        (5, 7, 13, 9, 3, 1),
        (17, 100, 128, 100, 16, 0),
        (33, 255, 257, 260, 1, 2),
        (2, 4099, 5000, 4100, 0, 7),
    ];
    for mode in trial.modes()? {
        for (shape, seed) in shapes.into_iter().zip(100..) {
            let (count, row, source_pitch, target_pitch, from, to) = shape;
            let (reads, writes) = (source_pitch * (count - 1) + row, target_pitch * (count - 1) + row);
            let bytes = pattern(index(from + reads), seed);
            let source = filled(trial, &bytes, mode)?;
            let mut target = Target::new(trial, to + writes, mode, seed + 50)?;
            let span = target.region.part(MARGIN + to, MARGIN + to + writes)?;
            let source = Rows { span: source.part(from, from + reads)?, row, pitch: source_pitch };
            let step =
                format!("copying {count} rows of {row} bytes from pitch {source_pitch} to {target_pitch}");
            must(&step, kernels.copy_rows(STREAM, source, Rows { span, row, pitch: target_pitch }))?;
            let copy = check::RowCopy { rows: count, row, source_pitch, target_pitch };
            reference::copy_rows(&copy, &bytes[index(from)..], &mut target.inside()[index(to)..]);
            target.check(trial, &format!("after {step}"))?;
        }
    }
    Ok(())
}

fn patterns(trial: &Trial<'_>) -> Result<(), Stop> {
    let kernels = offered(trial)?;
    for mode in trial.modes()? {
        for (length, times) in [(1, 1), (1, 77), (2, 33), (4, 5), (4, 4097), (8, 31), (16, 1), (16, 1025)] {
            let mut target = Target::new(trial, length * times, mode, length)?;
            let repeated = pattern(index(length), times);
            let step = format!("repeating {length} bytes {times} times");
            must(&step, kernels.fill_pattern(STREAM, target.span()?, &repeated))?;
            for (byte, value) in target.inside().iter_mut().zip(repeated.iter().cycle()) {
                *byte = *value;
            }
            target.check(trial, &format!("after {step}"))?;
        }
    }
    Ok(())
}

/// Singles that trip conversions: ties, carries, subnormals, what is too large, and what is not a number.
fn singles(count: usize, seed: u64) -> Vec<f32> {
    const ODD: [u32; 24] = [
        0x0000_0000,
        0x8000_0000,
        0x0000_0001,
        0x807f_ffff,
        0x0080_0000,
        0x3380_0000,
        0x3300_0000,
        0x3300_0001,
        0x387f_e000,
        0x387f_f000,
        0x477f_efff,
        0x477f_f000,
        0x477f_e000,
        0x3f80_1000,
        0x3f80_3000,
        0x3f80_8000,
        0x3f81_8000,
        0x7f7f_ffff,
        0x7f80_0000,
        0xff80_0000,
        0x7fc0_0000,
        0x7f80_0001,
        0x3f7f_ffff,
        0xbf80_8001,
    ];
    let any = pattern(count * 4, seed);
    let word =
        |at: usize| u32::from_le_bytes([any[at * 4], any[at * 4 + 1], any[at * 4 + 2], any[at * 4 + 3]]);
    (0..count)
        .map(|at| f32::from_bits(if at % 3 == 0 { ODD[at / 3 % ODD.len()] } else { word(at) }))
        .collect()
}

/// Singles of one magnitude, as weights are, with a few that are not.
fn weights(count: usize, seed: u64) -> Vec<f32> {
    let any = pattern(count, seed);
    let value = |(at, byte): (usize, u8)| match at % 61 {
        7 => 0.0,
        19 if at % 2 == 0 => f32::NAN,
        23 if at % 3 == 0 => f32::INFINITY,
        31 if at % 3 == 0 => f32::NEG_INFINITY,
        _ => (f32::from(byte) - 127.3) * 0.031,
    };
    any.into_iter().enumerate().map(value).collect()
}

/// Singles as floats of a kind, by the reference.
pub(super) fn stored(values: &[f32], number: Number) -> Vec<u8> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut numbers = vec![0; index(values.len() as u64 * number.bits() / 8)];
    let conversion =
        check::Conversion { count: values.len() as u64, from: Number::F32, to: number, group: 0 };
    let source = Stored { numbers: &bytes, scales: &[] };
    reference::convert(&conversion, source, StoredMut { numbers: &mut numbers, scales: &mut [] });
    numbers
}

/// One conversion, compared with the reference.
fn convert(
    trial: &Trial<'_>,
    mode: StorageMode,
    conversion: check::Conversion,
    source: Stored<'_>,
) -> Result<(), Stop> {
    let check::Conversion { count, from, to, group } = conversion;
    let step = format!("converting {count} numbers from {from:?} to {to:?} as {mode:?}");
    let (numbers, scales) = (filled(trial, source.numbers, mode)?, filled(trial, source.scales, mode)?);
    let target = Target::new(trial, count * to.bits() / 8, mode, 300)?;
    let target_scales = Target::new(trial, if to.scaled() { conversion.groups() * 4 } else { 0 }, mode, 301)?;
    let scales_of = |number: Number, span| number.scaled().then_some(Scales { span, group });
    let source_numbers = Numbers {
        span: numbers.part(0, source.numbers.len() as u64)?,
        number: from,
        scales: scales_of(from, scales.part(0, source.scales.len() as u64)?),
    };
    let target_numbers =
        Numbers { span: target.span()?, number: to, scales: scales_of(to, target_scales.span()?) };
    must(&step, offered(trial)?.convert(STREAM, source_numbers, target_numbers))?;
    let (found, found_scales) = (target.take(trial, &step)?, target_scales.take(trial, &step)?);
    if !trial.options.contents {
        return Ok(());
    }
    let found = Stored { numbers: &found, scales: &found_scales };
    tolerance::converted(&conversion, source, found).map_err(|why| failed(step, why))
}

const FLOATS: [Number; 3] = [Number::F32, Number::F16, Number::Bf16];

fn floats(trial: &Trial<'_>) -> Result<(), Stop> {
    offered(trial)?;
    for mode in trial.modes()? {
        for from in FLOATS {
            for to in FLOATS {
                for count in [1, 2, 31, 1027] {
                    let numbers = stored(&singles(count, count as u64), from);
                    let conversion = check::Conversion { count: count as u64, from, to, group: 0 };
                    convert(trial, mode, conversion, Stored { numbers: &numbers, scales: &[] })?;
                }
            }
        }
    }
    Ok(())
}

fn scaled(trial: &Trial<'_>) -> Result<(), Stop> {
    offered(trial)?;
    for mode in trial.modes()? {
        for float in FLOATS {
            for integer in [Number::Int8, Number::Int4] {
                for (groups, group) in [(1, 32), (5, 32), (3, 96), (2, 256), (1, 2080)] {
                    let count = u64::from(groups * group);
                    let mut values = weights(index(count), u64::from(group));
                    // A group of zeros, where there is more than one group.
                    let zeros = if groups > 1 { group as usize } else { 0 };
                    values[..zeros].fill(0.0);
                    let numbers = stored(&values, float);
                    let to = check::Conversion { count, from: float, to: integer, group };
                    convert(trial, mode, to, Stored { numbers: &numbers, scales: &[] })?;
                    let numbers = pattern(index(count * integer.bits() / 8), u64::from(group) + 1);
                    let scales = stored(&weights(7 + groups as usize, 2)[7..], Number::F32);
                    let back = check::Conversion { count, from: integer, to: float, group };
                    convert(trial, mode, back, Stored { numbers: &numbers, scales: &scales })?;
                }
            }
        }
    }
    Ok(())
}

/// How many blocks of which size are moved in checks, of how many.
const BLOCKS: [(u64, u32, u32); 6] =
    [(16, 1, 1), (16, 7, 40), (48, 33, 64), (272, 5, 9), (4096, 9, 9), (65_536, 3, 6)];

/// So many block numbers of `among`, each once, in no order.
fn named(count: u32, among: u32) -> Vec<u32> {
    // Seven and each number of blocks above have no common factor.
    (0..count).map(|n| (n * 7 + 3) % among).collect()
}

fn gathers(trial: &Trial<'_>) -> Result<(), Stop> {
    let kernels = offered(trial)?;
    for mode in trial.modes()? {
        for ((block, count, among), seed) in BLOCKS.into_iter().zip(400..) {
            let bytes = pattern(index(block) * among as usize, seed);
            let source = filled(trial, &bytes, mode)?;
            let mut names = named(count, among);
            // A block may be collected more than once.
            names[0] = names[names.len() - 1];
            let mut target = Target::new(trial, block * u64::from(count), mode, seed + 50)?;
            let step = format!("gathering {count} blocks of {block} bytes from {among}");
            must(&step, kernels.gather(STREAM, source.whole(), &names, block, target.span()?))?;
            reference::gather(&bytes, &names, block, target.inside());
            target.check(trial, &format!("after {step}"))?;
        }
    }
    Ok(())
}

fn scatters(trial: &Trial<'_>) -> Result<(), Stop> {
    let kernels = offered(trial)?;
    for mode in trial.modes()? {
        for ((block, count, among), seed) in BLOCKS.into_iter().zip(500..) {
            let bytes = pattern(index(block) * count as usize, seed);
            let source = filled(trial, &bytes, mode)?;
            let names = named(count, among);
            let mut target = Target::new(trial, block * u64::from(among), mode, seed + 50)?;
            let step = format!("scattering {count} blocks of {block} bytes over {among}");
            must(&step, kernels.scatter(STREAM, source.whole(), &names, block, target.span()?))?;
            reference::scatter(&bytes, &names, block, target.inside());
            target.check(trial, &format!("after {step}"))?;
        }
    }
    Ok(())
}

fn sum_of(trial: &Trial<'_>, step: &str, span: Span<'_>, bytes: &[u8]) -> Result<(), Stop> {
    let found = must(step, offered(trial)?.sum(STREAM, span))?;
    let wanted = if trial.options.contents { reference::sum(bytes) } else { found };
    so(step, found == wanted, || format!("it is {found:#018x} instead of {wanted:#018x}"))
}

fn sums(trial: &Trial<'_>) -> Result<(), Stop> {
    offered(trial)?;
    for mode in trial.modes()? {
        for (bytes, seed) in [1, 3, 4, 16, 1023, 4096, 100_001].into_iter().zip(600..) {
            // Bytes around those that count, which must not.
            let all = pattern(bytes + 48, seed);
            let region = filled(trial, &all, mode)?;
            let end = 32 + bytes;
            let step = format!("summing {bytes} bytes as {mode:?}");
            sum_of(trial, &step, region.part(32, end as u64)?, &all[32..end])?;
        }
        let mut words = vec![0xff; 4096];
        words[..4].fill(1);
        sum_of(trial, "summing large words", filled(trial, &words, mode)?.whole(), &words)?;
        words.rotate_right(4);
        sum_of(trial, "summing words in another order", filled(trial, &words, mode)?.whole(), &words)?;
    }
    Ok(())
}

fn order(trial: &Trial<'_>) -> Result<(), Stop> {
    let (device, kernels) = (trial.device, offered(trial)?);
    let mode = trial.any_mode()?;
    let bytes = 1 << 16;
    let (a, b) = (trial.allocate(bytes, mode)?, trial.allocate(bytes, mode)?);
    let blocks: Vec<u32> = (0..4).rev().collect();
    for round in 0..8_u8 {
        // Each reads what the one before wrote; nobody waits before the sum does.
        must("filling", device.fill(STREAM, a.whole(), round))?;
        must("repeating a pattern", kernels.fill_pattern(STREAM, a.part(0, bytes / 4)?, &[round, 1]))?;
        must("gathering", kernels.gather(STREAM, a.whole(), &blocks, bytes / 4, b.whole()))?;
        must("copying", device.copy(STREAM, b.part(0, 1024)?, a.part(1024, 2048)?))?;
        let mut wanted = vec![round; index(bytes)];
        for pair in wanted[index(bytes / 4 * 3)..].chunks_mut(2) {
            pair[1] = 1;
        }
        sum_of(trial, &format!("summing what was gathered in round {round}"), b.whole(), &wanted)?;
    }
    Ok(())
}

fn refusals(trial: &Trial<'_>) -> Result<(), Stop> {
    use DeviceError::{BadOperation, Overlap, UnknownStream};
    let kernels = offered(trial)?;
    let mode = trial.any_mode()?;
    let (source, target) = (trial.allocate(4096, mode)?, Target::new(trial, 4096, mode, 700)?);
    let from = source.part(0, 1024)?;
    let to = target.region.part(MARGIN, MARGIN + 1024)?;
    let off = target.region.part(MARGIN + 8, MARGIN + 8 + 1024)?;
    let gather = |index: &[u32], block, to| kernels.gather(STREAM, from, index, block, to);
    refused!("gathering a block that is not there", gather(&[4, 0, 0, 0], 256, to), BadOperation { .. });
    refused!("gathering too few blocks", gather(&[0], 256, to), BadOperation { .. });
    refused!("gathering odd blocks", gather(&[0], 1000, to), BadOperation { .. });
    refused!("gathering to an odd place", gather(&[0, 0, 0, 0], 256, off), BadOperation { .. });
    refused!("gathering in place", gather(&[1], 256, source.part(0, 256)?), Overlap);
    let twice = kernels.scatter(STREAM, source.part(0, 512)?, &[1, 1], 256, to);
    refused!("scattering to a block twice", twice, BadOperation { .. });
    let rows = |span, row, pitch| Rows { span, row, pitch };
    let copied = kernels.copy_rows(STREAM, rows(from, 4, 9), rows(to, 4, 9));
    refused!("copying rows that do not end", copied, BadOperation { .. });
    let copied = kernels.copy_rows(STREAM, rows(from, 1024, 1024), rows(to, 512, 512));
    refused!("copying one row to two", copied, BadOperation { .. });
    let copied = kernels.copy_rows(STREAM, rows(from, 16, 112), rows(source.part(16, 1040)?, 16, 112));
    refused!("copying between woven rows", copied, Overlap);
    refused!("repeating three bytes", kernels.fill_pattern(STREAM, to, &[0; 3]), BadOperation { .. });
    refused!("repeating at an odd place", kernels.fill_pattern(STREAM, off, &[0; 4]), BadOperation { .. });
    refused!("summing from an odd place", kernels.sum(STREAM, off), BadOperation { .. });
    let plain = |span, number| Numbers { span, number, scales: None };
    let converted = kernels.convert(STREAM, plain(from, Number::F32), plain(to, Number::F16));
    refused!("converting to too many numbers", converted, BadOperation { .. });
    let half = target.region.part(MARGIN, MARGIN + 256)?;
    let converted = kernels.convert(STREAM, plain(from, Number::F32), plain(half, Number::Int8));
    refused!("converting without scales", converted, BadOperation { .. });
    let odd = kernels.sum(Stream(u32::MAX), from);
    refused!("summing on a stream that does not exist", odd, UnknownStream(_));
    let odd = kernels.fill_pattern(Stream(u32::MAX), to, &[0]);
    refused!("repeating on a stream that does not exist", odd, UnknownStream(_));
    target.check(trial, "after what was refused")
}

fn unbacked(trial: &Trial<'_>) -> Result<(), Stop> {
    use DeviceError::NotBacked;
    let (device, kernels) = (trial.device, offered(trial)?);
    if !trial.facts().capabilities.growable_ranges {
        return Err(Stop::Skipped("the device has no growable ranges"));
    }
    let granule = trial.facts().granule;
    let modes = trial.modes()?;
    let bytes = Bytes::new(2 * granule);
    let Some(range) = modes.iter().find_map(|&mode| device.reserve(bytes, mode).ok()) else {
        return Err(failed("reserving a range", "it was refused in every mode"));
    };
    let range = trial.hold(range);
    must("backing", device.commit(&range, 0..granule))?;
    let (backed, across) = (range.part(0, 256)?, range.part(granule - 128, granule + 128)?);
    let rows = |span| Rows { span, row: 16, pitch: 16 };
    let numbers = |span| Numbers { span, number: Number::F32, scales: None };
    refused!("summing", kernels.sum(STREAM, across), NotBacked { .. });
    refused!("repeating", kernels.fill_pattern(STREAM, across, &[0; 16]), NotBacked { .. });
    let copied = kernels.copy_rows(STREAM, rows(across), rows(backed));
    refused!("copying rows from", copied, NotBacked { .. });
    let copied = kernels.copy_rows(STREAM, rows(backed), rows(across));
    refused!("copying rows to", copied, NotBacked { .. });
    let converted = kernels.convert(STREAM, numbers(across), numbers(backed));
    refused!("converting from", converted, NotBacked { .. });
    let converted = kernels.convert(STREAM, numbers(backed), numbers(across));
    refused!("converting to", converted, NotBacked { .. });
    refused!("gathering from", kernels.gather(STREAM, across, &[0], 256, backed), NotBacked { .. });
    refused!("gathering to", kernels.gather(STREAM, backed, &[0], 256, across), NotBacked { .. });
    refused!("scattering from", kernels.scatter(STREAM, across, &[0], 256, backed), NotBacked { .. });
    refused!("scattering to", kernels.scatter(STREAM, backed, &[0], 256, across), NotBacked { .. });
    Ok(())
}

fn foreign(trial: &Trial<'_>) -> Result<(), Stop> {
    use DeviceError::WrongDevice;
    let kernels = offered(trial)?;
    let foreign = Trial::foreign()?;
    let own = trial.allocate(4096, trial.any_mode()?)?;
    let (theirs, ours) = (foreign.whole(), own.whole());
    let rows = |span| Rows { span, row: 16, pitch: 16 };
    let numbers = |span| Numbers { span, number: Number::F16, scales: None };
    let named: Vec<u32> = (0..16).collect();
    refused!("summing", kernels.sum(STREAM, theirs), WrongDevice);
    refused!("repeating", kernels.fill_pattern(STREAM, theirs, &[0]), WrongDevice);
    refused!("copying rows from", kernels.copy_rows(STREAM, rows(theirs), rows(ours)), WrongDevice);
    refused!("copying rows to", kernels.copy_rows(STREAM, rows(ours), rows(theirs)), WrongDevice);
    refused!("converting from", kernels.convert(STREAM, numbers(theirs), numbers(ours)), WrongDevice);
    refused!("converting to", kernels.convert(STREAM, numbers(ours), numbers(theirs)), WrongDevice);
    refused!("gathering from", kernels.gather(STREAM, theirs, &named, 256, ours), WrongDevice);
    refused!("gathering to", kernels.gather(STREAM, ours, &named, 256, theirs), WrongDevice);
    refused!("scattering from", kernels.scatter(STREAM, theirs, &named, 256, ours), WrongDevice);
    refused!("scattering to", kernels.scatter(STREAM, ours, &named, 256, theirs), WrongDevice);
    Ok(())
}

fn nothing(trial: &Trial<'_>) -> Result<(), Stop> {
    let kernels = offered(trial)?;
    let mode = trial.any_mode()?;
    let (source, target) = (trial.allocate(4096, mode)?, Target::new(trial, 4096, mode, 800)?);
    for at in [0, 5, 4096] {
        let (from, to) = (source.part(at, at)?, target.region.part(at, at)?);
        let rows = |span| Rows { span, row: 3, pitch: 3 };
        let scaled = Numbers { span: to, number: Number::Int4, scales: Some(Scales { span: to, group: 32 }) };
        let floats = Numbers { span: from, number: Number::F32, scales: None };
        must("copying no rows", kernels.copy_rows(STREAM, rows(from), rows(to)))?;
        must("repeating into nothing", kernels.fill_pattern(STREAM, to, &[1; 16]))?;
        must("converting no numbers", kernels.convert(STREAM, floats, scaled))?;
        must("gathering no blocks", kernels.gather(STREAM, source.whole(), &[], 16, to))?;
        must("scattering no blocks", kernels.scatter(STREAM, from, &[], 16, target.region.whole()))?;
        let sum = must("summing nothing", kernels.sum(STREAM, from))?;
        so("the sum of nothing", sum == 0, was(sum))?;
    }
    target.check(trial, "after nothing")
}
