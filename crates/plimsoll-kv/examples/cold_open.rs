//! How long a cold store of 100 GB takes to open and to list. The folder is sparse: headers, footers and heads are
//! written, and of the data only holes, so it needs little of the disk.
//!
//! ```console
//! $ cargo run --release -p plimsoll-kv --example cold_open -- [GB] [FOLDER]
//! ```

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::time::Instant;

    use plimsoll::Bytes;
    use plimsoll_kv::block::{BlockId, Root};
    use plimsoll_kv::layout::{Element, Layout};
    use plimsoll_kv::store::folder::{Folder, FolderSettings, ReadWay, RealDisk};
    use plimsoll_kv::store::{Record, Store as _, Worth};

    let words: Vec<String> = std::env::args().collect();
    let gigabytes: u64 = words.get(1).map_or(Ok(100), |word| word.parse())?;
    let place = words.get(2).map_or_else(tempfile::tempdir, tempfile::tempdir_in)?;
    let path = place.path().join("cold");
    let max_bytes = Bytes::new(gigabytes * 1_100_000_000);
    let settings = FolderSettings::new(&path, max_bytes);
    let root = Root::of(b"weights", &Layout::uniform(32, 8, 128, Element::F16, 64)).build();
    let section = vec![0_u8; 64 << 10];
    let sections: Vec<&[u8]> = (0..32).map(|_| &section[..]).collect();
    let tokens: Vec<u32> = (0..64).collect();
    let record_bytes = 32 * (64 << 10);
    let records = gigabytes * 1_000_000_000 / record_bytes;

    let disk = std::sync::Arc::new(hollow::Hollow(RealDisk::new(&path, ReadWay::Best)));
    let began = Instant::now();
    let (folder, _) = Folder::open_on(disk, &settings)?;
    for number in 0..records {
        let id = |number: u64| BlockId::new(u128::from(number) << 32 | 5);
        folder.put(&[Record {
            id: id(number),
            parent: (number % 100 > 0).then(|| id(number - 1)),
            root: &root,
            tokens: &tokens,
            form: 0,
            worth: Worth { seconds: 0.1, uses: 1, used_at: number },
            sections: &sections,
        }])?;
    }
    drop(folder);
    println!("{records} records of 2 MiB in 32 sections built in {:.1?}", began.elapsed());
    for cold in [false, false, false, true, true, true] {
        if cold {
            // Only what this process may drop: the pages of these files.
            for entry in std::fs::read_dir(&path)? {
                let file = std::fs::File::open(entry?.path())?;
                file.sync_all()?;
                #[cfg(target_os = "linux")]
                rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
            }
        }
        let began = Instant::now();
        let (folder, report) = Folder::open(&settings)?;
        let opened = began.elapsed();
        let mut listed = 0;
        folder.list(&mut |_| listed += 1)?;
        let ready = began.elapsed();
        assert_eq!((listed, report.records, report.scanned), (records, records, 0));
        let pages = if cold { "dropped" } else { "cached" };
        println!("pages {pages}: {} segments opened in {opened:.1?}, listed in {ready:.1?}", report.segments);
    }
    Ok(())
}

/// A disk that leaves holes where pages of zeros would be written.
#[cfg(unix)]
mod hollow {
    use std::io::{self, IoSliceMut};
    use std::ops::Range;
    use std::path::Path;
    use std::sync::Arc;

    use plimsoll_kv::store::folder::RealDisk;
    use plimsoll_kv::store::folder::disk::{Disk, Facts, File, How, Lock};

    #[derive(Debug)]
    pub struct Hollow(pub RealDisk);

    #[derive(Debug)]
    struct HollowFile(Arc<dyn File>);

    impl Disk for Hollow {
        fn path(&self) -> &Path {
            self.0.path()
        }
        fn block_bytes(&self) -> u32 {
            self.0.block_bytes()
        }
        fn make(&self) -> io::Result<()> {
            self.0.make()
        }
        fn lock(&self, name: &str) -> io::Result<Lock> {
            self.0.lock(name)
        }
        fn probe(&self, name: &str) -> io::Result<Lock> {
            self.0.probe(name)
        }
        fn list(&self) -> io::Result<Vec<String>> {
            self.0.list()
        }
        fn open(&self, name: &str, how: How) -> io::Result<Arc<dyn File>> {
            Ok(Arc::new(HollowFile(self.0.open(name, how)?)))
        }
        fn unlink(&self, name: &str) -> io::Result<()> {
            self.0.unlink(name)
        }
        fn sync(&self) -> io::Result<()> {
            self.0.sync()
        }
        fn way(&self) -> &'static str {
            "hollow"
        }
    }

    impl File for HollowFile {
        fn read_at(&self, at: u64, parts: &mut [IoSliceMut<'_>]) -> io::Result<()> {
            self.0.read_at(at, parts)
        }
        fn write_at(&self, mut at: u64, parts: &[&[u8]]) -> io::Result<()> {
            let end = at + parts.iter().map(|part| part.len() as u64).sum::<u64>();
            for part in parts {
                if part.len() < 64 << 10 {
                    self.0.write_at(at, &[part])?;
                }
                at += part.len() as u64;
            }
            if self.0.facts()?.bytes < end { self.0.truncate(end) } else { Ok(()) }
        }
        fn sync(&self) -> io::Result<()> {
            self.0.sync()
        }
        fn punch(&self, range: Range<u64>) -> io::Result<()> {
            self.0.punch(range)
        }
        fn truncate(&self, bytes: u64) -> io::Result<()> {
            self.0.truncate(bytes)
        }
        fn facts(&self) -> io::Result<Facts> {
            self.0.facts()
        }
    }
}

#[cfg(not(unix))]
fn main() {
    eprintln!("a folder is kept on unix only");
}
