//! A codec that is learned from a file, kept in another, and used.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod bed;

use std::path::{Path, PathBuf};

use bed::{account, npy, vectors};
use plimsoll::{Bytes, Place};
use plimsoll_vec::neural::{Fidelity, NeuralCodec, NeuralError, Stage, Trained, Training, Weights, train};

const DIMENSION: usize = 48;

/// Vectors that 12 numbers say nearly all of, each of another size.
fn low(seed: u64, rows: usize) -> Vec<f32> {
    const INNER: usize = 12;
    let (basis, inner, rest) =
        (vectors(99, INNER * DIMENSION), vectors(seed, rows * INNER), vectors(seed + 1, rows * DIMENSION));
    let mut out = Vec::with_capacity(rows * DIMENSION);
    for (inner, rest) in inner.chunks(INNER).zip(rest.chunks(DIMENSION)) {
        for (at, noise) in rest.iter().enumerate() {
            let mut sum = 0.5 + 0.02 * noise;
            let mut size = 1.0;
            for (component, x) in inner.iter().enumerate() {
                sum += size * x * basis[component * DIMENSION + at];
                size *= 0.8;
            }
            out.push(sum);
        }
    }
    out
}

fn file(folder: &Path, rows: &[f32]) -> PathBuf {
    npy(folder, "rows.npy", rows, DIMENSION)
}

fn small(latent: usize) -> Training {
    Training { epochs: 2, threads: 2, ..Training::to(latent) }
}

fn learn(rows: &[f32], training: &Training, memory: Bytes) -> Result<Trained, NeuralError> {
    let folder = tempfile::tempdir().unwrap();
    train(&file(folder.path(), rows), &account(memory), training, |_| ())
}

#[test]
fn what_is_learned_is_never_worse_than_where_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), &low(1, 3000));
    let account = account(Bytes::mib(32));
    let mut heard = Vec::new();
    let trained = train(&path, &account, &small(16), |stage| heard.push(stage)).unwrap();
    assert_eq!(trained.learned + trained.chosen + trained.judged.0 + trained.judged.1, 3000);
    assert!(trained.variance > 0.95 && trained.variance <= 1.0, "{}", trained.variance);
    assert!(trained.peak <= trained.predicted && trained.predicted <= Bytes::mib(32), "{trained:?}");
    let named = |name: &str| trained.contenders.iter().find(|one| one.name.starts_with(name)).unwrap();
    let (own, start) = (named("neural"), named("PCA, int8"));
    assert_eq!((own.row_bytes, start.row_bytes, named("int8").row_bytes), (20, 20, DIMENSION + 4));
    assert!(own.learned && own.fidelity.mse() <= start.fidelity.mse() * 1.02, "{:?}", trained.contenders);
    assert!(own.fidelity.snr_db() > 25.0 && own.recall > 0.8, "{own:?}");
    // Signs lose most.
    assert!(named("int8").recall > 0.8 && named("binary").recall < own.recall, "{:?}", trained.contenders);
    assert_eq!(trained.verdict.learned_wins, trained.verdict.winner == own.name);
    assert!(heard.contains(&Stage::Reading(3000, Some(3000))), "{heard:?}");
    assert!(heard.iter().any(|stage| matches!(stage, Stage::Epoch(2, 2, snr) if *snr > 20.0)), "{heard:?}");

    // The file holds it: others code others' vectors with it.
    let home = folder.path().join("codec.safetensors");
    trained.weights.write(&home, false).unwrap();
    let codec = NeuralCodec::load(&home, &account).unwrap();
    let unseen = low(77, 500);
    let mut back = vec![0.0; unseen.len()];
    codec.decode_flat(codec.encode(&unseen).unwrap().view(), &mut back).unwrap();
    let found = Fidelity::of(&unseen, &back, DIMENSION).unwrap();
    assert!((found.snr_db() - own.fidelity.snr_db()).abs() < 1.0, "{found:?} {own:?}");
    let facts = Weights::read(&home, &account).unwrap();
    assert_eq!(facts.facts()["trained.vectors"], trained.learned.to_string());
    // The same seed, the same codec, however many threads.
    let again = train(&path, &account, &Training { threads: 1, ..small(16) }, |_| ()).unwrap();
    assert_eq!(again.weights.encoder(), trained.weights.encoder());
    let other = train(&path, &account, &Training { seed: 2, ..small(16) }, |_| ()).unwrap();
    assert_ne!(other.weights.encoder(), trained.weights.encoder());
    drop((trained, again, other, codec, facts));
    account.scratch(Place::Host).unwrap().trim(Bytes::ZERO).unwrap();
    assert_eq!(account.engine().snapshot().place(Place::Host).unwrap().charged, Bytes::ZERO);
}

#[test]
fn directions_are_learned_for_cosine() {
    let mut rows = low(3, 800);
    // Lengths say nothing.
    for (at, row) in rows.chunks_mut(DIMENSION).enumerate() {
        let size = if at % 2 == 0 { 100.0 } else { 0.01 };
        for x in row {
            *x *= size;
        }
    }
    let training = Training { normalized: true, ..small(16) };
    let trained = learn(&rows, &training, Bytes::mib(16)).unwrap();
    assert!(trained.weights.shape().normalized && trained.contenders[0].fidelity.cosine() > 0.99);
    rows[700 * DIMENSION..][..DIMENSION].fill(0.0);
    let error = learn(&rows, &training, Bytes::mib(16)).unwrap_err();
    assert!(error.to_string().contains("vector 700 is all zeros"), "{error}");
}

#[test]
fn few_and_equal_vectors_are_learned_from() {
    // Fewer than the latent has numbers.
    let rows = low(5, 70);
    let trained = learn(&rows, &small(48), Bytes::mib(16)).unwrap();
    assert!(trained.learned < 48 && trained.contenders[0].fidelity.snr_db() > 0.0);
    for value in [0.0, -2.5] {
        let equal = vec![value; 100 * DIMENSION];
        let trained = learn(&equal, &small(8), Bytes::mib(16)).unwrap();
        let own = &trained.contenders[0];
        assert!(own.fidelity.mse() < 1e-9 && own.fidelity.cosine() > 0.999, "{own:?}");
        assert!(!trained.verdict.learned_wins, "{:?}", trained.verdict);
    }
    let error = learn(&low(5, 63), &small(8), Bytes::mib(16)).unwrap_err();
    assert!(matches!(error, NeuralError::FewRows { rows: 63, least: 64 }), "{error}");
}

#[test]
fn what_cannot_be_learned_is_said() {
    let rows = low(7, 2500);
    for latent in [0, DIMENSION + 1] {
        let error = learn(&rows, &small(latent), Bytes::mib(16)).unwrap_err();
        assert!(matches!(error, NeuralError::Latent { .. }), "{error}");
    }
    let mut wrong = rows.clone();
    wrong[1234 * DIMENSION + 5] = f32::NAN;
    let error = learn(&wrong, &small(8), Bytes::mib(16)).unwrap_err();
    assert!(error.to_string().contains("component 5 of vector 1234 is NaN"), "{error}");
    // Lines do not say how many there are.
    let folder = tempfile::tempdir().unwrap();
    let lines = "[1, 2, 3, 4]\n".repeat(10);
    let path = folder.path().join("few.jsonl");
    std::fs::write(&path, lines).unwrap();
    let error = train(&path, &account(Bytes::mib(64)), &small(2), |_| ()).unwrap_err();
    assert!(matches!(error, NeuralError::FewRows { rows: 10, .. }), "{error}");
}

#[test]
fn a_budget_that_is_too_small_says_what_would_do_and_that_does() {
    let rows = low(9, 2500);
    let error = learn(&rows, &small(16), Bytes::kib(600)).unwrap_err();
    let NeuralError::Budget { needed, .. } = error else { panic!("{error}") };
    assert!(error.to_string().contains("would do"), "{error}");
    let trained = learn(&rows, &small(16), needed).unwrap();
    let all = trained.learned + trained.chosen + trained.judged.0 + trained.judged.1;
    assert!((2048..2500).contains(&all), "{all} rows in {needed}");
    assert!(trained.peak <= needed && trained.peak.get() > needed.get() / 4, "{trained:?}");
}
