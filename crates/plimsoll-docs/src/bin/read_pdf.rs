//! Reads a PDF for another process, and does nothing by itself: the tests lend it, as a program lends itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    plimsoll_docs::pdf::lend_program().unwrap_or_else(|| {
        eprintln!(
            "this reads PDFs for the tests of plimsoll-docs; `plimsoll docs ingest` reads them for you"
        );
        ExitCode::from(2)
    })
}
