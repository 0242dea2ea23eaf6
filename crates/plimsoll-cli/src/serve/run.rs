//! The command.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use plimsoll::machine::Machine;
use plimsoll::{Bytes, Place};
use plimsoll_serve::model::{ModelSource, found};
use plimsoll_serve::shelf::LibrarySource;
use plimsoll_serve::{DeviceSettings, Running, ServeError, ServeSettings, Service};
use serde::Serialize;

use super::file::merged;
use super::{ServeArgs, ServeFailure};
use crate::backends::Backends;
use crate::budget::most_of;
use crate::own_docs::{self, OwnDocs};
use crate::{CliError, Printer, built_in};

/// The most that the cache's folder takes where nothing is said.
const CACHE: Bytes = Bytes::gib(4);
/// The least that is worth a folder.
const CACHE_LEAST: Bytes = Bytes::mib(64);
/// Sequences that a GPU steps together where nothing is said: up to so many its matrix units take at once.
const SEQUENCES_THERE: usize = 32;

/// What is told when it listens.
#[derive(Serialize)]
struct Started {
    address: String,
    line: u64,
    device: Option<(String, u64)>,
    models: Vec<String>,
    libraries: Vec<String>,
    cache: Option<PathBuf>,
}

/// Serves until it is told to stop.
pub fn run(args: &ServeArgs, printer: &Printer) -> Result<(), CliError> {
    let (args, mut settings) = planned(args)?;
    let own = with_own_docs(&args, &mut settings);
    let mut running = match start(&settings) {
        // Somebody else's cache is no reason to serve nothing, where no folder was asked for.
        Err(ServeFailure::Serve(ServeError::Store(error)))
            if args.cache.is_none() && settings.cache.is_some() =>
        {
            Printer::remark(&format!("nothing is kept beyond this run: {error}"));
            settings.cache = None;
            start(&settings)?
        }
        started => started?,
    };
    tell(&running, &settings, printer)?;
    if let Some(own) = &own {
        running
            .take_in(own_docs::NAME, own.pages(), |came| {
                if let Err(error) = came {
                    Printer::remark(&format!("the documentation cannot be searched: {error}"));
                }
            })
            .map_err(ServeFailure::from)?;
    }
    wait();
    Printer::remark("stopping: answers may end, nobody new is taken in");
    let took = running.stop();
    drop(own);
    Printer::remark(&format!("stopped after {:.1} s", took.as_secs_f64()));
    Ok(())
}

/// What is to be served: what was typed, the environment and a file, and what follows from them.
pub(crate) fn planned(typed: &ServeArgs) -> Result<(ServeArgs, ServeSettings), ServeFailure> {
    let args = merged(typed, &|name| std::env::var(name).ok().filter(|value| !value.is_empty()))?;
    let settings = settings(&args)?;
    Ok((args, settings))
}

fn start(settings: &ServeSettings) -> Result<Running, ServeFailure> {
    let service = Service::open(settings.clone())?;
    // A model that is asked for by nothing but its place is loaded now, so that what is wrong with it is told here.
    if let [only] = settings.models.as_slice() {
        service.load(&only.name)?;
    }
    Ok(service.start()?)
}

fn settings(args: &ServeArgs) -> Result<ServeSettings, ServeFailure> {
    let mut models: Vec<ModelSource> = args.model.iter().map(ModelSource::at).collect();
    if let Some(folder) = &args.models {
        let inside = found(folder)?;
        // What was named before its folder is there already.
        models.extend(inside.into_iter().filter(|model| !args.model.iter().any(|path| path == model.path())));
        if models.is_empty() {
            return Err(ServeError::NoModel.into());
        }
    }
    if models.is_empty() {
        models.push(ModelSource::built_in(built_in::NAME, built_in::model()));
    }
    for model in &mut models {
        model.engine = args.engine.unwrap_or_default();
    }
    let line = args.line.or_else(suggested).ok_or(ServeFailure::Line)?;
    let mut settings = ServeSettings::new(line, models);
    settings.device = args.device.map(|place| device(place, args.device_memory)).transpose()?;
    if let Some(there) = &mut settings.device {
        there.away = args.away;
    }
    settings.kv = args.kv;
    settings.libraries = args.library.iter().map(|library| LibrarySource::parse(library)).collect();
    settings.embedder.clone_from(&args.embed);
    settings.docs = args.docs;
    settings.keys.clone_from(&args.keys);
    settings.cache = if args.no_cache { None } else { cache(args) };
    if let Some(listen) = args.listen {
        settings.listen = listen;
    }
    settings.batch.sequences = match (args.parallel, &settings.device) {
        (Some(parallel), _) => parallel.max(1),
        (None, Some(_)) => SEQUENCES_THERE,
        (None, None) => settings.batch.sequences,
    };
    let limits = &mut settings.limits;
    limits.tokens = args.answer_tokens.unwrap_or(limits.tokens).max(1);
    limits.waiting = args.waiting.unwrap_or(limits.waiting);
    limits.patience = args.patience_seconds.map_or(limits.patience, Duration::from_secs);
    settings.drain = args.drain_seconds.map_or(settings.drain, Duration::from_secs);
    Ok(settings)
}

/// The device that is to compute, what it may take of it, and page-locked memory beside it.
pub(crate) fn device(place: Place, line: Option<Bytes>) -> Result<DeviceSettings, ServeFailure> {
    let failed = |why| ServeFailure::Device { place, why };
    let backends = Backends::new(Printer::notice());
    let device = backends.open(place).map_err(failed)?;
    let line = match line {
        Some(line) => line,
        None => most_of(device.memory().map_err(|error| failed(error.into()))?.free),
    };
    let pinned = backends.beside(place).map_err(failed)?;
    Ok(DeviceSettings { device, line, pinned, away: None })
}

/// A service for this process alone: one model, on any port of this machine, that keeps nothing beyond itself.
pub(crate) fn alone(model: Option<&Path>, line: Option<Bytes>) -> Result<Running, ServeFailure> {
    let args = ServeArgs {
        model: model.map(Path::to_owned).into_iter().collect(),
        line,
        listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        no_cache: true,
        ..ServeArgs::default()
    };
    start(&settings(&args)?)
}

/// A library of our own documentation, for who asked for no library and no model.
fn with_own_docs(args: &ServeArgs, settings: &mut ServeSettings) -> Option<OwnDocs> {
    if !args.library.is_empty() || !args.model.is_empty() || args.models.is_some() {
        return None;
    }
    match OwnDocs::open() {
        Ok(own) => {
            settings.libraries =
                vec![LibrarySource { name: own_docs::NAME.to_owned(), folder: own.library() }];
            Some(own)
        }
        Err(error) => {
            Printer::remark(&format!("no documentation is served: {error}"));
            None
        }
    }
}

/// What the machine should spare.
fn suggested() -> Option<Bytes> {
    Some(Machine::read().place(Place::Host)?.suggested_line).filter(|line| !line.is_zero())
}

/// The folder of the cache and what it may take; none where there is no room for it.
fn cache(args: &ServeArgs) -> Option<(PathBuf, Bytes)> {
    let folder = args.cache.clone().or_else(|| Some(cache_folder()?.join("plimsoll").join("serve")))?;
    let size = args.cache_size.unwrap_or_else(|| {
        let free = free_at(&folder).unwrap_or(CACHE);
        CACHE.min(Bytes::new(free.get() / 10)).max(CACHE_LEAST)
    });
    Some((folder, size))
}

/// Where programs keep what can be had again.
fn cache_folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))
}

/// What is free where a folder is, or will be.
fn free_at(folder: &std::path::Path) -> Option<Bytes> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    Machine::read_for(there).place(Place::Disk)?.free
}

fn tell(running: &Running, settings: &ServeSettings, printer: &Printer) -> Result<(), CliError> {
    let address = format!("http://{}", running.address());
    let started = Started {
        address: address.clone(),
        line: settings.line.get(),
        device: settings
            .device
            .as_ref()
            .map(|there| (there.device.facts().place.to_string(), there.line.get())),
        models: settings.models.iter().map(|model| model.name.clone()).collect(),
        libraries: settings.libraries.iter().map(|library| library.name.clone()).collect(),
        cache: settings.cache.as_ref().map(|(folder, _)| folder.clone()),
    };
    if !running.address().ip().is_loopback() && settings.keys.is_empty() {
        Printer::remark(
            "others can reach this address, and anyone may ask: give --key, or listen at 127.0.0.1",
        );
    }
    printer.report(&started, |started, _| {
        let models = started.models.join(", ");
        let first = &started.models[0];
        let kept = started.cache.as_ref().map_or("nothing is kept beyond this run".to_owned(), |folder| {
            format!("prompts that were read are kept in {}", folder.display())
        });
        let key = if settings.keys.is_empty() { "" } else { " -H 'Authorization: Bearer …'" };
        let libraries = match started.libraries.as_slice() {
            [] => String::new(),
            names => format!(", with the documents of {}", names.join(", ")),
        };
        let third = if started.libraries.is_empty() {
            format!("curl {address}/activity{key}")
        } else {
            format!("curl {address}/v1/search{key} -d '{{\"query\": \"who may take the reserve\", \"k\": 2}}'")
        };
        let there = started.device.as_ref().map_or(String::new(), |(place, line)| {
            format!(" and of {} at {place}, which computes", Bytes::new(*line))
        });
        format!(
            "{address} serves {models}{libraries}, below a line of {}{there}; {kept}\n\nTry:\n  \
             curl {address}/v1/chat/completions{key} -d '{{\"model\": \"{first}\", \"messages\": [{{\"role\": \"user\", \"content\": \
             \"Returns the number of elements\"}}]}}'\n  \
             curl -N {address}/v1/completions{key} -d '{{\"prompt\": \"Creates a new\", \"max_tokens\": 60, \"stream\": true}}'\n  \
             {third}\n\nA page that shows where memory goes is at {address}\n",
            settings.line
        )
    })
}

/// Until Ctrl-C or SIGTERM. The second ends the program at once.
#[cfg(unix)]
fn wait() {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag::{register, register_conditional_shutdown};
    use signal_hook::iterator::Signals;

    let seen = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the second signal finds the flag set.
        let _ = register_conditional_shutdown(signal, 130, Arc::clone(&seen));
        let _ = register(signal, Arc::clone(&seen));
    }
    match Signals::new([SIGINT, SIGTERM]) {
        Ok(mut signals) => drop(signals.forever().next()),
        // Nothing will be heard, so nothing is waited for but the end of the process.
        Err(_) => loop {
            std::thread::park();
        },
    }
}

#[cfg(not(unix))]
fn wait() {
    loop {
        std::thread::park();
    }
}
