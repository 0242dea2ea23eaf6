//! How fast cold blocks come back, beside the disk itself and beside plain files: every turn reads as many bytes, from
//! files whose pages were dropped, in turns, and medians are printed.
//!
//! ```console
//! $ cargo run --release -p plimsoll-kv --example cold_read -- [MIB] [TURNS] [FOLDER]
//! ```

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::run()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::File;
    use std::io::Write as _;
    use std::os::unix::fs::FileExt as _;
    use std::path::Path;
    use std::time::Instant;

    use plimsoll::Bytes;
    use plimsoll_kv::block::{BlockId, Root};
    use plimsoll_kv::layout::{Element, Layout};
    use plimsoll_kv::store::folder::{Folder, FolderSettings, ReadWay};
    use plimsoll_kv::store::{Expect, Found, Record, Store as _, Wanted, Worth};

    const SECTIONS: usize = 32;
    const SECTION_BYTES: usize = 32 << 10;
    const RECORD_BYTES: usize = SECTIONS * SECTION_BYTES;
    /// Blocks of a prefix that is restored at once.
    const BATCH: usize = 32;
    type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

    fn drop_pages(folder: &Path) -> Fallible<()> {
        for entry in std::fs::read_dir(folder)? {
            let file = File::open(entry?.path())?;
            file.sync_all()?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_lines, clippy::cast_precision_loss, reason = "one measurement after the other")]
    pub fn run() -> Fallible<()> {
        let words: Vec<String> = std::env::args().collect();
        let mib: usize = words.get(1).map_or(Ok(512), |word| word.parse())?;
        let turns: usize = words.get(2).map_or(Ok(5), |word| word.parse())?;
        let place = words.get(3).map_or_else(|| tempfile::tempdir_in("."), tempfile::tempdir_in)?;
        let records = (mib << 20) / RECORD_BYTES;
        let root = Root::of(b"weights", &Layout::uniform(32, 8, 128, Element::F16, 16)).build();
        let tokens: Vec<u32> = (0..16).collect();
        let mut data = vec![0_u8; RECORD_BYTES];
        let mut state = 1_u64;
        for byte in data.as_chunks_mut::<8>().0 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = state.to_le_bytes();
        }
        let (cold, plain, raw) =
            (place.path().join("cold"), place.path().join("plain"), place.path().join("raw"));
        std::fs::create_dir(&plain)?;
        std::fs::create_dir(&raw)?;
        let settings =
            |reads| FolderSettings { reads, ..FolderSettings::new(&cold, Bytes::mib(mib as u64 * 2)) };
        let (folder, _) = Folder::open(&settings(ReadWay::Pread))?;
        let sections: Vec<&[u8]> = data.chunks(SECTION_BYTES).collect();
        let mut one_file = File::create(raw.join("all"))?;
        for number in 0..records {
            folder.put(&[Record {
                id: BlockId::new(number as u128 + 1),
                parent: None,
                root: &root,
                tokens: &tokens,
                form: 0,
                worth: Worth::default(),
                sections: &sections,
            }])?;
            std::fs::write(plain.join(number.to_string()), &data)?;
            one_file.write_all(&data)?;
        }
        drop(folder);
        let expect = Expect { parent: None, root: &root, tokens: &tokens, form: 0 };
        let mut into = vec![0_u8; RECORD_BYTES * BATCH];
        let names = [
            "disk: one file, pread",
            "plain files",
            "store: one by one",
            "store: batches, pread",
            "store: batches, io_uring",
        ];
        let mut took: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
        for _ in 0..turns {
            for (way, took) in took.iter_mut().enumerate() {
                [&cold, &plain, &raw].into_iter().try_for_each(|folder| drop_pages(folder))?;
                let reads = if way == 4 { ReadWay::Uring } else { ReadWay::Pread };
                let (folder, _) = Folder::open(&settings(reads))?;
                let file = File::open(raw.join("all"))?;
                let began = Instant::now();
                for batch in (0..records).step_by(BATCH) {
                    let count = BATCH.min(records - batch);
                    match way {
                        0 => file.read_exact_at(
                            &mut into[..count * RECORD_BYTES],
                            (batch * RECORD_BYTES) as u64,
                        )?,
                        1 => {
                            for number in 0..count {
                                let file = File::open(plain.join((batch + number).to_string()))?;
                                file.read_exact_at(&mut into[number * RECORD_BYTES..][..RECORD_BYTES], 0)?;
                            }
                        }
                        2 => {
                            for number in 0..count {
                                let into = &mut into[number * RECORD_BYTES..][..RECORD_BYTES];
                                let id = BlockId::new((batch + number) as u128 + 1);
                                assert_eq!(folder.read(id, &expect, 0..SECTIONS, into)?, Found::Yes);
                            }
                        }
                        _ => {
                            let mut wanted: Vec<Wanted<'_>> = into
                                .chunks_mut(RECORD_BYTES)
                                .take(count)
                                .enumerate()
                                .map(|(number, into)| {
                                    let id = BlockId::new((batch + number) as u128 + 1);
                                    Wanted { id, expect, sections: 0..SECTIONS, into, found: Ok(Found::No) }
                                })
                                .collect();
                            folder.read_many(&mut wanted);
                            assert!(wanted.iter().all(|wanted| matches!(wanted.found, Ok(Found::Yes))));
                        }
                    }
                }
                took.push((records * RECORD_BYTES) as f64 / began.elapsed().as_secs_f64() / 1e9);
            }
        }
        let beside = took[0].clone();
        println!(
            "{records} records of 1 MiB in 32 sections, batches of {BATCH}, {turns} turns, pages dropped"
        );
        for (name, took) in names.iter().zip(&took) {
            // Each beside the disk of the same turn: the disk is others' as well, and changes from turn to turn.
            let share: Vec<f64> = took.iter().zip(&beside).map(|(one, disk)| one / disk).collect();
            println!("{name:26} {:6.3} GB/s  {:4.0}% of the disk", median(took), median(&share) * 100.0);
        }
        Ok(())
    }

    fn median(values: &[f64]) -> f64 {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("pages are dropped on Linux only");
}
