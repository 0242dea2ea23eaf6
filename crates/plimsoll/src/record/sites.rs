//! Lines of code as small numbers.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::Site;

/// A line of code, as the compiler knows it.
pub(crate) type Line = &'static Location<'static>;

/// Beyond the table.
const OTHER: u16 = u16::MAX;
const SLOTS: usize = 64;

/// All lines that ever leased something while that was recorded; entry 0 is none.
#[derive(Default)]
struct Table {
    numbers: HashMap<(&'static str, u32, u32), u16>,
    sites: Vec<Site>,
}

fn table() -> &'static Mutex<Table> {
    static TABLE: OnceLock<Mutex<Table>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let none = Site { file: String::new(), line: 0, column: 0 };
        Mutex::new(Table { numbers: HashMap::new(), sites: vec![none] })
    })
}

fn number(line: Line) -> u16 {
    let mut table = table().lock().unwrap_or_else(PoisonError::into_inner);
    let key = (line.file(), line.line(), line.column());
    if let Some(&known) = table.numbers.get(&key) {
        return known;
    }
    let Ok(number) = u16::try_from(table.sites.len()) else { return OTHER };
    if number == OTHER {
        return OTHER;
    }
    table.sites.push(Site { file: key.0.to_owned(), line: key.1, column: key.2 });
    table.numbers.insert(key, number);
    number
}

/// The table as it stands.
pub(crate) fn all() -> Vec<Site> {
    table().lock().unwrap_or_else(PoisonError::into_inner).sites.clone()
}

/// One thread's lines, by the address of what the compiler made of them, so that the table and its lock are asked
/// once for each.
pub(crate) struct SiteCache {
    slots: [(usize, u16); SLOTS],
}

impl SiteCache {
    pub(crate) const fn new() -> Self {
        Self { slots: [(0, 0); SLOTS] }
    }

    #[inline]
    pub(crate) fn number(&mut self, line: Line) -> u16 {
        let address = std::ptr::from_ref(line).addr();
        // Locations are 24 bytes apart.
        let slot = &mut self.slots[(address >> 3) % SLOTS];
        if slot.0 != address {
            *slot = (address, number(line));
        }
        slot.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn here() -> Line {
        Location::caller()
    }

    #[test]
    fn one_line_is_one_number_on_every_thread() {
        let (one, other) = (here(), here());
        let mut cache = SiteCache::new();
        let numbers = (cache.number(one), cache.number(other));
        assert_ne!(numbers.0, numbers.1);
        assert_eq!((cache.number(one), SiteCache::new().number(one)), (numbers.0, numbers.0));
        let site = &all()[usize::from(numbers.0)];
        assert!(site.file.ends_with("sites.rs") && site.line == one.line() && site.column == one.column());
    }
}
