//! What drives a processor's conversions: the loops over blocks and groups, written once.
//!
//! A macro and not a generic function, because loops must be compiled for the instructions that they run, and a
//! trait's methods cannot be told which those are. A file that uses it has a type `Block` of 32 singles, and of it:
//! `load` and `store` for each kind of number, `times`, `over`, and `magnitude` with `highest` for the largest
//! finite magnitude.

macro_rules! drive {
    ($(#[$features:meta])*) => {
        use $crate::kernels::Number;
        use $crate::kernels::check::Conversion;
        use $crate::kernels::reference::{Stored, StoredMut, limit};
        use $crate::kernels::simd::{BLOCK, block_bytes};

        const F32: u8 = Number::F32 as u8;
        const F16: u8 = Number::F16 as u8;
        const BF16: u8 = Number::Bf16 as u8;
        const INT8: u8 = Number::Int8 as u8;
        const INT4: u8 = Number::Int4 as u8;

        /// Converts all whole blocks and says how many those were.
        $(#[$features])*
        pub(super) fn blocks(conversion: &Conversion, source: Stored<'_>, target: StoredMut<'_>) -> u64 {
            match conversion.from {
                Number::F32 => blocks_of::<F32>(conversion, source, target),
                Number::F16 => blocks_of::<F16>(conversion, source, target),
                Number::Bf16 => blocks_of::<BF16>(conversion, source, target),
                Number::Int8 => blocks_of::<INT8>(conversion, source, target),
                Number::Int4 => blocks_of::<INT4>(conversion, source, target),
            }
        }

        $(#[$features])*
        fn blocks_of<const FROM: u8>(
            conversion: &Conversion,
            source: Stored<'_>,
            target: StoredMut<'_>,
        ) -> u64 {
            match conversion.to {
                Number::F32 if FROM != F32 => run::<FROM, F32>(conversion, source, target),
                Number::F16 if FROM != F16 => run::<FROM, F16>(conversion, source, target),
                Number::Bf16 if FROM != BF16 => run::<FROM, BF16>(conversion, source, target),
                Number::Int8 if FROM < INT8 => run::<FROM, INT8>(conversion, source, target),
                Number::Int4 if FROM < INT8 => run::<FROM, INT4>(conversion, source, target),
                _ => 0,
            }
        }

        $(#[$features])*
        fn run<const FROM: u8, const TO: u8>(
            conversion: &Conversion,
            source: Stored<'_>,
            target: StoredMut<'_>,
        ) -> u64 {
            let count = conversion.count / BLOCK as u64;
            let blocks = usize::try_from(count).unwrap_or(usize::MAX);
            let (from, to) = (block_bytes(conversion.from), block_bytes(conversion.to));
            assert!(source.numbers.len() / from >= blocks, "{conversion:?}");
            assert!(target.numbers.len() / to >= blocks, "{conversion:?}");
            let (source_at, target_at) = (source.numbers.as_ptr(), target.numbers.as_mut_ptr());
            // SAFETY: block `n` of `blocks` lies within the source, as asserted above.
            let load = |n: usize| unsafe { load::<FROM>(source_at.add(n * from)) };
            // SAFETY: block `n` of `blocks` lies within the target, as asserted above.
            let store = |n: usize, block: Block| unsafe { store::<TO>(target_at.add(n * to), block) };
            if conversion.group == 0 {
                for n in 0..blocks {
                    store(n, load(n));
                }
                return count;
            }
            let group = conversion.group as usize / BLOCK;
            let starts = (0..blocks).step_by(group);
            assert!(blocks.is_multiple_of(group), "{conversion:?}");
            if conversion.to.scaled() {
                for (scale, start) in target.scales.as_chunks_mut::<4>().0.iter_mut().zip(starts) {
                    let mut largest = magnitude(load(start), None);
                    for n in start + 1..start + group {
                        largest = magnitude(load(n), Some(largest));
                    }
                    let by = highest(largest) / limit(conversion.to);
                    *scale = by.to_le_bytes();
                    for n in start..start + group {
                        store(n, over(load(n), by));
                    }
                }
            } else {
                for (scale, start) in source.scales.as_chunks::<4>().0.iter().zip(starts) {
                    let by = f32::from_le_bytes(*scale);
                    for n in start..start + group {
                        store(n, times(load(n), by));
                    }
                }
            }
            count
        }
    };
}

pub(super) use drive;
