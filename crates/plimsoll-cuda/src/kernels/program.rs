//! The sources, and what each of them lets be launched.

use std::ffi::CStr;

/// What every source includes: its name and text.
pub const HEADER: (&CStr, &str) = (c"common.cuh", include_str!("cuda/common.cuh"));

/// One source. Each is compiled when it is first needed, so nobody waits for what is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Blocks,
    Convert,
    CopyRows,
    FillPattern,
    LoseOnPurpose,
    Sum,
}

impl Program {
    pub const ALL: [Self; 6] =
        [Self::Blocks, Self::Convert, Self::CopyRows, Self::FillPattern, Self::LoseOnPurpose, Self::Sum];

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
            Self::FillPattern => "fill_pattern.cu",
            Self::LoseOnPurpose => "lose_on_purpose.cu",
            Self::Sum => "sum.cu",
        }
    }

    /// Its text.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Blocks => include_str!("cuda/blocks.cu"),
            Self::Convert => include_str!("cuda/convert.cu"),
            Self::CopyRows => include_str!("cuda/copy_rows.cu"),
            Self::FillPattern => include_str!("cuda/fill_pattern.cu"),
            Self::LoseOnPurpose => include_str!("cuda/lose_on_purpose.cu"),
            Self::Sum => include_str!("cuda/sum.cu"),
        }
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
            Self::FillPattern => &[c"fill_pattern"],
            Self::LoseOnPurpose => &[c"lose_on_purpose"],
            Self::Sum => &[c"sum"],
        }
    }
}
