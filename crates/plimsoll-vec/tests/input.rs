//! Files of vectors: what is read from each kind, and what is said of those that cannot be read.

#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

use std::path::{Path, PathBuf};

use std::fmt::Write as _;

use plimsoll::holding::Streaming;
use plimsoll::{Bytes, Engine};
use plimsoll_vec::input::{Input, InputError};

fn streaming(engine: &Engine) -> Streaming {
    engine.streaming("vec").unwrap()
}

fn engine() -> Engine {
    Engine::in_memory(Bytes::mib(16), "vec").unwrap()
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn npy(descr: &str, rows: usize, dimension: usize, numbers: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {dimension}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&u16::try_from(text.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(numbers);
    bytes
}

fn all(path: &Path, chunk: u64) -> Result<(Vec<f32>, Vec<u64>), InputError> {
    let engine = engine();
    let mut input = Input::open(path, &streaming(&engine), Bytes::new(chunk))?;
    let dimension = input.facts().dimension;
    let (mut vectors, mut ids) = (Vec::new(), Vec::new());
    // An odd number of rows, so that reads end within chunks.
    let mut part = vec![0.0; dimension * 3];
    loop {
        let count = input.read(&mut part, &mut ids)?;
        if count == 0 {
            break;
        }
        vectors.extend_from_slice(&part[..count * dimension]);
    }
    Ok((vectors, ids))
}

#[test]
fn every_kind_gives_the_same_vectors_whatever_the_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let numbers: Vec<u8> = (0..40).map(|n| n * 3).collect();
    let floats: Vec<f32> = numbers.iter().map(|&n| f32::from(n)).collect();
    let singles: Vec<u8> = floats.iter().flat_map(|n| n.to_le_bytes()).collect();
    let doubles: Vec<u8> = floats.iter().flat_map(|n| f64::from(*n).to_le_bytes()).collect();
    let halves: Vec<u8> = floats.iter().flat_map(|n| half::f16::from_f32(*n).to_le_bytes()).collect();
    let vecs = |row_bytes: usize, numbers: &[u8]| -> Vec<u8> {
        let row = |row: &[u8]| [&4_u32.to_le_bytes()[..], row].concat();
        numbers.chunks(row_bytes).flat_map(row).collect()
    };
    let mut lines = String::new();
    for row in floats.chunks(4) {
        writeln!(lines, "{row:?}\n").unwrap();
    }
    let files = [
        file(folder.path(), "singles.npy", &npy("<f4", 10, 4, &singles)),
        file(folder.path(), "doubles.npy", &npy("<f8", 10, 4, &doubles)),
        file(folder.path(), "halves.npy", &npy("<f2", 10, 4, &halves)),
        file(folder.path(), "bytes.npy", &npy("|u1", 10, 4, &numbers)),
        file(folder.path(), "a.fvecs", &vecs(16, &singles)),
        file(folder.path(), "a.bvecs", &vecs(4, &numbers)),
        file(folder.path(), "a.jsonl", lines.as_bytes()),
    ];
    for path in files {
        for chunk in [64, 100, 1 << 20] {
            let (vectors, ids) = all(&path, chunk).unwrap();
            assert_eq!(vectors, floats, "{} by {chunk}", path.display());
            assert!(ids.is_empty());
        }
    }
}

#[test]
fn lines_may_bring_ids() {
    let folder = tempfile::tempdir().unwrap();
    let text = b"{\"id\": 7, \"vector\": [1, 2]}\n{\"embedding\": [3, 4], \"id\": 9}";
    let path = file(folder.path(), "a.jsonl", text);
    assert_eq!(all(&path, 1 << 16).unwrap(), (vec![1.0, 2.0, 3.0, 4.0], vec![7, 9]));
    let path = file(folder.path(), "b.jsonl", b"{\"id\": 7, \"vector\": [1, 2]}\n[3, 4]\n");
    assert!(all(&path, 1 << 16).unwrap_err().to_string().contains("line 2"));
}

#[test]
fn an_array_without_rows_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "none.npy", &npy("<f4", 0, 4, &[]));
    assert_eq!(all(&path, 64).unwrap(), (Vec::new(), Vec::new()));
}

#[test]
fn what_is_wrong_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut uneven = [4_u32.to_le_bytes().to_vec(), vec![0; 16]].concat();
    uneven.extend([5_u32.to_le_bytes().to_vec(), vec![0; 16]].concat());
    let bytes = |words: &[(u32, usize)]| -> Vec<u8> {
        words.iter().flat_map(|(head, bytes)| [&head.to_le_bytes()[..], &vec![7; *bytes]].concat()).collect()
    };
    let bad: [(&str, Vec<u8>, &str); 13] = [
        ("cut.npy", npy("<f4", 10, 4, &[0; 159]), "is cut"),
        ("long.npy", npy("<f4", 10, 4, &[0; 164]), "is cut"),
        ("many.npy", npy("<f4", usize::MAX / 2, 4, &[0; 16]), "is cut"),
        ("wide.npy", npy("<f4", 1, 70_000, &[]), "70000 numbers"),
        ("empty.fvecs", Vec::new(), "is empty"),
        ("cut.fvecs", [4_u32.to_le_bytes().to_vec(), vec![0; 15]].concat(), "is cut"),
        ("uneven.fvecs", uneven, "vector 1"),
        ("cut.bvecs", bytes(&[(4, 4), (4, 3)]), "is cut"),
        ("uneven.bvecs", bytes(&[(4, 4), (5, 4)]), "vector 1"),
        ("empty.bvecs", Vec::new(), "is empty"),
        ("nan.jsonl", b"[1, 2]\n[1, NaN]\n".to_vec(), "line 2"),
        ("word.jsonl", b"[1, 2]\nhello\n".to_vec(), "line 2"),
        ("uneven.jsonl", b"[1, 2]\n[1, 2, 3]\n".to_vec(), "3 numbers"),
    ];
    for (name, bytes, said) in bad {
        let error = all(&file(folder.path(), name, &bytes), 1 << 16).unwrap_err().to_string();
        assert!(error.contains(said), "{name}: {error}");
    }
    let text = all(&file(folder.path(), "a.txt", b"hello"), 64).unwrap_err().to_string();
    assert!(text.contains(".npy"), "{text}");
    assert!(matches!(all(&folder.path().join("none.npy"), 64), Err(InputError::Read { .. })));
}
