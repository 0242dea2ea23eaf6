//! `plimsoll vec train-codec` and `bench-codec`, as they are typed.
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

mod program;

use std::path::{Path, PathBuf};

use plimsoll::{Bytes, Engine};
use plimsoll_vec::input::npy_head;
use plimsoll_vec::neural::{NeuralCodec, NeuralShape};
use program::{report as json, run as plimsoll, said};

const DIMENSION: usize = 32;

/// Vectors whose numbers are sums of few.
fn vectors(folder: &Path, name: &str, rows: u32) -> PathBuf {
    let mut bytes = npy_head("<f4", u64::from(rows), DIMENSION);
    let mut state = 7_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f32::from(u16::try_from(state >> 16).unwrap()) / 32_768.0 - 1.0
    };
    let turns: Vec<f32> = (0..8 * DIMENSION).map(|_| next()).collect();
    for _ in 0..rows {
        let inner: Vec<f32> = (0..8).map(|_| next()).collect();
        for at in 0..DIMENSION {
            let sum: f32 =
                inner.iter().zip(turns.iter().skip(at).step_by(DIMENSION)).map(|(x, y)| x * y).sum();
            bytes.extend_from_slice(&(sum + 0.05 * next()).to_le_bytes());
        }
    }
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_codec_is_learned_compared_and_written() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(folder.path(), "rows.npy", 3000);
    let codec = folder.path().join("codec.safetensors");
    let (rows, out) = (rows.to_str().unwrap(), codec.to_str().unwrap());
    let train =
        ["vec", "train-codec", rows, "--latent", "8", "-o", out, "--epochs", "1", "--memory", "16MiB"];
    let report = json(&train);
    assert!(report["peak_bytes"].as_u64().unwrap() <= report["predicted_peak_bytes"].as_u64().unwrap());
    assert!(report["predicted_peak_bytes"].as_u64().unwrap() <= 16 << 20);
    let compared = report["compared"].as_array().unwrap();
    let names: Vec<&str> = compared.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"PCA, int8") && names.contains(&"binary: rotated signs"), "{names:?}");
    assert_eq!((compared[0]["learned"].as_bool(), compared[0]["row_bytes"].as_u64()), (Some(true), Some(12)));
    for one in compared {
        let recall = one["recall_at_10"].as_f64().unwrap();
        assert!((0.1..=1.0).contains(&recall) && one["mse"].as_f64().unwrap() > 0.0, "{one}");
    }
    let winner = report["winner"].as_str().unwrap();
    assert_eq!(report["neural_wins"].as_bool().unwrap(), winner == names[0]);
    assert!(report["verdict"].as_str().unwrap().contains(winner));
    // What was written is what anybody can load.
    let account = Engine::in_memory(Bytes::mib(1), "vec").unwrap().account("vec").unwrap();
    let loaded = NeuralCodec::load(&codec, &account).unwrap();
    assert_eq!(loaded.shape(), NeuralShape::new(DIMENSION, 8));
    // It is not written over, before any work is done, unless that is wanted.
    let before = std::fs::read(&codec).unwrap();
    assert!(said(&train, 1).contains("is there already"));
    assert_eq!(std::fs::read(&codec).unwrap(), before);
    let text = plimsoll(&[&train[..], &["--force", "--normalized"]].concat());
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("recall@10") && text.contains("at 12 bytes a vector"), "{text}");
    assert_ne!(std::fs::read(&codec).unwrap(), before);
    assert!(NeuralCodec::load(&codec, &account).unwrap().shape().normalized);
}

#[test]
fn an_index_reduces_by_a_codec_that_was_learned() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let rows = vectors(folder.path(), "rows.npy", 3000);
    let (rows, codec) = (rows.to_str().unwrap(), place("codec.safetensors"));
    let train = ["vec", "train-codec", rows, "--latent", "12", "--epochs", "0", "-o", &codec];
    json(&[&train[..], &["--memory", "16MiB"]].concat());
    let ids = |index: &str, again: &str| {
        let found = json(&["vec", "search", index, rows, "-k", "10", "--again", again, "--memory", "8MiB"]);
        let id = |one: &serde_json::Value| one["id"].as_u64().unwrap();
        let answers = found["answers"].as_array().unwrap();
        answers.iter().map(|one| one.as_array().unwrap().iter().map(id).collect()).collect::<Vec<Vec<u64>>>()
    };
    let exact = place("exact");
    json(&["vec", "build", rows, "--into", &exact, "--memory", "8MiB"]);
    let truth = ids(&exact, "1");
    let recall = |found: &[Vec<u64>]| {
        let there =
            |(found, truth): (&Vec<u64>, &Vec<u64>)| found.iter().filter(|id| truth.contains(id)).count();
        found.iter().zip(&truth).map(there).sum::<usize>() * 100 / (truth.len() * 10)
    };
    for (kept, least, lists) in [("int8", 80, None), ("planes", 55, None), ("int8", 70, Some("auto"))] {
        let home = place(&format!("{kept}{}", lists.unwrap_or_default()));
        let making = ["vec", "build", rows, "--into", &home, "--reduce", &codec, "--codec", kept];
        let lists: Vec<&str> = lists.into_iter().flat_map(|lists| ["--lists", lists]).collect();
        let built = json(&[&making[..], &["--memory", "8MiB"], &lists[..]].concat());
        assert!(built["peak_bytes"].as_u64().unwrap() <= built["predicted_peak_bytes"].as_u64().unwrap());
        let info = json(&["vec", "info", &home]);
        assert_eq!((info["dimension"].as_u64(), info["reduced"].as_u64()), (Some(32), Some(12)), "{info}");
        let (once, twice) = (recall(&ids(&home, "1")), recall(&ids(&home, "4")));
        assert!(once >= least, "{kept}: {once}% by codes alone");
        assert!(twice >= once.max(90), "{kept}: {twice}% when looked at again, {once}% before");
    }
    let text = plimsoll(&["vec", "info", &place("int8")]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("numbers of each, which the codec keeps"));
    // What cannot be is told before there is anything.
    let none = place("none");
    let build = |more: &[&str]| said(&[&["vec", "build", rows, "--into", &none][..], more].concat(), 1);
    let refused = build(&["--reduce", &codec, "--metric", "hamming", "--codec", "binary"]);
    assert!(refused.contains("take l2, ip or cosine"), "{refused}");
    assert!(build(&["--reduce", rows]).contains("is no neural codec"));
    assert!(!Path::new(&none).exists());
    // What a device does not know, it says.
    let pq = place("pq");
    json(&["vec", "build", rows, "--into", &pq, "--reduce", &codec, "--codec", "pq8"]);
    assert!(said(&["vec", "search", &pq, rows, "--device", "sim:0"], 1).contains("do not search pq8"));
}

/// What the planner says of a reduced index is what it takes, within a hundredth.
#[test]
fn a_planned_reduced_index_is_the_one_that_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let rows = vectors(folder.path(), "rows.npy", 20_000);
    let queries = vectors(folder.path(), "queries.npy", 1);
    let (rows, queries, codec) =
        (rows.to_str().unwrap(), queries.to_str().unwrap(), place("codec.safetensors"));
    json(&["vec", "train-codec", rows, "--latent", "12", "--epochs", "0", "-o", &codec, "--memory", "16MiB"]);
    for (kept, lists) in [("f32", ""), ("int8", ""), ("int8", "200"), ("planes", ""), ("pq2", "200")] {
        let home = place(&format!("{kept}{lists}"));
        let divided: &[&str] = if lists.is_empty() { &[] } else { &["--lists", lists] };
        json(
            &[&["vec", "build", rows, "--into", &home, "--reduce", &codec, "--codec", kept], divided]
                .concat(),
        );
        let lower = if kept == "planes" { ",lower=disk" } else { "" };
        let ivf = if lists.is_empty() { String::new() } else { format!(",ivf,nlist={lists}") };
        let text = format!("20000x32:{kept},reduce=12{ivf}{lower}");
        let resident = plimsoll_plan::index::Index::parse(&text).unwrap().phases().resident;
        let sum = |named: &[&str]| -> u64 {
            let parts = resident.iter().filter(|part| named.contains(&part.name.as_str()));
            parts.map(|part| part.bytes.get()).sum()
        };
        let near = |one: u64, other: u64| one.abs_diff(other) * 100 < other;
        let both = ["codes", "sign plane", "checksums", "centroids", "list table", "code tables"];
        let info = json(&["vec", "info", &home]);
        let disk = info["disk_bytes"].as_u64().unwrap();
        let said =
            sum(&both) + sum(&["lower planes", "originals", "ids by row and by id", "weights on disk"]);
        assert!(near(disk, said), "{text}: {disk} on disk, {said} planned");
        let kept = json(&["vec", "search", &home, queries])["predicted"]["kept_bytes"].as_u64().unwrap();
        let memory = info["memory_bytes"].as_u64().unwrap() + kept;
        let said = sum(&both) + sum(&["deleted", "weights"]);
        assert!(near(memory, said), "{text}: {memory} in memory, {said} planned");
    }
}

#[test]
fn what_cannot_be_learned_is_said_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rows = vectors(folder.path(), "rows.npy", 200);
    let few = vectors(folder.path(), "few.npy", 20);
    let out = folder.path().join("codec.safetensors");
    let (rows, few, out) = (rows.to_str().unwrap(), few.to_str().unwrap(), out.to_str().unwrap());
    let train = |file, latent, memory| {
        said(&["vec", "train-codec", file, "--latent", latent, "-o", out, "--memory", memory], 1)
    };
    assert!(train(rows, "0", "16MiB").contains("take 1 to 32"));
    assert!(train(rows, "33", "16MiB").contains("take 1 to 32"));
    assert!(train(few, "8", "16MiB").contains("20 vectors are too few"));
    assert!(train(rows, "8", "100KiB").contains("would do"));
    assert!(train("nowhere.npy", "8", "16MiB").contains("could not be read"));
    said(&["vec", "train-codec", rows, "-o", out], 2);
    assert!(!Path::new(out).exists());
}

#[test]
fn a_codec_is_measured_beside_the_product_alone() {
    let rows = json(&[
        "vec",
        "bench-codec",
        "--quick",
        "--rows",
        "200",
        "--dimension",
        "40",
        "--latent",
        "20",
        "--threads",
        "2",
    ]);
    let rows = rows.as_array().unwrap();
    for (work, engine) in [
        ("the product 40<-20 alone", "gemm"),
        ("decode_flat 40<-20", "plimsoll"),
        ("decode 40<-20", "plimsoll"),
        ("decode_into 40<-20", "plimsoll"),
        ("encode 40->20", "plimsoll"),
    ] {
        let row = rows.iter().find(|row| row["work"] == work).unwrap();
        assert_eq!(row["engine"], engine);
        assert!(
            row["vectors_per_second"].as_f64().unwrap() > 0.0
                && row["limit_fraction"].as_f64().unwrap() > 0.0
        );
    }
    let error = said(&["vec", "bench-codec", "--quick", "--latent", "769"], 1);
    assert!(error.contains("take 1 to 768"), "{error}");
}
