//! A document's pages in order, through a process, and through another where one ends before it should.

use std::fs::File;
use std::path::{Path, PathBuf};

use plimsoll::EngineAccount;
use plimsoll::holding::streaming::StreamError;

use super::super::window::{Scale, What};
use super::super::{Skipped, TextError, Window};
use super::frame::Frame;
use super::process::{Death, Process};

/// What a process is given at first: its file's bytes, and the streams that are copied out of them, and as much again of what is made
/// of them; and what the smallest file takes.
const TIMES: u64 = 4;
const LEAST: u64 = 2 << 20;
/// What it is given instead, each time that was not enough: few files unpack to much, and the rest need not be charged for it.
const MORE: [u64; 4] = [1, 4, 16, 64];
/// So many pages may end a process; a file of which more do is not read.
const DEATHS: u64 = 8;

/// Pages of a PDF.
#[derive(Debug)]
pub struct Pages {
    source: Source,
    process: Process,
    count: u64,
    /// The next of them.
    next: u64,
    /// Which of [`MORE`] it was given.
    step: usize,
    deaths: u64,
    /// Whether there was no text so far, from the first page on.
    empty: bool,
}

/// What is read, and whom it is charged to.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    bytes: u64,
    account: EngineAccount,
}

impl Pages {
    /// Those of a file, from a page on.
    pub fn open(path: &Path, from: u64, account: &EngineAccount) -> Result<Self, TextError> {
        let (path, account) = (path.to_owned(), account.clone());
        let mut source = Source { path, bytes: 0, account };
        source.bytes = source.file()?.1;
        let mut step = 0;
        let (process, count) = source.begin(from, &mut step)?;
        if from > count {
            return Err(TextError::Position { at: from, bytes: count });
        }
        Ok(Self { source, process, count, next: from, step, deaths: 0, empty: from == 0 })
    }

    /// Puts what comes next into a window; whether there was anything.
    pub fn more(&mut self, window: &mut Window) -> Result<bool, TextError> {
        match self.process.next() {
            Ok(Frame::Page) => {
                self.next += 1;
                window.mark(window.end(), What::Page(u32::try_from(self.next).unwrap_or(u32::MAX)))?;
            }
            Ok(Frame::Text(text)) => {
                self.empty &= text.trim().is_empty();
                window.push(&text, self.next.saturating_sub(1), Scale::Whole(1))?;
            }
            Ok(Frame::Skipped(why)) => self.skip(&why, window)?,
            Ok(Frame::End) if self.empty => {
                return Err(TextError::NoText { pages: usize::try_from(self.count).unwrap_or(usize::MAX) });
            }
            Ok(Frame::End) => return Ok(false),
            Ok(Frame::Locked) => return Err(TextError::Encrypted),
            Ok(Frame::Damaged(why)) => return Err(TextError::Damaged(why)),
            Ok(Frame::Pages(_) | Frame::Full) => return Err(Death::disorder().of_document(self.source.bytes)),
            Err(death) => self.go_on(&death, window)?,
        }
        Ok(true)
    }

    /// The next page is not read.
    fn skip(&mut self, why: &str, window: &mut Window) -> Result<(), TextError> {
        let index = self.next;
        self.next += 1;
        self.empty = false;
        let why = format!("page {}: {why}", self.next);
        window.mark(window.end(), What::Skipped(Skipped { line: self.next, at: index, why }))
    }

    /// Begins another process: at the page that ended the last one if more memory may help, else behind it.
    fn go_on(&mut self, death: &Death, window: &mut Window) -> Result<(), TextError> {
        let mut step = self.step + 1;
        if matches!(death, Death::Memory(_)) && step < MORE.len() {
            match self.source.begin(self.next, &mut step) {
                Ok((process, count)) => {
                    self.step = step;
                    return self.stand(process, count);
                }
                Err(TextError::PdfRoom { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.deaths += 1;
        if self.deaths > DEATHS || self.next >= self.count {
            return Err(death.clone().of_document(self.source.bytes));
        }
        self.skip(&death.to_string(), window)?;
        let (process, count) = self.source.begin(self.next, &mut self.step)?;
        self.stand(process, count)
    }

    fn stand(&mut self, process: Process, count: u64) -> Result<(), TextError> {
        if count != self.count {
            return Err(TextError::Position { at: self.next, bytes: count });
        }
        self.process = process;
        Ok(())
    }

    /// How much of the file so many pages are.
    pub fn bytes_of(&self, pages: u64) -> u64 {
        let all = self.count.max(1);
        u64::try_from(u128::from(self.source.bytes) * u128::from(pages.min(all)) / u128::from(all))
            .unwrap_or(0)
    }

    /// Pages read so far.
    pub fn done(&self) -> u64 {
        self.next
    }
}

impl Source {
    /// The file, and how long it is.
    fn file(&self) -> Result<(File, u64), TextError> {
        let name = || self.path.display().to_string();
        let failed = |source| StreamError::Read { name: name(), offset: 0, source };
        // Asked before it is opened: who opens a pipe waits for its other end.
        if !std::fs::metadata(&self.path).map_err(failed)?.is_file() {
            return Err(StreamError::NotAFile { name: name() }.into());
        }
        let file = File::open(&self.path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        Ok((file, bytes))
    }

    /// A process that has read the file, and how many pages it found; with more memory than that step says, if it takes more.
    fn begin(&self, from: u64, step: &mut usize) -> Result<(Process, u64), TextError> {
        loop {
            let memory = (LEAST + self.bytes.saturating_mul(TIMES)).saturating_mul(MORE[*step]);
            let mut process = Process::begin(self.file()?.0, self.bytes, from, memory, &self.account)?;
            match process.next() {
                Ok(Frame::Pages(count)) => return Ok((process, count)),
                Ok(Frame::Locked) => return Err(TextError::Encrypted),
                Ok(Frame::Damaged(why)) => return Err(TextError::Damaged(why)),
                Ok(_) => return Err(Death::disorder().of_document(self.bytes)),
                Err(Death::Memory(_)) if *step + 1 < MORE.len() => *step += 1,
                Err(death) => return Err(death.of_document(self.bytes)),
            }
        }
    }
}

impl Death {
    fn disorder() -> Self {
        Self::Other("it said what was not asked".to_owned())
    }
}
