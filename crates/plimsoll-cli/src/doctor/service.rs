//! What a service is to serve: models, libraries, the cache's folder, the address.

use std::net::TcpListener;
use std::path::Path;

use plimsoll::Bytes;
use plimsoll::machine::{Disk, Machine};
use plimsoll_kv::store::folder::inspect;
use plimsoll_serve::model::ModelFault;
use plimsoll_serve::shelf::LibrarySource;
use plimsoll_serve::{LibraryState, ModelNeeds, ServeSettings, examine};

use super::Check;
use crate::serve::{ServeArgs, ServeFailure};

/// All of them.
pub(super) fn checks(args: &ServeArgs, settings: &ServeSettings) -> Vec<Check> {
    let mut checks = Vec::new();
    match examine(settings) {
        Ok(found) => {
            let only = found.models.len() == 1;
            checks.extend(found.models.into_iter().map(|(name, needs)| model(&name, needs, only)));
            checks.extend(found.libraries.into_iter().map(|(source, state)| library(&source, state)));
        }
        Err(error) => {
            let failure = ServeFailure::from(error);
            checks.push(Check::bad("settings", failure.to_string(), failure.next_step()));
        }
    }
    checks.push(match &settings.cache {
        Some((folder, size)) => cache(folder, *size, args.cache.is_some()),
        None => Check::watch(
            "cache folder",
            "none: prompts that were read are read again after a restart",
            "give one: `--cache DIR`",
        ),
    });
    checks.push(address(settings));
    checks
}

fn model(name: &str, needs: Result<ModelNeeds, ModelFault>, only: bool) -> Check {
    let what = format!("model {name}");
    match needs {
        Ok(ModelNeeds { engine, bytes, place, split: Some(split) }) => Check::watch(
            what,
            format!(
                "computed by the {engine} engine at {place}, {bytes} of the line there; {} of its {} layers stay there, and {} come from page-locked memory \
                 with every pass, which has {} of them",
                split.stay(),
                split.layers,
                split.come,
                Bytes::new(split.pinned_bytes)
            ),
            "it is as fast as the link to the GPU: more `--device-memory`, less `--kv`, or fewer bits have more layers stay",
        ),
        Ok(ModelNeeds { engine, bytes, .. }) => {
            Check::good(what, format!("computed by the {engine} engine, {bytes} of the line"))
        }
        Err(fault) => {
            let failure = ServeFailure::Model(fault);
            let (found, next) = (failure.to_string(), failure.next_step());
            // Alone it is the whole service; among others the rest is served.
            if only { Check::bad(what, found, next) } else { Check::watch(what, found, next) }
        }
    }
}

fn library(source: &LibrarySource, state: LibraryState) -> Check {
    let what = format!("library {}", source.name);
    let folder = source.folder.display();
    match state {
        LibraryState::New => match writable(&source.folder) {
            Ok(()) => Check::good(what, format!("{folder} is made at the start")),
            Err(why) => Check::bad(what, why, "give the service's user that folder, or name another"),
        },
        LibraryState::There { documents, in_use: false } => {
            Check::good(what, format!("{documents} documents in {folder}"))
        }
        LibraryState::There { documents, in_use: true } => Check::watch(
            what,
            format!("{documents} documents in {folder}, which another process writes: it is searched only"),
            "stop that process where documents are to be taken in here",
        ),
        LibraryState::Broken(error) => Check::bad(
            what,
            error.to_string(),
            "the other libraries are served; name another folder for this one",
        ),
    }
}

/// `asked`: whether the folder was named; who named none is served without one too.
fn cache(folder: &Path, size: Bytes, asked: bool) -> Check {
    let what = "cache folder";
    let shown = folder.display();
    let in_the_way = |found: String, next: &str| {
        if asked { Check::bad(what, found, next) } else { Check::watch(what, found, next) }
    };
    let mut has = Bytes::ZERO;
    if folder.exists() {
        match inspect(folder) {
            Ok(facts) => {
                if let Some(who) = facts.in_use {
                    let by = who.map(|pid| format!(", process {pid}")).unwrap_or_default();
                    let next = "stop that process, or give this service a folder of its own: `--cache DIR`";
                    return in_the_way(format!("another process has {shown} open{by}"), next);
                }
                has = facts.allocated;
            }
            Err(error) => return in_the_way(error.to_string(), "name another folder: `--cache DIR`"),
        }
    }
    if let Err(why) = writable(folder) {
        return in_the_way(why, "give the service's user that folder, or name another: `--cache DIR`");
    }
    let there = folder.ancestors().find(|folder| folder.exists());
    let disk = there.and_then(|there| Machine::read_for(there).disk);
    let free = disk.as_ref().map(|disk| disk.free);
    let found = format!(
        "{shown} may take {size}, {has} of it is there{}",
        free.map(|free| format!("; {free} are free on its disk")).unwrap_or_default()
    );
    if free.is_some_and(|free| size.saturating_sub(has) > free) {
        return Check::watch(what, found, "free the disk, or give `--cache-size` what there is");
    }
    if disk.as_ref().is_some_and(Disk::is_memory) {
        return Check::watch(what, format!("{found}; that disk is memory"), "name a folder on a disk");
    }
    Check::good(what, found)
}

/// Whether something can be written where a folder is, or will be. Nothing is left there.
fn writable(folder: &Path) -> Result<(), String> {
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or_else(|| Path::new("."));
    let tried = tempfile::tempfile_in(there);
    tried.map(drop).map_err(|error| format!("nothing can be written in {}: {error}", there.display()))
}

fn address(settings: &ServeSettings) -> Check {
    let address = settings.listen;
    match TcpListener::bind(address) {
        Err(error) => {
            let found = format!("nothing can listen at {address}: {error}");
            Check::bad("address", found, "stop who listens there, or choose another: `--listen ADDR:PORT`")
        }
        Ok(_) if !address.ip().is_loopback() && settings.keys.is_empty() => Check::watch(
            "address",
            format!("{address} is free; others can reach it, and anyone may ask"),
            "give a key (`--key`, or PLIMSOLL_KEY), or listen at 127.0.0.1",
        ),
        Ok(_) => Check::good("address", format!("{address} is free")),
    }
}
