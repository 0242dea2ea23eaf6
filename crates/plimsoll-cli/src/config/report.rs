//! A checked configuration as a report; the schema of `plimsoll config check --json`.

use std::path::Path;

use plimsoll::Bytes;
use plimsoll::ledger::LedgerSettings;
use plimsoll::settings::{Capacities, Problem};
use serde::Serialize;

use crate::CliError;

/// What `plimsoll config check --json` prints for a configuration that is accepted.
///
/// ```json
/// { "file": "plan.toml", "ok": true,
///   "places": [{ "place": "host", "line_bytes": 1, "reserve_bytes": 1, "emergency_bytes": 1,
///                "promised_bytes": 1, "unpromised_bytes": 1, "usable_bytes": null,
///                "accounts": [{ "account": "kv", "guaranteed_bytes": 1, "limit_bytes": 1 }] }],
///   "accounts": [{ "account": "kv", "priority": 3, "lend": true, "tags": [] }] }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    /// The file.
    pub file: String,
    /// Always true.
    pub ok: bool,
    /// Each line with the accounts that share it.
    pub places: Vec<LineReport>,
    /// What accounts have apart from shares.
    pub accounts: Vec<AccountReport>,
}

/// One line.
#[derive(Clone, Debug, Serialize)]
pub struct LineReport {
    /// Which place.
    pub place: String,
    /// The most that it may carry.
    pub line_bytes: u64,
    /// What of it nobody may take.
    pub reserve_bytes: u64,
    /// What of it only shrinking may take.
    pub emergency_bytes: u64,
    /// What is guaranteed to accounts.
    pub promised_bytes: u64,
    /// What is left to borrow beyond guarantees.
    pub unpromised_bytes: u64,
    /// What this machine could carry there; `null` where it does not tell.
    pub usable_bytes: Option<u64>,
    /// The accounts with a share.
    pub accounts: Vec<ShareReport>,
}

/// An account's share of a line.
#[derive(Clone, Debug, Serialize)]
pub struct ShareReport {
    /// The account's path.
    pub account: String,
    /// What it gets whenever it asks.
    pub guaranteed_bytes: u64,
    /// What it never exceeds.
    pub limit_bytes: u64,
}

/// An account.
#[derive(Clone, Debug, Serialize)]
pub struct AccountReport {
    /// Its path.
    pub account: String,
    /// The higher, the later it is asked to shrink.
    pub priority: u8,
    /// Whether others may borrow what it does not use.
    pub lend: bool,
    /// Free words.
    pub tags: Vec<String>,
}

impl CheckReport {
    /// The report of settings that were accepted.
    pub fn new(file: &Path, settings: &LedgerSettings, capacities: &Capacities) -> Self {
        let places = settings.places.iter().map(|line| {
            let accounts: Vec<_> = settings
                .accounts
                .iter()
                .filter_map(|account| {
                    let share = account.shares.iter().find(|share| share.place == line.place)?;
                    Some(ShareReport {
                        account: account.path.clone(),
                        guaranteed_bytes: share.guaranteed.get(),
                        limit_bytes: share.limit.get(),
                    })
                })
                .collect();
            let promised = settings.promised(line.place);
            LineReport {
                place: line.place.to_string(),
                line_bytes: line.line.get(),
                reserve_bytes: line.reserve.get(),
                emergency_bytes: line.emergency.get(),
                promised_bytes: promised.get(),
                unpromised_bytes: line.shareable().saturating_sub(promised).get(),
                usable_bytes: capacities.of(line.place).map(Bytes::get),
                accounts,
            }
        });
        let accounts = settings.accounts.iter().map(|account| AccountReport {
            account: account.path.clone(),
            priority: account.priority,
            lend: account.lend,
            tags: account.tags.clone(),
        });
        Self {
            file: file.display().to_string(),
            ok: true,
            places: places.collect(),
            accounts: accounts.collect(),
        }
    }
}

/// What `plimsoll config check --json` prints for a configuration that is refused.
///
/// ```json
/// { "file": "plan.toml", "ok": false, "line": 3, "column": 8, "key": "places.host.line",
///   "problem": "…", "help": "…",
///   "sum": { "promised_bytes": 123, "line_bytes": 120, "excess_bytes": 3, "parts": [["kv", 30]] } }
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct RefusalReport {
    /// The file.
    pub file: String,
    /// Always false.
    pub ok: bool,
    /// Where in the file.
    pub line: Option<usize>,
    /// Where in the line, in characters.
    pub column: Option<usize>,
    /// The key in question.
    pub key: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub help: String,
    /// The arithmetic, when guarantees do not fit.
    pub sum: Option<SumReport>,
}

/// The arithmetic of guarantees that do not fit.
#[derive(Clone, Debug, Serialize)]
pub struct SumReport {
    /// All that is promised.
    pub promised_bytes: u64,
    /// What there is.
    pub line_bytes: u64,
    /// What is too much.
    pub excess_bytes: u64,
    /// Each part with its name.
    pub parts: Vec<(String, u64)>,
}

impl RefusalReport {
    /// The report of why a file is refused.
    pub fn new(file: &Path, error: &CliError) -> Self {
        let settings = match error {
            CliError::Settings(shown) => Some(&shown.error),
            _ => None,
        };
        let at = settings.and_then(|error| error.at);
        let sum = settings.and_then(|error| match &*error.problem {
            Problem::Overcommitted(over) => Some(SumReport {
                promised_bytes: over.sum.get(),
                line_bytes: over.line.get(),
                excess_bytes: over.excess().get(),
                parts: over.summands.iter().map(|part| (part.name.clone(), part.bytes.get())).collect(),
            }),
            _ => None,
        });
        Self {
            file: file.display().to_string(),
            ok: false,
            line: at.map(|at| at.line),
            column: at.map(|at| at.column),
            key: settings.map(|error| error.key.clone()).filter(|key| !key.is_empty()),
            problem: settings.map_or_else(|| error.to_string(), |error| error.problem.to_string()),
            help: error.next_step(),
            sum,
        }
    }
}
