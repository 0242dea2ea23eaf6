//! The forms of queries.

use half::bf16;

use super::Path;
use super::kernels::{Factors, GROUP, Kind, Limits};
use super::lines::Lines;
use super::queries::{MANY, Queries};
use super::sign_tables::SignTables;
use super::tables::Tables;
use crate::code::quantize;
use crate::{Codebooks, Codec, Metric};

/// Numbers of a query up to whole steps of sums.
const STEP: usize = 64;

/// The form that a codec's kernels want.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for a batch, and its queries are what is large")]
pub(crate) enum Form {
    /// Numbers against numbers.
    Floats(Floats),
    /// Levels against levels.
    Levels(Levels),
    /// Levels against four bits, and coarse levels against their signs.
    Planes { full: Levels, signs: Levels },
    /// Signs against signs.
    Bits(Bits),
    /// Tables against codes of groups.
    Tables(Tables),
}

impl Form {
    /// Room for so many.
    pub(crate) fn new(path: Path, codec: Codec, metric: Metric, dimension: usize, count: usize) -> Self {
        let levels = |kind, most| Levels::new(path, kind, most, metric, dimension, count);
        match codec {
            Codec::F32 | Codec::F16 | Codec::Bf16 => {
                Self::Floats(Floats::new(path == Path::Amx, metric, dimension, count))
            }
            Codec::Int8 => Self::Levels(levels(Kind::Int8, 127)),
            Codec::Int8Affine => Self::Levels(levels(Kind::Int8Affine, 127)),
            Codec::Int4 => Self::Levels(levels(Kind::Int4, 127)),
            Codec::Binary if metric == Metric::Hamming => Self::Bits(Bits::new(dimension, count)),
            Codec::Binary => Self::Levels(levels(Kind::Signs, 127)),
            Codec::Planes => Self::Planes { full: levels(Kind::Planes, 127), signs: levels(Kind::Signs, 7) },
            Codec::Pq2 | Codec::Pq4 | Codec::Pq8 => {
                Self::Tables(Tables::new(metric, codec.groups(dimension), count))
            }
        }
    }

    /// Takes a query that was shaped.
    pub(crate) fn set(&mut self, query: usize, shaped: &[f32], books: Option<&Codebooks>) {
        match self {
            Self::Floats(floats) => floats.set(query, shaped),
            Self::Levels(levels) => levels.set(query, shaped),
            Self::Planes { full, signs } => {
                full.set(query, shaped);
                signs.set(query, shaped);
            }
            Self::Bits(bits) => bits.set(query, shaped),
            Self::Tables(tables) => {
                if let Some(books) = books {
                    tables.set(query, shaped, books);
                }
            }
        }
    }

    /// Takes a query as another of the same kind has it. Places of a group behind the last query keep what they had: what
    /// is told of them is passed over.
    pub(crate) fn copy(&mut self, query: usize, from: &Self, source: usize) {
        match (self, from) {
            (Self::Floats(into), Self::Floats(from)) => into.copy(query, from, source),
            (Self::Levels(into), Self::Levels(from)) => into.copy(query, from, source),
            (Self::Planes { full, signs }, Self::Planes { full: from, signs: from_signs }) => {
                full.copy(query, from, source);
                signs.copy(query, from_signs, source);
            }
            (Self::Bits(into), Self::Bits(from)) => {
                part(&mut into.words, query, from.row(source).len()).copy_from_slice(from.row(source));
            }
            (Self::Tables(into), Self::Tables(from)) => into.copy(query, from, source),
            _ => unreachable!("queries of one batch have one form"),
        }
    }
}

/// The part of a query where each has so many.
fn part<T>(all: &mut [T], query: usize, size: usize) -> &mut [T] {
    &mut all[query * size..][..size]
}

/// Copies a query's place in its group to another's: four bytes of each sixteen times four.
fn copy_packed(into: &mut Lines, query: usize, from: &Lines, source: usize, group_bytes: usize) {
    let words = group_bytes / size_of::<i32>();
    let place = |query: usize| query / GROUP * words + query % GROUP;
    let from = from.of::<i32>()[place(source)..].iter().step_by(GROUP);
    let into = into.of_mut::<i32>()[place(query)..].iter_mut().step_by(GROUP);
    into.zip(from).take(words / GROUP).for_each(|(into, from)| *into = *from);
}

/// The sum of squares, in any order: bounds allow for that.
fn square(numbers: &[f32]) -> f32 {
    let (whole, rest) = numbers.as_chunks::<16>();
    let mut sums = [0.0_f32; 16];
    for numbers in whole {
        for at in 0..16 {
            sums[at] += numbers[at] * numbers[at];
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>()
}

/// A square within which bounds of single precision mean something.
pub(crate) fn is_ordinary(square: f32) -> bool {
    (1e-30..1e36).contains(&square)
}

/// Queries as numbers.
#[derive(Clone, Debug)]
pub(crate) struct Floats {
    dimension: usize,
    /// The squared distance, and not the product.
    pub distance: bool,
    /// What a sum of squares can be wrong by, of itself.
    pub slack: f32,
    /// What the products of a tile can be wrong by, of the product of two lengths.
    pub error: f32,
    halves: bool,
    rows: Lines,
    packed: Lines,
    square: Vec<f32>,
    reach: Vec<f32>,
}

impl Floats {
    #[expect(clippy::cast_precision_loss, reason = "at most 65,536")]
    fn new(halves: bool, metric: Metric, dimension: usize, count: usize) -> Self {
        let padded = Queries::padded_for(count);
        // Sums of singles in any order are wrong by at most so many half units, in each of up to four sums.
        let slack = 4.0 * (dimension as f32 + 16.0) * (f32::EPSILON / 2.0);
        Self {
            dimension,
            distance: metric == Metric::L2,
            slack,
            // A number that is rounded to eight bits is wrong by a 512th of itself; a product by two of those, and a little.
            error: if halves { slack + 2.01 / 512.0 } else { slack },
            halves,
            rows: Lines::new(count * dimension.next_multiple_of(STEP) * 4),
            packed: Lines::new(Self::packed_bytes(halves, dimension, count)),
            square: vec![0.0; padded],
            reach: vec![0.0; padded],
        }
    }

    /// Numbers of a row that is rounded: whole steps of a tile.
    pub(crate) fn wide_halves(dimension: usize) -> usize {
        dimension.next_multiple_of(32)
    }

    fn packed_bytes(halves: bool, dimension: usize, count: usize) -> usize {
        if count < MANY {
            return 0;
        }
        let row = if halves { Self::wide_halves(dimension) * 2 } else { dimension * 4 };
        Queries::padded_for(count).saturating_mul(row)
    }

    /// What they take from the heap.
    pub(crate) fn bytes_for(halves: bool, dimension: usize, count: usize) -> u64 {
        let padded = Queries::padded_for(count);
        let rows = Lines::bytes_for(count.saturating_mul(dimension.next_multiple_of(STEP) * 4));
        let packed = Lines::bytes_for(Self::packed_bytes(halves, dimension, count));
        rows.saturating_add(packed).saturating_add((padded as u64).saturating_mul(8))
    }

    fn set(&mut self, query: usize, shaped: &[f32]) {
        let wide = self.dimension.next_multiple_of(STEP);
        self.rows.of_mut()[query * wide..][..self.dimension].copy_from_slice(shaped);
        let square = square(shaped);
        if self.distance {
            self.square[query] = square * (1.0 - self.slack);
        }
        // Without a bound, every row of this query is scored: slower, and right.
        self.reach[query] = if is_ordinary(square) { square.sqrt() } else { f32::INFINITY };
        if !self.is_packed() {
            return;
        }
        if self.halves {
            let group = query / GROUP * Self::wide_halves(self.dimension) * GROUP;
            let packed = &mut self.packed.of_mut::<u16>()[group..];
            for (at, x) in shaped.iter().enumerate() {
                packed[at / 2 * GROUP * 2 + query % GROUP * 2 + at % 2] = bf16::from_f32(*x).to_bits();
            }
        } else {
            let group = query / GROUP * self.dimension * GROUP;
            let packed = &mut self.packed.of_mut::<f32>()[group..];
            for (x, place) in shaped.iter().zip(packed[query % GROUP..].iter_mut().step_by(GROUP)) {
                *place = *x;
            }
        }
    }

    fn copy(&mut self, query: usize, from: &Self, source: usize) {
        let row = from.row(source);
        part(self.rows.of_mut(), query, row.len()).copy_from_slice(row);
        self.square[query] = from.square[source];
        self.reach[query] = from.reach[source];
        if self.is_packed() {
            let group_bytes = Self::packed_bytes(self.halves, self.dimension, GROUP);
            copy_packed(&mut self.packed, query, &from.packed, source, group_bytes);
        }
    }

    /// Whether there are tiles for them.
    pub(crate) fn is_packed(&self) -> bool {
        !self.packed.of::<u8>().is_empty()
    }

    /// One query, with zeros up to whole steps.
    pub(crate) fn row(&self, query: usize) -> &[f32] {
        let wide = self.dimension.next_multiple_of(STEP);
        &self.rows.of()[query * wide..][..wide]
    }

    /// The numbers of groups: for each number of a row those of sixteen queries.
    pub(crate) fn packed(&self, first_group: usize, groups: usize) -> &[f32] {
        let size = self.dimension * GROUP;
        &self.packed.of()[first_group * size..][..groups * size]
    }

    /// The rounded numbers of groups: for each two numbers of a row those of sixteen queries.
    pub(crate) fn packed_halves(&self, first_group: usize, groups: usize) -> &[u16] {
        let size = Self::wide_halves(self.dimension) * GROUP;
        &self.packed.of()[first_group * size..][..groups * size]
    }

    /// A group's squares and reaches.
    pub(crate) fn limits(&self, group: usize) -> (&[f32], &[f32]) {
        let at = group * GROUP;
        (&self.square[at..at + GROUP], &self.reach[at..at + GROUP])
    }
}

/// Queries as levels −most..=most times a scale.
#[derive(Clone, Debug)]
pub(crate) struct Levels {
    /// What rows they are for.
    pub kind: Kind,
    most: i8,
    dimension: usize,
    /// The squared distance, and not the product.
    pub distance: bool,
    rows: Lines,
    packed: Lines,
    planes: Vec<u64>,
    tables: Option<SignTables>,
    square: Vec<f32>,
    sum: Vec<f32>,
    scale: Vec<f32>,
    bias: Vec<i32>,
}

impl Levels {
    fn new(path: Path, kind: Kind, most: i8, metric: Metric, dimension: usize, count: usize) -> Self {
        let padded = Queries::padded_for(count);
        let places = kind.places(dimension);
        let tables = SignTables::serve(path, kind, most, dimension, count);
        Self {
            kind,
            most,
            dimension,
            distance: metric == Metric::L2,
            rows: Lines::new(count * places),
            packed: Lines::new(if is_packed(kind, count) && !tables { padded * places } else { 0 }),
            planes: vec![0; count * plane_words(kind, most, dimension)],
            tables: tables.then(|| SignTables::new(path, dimension, count)),
            square: vec![0.0; padded],
            sum: vec![0.0; padded],
            scale: vec![0.0; padded],
            bias: vec![0; padded],
        }
    }

    /// What they take from the heap.
    pub(crate) fn bytes_for(kind: Kind, most: i8, dimension: usize, count: usize) -> u64 {
        let padded = Queries::padded_for(count);
        let places = kind.places(dimension);
        let packed = if SignTables::serve(Path::best(), kind, most, dimension, count) {
            SignTables::bytes_for(Path::best(), dimension, count)
        } else if is_packed(kind, count) {
            Lines::bytes_for(padded.saturating_mul(places))
        } else {
            0
        };
        let bits = (count as u64).saturating_mul(plane_words(kind, most, dimension) as u64 * 8);
        let rows = Lines::bytes_for(count.saturating_mul(places));
        rows.saturating_add(packed).saturating_add(bits).saturating_add((padded as u64).saturating_mul(16))
    }

    #[expect(clippy::cast_possible_truncation, reason = "sums of singles, kept as singles")]
    fn set(&mut self, query: usize, shaped: &[f32]) {
        let places = self.kind.places(self.dimension);
        let (kind, dimension) = (self.kind, self.dimension);
        let row = &mut self.rows.of_mut::<i8>()[query * places..][..places];
        let mut sum = 0;
        self.scale[query] = quantize(shaped, f32::from(self.most), |at, level| {
            row[kind.place(dimension, at)] = level;
            sum += i32::from(level);
        });
        self.bias[query] = sum * i32::from(kind.middle());
        self.sum[query] = shaped.iter().map(|x| f64::from(*x)).sum::<f64>() as f32;
        if self.distance {
            let square = shaped.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>() as f32;
            // No number is marked always and then scored in doubles.
            self.square[query] = if square < SQUARE_MAX { square } else { f32::NAN };
        }
        if !self.packed.of::<u8>().is_empty() {
            let packed = &mut self.packed.of_mut::<i8>()[query / GROUP * places * GROUP..];
            for (at, level) in row.iter().enumerate() {
                packed[at / 4 * GROUP * 4 + query % GROUP * 4 + at % 4] = *level;
            }
        }
        let factors = self.factors(query);
        if let Some(tables) = &mut self.tables {
            tables.set(query, &self.rows.of()[query * places..][..places], &factors);
        }
        self.set_planes(query);
    }

    fn copy(&mut self, query: usize, from: &Self, source: usize) {
        let row = from.row(source);
        part(self.rows.of_mut(), query, row.len()).copy_from_slice(row);
        let planes = from.planes(source).0;
        part(&mut self.planes, query, planes.len()).copy_from_slice(planes);
        self.square[query] = from.square[source];
        self.sum[query] = from.sum[source];
        self.scale[query] = from.scale[source];
        self.bias[query] = from.bias[source];
        if self.is_packed() {
            let group_bytes = self.kind.places(self.dimension) * GROUP;
            copy_packed(&mut self.packed, query, &from.packed, source, group_bytes);
        }
        if let (Some(into), Some(from)) = (&mut self.tables, &from.tables) {
            into.copy(query, from, source);
        }
    }

    /// The levels of a query bit by bit, in two's complement.
    fn set_planes(&mut self, query: usize) {
        let size = plane_words(self.kind, self.most, self.dimension);
        if size == 0 {
            return;
        }
        let count = plane_count(self.most);
        let places = self.kind.places(self.dimension);
        let row = &self.rows.of::<i8>()[query * places..][..self.dimension];
        let words = &mut self.planes[query * size..][..size];
        for (word, levels) in words.chunks_exact_mut(count).zip(row.chunks(64)) {
            for (plane, bits) in word.iter_mut().enumerate() {
                let bit = |(at, level): (usize, &i8)| u64::from(level.cast_unsigned() >> plane & 1) << at;
                *bits = levels.iter().enumerate().map(bit).fold(0, |bits, bit| bits | bit);
            }
        }
    }

    /// Whether there are tiles for them.
    pub(crate) fn is_packed(&self) -> bool {
        !self.packed.of::<u8>().is_empty()
    }

    /// What signs are looked up in, where many are.
    pub(crate) fn tables(&self) -> Option<&SignTables> {
        self.tables.as_ref()
    }

    /// The levels of one query by place.
    pub(crate) fn row(&self, query: usize) -> &[i8] {
        let places = self.kind.places(self.dimension);
        &self.rows.of()[query * places..][..places]
    }

    /// The numbers that one query's levels stand for.
    pub(crate) fn numbers(&self, query: usize) -> Vec<f64> {
        let (row, scale) = (self.row(query), f64::from(self.scale[query]));
        (0..self.dimension).map(|at| scale * f64::from(row[self.kind.place(self.dimension, at)])).collect()
    }

    /// The planes of one query's levels, and how many.
    pub(crate) fn planes(&self, query: usize) -> (&[u64], usize) {
        let size = plane_words(self.kind, self.most, self.dimension);
        (&self.planes[query * size..][..size], plane_count(self.most))
    }

    /// The levels of groups: for each four places those of sixteen queries.
    pub(crate) fn packed(&self, first_group: usize, groups: usize) -> &[i8] {
        let size = self.kind.places(self.dimension) * GROUP;
        &self.packed.of()[first_group * size..][..groups * size]
    }

    /// What makes scores of one query's products.
    pub(crate) fn factors(&self, query: usize) -> Factors {
        Factors {
            square: self.square[query],
            sum: self.sum[query],
            scale: self.scale[query],
            bias: self.bias[query],
        }
    }

    /// What makes scores of a group's products, beside what may enter the group's lists.
    pub(crate) fn limits<'a>(&'a self, group: usize, worst: &'a [f32]) -> Limits<'a> {
        let part = group * GROUP..(group + 1) * GROUP;
        Limits {
            square: &self.square[part.clone()],
            sum: &self.sum[part.clone()],
            scale: &self.scale[part.clone()],
            bias: &self.bias[part.clone()],
            worst,
        }
    }
}

/// A square above this is told in doubles.
pub(crate) const SQUARE_MAX: f32 = 1e37;

/// Rows of planes are always unpacked, so their products are always made by tiles.
fn is_packed(kind: Kind, count: usize) -> bool {
    count >= MANY || kind == Kind::Planes
}

/// Bits of a level.
fn plane_count(most: i8) -> usize {
    if most > 7 { 8 } else { 4 }
}

fn plane_words(kind: Kind, most: i8, dimension: usize) -> usize {
    if kind == Kind::Signs { dimension.div_ceil(64) * plane_count(most) } else { 0 }
}

/// Queries as signs.
#[derive(Clone, Debug)]
pub(crate) struct Bits {
    dimension: usize,
    words: Vec<u64>,
}

impl Bits {
    fn new(dimension: usize, count: usize) -> Self {
        Self { dimension, words: vec![0; count * dimension.div_ceil(64)] }
    }

    /// What they take from the heap.
    pub(crate) fn bytes_for(dimension: usize, count: usize) -> u64 {
        (count as u64).saturating_mul(dimension.div_ceil(64) as u64 * 8)
    }

    fn set(&mut self, query: usize, shaped: &[f32]) {
        let size = self.dimension.div_ceil(64);
        for (word, numbers) in self.words[query * size..][..size].iter_mut().zip(shaped.chunks(64)) {
            let bit = |(at, x): (usize, &f32)| u64::from(!x.is_sign_negative()) << at;
            *word = numbers.iter().enumerate().map(bit).fold(0, |bits, bit| bits | bit);
        }
    }

    /// One query's signs.
    pub(crate) fn row(&self, query: usize) -> &[u64] {
        let size = self.dimension.div_ceil(64);
        &self.words[query * size..][..size]
    }
}
