//! Names for what memory is used for.

use std::fmt;
use std::sync::{OnceLock, RwLock};

/// A name that leases carry, so that statistics can tell what the memory is used for.
///
/// Names are kept once for the whole process and are never forgotten, so a tag is a small number that costs
/// nothing to copy; make them from a fixed set of words, not from request ids. After 65,535 different names
/// further ones all read as `(other)`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u16);

const OTHER: u16 = u16::MAX;

fn names() -> &'static RwLock<Vec<&'static str>> {
    static NAMES: OnceLock<RwLock<Vec<&'static str>>> = OnceLock::new();
    NAMES.get_or_init(|| RwLock::new(vec!["(untagged)"]))
}

impl Tag {
    /// No name.
    pub const NONE: Self = Self(0);

    /// The tag of this name.
    pub fn new(name: &str) -> Self {
        let find = |names: &[&str]| names.iter().position(|known| *known == name);
        let known = find(&names().read().unwrap_or_else(std::sync::PoisonError::into_inner));
        let index = known.unwrap_or_else(|| {
            let mut names = names().write().unwrap_or_else(std::sync::PoisonError::into_inner);
            find(&names).unwrap_or_else(|| {
                if names.len() < usize::from(OTHER) {
                    names.push(Box::leak(name.to_owned().into_boxed_str()));
                    names.len() - 1
                } else {
                    usize::from(OTHER)
                }
            })
        });
        Self(u16::try_from(index).unwrap_or(OTHER))
    }

    /// The name.
    pub fn name(self) -> &'static str {
        let names = names().read().unwrap_or_else(std::sync::PoisonError::into_inner);
        names.get(self.index()).copied().unwrap_or("(other)")
    }

    /// All names so far, by number; the first is for what has none.
    pub(crate) fn all() -> Vec<String> {
        let names = names().read().unwrap_or_else(std::sync::PoisonError::into_inner);
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    pub(crate) const fn number(self) -> u16 {
        self.0
    }

    #[inline]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) fn from_index(index: usize) -> Self {
        Self(u16::try_from(index).unwrap_or(OTHER))
    }
}

impl From<&str> for Tag {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_one_tag() {
        assert_eq!(Tag::new("attention"), Tag::new("attention"));
        assert_ne!(Tag::new("attention"), Tag::new("norm"));
        assert_eq!(Tag::new("attention").to_string(), "attention");
        assert_eq!(Tag::NONE.name(), "(untagged)");
        assert_eq!(Tag(OTHER).name(), "(other)");
    }
}
