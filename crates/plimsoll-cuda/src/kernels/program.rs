//! The sources, and what each of them lets be launched.

use std::ffi::CStr;

/// What every source includes: its name and text.
pub const HEADER: (&CStr, &str) = (c"common.cuh", include_str!("cuda/common.cuh"));

/// A search by few queries, for one kind of rows.
macro_rules! few {
    ($kind:literal) => {
        concat!(include_str!("cuda/nearest.cuh"), include_str!("cuda/nearest_few.cu"), $kind, "\n")
    };
}

/// A search by many.
macro_rules! many {
    ($kind:literal) => {
        concat!(
            include_str!("cuda/nearest.cuh"),
            include_str!("cuda/nearest_many.cu"),
            include_str!("cuda/nearest_wide.cu"),
            $kind,
            "\n"
        )
    };
}

/// A search among runs of rows.
macro_rules! runs {
    ($kinds:literal) => {
        concat!(include_str!("cuda/nearest.cuh"), include_str!("cuda/nearest_runs.cu"), $kinds, "\n")
    };
}

/// The same for runs that many look at.
macro_rules! runs_many {
    ($kind:literal) => {
        concat!(
            include_str!("cuda/nearest.cuh"),
            include_str!("cuda/nearest_many.cu"),
            include_str!("cuda/nearest_runs_many.cu"),
            $kind,
            "\n"
        )
    };
}

/// One source. Each is compiled when it is first needed, so nobody waits for what is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Blocks,
    Convert,
    CopyRows,
    Expand,
    FillPattern,
    LoseOnPurpose,
    NearestFewBf16,
    NearestFewF16,
    NearestFewF32,
    NearestFewInt8,
    NearestLists,
    NearestManyBf16,
    NearestManyF16,
    NearestManyF32,
    NearestManyInt8,
    NearestManyLevel4,
    NearestManyLevel8,
    NearestManySign,
    NearestPacked,
    NearestRunsBf16,
    NearestRunsF16,
    NearestRunsF32,
    NearestRunsInt8,
    NearestRunsManyBf16,
    NearestRunsManyF16,
    NearestRunsManyF32,
    NearestRunsManyInt8,
    NearestRunsPacked,
    Sum,
}

impl Program {
    pub const ALL: [Self; 29] = [
        Self::Blocks,
        Self::Convert,
        Self::CopyRows,
        Self::Expand,
        Self::FillPattern,
        Self::LoseOnPurpose,
        Self::NearestFewBf16,
        Self::NearestFewF16,
        Self::NearestFewF32,
        Self::NearestFewInt8,
        Self::NearestLists,
        Self::NearestManyBf16,
        Self::NearestManyF16,
        Self::NearestManyF32,
        Self::NearestManyInt8,
        Self::NearestManyLevel4,
        Self::NearestManyLevel8,
        Self::NearestManySign,
        Self::NearestPacked,
        Self::NearestRunsBf16,
        Self::NearestRunsF16,
        Self::NearestRunsF32,
        Self::NearestRunsInt8,
        Self::NearestRunsManyBf16,
        Self::NearestRunsManyF16,
        Self::NearestRunsManyF32,
        Self::NearestRunsManyInt8,
        Self::NearestRunsPacked,
        Self::Sum,
    ];

    /// Its place in [`ALL`](Self::ALL).
    pub const fn number(self) -> usize {
        self as usize
    }

    /// What messages call it: its file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocks => "blocks.cu",
            Self::Convert => "convert.cu",
            Self::CopyRows => "copy_rows.cu",
            Self::Expand => "expand.cu",
            Self::FillPattern => "fill_pattern.cu",
            Self::LoseOnPurpose => "lose_on_purpose.cu",
            Self::NearestFewBf16 => "nearest_few_bf16.cu",
            Self::NearestFewF16 => "nearest_few_f16.cu",
            Self::NearestFewF32 => "nearest_few_f32.cu",
            Self::NearestFewInt8 => "nearest_few_int8.cu",
            Self::NearestLists => "nearest_lists.cu",
            Self::NearestManyBf16 => "nearest_many_bf16.cu",
            Self::NearestManyF16 => "nearest_many_f16.cu",
            Self::NearestManyF32 => "nearest_many_f32.cu",
            Self::NearestManyInt8 => "nearest_many_int8.cu",
            Self::NearestManyLevel4 => "nearest_many_level4.cu",
            Self::NearestManyLevel8 => "nearest_many_level8.cu",
            Self::NearestManySign => "nearest_many_sign.cu",
            Self::NearestPacked => "nearest_packed.cu",
            Self::NearestRunsBf16 => "nearest_runs_bf16.cu",
            Self::NearestRunsF16 => "nearest_runs_f16.cu",
            Self::NearestRunsF32 => "nearest_runs_f32.cu",
            Self::NearestRunsInt8 => "nearest_runs_int8.cu",
            Self::NearestRunsManyBf16 => "nearest_runs_many_bf16.cu",
            Self::NearestRunsManyF16 => "nearest_runs_many_f16.cu",
            Self::NearestRunsManyF32 => "nearest_runs_many_f32.cu",
            Self::NearestRunsManyInt8 => "nearest_runs_many_int8.cu",
            Self::NearestRunsPacked => "nearest_runs_packed.cu",
            Self::Sum => "sum.cu",
        }
    }

    /// Its text.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Blocks => include_str!("cuda/blocks.cu"),
            Self::Convert => include_str!("cuda/convert.cu"),
            Self::CopyRows => include_str!("cuda/copy_rows.cu"),
            Self::Expand => include_str!("cuda/expand.cu"),
            Self::FillPattern => include_str!("cuda/fill_pattern.cu"),
            Self::LoseOnPurpose => include_str!("cuda/lose_on_purpose.cu"),
            Self::NearestFewBf16 => few!("FEW(bf16, Bf16)"),
            Self::NearestFewF16 => few!("FEW(f16, F16)"),
            Self::NearestFewF32 => few!("FEW(f32, F32)"),
            Self::NearestFewInt8 => few!("FEW(int8, Int8)"),
            Self::NearestLists => {
                concat!(include_str!("cuda/nearest.cuh"), include_str!("cuda/nearest_lists.cu"))
            }
            Self::NearestManyBf16 => many!("MANY(bf16, TensorBf16, GroupBf16)"),
            Self::NearestManyF16 => many!("MANY(f16, TensorF16, GroupF16)"),
            Self::NearestManyF32 => many!("MANY(f32, TensorF32, GroupF32)"),
            Self::NearestManyInt8 => many!("MANY(int8, TensorInt8, GroupInt8)"),
            Self::NearestManyLevel4 => many!("MANY_128(level4, TensorLevel4)"),
            Self::NearestManyLevel8 => many!("MANY(level8, TensorLevel8, GroupLevel8)"),
            Self::NearestManySign => many!("MANY_128(sign, TensorSign)"),
            Self::NearestRunsBf16 => runs!("RUNS(bf16, Numbers<Bf16>)"),
            Self::NearestRunsF16 => runs!("RUNS(f16, Numbers<F16>)"),
            Self::NearestRunsF32 => runs!("RUNS(f32, Numbers<F32>)"),
            Self::NearestRunsInt8 => runs!("RUNS(int8, Numbers<Int8>)"),
            Self::NearestRunsManyBf16 => runs_many!("RUNS_MANY(bf16, TensorBf16)"),
            Self::NearestRunsManyF16 => runs_many!("RUNS_MANY(f16, TensorF16)"),
            Self::NearestRunsManyF32 => runs_many!("RUNS_MANY(f32, TensorF32)"),
            Self::NearestRunsManyInt8 => runs_many!("RUNS_MANY(int8, TensorInt8)"),
            Self::NearestRunsPacked => {
                runs!(
                    "RUNS(level8, Levels<Level8>) RUNS(level4, Levels<Level4>) RUNS(sign, Bits<false>) RUNS(count, Bits<true>)"
                )
            }
            Self::NearestPacked => {
                concat!(include_str!("cuda/nearest.cuh"), include_str!("cuda/nearest_packed.cu"))
            }
            Self::Sum => include_str!("cuda/sum.cu"),
        }
    }

    /// Whether it has code for what only one architecture has.
    pub const fn own(self) -> bool {
        matches!(
            self,
            Self::NearestManyBf16
                | Self::NearestManyF16
                | Self::NearestManyF32
                | Self::NearestManyInt8
                | Self::NearestManyLevel8
        )
    }

    /// What can be launched of it.
    pub const fn entries(self) -> &'static [&'static CStr] {
        match self {
            Self::Blocks => &[
                c"gather_pieces_short",
                c"gather_pieces_long",
                c"gather_units_short",
                c"gather_units_long",
                c"scatter_pieces_short",
                c"scatter_pieces_long",
                c"scatter_units_short",
                c"scatter_units_long",
            ],
            Self::Convert => &[
                c"f32_to_f16",
                c"f32_to_bf16",
                c"f16_to_f32",
                c"f16_to_bf16",
                c"bf16_to_f32",
                c"bf16_to_f16",
                c"f32_to_int8",
                c"f16_to_int8",
                c"bf16_to_int8",
                c"f32_to_int4",
                c"f16_to_int4",
                c"bf16_to_int4",
                c"int8_to_f32",
                c"int8_to_f16",
                c"int8_to_bf16",
                c"int4_to_f32",
                c"int4_to_f16",
                c"int4_to_bf16",
            ],
            Self::CopyRows => &[c"copy_rows"],
            Self::Expand => &[c"expand_any", c"expand_prepare", c"expand_64", c"expand_128", c"expand_192"],
            Self::FillPattern => &[c"fill_pattern"],
            Self::LoseOnPurpose => &[c"lose_on_purpose"],
            Self::NearestFewBf16 => &[c"few_bf16_1", c"few_bf16_4", c"few_bf16_8", c"few_bf16_odd"],
            Self::NearestFewF16 => &[c"few_f16_1", c"few_f16_4", c"few_f16_8", c"few_f16_odd"],
            Self::NearestFewF32 => &[c"few_f32_1", c"few_f32_4", c"few_f32_8", c"few_f32_odd"],
            Self::NearestFewInt8 => &[c"few_int8_1", c"few_int8_4", c"few_int8_8", c"few_int8_odd"],
            Self::NearestLists => LISTS,
            Self::NearestManyBf16 => &[c"many_bf16_128", c"wide_bf16"],
            Self::NearestManyF16 => &[c"many_f16_128", c"wide_f16"],
            Self::NearestManyF32 => &[c"many_f32_128", c"wide_f32"],
            Self::NearestManyInt8 => &[c"many_int8_128", c"wide_int8"],
            Self::NearestManyLevel4 => &[c"many_level4_128"],
            Self::NearestManyLevel8 => &[c"many_level8_128", c"wide_level8"],
            Self::NearestManySign => &[c"many_sign_128"],
            Self::NearestPacked => PACKED,
            Self::NearestRunsBf16 => &[c"runs_bf16"],
            Self::NearestRunsF16 => &[c"runs_f16"],
            Self::NearestRunsF32 => &[c"runs_f32"],
            Self::NearestRunsInt8 => &[c"runs_int8"],
            Self::NearestRunsManyBf16 => &[c"runs_many_bf16"],
            Self::NearestRunsManyF16 => &[c"runs_many_f16"],
            Self::NearestRunsManyF32 => &[c"runs_many_f32"],
            Self::NearestRunsManyInt8 => &[c"runs_many_int8"],
            Self::NearestRunsPacked => &[c"runs_level8", c"runs_level4", c"runs_sign", c"runs_count"],
            Self::Sum => &[c"sum"],
        }
    }
}

/// What stands before and behind passes over rows.
const LISTS: &[&CStr] = &[
    c"prepare_f32",
    c"prepare_f16",
    c"prepare_bf16",
    c"prepare_int8",
    c"prepare_count",
    c"squares_f32",
    c"squares_f16",
    c"squares_bf16",
    c"squares_int8",
    c"squares_level8",
    c"squares_level4",
    c"squares_sign",
    c"tighten",
    c"merge_runs",
    c"merge_runs_f32",
    c"merge_runs_f16",
    c"merge_runs_bf16",
    c"merge_runs_int8",
    c"merge_f32",
    c"merge_f16",
    c"merge_bf16",
    c"merge_int8",
    c"merge_level8",
    c"merge_level4",
    c"merge_sign",
    c"merge_count",
];

/// One query or eight, of rows of few bits.
const PACKED: &[&CStr] = &[
    c"packed_level8_1",
    c"packed_level8_8",
    c"packed_level4_1",
    c"packed_level4_8",
    c"packed_sign_1",
    c"packed_sign_8",
    c"packed_count_1",
    c"packed_count_8",
];
