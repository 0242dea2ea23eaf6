//! Rows of levels times a matrix, held to the reference.

use super::Check;
use super::kernels::{Target, filled, offered, stored};
use super::trial::{Stop, Trial, failed, index, must, pattern, refused};
use crate::kernels::expand::{self, Expand, ExpandShape, ExpandStored};
use crate::kernels::{Kernels, Number};
use crate::{DeviceError, Stream};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "rows are expanded as near as they should be", run: near },
    Check { name: "an expansion refuses what does not fit", run: refusals },
];

const STREAM: Stream = Stream(0);

/// Rows, levels, numbers: those that matrix units take and others, few rows and more than a tile.
const SHAPES: [(u32, u32, u32); 6] =
    [(1, 1, 1), (5, 7, 33), (100, 64, 96), (300, 128, 768), (130, 48, 32), (67, 200, 40)];

fn able<'t>(trial: &'t Trial<'_>) -> Result<&'t dyn Kernels, Stop> {
    let kernels = offered(trial)?;
    if kernels.expands() { Ok(kernels) } else { Err(Stop::Skipped("the device does not expand rows")) }
}

fn near(trial: &Trial<'_>) -> Result<(), Stop> {
    let kernels = able(trial)?;
    let modes = trial.modes()?;
    for ((rows, depth, width), at) in SHAPES.into_iter().zip(0..) {
        let shape = ExpandShape { rows, depth, width };
        let seed = u64::from(rows);
        let numbers = |count: u32, seed, unit: f32| -> Vec<u8> {
            let any = pattern(count as usize, seed).into_iter();
            let any: Vec<f32> = any.map(|byte| (f32::from(byte) - 127.3) * unit).collect();
            stored(&any, Number::F32)
        };
        let levels: Vec<u8> = pattern(index(shape.levels_bytes()), seed).into_iter().map(level).collect();
        let (scales, offsets) = (numbers(rows, seed + 1, 1e-3), numbers(width, seed + 2, 0.02));
        let matrix = numbers(width * depth, seed + 3, 7.7e-4);
        let mode = modes[at % modes.len()];
        let held = [&levels, &scales, &matrix, &offsets];
        let held = held.map(|bytes| filled(trial, bytes, mode));
        let [a, b, c, d] = held;
        let (a, b, c, d) = (a?, b?, c?, d?);
        let desk = trial.allocate(kernels.expand_desk(&shape).get().max(16), mode)?;
        let target = Target::new(trial, shape.target_bytes(), mode, 960)?;
        let step = format!("expanding {shape:?} as {mode:?}");
        let ask = Expand {
            shape,
            levels: a.part(0, levels.len() as u64)?,
            scales: b.part(0, scales.len() as u64)?,
            matrix: c.part(0, matrix.len() as u64)?,
            offsets: d.part(0, offsets.len() as u64)?,
            target: target.span()?,
            desk: desk.whole(),
        };
        must(&step, kernels.expand(STREAM, &ask))?;
        let found = target.take(trial, &step)?;
        let stored = ExpandStored { levels: &levels, scales: &scales, matrix: &matrix, offsets: &offsets };
        if trial.options.contents {
            expand::found(&shape, &stored, &found).map_err(|why| failed(&step, why))?;
        }
    }
    Ok(())
}

/// −127..=127.
fn level(byte: u8) -> u8 {
    byte.max(129).wrapping_add(byte.min(128))
}

fn refusals(trial: &Trial<'_>) -> Result<(), Stop> {
    use DeviceError::{BadOperation, Overlap};
    let kernels = able(trial)?;
    let mode = trial.any_mode()?;
    let good = ExpandShape { rows: 16, depth: 16, width: 16 };
    let (region, target) = (trial.allocate(8192, mode)?, Target::new(trial, 1024, mode, 970)?);
    let room = trial.allocate(kernels.expand_desk(&good).get().max(16), mode)?;
    let ask = Expand {
        shape: good,
        levels: region.part(0, 256)?,
        scales: region.part(256, 320)?,
        matrix: region.part(1024, 2048)?,
        offsets: region.part(2048, 2112)?,
        target: target.span()?,
        desk: room.whole(),
    };
    let with = |ask: Expand<'_>| kernels.expand(STREAM, &ask);
    let shaped = |shape| with(Expand { shape, ..ask });
    refused!("expanding no levels", shaped(ExpandShape { depth: 0, ..good }), BadOperation { .. });
    refused!("expanding to too much", shaped(ExpandShape { width: 1 << 17, ..good }), BadOperation { .. });
    refused!("expanding more rows", shaped(ExpandShape { rows: 17, ..good }), BadOperation { .. });
    let inside = region.part(1024, 2048)?;
    refused!("expanding into the matrix", with(Expand { target: inside, ..ask }), Overlap);
    target.check(trial, "after what was refused")
}
