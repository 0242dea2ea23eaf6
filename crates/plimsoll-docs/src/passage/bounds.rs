//! What marks allow a passage to be: where it must end, and what is to stay whole. Pure.

use super::cut::Style;
use crate::text::{Mark, What};

/// What holds for a passage. Places are counted as the window's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Something else begins here, or the document ends.
    pub hard: u64,
    /// A whole passage ends here, if it is cut before `hard`: what follows stays together.
    pub forced: Option<u64>,
    /// It is cut after this place.
    pub low: u64,
    /// How it is cut.
    pub style: Style,
}

/// The bounds of a passage from `start` that is new from `begin` on, at most up to `limit`.
///
/// `marks` are those after `begin`, known to the end of what fits twice; `open` says where what encloses `begin` began.
pub fn bounds<'a>(
    marks: impl Iterator<Item = &'a Mark>,
    mut open: Option<u64>,
    (start, begin, most): (u64, u64, u64),
    known: u64,
    style: Style,
) -> Bounds {
    let limit = start + most;
    let mut bounds = Bounds { hard: known, forced: None, low: begin, style };
    // Where what is open at the limit ends.
    let mut end = None;
    for mark in marks {
        match mark.what {
            ref what if what.parts() => {
                bounds.hard = mark.at;
                break;
            }
            What::Fence(_) if mark.at <= limit => open = Some(mark.at),
            What::FenceEnd if mark.at <= limit => (open, bounds.low) = (None, mark.at),
            What::FenceEnd => end = end.or(Some(mark.at)),
            _ => {}
        }
    }
    let Some(from) = open.filter(|_| bounds.hard > limit) else {
        if open.is_none() && bounds.low > begin.max(start + most / 2) {
            bounds.forced = Some(bounds.low);
        }
        return bounds;
    };
    let end = end.unwrap_or(bounds.hard).min(bounds.hard);
    if from > begin && (end - from <= most || from - start > most / 2) {
        bounds.forced = Some(from);
    } else {
        bounds.low = from.max(begin);
        bounds.style = Style::Code;
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Fence;

    fn fence(from: u64, to: u64) -> [Mark; 2] {
        let begins = Mark { at: from, what: What::Fence(Fence::Element) };
        [begins, Mark { at: to, what: What::FenceEnd }]
    }

    fn of(marks: &[Mark], open: Option<u64>) -> Bounds {
        bounds(marks.iter(), open, (1000, 1000, 100), 2000, Style::Prose)
    }

    #[test]
    fn what_fits_is_kept_whole() {
        assert_eq!(of(&fence(1010, 1105), None).forced, Some(1010));
        assert_eq!(of(&fence(1010, 1040), None).low, 1040);
        assert_eq!(of(&fence(1010, 1090), None).forced, Some(1090));
    }

    #[test]
    fn what_is_repeated_ends_no_passage() {
        let none = bounds([].iter(), None, (1000, 1062, 100), 2000, Style::Prose);
        assert_eq!((none.forced, none.low), (None, 1062));
    }

    #[test]
    fn what_does_not_fit_is_cut_at_its_lines() {
        let long = of(&fence(1010, 1500), None);
        assert_eq!((long.forced, long.low, long.style), (None, 1010, Style::Code));
        assert_eq!(of(&fence(1070, 1500), None).forced, Some(1070));
        assert_eq!(of(&fence(1070, 1500)[1..], Some(900)).style, Style::Code);
    }

    #[test]
    fn what_begins_parts() {
        let page = Mark { at: 1200, what: What::Page(2) };
        assert_eq!(of(&[page], None).hard, 1200);
    }
}
