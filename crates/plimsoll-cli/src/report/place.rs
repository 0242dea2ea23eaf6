//! What the page says of one place.

use std::fmt::Write as _;

use plimsoll::record::analysis::{
    Fragmentation, LeaseAtPeak, Measure, Peak, PlaceSummary, PredictionCheck, Share, Study, Timeline,
};

use super::chart::{Band, Chart, Curve, Marks, Tag, round_sizes};
use super::html::{count, esc, percent, round_size, size, time};
use super::tables::{Cell, card, table};
use super::troubles;

/// So many labels have a colour of their own.
pub(super) const COLORS: usize = 12;

/// One place of a study.
pub(super) struct Section<'s> {
    pub(super) study: &'s Study,
    pub(super) summary: &'s PlaceSummary,
    pub(super) peak: &'s Peak,
    pub(super) timeline: &'s Timeline,
}

impl Section<'_> {
    /// The place from its heading to its last table.
    pub(super) fn draw(&self) -> String {
        let place = self.summary.place.to_string();
        let anchor = place.replace(':', "-");
        let mut out = format!("<section id=\"{anchor}\" aria-label=\"{place}\"><h2>{place}");
        if let Some(line) = self.summary.line {
            let _ = write!(out, "<small>line {}</small>", size(line));
        }
        out.push_str("</h2>");
        out.push_str(&self.tiles());
        let _ = write!(out, "<div class=\"card\">{}</div>", self.over_time());
        let _ = write!(out, "<div class=\"pair\">{}{}</div>", self.composition(), self.fragmentation());
        out.push_str(&self.largest());
        out.push_str(&troubles::of_place(self.study, self.summary.place));
        out.push_str("</section>");
        out
    }

    /// What was predicted of all of the place.
    fn prediction(&self) -> Option<&PredictionCheck> {
        let here = |check: &&PredictionCheck| {
            check.prediction.place == self.summary.place && check.prediction.account.is_none()
        };
        self.study.predictions.iter().find(here)
    }

    fn tiles(&self) -> String {
        let summary = self.summary;
        let mut out = String::from("<div class=\"tiles\">");
        let mut tile = |class: &str, key: &str, exact: u64, main: &str, below: &str| {
            let _ = write!(
                out,
                "<div class=\"tile {class}\" data-fact=\"{key}\" data-v=\"{exact}\"><b>{}</b><span>{}</span></div>",
                esc(main),
                esc(below)
            );
        };
        let at = |when: u64| format!("after {}", time(when));
        let requested = summary.requested;
        let below = format!("leased at the peak, {}", at(requested.at_ns));
        tile("", "requested", requested.bytes, &size(requested.bytes), &below);
        let rounding = requested.bytes.min(summary.placed.bytes);
        let below = format!(
            "placed at most, {} of it rounding",
            percent(summary.placed.bytes - rounding, summary.placed.bytes)
        );
        tile("", "placed", summary.placed.bytes, &size(summary.placed.bytes), &below);
        if let Some(backed) = summary.backed {
            tile("", "backed", backed.bytes, &size(backed.bytes), "backed by its pools at most");
        }
        if let Some(charged) = summary.charged {
            let (class, below) = match summary.line {
                Some(line) if charged.bytes > line => {
                    ("bad", format!("charged at most: {} of the line", percent(charged.bytes, line)))
                }
                Some(line) if charged.bytes >= line - line / 20 => {
                    ("warn", format!("charged at most: {} of the line", percent(charged.bytes, line)))
                }
                Some(line) => ("", format!("charged at most: {} of the line", percent(charged.bytes, line))),
                None => ("", "charged at most".to_owned()),
            };
            tile(class, "charged", charged.bytes, &size(charged.bytes), &below);
        }
        if let Some(check) = self.prediction() {
            let difference = check.difference().unwrap_or(0.0) * 100.0;
            let below = format!("than the plan's prediction of {}", size(check.prediction.bytes.get()));
            let text = if difference >= 0.0 {
                format!("{difference:.1}% more")
            } else {
                format!("{:.1}% less", -difference)
            };
            tile(class_of(difference), "predicted", check.prediction.bytes.get(), &text, &below);
        }
        let below = format!("leases, {} in all", size(summary.leased_bytes));
        tile("", "leases", summary.leases, &count(summary.leases), &below);
        let below = format!("still leased at the end, in {} leases", count(summary.end_blocks));
        tile("", "end", summary.end_live, &size(summary.end_live), &below);
        out.push_str("</div>");
        out
    }

    fn over_time(&self) -> String {
        let timeline = self.timeline;
        let points = &timeline.points;
        let color = |number: usize| format!("var(--c{})", number % COLORS);
        let mut bands: Vec<Band> = (0..timeline.labels.len())
            .map(|number| Band {
                name: timeline.labels[number].clone(),
                color: color(number),
                values: points.iter().map(|point| point.labels[number]).collect(),
            })
            .collect();
        if timeline.more_labels > 0 {
            let values = points.iter().map(plimsoll::record::analysis::Point::other).collect();
            let plural = if timeline.more_labels == 1 { "" } else { "s" };
            let name = format!("{} other label{plural}", timeline.more_labels);
            bands.push(Band { name, color: "var(--other)".into(), values });
        }
        let (curves, tags, top) = self.curves();
        let mut about = format!("Leased bytes at {} over {}", timeline.place, time(timeline.duration_ns));
        let _ = write!(
            about,
            "; most was {} after {}.",
            size(self.peak.requested.bytes),
            time(self.peak.requested.at_ns)
        );
        about.push_str(" Arrow keys show a moment, plus and minus zoom, Escape shows everything.");
        let ticks = round_sizes(top).into_iter().map(|value| (value, round_size(value))).collect();
        let chart = Chart {
            about,
            points: points.len(),
            duration_ns: timeline.duration_ns,
            top,
            ticks,
            bands,
            total: Some(points.iter().map(|point| point.live).collect()),
            curves,
            marks: self.marks(),
            tags,
            percent: false,
        };
        let note = format!(
            "Leased bytes by label, stacked: each of {} stretches of time shows its fullest moment.",
            points.len()
        );
        chart.draw("Over time", &note, false)
    }

    fn curves(&self) -> (Vec<Curve>, Vec<Tag>, u64) {
        let points = &self.timeline.points;
        let mut curves = Vec::new();
        let mut most = self.peak.requested.bytes;
        if let Some(backed) = self.summary.backed {
            most = most.max(backed.bytes);
            let values = points.iter().map(|point| Some(point.backed)).collect();
            curves.push(Curve { name: "backed", color: "var(--backed)", dashes: "", values });
        }
        if let Some(charged) = self.summary.charged {
            most = most.max(charged.bytes);
            let values = points.iter().map(|point| point.charged).collect();
            curves.push(Curve { name: "charged", color: "var(--charged)", dashes: "7 3", values });
        }
        let mut tags = Vec::new();
        let mut level =
            |name: &'static str, value: u64, color: &'static str, dashes: &'static str, left: bool| {
                tags.push(Tag { value, text: format!("{name} {}", size(value)), color, left });
                curves.push(Curve { name, color, dashes, values: vec![Some(value); points.len()] });
            };
        if let Some(check) = self.prediction() {
            let predicted = check.prediction.bytes.get();
            // What is far above everything else would press the rest flat: it is told and not drawn.
            if predicted / 3 <= most {
                most = most.max(predicted);
                level("predicted", predicted, "var(--predicted)", "10 4 2 4", true);
            }
        }
        match self.summary.line {
            Some(line) if line / 3 <= most => {
                most = most.max(line);
                level("line", line, "var(--line)", "", false);
            }
            Some(line) => tags.push(Tag {
                value: u64::MAX,
                text: format!("the line, {}, is far above", size(line)),
                color: "var(--line)",
                left: false,
            }),
            None => {}
        }
        (curves, tags, most.saturating_add(most / 16).max(1))
    }

    fn marks(&self) -> Vec<Marks> {
        let points = &self.timeline.points;
        let of = |pick: fn(&plimsoll::record::analysis::Point) -> u64| {
            let all = points.iter().enumerate().map(|(at, point)| (at, pick(point)));
            all.filter(|(_, value)| *value > 0).collect::<Vec<_>>()
        };
        let stretch = |at_ns: u64| points.partition_point(|point| point.start_ns <= at_ns).saturating_sub(1);
        let mut pressed: Vec<(usize, u64)> = Vec::new();
        for change in self.study.troubles.pressure.iter().filter(|at| at.place == self.summary.place) {
            match pressed.last_mut() {
                Some((at, changes)) if *at == stretch(change.at_ns) => *changes += 1,
                _ => pressed.push((stretch(change.at_ns), 1)),
            }
        }
        let mut named: Vec<(usize, u64)> = Vec::new();
        for mark in &self.study.troubles.marks {
            match named.last_mut() {
                Some((at, marks)) if *at == stretch(mark.at_ns) => *marks += 1,
                _ => named.push((stretch(mark.at_ns), 1)),
            }
        }
        // The peak may be one stretch wide, which a screen shows as nothing.
        let peak = self.peak.requested;
        let peak = if peak.bytes > 0 { vec![(stretch(peak.at_ns), peak.bytes)] } else { Vec::new() };
        let all = [
            Marks { name: "peak", color: "var(--backed)", at: peak, count: false },
            Marks { name: "evicted", color: "var(--idle)", at: of(|point| point.evicted), count: false },
            Marks { name: "refused", color: "var(--line)", at: of(|point| point.refused), count: true },
            Marks { name: "pressure", color: "var(--charged)", at: pressed, count: true },
            Marks { name: "moments", color: "var(--accent)", at: named, count: true },
        ];
        all.into_iter().filter(|marks| !marks.at.is_empty()).collect()
    }

    fn composition(&self) -> String {
        let peak = self.peak;
        let whole = peak.requested.bytes;
        let color = |name: &str| {
            let shown = self.timeline.labels.iter().position(|label| label == name);
            shown.map_or("var(--other)".to_owned(), |number| format!("var(--c{})", number % COLORS))
        };
        let most = |shares: &[Share]| shares.iter().map(|share| share.bytes).max().unwrap_or(0);
        let row = |share: &Share, color: &str, most: u64| {
            let width = share.bytes.saturating_mul(1000) / most.max(1);
            let bar = format!(
                "{}<span class=\"bar\"><i style=\"width:{}.{}%;background:{color}\"></i></span>",
                esc(&share.name),
                width / 10,
                width % 10
            );
            vec![
                Cell::wide(bar),
                Cell::size(share.bytes),
                Cell::right(&percent(share.bytes, whole), share.bytes),
                Cell::maybe_count(share.leases),
            ]
        };
        let columns =
            |first: &'static str| [(first, false), ("leased", true), ("share", true), ("leases", true)];
        let rows: Vec<_> =
            peak.by_label.iter().map(|share| row(share, &color(&share.name), most(&peak.by_label))).collect();
        let mut content = table("the peak by label", &columns("label"), &rows, 14);
        if peak.by_account.len() > 1 {
            let rows: Vec<_> = peak
                .by_account
                .iter()
                .map(|share| row(share, "var(--accent)", most(&peak.by_account)))
                .collect();
            content.push_str("<h3 style=\"margin-top:1.2em\">By account</h3>");
            content.push_str(&table("the peak by account", &columns("account"), &rows, 10));
        }
        let mut note =
            format!("What was leased {} after the beginning: {}", time(peak.requested.at_ns), size(whole));
        if peak.pending > 0 {
            let _ = write!(note, ", of which {} waited for the device", size(peak.pending));
        }
        note.push_str(". A label is the tag of a lease, or else its scope.");
        if rows.is_empty() {
            content = "<p class=\"empty\">Nothing was leased here.</p>".into();
        }
        card("The peak's composition", &note, &content)
    }

    fn fragmentation(&self) -> String {
        let all = &self.timeline.fragmentation;
        if self.summary.backed.is_none() || all.is_empty() {
            let none = "<p class=\"empty\">The recording does not tell what was backed here.</p>";
            return card("Fragmentation", "", none);
        }
        let curve = |name, color, dashes, share: fn(&Fragmentation) -> f64| Curve {
            name,
            color,
            dashes,
            values: all.iter().map(|at| (at.backed > 0).then(|| tenths(share(at)))).collect(),
        };
        let chart = Chart {
            about: "Shares of backed memory that are idle, of free memory that is scattered, and of placed memory \
                    that is rounding"
                .into(),
            points: all.len(),
            duration_ns: self.timeline.duration_ns,
            top: 1000,
            ticks: [250_u64, 500, 750, 1000].map(|tenths| (tenths, format!("{}%", tenths / 10))).to_vec(),
            bands: Vec::new(),
            total: None,
            curves: vec![
                curve("idle: 1 − placed / backed", "var(--idle)", "", Fragmentation::idle),
                curve("scattered: 1 − largest gap / free", "var(--scattered)", "7 3", Fragmentation::scattered),
                curve("rounding: 1 − asked / placed", "var(--rounding)", "2 3", Fragmentation::rounding),
            ],
            marks: Vec::new(),
            tags: Vec::new(),
            percent: true,
        };
        let at = self.peak.fragmentation;
        let rows: Vec<Vec<Cell>> = [
            ("backed", at.backed),
            ("placed", at.placed),
            ("asked for", at.requested),
            ("free in what is backed", at.free),
            ("largest free run", at.largest_gap),
        ]
        .into_iter()
        .map(|(name, bytes)| {
            vec![Cell::word(name), Cell::size(bytes), Cell::right(&percent(bytes, at.backed), bytes)]
        })
        .collect();
        let mut content =
            chart.draw("Fragmentation", "How much of what is backed nobody can use, over time.", true);
        content.push_str("<h3 style=\"margin-top:1.2em\">At the peak</h3>");
        let columns = [("", false), ("bytes", true), ("of backed", true)];
        content.push_str(&table("fragmentation at the peak", &columns, &rows, 10));
        format!("<section class=\"card\">{content}</section>")
    }

    fn largest(&self) -> String {
        let row = |lease: &LeaseAtPeak| {
            let site = lease.site.as_ref();
            let site = site.map(|site| format!("{}:{}:{}", site.file, site.line, site.column));
            let age = lease.age_ns.map_or("before the recording".to_owned(), time);
            let mut tag = esc(lease.tag.as_deref().unwrap_or("–"));
            if lease.pending {
                tag.push_str(" <span class=\"pill warn\">waits for the device</span>");
            }
            vec![
                Cell::size(lease.bytes),
                Cell::size(lease.placed),
                Cell::html(tag),
                Cell::maybe(lease.scope.as_deref()),
                site.map_or(Cell::maybe(None), |site| Cell::site(&site)),
                Cell::word(&lease.account),
                Cell::word(&lease.thread),
                Cell::right(&age, lease.age_ns.unwrap_or(u64::MAX)),
            ]
        };
        let rows: Vec<_> = self.peak.largest.iter().map(row).collect();
        if rows.is_empty() {
            return String::new();
        }
        let columns = [
            ("asked", true),
            ("placed", true),
            ("tag", false),
            ("scope", false),
            ("line of code", false),
            ("account", false),
            ("thread", false),
            ("age", true),
        ];
        let content = table("the largest leases alive at the peak", &columns, &rows, 15);
        card("The largest leases alive at the peak", "", &content)
    }
}

/// Whether a difference from a prediction, in percent, is worth a look.
pub(super) fn class_of(difference: f64) -> &'static str {
    match difference {
        more if more > 10.0 => "bad",
        more if more > 0.0 => "warn",
        less if less < -30.0 => "warn",
        _ => "good",
    }
}

/// The name of a measure.
pub(super) fn measure(measure: Measure) -> &'static str {
    match measure {
        Measure::Charged => "charged",
        Measure::Placed => "leased, as placed",
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share from 0 to 1")]
fn tenths(share: f64) -> u64 {
    (share.clamp(0.0, 1.0) * 1000.0).round() as u64
}
