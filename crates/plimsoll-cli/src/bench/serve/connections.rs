//! What a connection takes on which nothing is asked, and whether others are answered meanwhile.

use std::io;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use plimsoll::Bytes;
use plimsoll_serve::http::{files_wanted, raise_files};

use super::args::ServeBenchArgs;
use super::child::Served;
use super::client::Client;
use super::measure::{answered, failed, milliseconds};
use super::report::{ServeRow, Unit};
use crate::CliError;
use crate::bench::median;

/// What one may take.
const EACH: Bytes = Bytes::kib(32);

/// How long they may take to be taken in.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens as many as are wanted, or as the system lets this process have, with a service in a process of its own.
pub(super) fn rows(args: &ServeBenchArgs) -> Result<Vec<ServeRow>, CliError> {
    let wanted = if args.quick { 200 } else { args.connections };
    // Here each is one file too.
    let most = raise_files(files_wanted(wanted)).saturating_sub(files_wanted(0));
    let count = wanted.min(usize::try_from(most).unwrap_or(usize::MAX));
    let served = Served::start(args, ["--no-cache"]).map_err(failed)?;
    // On a connection of its own each time: one that stood idle for long is closed like any other.
    let ask = || -> Result<(f64, u64), CliError> {
        let mut asker = Client::connect(served.at()).map_err(failed)?;
        let began = Instant::now();
        let (status, told) = asker.ask("/activity", "").map_err(failed)?;
        answered(status)?;
        Ok((milliseconds(began.elapsed()), told["connections"].as_u64().unwrap_or(0)))
    };
    ask()?;
    let before = served.resident();
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        open.push(TcpStream::connect(served.at()).map_err(failed)?);
    }
    // All are taken in before anything is counted.
    let until = Instant::now() + PATIENCE;
    while ask()?.1 <= count as u64 {
        if Instant::now() > until {
            return Err(failed(io::Error::other(format!("of {count} connections not all were taken in"))));
        }
    }
    let taken = served.resident().saturating_sub(before);
    let mut times = Vec::new();
    for _ in 0..20 {
        times.push(ask()?.0);
    }
    drop(open);
    #[expect(clippy::cast_precision_loss, reason = "counts, and bytes of a process")]
    let (each, target) = (taken as f64 / count.max(1) as f64, EACH.get() as f64);
    Ok(vec![
        ServeRow::new(format!("{count} connections without a request, each"), each, Unit::Bytes)
            .at_most(target),
        ServeRow::new("a request for a fact beside them", median(times), Unit::Ms),
    ])
}
