//! Whether lines fit a machine.

use plimsoll::ledger::LedgerSettings;
use plimsoll::machine::Machine;
use plimsoll::settings::Capacities;
use plimsoll::{Bytes, Place};

use crate::CliError;

/// Refuses a line above what its place may carry, and lines that share one memory and are more than it together.
/// A place that the machine does not tell about is left to its driver.
pub fn check_fits(
    settings: &LedgerSettings,
    capacities: &Capacities,
    assumed: &[(Place, Bytes)],
    machine: &Machine,
) -> Result<(), CliError> {
    for line in &settings.places {
        let Some(usable) = capacities.of(line.place).filter(|&usable| line.line > usable) else {
            continue;
        };
        let told = machine.place(line.place).map(|facts| facts.limited_by);
        let is_assumed = assumed.iter().any(|&(place, _)| place == line.place);
        return Err(CliError::LineTooHigh {
            place: line.place,
            line: line.line,
            usable,
            limited_by: match told {
                Some(limit) if !is_assumed => limit,
                _ => "assumed".to_owned(),
            },
        });
    }
    let shares = |place: Place| {
        let facts = machine.place(place);
        matches!(place, Place::Host | Place::Pinned) || facts.is_some_and(|facts| facts.shares_host)
    };
    let sharing: Vec<_> = settings.places.iter().filter(|line| shares(line.place)).collect();
    let sum = sharing.iter().fold(Bytes::ZERO, |sum, line| sum.saturating_add(line.line));
    match capacities.of(Place::Host) {
        Some(usable) if sum > usable && sharing.len() > 1 => Err(CliError::SharedLines {
            places: sharing.iter().map(|line| line.place.to_string()).collect::<Vec<_>>().join(", "),
            sum,
            usable,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use plimsoll::ledger::LineSettings;
    use plimsoll::machine::Memory;

    use super::*;

    fn settings(lines: &[(Place, u64)]) -> LedgerSettings {
        let line = |&(place, gib)| LineSettings {
            place,
            line: Bytes::gib(gib),
            reserve: Bytes::ZERO,
            emergency: Bytes::ZERO,
        };
        LedgerSettings { places: lines.iter().map(line).collect(), accounts: Vec::new() }
    }

    #[test]
    fn lines_that_share_one_memory_are_added() {
        let mac = Machine {
            memory: Memory { total: Some(Bytes::gib(128)), unified: Some(true), ..Memory::default() },
            ..Machine::default()
        };
        let check = |lines: &[(Place, u64)]| check_fits(&settings(lines), &Capacities::from(&mac), &[], &mac);
        assert!(check(&[(Place::Host, 24), (Place::Gpu(0), 96)]).is_ok());
        let shared = check(&[(Place::Host, 40), (Place::Gpu(0), 96)]);
        assert!(matches!(shared, Err(CliError::SharedLines { sum, .. }) if sum == Bytes::gib(136)));
        let high = check(&[(Place::Gpu(0), 97)]);
        assert!(matches!(high, Err(CliError::LineTooHigh { place: Place::Gpu(0), .. })));
        assert!(check(&[(Place::Cuda(0), 999)]).is_ok(), "its driver knows");
    }
}
