//! Which program reads PDFs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::OnceLock;

use super::serve::serve;

/// The word by which a program knows that it was begun to read a PDF.
const WORD: &str = "--read-a-pdf";
/// A page may take so many seconds of a processor.
const PAGE_SECONDS: u64 = 60;

static PROGRAM: OnceLock<Program> = OnceLock::new();

/// Who reads PDFs, and for how long at most.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    pub(super) page_seconds: u64,
}

/// What a process is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// The first page that is wanted, counted from 0.
    pub(super) from: u64,
    /// What it may take of memory beside its program and its stack.
    pub(super) memory: u64,
    pub(super) page_seconds: u64,
}

/// Lends this program to the reading of PDFs. To be called first in `main`, before anything reads the arguments: where there is an
/// exit code, the process was begun to read a PDF, it has done so, and `main` returns that.
///
/// A program that does not call it reads no PDFs: each is told and passed over.
///
/// # Example
/// ```
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     if let Some(code) = plimsoll_docs::pdf::lend_program() {
///         return code;
///     }
///     ExitCode::SUCCESS
/// }
/// ```
pub fn lend_program() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    if words.next().as_deref() == Some(OsStr::new(WORD)) {
        let words: Vec<u64> = words.filter_map(|word| word.to_str()?.parse().ok()).collect();
        return Some(Order::of(&words).map_or(ExitCode::from(2), |order| serve(&order)));
    }
    // A program that was replaced while it runs is still to be found there.
    let itself = Path::new("/proc/self/exe");
    let path = if itself.exists() { Ok(itself.to_owned()) } else { std::env::current_exe() };
    if let Ok(path) = path {
        read_through(path, PAGE_SECONDS);
    }
    None
}

/// Has PDFs read by another program that begins with [`lend_program`], each page in so many seconds of a processor at most. The first
/// program that is named is taken.
pub fn read_through(path: impl Into<PathBuf>, page_seconds: u64) {
    let _ = PROGRAM.set(Program { path: path.into(), page_seconds });
}

impl Program {
    /// The one that was named.
    pub(super) fn get() -> Option<&'static Self> {
        PROGRAM.get()
    }

    /// To be begun with a file as what it reads.
    pub(super) fn command(&self, order: &Order, file: std::fs::File) -> Command {
        let mut command = Command::new(&self.path);
        command.arg(WORD).args(order.words().map(|word| word.to_string()));
        command.stdin(file).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

impl Order {
    const fn words(&self) -> [u64; 4] {
        [self.bytes, self.from, self.memory, self.page_seconds]
    }

    fn of(words: &[u64]) -> Option<Self> {
        let &[bytes, from, memory, page_seconds] = words else { return None };
        Some(Self { bytes, from, memory, page_seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::Order;

    #[test]
    fn an_order_comes_through_its_words() {
        let order = Order { bytes: 1, from: 2, memory: 3, page_seconds: 4 };
        assert_eq!(Order::of(&order.words()), Some(order));
        assert_eq!(Order::of(&[1, 2, 3]), None);
    }
}
