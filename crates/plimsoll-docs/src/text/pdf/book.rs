//! A document as the library reads it.
//!
//! The library was written for PDFs as they should be, and panics on some that are not: every call of it goes through [`guarded`].

use std::panic::{self, AssertUnwindSafe};

use pdf_extract::{Document, Object, ObjectId, OutputError, PlainTextOutput};

/// Why there is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It needs a password.
    Locked,
    /// It is not as it should be.
    Damaged(String),
}

/// A document whose pages are read in any order.
pub(super) struct Book {
    document: Document,
    pages: Vec<ObjectId>,
}

impl Book {
    /// Out of a file's bytes.
    pub(super) fn open(content: &[u8]) -> Result<Self, Fault> {
        let document = guarded(|| load(content))?;
        let pages = guarded(|| Ok(document.get_pages().into_values().collect()))?;
        Ok(Self { document, pages })
    }

    /// How many pages it has.
    pub(super) fn pages(&self) -> u64 {
        self.pages.len() as u64
    }

    /// A page's text: words with one blank between, lines as they stand there.
    pub(super) fn text(&mut self, page: u64) -> Result<String, Fault> {
        let id = usize::try_from(page).ok().and_then(|page| self.pages.get(page).copied());
        let id = id.ok_or_else(|| Fault::Damaged("there is no such page".to_owned()))?;
        let document = &mut self.document;
        let text = guarded(|| {
            let mut text = String::new();
            leave_only(document, id)?;
            let mut output = PlainTextOutput::new(&mut text);
            pdf_extract::output_doc_page(document, &mut output, 1)?;
            Ok(text)
        })?;
        Ok(plain(&text))
    }
}

/// Lines without the blanks that set them: between words one is enough.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len() + 1);
    for line in text.lines() {
        for (number, word) in line.split_whitespace().enumerate() {
            if number > 0 {
                plain.push(' ');
            }
            plain.push_str(word);
        }
        plain.push('\n');
    }
    plain
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
fn guarded<T>(call: impl FnOnce() -> Result<T, OutputError>) -> Result<T, Fault> {
    match panic::catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(OutputError::PdfError(pdf_extract::Error::Decryption(_)))) => Err(Fault::Locked),
        Ok(Err(error)) => Err(Fault::Damaged(error.to_string())),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said =
                said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it is not as it should be");
            Err(Fault::Damaged(said.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn blanks_that_set_a_line_are_gone() {
        assert_eq!(plain("  Two   words \n\n one"), "Two words\n\none\n");
        assert_eq!(plain(""), "");
    }
}
