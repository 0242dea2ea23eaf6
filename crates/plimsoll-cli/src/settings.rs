//! What was typed, checked once; nothing below here sees raw arguments.

use crate::args::{
    Args, BenchCommand, CommandArgs, ConfigArgs, DeviceCommand, PoolCommand, RecordingCommand,
};
use crate::bench::docs::DocsBenchArgs;
use crate::bench::kv::KvArgs;
use crate::bench::llm::LlmArgs;
use crate::bench::memory::MemoryArgs;
use crate::bench::serve::ServeBenchArgs;
use crate::bench::train::TrainBenchArgs;
use crate::bench::{GovernorArgs, PoolArgs, RecorderArgs};
use crate::config::CheckArgs;
use crate::device::DeviceCheckArgs;
use crate::docs::DocsCommand;
use crate::doctor::DoctorArgs;
use crate::generate::GenerateArgs;
use crate::health::HealthArgs;
use crate::kv::KvCommand;
use crate::machine::MachineArgs;
use crate::plan::PlanArgs;
use crate::pool::ReplayArgs;
use crate::printer::Color;
use crate::recording::{ExportArgs, ShowArgs};
use crate::report::ReportArgs;
use crate::serve::ServeArgs;
use crate::top::TopArgs;
use crate::train::TrainCommand;
use crate::vec::VecCommand;
use crate::watch::WatchArgs;

/// One run of the program.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) json: bool,
    pub(crate) color: Color,
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Serve(Box<ServeArgs>),
    Doctor(Box<DoctorArgs>),
    Machine(MachineArgs),
    Plan(Box<PlanArgs>),
    Top(TopArgs),
    Watch(WatchArgs),
    Health(HealthArgs),
    ConfigCheck(CheckArgs),
    PoolReplay(ReplayArgs),
    Kv(KvCommand),
    Generate(Box<GenerateArgs>),
    Vec(VecCommand),
    Docs(DocsCommand),
    Train(TrainCommand),
    DeviceCheck(DeviceCheckArgs),
    RecordingShow(ShowArgs),
    RecordingExport(ExportArgs),
    Report(ReportArgs),
    BenchPool(PoolArgs),
    BenchMemory(MemoryArgs),
    BenchGovernor(GovernorArgs),
    BenchRecorder(RecorderArgs),
    BenchKv(KvArgs),
    BenchDocs(DocsBenchArgs),
    BenchTrain(TrainBenchArgs),
    BenchLlm(LlmArgs),
    BenchServe(ServeBenchArgs),
}

impl From<Args> for Settings {
    fn from(args: Args) -> Self {
        Self {
            json: args.json,
            color: args.color,
            command: match args.command {
                CommandArgs::Serve(serve) => Command::Serve(serve),
                CommandArgs::Doctor(doctor) => Command::Doctor(doctor),
                CommandArgs::Machine(machine) => Command::Machine(machine),
                CommandArgs::Plan(plan) => Command::Plan(plan),
                CommandArgs::Top(top) => Command::Top(top),
                CommandArgs::Watch(watch) => Command::Watch(watch),
                CommandArgs::Health(health) => Command::Health(health),
                CommandArgs::Config(ConfigArgs::Check(check)) => Command::ConfigCheck(check),
                CommandArgs::Pool(PoolCommand::Replay(replay)) => Command::PoolReplay(replay),
                CommandArgs::Kv(command) => Command::Kv(command),
                CommandArgs::Generate(generate) => Command::Generate(generate),
                CommandArgs::Vec(command) => Command::Vec(command),
                CommandArgs::Docs(command) => Command::Docs(command),
                CommandArgs::Train(command) => Command::Train(command),
                CommandArgs::Device(DeviceCommand::Check(check)) => Command::DeviceCheck(check),
                CommandArgs::Recording(RecordingCommand::Show(show)) => Command::RecordingShow(show),
                CommandArgs::Recording(RecordingCommand::Export(export)) => Command::RecordingExport(export),
                CommandArgs::Report(report) => Command::Report(report),
                CommandArgs::Bench(BenchCommand::Pool(pool)) => Command::BenchPool(pool),
                CommandArgs::Bench(BenchCommand::Memory(memory)) => Command::BenchMemory(memory),
                CommandArgs::Bench(BenchCommand::Governor(governor)) => Command::BenchGovernor(governor),
                CommandArgs::Bench(BenchCommand::Recorder(recorder)) => Command::BenchRecorder(recorder),
                CommandArgs::Bench(BenchCommand::Docs(docs)) => Command::BenchDocs(docs),
                CommandArgs::Bench(BenchCommand::Kv(kv)) => Command::BenchKv(kv),
                CommandArgs::Bench(BenchCommand::Train(train)) => Command::BenchTrain(train),
                CommandArgs::Bench(BenchCommand::Llm(llm)) => Command::BenchLlm(llm),
                CommandArgs::Bench(BenchCommand::Serve(serve)) => Command::BenchServe(serve),
            },
        }
    }
}
