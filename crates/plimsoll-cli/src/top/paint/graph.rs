//! Graphs over time: a column a sample, the newest at the right.

use ratatui::style::Style;
use ratatui::text::Line;

use crate::top::look::Look;

/// What is drawn over time. A sample that did not know the value leaves its column empty.
#[derive(Debug)]
pub struct Series {
    /// What it is.
    pub title: &'static str,
    /// The value now, with what it is measured against, for people.
    pub now: String,
    /// The values, the oldest first.
    pub values: Vec<Option<f64>>,
    /// What the full height stands for.
    pub most: f64,
    /// How it looks.
    pub style: Style,
}

impl Series {
    /// The graph in so many columns and rows. Zero is the lowest column, so that it is not taken for absent.
    pub fn draw(&self, look: Look, columns: usize, rows: usize) -> Vec<Line<'static>> {
        let from = self.values.len().saturating_sub(columns);
        let heights: Vec<Option<usize>> =
            self.values[from..].iter().map(|value| value.map(|value| self.height(value, rows))).collect();
        let blank = columns - heights.len();
        let levels = &look.glyphs().levels;
        let row = |below: usize| {
            let cell = |height: &Option<usize>| match height.map(|height| height.saturating_sub(below)) {
                None | Some(0) => ' ',
                Some(height) => levels[height.min(8) - 1],
            };
            let text: String = std::iter::repeat_n(' ', blank).chain(heights.iter().map(cell)).collect();
            Line::styled(text, self.style)
        };
        (0..rows).rev().map(|row_from_below| row(row_from_below * 8)).collect()
    }

    /// In eighths of a row, at least one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a screen's height, held to it"
    )]
    fn height(&self, value: f64, rows: usize) -> usize {
        let most = rows * 8;
        if self.most <= 0.0 || !value.is_finite() {
            return 1;
        }
        ((value / self.most).clamp(0.0, 1.0) * most as f64).round().max(1.0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[Option<f64>]) -> Series {
        Series { title: "x", now: String::new(), values: values.to_vec(), most: 16.0, style: Style::new() }
    }

    fn texts(lines: &[Line]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_newest_is_at_the_right_and_absent_is_not_zero() {
        let look = Look { color: false, unicode: true, emphasis: false };
        let some = series(&[Some(0.0), None, Some(8.0), Some(16.0), Some(99.0)]);
        assert_eq!(texts(&some.draw(look, 6, 1)), [" ▁ ▄██"]);
        assert_eq!(texts(&some.draw(look, 3, 2)), [" ██", "███"]);
        let ascii = Look { unicode: false, ..look };
        assert_eq!(texts(&some.draw(ascii, 5, 1)), ["_ -##"]);
    }

    #[test]
    fn nothing_to_draw_is_drawn_as_nothing() {
        let look = Look { color: false, unicode: true, emphasis: false };
        assert_eq!(texts(&series(&[]).draw(look, 3, 1)), ["   "]);
        let flat = Series { most: 0.0, ..series(&[Some(0.0), Some(f64::NAN)]) };
        assert_eq!(texts(&flat.draw(look, 2, 1)), ["▁▁"]);
    }
}
