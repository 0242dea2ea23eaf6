//! A chart: bands and curves over time, as SVG that needs no script, and as data for the script that shows values.
//!
//! A picture is as many units wide as it has points and a thousand high, and is stretched to the width of the screen;
//! texts stand outside it, so they keep their size from a telephone to a wall.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::html::{data, esc, time};

const HIGH: u64 = 1000;

/// Values that are stacked.
pub(super) struct Band {
    pub(super) name: String,
    pub(super) color: String,
    pub(super) values: Vec<u64>,
}

/// Values that are a line.
pub(super) struct Curve {
    pub(super) name: &'static str,
    pub(super) color: &'static str,
    /// How it is drawn: an SVG dash pattern, empty for a solid line.
    pub(super) dashes: &'static str,
    pub(super) values: Vec<Option<u64>>,
}

/// Moments below the picture.
pub(super) struct Marks {
    pub(super) name: &'static str,
    pub(super) color: &'static str,
    pub(super) at: Vec<(usize, u64)>,
    /// The numbers are counts, not bytes.
    pub(super) count: bool,
}

/// A word at a height of the picture.
pub(super) struct Tag {
    pub(super) value: u64,
    pub(super) text: String,
    pub(super) color: &'static str,
    pub(super) left: bool,
}

/// A chart.
pub(super) struct Chart {
    pub(super) about: String,
    pub(super) points: usize,
    pub(super) duration_ns: u64,
    /// The highest value of the picture.
    pub(super) top: u64,
    /// Heights and what is written beside them.
    pub(super) ticks: Vec<(u64, String)>,
    pub(super) bands: Vec<Band>,
    pub(super) total: Option<Vec<u64>>,
    pub(super) curves: Vec<Curve>,
    pub(super) marks: Vec<Marks>,
    pub(super) tags: Vec<Tag>,
    /// Values are tenths of a percent.
    pub(super) percent: bool,
}

impl Chart {
    /// The chart as a figure.
    pub(super) fn draw(&self, title: &str, note: &str, small: bool) -> String {
        let mut out = String::new();
        let class = if small { "chartbox small" } else { "chartbox" };
        let _ = write!(
            out,
            "<figure class=\"{class}\"><div class=\"tools\"><button class=\"reset\" type=\"button\">Whole \
             time</button></div><h3>{}</h3><p class=\"note\">{}</p><div class=\"chart\">",
            esc(title),
            esc(note)
        );
        let _ = write!(
            out,
            "<div class=\"plot\" tabindex=\"0\" role=\"img\" aria-label=\"{}\">",
            esc(&self.about)
        );
        for (value, text) in &self.ticks {
            let top = 100.0 - self.share(*value) * 100.0;
            let _ = write!(out, "<div class=\"ytick\" style=\"top:{top:.2}%\"></div>");
            let _ = write!(out, "<span class=\"y\" style=\"top:{top:.2}%\">{}</span>", esc(text));
        }
        self.picture(&mut out);
        for tag in &self.tags {
            let top = (100.0 - self.share(tag.value) * 100.0).clamp(3.0, 97.0);
            let side = if tag.left { "left" } else { "right" };
            let _ = write!(
                out,
                "<span class=\"tag {side}\" style=\"top:{top:.2}%;color:{}\">{}</span>",
                tag.color,
                esc(&tag.text)
            );
        }
        out.push_str("</div>");
        self.strips(&mut out);
        self.times(&mut out);
        out.push_str("</div>");
        self.legend(&mut out);
        let _ = write!(out, "<script type=\"application/json\">{}</script></figure>", data(&self.data()));
        out
    }

    #[expect(clippy::cast_precision_loss, reason = "a height on a screen")]
    fn share(&self, value: u64) -> f64 {
        (value as f64 / self.top.max(1) as f64).min(1.0)
    }

    /// A height in the picture, from above.
    fn y(&self, value: u64) -> u64 {
        let share = u128::from(value.min(self.top)) * u128::from(HIGH) / u128::from(self.top.max(1));
        HIGH - u64::try_from(share).unwrap_or(HIGH)
    }

    fn picture(&self, out: &mut String) {
        let n = self.points;
        let _ =
            write!(out, "<svg viewBox=\"0 0 {n} {HIGH}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
        // The highest is painted first, and each below over it, so a band needs only its upper edge.
        let mut sums = vec![0_u64; n];
        let mut bands = Vec::new();
        for (number, band) in self.bands.iter().enumerate() {
            for (sum, value) in sums.iter_mut().zip(&band.values) {
                *sum = sum.saturating_add(*value);
            }
            let mut path = format!("M0 {HIGH}");
            self.steps(&mut path, sums.iter().map(|sum| Some(*sum)), HIGH);
            let _ = write!(path, "H{n}V{HIGH}Z");
            let color = &band.color;
            bands.push(format!(
                "<path class=\"band\" data-band=\"{number}\" style=\"fill:{color}\" d=\"{path}\"/>"
            ));
        }
        bands.iter().rev().for_each(|band| out.push_str(band));
        for curve in &self.curves {
            let mut path = String::new();
            self.steps(&mut path, curve.values.iter().copied(), u64::MAX);
            let _ = write!(path, "H{n}");
            let _ = write!(
                out,
                "<path class=\"curve\" fill=\"none\" style=\"stroke:{};stroke-width:2\" stroke-dasharray=\"{}\" \
                 d=\"{path}\"/>",
                curve.color, curve.dashes
            );
        }
        out.push_str("</svg>");
    }

    /// Values as steps: a point is as wide as its stretch of time. Only changes are written.
    fn steps(&self, path: &mut String, values: impl Iterator<Item = Option<u64>>, begin: u64) {
        let mut last = begin;
        let mut gap = begin == u64::MAX;
        for (at, value) in values.enumerate() {
            let Some(value) = value else {
                if !gap {
                    let _ = write!(path, "H{at}");
                }
                (gap, last) = (true, u64::MAX);
                continue;
            };
            let y = self.y(value);
            if gap {
                let _ = write!(path, "M{at} {y}");
            } else if y != last {
                let _ = write!(path, "H{at}V{y}");
            }
            (gap, last) = (false, y);
        }
    }

    fn strips(&self, out: &mut String) {
        for marks in &self.marks {
            let _ = write!(
                out,
                "<div class=\"strip\"><b>{}</b><svg viewBox=\"0 0 {} 16\" preserveAspectRatio=\"none\" \
                 aria-hidden=\"true\"><path style=\"stroke:{};stroke-width:3\" \
                 vector-effect=\"non-scaling-stroke\" d=\"",
                esc(marks.name),
                self.points,
                marks.color
            );
            for (at, _) in &marks.at {
                let _ = write!(out, "M{at}.5 1V15");
            }
            out.push_str("\"/></svg></div>");
        }
    }

    /// Moments in round numbers.
    fn times(&self, out: &mut String) {
        out.push_str("<div class=\"x\">");
        for (number, at) in round_times(self.duration_ns).into_iter().enumerate() {
            let left = at.saturating_mul(10_000) / self.duration_ns.max(1);
            let class = match (number % 2, left) {
                (_, 9_500..) => "end",
                (1, _) => "odd",
                _ => "",
            };
            let text = time(at).replace(".00 s", " s").replace(".0 ", " ");
            let _ = write!(
                out,
                "<span class=\"{class}\" style=\"left:{}.{:02}%\">{}</span>",
                left / 100,
                left % 100,
                if at == 0 { "0" } else { &text }
            );
        }
        out.push_str("</div>");
    }

    fn legend(&self, out: &mut String) {
        out.push_str("<ul class=\"legend\">");
        for (number, band) in self.bands.iter().enumerate() {
            let _ = write!(
                out,
                "<li><button type=\"button\" data-band=\"{number}\" aria-pressed=\"true\" disabled><i class=\"sw\" \
                 style=\"background:{}\"></i><em>{}</em></button></li>",
                band.color,
                esc(&band.name)
            );
        }
        for curve in &self.curves {
            let kind = match curve.dashes {
                "" => "",
                "2 3" => " dot",
                _ => " dash",
            };
            let _ = write!(
                out,
                "<li><span class=\"key\"><i class=\"sw rule{kind}\" style=\"border-color:{}\"></i><em>{}</em></span></li>",
                curve.color,
                esc(curve.name)
            );
        }
        out.push_str("</ul>");
    }

    /// The values for the script: in KiB where they are large, so that the page stays small.
    fn data(&self) -> Value {
        let unit = if self.percent || self.top < 1 << 30 { 1 } else { 1024 };
        let scaled = |values: &[u64]| values.iter().map(|value| value / unit).collect::<Vec<_>>();
        let series = self
            .bands
            .iter()
            .map(|band| json!({ "name": band.name, "c": band.color, "v": scaled(&band.values) }));
        let curves = self.curves.iter().map(|curve| {
            let values: Vec<Option<u64>> = curve.values.iter().map(|value| value.map(|v| v / unit)).collect();
            json!({ "name": curve.name, "c": curve.color, "v": values })
        });
        let marks = self.marks.iter().map(
            |marks| json!({ "name": marks.name, "c": marks.color, "v": marks.at, "count": marks.count }),
        );
        json!({
            "n": self.points,
            "ns": self.duration_ns,
            "unit": unit,
            "top": self.top,
            "percent": self.percent,
            "series": series.collect::<Vec<_>>(),
            "total": self.total.as_deref().map(scaled),
            "curves": curves.collect::<Vec<_>>(),
            "marks": marks.collect::<Vec<_>>(),
        })
    }
}

/// Four to nine moments that are easy to read.
fn round_times(duration_ns: u64) -> Vec<u64> {
    let mut step = 1_u64;
    'search: loop {
        for factor in [1, 2, 5] {
            if duration_ns / (step * factor) <= 8 {
                step *= factor;
                break 'search;
            }
        }
        // The largest duration ends the search at five times a billion billion, which still can be written.
        step *= 10;
    }
    (0..=duration_ns / step).map(|number| number * step).collect()
}

/// Three to seven heights in powers of two up to the top.
pub(super) fn round_sizes(top: u64) -> Vec<u64> {
    let mut step = 1_u64 << 63;
    while step > 1 && top / step < 3 {
        step /= 2;
    }
    (1..=top / step).map(|number| number * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_a_few_round_marks() {
        for duration in [1, 7, 999, 1_000_000, 40_000_000_123, 86_400_000_000_000, u64::MAX] {
            let marks = round_times(duration);
            assert!((1..=9).contains(&marks.len()), "{duration}: {marks:?}");
        }
        assert_eq!(round_sizes(7 << 30), [2, 4, 6].map(|gib| gib << 30));
        assert_eq!(round_sizes(3), [1, 2, 3]);
        assert!(round_sizes(0).is_empty());
    }

    #[test]
    fn only_changes_are_drawn() {
        let chart = Chart {
            about: String::new(),
            points: 5,
            duration_ns: 5,
            top: 10,
            ticks: Vec::new(),
            bands: Vec::new(),
            total: None,
            curves: Vec::new(),
            marks: Vec::new(),
            tags: Vec::new(),
            percent: false,
        };
        let mut path = String::new();
        chart.steps(&mut path, [None, Some(5), Some(5), None, Some(20)].into_iter(), u64::MAX);
        assert_eq!(path, "M1 500H3M4 0", "what is above the top is at the top, and what is absent is a gap");
    }
}
