//! `plimsoll kv replay TRACE`: what a cache would have found.

mod args;
mod report;
mod svg;
mod view;

pub use args::ReplayArgs;
pub use report::{ReplayRow, TierRow};

use plimsoll_kv::replay::{Trace, replay};

use super::KvError;
use crate::{CliError, Printer};

/// Replays and prints.
pub(super) fn run(args: &ReplayArgs, printer: &Printer) -> Result<(), CliError> {
    let trace =
        Trace::open(&args.trace).map_err(|source| KvError::Trace { path: args.trace.clone(), source })?;
    let sizes = args.sizes(&trace)?;
    let steps = sizes.len() * args.policy.len();
    let mut rows = Vec::with_capacity(steps);
    for &(share, capacity) in &sizes {
        for &policy in &args.policy {
            printer.progress("replaying", rows.len(), steps);
            let outcome = replay(&trace, policy, capacity, args.tiers);
            rows.push(ReplayRow::new(policy, share, capacity, args.block_bytes, &outcome));
        }
    }
    printer.progress("replaying", steps, steps);
    if let Some(path) = &args.svg {
        let picture = svg::draw(&rows, &view::title(&args.trace)).map_err(KvError::Picture)?;
        std::fs::write(path, picture).map_err(|source| CliError::Write { path: path.clone(), source })?;
        printer.note(&format!("the picture is in {}", path.display()));
    }
    printer.report(&rows, |rows, pen| view::view(rows, trace.blocks(), pen))
}
