//! The plan as what an engine enforces: lines, accounts, guarantees and limits.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use plimsoll::ledger::{AccountSettings, LedgerSettings};
use plimsoll::settings::to_toml;
use plimsoll::{Bytes, Place};

use super::configuration::CACHE;
use super::{Plan, Planned};
use crate::Part;

/// What one account is to have of one place.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    /// What the plan says that it will need.
    predicted: Bytes,
    /// The high end of that.
    high: Bytes,
}

impl Plan {
    /// The accounts: `workload/kind` for each kind of part. What is sure to be needed is guaranteed with its margin; what
    /// may grow (scratch, key-value caches) may borrow what nobody was promised; caches have no guarantee; weights
    /// cannot grow and are held to their size.
    pub fn settings(&self) -> LedgerSettings {
        let mut settings = LedgerSettings { places: Vec::new(), accounts: Vec::new() };
        for planned in &self.planned {
            for (kind, shares) in shares(planned) {
                let mut account = AccountSettings::new(format!("{}/{kind}", planned.name));
                account = account.priority(planned.priority).lend(kind != "scratch");
                for (place, share) in shares {
                    let (guaranteed, limit) = self.bounds(kind, place, share);
                    if limit.is_zero() {
                        continue;
                    }
                    account = account.share(place, guaranteed, limit).predicted(place, share.predicted);
                }
                if !account.shares.is_empty() {
                    settings.accounts.push(account);
                }
            }
        }
        let used = |place: Place| {
            settings.accounts.iter().any(|account| account.shares.iter().any(|share| share.place == place))
        };
        settings.places = self.lines.lines.iter().filter(|line| used(line.place)).copied().collect();
        settings.places.sort_by_key(|line| line.place);
        settings.accounts.sort_by(|a, b| a.path.cmp(&b.path));
        settings
    }

    fn bounds(&self, kind: &str, place: Place, share: Share) -> (Bytes, Bytes) {
        let free = self.headroom(place);
        match kind {
            CACHE => (Bytes::ZERO, share.high.min(self.lines.shareable(place))),
            "weights" => (share.high, share.high),
            // A limit is round where it can be: it is read by people.
            _ => {
                let limit = share.high.saturating_add(free).get() >> 20 << 20;
                (share.high, share.high.max(Bytes::new(limit)))
            }
        }
    }

    /// The file that `Engine::open` reads. `runs` is where each run is to leave what it needed; `heading` are lines of
    /// comment.
    pub fn toml(&self, heading: &str, runs: Option<&Path>) -> String {
        let mut text = String::new();
        for line in heading.lines() {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text);
        text.push_str(&to_toml(&self.settings()));
        if let Some(runs) = runs {
            let names: Vec<&str> = self.planned.iter().map(|planned| planned.name.as_str()).collect();
            let quoted = |text: &str| serde_json::Value::from(text).to_string();
            let _ = writeln!(
                text,
                "# Each run adds what was predicted and what it needed; `plimsoll plan` learns from it."
            );
            let _ = writeln!(text, "[plan]\nname = {}", quoted(&names.join(" + ")));
            let _ = writeln!(text, "runs = {}", quoted(&runs.display().to_string()));
        }
        text
    }
}

/// By kind of part and place: what a workload's account is to have.
fn shares(planned: &Planned) -> BTreeMap<&'static str, BTreeMap<Place, Share>> {
    let phases = &planned.configuration.phases;
    let mut shares: BTreeMap<&'static str, BTreeMap<Place, Share>> = BTreeMap::new();
    let mut add = |parts: &[Part]| {
        for part in parts {
            let share = shares.entry(part.account).or_default().entry(part.place).or_default();
            share.predicted = share.predicted.saturating_add(part.bytes);
            share.high = share.high.saturating_add(part.certainty.high(part.bytes));
        }
    };
    add(&phases.resident);
    // The worst turn of each place: its parts are what the accounts must hold at once.
    for place in phases.places() {
        if let Some(turn) = phases.heaviest(place) {
            let here: Vec<Part> = turn.parts.iter().filter(|part| part.place == place).cloned().collect();
            add(&here);
        }
    }
    shares
}
