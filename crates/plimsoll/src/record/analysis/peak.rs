//! What was live at a peak.

use std::fmt;

use super::{Fragmentation, Moment};
use crate::record::Site;
use crate::{Bytes, Place};

/// A part of a peak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The label's or the account's name.
    pub name: String,
    /// Bytes as asked.
    pub bytes: u64,
    /// In how many leases; `None` where they are older than the recording.
    pub leases: Option<u64>,
}

/// One lease that was alive at a peak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseAtPeak {
    /// Whose.
    pub account: String,
    /// Where on the device.
    pub address: u64,
    /// Bytes as asked.
    pub bytes: u64,
    /// Bytes as placed.
    pub placed: u64,
    /// Its tag, where it has one.
    pub tag: Option<String>,
    /// The scope that it was leased in, where there is one.
    pub scope: Option<String>,
    /// The line of code, where it is known.
    pub site: Option<Site>,
    /// The thread that leased it.
    pub thread: String,
    /// How old it was; `None` for one that is older than the recording.
    pub age_ns: Option<u64>,
    /// Its owner had dropped it, and the device might still use it.
    pub pending: bool,
}

/// What was live at a place when it had most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peak {
    /// Which place.
    pub place: Place,
    /// How much and when, as asked.
    pub requested: Moment,
    /// What of it waited for the device, as placed.
    pub pending: u64,
    /// What was charged then.
    pub charged: Option<u64>,
    /// By label, most first.
    pub by_label: Vec<Share>,
    /// By account, most first.
    pub by_account: Vec<Share>,
    /// The largest leases, largest first.
    pub largest: Vec<LeaseAtPeak>,
    /// How broken up memory was.
    pub fragmentation: Fragmentation,
}

/// Each place's peak by tag; prints as a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeakByTag {
    /// Place by place.
    pub places: Vec<(Place, Moment, Vec<Share>)>,
    /// Events that are missing.
    pub dropped: u64,
    /// Why the recording could not be read to its end.
    pub trouble: Option<String>,
}

/// The table has so many rows a place; the rest is one row.
const ROWS: usize = 12;

impl fmt::Display for PeakByTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (place, moment, shares) in self.places.iter().filter(|(_, moment, _)| moment.bytes > 0) {
            if !first {
                writeln!(f)?;
            }
            first = false;
            let peak = Bytes::new(moment.bytes);
            write!(f, "{place}  peak {peak} after {}", Seconds(moment.at_ns))?;
            let (shown, rest) = shares.split_at(shares.len().min(ROWS));
            let width = shown.iter().map(|share| share.name.chars().count()).max().unwrap_or(0).min(40);
            for share in shown {
                // A recording may come from anywhere: nothing in it steers a terminal.
                let name = share.name.replace(char::is_control, "?");
                let part = Bytes::new(share.bytes);
                let percent = 100.0 * part.ratio(peak);
                write!(f, "\n  {name:width$}  {:>10}  {percent:>5.1}%", part.to_string())?;
                match share.leases {
                    Some(1) => write!(f, "  1 lease")?,
                    Some(leases) => write!(f, "  {leases} leases")?,
                    None => {}
                }
            }
            if !rest.is_empty() {
                let part = Bytes::new(rest.iter().map(|share| share.bytes).sum());
                let percent = 100.0 * part.ratio(peak);
                let name = format!("({} more)", rest.len());
                write!(f, "\n  {name:width$}  {:>10}  {percent:>5.1}%", part.to_string())?;
            }
        }
        if first {
            write!(f, "nothing was leased")?;
        }
        if self.dropped > 0 {
            write!(f, "\n{} events had no room and are missing: this may not be all", self.dropped)?;
        }
        if let Some(trouble) = &self.trouble {
            write!(f, "\nthe recording could not be read to its end: {trouble}")?;
        }
        Ok(())
    }
}

struct Seconds(u64);

impl fmt::Display for Seconds {
    #[expect(clippy::cast_precision_loss, reason = "three decimals are shown")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 as f64 {
            ns if ns < 1e6 => write!(f, "{:.1} µs", ns / 1e3),
            ns if ns < 1e9 => write!(f, "{:.1} ms", ns / 1e6),
            ns => write!(f, "{:.2} s", ns / 1e9),
        }
    }
}
