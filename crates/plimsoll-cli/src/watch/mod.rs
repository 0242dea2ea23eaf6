//! `plimsoll watch`: a sample every so often, printed, and passed on as alerts and metrics.

mod args;
mod line;
mod samples;

use std::sync::Arc;
use std::time::Duration;

use plimsoll::monitor::metrics::OtlpSink;
use plimsoll::monitor::{AlertLog, PostSettings, Sample, ServeSettings, Server, Sink, Webhook};

pub use args::WatchArgs;
pub(crate) use args::time;
pub use line::line;
pub use samples::{Samples, samples};

use crate::{CliError, Printer};

/// Samples until the count is reached, the engine ends, or nobody reads any more.
pub fn run(args: &WatchArgs, printer: &Printer) -> Result<(), CliError> {
    let samples = samples(args.attach.as_ref(), args.every, args.settings()?, false)?;
    let mut sinks = Sinks::start(args)?;
    watch(samples, args.count, &mut sinks, printer)
}

/// Whoever wants the samples beside stdout.
struct Sinks {
    all: Vec<Box<dyn Sink>>,
    /// Listens as long as this lives.
    _server: Option<Server>,
}

impl Sinks {
    fn start(args: &WatchArgs) -> Result<Self, CliError> {
        let mut all: Vec<Box<dyn Sink>> = vec![Box::new(AlertLog::stderr())];
        // One that is tried twice and waited for at the end: what a script is told last is often the point of it.
        let patient = PostSettings { linger: Duration::from_secs(11), ..PostSettings::default() };
        if let Some(url) = &args.webhook {
            all.push(Box::new(Webhook::start(url, patient)?));
        }
        if let Some(url) = &args.otlp {
            all.push(Box::new(OtlpSink::start(url, PostSettings::default())?));
        }
        let server = args.metrics.map(|address| {
            let listen = |source| CliError::Listen { address, source };
            Server::bind(address, ServeSettings::default()).map_err(listen)
        });
        let server = server.transpose()?;
        if let Some(server) = &server {
            all.push(Box::new(server.sink()));
            Printer::remark(&format!("http://{}/metrics, /health and /memory answer", server.address()));
            if !server.is_local() {
                Printer::remark("whoever reaches this machine can read them; 127.0.0.1 would keep them here");
            }
        }
        Ok(Self { all, _server: server })
    }
}

fn watch(
    samples: impl Iterator<Item = Result<Arc<Sample>, CliError>>,
    count: Option<u64>,
    sinks: &mut Sinks,
    printer: &Printer,
) -> Result<(), CliError> {
    let most = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    for (number, sample) in samples.take(most).enumerate() {
        let sample = sample?;
        for sink in &mut sinks.all {
            sink.sample(&sample);
        }
        if printer.json() {
            let mut text = serde_json::to_string(&*sample).map_err(CliError::Json)?;
            text.push('\n');
            printer.data(&text)?;
        } else {
            printer.data(&line(&sample, number, printer.pen()))?;
        }
    }
    Ok(())
}
