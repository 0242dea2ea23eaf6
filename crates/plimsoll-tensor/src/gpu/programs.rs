//! The sources, and what of them can be launched.

use plimsoll_device::programs::Source;

/// One source. Each is compiled when it is first needed, so nobody waits for what is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Elements,
    Rows,
    Tables,
    Unpack,
    Attention,
    Tiles64Bf16,
    Tiles64F16,
    Tiles128Bf16,
    Tiles128F16,
    Hopper64Bf16,
    Hopper64F16,
    Hopper128Bf16,
    Hopper128F16,
    Packed,
    Tiled,
    Pages,
    Lots,
    Prompts64Bf16,
    Prompts64F16,
    Prompts128Bf16,
    Prompts128F16,
}

macro_rules! tiles {
    ($before:expr $(, $kernels:literal)+) => {
        concat!(
            $before,
            include_str!("kernels/numbers.cuh"),
            include_str!("kernels/attention.cuh"),
            include_str!("kernels/tiles.cuh"),
            $(include_str!($kernels)),+
        )
    };
}

macro_rules! prompts {
    ($before:literal) => {
        concat!(
            $before,
            include_str!("kernels/numbers.cuh"),
            include_str!("kernels/pages.cuh"),
            include_str!("kernels/prompts.cu")
        )
    };
}

macro_rules! both_ways {
    ($before:literal) => {
        tiles!($before, "kernels/tiles.cu", "kernels/tiles_back.cu")
    };
}

macro_rules! hopper {
    ($before:literal) => {
        tiles!(concat!("#define PANELS\n", $before), "kernels/hopper.cu")
    };
}

/// What thread blocks of heads up to 64 have of their own: for the way there, for queries and for keys on the way back.
const SHARED_64: [u32; 3] = [49_152, 49_152, 83_968];
/// The same of heads up to 128.
const SHARED_128: [u32; 3] = [98_304, 65_536, 99_328];

const TILES_64: &[(&str, u32)] =
    &[("attend", SHARED_64[0]), ("attend_queries", SHARED_64[1]), ("attend_keys", SHARED_64[2])];
const TILES_128: &[(&str, u32)] =
    &[("attend", SHARED_128[0]), ("attend_queries", SHARED_128[1]), ("attend_keys", SHARED_128[2])];
/// What thread blocks of the way back on Hopper have: more than other GPUs could give.
const HOPPER_64: &[(&str, u32)] = &[("attend_queries", 65_536), ("attend_keys", 83_968)];
const HOPPER_128: &[(&str, u32)] = &[("attend_queries", 131_072), ("attend_keys", 165_888)];

impl Program {
    pub(super) const ALL: [Self; 21] = [
        Self::Elements,
        Self::Rows,
        Self::Tables,
        Self::Unpack,
        Self::Attention,
        Self::Tiles64Bf16,
        Self::Tiles64F16,
        Self::Tiles128Bf16,
        Self::Tiles128F16,
        Self::Hopper64Bf16,
        Self::Hopper64F16,
        Self::Hopper128Bf16,
        Self::Hopper128F16,
        Self::Packed,
        Self::Tiled,
        Self::Pages,
        Self::Lots,
        Self::Prompts64Bf16,
        Self::Prompts64F16,
        Self::Prompts128Bf16,
        Self::Prompts128F16,
    ];

    pub(super) const fn source(self) -> Source<'static> {
        let (name, text, entries) = match self {
            Self::Elements => ("elements.cu", ELEMENTS, ELEMENT_ENTRIES),
            Self::Rows => ("rows.cu", ROWS, ROW_ENTRIES),
            Self::Tables => ("tables.cu", TABLES, TABLE_ENTRIES),
            Self::Unpack => ("unpack.cu", UNPACK, UNPACK_ENTRIES),
            Self::Attention => ("attention.cu", ATTENTION, ATTENTION_ENTRIES),
            Self::Packed => ("packed.cu", PACKED, PACKED_ENTRIES),
            Self::Tiled => ("tiled.cu", TILED, TILED_ENTRIES),
            Self::Pages => ("pages.cu", PAGES, PAGE_ENTRIES),
            Self::Lots => ("lots.cu", LOTS, LOT_ENTRIES),
            Self::Prompts64Bf16 => ("prompts_64_bf16.cu", prompts!("#define DEPTH 64\n"), PROMPT_ENTRIES),
            Self::Prompts64F16 => {
                ("prompts_64_f16.cu", prompts!("#define DEPTH 64\n#define HALF\n"), PROMPT_ENTRIES)
            }
            Self::Prompts128Bf16 => ("prompts_128_bf16.cu", prompts!("#define DEPTH 128\n"), PROMPT_ENTRIES),
            Self::Prompts128F16 => {
                ("prompts_128_f16.cu", prompts!("#define DEPTH 128\n#define HALF\n"), PROMPT_ENTRIES)
            }
            Self::Tiles64Bf16 => ("tiles_64_bf16.cu", both_ways!("#define DEPTH 64\n"), TILES_64),
            Self::Tiles64F16 => ("tiles_64_f16.cu", both_ways!("#define DEPTH 64\n#define HALF\n"), TILES_64),
            Self::Tiles128Bf16 => ("tiles_128_bf16.cu", both_ways!("#define DEPTH 128\n"), TILES_128),
            Self::Tiles128F16 => {
                ("tiles_128_f16.cu", both_ways!("#define DEPTH 128\n#define HALF\n"), TILES_128)
            }
            Self::Hopper64Bf16 => ("hopper_64_bf16.cu", hopper!("#define DEPTH 64\n"), HOPPER_64),
            Self::Hopper64F16 => ("hopper_64_f16.cu", hopper!("#define DEPTH 64\n#define HALF\n"), HOPPER_64),
            Self::Hopper128Bf16 => ("hopper_128_bf16.cu", hopper!("#define DEPTH 128\n"), HOPPER_128),
            Self::Hopper128F16 => {
                ("hopper_128_f16.cu", hopper!("#define DEPTH 128\n#define HALF\n"), HOPPER_128)
            }
        };
        Source { name, text, entries }
    }

    /// Whether its kernels wait by themselves (`behind`) for what was launched before.
    pub(super) const fn waits(self) -> bool {
        matches!(self, Self::Packed | Self::Tiled | Self::Pages | Self::Lots) || self.is_prompts()
    }

    const fn is_prompts(self) -> bool {
        matches!(self, Self::Prompts64Bf16 | Self::Prompts64F16 | Self::Prompts128Bf16 | Self::Prompts128F16)
    }

    /// The place of an entry among what can be launched, and what a thread block of it has of its own.
    pub(super) fn entry(self, name: &str) -> Option<(usize, u32)> {
        let entries = self.source().entries;
        let place = entries.iter().position(|(known, _)| *known == name)?;
        Some((place, entries[place].1))
    }
}

const ELEMENTS: &str = concat!(include_str!("kernels/numbers.cuh"), include_str!("kernels/elements.cu"));
const ROWS: &str = concat!(include_str!("kernels/numbers.cuh"), include_str!("kernels/rows.cu"));
const TABLES: &str = concat!(include_str!("kernels/numbers.cuh"), include_str!("kernels/tables.cu"));
const UNPACK: &str = concat!(include_str!("kernels/numbers.cuh"), include_str!("kernels/unpack.cu"));
const ATTENTION: &str = concat!(
    include_str!("kernels/numbers.cuh"),
    include_str!("kernels/attention.cuh"),
    include_str!("kernels/attention.cu")
);

const PACKED: &str = concat!(
    include_str!("kernels/numbers.cuh"),
    include_str!("kernels/packings.cuh"),
    include_str!("kernels/pieces.cuh"),
    include_str!("kernels/packed.cu")
);
const TILED: &str = concat!(
    include_str!("kernels/numbers.cuh"),
    include_str!("kernels/packings.cuh"),
    include_str!("kernels/pieces.cuh"),
    include_str!("kernels/tiled.cu")
);
const PAGES: &str = concat!(
    include_str!("kernels/numbers.cuh"),
    include_str!("kernels/pages.cuh"),
    include_str!("kernels/pages.cu")
);

const LOTS: &str = concat!(
    include_str!("kernels/numbers.cuh"),
    include_str!("kernels/looks.cuh"),
    include_str!("kernels/lots.cu")
);

const ELEMENT_ENTRIES: &[(&str, u32)] = &[
    ("fill", 0),
    ("clear_bytes", 0),
    ("unary", 0),
    ("unary_back", 0),
    ("affine", 0),
    ("copy", 0),
    ("copy_words", 0),
    ("copy_bytes", 0),
    ("binary", 0),
    ("add_into", 0),
    ("gated", 0),
    ("gated_back", 0),
    ("dropout", 0),
    ("adam", 0),
    ("adam_bytes", 0),
    ("squares", 0),
    ("add_shares", 0),
];
const ROW_ENTRIES: &[(&str, u32)] = &[
    ("softmax", 0),
    ("softmax_back", 0),
    ("norm_rows", 0),
    ("norm_rows_back", 0),
    ("norm_weights_back", 0),
    ("norm_runs_back", 0),
    ("cross_entropy", 0),
    ("sum_row", 0),
    ("max_row", 0),
    ("sum_middle", 0),
    ("max_middle", 0),
    ("max_back", 0),
];
const TABLE_ENTRIES: &[(&str, u32)] =
    &[("rows", 0), ("rows_back", 0), ("put", 0), ("rope", 0), ("patches", 0), ("patches_back", 0)];
const PACKED_ENTRIES: &[(&str, u32)] = &[
    ("ready", 0),
    ("take", 0),
    ("halve", 0),
    ("halve_quantized", 0),
    ("add_rows", 0),
    ("f32_1", 0),
    ("f32_2", 0),
    ("f32_4", 0),
    ("f32_8", 0),
    ("f16_1", 0),
    ("f16_2", 0),
    ("f16_4", 0),
    ("f16_8", 0),
    ("bf16_1", 0),
    ("bf16_2", 0),
    ("bf16_4", 0),
    ("bf16_8", 0),
    ("q8_0_1", 0),
    ("q8_0_2", 0),
    ("q4_0_1", 0),
    ("q4_0_2", 0),
    ("q4_k_1", 0),
    ("q4_k_2", 0),
    ("q5_k_1", 0),
    ("q5_k_2", 0),
    ("q6_k_1", 0),
    ("q6_k_2", 0),
];
/// What blocks have of their own: each warp levels and scales, or what is on its way to it.
const TILED_ENTRIES: &[(&str, u32)] = &[
    ("q8_0_8", 86_016),
    ("q8_0_16", 75_776),
    ("q8_0_32", 26_624),
    ("q4_0_8", 26_624),
    ("q4_0_16", 26_624),
    ("q4_0_32", 26_624),
    ("q4_k_8", 26_624),
    ("q4_k_16", 26_624),
    ("q4_k_32", 26_624),
    ("q5_k_8", 26_624),
    ("q5_k_16", 26_624),
    ("q5_k_32", 26_624),
    ("q6_k_8", 26_624),
    ("q6_k_16", 26_624),
    ("q6_k_32", 26_624),
];
/// What blocks of attention have of their own: sixteen queries, and 32 keys and values.
const PAGE_ENTRIES: &[(&str, u32)] = &[
    ("turn", 0),
    ("attend_alone", 0),
    ("attend_2", 66_048),
    ("attend_4", 74_240),
    ("attend_8", 82_432),
    ("gather", 0),
];
const LOT_ENTRIES: &[(&str, u32)] = &[
    ("likeliest", 0),
    ("weigh", 0),
    ("greatest", 0),
    ("masses", 0),
    ("bracket", 0),
    ("above", 0),
    ("cut", 0),
    ("stretches", 0),
    ("draw", 0),
];
const PROMPT_ENTRIES: &[(&str, u32)] = &[("attend_prompt", 0)];
const UNPACK_ENTRIES: &[(&str, u32)] = &[("unpack", 0)];
const ATTENTION_ENTRIES: &[(&str, u32)] =
    &[("attend_plain", 0), ("attend_plain_queries", 0), ("attend_plain_keys", 0)];

/// The programs that a GPU's stage runs: whoever has a compiler can see that it takes them.
pub fn sources() -> impl Iterator<Item = Source<'static>> {
    Program::ALL.into_iter().map(Program::source)
}
