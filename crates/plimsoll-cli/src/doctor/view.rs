//! The report for people.

use std::fmt::Write as _;

use super::{DoctorReport, Verdict};
use crate::draw::{Pen, Style, wrap};

/// Columns before what was found.
const BEFORE: usize = 26;

/// Draws the report.
pub fn view(report: &DoctorReport, pen: &Pen) -> String {
    let mut out = String::new();
    for check in &report.checks {
        let (word, style) = match check.verdict {
            Verdict::Good => ("good", Style::Good),
            Verdict::Watch => ("watch", Style::Warn),
            Verdict::Bad => ("bad", Style::Bad),
        };
        let room = pen.width.saturating_sub(BEFORE).max(20);
        let mut lines = wrap(&check.found, room).into_iter();
        let first = lines.next().unwrap_or_default();
        let head = pen.paint(style, &format!("{word:<5}"));
        let what = pen.paint(Style::Bold, &format!("{:<17}", check.what));
        let _ = writeln!(out, "{head}  {what} {first}");
        for line in lines {
            let _ = writeln!(out, "{:BEFORE$}{line}", "");
        }
        for line in check.next.iter().flat_map(|next| wrap(next, room.saturating_sub(2))) {
            let _ = writeln!(out, "{:BEFORE$}{}", "", pen.paint(Style::Dim, &line));
        }
    }
    let (watch, bad) = (report.count(Verdict::Watch), report.count(Verdict::Bad));
    let end = match (watch, bad) {
        (0, 0) => "nothing stands in the way".to_owned(),
        (watch, 0) => format!("nothing stands in the way; to watch: {watch}"),
        (watch, bad) => format!("in the way: {bad}; to watch: {watch}"),
    };
    let _ = writeln!(out, "\n{end}");
    out
}

#[cfg(test)]
mod tests {
    use super::super::Check;
    use super::*;

    #[test]
    fn each_thing_is_a_line_with_what_to_do_below_it() {
        let report = DoctorReport::new(vec![
            Check::good("swap", "none"),
            Check::watch("pressure", "this kernel tells none", "boot with psi=1"),
            Check::bad("address", "127.0.0.1:80 cannot be listened at", "choose another"),
        ]);
        let text = view(&report, &Pen { color: false, unicode: false, width: 80 });
        for part in [
            "good   swap              none\n",
            "watch  pressure          this kernel tells none\n                          boot with psi=1\n",
            "bad    address           127.0.0.1:80 cannot",
            "in the way: 1; to watch: 1\n",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert_eq!(report.verdict, Verdict::Bad);
    }
}
