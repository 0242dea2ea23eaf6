//! Replays recorded traces through the bare arena and prints one line each: the experiment behind its settings.
//!
//! `cargo run --release -p plimsoll --example traces -- [small_below=KIB] [slab=KIB] [slack=PERMILLE]
//! [step=PERMILLE] [effort=N] [granule=KIB] [unit=BYTES] [cache=MIB] [only=TEXT] [slabs=1]`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use plimsoll::pool::arena::ArenaSettings;
use plimsoll::replay::{BareArena, BestFit, CacheLimits, Replayer as _, Trace, replay};

const MIB: f64 = 1_048_576.0;

#[expect(clippy::cast_precision_loss, reason = "a table for people")]
fn line(path: &Path, settings: ArenaSettings, cache: u64) -> Result<bool, Box<dyn std::error::Error>> {
    let trace = Trace::open(path)?;
    let mut plain = BestFit::new(settings.unit);
    let best = replay(&trace, &mut plain)?;
    let mut nanos = f64::MAX;
    let mut last = None;
    for _ in 0..3 {
        let mut arena = BareArena::new(settings);
        if cache > 0 {
            arena = arena.cached(CacheLimits {
                bytes: cache,
                blocks: 1024,
            });
        }
        nanos = nanos.min(replay(&trace, &mut arena)?.ns_per_event);
        last = Some(arena);
    }
    let Some(arena) = last else { return Ok(false) };
    let live = trace.facts.peak_live_bytes as f64;
    let over = arena.peak_reserved_bytes() as f64 / live;
    let bar = if live > 1024.0 * MIB { 1.03 } else { 1.10 };
    let share = 100.0 * arena.map_events() as f64 / trace.facts.events as f64;
    let good = over <= bar && share <= 1.0;
    println!(
        "{:36} {:7} {:9.1} {:9.1} {over:6.4} | best fit {:6.4} trace {:6.3} | back {:4} give {:4} = {share:5.2}% flush {:5} {nanos:6.1} ns {}",
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .trim_end_matches(".csv.gz")
            .chars()
            .rev()
            .take(36)
            .collect::<String>()
            .chars()
            .rev()
            .collect::<String>(),
        trace.facts.events,
        live / MIB,
        arena.peak_reserved_bytes() as f64 / MIB,
        best.peak_reserved_bytes as f64 / live,
        trace
            .facts
            .recorded_reserved_bytes
            .map_or(f64::NAN, |bytes| bytes as f64 / live),
        arena.backs,
        arena.give_backs,
        arena.flushes,
        if good { "" } else { "<-" },
    );
    Ok(good)
}

fn main() -> ExitCode {
    let mut settings = ArenaSettings::pages(512, 2 << 20, 1 << 44);
    let (mut cache, mut only, mut slabs) = (0, String::new(), false);
    for argument in std::env::args().skip(1) {
        let (key, value) = argument.split_once('=').unwrap_or((&argument, ""));
        let number: u64 = value.parse().unwrap_or(0);
        match key {
            "small_below" => settings.small_below = number << 10,
            "slab" => settings.small_slab = number << 10,
            "slack" => settings.slack.permille = u32::try_from(number).unwrap_or(0),
            "slack_mib" => settings.slack.bytes = number << 20,
            "slack_most" => settings.slack.permille_most = u32::try_from(number).unwrap_or(0),
            "step" => settings.step_permille = u32::try_from(number).unwrap_or(0),
            "effort" => settings.effort = u32::try_from(number).unwrap_or(1),
            "granule" => {
                settings = ArenaSettings {
                    backing: ArenaSettings::pages(settings.unit, number << 10, 1 << 44).backing,
                    ..settings
                }
            }
            "unit" => settings.unit = number,
            "cache" => cache = number << 20,
            "only" => value.clone_into(&mut only),
            "slabs" => slabs = true,
            _ => {
                eprintln!("unknown: {argument}");
                return ExitCode::from(2);
            }
        }
    }
    if slabs {
        settings = ArenaSettings::slabs(settings.unit, 4096, 1 << 40);
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/alloc-traces");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("{} is not there", folder.display());
        return ExitCode::FAILURE;
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let mut misses = 0;
    for path in paths.iter().filter(|path| path.to_string_lossy().contains(&only)) {
        match line(path, settings, cache) {
            Ok(true) => {}
            Ok(false) => misses += 1,
            Err(error) => eprintln!("{}: {error}", path.display()),
        }
    }
    println!("misses: {misses}");
    ExitCode::SUCCESS
}
