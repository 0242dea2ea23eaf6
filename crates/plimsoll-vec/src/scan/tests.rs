//! Every path against the reference, and against itself cut in other ways.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "small numbers, and equal bits are meant"
)]

use proptest::prelude::*;

use super::form::Form;
use super::kernels::Kind;
use super::reference;
use super::run::Block;
use super::{Column, Path, Queries, Row, Rows, Who, scan, scan_rows, scan_signs, score};
use crate::code::{Coder, Layout, Shape, books};
use crate::top::{Hit, Tops};
use crate::{BLOCK_ROWS, Codec, Metric};

/// Numbers from a seed, between −1 and 1, a few of them larger.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let x = (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
            if state.is_multiple_of(31) { x * 4.0 } else { x }
        })
        .collect()
}

fn blocks(codec: Codec, metric: Metric, dimension: usize, vectors: &[f32]) -> Vec<u8> {
    let layout = Layout::new(codec, dimension);
    let rows = vectors.len() / dimension;
    let mut blocks = vec![0; rows.div_ceil(BLOCK_ROWS) * layout.block_bytes()];
    let taught = books(codec, metric, dimension);
    Coder::with_books(codec, metric, dimension, taught).unwrap().encode(vectors, 0, &mut blocks).unwrap();
    blocks
}

/// Queries for rows of such blocks.
fn on(
    path: Path,
    codec: Codec,
    metric: Metric,
    dimension: usize,
    asked: &[f32],
) -> Result<Queries, crate::CodeError> {
    Queries::on(path, codec, metric, dimension, books(codec, metric, dimension).as_deref(), asked)
}

fn block(blocks: &[u8], layout: Layout, row: usize) -> Block<'_> {
    let bytes = &blocks[row / BLOCK_ROWS * layout.block_bytes()..][..layout.block_bytes()];
    let (upper, lower) = bytes.split_at(layout.upper_bytes());
    Block { layout, upper, lower, next: &[], live: u64::MAX, first: 0 }
}

/// What the score of a row should be, and by how much it may differ.
fn truth(
    queries: &Queries,
    query: usize,
    vector: &[f32],
    blocks: &[u8],
    row: usize,
    signs: bool,
) -> (f64, f64) {
    let (layout, distance) = (queries.layout(), queries.metric() == Metric::L2);
    let block = block(blocks, layout, row);
    let mut shaped = vector.to_vec();
    assert!(Shape::new(queries.codec(), queries.metric()).apply(&mut shaped));
    let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let exact = reference::doubles(&shaped);
    let own = length(&exact).powi(2);
    let (form, kind) = match queries.form() {
        Form::Floats(_) => {
            let mut numbers = vec![0.0; layout.dimension()];
            crate::code::read_numbers(
                layout.codec(),
                &block.upper[layout.code(row % BLOCK_ROWS)],
                &mut numbers,
            );
            let numbers = reference::doubles(&numbers);
            let reach = length(&exact) + length(&numbers);
            return (reference::score(distance, &exact, &numbers), reach * reach * 1e-6);
        }
        Form::Bits(_) => {
            let mut back = vec![0.0; layout.dimension()];
            Coder::new(layout.codec(), queries.metric(), layout.dimension())
                .unwrap()
                .decode(blocks, row..row + 1, &mut back)
                .unwrap();
            let differ =
                back.iter().zip(vector).filter(|(x, q)| x.is_sign_negative() != q.is_sign_negative());
            return (differ.count() as f64, 0.0);
        }
        Form::Tables(tables) => {
            let (codec, metric, dimension) = (layout.codec(), queries.metric(), layout.dimension());
            let mut words = vec![0.0; dimension];
            let taught = books(codec, metric, dimension).unwrap();
            crate::code::read_words(&taught, block.upper, row % BLOCK_ROWS, &mut words);
            let gain = crate::code::gain_at(layout, block.upper, row % BLOCK_ROWS);
            let product: f64 = exact.iter().zip(&words).map(|(q, x)| q * f64::from(*x)).sum();
            let product = product * gain.factor();
            let square = gain.length().powi(2);
            let value = if distance { square + own - 2.0 * product } else { 0.0 - product };
            let reach = own.sqrt() + gain.length() * 4.0;
            return (value, tables.slack(query) * gain.factor() * 1.000_001 + reach * reach * 1e-6);
        }
        Form::Levels(form) => (form, form.kind),
        Form::Planes { signs: form, .. } if signs => (form, Kind::Signs),
        Form::Planes { full, .. } => (full, Kind::Planes),
    };
    let (numbers, square) = reference::numbers(kind, &block, row % BLOCK_ROWS);
    let product: f64 = form.numbers(query).iter().zip(&numbers).map(|(q, x)| q * x).sum();
    // The share of the middle level is told by the query itself, not by its levels.
    let middle = middle(kind, &block, row % BLOCK_ROWS);
    let levels: f64 = form.numbers(query).iter().sum();
    let product = product + middle * (exact.iter().sum::<f64>() - levels);
    let value = if distance { square + own - 2.0 * product } else { 0.0 - product };
    let reach = own.sqrt() + square.sqrt() + length(&numbers) + (middle * middle * exact.len() as f64).sqrt();
    (value, reach * reach * 2e-6)
}

/// What a row's middle level stands for.
fn middle(kind: Kind, block: &Block, row: usize) -> f64 {
    if matches!(kind, Kind::Int8 | Kind::Signs | Kind::Planes) {
        return 0.0;
    }
    let range = crate::code::Range::read(block.layout.codec(), &block.upper[block.layout.side(row)]);
    f64::from(range.low) + f64::from(kind.middle()) * f64::from(range.step)
}

fn find(queries: &Queries, blocks: &[u8], rows: usize, allow: Option<&[u64]>, k: usize) -> Tops {
    let mut tops = Tops::new(queries, k).unwrap();
    scan(queries, blocks, rows, 0, allow, &mut tops);
    tops
}

fn bits(hits: &[Hit]) -> Vec<(u32, u64)> {
    hits.iter().map(|hit| (hit.score.to_bits(), hit.row)).collect()
}

/// What each list must be: scores as in truth, in order, and nothing left out that is nearer than the last.
fn check(queries: &Queries, vectors: &[f32], blocks: &[u8], rows: usize, allow: Option<&[u64]>, k: usize) {
    let tops = find(queries, blocks, rows, allow, k);
    let allowed: Vec<usize> =
        (0..rows).filter(|row| allow.is_none_or(|words| words[row / 64] >> (row % 64) & 1 == 1)).collect();
    let what =
        format!("{} {} {} {:?}", queries.codec(), queries.metric(), queries.dimension(), queries.path());
    for (query, vector) in vectors.chunks_exact(queries.dimension()).enumerate() {
        let hits = tops.hits(query);
        assert_eq!(hits.len(), k.min(allowed.len()), "{what}");
        assert!(hits.is_sorted(), "{what}");
        let last = hits.last().copied();
        for row in &allowed {
            let (value, slack) = truth(queries, query, vector, blocks, *row, false);
            let found = hits.iter().find(|hit| hit.row == *row as u64);
            if let Some(hit) = found {
                // What a single cannot hold is infinite.
                let near = (f64::from(hit.score) - value).abs() <= slack || hit.score == value as f32;
                assert!(near, "{what}: query {query} row {row} is {}, not {value}", hit.score);
            } else if let Some(last) = last {
                let behind = value as f32 >= last.score || value >= f64::from(last.score) - slack;
                assert!(behind, "{what}: query {query} misses row {row}");
            }
        }
    }
}

fn pairs() -> impl Iterator<Item = (Codec, Metric)> {
    Codec::ALL
        .into_iter()
        .flat_map(|codec| Metric::ALL.into_iter().map(move |metric| (codec, metric)))
        .filter(|(codec, metric)| codec.serves(*metric))
}

#[test]
fn each_path_agrees_with_the_reference() {
    for path in Path::here() {
        for (codec, metric) in pairs() {
            for (dimension, rows, count) in
                [(1, 70, 1), (3, 5, 7), (17, 130, 3), (100, 65, 37), (769, 67, 18), (128, 64, 50)]
            {
                let vectors = numbers(dimension as u64, rows * dimension);
                let asked = numbers(9, count * dimension);
                let blocks = blocks(codec, metric, dimension, &vectors);
                let queries = on(path, codec, metric, dimension, &asked).unwrap();
                check(&queries, &asked, &blocks, rows, None, 10);
            }
        }
    }
}

#[test]
fn rows_without_permission_are_passed_over() {
    let (dimension, rows) = (33, 200);
    let vectors = numbers(5, rows * dimension);
    let masks: [[u64; 4]; 4] =
        [[0; 4], [1, 0, 0, 1 << 7], [u64::MAX; 4], [0xaaaa_aaaa_aaaa_aaaa, 1 << 63, 0xff, 0x0f]];
    for path in Path::here() {
        for (codec, metric) in pairs() {
            let blocks = blocks(codec, metric, dimension, &vectors);
            for count in [1, 20] {
                let asked = numbers(77, count * dimension);
                let queries = on(path, codec, metric, dimension, &asked).unwrap();
                for allow in &masks {
                    check(&queries, &asked, &blocks, rows, Some(allow), 7);
                }
            }
        }
    }
}

#[test]
fn a_score_is_the_same_however_rows_are_cut_and_whoever_asks() {
    let (dimension, rows) = (50, 300);
    let vectors = numbers(8, rows * dimension);
    for path in Path::here() {
        for (codec, metric) in pairs() {
            let blocks = blocks(codec, metric, dimension, &vectors);
            let layout = Layout::new(codec, dimension);
            for count in [1, 19] {
                let asked = numbers(3, count * dimension);
                let queries = on(path, codec, metric, dimension, &asked).unwrap();
                let whole = find(&queries, &blocks, rows, None, 25);
                let mut merged = Tops::new(&queries, 25).unwrap();
                // From the back, in pieces of one and of two blocks.
                for (from, to) in [(4, 5), (2, 4), (1, 2), (0, 1)] {
                    let mut part = Tops::new(&queries, 25).unwrap();
                    let bytes = &blocks[from * layout.block_bytes()..to * layout.block_bytes()];
                    let rows = (rows - from * 64).min((to - from) * 64);
                    scan(&queries, bytes, rows, from as u64 * 64, None, &mut part);
                    merged.merge(&part);
                }
                let mut single = Tops::new(&queries, 25).unwrap();
                for row in 0..rows {
                    let block = block(&blocks, layout, row);
                    let row_of = Row { block: block.upper, at: row % 64, lower: block.lower_row(row % 64) };
                    for query in 0..count {
                        score(&queries, query, &row_of, row as u64, &mut single);
                    }
                }
                for query in 0..count {
                    let hits = bits(&whole.hits(query));
                    assert_eq!(hits, bits(&merged.hits(query)), "{codec} {metric} {path:?}: cut");
                    assert_eq!(hits, bits(&single.hits(query)), "{codec} {metric} {path:?}: one by one");
                }
            }
        }
    }
}

#[test]
fn levels_score_alike_on_every_path_and_numbers_on_those_that_fuse() {
    let (dimension, rows, count) = (131, 150, 20);
    let vectors = numbers(4, rows * dimension);
    let asked = numbers(6, count * dimension);
    for (codec, metric) in pairs() {
        let blocks = blocks(codec, metric, dimension, &vectors);
        let exact = matches!(codec, Codec::F32 | Codec::F16 | Codec::Bf16);
        let lists: Vec<_> = Path::here()
            .filter(|path| !exact || *path != Path::Plain)
            .map(|path| {
                let queries = on(path, codec, metric, dimension, &asked).unwrap();
                let tops = find(&queries, &blocks, rows, None, 12);
                // One at a time, too.
                let alone: Vec<_> = asked
                    .chunks(dimension)
                    .map(|query| {
                        let queries = on(path, codec, metric, dimension, query).unwrap();
                        bits(&find(&queries, &blocks, rows, None, 12).hits(0))
                    })
                    .collect();
                let together: Vec<_> = (0..count).map(|query| bits(&tops.hits(query))).collect();
                assert_eq!(together, alone, "{codec} {metric} {path:?}");
                together
            })
            .collect();
        assert!(lists.windows(2).all(|pair| pair[0] == pair[1]), "{codec} {metric}");
    }
}

#[test]
fn bounds_lose_no_row_among_near_duplicates() {
    let (dimension, rows, count) = (200, 320, 16);
    let one = numbers(41, dimension);
    for size in [1e-5_f32, 1e-3, 3e-2] {
        let vectors: Vec<f32> = numbers(42, rows * dimension)
            .iter()
            .zip(one.iter().cycle())
            .map(|(noise, x)| x + noise * size)
            .collect();
        let asked = &vectors[40 * dimension..][..count * dimension];
        for path in Path::here() {
            for codec in [Codec::F32, Codec::F16, Codec::Bf16] {
                for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
                    let blocks = blocks(codec, metric, dimension, &vectors);
                    let queries = on(path, codec, metric, dimension, asked).unwrap();
                    let together = find(&queries, &blocks, rows, None, 3);
                    for (query, vector) in asked.chunks(dimension).enumerate() {
                        let alone = on(path, codec, metric, dimension, vector).unwrap();
                        let alone = find(&alone, &blocks, rows, None, 3);
                        assert_eq!(
                            bits(&together.hits(query)),
                            bits(&alone.hits(0)),
                            "{codec} {metric} {path:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn ties_go_to_the_lower_row() {
    let (dimension, rows) = (24, 200);
    let one = numbers(1, dimension);
    let vectors = one.repeat(rows);
    for path in Path::here() {
        for (codec, metric) in pairs() {
            let blocks = blocks(codec, metric, dimension, &vectors);
            for count in [1, 9] {
                let queries = on(path, codec, metric, dimension, &numbers(2, count * dimension)).unwrap();
                let tops = find(&queries, &blocks, rows, None, 70);
                for query in 0..count {
                    let found: Vec<u64> = tops.hits(query).iter().map(|hit| hit.row).collect();
                    assert_eq!(found, (0..70).collect::<Vec<u64>>(), "{codec} {metric} {path:?}");
                }
            }
        }
    }
}

#[test]
fn extremes_are_no_nan() {
    let dimension = 20;
    let mut vectors = Vec::new();
    for (row, size) in [1e30_f32, -1e30, 1e-30, 0.0, 1.0, 3e38, 1e19, 1e-40].into_iter().enumerate() {
        vectors.extend(numbers(row as u64, dimension).iter().map(|x| (x * 0.24) * size));
    }
    // A vector far out and its near neighbour: their distance is ordinary in size, their squares are not.
    vectors.extend([1.5e19; 20]);
    vectors.extend([1.6e19; 20]);
    let rows = vectors.len() / dimension;
    for path in Path::here() {
        for (codec, metric) in pairs() {
            if matches!(codec, Codec::F16) {
                continue;
            }
            let kept: Vec<f32> = if metric == Metric::Cosine {
                vectors
                    .chunks(dimension)
                    .filter(|row| row.iter().any(|x| *x != 0.0))
                    .flatten()
                    .copied()
                    .collect()
            } else {
                vectors.clone()
            };
            let blocks = blocks(codec, metric, dimension, &kept);
            let rows = rows.min(kept.len() / dimension);
            for count in [1, rows] {
                let queries = on(path, codec, metric, dimension, &kept[..count * dimension]).unwrap();
                let tops = find(&queries, &blocks, rows, None, rows);
                for query in 0..count {
                    let hits = tops.hits(query);
                    assert_eq!(hits.len(), rows, "{codec} {metric} {path:?}");
                    assert!(hits.iter().all(|hit| !hit.score.is_nan()), "{codec} {metric} {path:?}");
                    let whole = bits(&hits);
                    // The three best, of as many lists: nothing is lost behind a bound that is no number.
                    let few = find(&queries, &blocks, rows, None, 3);
                    assert_eq!(bits(&few.hits(query)), whole[..3], "{codec} {metric} {path:?}");
                }
                if codec == Codec::F32 {
                    check(&queries, &kept[..count * dimension], &blocks, rows, None, 4);
                }
            }
        }
    }
}

#[test]
fn signs_first_then_four_bits_finds_what_four_bits_find() {
    let (dimension, rows, k) = (96, 400, 5);
    let vectors = numbers(21, rows * dimension);
    for path in Path::here() {
        for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
            let blocks = blocks(Codec::Planes, metric, dimension, &vectors);
            let layout = Layout::new(Codec::Planes, dimension);
            let uppers: Vec<u8> = blocks
                .chunks(layout.block_bytes())
                .flat_map(|block| &block[..layout.upper_bytes()])
                .copied()
                .collect();
            for count in [1, 11] {
                let asked = numbers(31, count * dimension);
                let queries = on(path, Codec::Planes, metric, dimension, &asked).unwrap();
                let mut likely = Tops::new(&queries, 200).unwrap();
                scan_signs(&queries, (&blocks, Column::Whole), rows, 0, None, &mut likely);
                let mut apart = Tops::new(&queries, 200).unwrap();
                scan_signs(&queries, (&uppers, Column::Upper), rows, 0, None, &mut apart);
                let full = find(&queries, &blocks, rows, None, k);
                let mut tops = Tops::new(&queries, k).unwrap();
                for query in 0..count {
                    assert_eq!(bits(&likely.hits(query)), bits(&apart.hits(query)));
                    for hit in likely.hits(query) {
                        let row = usize::try_from(hit.row).unwrap();
                        let vector = &asked[query * dimension..][..dimension];
                        let (value, slack) = truth(&queries, query, vector, &blocks, row, true);
                        assert!((f64::from(hit.score) - value).abs() <= slack, "{metric} {path:?}");
                        let block = block(&blocks, layout, row);
                        let row_of =
                            Row { block: block.upper, at: row % 64, lower: block.lower_row(row % 64) };
                        score(&queries, query, &row_of, hit.row, &mut tops);
                    }
                    // Half of all rows were kept on the way, so the best are among them.
                    assert_eq!(bits(&tops.hits(query)), bits(&full.hits(query)), "{metric} {path:?}");
                }
            }
        }
    }
}

#[test]
fn sums_that_pass_sixteen_bits_are_whole_too() {
    // 1,050 groups of at most 63.
    let (dimension, rows) = (2100, 70);
    let vectors = numbers(51, rows * dimension);
    let blocks = blocks(Codec::Pq2, Metric::L2, dimension, &vectors);
    let asked = numbers(52, 3 * dimension);
    let mut lists = Vec::new();
    for path in Path::here() {
        let queries = on(path, Codec::Pq2, Metric::L2, dimension, &asked).unwrap();
        check(&queries, &asked, &blocks, rows, None, 9);
        let tops = find(&queries, &blocks, rows, None, 9);
        lists.push((0..3).map(|query| bits(&tops.hits(query))).collect::<Vec<_>>());
    }
    assert!(lists.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn words_that_fall_short_and_lengths_are_made_up_for() {
    let (dimension, rows) = (64, 100);
    let mut vectors = numbers(61, rows * dimension);
    for (row, vector) in vectors.chunks_mut(dimension).enumerate() {
        for x in vector {
            *x *= 0.1 + row as f32 * 0.3;
        }
    }
    for codec in [Codec::Pq2, Codec::Pq4, Codec::Pq8] {
        for metric in [Metric::Cosine, Metric::Ip, Metric::L2] {
            let blocks = blocks(codec, metric, dimension, &vectors);
            let queries = on(Path::best(), codec, metric, dimension, &vectors).unwrap();
            let Form::Tables(tables) = queries.form() else { panic!("{codec} has tables") };
            let tops = find(&queries, &blocks, rows, None, rows);
            for (row, vector) in vectors.chunks(dimension).enumerate() {
                let square: f64 = vector.iter().map(|x| f64::from(*x).powi(2)).sum();
                // A distance has the product twice.
                let (size, own, times) = match metric {
                    Metric::Cosine => (1.0, -1.0, 1.0),
                    Metric::Ip => (square, -square, 1.0),
                    _ => (square, 0.0, 2.0),
                };
                let hit = tops.hits(row).into_iter().find(|hit| hit.row == row as u64).unwrap();
                let block = block(&blocks, queries.layout(), row);
                let gain = crate::code::gain_at(queries.layout(), block.upper, row % BLOCK_ROWS);
                let slack = tables.slack(row) * gain.factor() + size * 0.005;
                // Words alone would tell a product an eighth to two thirds short.
                assert!(slack < size * times * 0.1, "{codec} {metric}: {slack} of {size}");
                assert!((f64::from(hit.score) - own).abs() <= slack, "{codec} {metric} {row}: {hit:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_shape_agrees_with_the_reference(
        seed in 1_u64..1000,
        dimension in 1_usize..140,
        rows in 1_usize..150,
        count in 1_usize..40,
        k in 1_usize..30,
        mask in prop::option::of(any::<[u64; 3]>()),
        pick in 0_usize..35,
    ) {
        let all: Vec<_> = pairs().collect();
        let (codec, metric) = all[pick % all.len()];
        let vectors = numbers(seed, rows * dimension);
        let asked = numbers(seed + 1, count * dimension);
        let blocks = blocks(codec, metric, dimension, &vectors);
        for path in Path::here() {
            let queries = on(path, codec, metric, dimension, &asked).unwrap();
            check(&queries, &asked, &blocks, rows, mask.as_ref().map(|words| &words[..]), k);
        }
    }
}

#[test]
fn estimates_are_as_near_as_their_codes() {
    let (dimension, rows) = (768, 400);
    let vectors = crate::code::normal(11, rows * dimension);
    let asked = crate::code::normal(12, 8 * dimension);
    // The error of a product with a query of length one, of a vector of length one, times √dimension: what the code loses.
    let most = [
        (Codec::Int8, 0.013),
        (Codec::Int8Affine, 0.013),
        (Codec::Int4, 0.115),
        (Codec::Planes, 0.102),
        (Codec::Binary, 0.80),
        (Codec::Pq2, 0.45),
        (Codec::Pq4, 0.85),
        (Codec::Pq8, 1.45),
    ];
    for (codec, most) in most {
        let blocks = blocks(codec, Metric::Cosine, dimension, &vectors);
        let queries = on(Path::best(), codec, Metric::Cosine, dimension, &asked).unwrap();
        let tops = find(&queries, &blocks, rows, None, rows);
        let mut square = 0.0;
        for (query, vector) in asked.chunks(dimension).enumerate() {
            for hit in tops.hits(query) {
                let row = &vectors[usize::try_from(hit.row).unwrap() * dimension..][..dimension];
                let (q, x) = (reference::doubles(vector), reference::doubles(row));
                let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
                let cosine = -reference::score(false, &q, &x) / (length(&q) * length(&x));
                square += (f64::from(-hit.score) - cosine).powi(2);
            }
        }
        let error = (square / (8 * rows) as f64 * dimension as f64).sqrt();
        assert!(error < most, "{codec}: {error}");
        assert!(error > most * 0.5, "{codec}: {error}");
    }
}

/// Some queries of a batch, one after the other or gathered, find what they find among all, and nobody else's list is
/// touched.
#[test]
fn some_of_a_batch_find_what_they_find_among_all() {
    let (rows, dimension, count, k) = (150, 100, 40, 7);
    for path in Path::here() {
        for (codec, metric) in
            Codec::ALL.into_iter().flat_map(|codec| Metric::ALL.map(|metric| (codec, metric)))
        {
            if !codec.serves(metric) {
                continue;
            }
            let what = format!("{codec} {metric} {path:?}");
            let blocks = blocks(codec, metric, dimension, &numbers(1, rows * dimension));
            let all = on(path, codec, metric, dimension, &numbers(2, count * dimension)).unwrap();
            let rows = Rows { blocks: &blocks, column: Column::Whole, count: rows, first: 0, allow: None };
            let mut expected = Tops::new(&all, k).unwrap();
            scan_rows(&all, &rows, Who::All, &mut expected);
            let mut found = Tops::new(&all, k).unwrap();
            scan_rows(&all, &rows, Who::These(&[3, 17, 39]), &mut found);
            let mut gathered = all.room(16);
            let mut tops = Tops::new(&gathered, 1).unwrap();
            // The second time fewer: what is left of the first counts for nothing.
            for these in [(20..33).collect::<Vec<u32>>(), vec![38, 5, 6, 7, 9, 11, 12]] {
                gathered.gather(&all, &these);
                tops.fit(&gathered);
                for turn in 0..2 {
                    for (at, query) in these.iter().enumerate() {
                        tops.exchange(at, &mut found, *query as usize);
                    }
                    if turn == 0 {
                        scan_rows(&gathered, &rows, Who::All, &mut tops);
                    }
                }
            }
            let asked = |query| matches!(query, 3 | 5..=7 | 9 | 11 | 12 | 17 | 20..=32 | 38 | 39);
            for query in 0..count {
                let expected = if asked(query) { bits(&expected.hits(query)) } else { Vec::new() };
                assert_eq!(bits(&found.hits(query)), expected, "{what}: query {query}");
            }
        }
    }
}
