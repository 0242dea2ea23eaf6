//! What drives a processor's instructions over rows: the loops, written once.
//!
//! A macro and not a generic function, because loops must be compiled for the instructions that they run, and a trait's
//! methods cannot be told which those are. A file that uses it has a type `Lanes` of 16 singles and, of it: `load`,
//! `spread`, `store`, `store_one` and `above` for each kind of number; `splat`, `plus`, `minus`, `times`, `over`, `least`,
//! `most`, `lowest`, `highest`, `finite`, `within`, `inverse`; and `load_codes` and `store_codes` for the 64 codes of a run.
//!
//! For the same reason nothing is done through a closure: one that is handed to the standard library is called from code
//! that is not compiled for these instructions, and is never inlined there. So [`each`] stands for an array's `map`.

/// Does the same for each of a few values: an array of what came out.
macro_rules! each {
    ($name:pat in [$($one:expr),*] => $body:expr) => {
        [$({
            let $name = $one;
            $body
        }),*]
    };
}

/// Calls a function for the kind of numbers and codes that there are.
macro_rules! by_kind {
    ($rows:expr, $function:ident($($argument:expr),*)) => {
        match ($rows.element, $rows.bits) {
            (Element::F32, Bits::Eight) => $function::<F32, true>($($argument),*),
            (Element::F32, Bits::Four) => $function::<F32, false>($($argument),*),
            (Element::F16, Bits::Eight) => $function::<F16, true>($($argument),*),
            (Element::F16, Bits::Four) => $function::<F16, false>($($argument),*),
            (_, Bits::Eight) => $function::<BF16, true>($($argument),*),
            (_, Bits::Four) => $function::<BF16, false>($($argument),*),
        }
    };
}

macro_rules! drive {
    ($(#[$features:meta])*) => {
        use $crate::codec::number::{Brain, Half, Number, Single};
        use $crate::codec::quantized::NotFinite;
        use $crate::codec::shape::{Bits, GROUP, Rows};
        use $crate::codec::simd::drive::{by_kind, each};
        use $crate::layout::Element;

        const F32: u8 = 0;
        const F16: u8 = 1;
        const BF16: u8 = 2;

        /// Singles of a register.
        const LANES: usize = 16;
        /// Registers of a run of 64 channels.
        const PARTS: [usize; 4] = [0, 1, 2, 3];
        /// Channels whose scales are kept as singles at a time: two times 4 KiB, which the first cache holds.
        const TILE: usize = 1024;

        /// Bytes of a number.
        const fn width<const E: u8>() -> usize {
            if E == F32 { 4 } else { 2 }
        }

        /// Bytes of the codes of so many channels, which are whole runs.
        const fn coded<const EIGHT: bool>(channels: usize) -> usize {
            if EIGHT { channels } else { channels / 2 }
        }

        /// Channels in whole runs.
        const fn whole(rows: &Rows) -> usize {
            rows.width / GROUP * GROUP
        }

        $(#[$features])*
        pub(super) fn decode_keys(rows: &Rows, scales: &[u8], codes: &[u8], native: &mut [u8]) -> usize {
            by_kind!(rows, decode_keys_of(rows, scales, codes, native))
        }

        $(#[$features])*
        fn decode_keys_of<const E: u8, const EIGHT: bool>(
            rows: &Rows,
            scales: &[u8],
            codes: &[u8],
            native: &mut [u8],
        ) -> usize {
            assert_eq!(scales.len(), rows.scales_of_channels());
            assert_eq!(codes.len(), rows.codes());
            assert_eq!(native.len(), rows.native());
            let (all, row) = (whole(rows), rows.bits.row(rows.width));
            let (mut leasts, mut steps) = ([0.0_f32; TILE], [0.0_f32; TILE]);
            for first in (0..all).step_by(TILE) {
                let many = TILE.min(all - first);
                for at in (0..many).step_by(LANES) {
                    // SAFETY: 16 channels from `first + at` on are among the `width` leasts and as many steps that the
                    // scales hold; those from `at` on are within the tile, as `many` is a multiple of 16.
                    unsafe {
                        let from = scales.as_ptr().add((first + at) * width::<E>());
                        store::<F32>(leasts.as_mut_ptr().add(at).cast(), load::<E>(from));
                        let from = from.add(rows.width * width::<E>());
                        store::<F32>(steps.as_mut_ptr().add(at).cast(), load::<E>(from));
                    }
                }
                for token in 0..rows.count {
                    for at in (0..many).step_by(GROUP) {
                        // SAFETY: the run of 64 channels from `first + at` on is whole, so its codes and numbers are
                        // within the row of this token, and its scales within the tile.
                        unsafe {
                            let from = codes.as_ptr().add(token * row + coded::<EIGHT>(first + at));
                            let to = (token * rows.width + first + at) * width::<E>();
                            let to = native.as_mut_ptr().add(to);
                            let run = load_codes::<EIGHT>(from);
                            for part in PARTS {
                                let lane = at + part * LANES;
                                let step = load::<F32>(steps.as_ptr().add(lane).cast());
                                let least = load::<F32>(leasts.as_ptr().add(lane).cast());
                                let numbers = plus(times(run[part], step), least);
                                store::<E>(to.add(part * LANES * width::<E>()), numbers);
                            }
                        }
                    }
                }
            }
            all
        }

        $(#[$features])*
        pub(super) fn decode_values(rows: &Rows, encoded: &[u8], native: &mut [u8]) -> usize {
            by_kind!(rows, decode_values_of(rows, encoded, native))
        }

        $(#[$features])*
        fn decode_values_of<const E: u8, const EIGHT: bool>(
            rows: &Rows,
            encoded: &[u8],
            native: &mut [u8],
        ) -> usize {
            assert_eq!(encoded.len(), rows.count * rows.row());
            assert_eq!(native.len(), rows.native());
            let (all, row, scales) = (whole(rows), rows.row(), rows.scales_of_row());
            for token in 0..rows.count {
                for first in (0..all).step_by(GROUP) {
                    // SAFETY: the run of 64 channels from `first` on is whole, so its scale, codes and numbers are
                    // within the row of this token.
                    unsafe {
                        let start = encoded.as_ptr().add(token * row);
                        let least = spread::<E>(start.add(first / GROUP * width::<E>()));
                        let step = spread::<E>(start.add(scales / 2 + first / GROUP * width::<E>()));
                        let run = load_codes::<EIGHT>(start.add(scales + coded::<EIGHT>(first)));
                        let to = native.as_mut_ptr().add((token * rows.width + first) * width::<E>());
                        for part in PARTS {
                            let numbers = plus(times(run[part], step), least);
                            store::<E>(to.add(part * LANES * width::<E>()), numbers);
                        }
                    }
                }
            }
            all
        }

        $(#[$features])*
        pub(super) fn encode_keys(
            rows: &Rows,
            native: &[u8],
            scales: &mut [u8],
            codes: &mut [u8],
        ) -> Result<usize, NotFinite> {
            by_kind!(rows, encode_keys_of(rows, native, scales, codes))
        }

        $(#[$features])*
        fn encode_keys_of<const E: u8, const EIGHT: bool>(
            rows: &Rows,
            native: &[u8],
            scales: &mut [u8],
            codes: &mut [u8],
        ) -> Result<usize, NotFinite> {
            assert_eq!(native.len(), rows.native());
            assert_eq!(codes.len(), rows.codes());
            assert_eq!(scales.len(), rows.scales_of_channels());
            let (all, row) = (whole(rows), rows.bits.row(rows.width));
            for first in (0..all).step_by(GROUP) {
                let at = |token: usize, part: usize| {
                    (token * rows.width + first + part * LANES) * width::<E>()
                };
                let (mut lows, mut highs) = ([splat(f32::INFINITY); 4], [splat(f32::NEG_INFINITY); 4]);
                let mut doubt = splat(0.0);
                for token in 0..rows.count {
                    for part in PARTS {
                        // SAFETY: the run of 64 channels from `first` on is whole, and within the row of this token.
                        let numbers = unsafe { load::<E>(native.as_ptr().add(at(token, part))) };
                        lows[part] = least(lows[part], numbers);
                        highs[part] = most(highs[part], numbers);
                        // What is not finite gives NaN, which stays.
                        doubt = plus(doubt, times(numbers, splat(0.0)));
                    }
                }
                if rows.count == 0 || !finite(doubt) {
                    return Err(NotFinite);
                }
                let (mut leasts, mut inverses) = (lows, lows);
                for part in PARTS {
                    let [lowest, step, inverse] = between::<E>(rows, lows[part], highs[part])?;
                    (leasts[part], inverses[part]) = (lowest, inverse);
                    // SAFETY: the run is whole, so its channels are among the `width` leasts and as many steps.
                    unsafe {
                        let to = scales.as_mut_ptr().add((first + part * LANES) * width::<E>());
                        store::<E>(to, lowest);
                        store::<E>(to.add(rows.width * width::<E>()), step);
                    }
                }
                for token in 0..rows.count {
                    let quotients = each!(part in [0, 1, 2, 3] => {
                        // SAFETY: as above.
                        let numbers = unsafe { load::<E>(native.as_ptr().add(at(token, part))) };
                        let quotients = times(minus(numbers, leasts[part]), inverses[part]);
                        least(quotients, splat(rows.bits.levels()))
                    });
                    // SAFETY: the run's codes are within the row of this token.
                    unsafe {
                        let to = codes.as_mut_ptr().add(token * row + coded::<EIGHT>(first));
                        store_codes::<EIGHT>(to, quotients);
                    }
                }
            }
            Ok(all)
        }

        /// What `Scale::between` gives, a lane each: the least, the step, and one over the step.
        $(#[$features])*
        fn between<const E: u8>(rows: &Rows, low: Lanes, high: Lanes) -> Result<[Lanes; 3], NotFinite> {
            let (zero, levels) = (splat(0.0), splat(rows.bits.levels()));
            let lowest = plus(low, zero);
            let step = above::<E>(over(plus(minus(high, lowest), zero), levels));
            let reach = times(step, levels);
            let most = match E {
                F32 => Single::MOST,
                F16 => Half::MOST,
                _ => Brain::MOST,
            };
            if !within(reach, f32::MAX) || !within(plus(lowest, reach), most) {
                return Err(NotFinite);
            }
            Ok([lowest, step, inverse(step)])
        }

        $(#[$features])*
        pub(super) fn encode_values(
            rows: &Rows,
            native: &[u8],
            encoded: &mut [u8],
        ) -> Result<usize, NotFinite> {
            by_kind!(rows, encode_values_of(rows, native, encoded))
        }

        $(#[$features])*
        fn encode_values_of<const E: u8, const EIGHT: bool>(
            rows: &Rows,
            native: &[u8],
            encoded: &mut [u8],
        ) -> Result<usize, NotFinite> {
            assert_eq!(native.len(), rows.native());
            assert_eq!(encoded.len(), rows.count * rows.row());
            let (all, row, scales) = (whole(rows), rows.row(), rows.scales_of_row());
            for token in 0..rows.count {
                for first in (0..all).step_by(GROUP) {
                    let [a, b, c, d] = each!(part in [0, 1, 2, 3] => {
                        let at = (token * rows.width + first + part * LANES) * width::<E>();
                        // SAFETY: the run of 64 channels from `first` on is whole, and within the row of this token.
                        unsafe { load::<E>(native.as_ptr().add(at)) }
                    });
                    let zero = splat(0.0);
                    let doubt = plus(plus(times(a, zero), times(b, zero)), plus(times(c, zero), times(d, zero)));
                    if !finite(doubt) {
                        return Err(NotFinite);
                    }
                    let low = splat(lowest(least(least(a, b), least(c, d))));
                    let high = splat(highest(most(most(a, b), most(c, d))));
                    let [lowest, step, inverse] = between::<E>(rows, low, high)?;
                    let quotients = each!(numbers in [a, b, c, d] => {
                        least(times(minus(numbers, lowest), inverse), splat(rows.bits.levels()))
                    });
                    // SAFETY: the run is whole, so its scale and codes are within the row of this token.
                    unsafe {
                        let start = encoded.as_mut_ptr().add(token * row);
                        let to = start.add(first / GROUP * width::<E>());
                        store_one::<E>(to, lowest);
                        store_one::<E>(to.add(scales / 2), step);
                        store_codes::<EIGHT>(start.add(scales + coded::<EIGHT>(first)), quotients);
                    }
                }
            }
            Ok(all)
        }
    };
}

pub(super) use {by_kind, drive, each};
