//! PDFs, object by object.

#![allow(dead_code, clippy::expect_used, clippy::unwrap_used, reason = "each scenario uses its part of it")]

use std::fmt::Write as _;
use std::io::Write as _;

/// A file of these objects, numbered from 1 on; the first is the catalogue.
pub fn file(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"%PDF-1.4\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (number, object) in objects.iter().enumerate() {
        writeln!(table, "{:010} 00000 n ", file.len()).unwrap();
        writeln!(file, "{} 0 obj", number + 1).unwrap();
        file.extend_from_slice(object);
        file.extend_from_slice(b"\nendobj\n");
    }
    let (start, count) = (file.len(), objects.len() + 1);
    write!(file, "{table}trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").unwrap();
    file
}

/// A stream with this in its dictionary.
pub fn stream(says: &str, content: &[u8]) -> Vec<u8> {
    let mut object = format!("<< {says} /Length {} >>\nstream\n", content.len()).into_bytes();
    object.extend_from_slice(content);
    object.extend_from_slice(b"\nendstream");
    object
}

/// What shows lines of text.
pub fn shown(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("({line}) Tj 0 -14 Td")).collect();
    format!("BT /F1 12 Tf 72 720 Td {} ET", lines.join(" "))
}

/// A document of pages: each a stream, and what else is in its dictionary of resources. Objects behind them are numbered from what
/// [`behind`] says.
pub fn paper(pages: &[(Vec<u8>, &str)], more: Vec<Vec<u8>>) -> Vec<u8> {
    let kids = kids((0..pages.len()).map(|page| 4 + 2 * page));
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", pages.len()).into_bytes(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_vec(),
    ];
    for (page, (content, resources)) in pages.iter().enumerate() {
        let page = format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> {resources} >> \
             /Contents {} 0 R >>",
            5 + 2 * page
        );
        objects.push(page.into_bytes());
        objects.push(content.clone());
    }
    objects.extend(more);
    file(&objects)
}

/// Objects as a page tree names them.
pub fn kids(numbers: impl Iterator<Item = usize>) -> String {
    numbers.fold(String::new(), |mut kids, number| {
        write!(kids, "{number} 0 R ").unwrap();
        kids
    })
}

/// The number of the first object behind so many pages.
pub const fn behind(pages: usize) -> usize {
    4 + 2 * pages
}

/// A PDF with these texts on its pages, a line for each line.
pub fn pdf(pages: &[&str]) -> Vec<u8> {
    let pages: Vec<_> = pages.iter().map(|text| (stream("", shown(text).as_bytes()), "")).collect();
    paper(&pages, Vec::new())
}
