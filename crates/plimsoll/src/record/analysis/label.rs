//! What bytes are counted under.

use crate::record::Names;

/// A tag, or else a scope, or that nobody knows because the lease is older than the recording.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(u32);

impl Label {
    /// Leased before the recording began, and not named by its baseline.
    pub const BEFORE: Self = Self(0);

    /// The label of this number in [`Names::tags`]; numbers beyond the table are one label.
    pub fn of(tag: u16, names: &Names) -> Self {
        let known = usize::from(tag) < names.tags.len() || tag == 0;
        Self(u32::from(if known { tag } else { u16::MAX }) + 1)
    }

    /// Its name.
    pub fn name(self, names: &Names) -> &str {
        match self.tag() {
            None => "(leased before)",
            Some(tag) => names.tag(tag),
        }
    }

    /// Its number in [`Names::tags`]; `None` for [`BEFORE`](Self::BEFORE).
    pub fn tag(self) -> Option<u16> {
        self.0.checked_sub(1).and_then(|tag| u16::try_from(tag).ok())
    }

    /// For tables by label.
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// The label at this index.
    pub(crate) fn at(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }
}
