//! The tables held against the predictions, counted.

use plimsoll::Bytes;

use super::row::{Row, Source};
use crate::llama::Buffers;

/// How far a cache or an output buffer may be off.
const WITHIN_MIB: f64 = 0.2;

/// What came of a comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Check {
    /// Caches, recurrent state and outputs.
    pub cache: Tally,
    /// Compute buffers of dry runs.
    pub compute: Fit,
    /// Compute buffers of GPUs in logs of llama.cpp.
    pub gpu: Fit,
    /// Compute buffers in logs of forks, for what they are worth.
    pub fork: Fit,
    /// Rows that were off, and rows that do not say what is needed.
    pub remarks: Vec<Remark>,
}

/// Rows, and how many of them agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Rows that say what is needed.
    pub rows: usize,
    /// Of those, how many agreed.
    pub within: usize,
}

impl Tally {
    /// The share that agreed.
    #[expect(clippy::cast_precision_loss, reason = "numbers of rows are small")]
    pub fn share(&self) -> f64 {
        if self.rows == 0 { 1.0 } else { self.within as f64 / self.rows as f64 }
    }
}

/// How far predictions lie above and below what was measured, as shares of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Fit {
    /// Rows that say what is needed.
    pub rows: usize,
    /// Rows within a twentieth.
    pub within: usize,
    /// The most above.
    pub max_over: f64,
    /// The most below.
    pub max_under: f64,
}

impl Fit {
    fn add(&mut self, off: f64) {
        self.rows += 1;
        self.within += usize::from(off.abs() <= 0.05);
        self.max_over = self.max_over.max(off);
        self.max_under = self.max_under.max(-off);
    }
}

/// A row of which something is to be said.
#[derive(Clone, Debug, PartialEq)]
pub struct Remark {
    /// The line of its file.
    pub line: usize,
    /// The model.
    pub name: String,
    /// What.
    pub text: String,
}

/// Holds rows against the predictions.
pub fn check<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Check {
    let mut check = Check::default();
    for row in rows {
        check.row(row);
    }
    check
}

#[expect(clippy::cast_precision_loss, reason = "compared to a fraction of a MiB")]
fn mib(bytes: Bytes) -> f64 {
    bytes.get() as f64 / f64::from(1 << 20)
}

fn sum(sizes: &[Bytes]) -> f64 {
    mib(sizes.iter().fold(Bytes::ZERO, |sum, size| sum.saturating_add(*size)))
}

impl Check {
    fn row(&mut self, row: &Row) {
        let subject = match &row.subject {
            Ok(subject) => subject,
            Err(lack) => return self.remark(row, format!("not compared: {lack}")),
        };
        let buffers = match Buffers::of(&subject.model, &subject.options) {
            Ok(buffers) => buffers,
            Err(error) => return self.remark(row, format!("not predicted: {error}")),
        };
        self.caches(row, &buffers);
        self.compute(row, &buffers);
    }

    fn remark(&mut self, row: &Row, text: String) {
        self.remarks.push(Remark { line: row.line, name: row.name.clone(), text });
    }

    fn caches(&mut self, row: &Row, buffers: &Buffers) {
        let (cache, state) = (sum(&buffers.cache), sum(&buffers.state));
        let measured = &row.measured;
        let output = measured.output.filter(|_| row.output_lacks.is_none());
        let pairs = [
            ("cache", measured.cache, cache),
            ("state", measured.state, state),
            ("cache and state", measured.together, cache + state),
            ("output", output, mib(buffers.output)),
        ];
        let told: Vec<_> =
            pairs.into_iter().filter_map(|(what, size, own)| Some((what, size?, own))).collect();
        if told.is_empty() {
            return;
        }
        self.cache.rows += 1;
        let off: Vec<_> = told.iter().filter(|(_, size, own)| !size.agrees(*own, WITHIN_MIB)).collect();
        self.cache.within += usize::from(off.is_empty());
        for (what, size, own) in off {
            self.remark(row, format!("{what} of {:.2} MiB, predicted {own:.2}", size.mib));
        }
    }

    fn compute(&mut self, row: &Row, buffers: &Buffers) {
        if row.compute_lacks.is_some() {
            return;
        }
        let measured = &row.measured;
        let mut pairs: Vec<_> =
            measured.compute.iter().copied().zip(buffers.compute.iter().map(|own| mib(*own))).collect();
        let dry = row.source == Source::DryRun;
        if let (Some(host), Some(own)) = (measured.host_compute, buffers.compute.last())
            && (dry || measured.compute.is_empty())
        {
            pairs.push((host, mib(*own)));
        }
        // A row counts by the buffer that is furthest off.
        let worst = pairs.iter().filter(|(size, _)| *size > 0.0).map(|(size, own)| (own - size) / size);
        let Some(off) = worst.max_by(|one, other| one.abs().total_cmp(&other.abs())) else { return };
        let (fit, most) = match row.source {
            Source::DryRun => (&mut self.compute, 0.005),
            Source::Mainline => (&mut self.gpu, 0.05),
            Source::Fork => (&mut self.fork, f64::INFINITY),
        };
        fit.add(off);
        if off.abs() > most {
            self.remark(row, format!("compute (measured, predicted): {pairs:.2?}"));
        }
    }
}
