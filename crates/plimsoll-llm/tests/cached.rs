//! The shipped model over the tiered cache: a prompt that was computed before is not computed again, also after a
//! restart, and the text is the same.

#![allow(clippy::unwrap_used, reason = "a scenario fails by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use plimsoll::ledger::{LedgerSettings, LineSettings};
use plimsoll::{Bytes, Engine, Place};
use plimsoll_device::{HostDevice, HostSettings};
use plimsoll_kv::cache::{Cache, CacheSettings, ColdSettings, Split};
use plimsoll_kv::engine::LeasedPages;
use plimsoll_kv::layout::Element;
use plimsoll_kv::store::folder::{Folder, FolderSettings};
use plimsoll_llm::{Decoder, Draw};

fn model() -> Option<PathBuf> {
    let file =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/models/tiny-7m-q8_0.gguf"));
    if file.is_file() {
        return Some(file);
    }
    println!("skipped: {} is not there", file.display());
    None
}

/// A cache over a folder, whose tiers keep every bit or as few as is usual.
fn cache(decoder: &Arc<Decoder>, folder: &Path, exact: bool) -> (Engine, Cache<LeasedPages>) {
    let total = Bytes::mib(48);
    let disk = Bytes::mib(64);
    let mut accounts = Split::default().accounts("kv", total, Place::Host);
    for account in &mut accounts {
        for share in account.shares.iter_mut().filter(|share| share.place == Place::Disk) {
            (share.guaranteed, share.limit) = (disk, disk);
        }
    }
    let places = vec![LineSettings::new(Place::Host, total), LineSettings::new(Place::Disk, disk)];
    let device = Arc::new(HostDevice::open(HostSettings::default()).unwrap());
    let engine = Engine::with(&LedgerSettings { places, accounts }, vec![device]).unwrap();
    let pool = |path: &str| engine.account(path).unwrap().scratch(Place::Host).unwrap();
    let pages = LeasedPages::new(decoder.layout(16, Element::F16), pool("kv/hot")).unwrap();
    let account = Some((*engine.account("kv/cold").unwrap()).clone());
    let store =
        Folder::open(&FolderSettings { account, ..FolderSettings::new(folder, Bytes::mib(48)) }).unwrap().0;
    let cold = ColdSettings { patience: Duration::from_mins(1), ..ColdSettings::new(Arc::new(store)) };
    let settings = CacheSettings::new("kv", pool("kv/warm")).cold(cold);
    let settings = if exact { settings.exact() } else { settings };
    let cache = Cache::open(pages, settings).unwrap();
    (engine, cache)
}

#[test]
fn a_prompt_is_not_computed_twice_and_the_text_is_the_same() {
    let Some(model) = model() else { return };
    let decoder = Arc::new(Decoder::open(model).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let prompt = decoder.sample(11, 200).unwrap();
    let root = decoder.root(&decoder.layout(16, Element::F16)).build();
    let alone = decoder.generate(&prompt, 24, Draw::Likeliest).unwrap();
    let (engine, first) = cache(&decoder, folder.path(), true);
    let cold = decoder.generate_cached(&first, root, &prompt, 24, Draw::Likeliest).unwrap();
    assert_eq!((&cold.text, cold.reused), (&alone, 0));
    let hot = decoder.generate_cached(&first, root, &prompt, 24, Draw::Likeliest).unwrap();
    // The last token is always computed: what follows depends on it. 199 tokens are twelve whole blocks.
    assert_eq!((&hot.text, hot.reused), (&alone, 192));
    // A longer prompt goes on from the text that was generated.
    let longer: Vec<u32> = prompt.iter().chain(&alone).copied().collect();
    let turn = decoder.generate_cached(&first, root, &longer, 4, Draw::Likeliest).unwrap();
    assert_eq!(turn.reused, 208);
    drop(first);
    assert!(engine.snapshot().is_clear());
    let (_engine, again) = cache(&decoder, folder.path(), true);
    let restored = decoder.generate_cached(&again, root, &prompt, 24, Draw::Likeliest).unwrap();
    assert_eq!((&restored.text, restored.reused), (&alone, 192));
    println!(
        "to the first token: {:?} computed, {:?} hot, {:?} from disk",
        cold.first, hot.first, restored.first
    );
}

#[test]
fn four_bits_on_disk_still_write_sense_and_another_model_finds_nothing() {
    let Some(model) = model() else { return };
    let decoder = Arc::new(Decoder::open(model).unwrap());
    let root = decoder.root(&decoder.layout(16, Element::F16)).build();
    let (mut same, mut first) = (0, 0);
    for seed in 5..8 {
        let folder = tempfile::tempdir().unwrap();
        let prompt = decoder.sample(seed, 150).unwrap();
        let alone = decoder.generate(&prompt, 16, Draw::Likeliest).unwrap();
        drop({
            let (_, first) = cache(&decoder, folder.path(), false);
            decoder.generate_cached(&first, root, &prompt, 1, Draw::Likeliest).unwrap()
        });
        let (_engine, again) = cache(&decoder, folder.path(), false);
        let other = decoder.root(&decoder.layout(16, Element::F16)).adapter(b"another").build();
        assert_eq!(decoder.generate_cached(&again, other, &prompt, 1, Draw::Likeliest).unwrap().reused, 0);
        let restored = decoder.generate_cached(&again, root, &prompt, 16, Draw::Likeliest).unwrap();
        assert_eq!(restored.reused, 144);
        first += usize::from(restored.text[0] == alone[0]);
        same += restored.text.iter().zip(&alone).take_while(|(one, other)| one == other).count();
    }
    println!("{same} of 48 tokens are the same after four bits, and {first} of 3 first ones");
    // Where the two likeliest tokens are close, four bits may decide between them.
    assert!(first >= 2, "{first} of 3 first tokens are the same after four bits");
}
