//! A GGUF file with other words in its header.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::expect_used, reason = "a test whose file is no file has failed")]

use std::path::Path;

/// Reads a header as far as it must be known to be written again.
struct Header<'f> {
    file: &'f [u8],
    at: usize,
}

impl<'f> Header<'f> {
    fn take(&mut self, count: usize) -> &'f [u8] {
        let taken = &self.file[self.at..self.at + count];
        self.at += count;
        taken
    }

    fn number<const N: usize>(&mut self) -> u64 {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(self.take(N));
        u64::from_le_bytes(bytes)
    }

    fn text(&mut self) -> &'f [u8] {
        let length = usize::try_from(self.number::<8>()).expect("a length");
        self.take(length)
    }

    /// Goes past a value of this type.
    fn value(&mut self, kind: u64) {
        match kind {
            0 | 1 | 7 => drop(self.take(1)),
            2 | 3 => drop(self.take(2)),
            4..=6 => drop(self.take(4)),
            10..=12 => drop(self.take(8)),
            8 => drop(self.text()),
            9 => {
                let (kind, count) = (self.number::<4>(), self.number::<8>());
                (0..count).for_each(|_| self.value(kind));
            }
            kind => panic!("there is no type {kind}"),
        }
    }
}

fn text_of(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text].concat()
}

/// Writes a file again as another architecture, and with another text at each of these keys. Nothing else is changed.
pub fn rewritten(from: &Path, to: &Path, architecture: &str, texts: &[(&str, &str)]) {
    let file = std::fs::read(from).expect("a file");
    let mut header = Header { file: &file, at: 0 };
    let mut out = header.take(8).to_vec();
    let (tensors, keys) = (header.number::<8>(), header.number::<8>());
    out.extend(tensors.to_le_bytes());
    out.extend(keys.to_le_bytes());
    let mut before = String::new();
    for _ in 0..keys {
        let key = String::from_utf8(header.text().to_vec()).expect("a key");
        let kind = header.number::<4>();
        let begin = header.at;
        header.value(kind);
        let value = &file[begin..header.at];
        if key == "general.architecture" {
            before = String::from_utf8(value[8..].to_vec()).expect("a name");
        }
        let own = key.strip_prefix(&format!("{before}.")).map(|rest| format!("{architecture}.{rest}"));
        out.extend(text_of(own.as_ref().unwrap_or(&key).as_bytes()));
        out.extend(u32::try_from(kind).expect("a type").to_le_bytes());
        let new = texts.iter().find(|(changed, _)| *changed == key).map(|(_, text)| *text);
        match new.or_else(|| (key == "general.architecture").then_some(architecture)) {
            Some(text) => out.extend(text_of(text.as_bytes())),
            None => out.extend(value),
        }
    }
    let begin = header.at;
    for _ in 0..tensors {
        header.text();
        let sides = usize::try_from(header.number::<4>()).expect("a count");
        header.take(8 * sides + 12);
    }
    out.extend(&file[begin..header.at]);
    let data = header.at.next_multiple_of(32);
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend(&file[data..]);
    std::fs::write(to, out).expect("written");
}
