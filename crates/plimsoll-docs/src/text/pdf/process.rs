//! A process that reads a PDF, as who began it sees it.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus};

use plimsoll::governor::{Charge, Reservation};
use plimsoll::{Bytes, EngineAccount};

use super::super::TextError;
use super::frame::{Frame, MOST};
use super::limits::{PROGRAM, STACK};
use super::program::{Order, Program};

/// What a process that died may have said.
const SAID: u64 = 4 << 10;

/// A process, and what it may take. Dropped, it ends.
pub(super) struct Process {
    child: Child,
    frames: BufReader<ChildStdout>,
    said: Option<ChildStderr>,
    page_seconds: u64,
    memory: Bytes,
    charge: Option<Charge>,
}

/// How a process ended that should not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// It needed more than so many bytes.
    Memory(Bytes),
    /// It is nested too deep, or within itself.
    Stack,
    /// It took more than so many seconds of a processor.
    Time(u64),
    /// In another way.
    Other(String),
}

impl Process {
    /// Begins one that reads a file from a page on, charged with all that it may take.
    pub(super) fn begin(
        file: File,
        bytes: u64,
        from: u64,
        memory: u64,
        account: &EngineAccount,
    ) -> Result<Self, TextError> {
        let program = Program::get().ok_or(TextError::NoPdfProgram)?;
        // What is between the two is held twice: by the pipe, and as it is read.
        let whole = Bytes::new(memory + PROGRAM + (STACK + 4 * MOST) as u64);
        let granted = account.reserve(account.place()?, whole).now().map(Reservation::back);
        let charge = granted.map_err(|refusal| TextError::PdfRoom {
            file: Bytes::new(bytes),
            bytes: whole,
            refusal,
        })?;
        let order = Order { bytes, from, memory, page_seconds: program.page_seconds };
        let mut child = program.command(&order, file).spawn().map_err(TextError::PdfProgram)?;
        let (Some(frames), said) = (child.stdout.take(), child.stderr.take()) else {
            return Err(TextError::NoPdfProgram);
        };
        Ok(Self {
            child,
            frames: BufReader::with_capacity(MOST, frames),
            said,
            page_seconds: order.page_seconds,
            memory: Bytes::new(memory),
            charge: Some(charge),
        })
    }

    /// What it says next.
    pub(super) fn next(&mut self) -> Result<Frame, Death> {
        match Frame::take(&mut self.frames) {
            Some(Frame::Full) => {
                let _ = self.end();
                Err(Death::Memory(self.memory))
            }
            Some(frame) => Ok(frame),
            None => Err(self.died()),
        }
    }

    fn died(&mut self) -> Death {
        // It may only have closed the pipe.
        let ended = self.end();
        let mut said = Vec::new();
        if let Some(from) = self.said.take() {
            let _ = from.take(SAID).read_to_end(&mut said);
        }
        match ended {
            Ok(status) => Death::of(status, &String::from_utf8_lossy(&said), self.memory, self.page_seconds),
            Err(error) => Death::Other(error.to_string()),
        }
    }
}

impl Process {
    /// Ends it, if it has not ended: whoever goes on behind it needs the room.
    fn end(&mut self) -> io::Result<ExitStatus> {
        let _ = self.child.kill();
        let status = self.child.wait();
        self.charge = None;
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl Death {
    /// From how it ended, and what it said then.
    fn of(status: ExitStatus, said: &str, memory: Bytes, page_seconds: u64) -> Self {
        if status.signal() == Some(rustix::process::Signal::XCPU.as_raw()) {
            Self::Time(page_seconds)
        } else if said.contains("overflowed its stack") {
            Self::Stack
        } else if said.contains("memory allocation of") {
            Self::Memory(memory)
        } else {
            let said = said.lines().next().unwrap_or_default();
            Self::Other(format!("{status}{}{said}", if said.is_empty() { "" } else { ": " }))
        }
    }

    /// What it makes of a whole document.
    pub(super) fn of_document(self, file: u64) -> TextError {
        match self {
            Self::Memory(given) => TextError::PdfTooMuch { file: Bytes::new(file), given },
            other => TextError::Damaged(other.to_string()),
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(given) => write!(f, "it takes more than {given} to read"),
            Self::Stack => f.write_str("it is nested too deep, or within itself"),
            Self::Time(seconds) => write!(f, "it takes more than {seconds} s of a processor to read"),
            Self::Other(how) => write!(f, "what read it ended: {how}"),
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("id", &self.child.id())
            .field("memory", &self.memory)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_told_by_its_kind() {
        let of = |raw: i32, said: &str| Death::of(ExitStatus::from_raw(raw), said, Bytes::mib(4), 60);
        assert_eq!(of(24, ""), Death::Time(60));
        assert_eq!(of(6, "\nthread 'main' (7) has overflowed its stack\n"), Death::Stack);
        assert_eq!(of(6, "memory allocation of 123 bytes failed"), Death::Memory(Bytes::mib(4)));
        assert!(matches!(of(9, ""), Death::Other(how) if how.contains('9')));
        assert!(matches!(of(256, "limits: no"), Death::Other(how) if how.ends_with(": limits: no")));
    }
}
