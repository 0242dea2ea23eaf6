//! Any bytes are a file of an index (of planes, or of a codec that learns, in lists), of vectors, or of a neural codec: what is found is right, or it is said why nothing is.

#![no_main]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use plimsoll::{Bytes, Engine, EngineAccount};
use plimsoll_vec::index::{Index, Lists, Probe, Search, Shape};
use plimsoll_vec::input::{Input, npy_head};
use plimsoll_vec::neural::NeuralCodec;
use plimsoll_vec::{Codec, Metric};

const DIMENSION: usize = 4;

/// A small index as files, and what it answers.
struct Good {
    files: BTreeMap<String, Vec<u8>>,
    ids: Vec<u64>,
}

fn account() -> EngineAccount {
    Engine::in_memory(Bytes::mib(64), "vec").expect("it opens").account("vec").expect("it is there")
}

fn home(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("plimsoll-fuzz-vec-{}-{name}", std::process::id()))
}

fn query() -> Vec<f32> {
    (0..DIMENSION * 3).map(|n| n as f32 * 0.3 - 1.0).collect()
}

fn search(index: &Index) -> Option<Vec<u64>> {
    // Of two lists one: so their middles are looked at.
    let search = Search { again: 2, threads: 1, probe: Probe::Lists(1), ..Search::nearest(4) };
    index.search(&query(), &search).ok().map(|answer| answer.ids)
}

fn rows() -> Vec<f32> {
    (0..70 * DIMENSION).map(|n| (n * 37 % 101) as f32 / 50.0 - 1.0).collect()
}

fn made(home: &Path, codec: Codec, lists: Option<Lists>) -> Index {
    let _ = std::fs::remove_dir_all(home);
    let shape =
        Shape { dimension: DIMENSION, metric: Metric::L2, codec, originals: true, lists, reduced: None };
    Index::create(home, shape, &account()).expect("it is made")
}

/// One with a log, young rows and dead ones, whose codes have lower planes.
fn planes(home: &Path) -> Index {
    let index = made(home, Codec::Planes, None);
    let ids: Vec<u64> = (0..70).map(|n| n * 13 % 71).collect();
    index.add(&rows(), Some(&ids)).expect("there is room");
    index.delete(&[5, 6]).expect("they are there");
    index.publish().expect("there is room");
    index.add(&rows()[..DIMENSION], Some(&[1000])).expect("there is room");
    index.delete(&[7]).expect("it is there");
    index
}

/// One with what its codec has learnt, and the middles of lists.
fn books(home: &Path) -> Index {
    let index = made(home, Codec::Pq2, Some(Lists::Count(2)));
    let input = home.join("rows.npy");
    let numbers = rows().into_iter().flat_map(f32::to_le_bytes);
    let file: Vec<u8> = npy_head("<f4", 70, DIMENSION).into_iter().chain(numbers).collect();
    std::fs::write(&input, file).expect("it is written");
    index.build(&input, None, |_| {}).expect("there is room");
    std::fs::remove_file(&input).expect("it was written");
    index
}

/// The indexes, by the names of their folders.
fn good() -> &'static BTreeMap<&'static str, Good> {
    static GOOD: OnceLock<BTreeMap<&'static str, Good>> = OnceLock::new();
    GOOD.get_or_init(|| {
        let make: [(&str, fn(&Path) -> Index); 2] = [("planes", planes), ("books", books)];
        let all = make.map(|(name, make)| {
            let home = home(name);
            let index = make(&home);
            let ids = search(&index).expect("it is whole");
            drop(index);
            let files = std::fs::read_dir(&home).expect("it is there").flatten();
            let files = files.map(|entry| {
                let bytes = std::fs::read(entry.path()).expect("it is a file");
                (entry.file_name().into_string().expect("names are plain"), bytes)
            });
            (name, Good { files: files.collect(), ids })
        });
        all.into()
    })
}

fn read(path: &Path) {
    let account = account();
    let streaming = account.engine().streaming("vec").expect("it is there");
    let Ok(mut input) = Input::open(path, &streaming, Bytes::kib(4)) else { return };
    let (mut vectors, mut ids) = (vec![0.0; input.facts().dimension * 3], Vec::new());
    while let Ok(1..) = input.read(&mut vectors, &mut ids) {}
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, rest)) = bytes.split_first() else { return };
    let good = good();
    if let Some(end) = ["npy", "fvecs", "bvecs", "jsonl"].get(usize::from(first)) {
        let path = home("planes").join(format!("input.{end}"));
        let head: &[u8] = if first == 0 { b"\x93NUMPY\x01\x00" } else { &[] };
        std::fs::write(&path, [head, rest].concat()).expect("it is written");
        read(&path);
        return;
    }
    if first == 4 {
        let path = home("planes").join("codec.safetensors");
        std::fs::write(&path, rest).expect("it is written");
        if let Ok(codec) = NeuralCodec::load(&path, &account()) {
            let rows = vec![1.0; codec.shape().dimension];
            if let Ok(latents) = codec.encode(&rows) {
                let mut back = rows;
                codec.decode_flat(latents.view(), &mut back).expect("what was coded can be read");
                assert!(back.iter().all(|x| x.is_finite()), "{back:?}");
            }
        }
        return;
    }
    let names: Vec<(&str, &Good, &String)> = good
        .iter()
        .flat_map(|(folder, good)| good.files.keys().map(move |name| (*folder, good, name)))
        .filter(|(_, _, name)| *name != "lock")
        .collect();
    let (folder, good, name) = names[usize::from(first / 2) % names.len()];
    let home = home(folder);
    let mut file = good.files[name].clone();
    // A log that was published has nothing in it.
    if first % 2 == 0 && !file.is_empty() {
        for change in rest.chunks_exact(3) {
            let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % file.len();
            file[at] = change[2];
        }
    } else {
        file = rest.to_vec();
    }
    std::fs::write(home.join(name), file).expect("it is written");
    if let Ok(index) = Index::open(&home, &account())
        && let Some(ids) = search(&index)
    {
        // The end of a log may be one that was never answered; everything else is right or told.
        assert!(ids == good.ids || name.ends_with("log"), "{name}: {ids:?}, not {:?}", good.ids);
    }
    std::fs::write(home.join(name), &good.files[name]).expect("it is written");
});
