//! `plimsoll bench docs`: how fast documents become passages and are found, beside reading them, and what memory that takes.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use plimsoll::{Bytes, Engine, EngineAccount, Place};
use plimsoll_docs::passage::{Chunking, Passages};
use plimsoll_docs::source::{Entry, Found, Walk};
use plimsoll_docs::{DocsError, IngestSettings, Library, Query};
use serde::Serialize;

use super::{median, resident};
use crate::draw::{Align, Pen, Style, Table};
use crate::{CliError, Printer};

/// A text says something new for so many bytes: far more than is looked back at when passages are packed.
const FRESH: u64 = 256_000_000;

const EXAMPLES: &str = "\
Examples:
  plimsoll bench docs                             texts of 1 MB, 100 MB and 1 GB
  plimsoll bench docs --sizes 1MB,10GB --within /mnt/disk
  plimsoll bench docs --quick                     whether everything runs

Texts are made up: sentences of words as often as in a language, paragraphs, from a fixed seed; after 256 MB they begin anew. Files are read out of the page cache
where they fit there. Memory is what the process has beside what it had before. Build with --release and close what else is running.";

/// What can be typed after `bench docs`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct DocsBenchArgs {
    /// Sizes of the texts
    #[arg(long, value_name = "SIZES", value_delimiter = ',', default_values_t = [Bytes::new(1_000_000), Bytes::new(100_000_000), Bytes::new(1_000_000_000)])]
    pub sizes: Vec<Bytes>,
    /// A folder on the disk that is meant
    #[arg(long, value_name = "DIR")]
    pub within: Option<PathBuf>,
    /// The most memory that it may take
    #[arg(long, value_name = "SIZE", default_value = "256MiB")]
    pub memory: Bytes,
    /// A small text: whether everything runs, not how fast
    #[arg(long, conflicts_with = "sizes")]
    pub quick: bool,
}

/// What `plimsoll bench docs --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct DocsBenchReport {
    /// A row for each size and work.
    pub rows: Vec<DocsRow>,
    /// Questions of one, two and four words in the largest.
    pub searches: Vec<SearchRow>,
    /// The line that all of it was held to.
    pub memory_bytes: u64,
}

/// One work.
#[derive(Clone, Debug, Serialize)]
pub struct DocsRow {
    /// Bytes of the text.
    pub bytes: u64,
    /// What was done.
    pub work: String,
    /// How long it took.
    pub seconds: f64,
    /// Megabytes of text a second.
    pub mb_per_s: f64,
    /// Of the rate at which the file is read.
    pub of_reading: f64,
    /// The most memory that was charged.
    pub charged_bytes: u64,
    /// What the process had more in memory at most.
    pub resident_bytes: u64,
    /// What it takes on disk, of what it took before.
    pub disk_share: Option<f64>,
}

/// Questions of some words.
#[derive(Clone, Debug, Serialize)]
pub struct SearchRow {
    /// Words of each.
    pub words: usize,
    /// The median time of one.
    pub ms: f64,
}

/// Measures.
pub fn run(args: &DocsBenchArgs, printer: &Printer) -> Result<(), CliError> {
    crate::heap::give_back();
    let report = measure(args).map_err(|error| CliError::Bench(error.to_string()))?;
    printer.report(&report, view)
}

fn measure(args: &DocsBenchArgs) -> Result<DocsBenchReport, DocsError> {
    let within = args.within.clone().unwrap_or_else(std::env::temp_dir);
    let home = tempfile::tempdir_in(&within).map_err(|source| DocsError::Folder { path: within, source })?;
    let sizes = if args.quick { vec![Bytes::new(2_000_000)] } else { args.sizes.clone() };
    let (mut rows, mut searches) = (Vec::new(), Vec::new());
    for size in sizes {
        let path = home.path().join(format!("{}.txt", size.get()));
        text(&path, size.get()).map_err(|source| DocsError::Folder { path: path.clone(), source })?;
        let bench = Bench { path: &path, bytes: size.get(), memory: args.memory, home: home.path() };
        let read = bench.reading()?;
        let passages = bench.passages(read)?;
        let (kept, _) = bench.ingest(read, false)?;
        let (found, library) = bench.ingest(read, true)?;
        rows.extend([bench.row("read", read, read, 0, 0), passages, kept, found]);
        searches = looked(&library)?;
        drop(library);
        let _ = std::fs::remove_dir_all(home.path().join("words"));
        let _ = std::fs::remove_file(&path);
    }
    Ok(DocsBenchReport { rows, searches, memory_bytes: args.memory.get() })
}

/// One text.
struct Bench<'b> {
    path: &'b Path,
    bytes: u64,
    memory: Bytes,
    home: &'b Path,
}

impl Bench<'_> {
    fn row(&self, work: &str, seconds: f64, read: f64, charged: u64, resident: u64) -> DocsRow {
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let mb_per_s = self.bytes as f64 / 1e6 / seconds.max(1e-9);
        DocsRow {
            bytes: self.bytes,
            work: work.to_owned(),
            seconds,
            mb_per_s,
            of_reading: read / seconds.max(1e-9),
            charged_bytes: charged,
            resident_bytes: resident,
            disk_share: None,
        }
    }

    fn account(&self) -> Result<EngineAccount, DocsError> {
        Ok(Engine::in_memory(self.memory, "docs")?.account("docs")?)
    }

    /// The file as it is, the second time.
    fn reading(&self) -> Result<f64, DocsError> {
        let failed = |source| DocsError::Folder { path: self.path.to_owned(), source };
        let mut buffer = vec![0; 1 << 20];
        let mut took = 0.0;
        for _ in 0..2 {
            let (began, mut file) = (Instant::now(), File::open(self.path).map_err(failed)?);
            while file.read(&mut buffer).map_err(failed)? > 0 {}
            took = began.elapsed().as_secs_f64();
        }
        Ok(took)
    }

    /// Cut into passages, which nobody keeps.
    fn passages(&self, read: f64) -> Result<DocsRow, DocsError> {
        let account = self.account()?;
        let found = self.found()?;
        let (before, began, mut most) = (resident(), Instant::now(), 0);
        let mut passages = Passages::open(&found, Chunking::default(), &account)?;
        let mut count = 0_u64;
        while passages.next()?.is_some() {
            count += 1;
            if count % 65_536 == 1 {
                most = most.max(resident());
            }
        }
        let seconds = began.elapsed().as_secs_f64();
        Ok(self.row(
            "cut into passages",
            seconds,
            read,
            account.peak(Place::Host).get(),
            most.saturating_sub(before),
        ))
    }

    fn found(&self) -> Result<Found, DocsError> {
        let walked = Walk::over([self.path]).find_map(|entry| match entry {
            Entry::Found(found) => Some(found),
            Entry::Left(_) => None,
        });
        walked.ok_or_else(|| DocsError::Folder {
            path: self.path.to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        })
    }

    /// Taken into a library.
    fn ingest(&self, read: f64, words: bool) -> Result<(DocsRow, Library), DocsError> {
        let folder = self.home.join(if words { "words" } else { "passages" });
        let account = self.account()?;
        let library = Library::create(&folder, words, &account)?;
        let (before, began, mut most, mut asked) = (resident(), Instant::now(), 0, 0_u64);
        library.ingest(&[self.path], &IngestSettings::default(), &mut |_| {
            asked += 1;
            if asked % 64 == 1 {
                most = most.max(resident());
            }
            true
        })?;
        let seconds = began.elapsed().as_secs_f64();
        let work = if words { "kept, with words" } else { "kept" };
        let charged = account.peak(Place::Host).get();
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = library.facts().disk.get() as f64 / self.bytes as f64;
        let row = self.row(work, seconds, read, charged, most.saturating_sub(before));
        if !words {
            let _ = std::fs::remove_dir_all(&folder);
        }
        Ok((DocsRow { disk_share: Some(share), ..row }, library))
    }
}

/// How long questions take.
fn looked(library: &Library) -> Result<Vec<SearchRow>, DocsError> {
    let mut rows = Vec::new();
    for words in [1, 2, 4] {
        let mut words_of = Words::new(77);
        let mut times = Vec::new();
        for _ in 0..40 {
            let question = (0..words).map(|_| words_of.rare()).collect::<Vec<_>>().join(" ");
            let began = Instant::now();
            library.search(&Query::words(&question, 10))?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        rows.push(SearchRow { words, ms: median(times) });
    }
    Ok(rows)
}

/// Words as often as in a language: the `n`th as often as `1 ÷ n`.
struct Words(u64);

impl Words {
    const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A rank among two hundred thousand.
    fn rank(&mut self) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank")]
        let rank = (12.2 * share).exp() as u64;
        rank
    }

    fn word(rank: u64) -> String {
        const SOUNDS: [&str; 16] =
            ["ba", "re", "to", "ni", "su", "la", "me", "ko", "di", "fu", "an", "el", "or", "is", "un", "th"];
        let (mut word, mut left) = (String::new(), rank + 1);
        while left > 0 {
            word.push_str(SOUNDS[(left % 16) as usize]);
            left /= 16;
        }
        word
    }

    fn rare(&mut self) -> String {
        let rank = 1000 + self.next() % 20_000;
        Self::word(rank)
    }
}

/// Writes a text of so many bytes: what is beyond [`FRESH`] says the same again.
fn text(path: &Path, bytes: u64) -> std::io::Result<()> {
    fresh(path, bytes.min(FRESH))?;
    let mut file = File::options().append(true).open(path)?;
    let mut left = bytes.saturating_sub(FRESH);
    while left > 0 {
        let mut from = File::open(path)?.take(left.min(FRESH));
        left -= std::io::copy(&mut from, &mut file)?;
    }
    // What is not on the disk yet would be written while something is measured.
    file.sync_all()
}

/// Writes sentences of so many bytes.
fn fresh(path: &Path, bytes: u64) -> std::io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let (mut words, mut written, mut sentence) = (Words::new(7), 0_u64, String::new());
    let known: Vec<String> = (0..210_000).map(Words::word).collect();
    while written < bytes {
        sentence.clear();
        for _ in 0..6 + words.next() % 14 {
            let rank = usize::try_from(words.rank()).unwrap_or(0).min(known.len() - 1);
            sentence.push_str(&known[rank]);
            sentence.push(' ');
        }
        sentence.pop();
        sentence.push_str(if words.next().is_multiple_of(6) { ".\n\n" } else { ". " });
        file.write_all(sentence.as_bytes())?;
        written += sentence.len() as u64;
    }
    file.flush()
}

/// Draws the report.
pub fn view(report: &DocsBenchReport, pen: &Pen) -> String {
    let bytes = |bytes: u64| Bytes::new(bytes).to_string();
    let columns = [
        ("text", Align::Right),
        ("work", Align::Left),
        ("MB/s", Align::Right),
        ("of reading", Align::Right),
        ("charged", Align::Right),
        ("resident", Align::Right),
        ("on disk", Align::Right),
    ];
    let mut table = Table::new(columns);
    for row in &report.rows {
        let share = row.disk_share.map_or(String::new(), |share| format!("{:.0}%", share * 100.0));
        table.row([
            bytes(row.bytes).into(),
            row.work.clone().into(),
            format!("{:.0}", row.mb_per_s).into(),
            format!("{:.0}%", row.of_reading * 100.0).into(),
            bytes(row.charged_bytes).into(),
            format!("+{}", bytes(row.resident_bytes)).into(),
            share.into(),
        ]);
    }
    let mut out = table.draw(pen);
    out.push('\n');
    for row in &report.searches {
        let _ = writeln!(out, "a question of {} words in the last: {:.2} ms", row.words, row.ms);
    }
    let line = format!("a line of {}", bytes(report.memory_bytes));
    let _ = writeln!(out, "{}", pen.paint(Style::Dim, &line));
    out
}
