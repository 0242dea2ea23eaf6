//! What the process does that reads a PDF: limits first, then the file, then page after page.

use std::io::{self, BufWriter, Read as _, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use super::book::{Book, Fault};
use super::frame::{Frame, MOST};
use super::limits::{STACK, bound, bound_seconds};
use super::program::Order;

/// A second for so many bytes of a file, beside those of a page.
const BYTES_A_SECOND: u64 = 1 << 20;

/// Set once something was left out since there was no memory for it.
static CUT: AtomicBool = AtomicBool::new(false);

/// Reads what comes through stdin, and says through stdout what it is.
pub(super) fn serve(order: &Order) -> ExitCode {
    // Nobody is to write between the frames, and what the library panics about is told in one.
    let Ok(out) = rustix::io::dup(rustix::stdio::stdout()) else { return ExitCode::FAILURE };
    let Ok(nowhere) = std::fs::File::options().write(true).open("/dev/null") else {
        return ExitCode::FAILURE;
    };
    if rustix::stdio::dup2_stdout(&nowhere).is_err() {
        return ExitCode::FAILURE;
    }
    drop(nowhere);
    std::panic::set_hook(Box::new(|_| {}));
    if log::set_logger(&Listener).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
    if let Err(error) = bound(order.memory) {
        eprintln!("limits: {error}");
        return ExitCode::FAILURE;
    }
    let mut out = BufWriter::with_capacity(MOST, std::fs::File::from(out));
    let order = *order;
    let reading = move || told(&order, &mut out).and_then(|()| out.flush());
    let thread = std::thread::Builder::new().name("reading".to_owned()).stack_size(STACK).spawn(reading);
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        // Whoever asked has gone, or there is no thread.
        _ => ExitCode::FAILURE,
    }
}

fn told(order: &Order, out: &mut impl io::Write) -> io::Result<()> {
    bound_seconds(order.page_seconds.saturating_add(order.bytes / BYTES_A_SECOND))?;
    let mut content = Vec::with_capacity(usize::try_from(order.bytes).unwrap_or(0));
    if let Err(error) = io::stdin().lock().take(order.bytes).read_to_end(&mut content) {
        return Frame::Damaged(error.to_string()).put(out);
    }
    let book = Book::open(&content);
    drop(content);
    if is_cut() {
        return Frame::Full.put(out);
    }
    let mut book = match book {
        Ok(book) => book,
        Err(Fault::Locked) => return Frame::Locked.put(out),
        Err(Fault::Damaged(why)) => return Frame::Damaged(short(why)).put(out),
    };
    Frame::Pages(book.pages()).put(out)?;
    for page in order.from..book.pages() {
        // Said before a page that may be the last that is read.
        out.flush()?;
        bound_seconds(order.page_seconds)?;
        let text = book.text(page);
        if is_cut() {
            return Frame::Full.put(out);
        }
        match text {
            Ok(text) => {
                Frame::Page.put(out)?;
                put_text(&text, out)?;
            }
            Err(Fault::Locked) => return Frame::Locked.put(out),
            Err(Fault::Damaged(why)) => Frame::Skipped(short(why)).put(out)?,
        }
    }
    Frame::End.put(out)
}

fn put_text(text: &str, out: &mut impl io::Write) -> io::Result<()> {
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(MOST));
        Frame::Text(piece.to_owned()).put(out)?;
        rest = behind;
    }
    Ok(())
}

/// What is said of a fault: it may have whatever is in the file.
fn short(mut why: String) -> String {
    why.truncate(why.floor_char_boundary(500));
    why
}

fn is_cut() -> bool {
    CUT.load(Ordering::Relaxed)
}

/// Hears what the library warns of. Where a stream did not fit it goes on with what did, and only says so here.
struct Listener;

impl log::Log for Listener {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.args().to_string().contains(&io::ErrorKind::OutOfMemory.to_string()) {
            CUT.store(true, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}
