//! Bars of several parts, with marks on them.

use ratatui::style::Style;
use ratatui::text::Span;

/// A part of a bar.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// How much.
    pub bytes: u64,
    /// What it is made of.
    pub glyph: char,
    /// How it looks.
    pub style: Style,
}

/// A bar: parts from its left end, parts from its right end, what lies between, and marks over all of them.
#[derive(Debug)]
pub struct Bar<'b> {
    /// What the whole width stands for.
    pub whole: u64,
    /// From the left, one after the other.
    pub left: &'b [Part],
    /// From the right end towards the middle.
    pub right: &'b [Part],
    /// What is in neither.
    pub free: (char, Style),
    /// Where a line is: how much, and what is drawn there.
    pub marks: &'b [(u64, char, Style)],
}

impl Bar<'_> {
    /// The bar in so many columns. What is not nothing shows, what is not full shows a gap.
    pub fn draw(&self, columns: usize) -> Vec<Span<'static>> {
        let mut cells = vec![self.free; columns];
        let filled = fill(cells.iter_mut(), self.left, self.whole, columns);
        let _ = fill(cells.iter_mut().rev().take(columns - filled), self.right, self.whole, columns);
        let carried = self.left.iter().map(|part| part.bytes).fold(0, u64::saturating_add);
        for &(bytes, glyph, style) in self.marks {
            let at = scaled(bytes, self.whole, columns);
            // A line above what is carried is not drawn through it, however little there is to see of either.
            let at = if bytes >= carried { at.max(filled) } else { at }.min(columns.saturating_sub(1));
            if let Some(cell) = cells.get_mut(at) {
                *cell = (glyph, style);
            }
        }
        spans(&cells)
    }
}

fn fill<'c>(
    mut cells: impl Iterator<Item = &'c mut (char, Style)>,
    parts: &[Part],
    whole: u64,
    columns: usize,
) -> usize {
    let (mut sum, mut end) = (0_u64, 0);
    for part in parts.iter().filter(|part| part.bytes > 0) {
        sum = sum.saturating_add(part.bytes);
        let most = if sum < whole { columns.saturating_sub(1).max(1) } else { columns };
        let next = scaled(sum, whole, columns).max(end + 1).min(most.min(columns));
        while end < next {
            let Some(cell) = cells.next() else { return end };
            *cell = (part.glyph, part.style);
            end += 1;
        }
    }
    end
}

fn spans(cells: &[(char, Style)]) -> Vec<Span<'static>> {
    let runs = cells.chunk_by(|one, other| one.1 == other.1);
    runs.map(|run| Span::styled(run.iter().map(|cell| cell.0).collect::<String>(), run[0].1)).collect()
}

/// `part` of `whole` in columns, rounded; never more than there are.
fn scaled(part: u64, whole: u64, columns: usize) -> usize {
    if whole == 0 {
        return 0;
    }
    let (part, whole, wide) = (u128::from(part.min(whole)), u128::from(whole), columns as u128);
    usize::try_from((part * wide + whole / 2) / whole).unwrap_or(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(columns: usize, whole: u64, left: &[u64], right: &[u64], mark: Option<u64>) -> String {
        let part = |glyph| move |&bytes: &u64| Part { bytes, glyph, style: Style::new() };
        let mut left: Vec<Part> = left.iter().map(part('#')).collect();
        if let Some(second) = left.get_mut(1) {
            second.glyph = '+';
        }
        let right: Vec<Part> = right.iter().map(part('o')).collect();
        let marks: Vec<_> = mark.iter().map(|&at| (at, '|', Style::new())).collect();
        let bar = Bar { whole, left: &left, right: &right, free: ('.', Style::new()), marks: &marks };
        bar.draw(columns).iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn parts_stand_where_they_belong() {
        assert_eq!(drawn(10, 100, &[30, 10], &[20], Some(60)), "###+..|.oo");
        assert_eq!(drawn(10, 100, &[0, 0], &[0], None), "..........");
        assert_eq!(drawn(10, 100, &[100], &[], None), "##########");
    }

    #[test]
    fn the_smallest_part_shows_and_the_smallest_gap_too() {
        assert_eq!(drawn(10, 1 << 40, &[1, 1], &[], None), "#+........");
        assert_eq!(drawn(10, 1 << 40, &[1, 1], &[], Some(3)), "#+|.......");
        assert_eq!(drawn(10, 1 << 40, &[(1 << 40) - 1], &[], None), "#########.");
    }

    #[test]
    fn more_than_the_whole_stays_within() {
        assert_eq!(drawn(6, 100, &[90], &[90], Some(900)), "#####|");
        for columns in 0..5 {
            assert_eq!(drawn(columns, 7, &[3, 9], &[u64::MAX], Some(3)).chars().count(), columns);
            assert_eq!(drawn(columns, 0, &[3], &[1], Some(3)).chars().count(), columns);
        }
    }
}
