//! What a place of a document stands under.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::text::Fence;

/// The headings that are in force, outermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headings {
    stack: Vec<(u8, Box<str>)>,
    path: String,
}

impl Headings {
    /// A heading begins: those of its level and below it end.
    pub fn enter(&mut self, level: u8, title: Box<str>) {
        self.stack.retain(|(other, _)| *other < level);
        self.stack.push((level, title));
        self.path.clear();
        let mut last = "";
        for (_, title) in &self.stack {
            // A page's title is often its first heading too.
            if title.as_ref() == last {
                continue;
            }
            if !self.path.is_empty() {
                self.path.push_str(" > ");
            }
            self.path.push_str(title);
            last = title;
        }
    }

    /// All of them: `Section > Sub`.
    pub fn path(&self) -> Option<&str> {
        (!self.path.is_empty()).then_some(&self.path)
    }
}

/// A line of JSON that text is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub id: Option<Box<str>>,
    pub title: Option<Box<str>>,
    pub bytes: Range<u64>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Place {
    pub headings: Headings,
    pub page: Option<u32>,
    pub record: Option<Record>,
    /// What encloses it, and where that began.
    pub fence: Option<(u64, Fence)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_end_with_their_like() {
        let mut headings = Headings::default();
        assert_eq!(headings.path(), None);
        for (level, title, path) in [
            (0, "Guide", "Guide"),
            (1, "Guide", "Guide"),
            (3, "Deep", "Guide > Deep"),
            (2, "Use", "Guide > Use"),
            (1, "Next", "Guide > Next"),
        ] {
            headings.enter(level, title.into());
            assert_eq!(headings.path(), Some(path));
        }
    }
}
