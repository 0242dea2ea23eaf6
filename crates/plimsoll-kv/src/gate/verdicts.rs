//! What was measured of models, kept in a file.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{GateError, GateReport, Limits};
use crate::block::Root;
use crate::codec::{Form, Packing, Precision};

const FORMAT: &str = "plimsoll-kv gate 1";

/// Which precisions were measured for which models, and with what result. A model here is a [`Root`]: other weights, another
/// layout or blocks of another length are measured for themselves.
///
/// It measures nothing itself, and does not say which precision a tier wants: it says which it [may](Self::allowed) have.
#[derive(Debug, Default)]
pub struct Verdicts {
    path: Option<PathBuf>,
    reports: BTreeMap<Root, Vec<GateReport>>,
    doubt: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct File {
    format: String,
    models: Vec<Model>,
}

#[derive(Serialize, Deserialize)]
struct Model {
    root: String,
    reports: Vec<GateReport>,
}

impl Verdicts {
    /// In memory only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Those of a file. One that is not there, is damaged or is another program's holds none: everything is measured again,
    /// and [`doubt`](Self::doubt) says why.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let (reports, doubt) = match read(&path) {
            Ok(reports) => (reports, None),
            Err(why) => {
                (BTreeMap::new(), why.map(|why| format!("{}: {why}; it is measured again", path.display())))
            }
        };
        Self { path: Some(path), reports, doubt }
    }

    /// What was wrong with the file, if there was one.
    pub fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }

    /// What was measured of a model in a precision, by this version of the codec.
    pub fn report(&self, root: &Root, precision: Precision) -> Option<&GateReport> {
        let form = Form { precision, packing: Packing::None }.tag();
        self.reports.get(root)?.iter().find(|report| report.precision == precision && report.form == form)
    }

    /// The precision that a tier may use which wants this one: itself if it was measured and is within the limits, else
    /// the next finer one of which that is true, else native.
    pub fn allowed(&self, root: &Root, wanted: Precision, limits: &Limits) -> Precision {
        let finer = std::iter::successors(Some(wanted), |precision| precision.finer());
        let within = |precision: &Precision| {
            self.report(root, *precision).is_some_and(|report| report.kl_mean <= limits.of(*precision))
        };
        finer
            .take_while(|precision| *precision != Precision::Native)
            .find(within)
            .unwrap_or(Precision::Native)
    }

    /// Keeps a report in the place of an older one, in the file too if there is one: whole, or as it was.
    pub fn keep(&mut self, root: Root, report: GateReport) -> Result<(), GateError> {
        let reports = self.reports.entry(root).or_default();
        reports.retain(|older| older.precision != report.precision);
        reports.push(report);
        let Some(path) = &self.path else { return Ok(()) };
        write(path, &self.reports).map_err(|source| GateError::File { path: path.clone(), source })
    }
}

/// What a file holds, or what is wrong with it; nothing is wrong with one that is not there.
fn read(path: &Path) -> Result<BTreeMap<Root, Vec<GateReport>>, Option<String>> {
    let bytes = std::fs::read(path)
        .map_err(|error| (error.kind() != std::io::ErrorKind::NotFound).then(|| error.to_string()))?;
    let file: File = serde_json::from_slice(&bytes).map_err(|error| Some(error.to_string()))?;
    if file.format != FORMAT {
        return Err(Some(format!("its format is “{}”, not “{FORMAT}”", file.format.escape_debug())));
    }
    let models = file.models.into_iter().map(|model| Some((root(&model.root)?, model.reports)));
    models.collect::<Option<_>>().ok_or_else(|| Some(String::from("a root in it is none")))
}

fn write(path: &Path, reports: &BTreeMap<Root, Vec<GateReport>>) -> std::io::Result<()> {
    let model =
        |(root, reports): (&Root, &Vec<GateReport>)| Model { root: hex(root), reports: reports.clone() };
    let file = File { format: String::from(FORMAT), models: reports.iter().map(model).collect() };
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = PathBuf::from(partial);
    let write = || {
        let mut out = std::fs::File::create(&partial)?;
        out.write_all(&serde_json::to_vec_pretty(&file)?)?;
        out.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write().inspect_err(|_| {
        // Nobody is to find half of it; that it cannot be removed either is not what went wrong.
        let _ = std::fs::remove_file(&partial);
    })
}

fn hex(root: &Root) -> String {
    let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or('0');
    root.bytes().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]).collect()
}

fn root(hex: &str) -> Option<Root> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(Root::from_bytes(bytes))
}
