//! Headings and fenced code of Markdown, line by line.

use super::window::What;
use super::{Fence, TextError, Window};

/// A longer line is no heading and no fence.
const LONG: u64 = 1024;

/// Looks at lines as they are complete.
#[derive(Debug)]
pub struct Scan {
    /// Where the line that is looked at next begins.
    line: u64,
    /// Up to here there is no end of a line.
    seen: u64,
    fence: Option<Fence>,
    /// The line before, if what follows may make it a heading: where it begins and ends.
    before: Option<(u64, u64)>,
    /// Whether the next line has no beginning here.
    partial: bool,
    /// Whether the next line is the document's first.
    first: bool,
}

impl Scan {
    /// From the document's beginning, or from a place within it.
    pub fn new(first: bool, at_line: bool, fence: Option<Fence>) -> Self {
        Self { line: 0, seen: 0, fence, before: None, partial: !at_line, first }
    }

    /// Looks at what has come; `last` says that nothing follows.
    pub fn settle(&mut self, window: &mut Window, last: bool) -> Result<(), TextError> {
        while self.seen < window.end() {
            let text = window.text(self.seen..window.end());
            let end = match memchr::memchr(b'\n', text.as_bytes()) {
                Some(at) => self.seen + at as u64,
                None if last => window.end(),
                None => {
                    self.seen = window.end();
                    break;
                }
            };
            self.look(end, window)?;
            (self.line, self.seen) = (end + 1, end + 1);
            (self.partial, self.first) = (false, false);
        }
        let begun = window.end().saturating_sub(self.line);
        if begun > LONG {
            self.before = None;
            window.know(window.end());
        } else {
            window.know(self.before.map_or(self.line, |(at, _)| at));
        }
        Ok(())
    }

    fn look(&mut self, end: u64, window: &mut Window) -> Result<(), TextError> {
        let before = self.before.take();
        if self.partial || end - self.line > LONG {
            return Ok(());
        }
        let next = (end + 1).min(window.end());
        let line = window.text(self.line..end);
        let indent = line.len() - line.trim_start_matches(' ').len();
        let bare = line.trim();
        if let Some(fence) = self.fence {
            if fence.ends(bare) && indent < 4 {
                self.fence = None;
                return window.mark(next, What::FenceEnd);
            }
            return Ok(());
        }
        if indent > 3 || bare.is_empty() {
            return Ok(());
        }
        if let Some(fence) = Fence::begins(bare, self.first) {
            self.fence = Some(fence);
            return window.mark(self.line, What::Fence(fence));
        }
        if let Some((level, title)) = heading(bare) {
            let title = super::title(title);
            return window.mark(self.line, What::Heading { level, title, end });
        }
        if let (Some((at, title_end)), Some(level)) = (before, underline(bare)) {
            let title = super::title(window.text(at..title_end));
            return window.mark(at, What::Heading { level, title, end });
        }
        if may_be_title(bare) {
            self.before = Some((self.line, end));
        }
        Ok(())
    }
}

/// `## Title ##`
fn heading(line: &str) -> Option<(u8, &str)> {
    let rest = line.trim_start_matches('#');
    let level = u8::try_from(line.len() - rest.len()).ok().filter(|level| (1..=6).contains(level))?;
    if !rest.starts_with([' ', '\t']) {
        return None;
    }
    let title = rest.trim();
    let bare = title.trim_end_matches('#');
    let title = if bare.ends_with([' ', '\t']) || bare.is_empty() { bare.trim_end() } else { title };
    (!title.is_empty()).then_some((level, title))
}

/// A line that makes a heading of the one before.
fn underline(line: &str) -> Option<u8> {
    let all = |mark: u8| line.bytes().all(|byte| byte == mark);
    match line.len() {
        2.. if all(b'=') => Some(1),
        3.. if all(b'-') => Some(2),
        _ => None,
    }
}

fn may_be_title(line: &str) -> bool {
    let number = line.trim_start_matches(|char: char| char.is_ascii_digit());
    let listed = number.len() < line.len() && number.starts_with(['.', ')']);
    !listed && !line.starts_with(['#', '>', '-', '*', '+', '|', '<', '=', '`', '~', ':'])
}
