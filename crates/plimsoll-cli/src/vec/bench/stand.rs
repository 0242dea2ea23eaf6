//! What is measured, and what the machine does by itself.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use plimsoll::holding::streaming::{FileSource, Source};
use plimsoll_vec::Codec;
use plimsoll_vec::index::{Lists, VecError};
use plimsoll_vec::input::Input;

use super::{BenchArgs, Only};

/// What is measured.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) rows: u64,
    pub(super) dimension: usize,
    pub(super) threads: usize,
    pub(super) turns: usize,
    pub(super) quick: bool,
    pub(super) lists: Lists,
    pub(super) within: PathBuf,
    only: Option<Only>,
    codecs: Vec<Codec>,
    /// Files of vectors and of queries that are not made.
    pub(super) given: Option<(PathBuf, PathBuf)>,
    /// Where vectors and queries are left.
    pub(super) leave: Option<PathBuf>,
    /// What rates are compared with, in words.
    pub(super) limit: &'static str,
}

impl Settings {
    pub(super) fn new(args: &BenchArgs) -> Result<Self, VecError> {
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        let given = args.vectors.clone().zip(args.queries.clone());
        let facts = given.as_ref().map(|(vectors, _)| Input::facts_of(vectors)).transpose()?;
        let known = facts.as_ref().and_then(|facts| facts.rows);
        Ok(Self {
            rows: known.or(args.rows).unwrap_or(match (args.quick, args.device) {
                (true, _) => 30_000,
                (false, None) => 200_000,
                (false, Some(_)) => 1_000_000,
            }),
            dimension: facts.map_or(usize::try_from(args.dimension).unwrap_or(768), |facts| facts.dimension),
            threads: if args.threads == 0 { all } else { args.threads },
            turns: if args.quick { 3 } else { 7 },
            quick: args.quick,
            limit: match args.device {
                None => "what memory, or the disk, was read with",
                Some(_) => "what the device copies, read and written, or what comes to it",
            },
            lists: args.lists,
            within: args.within.clone().unwrap_or_else(std::env::temp_dir),
            only: args.only,
            codecs: args.codecs.clone(),
            given,
            leave: args.leave.clone(),
        })
    }

    /// Whether this is measured.
    pub(super) fn wants(&self, what: Only) -> bool {
        self.only.is_none_or(|only| only == what)
    }

    /// Whether this codec is.
    pub(super) fn has(&self, codec: Codec) -> bool {
        self.codecs.is_empty() || self.codecs.contains(&codec)
    }
}

/// How fast a file is read past the page cache with so many reads of 4 MiB in flight: the most that a pass can reach.
#[expect(clippy::cast_precision_loss, reason = "a rate")]
pub(super) fn disk_rate(path: &Path, threads: usize) -> Result<f64, VecError> {
    const BLOCK: usize = 4 << 20;
    let file = FileSource::open(path, true)?;
    let failed = |source| VecError::Folder { path: path.to_owned(), source };
    let length = file.bytes_now().map_err(failed)?;
    let at = AtomicU64::new(0);
    let began = Instant::now();
    let read = || {
        // Whole pages that begin at one.
        let mut bytes = vec![0; BLOCK + 4096];
        let start = bytes.as_ptr().align_offset(4096);
        loop {
            let offset = at.fetch_add(BLOCK as u64, Ordering::Relaxed);
            if offset >= length {
                return Ok(());
            }
            file.read_at(offset, &mut bytes[start..start + BLOCK])?;
        }
    };
    let done: Result<Vec<()>, std::io::Error> = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..threads).map(|_| scope.spawn(read)).collect();
        readers.into_iter().map(|reader| reader.join().unwrap_or(Ok(()))).collect()
    });
    done.map_err(failed)?;
    Ok(length as f64 / began.elapsed().as_secs_f64())
}
