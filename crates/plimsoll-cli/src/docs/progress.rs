//! How far documents have come: rate and time that is left, on standard error where that is a terminal.

use plimsoll_docs::Progress;

use crate::draw::Line;

/// Bytes, and which file they are of.
#[derive(Debug)]
pub(super) struct Bar(Line);

impl Bar {
    /// Nothing is read yet.
    pub(super) fn new() -> Self {
        Self(Line::new(
            Some(0),
            "{bar:24} {percent:>3}%  {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left  {wide_msg}",
        ))
    }

    /// So far it is.
    pub(super) fn at(&self, progress: &Progress<'_>) {
        self.0.set_length(progress.bytes.1.max(progress.bytes.0));
        self.0.set_position(progress.bytes.0);
        self.0.set_message(match (progress.paused, progress.path.file_name()) {
            (true, _) => "standing still: other programs need the memory".to_owned(),
            (false, Some(name)) => name.to_string_lossy().into_owned(),
            (false, None) => String::new(),
        });
    }
}
