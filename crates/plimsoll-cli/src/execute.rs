//! Which command does what was asked.

use crate::settings::{Command, Settings};
use crate::{
    CliError, Printer, bench, config, device, docs, doctor, generate, health, kv, machine, plan, pool,
    recording, report, serve, top, train, vec, watch,
};

/// Does it.
pub(crate) fn execute(settings: &Settings, printer: &Printer) -> Result<(), CliError> {
    match &settings.command {
        Command::Serve(args) => serve::run(args, printer),
        Command::Doctor(args) => doctor::run(args, printer),
        Command::Machine(machine) => machine::run(machine, printer),
        Command::Plan(plan) => plan::run(plan, printer),
        Command::Top(top) => top::run(top, printer),
        Command::Watch(watch) => watch::run(watch, printer),
        Command::Health(health) => health::run(health, printer),
        Command::ConfigCheck(check) => config::run(check, printer),
        Command::PoolReplay(replay) => pool::run(replay, printer),
        Command::Kv(command) => kv::run(command, printer),
        Command::Generate(generate) => generate::run(generate, printer),
        Command::Vec(command) => vec::run(command, printer),
        Command::Docs(command) => docs::run(command, printer),
        Command::Train(command) => train::run(command, printer),
        Command::DeviceCheck(check) => device::run(check, printer),
        Command::RecordingShow(show) => recording::run_show(show, printer),
        Command::RecordingExport(export) => recording::run_export(export, printer),
        Command::Report(report) => report::run(report, printer),
        Command::BenchPool(pool) => bench::run_pool(pool, printer),
        Command::BenchMemory(memory) => bench::memory::run(memory, printer),
        Command::BenchGovernor(governor) => bench::run_governor(governor, printer),
        Command::BenchDocs(docs) => bench::docs::run(docs, printer),
        Command::BenchKv(kv) => bench::kv::run(kv, printer),
        Command::BenchTrain(train) => bench::train::run(train, printer),
        Command::BenchLlm(llm) => bench::llm::run(llm, printer),
        Command::BenchServe(serve) => bench::serve::run(serve, printer),
        Command::BenchRecorder(recorder) => bench::run_recorder(recorder, printer),
    }
}
