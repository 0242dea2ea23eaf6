//! What kind of document a file is: by its name, then by how it begins.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much of a file is looked at.
pub(crate) const SNIFFED: usize = 8192;

/// How a file is read and where it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Paragraphs and sentences.
    Plain,
    /// The same with headings and fenced code.
    Markdown,
    /// A page whose markup is taken away.
    Html,
    /// Pages whose text is taken out of a PDF.
    Pdf,
    /// A program, or data written for people to edit: lines, and items that begin at the margin.
    Code,
    /// One JSON record a line.
    Jsonl,
}

/// A name of no kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of document; say plain, markdown, html, pdf, code or jsonl")]
pub struct ParseKindError(String);

/// A file that is not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binary;

const NAMES: [(Kind, &str); 6] = [
    (Kind::Plain, "plain"),
    (Kind::Markdown, "markdown"),
    (Kind::Html, "html"),
    (Kind::Pdf, "pdf"),
    (Kind::Code, "code"),
    (Kind::Jsonl, "jsonl"),
];

const PLAIN: &[&str] = &["txt", "text", "log", "rst", "adoc", "org", "tex", "srt", "vtt", "csv", "tsv"];
const MARKDOWN: &[&str] = &["md", "markdown", "mdown", "mkd", "mdx", "qmd", "rmd"];
const HTML: &[&str] = &["html", "htm", "xhtml"];
const JSONL: &[&str] = &["jsonl", "ndjson"];
const CODE: &[&str] = &[
    "rs", "py", "pyi", "js", "mjs", "cjs", "jsx", "ts", "tsx", "c", "h", "cc", "cpp", "cxx", "hh", "hpp",
    "cu", "cuh", "m", "mm", "java", "kt", "kts", "scala", "go", "rb", "php", "pl", "pm", "lua", "r", "jl",
    "swift", "dart", "cs", "fs", "vb", "hs", "ml", "mli", "ex", "exs", "erl", "clj", "lisp", "el", "scm",
    "zig", "nim", "d", "sh", "bash", "zsh", "fish", "ps1", "bat", "sql", "proto", "thrift", "graphql",
    "wgsl", "glsl", "hlsl", "metal", "asm", "s", "v", "sv", "vhd", "css", "scss", "sass", "less", "vue",
    "svelte", "json", "toml", "yaml", "yml", "xml", "ini", "cfg", "conf", "cmake", "mk", "gradle", "nix",
    "tf", "svg", "ipynb",
];

impl Kind {
    /// The kind of a file that begins with these bytes, the first 8 KiB or all there are.
    ///
    /// A name decides where it can; what is no text is [`Binary`] whatever its name says.
    pub fn of(path: &Path, first: &[u8]) -> Result<Self, Binary> {
        if begins_pdf(first) {
            return Ok(Self::Pdf);
        }
        let named = Self::by_name(path);
        if named == Some(Self::Pdf) {
            // What is wrong with it is told when it is read.
            return Ok(Self::Pdf);
        }
        if !is_text(first) {
            return Err(Binary);
        }
        Ok(named.unwrap_or_else(|| Self::by_content(first)))
    }

    fn by_name(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        let is = |names: &[&str]| names.contains(&extension.as_str());
        let kinds = [
            (Self::Plain, is(PLAIN)),
            (Self::Markdown, is(MARKDOWN)),
            (Self::Html, is(HTML)),
            (Self::Pdf, extension == "pdf"),
            (Self::Code, is(CODE)),
            (Self::Jsonl, is(JSONL)),
        ];
        kinds.into_iter().find(|(_, fits)| *fits).map(|(kind, _)| kind)
    }

    fn by_content(first: &[u8]) -> Self {
        let start = first.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(first).trim_ascii_start();
        let begins =
            |what: &[u8]| start.len() >= what.len() && start[..what.len()].eq_ignore_ascii_case(what);
        if begins(b"<!doctype html") || begins(b"<html") {
            return Self::Html;
        }
        if begins(b"#!") || begins(b"<?xml") || begins(b"<?php") {
            return Self::Code;
        }
        if begins(b"{") && is_record(start) { Self::Jsonl } else { Self::Plain }
    }
}

/// Whether the first line is a whole JSON object.
fn is_record(start: &[u8]) -> bool {
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    line.len() < start.len()
        && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
        && line.trim_ascii_end().ends_with(b"}")
}

/// A PDF may have up to a kilobyte of something else before its mark.
fn begins_pdf(first: &[u8]) -> bool {
    let start = &first[..first.len().min(1024)];
    start.starts_with(b"%PDF-") || (!is_text(first) && memchr::memmem::find(start, b"%PDF-").is_some())
}

/// No zero bytes and few other control characters; UTF-16 is known by its mark.
fn is_text(first: &[u8]) -> bool {
    if first.starts_with(b"\xFF\xFE") || first.starts_with(b"\xFE\xFF") {
        return true;
    }
    if memchr::memchr(0, first).is_some() {
        return false;
    }
    let control = |byte: &&u8| matches!(byte, 1..=7 | 14..=26 | 28..=31);
    first.iter().filter(control).count() <= first.len() / 10
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(kind, _)| kind == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}

impl FromStr for Kind {
    type Err = ParseKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text.trim()));
        found.map(|(kind, _)| *kind).ok_or_else(|| ParseKindError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_printed() {
        for (kind, name) in NAMES {
            assert_eq!(kind.to_string(), name);
            assert_eq!(name.to_uppercase().parse(), Ok(kind));
        }
        assert!("word".parse::<Kind>().unwrap_err().to_string().contains("jsonl"));
    }

    #[test]
    fn a_name_decides_and_then_the_content() {
        let of = |name: &str, first: &[u8]| Kind::of(Path::new(name), first);
        assert_eq!(of("a.MD", b"text"), Ok(Kind::Markdown));
        assert_eq!(of("a.txt", b"<html>"), Ok(Kind::Plain));
        assert_eq!(of("README", b"text"), Ok(Kind::Plain));
        assert_eq!(of("page", b"\n <!DOCTYPE html><p>"), Ok(Kind::Html));
        assert_eq!(of("tool", b"#!/bin/sh\n"), Ok(Kind::Code));
        assert_eq!(of("data", b"{\"a\": 1}\n{\"a\": 2}\n"), Ok(Kind::Jsonl));
        assert_eq!(of("data", b"{ not json }\n"), Ok(Kind::Plain));
        assert_eq!(of("paper", b"%PDF-1.7\n\0"), Ok(Kind::Pdf));
        assert_eq!(of("paper.pdf", b"\0\0"), Ok(Kind::Pdf));
    }

    #[test]
    fn what_is_no_text_is_binary_whatever_its_name() {
        let of = |first: &[u8]| Kind::of(Path::new("a.txt"), first);
        assert_eq!(of(b"abc\0def"), Err(Binary));
        assert_eq!(of(&[1; 100]), Err(Binary));
        assert_eq!(of(b"\xFF\xFEa\0b\0"), Ok(Kind::Plain));
        assert_eq!(of(b"caf\xE9"), Ok(Kind::Plain));
        assert_eq!(of(b""), Ok(Kind::Plain));
    }
}
