//! Which segments are put together. Pure.

use crate::segment::ROWS_MAX;

/// What that depends on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stock {
    pub(super) rows: u64,
    pub(super) dead: u64,
    /// Whether its rows lie by lists.
    pub(super) lists: bool,
}

impl Stock {
    fn living(&self) -> u64 {
        self.rows - self.dead
    }
}

/// Segments that become one each, by their places. What nothing would be won by is in none: a segment without dead rows
/// that is alone, or larger than all others of its kind together.
pub(super) fn groups(segments: &[Stock]) -> Vec<Vec<usize>> {
    [true, false].into_iter().flat_map(|lists| of_kind(segments, lists, ROWS_MAX)).collect()
}

fn of_kind(segments: &[Stock], lists: bool, most: u64) -> Vec<Vec<usize>> {
    let places = || (0..segments.len()).filter(|place| segments[*place].lists == lists);
    let all: u64 = places().map(|place| segments[place].living()).sum();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut rows = 0;
    for place in places() {
        let segment = segments[place];
        if segment.dead == 0 && segment.living() * 2 > all {
            continue;
        }
        match groups.last_mut() {
            Some(group) if rows + segment.living() <= most => group.push(place),
            _ => {
                groups.push(vec![place]);
                rows = 0;
            }
        }
        rows += segment.living();
    }
    groups.retain(|group| group.len() > 1 || group.iter().any(|place| segments[*place].dead > 0));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(rows: u64, dead: u64) -> Stock {
        Stock { rows, dead, lists: false }
    }

    #[test]
    fn what_wins_nothing_is_left_alone() {
        let none: Vec<Vec<usize>> = Vec::new();
        assert_eq!(groups(&[]), none);
        assert_eq!(groups(&[flat(10, 0)]), none);
        assert_eq!(groups(&[flat(10, 1)]), [[0]]);
        assert_eq!(groups(&[flat(10, 10)]), [[0]]);
        assert_eq!(groups(&[flat(100, 0), flat(10, 0)]), none, "one is large, the other alone");
        assert_eq!(groups(&[flat(10, 0), flat(100, 0), flat(10, 0)]), [[0, 2]]);
        assert_eq!(groups(&[flat(10, 0), flat(100, 1), flat(10, 0)]), [[0, 1, 2]]);
        assert_eq!(groups(&[flat(10, 0), flat(10, 0)]), [[0, 1]]);
    }

    #[test]
    fn lists_and_none_stay_apart_and_no_group_is_too_large() {
        let lists = |rows| Stock { lists: true, ..flat(rows, 0) };
        assert_eq!(groups(&[flat(10, 0), lists(9), flat(10, 0), lists(9)]), [[1, 3], [0, 2]]);
        let segments = [flat(6, 1), flat(4, 0), flat(3, 0), flat(6, 0), flat(9, 0)];
        assert_eq!(of_kind(&segments, false, 9), [vec![0, 1], vec![2, 3]], "the last is full by itself");
    }
}
