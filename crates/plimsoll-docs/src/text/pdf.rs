//! The text of a PDF, page by page.
//!
//! A PDF is read from its end and out of order, so it is held whole: its file's bytes, and the objects that are made of
//! them. The library that reads it was written for PDFs as they should be, and panics on some that are not: every call
//! of it goes through [`guarded`], and a page that cannot be read is told and passed over.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use pdf_extract::{Document, Object, ObjectId, OutputError, PlainTextOutput};
use plimsoll::Bytes;
use plimsoll::holding::streaming::StreamError;

use super::window::{Scale, What};
use super::{Skipped, TextError, Window};

/// What a file takes while it is read, in its own length: its bytes, and the streams that are copied out of them.
const TIMES: u64 = 2;

/// What each of its objects takes beside: measured on files of small pages. How many there are is known when they are there.
const OBJECT: u64 = 3 << 10;

/// A document whose pages are read in order.
pub struct Pdf {
    document: Document,
    pages: Vec<ObjectId>,
    /// The next of them.
    next: usize,
    bytes: u64,
    /// Whether there was no text so far, from the first page on.
    empty: bool,
}

impl Pdf {
    /// Reads the file, charged to the window's room.
    pub fn open(path: &Path, from: u64, window: &mut Window) -> Result<Self, TextError> {
        let name = || path.display().to_string();
        let failed = |source| StreamError::Read { name: name(), offset: 0, source };
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(StreamError::NotAFile { name: name() }.into());
        }
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        hold(bytes, bytes.saturating_mul(TIMES), window)?;
        let mut content = Vec::with_capacity(usize::try_from(bytes).unwrap_or(0));
        file.take(bytes).read_to_end(&mut content).map_err(failed)?;
        let document = guarded(|| load(&content))?;
        drop(content);
        hold(bytes, (document.objects.len() as u64).saturating_mul(OBJECT), window)?;
        let pages: Vec<ObjectId> = guarded(|| Ok(document.get_pages().into_values().collect()))?;
        let count = pages.len() as u64;
        if from > count {
            return Err(TextError::Position { at: from, bytes: count });
        }
        let next = usize::try_from(from).unwrap_or(usize::MAX);
        Ok(Self { document, pages, next, bytes, empty: from == 0 })
    }

    /// Puts the next page into a window; whether there was one.
    pub fn page(&mut self, window: &mut Window) -> Result<bool, TextError> {
        let Some(&id) = self.pages.get(self.next) else {
            let pages = self.pages.len();
            return if self.empty { Err(TextError::NoText { pages }) } else { Ok(false) };
        };
        let index = self.next as u64;
        self.next += 1;
        let page = u32::try_from(self.next).unwrap_or(u32::MAX);
        let document = &mut self.document;
        let text = guarded(|| {
            let mut text = String::new();
            leave_only(document, id)?;
            let mut output = PlainTextOutput::new(&mut text);
            pdf_extract::output_doc_page(document, &mut output, 1)?;
            Ok(text)
        });
        match text {
            Ok(text) => {
                window.mark(window.end(), What::Page(page))?;
                self.empty &= text.trim().is_empty();
                for line in text.lines() {
                    push_line(line, index, window)?;
                }
            }
            Err(error) => {
                self.empty = false;
                let why = format!("page {page}: {error}");
                let skipped = Skipped { line: u64::from(page), at: index, why };
                window.mark(window.end(), What::Skipped(skipped))?;
            }
        }
        Ok(true)
    }

    /// How much of the file so many pages are.
    pub fn bytes_of(&self, pages: u64) -> u64 {
        let all = (self.pages.len() as u64).max(1);
        u64::try_from(u128::from(self.bytes) * u128::from(pages.min(all)) / u128::from(all)).unwrap_or(0)
    }

    /// Pages read so far.
    pub fn done(&self) -> u64 {
        self.next as u64
    }
}

/// Charges what a file of so many bytes takes more.
fn hold(file: u64, more: u64, window: &mut Window) -> Result<(), TextError> {
    let room = usize::try_from(more).unwrap_or(usize::MAX);
    window.room().grow(room).map_err(|error| match error {
        TextError::NoRoom { bytes, refusal } => TextError::PdfRoom { file: Bytes::new(file), bytes, refusal },
        other => other,
    })
}

/// A line without the blanks that set it: between words one is enough.
fn push_line(line: &str, index: u64, window: &mut Window) -> Result<(), TextError> {
    let place = Scale::Whole(1);
    let mut between = "";
    for word in line.split_whitespace() {
        window.push(between, index, place)?;
        window.push(word, index, place)?;
        between = " ";
    }
    window.push("\n", index, place)
}

/// Makes a page the document's only one: the library looks for a page through all there are, each time.
fn leave_only(document: &mut Document, page: ObjectId) -> Result<(), OutputError> {
    let root = document.catalog()?.get(b"Pages")?.as_reference()?;
    let pages = document.get_object_mut(root)?.as_dict_mut()?;
    pages.set("Kids", vec![Object::Reference(page)]);
    Ok(())
}

fn load(content: &[u8]) -> Result<Document, OutputError> {
    let mut document = Document::load_mem(content)?;
    if document.is_encrypted() {
        // Many are locked against printing only, and open without a password.
        document.decrypt("")?;
    }
    Ok(document)
}

/// Calls the library: what it panics about is a damaged PDF.
fn guarded<T>(call: impl FnOnce() -> Result<T, OutputError>) -> Result<T, TextError> {
    match panic::catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(OutputError::PdfError(pdf_extract::Error::Decryption(_)))) => Err(TextError::Encrypted),
        Ok(Err(error)) => Err(TextError::Damaged(error.to_string())),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said =
                said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it is not as it should be");
            Err(TextError::Damaged(said.to_owned()))
        }
    }
}

impl fmt::Debug for Pdf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pdf")
            .field("pages", &self.pages.len())
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
