//! The file of lines: gone on with where it was left.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use plimsoll_docs::Match;
use serde::{Deserialize, Serialize};

use super::asker::Pair;

/// A line.
#[derive(Serialize)]
struct Line<'l> {
    question: &'l str,
    answer: &'l str,
    document: &'l str,
    passage: u64,
    at: [u64; 2],
    page: Option<u32>,
    heading: Option<&'l str>,
    context: &'l str,
    model: &'l str,
}

/// What is looked at of a line that is there.
#[derive(Deserialize)]
struct Known {
    passage: u64,
}

/// The file, and which passages have their line.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    done: HashSet<u64>,
}

impl Output {
    /// Opens it. A last line that was cut off is taken away; a file of something else is left alone.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let (mut done, mut whole, mut line) = (HashSet::new(), 0_u64, Vec::new());
        let mut lines = BufReader::new(&file);
        loop {
            line.clear();
            let read = lines.read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            match serde_json::from_slice::<Known>(&line) {
                Ok(known) if line.ends_with(b"\n") => {
                    done.insert(known.passage);
                    whole += read as u64;
                }
                _ if !line.ends_with(b"\n") => break,
                _ => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "it has lines of something else; choose another file",
                    ));
                }
            }
        }
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        Ok(Self { file, done })
    }

    /// Whether a passage has its line.
    pub(super) fn has(&self, passage: u64) -> bool {
        self.done.contains(&passage)
    }

    /// How many there are.
    pub(super) fn lines(&self) -> u64 {
        self.done.len() as u64
    }

    /// Writes one.
    pub(super) fn put(&mut self, passage: &Match, pair: &Pair) -> io::Result<()> {
        let line = Line {
            question: &pair.question,
            answer: &pair.answer,
            document: &passage.name,
            passage: passage.passage,
            at: [passage.at.start, passage.at.end],
            page: passage.page,
            heading: passage.heading.as_deref(),
            context: &passage.text,
            model: &pair.model,
        };
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        self.done.insert(passage.passage);
        self.file.write_all(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_count_and_others_do_not() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("pairs.jsonl");
        std::fs::write(&path, "{\"passage\": 3, \"question\": \"?\"}\n{\"passage\": 4, \"que")
            .expect("written");
        let output = Output::open(&path).expect("opened");
        assert!(output.has(3) && !output.has(4));
        assert_eq!(
            std::fs::read_to_string(&path).expect("read").lines().count(),
            1,
            "what was cut off is gone"
        );
        std::fs::write(&path, "not ours\n").expect("written");
        assert!(Output::open(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "not ours\n", "it is left alone");
    }
}
