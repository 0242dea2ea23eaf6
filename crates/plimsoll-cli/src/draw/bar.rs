//! Bars.

use super::{Pen, Style};

/// A bar of so many columns, filled by a share of `0.0..=1.0`. What is not nothing shows at least a sliver, what
/// is not full at least a gap.
pub fn bar(pen: &Pen, columns: usize, share: f64, style: Style) -> String {
    const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = held(share, columns * 8);
    let (full, part) = (eighths / 8, eighths % 8);
    let mut filled = pen.either("█", "#").repeat(full);
    if pen.unicode {
        filled.extend((part > 0).then(|| PARTS[part]));
    } else if part > 0 {
        filled.push(if part >= 4 || full == 0 { '#' } else { '.' });
    }
    let rest = columns.saturating_sub(filled.chars().count());
    let empty = pen.either("·", ".").repeat(rest);
    pen.paint(style, &filled) + &pen.paint(Style::Dim, &empty)
}

/// A bar of what is guaranteed (solid) and what may be borrowed beyond it, up to the limit (light), both as a
/// share of the line.
pub fn share_bar(pen: &Pen, columns: usize, guaranteed: f64, limit: f64) -> String {
    let solid = held(guaranteed, columns);
    let light = held(limit, columns).max(solid) - solid;
    let rest = columns - solid - light;
    pen.paint(Style::Accent, &pen.either("█", "#").repeat(solid))
        + &pen.paint(Style::Accent, &pen.either("░", "-").repeat(light))
        + &pen.paint(Style::Dim, &pen.either("·", ".").repeat(rest))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a screen's width"
)]
fn held(share: f64, steps: usize) -> usize {
    if share.is_nan() || share <= 0.0 || steps == 0 {
        return 0;
    }
    if share >= 1.0 {
        return steps;
    }
    ((share * steps as f64).round() as usize).clamp(1, (steps - 1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASCII: Pen = Pen { color: false, unicode: false, width: 80 };

    #[test]
    fn bars_are_as_wide_as_asked() {
        let unicode = Pen { unicode: true, ..ASCII };
        for pen in [ASCII, unicode] {
            for share in [-1.0, 0.0, 1e-9, 0.01, 0.33, 0.5, 0.99, 1.0, 7.0, f64::NAN, f64::INFINITY] {
                for columns in [0, 1, 2, 20] {
                    assert_eq!(bar(&pen, columns, share, Style::Good).chars().count(), columns);
                    assert_eq!(share_bar(&pen, columns, share, 0.5).chars().count(), columns);
                }
            }
        }
        assert_eq!(bar(&ASCII, 4, 0.5, Style::Good), "##..");
        assert_eq!(bar(&ASCII, 4, 0.0, Style::Good), "....");
        assert_eq!(share_bar(&ASCII, 8, 0.25, 0.5), "##--....");
    }
}
