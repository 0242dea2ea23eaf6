//! What can go wrong, with its cause and the next step.

use std::fmt;
use std::io;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use plimsoll::replay::RecordedError;
use plimsoll::settings::{Position, SettingsError};
use plimsoll::{Bytes, Place};

use crate::draw::Pen;

/// Why the program did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// A configuration that is refused for what it says.
    #[error(transparent)]
    Settings(Box<ShownSettingsError>),
    /// A line that this machine cannot carry.
    #[error("the line of {place} is {line}, and this machine has {usable} to use ({limited_by})")]
    LineTooHigh {
        /// Which place.
        place: Place,
        /// Its line.
        line: Bytes,
        /// What there is.
        usable: Bytes,
        /// What holds it to that.
        limited_by: String,
    },
    /// Lines that come out of one memory and are more than it together.
    #[error(
        "{places} share one memory, and their lines are {sum} together: this machine has {usable} to use"
    )]
    SharedLines {
        /// Their names.
        places: String,
        /// Their sum.
        sum: Bytes,
        /// What there is.
        usable: Bytes,
    },
    /// No codec can be chosen.
    #[error("{0}")]
    Codec(&'static str),
    /// A trace that cannot be read.
    #[error("{} cannot be replayed: {source}", path.display())]
    Trace {
        /// Which file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        source: plimsoll::replay::TraceError,
    },
    /// A cache of attention state, or a trace for one.
    #[error(transparent)]
    Kv(#[from] crate::kv::KvError),
    /// What precisions cost a model could not be measured.
    #[error(transparent)]
    KvGate(#[from] crate::kv::GateFailure),
    /// A text could not be written.
    #[error(transparent)]
    Generate(#[from] crate::generate::GenerateError),
    /// A service could not be opened.
    #[error(transparent)]
    Serve(#[from] crate::serve::ServeFailure),
    /// A service could not be measured.
    #[error("the service did not answer as it should: {0}")]
    ServeBench(#[source] std::io::Error),
    /// The tiered cache could not be measured.
    #[error(transparent)]
    KvBench(#[from] crate::bench::kv::KvBenchError),
    /// A training.
    #[error(transparent)]
    Train(#[from] crate::train::TrainError),
    /// A model could not be measured.
    #[error(transparent)]
    LlmBench(#[from] crate::bench::llm::LlmBenchError),
    /// An index of vectors.
    #[error(transparent)]
    Vec(#[from] plimsoll_vec::index::VecError),
    /// Documents.
    #[error(transparent)]
    Docs(#[from] plimsoll_docs::DocsError),
    /// A service that was to answer.
    #[error("the service did not answer: {0}")]
    Service(String),
    /// Lines and accounts.
    #[error(transparent)]
    Engine(#[from] plimsoll::EngineError),
    /// A neural codec.
    #[error(transparent)]
    Neural(#[from] plimsoll_vec::neural::NeuralError),
    /// A search on a device.
    #[error(transparent)]
    Gpu(#[from] plimsoll_vec::gpu::GpuError),
    /// A file of ids that holds something else.
    #[error("{} is no list of ids: {word:?} is no whole number", path.display())]
    Ids {
        /// Which file.
        path: std::path::PathBuf,
        /// What stands there.
        word: String,
    },
    /// A file that could not be read.
    #[error("{} could not be read: {source}", path.display())]
    Read {
        /// Which file.
        path: std::path::PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A store of attention state that cannot be used.
    #[error(transparent)]
    Store(#[from] plimsoll_kv::store::StoreError),
    /// A cold store in which something does not verify.
    #[error("{} is damaged: {found} things do not verify", folder.display())]
    Damaged {
        /// Which folder.
        folder: std::path::PathBuf,
        /// How many things.
        found: usize,
    },
    /// A replay that was cut short.
    #[error(transparent)]
    Replay(#[from] plimsoll::replay::ReplayError),
    /// A place whose device cannot be used.
    #[error("{place} cannot be used: {why}")]
    Place {
        /// Which place.
        place: Place,
        /// Why.
        why: crate::backends::BackendError,
    },
    /// A device that does not keep what devices promise.
    #[error("{device} does not keep what devices promise: {failed} of {all} checks failed")]
    Promises {
        /// Which device.
        device: String,
        /// How many checks failed.
        failed: usize,
        /// How many there are.
        all: usize,
    },
    /// Memory that could not be measured.
    #[error(transparent)]
    Memory(#[from] crate::bench::memory::MemoryError),
    /// A benchmark that could not run, or showed a fault.
    #[error("the benchmark failed: {0}")]
    Bench(String),
    /// A screen where there is none to draw on.
    #[error("`plimsoll top` draws a screen on a terminal, and prints no data")]
    NoScreen,
    /// An engine that cannot be looked at.
    #[error(transparent)]
    Attach(#[from] plimsoll::monitor::attach::AttachError),
    /// Memory that is in a critical state.
    #[error("memory is in a critical state: health is {score:.2} of 1")]
    Unhealthy {
        /// How well it stands.
        score: f64,
    },
    /// A service would not run well here.
    #[error("{bad} of what a service needs is not there")]
    Unfit {
        /// How many things.
        bad: usize,
    },
    /// A webhook or collector that nothing can be posted to.
    #[error(transparent)]
    Post(#[from] plimsoll::monitor::PostError),
    /// An address that cannot be listened on.
    #[error("{address} cannot be listened on: {source}")]
    Listen {
        /// Which address.
        address: std::net::SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A process that shows no engine.
    #[error("process {pid} shows no engine of this user; running: {running}")]
    NoSuchEngine {
        /// The process that was named.
        pid: u32,
        /// Those that there are.
        running: String,
    },
    /// A recording that cannot be read.
    #[error(transparent)]
    Recording(#[from] plimsoll::record::RecordingError),
    /// A recording that cannot be exported as asked.
    #[error(transparent)]
    Export(plimsoll::record::export::ExportError),
    /// Bytes that are no text, and a terminal that would show them.
    #[error("a PyTorch snapshot is no text, and a terminal cannot show it")]
    Terminal,
    /// A plan that cannot be made.
    #[error(transparent)]
    Plan(#[from] crate::plan::PlanError),
    /// A file that could not be written.
    #[error("{} could not be written: {source}", path.display())]
    Write {
        /// Which file.
        path: std::path::PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Output that could not be written.
    #[error("the output could not be written: {0}")]
    Output(#[source] io::Error),
    /// A report that could not be put into JSON.
    #[error("the report could not be put into JSON: {0}")]
    Json(#[source] serde_json::Error),
}

impl From<RecordedError> for CliError {
    fn from(error: RecordedError) -> Self {
        match error {
            RecordedError::Replay(error) => Self::Replay(error),
            RecordedError::Recording(error) => Self::Recording(error),
        }
    }
}

impl CliError {
    /// Whether whoever read our output has gone away.
    pub fn is_closed_pipe(&self) -> bool {
        match self {
            Self::Output(error) | Self::Generate(crate::generate::GenerateError::Output(error)) => {
                error.kind() == io::ErrorKind::BrokenPipe
            }
            _ => false,
        }
    }

    /// What to do about it.
    pub fn next_step(&self) -> String {
        match self {
            Self::Settings(shown) => shown.error.help(),
            Self::LineTooHigh { place, .. } => format!(
                "lower the line, or write it as a percentage such as \"75%\"; to check for another machine, \
                 add `--assume {place}=SIZE`"
            ),
            Self::SharedLines { .. } => "lower one of the lines, and leave some memory to the system".to_owned(),
            Self::Trace { .. } => {
                "a trace has the columns device,seq,action,addr,size,stream, as .csv or .csv.gz".to_owned()
            }
            Self::Replay(_) => {
                "replay a shorter trace, or leave --place out: the simulated device has room for any"
                    .to_owned()
            }
            Self::Place { .. } => "`plimsoll machine` lists the places and GPUs of this machine".to_owned(),
            Self::Promises { .. } => "update the device's driver; if that does not help, please report it with the output above".to_owned(),
            Self::Memory(error) => error.next_step(),
            Self::Bench(_) => "this is a mistake in plimsoll; please report it with the output above".to_owned(),
            Self::NoScreen => "`plimsoll watch --json` prints a line a sample".to_owned(),
            Self::Unhealthy { .. } => {
                "`plimsoll health` says what to do; `--symptom slow` and the others look for the cause"
                    .to_owned()
            }
            Self::Unfit { .. } => "each line above that is bad says what to do".to_owned(),
            Self::Post(_) => "give another URL, or leave it out".to_owned(),
            Self::Listen { .. } => "give another address, such as 127.0.0.1:9185; port 0 takes one that is free".to_owned(),
            Self::Attach(_) | Self::NoSuchEngine { .. } => {
                "`plimsoll top --list` shows the engines that run; one is seen once its program calls \
                 `engine.publish(NAME, EVERY)`"
                    .to_owned()
            }
            Self::Recording(_) => {
                "check the path; `plimsoll pool replay TRACE --record FILE` and `engine.record_to(…)` make recordings".to_owned()
            }
            Self::Docs(plimsoll_docs::DocsError::Memory(_)) => "give more `--memory`, or fewer `--threads`".to_owned(),
            Self::Docs(_) => "`plimsoll docs --help` has the commands; nothing was lost".to_owned(),
            Self::Service(_) => "what is written stays, and the same command goes on from there; check `--url` and `--key`".to_owned(),
            Self::Engine(_) => "give more `--memory`".to_owned(),
            Self::Export(_) => "name an account and a place that it has, or leave both out".to_owned(),
            Self::Plan(error) => error.next_step().to_owned(),
            Self::Kv(error) => error.next_step().to_owned(),
            Self::KvGate(error) => error.next_step().to_owned(),
            Self::Train(error) => error.next_step().to_owned(),
            Self::Generate(error) => error.next_step(),
            Self::Serve(error) => error.next_step(),
            Self::ServeBench(_) => "give a higher `--line`, or fewer `--streams` and `--clients`".to_owned(),
            Self::KvBench(_) => "give the machine 3 GiB of memory, or add --quick".to_owned(),
            Self::LlmBench(_) => "`plimsoll bench llm --quick` measures a small model that is made up".to_owned(),
            Self::Gpu(_) => "`plimsoll machine` says what the device has; take fewer rows, or another codec".to_owned(),
            Self::Vec(_) | Self::Neural(_) | Self::Codec(_) => "`plimsoll vec --help` has examples; nothing was changed".to_owned(),
            Self::Ids { .. } => "give whole numbers, one a line or with commas between them".to_owned(),
            Self::Read { .. } => "check the path".to_owned(),
            Self::Store(plimsoll_kv::store::StoreError::Remote { .. }) => {
                "what the environment says of the service counts: AWS_…, GOOGLE_…, AZURE_…".to_owned()
            }
            Self::Store(_) => "check the folder, and that no process has it open".to_owned(),
            Self::Damaged { .. } => {
                "`plimsoll kv compact DIR` drops what is damaged; whoever reads it finds a miss, never wrong bytes"
                    .to_owned()
            }
            Self::Terminal => "add `-o FILE`, or send the output to a file or another program".to_owned(),
            Self::Output(_) | Self::Write { .. } => {
                "check that the disk has room and the target is writable".to_owned()
            }
            Self::Json(_) => "this is a mistake in plimsoll; please report it".to_owned(),
        }
    }

    pub(crate) fn render(&self, pen: &Pen) -> String {
        let theme = match (pen.unicode, pen.color) {
            (true, true) => GraphicalTheme::unicode(),
            (true, false) => GraphicalTheme::unicode_nocolor(),
            (false, color) => GraphicalTheme {
                characters: miette::ThemeCharacters::ascii(),
                styles: if color { miette::ThemeStyles::ansi() } else { miette::ThemeStyles::none() },
            },
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            // A sum that is written out keeps its columns.
            .with_wrap_lines(!self.to_string().contains('\n'))
            .with_width(pen.width);
        let mut text = String::new();
        if handler.render_report(&mut text, self).is_err() {
            text = format!("error: {self}\nhelp: {}\n", self.next_step());
        }
        text
    }
}

impl From<SettingsError> for CliError {
    fn from(error: SettingsError) -> Self {
        Self::Settings(Box::new(ShownSettingsError::new(error)))
    }
}

impl Diagnostic for CliError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.next_step()))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        match self {
            Self::Settings(shown) => Some(shown.source.as_ref()?),
            _ => None,
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        match self {
            Self::Settings(shown) => {
                let at = shown.offset?;
                let label = LabeledSpan::new(Some("here".to_owned()), at.0, at.1);
                Some(Box::new(std::iter::once(label)))
            }
            _ => None,
        }
    }
}

/// A configuration error together with the text that it is about.
#[derive(Debug)]
pub struct ShownSettingsError {
    /// The error itself.
    pub error: SettingsError,
    source: Option<NamedSource<String>>,
    offset: Option<(usize, usize)>,
}

impl ShownSettingsError {
    fn new(error: SettingsError) -> Self {
        let source = error.text.as_deref().map(|text| NamedSource::new(&error.file, text.to_owned()));
        let offset = error.text.as_deref().zip(error.at).map(|(text, at)| span(text, at));
        Self { error, source, offset }
    }
}

impl fmt::Display for ShownSettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Where the text is shown, its frame names the file, the line and the column already.
        let error = &self.error;
        match (&self.source, error.key.as_str()) {
            (None, _) => error.fmt(f),
            (Some(_), "") => error.problem.fmt(f),
            (Some(_), key) => write!(f, "{key}: {}", error.problem),
        }
    }
}

impl std::error::Error for ShownSettingsError {}

/// Where a word begins in a text, and how long it is, in bytes.
fn span(text: &str, at: Position) -> (usize, usize) {
    let before: usize = text.split_inclusive('\n').take(at.line - 1).map(str::len).sum();
    let line = text[before..].lines().next().unwrap_or_default();
    let column = line.char_indices().nth(at.column - 1).map_or(line.len(), |(index, _)| index);
    let rest = &line[column..];
    let end = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map(|end| end + 2),
        _ => rest.find([' ', ',', '=', ':', ']', '}', '#', '\t']),
    };
    (before + column, end.unwrap_or(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_in_question_is_marked() {
        let text = "a = 1\n[é.\"c d\"]\nline = \"8 GiB\" # x\n";
        let marked = |line, column| {
            let (start, length) = span(text, Position { line, column });
            &text[start..start + length]
        };
        assert_eq!(marked(1, 1), "a");
        assert_eq!(marked(2, 4), "\"c d\"");
        assert_eq!(marked(3, 8), "\"8 GiB\"");
        assert_eq!(marked(9, 9), "");
        assert_eq!(marked(3, 99), "");
    }
}
