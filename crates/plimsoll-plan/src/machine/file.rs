//! A machine in a file: its facts in TOML, or a name of the catalogue and what differs from it.
//!
//! ```toml
//! name = "workshop"
//! like = "rtx-4090+64g"      # optional: what is not said below is taken from there
//!
//! [host]
//! memory = "64GiB"
//! usable = "58GiB"
//! gb_per_s = 83.2
//! cores = 16
//! tflops = 1.4
//!
//! [[gpu]]
//! like = "rtx-4090"          # optional here too
//! place = "cuda:0"
//! usable = "22.5GiB"
//!
//! [disk]
//! usable = "800GiB"
//! gb_per_s = 6.5
//! ```

use std::fmt::Write as _;

use plimsoll::{Bytes, ParseBytesError, ParsePlaceError, Place};
use serde::Deserialize;

use super::{Disk, Gpu, Machine, MachineError, Processor, Rate};

/// Why a machine's file is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MachineFileError {
    /// It is no TOML, or has keys that no machine has; the message names the line and what may stand there.
    #[error("the machine's file cannot be read: {0}")]
    Syntax(Box<toml::de::Error>),
    /// It is longer than such files are.
    #[error("the machine's file has {0} bytes; one of at most 65536 describes any machine")]
    Long(usize),
    /// A size that is none.
    #[error("{key}: {error}")]
    Size {
        /// Which key.
        key: String,
        /// What is wrong.
        error: ParseBytesError,
    },
    /// A place that is none.
    #[error("{key}: {error}")]
    Place {
        /// Which key.
        key: String,
        /// What is wrong.
        error: ParsePlaceError,
    },
    /// A place where no GPU can be.
    #[error("{key}: {place} is no place of a GPU; write cuda:0, gpu:0 or the like, each once")]
    NoGpuPlace {
        /// Which key.
        key: String,
        /// What was written.
        place: Place,
    },
    /// A number that is not above zero.
    #[error("{0} is a number above zero: write what is reached, or leave it out")]
    Number(String),
    /// What must be known is not there.
    #[error("{0} is missing: write it, or `like = \"…\"` with a machine of the catalogue that has it")]
    Missing(String),
    /// More may be used than is there.
    #[error("{key}: {usable} may be used but only {memory} are there")]
    Usable {
        /// Which key.
        key: String,
        /// What may be used.
        usable: Bytes,
        /// What is there.
        memory: Bytes,
    },
    /// What `like` names is not known.
    #[error("like: {0}")]
    Like(#[from] MachineError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<String>,
    title: Option<String>,
    like: Option<String>,
    unified: Option<bool>,
    host: Option<Part>,
    #[serde(default)]
    gpu: Vec<GpuPart>,
    disk: Option<DiskPart>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    memory: Option<String>,
    usable: Option<String>,
    gb_per_s: Option<f64>,
    cores: Option<u32>,
    tflops: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GpuPart {
    like: Option<String>,
    place: Option<String>,
    name: Option<String>,
    memory: Option<String>,
    usable: Option<String>,
    gb_per_s: Option<f64>,
    tflops: Option<f64>,
    link_gb_per_s: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DiskPart {
    usable: String,
    gb_per_s: Option<f64>,
}

const LENGTH_MAX: usize = 65536;

/// Reads a machine's file.
pub fn read(text: &str) -> Result<Machine, MachineFileError> {
    if text.len() > LENGTH_MAX {
        return Err(MachineFileError::Long(text.len()));
    }
    let file: File = toml::from_str(text).map_err(|error| MachineFileError::Syntax(Box::new(error)))?;
    let base = file.like.as_deref().map(Machine::parse).transpose()?;
    let unified = file.unified.or(base.as_ref().map(|base| base.unified)).unwrap_or(false);
    let processor = processor(&file.host.unwrap_or_default(), base.as_ref().map(|base| &base.processor))?;
    let based = base.as_ref().map_or(&[][..], |base| base.gpus.as_slice());
    let mut gpus: Vec<Gpu> = if file.gpu.is_empty() { based.to_vec() } else { Vec::new() };
    for (index, part) in file.gpu.iter().enumerate() {
        let gpu = gpu(index, part, based.get(index), unified.then_some(processor.memory))?;
        if gpus.iter().any(|other| other.place == gpu.place) {
            return Err(MachineFileError::NoGpuPlace {
                key: format!("gpu[{index}].place"),
                place: gpu.place,
            });
        }
        gpus.push(gpu);
    }
    let disk = match &file.disk {
        None => base.as_ref().and_then(|base| base.disk),
        Some(part) => Some(Disk {
            usable: size("disk.usable", &part.usable)?,
            bandwidth: rate("disk.gb_per_s", part.gb_per_s)?,
        }),
    };
    let name = file.name.or(file.like).unwrap_or_else(|| "machine".to_owned());
    let title = file.title.or(base.map(|base| base.title)).unwrap_or_else(|| name.clone());
    Ok(Machine { name, title, processor, gpus, unified, disk })
}

/// The number a key holds, which must be above zero.
fn positive(key: &str, number: Option<f64>) -> Result<Option<f64>, MachineFileError> {
    match number {
        Some(number) if !(number.is_finite() && number > 0.0) => {
            Err(MachineFileError::Number(key.to_owned()))
        }
        number => Ok(number),
    }
}

fn rate(key: &str, gb_per_s: Option<f64>) -> Result<Option<Rate>, MachineFileError> {
    Ok(positive(key, gb_per_s)?.and_then(|number| Rate::new(scaled(number, 9))))
}

fn flops(key: &str, tflops: Option<f64>) -> Result<Option<f64>, MachineFileError> {
    Ok(positive(key, tflops)?.map(|number| scaled(number, 12)))
}

/// A number with its point moved, as if it had been written so: 4.1 with twelve places is 4.1e12 and nothing beside.
fn scaled(number: f64, places: i32) -> f64 {
    let text = format!("{number:e}");
    let moved = text.split_once('e').and_then(|(digits, exponent)| {
        let exponent = exponent.parse::<i32>().ok()?.checked_add(places)?;
        format!("{digits}e{exponent}").parse().ok()
    });
    moved.unwrap_or(number * 10_f64.powi(places))
}

fn size(key: &str, text: &str) -> Result<Bytes, MachineFileError> {
    text.parse().map_err(|error| MachineFileError::Size { key: key.to_owned(), error })
}

fn optional_size(key: &str, text: Option<&String>) -> Result<Option<Bytes>, MachineFileError> {
    text.map(|text| size(key, text)).transpose()
}

fn checked(key: &str, usable: Bytes, memory: Bytes) -> Result<Bytes, MachineFileError> {
    if usable > memory {
        return Err(MachineFileError::Usable { key: key.to_owned(), usable, memory });
    }
    Ok(usable)
}

fn processor(part: &Part, base: Option<&Processor>) -> Result<Processor, MachineFileError> {
    let own = optional_size("host.memory", part.memory.as_ref())?;
    let memory = own.or(base.map(|base| base.memory));
    let memory = memory.ok_or_else(|| MachineFileError::Missing("host.memory".to_owned()))?;
    let given = optional_size("host.usable", part.usable.as_ref())?;
    // What a base lets be used says nothing of another size of memory.
    let based = base.filter(|_| own.is_none()).map(|base| base.usable);
    let usable = given.or(based).unwrap_or_else(|| memory.fraction(0.9));
    Ok(Processor {
        cores: part.cores.or(base.map(|base| base.cores)).unwrap_or(1),
        memory,
        usable: checked("host.usable", usable, memory)?,
        bandwidth: rate("host.gb_per_s", part.gb_per_s)?.or(base.and_then(|base| base.bandwidth)),
        flops: flops("host.tflops", part.tflops)?.or(base.and_then(|base| base.flops)),
    })
}

fn gpu(
    index: usize,
    part: &GpuPart,
    base: Option<&Gpu>,
    shared: Option<Bytes>,
) -> Result<Gpu, MachineFileError> {
    let key = |name: &str| format!("gpu[{index}].{name}");
    let like = part.like.as_deref().map(Machine::parse).transpose()?;
    let like = like.as_ref().and_then(|like| like.gpus.first()).or(base);
    let place = match &part.place {
        Some(text) => text.parse().map_err(|error| MachineFileError::Place { key: key("place"), error })?,
        None => numbered(like.map(|like| like.place), index),
    };
    if !matches!(place, Place::Cuda(_) | Place::Gpu(_)) {
        return Err(MachineFileError::NoGpuPlace { key: key("place"), place });
    }
    let own = optional_size(&key("memory"), part.memory.as_ref())?;
    let memory = own.or(shared).or(like.map(|like| like.memory));
    let memory = memory.ok_or_else(|| MachineFileError::Missing(key("memory")))?;
    let given = optional_size(&key("usable"), part.usable.as_ref())?;
    let based = like.filter(|like| like.memory == memory).map(|like| like.usable);
    let usable = given.or(based).unwrap_or_else(|| memory.fraction(0.95));
    let link = rate(&key("link_gb_per_s"), part.link_gb_per_s)?.or(like.and_then(|like| like.link));
    Ok(Gpu {
        place,
        name: part.name.clone().or(like.map(|like| like.name.clone())).unwrap_or_else(|| place.to_string()),
        memory,
        usable: checked(&key("usable"), usable, memory)?,
        bandwidth: rate(&key("gb_per_s"), part.gb_per_s)?.or(like.and_then(|like| like.bandwidth)),
        flops: flops(&key("tflops"), part.tflops)?.or(like.and_then(|like| like.flops)),
        link: link.filter(|_| shared.is_none()),
    })
}

fn numbered(like: Option<Place>, index: usize) -> Place {
    let number = u16::try_from(index).unwrap_or(u16::MAX);
    match like {
        Some(Place::Gpu(_)) => Place::Gpu(number),
        _ => Place::Cuda(number),
    }
}

/// A machine as its file: what [`read`] gives back the same.
pub fn write(machine: &Machine) -> String {
    let Machine { name, title, processor, gpus, unified, disk } = machine;
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let size = |bytes: Bytes| format!("\"{}B\"", bytes.get());
    let mut text =
        format!("name = {}\ntitle = {}\nunified = {unified}\n\n[host]\n", quoted(name), quoted(title));
    let mut line = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{key}{value}");
        }
    };
    let giga = |rate: Option<Rate>| rate.map(|rate| number(scaled(rate.get(), -9)));
    let tera = |flops: Option<f64>| flops.map(|flops| number(scaled(flops, -12)));
    line("memory = ", Some(size(processor.memory)));
    line("usable = ", Some(size(processor.usable)));
    line("gb_per_s = ", giga(processor.bandwidth));
    line("cores = ", Some(processor.cores.to_string()));
    line("tflops = ", tera(processor.flops));
    for gpu in gpus {
        line("\n[[gpu]]", Some(String::new()));
        line("place = ", Some(quoted(&gpu.place.to_string())));
        line("name = ", Some(quoted(&gpu.name)));
        line("memory = ", Some(size(gpu.memory)));
        line("usable = ", Some(size(gpu.usable)));
        line("gb_per_s = ", giga(gpu.bandwidth));
        line("tflops = ", tera(gpu.flops));
        line("link_gb_per_s = ", giga(gpu.link));
    }
    if let Some(disk) = disk {
        line("\n[disk]", Some(String::new()));
        line("usable = ", Some(size(disk.usable)));
        line("gb_per_s = ", giga(disk.bandwidth));
    }
    text
}

/// A number as TOML's floats are written.
fn number(number: f64) -> String {
    toml::Value::Float(number).to_string()
}
