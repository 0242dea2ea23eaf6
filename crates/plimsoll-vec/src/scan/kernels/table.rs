//! The kernels of each path, and what makes calling them sound.

use super::groups::{ByHalves, Gains, LOT, Reach, SignGains, SignStep, Step, TableRows, TableSums};
use super::sift::{Bounds, Factors, Limits, Marks, Reaches, Terms};
use super::{
    FloatRows, Kind, LevelRows, PlaneRow, PlaneSides, SignRows, SixRows, Sums, floats, groups, levels,
    planes, sift, signs,
};
use crate::scan::Path;
use crate::scan::wide;
use crate::{BLOCK_ROWS, Codec, Metric};

/// Products of a block of numbers with groups of queries.
type FloatTile = unsafe fn(&[u8], usize, &[f32], &mut [f32]);
/// Products of a block of levels with groups of queries.
type LevelTile = unsafe fn(&[u8], usize, &[i8], &mut [i32]);

/// The scores of all rows of a block by products of levels, and which can enter a list.
type Scores = unsafe fn(&Terms, &Factors, (&[i32; BLOCK_ROWS], f32), &mut [f32; BLOCK_ROWS]) -> u64;
/// Which of sixteen words is nearest.
type Nearest = unsafe fn(&[[f32; LOT]], &[[f32; 16]], &mut [u8; LOT]);
/// The scores of sums, and which are no worse than something.
type ScoreSums = unsafe fn(&TableSums, &Gains, (&Step, f32), &mut ByHalves<f32>) -> [u32; 2];
/// The same of the sums of signs.
type ScoreSigns = unsafe fn(&TableSums, &SignGains, (&SignStep, f32), &mut ByHalves<f32>) -> [u32; 2];
/// What codes of groups add up to, for as many queries as there are sums.
type LookUp = unsafe fn(&TableRows, &mut [TableSums]);

/// The same of signs, for two blocks.
type LookUpSixes = unsafe fn(&SixRows, &mut [[TableSums; 2]]);

/// Products of a block of rounded numbers with groups of queries: how rows are rounded, and the products.
#[derive(Clone, Copy)]
pub(crate) struct Halves {
    narrow: unsafe fn(&[u8], usize, usize, &mut [u16]),
    tile: unsafe fn(&[u16], usize, &[u16], &mut [f32]),
}

impl Halves {
    /// Rounds rows of singles to `wide` numbers each.
    pub(crate) fn narrow(&self, singles: &[u8], dimension: usize, wide: usize, halves: &mut [u16]) {
        // SAFETY: `kernels` has made sure of the instructions; lengths are checked there.
        unsafe { (self.narrow)(singles, dimension, wide, halves) }
    }

    /// Products with as many groups as are packed.
    pub(crate) fn tile(&self, rows: &[u16], wide: usize, packed: &[u16], tiles: &mut [f32]) {
        // SAFETY: as above.
        unsafe { (self.tile)(rows, wide, packed, tiles) }
    }
}

/// Signs looked up by sixes: how they are turned, and the sums of one, two and four queries.
#[derive(Clone, Copy)]
pub(crate) struct Sixes {
    turn: unsafe fn(&[u8], usize, &mut [u8]),
    look_up: [LookUpSixes; 3],
}

impl Sixes {
    /// Signs that lie by words, turned.
    pub(crate) fn turn(&self, signs: &[u8], bytes: usize, turned: &mut [u8]) {
        // SAFETY: `kernels` has made sure of the instructions; lengths are checked there.
        unsafe { (self.turn)(signs, bytes, turned) }
    }

    /// The sums of two blocks for one, two or four queries, as many as there are places.
    pub(crate) fn look_up(&self, rows: &SixRows, sums: &mut [[TableSums; 2]]) {
        // SAFETY: as above.
        unsafe { (self.look_up[sums.len().ilog2() as usize])(rows, sums) }
    }
}

/// A table of kernels. They may be called: a table is only handed out for a path that this processor has.
#[derive(Clone, Copy)]
pub(crate) struct Kernels {
    score_rows: unsafe fn(&FloatRows, u64, &mut [f32; BLOCK_ROWS]),
    in_doubles: unsafe fn(Metric, &[f32], &[f32]) -> f32,
    widen: unsafe fn(Codec, &[u8], usize, &mut [f32]),
    squares: unsafe fn(&[u8], usize, &mut [f32; BLOCK_ROWS]),
    tile_floats: [FloatTile; 3],
    sum_rows: unsafe fn(&LevelRows, u64, bool, &mut Sums),
    unpack: unsafe fn(Kind, &[u8], usize, &mut [u8]),
    sum_levels: unsafe fn(Kind, &[u8], usize, &mut Sums),
    tile_levels: [LevelTile; 4],
    scores: Scores,
    sift_levels: unsafe fn(&[i32], &Terms, &Limits, &mut Marks) -> u64,
    sift_floats: unsafe fn(&[f32], &Bounds, Reaches, &mut Marks) -> u64,
    weigh: unsafe fn(&SignRows, &mut [i32; BLOCK_ROWS]),
    differ: unsafe fn(&SignRows, &mut [i32; BLOCK_ROWS]),
    unpack_signs: unsafe fn(&[u8], usize, &[u8], usize, &mut [u8]),
    plane_product: unsafe fn(&PlaneRow) -> i32,
    nearest: Nearest,
    reach: unsafe fn(&[u8], bool) -> Reach,
    gains: unsafe fn(&[u8], bool) -> Gains,
    score_sums: ScoreSums,
    score_signs: ScoreSigns,
    sign_gains: unsafe fn(&Terms) -> SignGains,
    plane_sides: unsafe fn(&[u8], bool, f32, &mut PlaneSides),
    /// For one, two, four and eight queries.
    look_up: [LookUp; 4],
    /// Where signs are looked up by sixes.
    pub sixes: Option<Sixes>,
    /// Where numbers are better rounded and multiplied in other ways.
    pub halves: Option<Halves>,
    /// Groups of queries that are best multiplied with numbers at once, at most 3 unless rounded.
    pub float_groups: usize,
    /// The same with levels, at most 4.
    pub level_groups: usize,
    /// Queries whose tables are best looked up at once: one, two, four or eight.
    pub table_queries: usize,
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernels").field("groups", &self.level_groups).finish_non_exhaustive()
    }
}

/// The kernels of a path, which must be one of [`Path::here`].
pub(crate) fn kernels(path: Path) -> &'static Kernels {
    assert!(path.is_here(), "{path:?} is not of this processor");
    match path {
        #[cfg(target_arch = "x86_64")]
        Path::Avx512 => &AVX512,
        #[cfg(target_arch = "x86_64")]
        Path::Amx => &AMX,
        #[cfg(target_arch = "x86_64")]
        Path::Avx2 => &avx2::TABLE,
        #[cfg(target_arch = "aarch64")]
        Path::Neon => &neon::TABLE,
        _ => &plain::TABLE,
    }
}

/// Those of the best path.
pub(crate) fn best() -> &'static Kernels {
    kernels(Path::best())
}

macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $kind:ty),*) $(-> $out:ty)?;)*) => {
        impl Kernels {
            $($(#[$doc])*
            pub(crate) fn $name(&self, $($arg: $kind),*) $(-> $out)? {
                // SAFETY: `kernels` has made sure of the instructions; the kernels check lengths themselves.
                unsafe { (self.$name)($($arg),*) }
            })*

            /// Products of a block of singles with up to [`float_groups`](Self::float_groups) groups.
            pub(crate) fn tile_floats(&self, groups: usize, rows: &[u8], dimension: usize, packed: &[f32], tiles: &mut [f32]) {
                // SAFETY: as above.
                unsafe { (self.tile_floats[groups - 1])(rows, dimension, packed, tiles) }
            }

            /// Products of a block of unpacked levels with up to [`level_groups`](Self::level_groups) groups.
            pub(crate) fn tile_levels(&self, groups: usize, levels: &[u8], places: usize, packed: &[i8], tiles: &mut [i32]) {
                // SAFETY: as above.
                unsafe { (self.tile_levels[groups - 1])(levels, places, packed, tiles) }
            }

            /// What codes of groups add up to for one, two, four or eight queries, as many as there are sums.
            pub(crate) fn look_up(&self, rows: &TableRows, sums: &mut [TableSums]) {
                // SAFETY: as above.
                unsafe { (self.look_up[sums.len().ilog2() as usize])(rows, sums) }
            }
        }
    };
}

forward! {
    /// The score of each live row of numbers.
    score_rows(rows: &FloatRows, live: u64, scores: &mut [f32; BLOCK_ROWS]);
    /// The score of one vector, in doubles.
    in_doubles(metric: Metric, query: &[f32], vector: &[f32]) -> f32;
    /// Rows of halves as singles.
    widen(codec: Codec, codes: &[u8], dimension: usize, into: &mut [f32]);
    /// The sums of squares of rows of singles.
    squares(rows: &[u8], dimension: usize, squares: &mut [f32; BLOCK_ROWS]);
    /// Products, and if `all` sums, of the live rows of levels.
    sum_rows(rows: &LevelRows, live: u64, all: bool, sums: &mut Sums);
    /// Levels unpacked.
    unpack(kind: Kind, codes: &[u8], bytes: usize, levels: &mut [u8]);
    /// Sums of unpacked levels.
    sum_levels(kind: Kind, levels: &[u8], places: usize, sums: &mut Sums);
    /// The scores of all rows for one query, and those that can enter its list.
    scores(terms: &Terms, query: &Factors, dots: (&[i32; BLOCK_ROWS], f32), scores: &mut [f32; BLOCK_ROWS]) -> u64;
    /// Marks what can enter, by products of levels.
    sift_levels(tile: &[i32], terms: &Terms, limits: &Limits, marks: &mut Marks) -> u64;
    /// Marks what can enter, by products of numbers.
    sift_floats(tile: &[f32], bounds: &Bounds, queries: Reaches, marks: &mut Marks) -> u64;
    /// Sums of a query's levels where signs are set.
    weigh(rows: &SignRows, sums: &mut [i32; BLOCK_ROWS]);
    /// Counts of signs that differ.
    differ(rows: &SignRows, sums: &mut [i32; BLOCK_ROWS]);
    /// Signs and lower planes unpacked.
    unpack_signs(signs: &[u8], bytes: usize, lower: &[u8], places: usize, levels: &mut [u8]);
    /// The product of one row of planes with a query.
    plane_product(row: &PlaneRow) -> i32;
    /// Which of sixteen words is nearest to the numbers of each vector.
    nearest(numbers: &[[f32; LOT]], words: &[[f32; 16]], codes: &mut [u8; LOT]);
    /// Between what the rows of a block are.
    reach(sides: &[u8], distance: bool) -> Reach;
    /// What makes scores of the sums of a block.
    gains(sides: &[u8], distance: bool) -> Gains;
    /// The scores of all rows of a block, and which are no worse than something.
    score_sums(sums: &TableSums, gains: &Gains, step: (&Step, f32), scores: &mut ByHalves<f32>) -> [u32; 2];
    /// What makes scores of the sums of signs.
    sign_gains(terms: &Terms) -> SignGains;
    /// The lengths of a block's rows, and what a sign or a level of each stands for.
    plane_sides(sides: &[u8], levels: bool, root: f32, into: &mut PlaneSides);
    /// The scores of the sums of signs, and which can enter a list.
    score_signs(sums: &TableSums, gains: &SignGains, step: (&SignStep, f32), scores: &mut ByHalves<f32>) -> [u32; 2];
}

/// AVX-512, with what it alone does.
#[cfg(target_arch = "x86_64")]
static AVX512: Kernels = Kernels {
    sixes: Some(Sixes {
        turn: super::sixes::avx512::turn,
        look_up: [
            super::sixes::avx512::look_up::<1>,
            super::sixes::avx512::look_up::<2>,
            super::sixes::avx512::look_up::<4>,
        ],
    }),
    ..avx512::TABLE
};

/// AVX-512, but for the products with groups of queries.
#[cfg(target_arch = "x86_64")]
static AMX: Kernels = Kernels {
    tile_levels: [crate::scan::amx::tile_levels; 4],
    level_groups: 4,
    halves: Some(Halves { narrow: crate::scan::amx::narrow, tile: crate::scan::amx::tile_halves }),
    float_groups: 4,
    ..avx512::TABLE
};

/// A table of one set of instructions: each generic kernel in a function that is compiled for them. The last arguments are
/// the rows of a tile of one, two and three groups of queries, and for tables how many queries are best looked up at once,
/// and the registers of rows for one query and for more.
macro_rules! table {
    ($module:ident, $wide:ty, $signs:path, $groups:literal, $parts:literal, [$one:literal, $two:literal, $three:literal], [$look:literal, $lone:literal, $each:literal], [$($feature:meta)?]) => {
        mod $module {
            use super::*;

            pub(super) const TABLE: Kernels = Kernels {
                score_rows,
                in_doubles,
                widen,
                squares,
                tile_floats: [tile_floats::<$one, 1>, tile_floats::<$two, 2>, tile_floats::<$three, 3>],
                sum_rows,
                unpack,
                sum_levels,
                tile_levels: [
                    tile_levels::<$one, 1>,
                    tile_levels::<$two, 2>,
                    tile_levels::<$three, 3>,
                    // Never asked for: `level_groups` is at most three.
                    tile_levels::<$three, 3>,
                ],
                scores,
                sift_levels,
                sift_floats,
                weigh: { use $signs as signs; signs::weigh },
                differ: { use $signs as signs; signs::differ },
                unpack_signs: { use $signs as signs; signs::unpack },
                plane_product: { use $signs as signs; signs::product },
                sixes: None,
                halves: None,
                float_groups: $groups,
                level_groups: $groups,
                nearest,
                reach,
                gains,
                score_sums,
                score_signs,
                sign_gains,
                plane_sides,
                look_up: [look_up::<1, $lone>, look_up::<2, $each>, look_up::<4, $each>, look_up::<8, $each>],
                table_queries: $look,
            };

            table! { @one $wide, [$($feature)?],
                score_rows(rows: &FloatRows, live: u64, scores: &mut [f32; BLOCK_ROWS]) = floats::score_rows;
                in_doubles(metric: Metric, query: &[f32], vector: &[f32]) -> f32 = floats::in_doubles;
                widen(codec: Codec, codes: &[u8], dimension: usize, into: &mut [f32]) = floats::widen;
                squares(rows: &[u8], dimension: usize, squares: &mut [f32; BLOCK_ROWS]) = floats::squares;
                sum_rows(rows: &LevelRows, live: u64, all: bool, sums: &mut Sums) = levels::sum_rows;
                unpack(kind: Kind, codes: &[u8], bytes: usize, into: &mut [u8]) = levels::unpack;
                sum_levels(kind: Kind, from: &[u8], places: usize, sums: &mut Sums) = levels::sum_levels;
                scores(terms: &Terms, query: &Factors, dots: (&[i32; BLOCK_ROWS], f32), into: &mut [f32; BLOCK_ROWS])
                    -> u64 = sift::scores;
                sift_levels(tile: &[i32], terms: &Terms, limits: &Limits, marks: &mut Marks) -> u64 = sift::levels;
                sift_floats(tile: &[f32], bounds: &Bounds, queries: Reaches, marks: &mut Marks) -> u64
                    = sift::floats;
                nearest(numbers: &[[f32; LOT]], words: &[[f32; 16]], codes: &mut [u8; LOT]) = groups::nearest;
                reach(sides: &[u8], distance: bool) -> Reach = groups::reach;
                gains(sides: &[u8], distance: bool) -> Gains = groups::gains;
                score_sums(sums: &TableSums, gains: &Gains, step: (&Step, f32), scores: &mut ByHalves<f32>) -> [u32; 2]
                    = groups::score_sums;
                score_signs(sums: &TableSums, gains: &SignGains, step: (&SignStep, f32), scores: &mut ByHalves<f32>)
                    -> [u32; 2] = groups::score_signs;
                sign_gains(terms: &Terms) -> SignGains = groups::sign_gains;
                plane_sides(sides: &[u8], levels: bool, root: f32, into: &mut PlaneSides) = planes::sides;
            }

            $(#[$feature])?
            unsafe fn look_up<const Q: usize, const P: usize>(rows: &TableRows, sums: &mut [TableSums]) {
                // SAFETY: this function is compiled for the instructions, and its caller has them.
                unsafe { groups::look_up::<$wide, Q, P>(rows, sums) }
            }

            $(#[$feature])?
            unsafe fn tile_floats<const R: usize, const G: usize>(
                rows: &[u8],
                dimension: usize,
                packed: &[f32],
                tiles: &mut [f32],
            ) {
                // SAFETY: this function is compiled for the instructions, and its caller has them.
                unsafe { floats::tile::<$wide, R, G, $parts>(rows, dimension, packed, tiles) }
            }

            $(#[$feature])?
            unsafe fn tile_levels<const R: usize, const G: usize>(
                rows: &[u8],
                places: usize,
                packed: &[i8],
                tiles: &mut [i32],
            ) {
                // SAFETY: this function is compiled for the instructions, and its caller has them.
                unsafe { levels::tile::<$wide, R, G, $parts>(rows, places, packed, tiles) }
            }
        }
    };
    (@one $wide:ty, $feature:tt, $($name:ident($($arg:ident: $kind:ty),*) $(-> $out:ty)? = $module:ident::$inner:ident;)*) => {
        $(table! { @fn $wide, $feature, $name($($arg: $kind),*) $(-> $out)? = $module::$inner })*
    };
    (@fn $wide:ty, [$($feature:meta)?], $name:ident($($arg:ident: $kind:ty),*) $(-> $out:ty)? = $module:ident::$inner:ident) => {
        $(#[$feature])?
        unsafe fn $name($($arg: $kind),*) $(-> $out)? {
            // SAFETY: this function is compiled for the instructions, and its caller has them.
            unsafe { $module::$inner::<$wide>($($arg),*) }
        }
    };
}

table! { plain, wide::Plain, super::signs, 1, 1, [4, 4, 4], [1, 1, 1], [] }
#[cfg(target_arch = "aarch64")]
table! { neon, wide::Neon, super::signs, 1, 4, [4, 2, 2], [4, 2, 1], [target_feature(enable = "neon")] }
#[cfg(target_arch = "x86_64")]
table! {
    avx2, wide::Avx2, super::signs::avx2, 1, 2, [4, 2, 2], [4, 2, 1],
    [target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2")]
}
#[cfg(target_arch = "x86_64")]
table! {
    avx512, wide::Avx512, super::signs::avx512, 3, 1, [16, 8, 8], [8, 1, 1],
    [target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,avx2,fma,f16c,popcnt,bmi1,bmi2")]
}
