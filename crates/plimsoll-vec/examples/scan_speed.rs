//! How fast each codec is searched, beside what the memory can be read with in the same run, and what it finds.
//!
//! ```console
//! $ cargo run --release -p plimsoll-vec --example scan_speed -- --rows 200000 --codecs f32,int8
//! ```
//!
//! Vectors are near one of 1,000 centres, all numbers nearly normal, from a fixed seed; queries are of the same kind.
//! Figures are medians of turns that alternate with a plain read of the same memory. `--write FOLDER` leaves vectors and
//! queries as .npy files for other engines; `--path avx2` takes other instructions than the best.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "figures for people, and sizes that fit memory"
)]

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use plimsoll_vec::input::npy_head;
use plimsoll_vec::{
    BLOCK_ROWS, Codebooks, Codec, Coder, Column, Hit, Layout, Metric, Path, Queries, Row, Tops, scan,
    scan_signs, score,
};

const CENTRES: usize = 1000;
const TURNS: usize = 7;
const K: usize = 10;

/// What is measured.
struct Settings {
    rows: usize,
    dimension: usize,
    queries: usize,
    threads: usize,
    spread: f32,
    metric: Metric,
    codecs: Vec<Codec>,
    path: Path,
    /// Lengths of lists that are looked at again.
    again: Vec<usize>,
    write: Option<PathBuf>,
}

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let settings = Settings::read(std::env::args().skip(1))?;
    let centres = normal(1, CENTRES * settings.dimension);
    let base = vectors(&settings, &centres, 2, settings.rows);
    let asked = vectors(&settings, &centres, 3, settings.queries);
    if let Some(folder) = &settings.write {
        npy(&folder.join("base.npy"), &base, settings.dimension)?;
        npy(&folder.join("queries.npy"), &asked, settings.dimension)?;
    }
    println!(
        "{} rows of {}, {} queries, {}, {} threads, {}",
        settings.rows,
        settings.dimension,
        settings.queries,
        settings.metric,
        settings.threads,
        settings.path.name()
    );
    println!("codec        encode/s  one ms    GB/s  of read  batch ms      QPS  recall@{K}");
    let mut exact = None;
    for codec in
        Codec::ALL.into_iter().filter(|codec| *codec == Codec::F32 || settings.codecs.contains(codec))
    {
        let measured = measure(&settings, codec, &base, &asked, exact.as_ref())?;
        if codec == Codec::F32 {
            exact = Some(measured);
        }
    }
    Ok(())
}

impl Settings {
    fn read(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut settings = Self {
            rows: 200_000,
            dimension: 768,
            queries: 100,
            threads: 2,
            spread: 1.0,
            metric: Metric::Cosine,
            codecs: Codec::ALL.to_vec(),
            path: Path::best(),
            again: Vec::new(),
            write: None,
        };
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--rows" => settings.rows = value.parse()?,
                "--dimension" => settings.dimension = value.parse()?,
                "--queries" => settings.queries = value.parse()?,
                "--threads" => settings.threads = value.parse()?,
                "--spread" => settings.spread = value.parse()?,
                "--metric" => settings.metric = value.parse()?,
                "--codecs" => settings.codecs = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
                "--path" => {
                    let named = Path::here().find(|path| path.name() == value);
                    settings.path = named.ok_or_else(|| format!("this processor has no {value}"))?;
                }
                "--again" => settings.again = value.split(',').map(str::parse).collect::<Result<_, _>>()?,
                "--write" => settings.write = Some(value.into()),
                _ => return Err(format!("there is no option {name}").into()),
            }
        }
        Ok(settings)
    }
}

/// Numbers with mean 0 and variance 1: of four parts of one random word.
fn normal(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let one = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = state.wrapping_mul(0x2545_f491_4f6c_dd1d);
        let sum: u32 = (0..4).map(|part| (word >> (16 * part)) as u32 & 0xffff).sum();
        (sum as f32 / 65_536.0 - 2.0) * 3.0_f32.sqrt()
    };
    std::iter::repeat_with(one).take(count).collect()
}

fn vectors(settings: &Settings, centres: &[f32], seed: u64, count: usize) -> Vec<f32> {
    let mut vectors = normal(seed, count * settings.dimension);
    let mut state = seed + 99;
    for vector in vectors.chunks_exact_mut(settings.dimension) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let centre = (state >> 33) as usize % CENTRES;
        let centre = &centres[centre * settings.dimension..];
        for (x, c) in vector.iter_mut().zip(centre) {
            *x = *x * settings.spread + c;
        }
    }
    vectors
}

/// Blocks of a part of the rows, as one thread scans them.
struct Part<'a> {
    blocks: &'a [u8],
    rows: usize,
    first: u64,
}

fn parts<'a>(settings: &Settings, layout: Layout, blocks: &'a [u8]) -> Vec<Part<'a>> {
    let bytes = layout.block_bytes();
    let each = (blocks.len() / bytes).div_ceil(settings.threads);
    let part = |(at, blocks): (usize, &'a [u8])| {
        let first = at * each * BLOCK_ROWS;
        Part {
            blocks,
            rows: (blocks.len() / bytes * BLOCK_ROWS).min(settings.rows - first),
            first: first as u64,
        }
    };
    blocks.chunks(each * bytes).enumerate().map(part).collect()
}

/// How a codec is searched.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    All,
    /// Signs first, then the lower planes of so many.
    Signs(usize),
    /// All codes, then so many vectors as they came.
    Again(usize),
}

impl Way {
    /// Rows that are kept for each query.
    fn kept(self) -> usize {
        match self {
            Self::All => K,
            Self::Signs(kept) | Self::Again(kept) => kept,
        }
    }

    /// What is tried with a codec. `again` are lengths of lists that are looked at again.
    fn of(codec: Codec, again: &[usize]) -> Vec<Self> {
        let mut ways = vec![Self::All];
        if codec == Codec::Planes {
            ways.extend([100, 200, 400].map(Self::Signs));
        }
        if codec != Codec::F32 {
            ways.extend(again.iter().copied().map(Self::Again));
        }
        ways
    }
}

/// What f32 keeps and finds.
struct Exact {
    blocks: Vec<u8>,
    found: Vec<Vec<Hit>>,
}

/// Vectors as they came and queries, for a second look.
#[derive(Clone, Copy)]
struct Originals<'a> {
    blocks: &'a [u8],
    asked: &'a [f32],
    metric: Metric,
}

/// A search, in milliseconds, and what it found.
fn search(
    layout: Layout,
    parts: &[Part],
    queries: &Queries,
    lists: &mut [Tops],
    way: Way,
    originals: &Originals,
) -> (f64, Tops) {
    let begun = Instant::now();
    let pass = |part: &Part, tops: &mut Tops| {
        tops.clear();
        match way {
            Way::All | Way::Again(_) => {
                scan(queries, part.blocks, part.rows, part.first, None, tops);
            }
            Way::Signs(_) => {
                scan_signs(queries, (part.blocks, Column::Whole), part.rows, part.first, None, tops);
            }
        }
    };
    std::thread::scope(|scope| {
        let mut pairs = parts.iter().zip(lists.iter_mut());
        let own = pairs.next();
        for (part, tops) in pairs {
            scope.spawn(move || pass(part, tops));
        }
        if let Some((part, tops)) = own {
            pass(part, tops);
        }
    });
    let mut tops = lists[0].clone();
    lists[1..].iter().for_each(|other| tops.merge(other));
    match way {
        Way::All => {}
        Way::Signs(_) => tops = refine(layout, parts, queries, &tops),
        Way::Again(_) => tops = again(originals, queries, &tops),
    }
    (begun.elapsed().as_secs_f64() * 1e3, tops)
}

fn refine(layout: Layout, parts: &[Part], queries: &Queries, likely: &Tops) -> Tops {
    let Ok(mut tops) = Tops::new(queries, K) else { return likely.clone() };
    let part_rows = parts[0].blocks.len() / layout.block_bytes() * BLOCK_ROWS;
    for query in 0..queries.count() {
        for hit in likely.hits(query) {
            let row = hit.row as usize;
            let within = row % part_rows;
            let block = &parts[row / part_rows].blocks[within / BLOCK_ROWS * layout.block_bytes()..];
            let (block, lower) = block[..layout.block_bytes()].split_at(layout.upper_bytes());
            let at = within % BLOCK_ROWS;
            let lower = &lower[at * layout.lower_row_bytes()..][..layout.lower_row_bytes()];
            score(queries, query, &Row { block, at, lower }, hit.row, &mut tops);
        }
    }
    tops
}

/// A second look at what was found, with half of the queries a thread.
fn again(originals: &Originals, queries: &Queries, likely: &Tops) -> Tops {
    let dimension = queries.dimension();
    let count = queries.count();
    let Ok(exact) =
        Queries::new(Codec::F32, originals.metric, dimension, &originals.asked[..count * dimension])
    else {
        return likely.clone();
    };
    let look = |from: usize, to: usize| {
        let mut tops = Tops::new(&exact, K).ok()?;
        for query in from..to {
            let mut hits = likely.hits(query);
            hits.sort_unstable_by_key(|hit| hit.row);
            for hit in hits {
                let vector = &originals.blocks[hit.row as usize * dimension * 4..][..dimension * 4];
                score(&exact, query, &Row { block: vector, at: 0, lower: &[] }, hit.row, &mut tops);
            }
        }
        Some(tops)
    };
    let half = count / 2;
    let (one, two) = std::thread::scope(|scope| {
        let other = (half > 0).then(|| scope.spawn(|| look(0, half)));
        let own = look(half, count);
        (own, other.and_then(|other| other.join().ok().flatten()))
    });
    let Some(mut tops) = one else { return likely.clone() };
    if let Some(two) = two {
        tops.merge(&two);
    }
    tops
}

fn measure(
    settings: &Settings,
    codec: Codec,
    base: &[f32],
    asked: &[f32],
    exact: Option<&Exact>,
) -> Result<Exact, Failure> {
    let (metric, dimension) = (settings.metric, settings.dimension);
    let layout = Layout::new(codec, dimension);
    let mut blocks = vec![0; settings.rows.div_ceil(BLOCK_ROWS) * layout.block_bytes()];
    let begun = Instant::now();
    let books = train(settings, codec, base)?;
    if books.is_some() {
        println!("{codec} learnt in {:.2} s", begun.elapsed().as_secs_f64());
    }
    let begun = Instant::now();
    encode(settings, codec, books.clone(), base, &mut blocks)?;
    let encoded = settings.rows as f64 / begun.elapsed().as_secs_f64();
    let parts = parts(settings, layout, &blocks);
    let queries =
        |asked: &[f32]| Queries::on(settings.path, codec, metric, dimension, books.as_deref(), asked);
    let all = queries(asked)?;
    let originals = Originals { blocks: exact.map_or(&[], |exact| &exact.blocks), asked, metric };
    let mut found = Vec::new();
    for way in Way::of(codec, &settings.again) {
        let kept = way.kept();
        let ones: Vec<Queries> =
            asked.chunks_exact(dimension).take(TURNS).map(queries).collect::<Result<_, _>>()?;
        let mut one_lists = vec![Tops::new(&ones[0], kept)?; parts.len()];
        let mut lists = vec![Tops::new(&all, kept)?; parts.len()];
        let (mut reads, mut one, mut batch) = (Vec::new(), Vec::new(), Vec::new());
        for turn in 0..TURNS {
            reads.push(read(&parts));
            let own = Originals { asked: &asked[turn % ones.len() * dimension..], ..originals };
            one.push(search(layout, &parts, &ones[turn % ones.len()], &mut one_lists, way, &own).0);
            let (ms, tops) = search(layout, &parts, &all, &mut lists, way, &originals);
            batch.push(ms);
            found = (0..settings.queries).map(|query| tops.hits(query)).collect();
        }
        let bytes = match way {
            Way::All | Way::Again(_) => blocks.len(),
            Way::Signs(_) => blocks.len() / layout.block_bytes() * layout.upper_bytes(),
        };
        let (reads, one, batch) = (median(reads), median(one), median(batch));
        let rate = bytes as f64 / one / 1e6;
        let name = match way {
            Way::All => codec.to_string(),
            Way::Signs(kept) => format!("{codec} {kept}"),
            Way::Again(kept) => format!("{codec} + {kept}"),
        };
        let recall = exact.map_or(1.0, |exact| recall(&exact.found, &found));
        println!(
            "{name:<12} {encoded:>7.0} {one:>7.2} {rate:>7.1} {:>7.0}% {batch:>9.1} {:>8.0}  {recall:.4}",
            rate / reads * 100.0,
            settings.queries as f64 / batch * 1e3
        );
    }
    Ok(Exact { blocks, found })
}

/// What the codec learns of vectors from all of the base.
fn train(settings: &Settings, codec: Codec, base: &[f32]) -> Result<Option<Arc<Codebooks>>, Failure> {
    if codec.group().is_none() {
        return Ok(None);
    }
    let step = (settings.rows / Codebooks::SAMPLE_MOST).max(1);
    let sample = base.chunks_exact(settings.dimension).step_by(step).flatten().copied().collect();
    Ok(Some(Arc::new(Codebooks::train(codec, settings.metric, settings.dimension, sample)?)))
}

fn encode(
    settings: &Settings,
    codec: Codec,
    books: Option<Arc<Codebooks>>,
    base: &[f32],
    blocks: &mut [u8],
) -> Result<(), Failure> {
    let keeper = &Coder::with_books(codec, settings.metric, settings.dimension, books)?;
    let each = settings.rows.div_ceil(BLOCK_ROWS).div_ceil(settings.threads);
    std::thread::scope(|scope| {
        let threads: Vec<_> = base
            .chunks(each * BLOCK_ROWS * settings.dimension)
            .zip(blocks.chunks_mut(each * keeper.layout().block_bytes()))
            .map(|(vectors, blocks)| scope.spawn(move || keeper.encode(vectors, 0, blocks)))
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread failed")??;
        }
        Ok(())
    })
}

/// Gigabytes a second of a plain read by all threads.
fn read(parts: &[Part]) -> f64 {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for part in parts {
            scope.spawn(|| {
                let mut sums = [0_u8; 256];
                for line in part.blocks.as_chunks::<256>().0 {
                    for at in 0..256 {
                        sums[at] ^= line[at];
                    }
                }
                std::hint::black_box(sums)
            });
        }
    });
    let bytes: usize = parts.iter().map(|part| part.blocks.len()).sum();
    bytes as f64 / begun.elapsed().as_secs_f64() / 1e9
}

fn recall(exact: &[Vec<Hit>], found: &[Vec<Hit>]) -> f64 {
    let among = |hits: &[Hit], row| hits.iter().any(|hit| hit.row == row);
    let right: usize = exact
        .iter()
        .zip(found)
        .map(|(exact, found)| exact.iter().filter(|hit| among(found, hit.row)).count())
        .sum();
    right as f64 / exact.iter().map(Vec::len).sum::<usize>() as f64
}

fn median(mut turns: Vec<f64>) -> f64 {
    turns.sort_by(f64::total_cmp);
    turns[turns.len() / 2]
}

/// Writes a matrix as `NumPy` keeps it.
fn npy(path: &FilePath, numbers: &[f32], dimension: usize) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let rows = numbers.len() / dimension;
    file.write_all(&npy_head("<f4", rows as u64, dimension))?;
    for number in numbers {
        file.write_all(&number.to_le_bytes())?;
    }
    file.flush()
}
