//! An index whose vectors are reduced before they are coded.
#![allow(clippy::unwrap_used, reason = "a scenario fails by panicking")]

mod bed;

use std::path::{Path, PathBuf};

use bed::{account, distance, npy, vectors};
use plimsoll::Bytes;
use plimsoll_vec::column::ColumnError;
use plimsoll_vec::index::{Answer, Index, Lists, Probe, Search, Shape, VecError};
use plimsoll_vec::neural::{NeuralCodec, NeuralShape, Reduction, Weights};
use plimsoll_vec::{CodeError, Codec, Metric};

const DIMENSION: usize = 40;
const LATENT: usize = 16;
const K: usize = 5;

fn shape(codec: Codec, metric: Metric) -> Shape {
    Shape { dimension: DIMENSION, metric, codec, originals: true, lists: None, reduced: None }
}

/// Some weights, whose decoder is at right angles or made so.
fn reduction(latent: usize, normalized: bool) -> Reduction {
    let shape = NeuralShape { dimension: DIMENSION, latent, normalized };
    let small = |seed| vectors(seed, DIMENSION * latent).into_iter().map(|x| x * 0.2).collect();
    let weights = Weights::new(shape, small(11), small(12), vectors(13, DIMENSION)).unwrap();
    weights.orthonormal(&account(Bytes::mib(4))).unwrap()
}

/// A reflection: as many numbers as there were, all of them others, and nothing lost.
fn reflection() -> Reduction {
    let axis = vectors(14, DIMENSION);
    let square: f32 = axis.iter().map(|x| x * x).sum();
    let matrix: Vec<f32> = (0..DIMENSION * DIMENSION)
        .map(|at| (at / DIMENSION, at % DIMENSION))
        .map(|(row, column)| f32::from(u8::from(row == column)) - 2.0 * axis[row] * axis[column] / square)
        .collect();
    let mean = vectors(15, DIMENSION);
    let weights = Weights::new(NeuralShape::new(DIMENSION, DIMENSION), matrix.clone(), matrix, mean).unwrap();
    weights.orthonormal(&account(Bytes::mib(4))).unwrap()
}

/// What vectors are coded as.
fn by_hand(reduction: &Reduction, rows: &[f32]) -> Vec<f32> {
    let account = account(Bytes::mib(8));
    let codec = NeuralCodec::new(reduction.weights(), &account).unwrap();
    let mut into = vec![0.0; rows.len() / DIMENSION * codec.shape().latent];
    codec.project(rows, &mut into).unwrap();
    into
}

/// What queries are asked as, and what each adds to its distances.
fn asked_by_hand(reduction: &Reduction, metric: Metric, queries: &[f32]) -> (Vec<f32>, Vec<f64>) {
    let latent = reduction.weights().shape().latent;
    let mut into = vec![0.0; queries.len() / DIMENSION * latent];
    let each = queries.chunks(DIMENSION).zip(into.chunks_mut(latent));
    let constants = each.map(|(query, into)| reduction.project_query(metric, query, into).unwrap()).collect();
    (into, constants)
}

#[expect(clippy::cast_possible_truncation, reason = "what is told are singles")]
fn same(found: &Answer, expected: &Answer, constants: &[f64], what: &str) {
    assert_eq!(found.ids, expected.ids, "{what}");
    for (at, (found, expected)) in found.distances.iter().zip(&expected.distances).enumerate() {
        let told = (f64::from(*expected) + constants[at / K]) as f32;
        assert_eq!(found.to_bits(), told.to_bits(), "{what}: {found} and {told}");
    }
}

fn weights_of(home: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(home).unwrap().flatten().map(|entry| entry.path());
    entries.find(|path| path.extension().is_some_and(|end| end == "reduction")).unwrap()
}

/// An index that reduces, and one of what vectors are reduced to, through the same life.
struct Pair {
    homes: [PathBuf; 2],
    both: [Index; 2],
    reduction: Reduction,
}

impl Pair {
    fn new(folder: &Path, shape: Shape) -> Self {
        let reduction = reduction(LATENT, false);
        let homes = ["reduced", "plain"].map(|name| folder.join(format!("{name} {}", shape.codec)));
        let plain = Shape { dimension: LATENT, ..shape };
        let account = || account(Bytes::mib(32));
        let index = Index::create_reduced(&homes[0], shape, &reduction, &account()).unwrap();
        assert_eq!((index.shape().reduced, index.shape().dimension), (Some(LATENT), DIMENSION));
        let both = [index, Index::create(&homes[1], plain, &account()).unwrap()];
        Self { homes, both, reduction }
    }

    fn build(&self, folder: &Path, rows: &[f32]) {
        let files = [
            npy(folder, "rows.npy", rows, DIMENSION),
            npy(folder, "latents.npy", &by_hand(&self.reduction, rows), LATENT),
        ];
        for (index, file) in self.both.iter().zip(files) {
            let report = index.build(&file, None, |_| {}).unwrap();
            assert!(report.peak <= report.predicted, "{} and {} predicted", report.peak, report.predicted);
        }
    }

    fn add(&self, rows: &[f32]) {
        self.both[0].add(rows, None).unwrap();
        self.both[1].add(&by_hand(&self.reduction, rows), None).unwrap();
    }

    fn each(&self, act: impl Fn(&Index)) {
        self.both.iter().for_each(act);
    }

    fn reopened(self) -> Self {
        let Self { homes, both, reduction } = self;
        drop(both);
        let open = |home: &PathBuf| Index::open_to_write(home, &account(Bytes::mib(32))).unwrap();
        let both = [open(&homes[0]), open(&homes[1])];
        Self { homes, both, reduction }
    }

    fn check(&self, queries: &[f32], search: &Search, what: &str) {
        let metric = self.both[0].shape().metric;
        let (asked, constants) = asked_by_hand(&self.reduction, metric, queries);
        let found = self.both[0].search(queries, search).unwrap();
        assert!(found.measured.peak <= Bytes::mib(32));
        same(&found, &self.both[1].search(&asked, search).unwrap(), &constants, what);
    }
}

#[test]
fn answers_are_those_of_what_vectors_become_through_a_whole_life() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(1, 1500 * DIMENSION);
    let queries = vectors(2, 40 * DIMENSION);
    for (codec, metric) in [
        (Codec::F32, Metric::L2),
        (Codec::Int8, Metric::L2),
        (Codec::Int8, Metric::Ip),
        (Codec::Planes, Metric::L2),
        (Codec::Pq2, Metric::Ip),
    ] {
        let folder = folder.path().join(format!("{codec}-{metric}"));
        std::fs::create_dir(&folder).unwrap();
        let pair = Pair::new(&folder, shape(codec, metric));
        let search = Search::nearest(K);
        pair.build(&folder, &rows);
        pair.check(&queries, &search, "built");
        pair.add(&vectors(3, 130 * DIMENSION));
        pair.each(|index| assert_eq!(index.delete(&[1500, 3, 77, 1601]).unwrap(), 4));
        pair.check(&queries, &search, "young");
        let allow = Some((0..1630).step_by(3).collect());
        let some = Search { allow, signs: 700, ..search.clone() };
        pair.check(&queries[..3 * DIMENSION], &some, "some alone");
        let pair = pair.reopened();
        pair.check(&queries, &search, "from the log");
        pair.each(|index| index.publish().unwrap());
        pair.check(&queries, &search, "published");
        pair.each(|index| assert_eq!(index.compact(|_| {}).unwrap().forecast.unwrap().rows, 1626));
        let pair = pair.reopened();
        assert_eq!(pair.both[0].facts().segments.len(), 1);
        pair.check(&queries, &search, "compacted");
    }
}

#[test]
fn lists_of_what_vectors_become_hold_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(4, 3000 * DIMENSION);
    let queries = vectors(5, 30 * DIMENSION);
    for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
        let found = [None, Some(Lists::Count(24))].map(|lists| {
            let home = folder.path().join(format!("{metric}-{}", lists.is_some()));
            let shape = Shape { lists, originals: false, ..shape(Codec::F32, metric) };
            let reduction = reduction(LATENT, metric == Metric::Cosine);
            let index = Index::create_reduced(&home, shape, &reduction, &account(Bytes::mib(16))).unwrap();
            let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
            let report = index.build(&file, None, |_| {}).unwrap();
            assert!(report.peak <= report.predicted, "{} and {} predicted", report.peak, report.predicted);
            index.add(&queries[..DIMENSION], None).unwrap();
            index.publish().unwrap();
            drop(index);
            let index = Index::open(&home, &account(Bytes::mib(16))).unwrap();
            let facts = index.facts();
            assert_eq!(facts.segments.len(), 2);
            let files = std::fs::read_dir(&home).unwrap().flatten();
            let disk: u64 = files
                .map(|file| file.path())
                .filter(|path| path.extension().is_none_or(|end| end != "json"))
                .map(|path| path.metadata().unwrap().len())
                .sum();
            assert_eq!(facts.disk.get(), disk);
            let all = Search { probe: Probe::All, ..Search::nearest(K) };
            let few = Search { probe: Probe::Lists(12), ..all.clone() };
            let half = index.search(&queries, &few).unwrap();
            // One query alone finds what it finds in company.
            for (query, vector) in queries.chunks(DIMENSION).enumerate() {
                let alone = index.search(vector, &few).unwrap();
                assert_eq!(alone.ids, half.ids[query * K..(query + 1) * K], "{metric} {query}");
            }
            (index.search(&queries, &all).unwrap(), half)
        });
        let [(flat, _), (all, half)] = &found;
        assert_eq!(flat.ids, all.ids, "{metric}");
        assert_eq!(flat.distances, all.distances, "{metric}");
        let there = half
            .ids
            .chunks(K)
            .zip(all.ids.chunks(K))
            .flat_map(|(few, all)| few.iter().map(|id| all.contains(id)));
        let share = there.filter(|there| *there).count() * 100 / all.ids.len();
        assert!(share > 80, "{metric}: half of the lists have {share}% of the nearest");
    }
}

#[test]
fn what_loses_nothing_tells_the_distances_of_the_vectors_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(6, 300 * DIMENSION);
    let queries = vectors(7, 8 * DIMENSION);
    for metric in [Metric::L2, Metric::Ip, Metric::Cosine] {
        let home = folder.path().join(metric.name());
        let shape = shape(Codec::F32, metric);
        let index = Index::create_reduced(&home, shape, &reflection(), &account(Bytes::mib(8))).unwrap();
        index.add(&rows, None).unwrap();
        index.publish().unwrap();
        for again in [1, 3] {
            let search = Search { again, ..Search::nearest(K) };
            let answer = index.search(&queries, &search).unwrap();
            for (at, (id, told)) in answer.ids.iter().zip(&answer.distances).enumerate() {
                let row = &rows[usize::try_from(*id).unwrap() * DIMENSION..][..DIMENSION];
                let expected = distance(metric, &queries[at / K * DIMENSION..][..DIMENSION], row);
                let off = (f64::from(*told) - expected).abs();
                assert!(off < 1e-4, "{metric}, {again}: {told} and {expected}");
            }
        }
    }
}

#[test]
fn a_second_look_is_at_vectors_as_they_came() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(8, 800 * DIMENSION);
    let queries = vectors(9, 10 * DIMENSION);
    for metric in [Metric::L2, Metric::Cosine] {
        let home = folder.path().join(metric.name());
        let reduction = reduction(LATENT, false);
        let shape = shape(Codec::Int8, metric);
        let index = Index::create_reduced(&home, shape, &reduction, &account(Bytes::mib(8))).unwrap();
        index.build(&npy(folder.path(), "rows.npy", &rows, DIMENSION), None, |_| {}).unwrap();
        let among: Vec<(u64, Vec<f32>)> = (0..).zip(rows.chunks(DIMENSION).map(<[f32]>::to_vec)).collect();
        // All are candidates.
        let answer = index.search(&queries, &Search { again: 160, ..Search::nearest(K) }).unwrap();
        for (query, (ids, told)) in answer.ids.chunks(K).zip(answer.distances.chunks(K)).enumerate() {
            let expected = bed::nearest(metric, &queries[query * DIMENSION..][..DIMENSION], &among, K);
            assert_eq!(ids, expected.iter().map(|(id, _)| *id).collect::<Vec<_>>(), "{metric}");
            let off = told.iter().zip(&expected).map(|(told, (_, exact))| (f64::from(*told) - exact).abs());
            assert!(off.fold(0.0, f64::max) < 1e-4, "{metric}");
        }
    }
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    let account = account(Bytes::mib(8));
    let create =
        |shape: Shape, reduction: &Reduction| Index::create_reduced(&home, shape, reduction, &account);
    let other = Shape { dimension: 48, ..shape(Codec::Int8, Metric::L2) };
    let error = create(other, &reduction(LATENT, false)).unwrap_err();
    assert!(matches!(error, VecError::Codec { found: 48, expected: DIMENSION }), "{error}");
    let error = create(shape(Codec::Binary, Metric::Hamming), &reduction(LATENT, false)).unwrap_err();
    assert!(error.to_string().contains("take l2, ip or cosine"), "{error}");
    let error = create(shape(Codec::Int8, Metric::L2), &reduction(LATENT, true)).unwrap_err();
    assert!(error.to_string().contains("take cosine"), "{error}");
    let said = Shape { reduced: Some(LATENT), ..shape(Codec::Int8, Metric::L2) };
    assert!(matches!(Index::create(&home, said, &account), Err(VecError::NoReduction)));
    assert!(!home.exists(), "nothing was begun");

    let exact = Shape { originals: false, ..shape(Codec::F32, Metric::Cosine) };
    let index = create(exact, &reduction(LATENT, true)).unwrap();
    let mut rows = vectors(16, 300 * DIMENSION);
    rows[70 * DIMENSION..71 * DIMENSION].fill(0.0);
    let file = npy(folder.path(), "zeros.npy", &rows, DIMENSION);
    let error = index.build(&file, None, |_| {}).unwrap_err();
    assert!(matches!(error, VecError::Code(CodeError::NoDirection { vector: 70 })), "{error}");
    rows[70 * DIMENSION + 2] = f32::NAN;
    let error = index.add(&rows, None).unwrap_err();
    assert!(
        matches!(error, VecError::Code(CodeError::NotFinite { vector: 70, component: 2, .. })),
        "{error}"
    );
    index.add(&rows[..50 * DIMENSION], None).unwrap();
    for query in [&rows[..LATENT], &rows[..=DIMENSION]] {
        let error = index.search(query, 3).unwrap_err();
        assert!(matches!(error, VecError::Dimension { expected: DIMENSION, .. }), "{error}");
    }
    let error = index.search(&rows[69 * DIMENSION..71 * DIMENSION], 3).unwrap_err();
    assert!(matches!(error, VecError::Code(CodeError::NotFinite { vector: 1, .. })), "{error}");
    let error = index.search(&[0.0; DIMENSION], 3).unwrap_err();
    assert!(matches!(error, VecError::Code(CodeError::NoDirection { vector: 0 })), "{error}");
    // Exact codes of what was reduced are not what came.
    let again = Search { again: 2, ..Search::nearest(3) };
    assert!(matches!(index.search(&rows[..DIMENSION], &again), Err(VecError::NoOriginals)));

    let home = folder.path().join("large");
    let index = Index::create_reduced(&home, shape(Codec::F32, Metric::L2), &reflection(), &account).unwrap();
    let error = index.add(&[3.0e38; DIMENSION], None).unwrap_err();
    assert!(matches!(error, VecError::Code(CodeError::Reduced { vector: 0 })), "{error}");
}

#[test]
fn weights_that_are_damaged_cut_or_gone_are_told_and_those_of_nobody_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("index");
    let create = || {
        let shape = shape(Codec::Int8, Metric::L2);
        Index::create_reduced(&home, shape, &reduction(LATENT, false), &account(Bytes::mib(8)))
    };
    create().unwrap().add(&vectors(17, 20 * DIMENSION), None).unwrap();
    let path = weights_of(&home);
    let kept = std::fs::read(&path).unwrap();
    assert_eq!(kept.len(), 4096 + 4 * (2 * LATENT * DIMENSION + DIMENSION) + 8);
    let open = || Index::open(&home, &account(Bytes::mib(8)));
    let mut bytes = kept.clone();
    bytes[4096 + 100] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(open(), Err(VecError::Column(ColumnError::Damaged { unit: 0, .. }))));
    std::fs::write(&path, &kept[..kept.len() - 1]).unwrap();
    assert!(matches!(open(), Err(VecError::Column(ColumnError::Cut { .. }))));
    std::fs::remove_file(&path).unwrap();
    let error = open().unwrap_err().to_string();
    assert!(error.contains(".reduction could not be read"), "{error}");
    std::fs::write(&path, &kept).unwrap();
    let left = home.join("0000000099.reduction");
    std::fs::write(&left, b"half").unwrap();
    drop(Index::open_to_write(&home, &account(Bytes::mib(8))).unwrap());
    assert!(!left.exists() && path.exists());
    assert_eq!(open().unwrap().facts().vectors, 20);
    // Killed when weights were written and no manifest: it is no index, and can be made anew.
    std::fs::remove_dir_all(&home).unwrap();
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("0000000001.reduction"), b"half").unwrap();
    let index = create().unwrap();
    index.discard();
    assert_eq!(std::fs::read_dir(&home).unwrap().count(), 0, "nothing is left of what was taken back");
}

/// Builds within a limit, or within what a refusal says would do: of learning lists first, then of dividing.
fn built(home: &Path, limit: Bytes, file: &Path) -> (Index, Bytes) {
    let mut limit = limit;
    loop {
        let index = Index::open_to_write(home, &account(limit)).unwrap();
        match index.build(file, None, |_| {}) {
            Ok(report) => {
                assert!(report.peak <= report.predicted && report.peak <= limit, "{limit}: {report:?}");
                return (index, limit);
            }
            Err(VecError::Budget { needed, .. }) => {
                assert!(needed > limit, "{needed} in {limit}");
                limit = needed;
            }
            Err(error) => panic!("{limit}: {error}"),
        }
    }
}

#[test]
fn budgets_are_kept_or_refused_with_what_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(18, 6000 * DIMENSION);
    let file = npy(folder.path(), "rows.npy", &rows, DIMENSION);
    let queries = vectors(19, 64 * DIMENSION);
    for lists in [None, Some(Lists::Count(16))] {
        let mut answers = Vec::new();
        for limit in [Bytes::mib(16), Bytes::kib(320), Bytes::kib(24)] {
            let home = folder.path().join(format!("{}-{}", lists.is_some(), limit.get()));
            let shape = Shape { lists, ..shape(Codec::Int8, Metric::L2) };
            let reduction = reduction(LATENT, false);
            let made = Index::create_reduced(&home, shape, &reduction, &account(limit)).unwrap();
            drop(made);
            let (index, limit) = built(&home, limit, &file);
            let search = Search { again: 4, probe: Probe::All, ..Search::nearest(K) };
            let answer = index.search(&queries, &search).unwrap();
            assert!(answer.measured.peak <= limit && answer.forecast.peak <= limit, "{lists:?} in {limit}");
            answers.push(answer.ids);
        }
        assert!(answers.windows(2).all(|two| two[0] == two[1]), "{lists:?}");
    }
}
