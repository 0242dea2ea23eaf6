//! What a safetensors file says of its tensors: the length of a header, the header, then numbers.
//!
//! Only what a neural codec needs is understood. The header is bounded, every offset is checked, and what is not known is
//! refused by name rather than passed over: a bias that is not added would be wrong in silence.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;

use super::NeuralShape;
use super::weights::{DECODER, ENCODER, MEAN};

/// The longest header: a codec has three tensors.
pub(super) const HEADER_MOST: u64 = 64 << 10;
/// What reading one takes at most: its text, and what is made of it.
pub(super) const HEADER_BYTES: u64 = HEADER_MOST * 8;
/// What the file says that it is.
pub(super) const FORMAT: &str = "plimsoll-neural";
/// The version that is written, and the latest that is read.
pub(super) const VERSION: u64 = 1;
/// Says that vectors are brought to length one.
pub(super) const NORMALIZED: &str = "normalized";

/// How numbers stand in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    F32,
    F16,
    Bf16,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        match name {
            "F32" => Some(Self::F32),
            "F16" => Some(Self::F16),
            "BF16" => Some(Self::Bf16),
            _ => None,
        }
    }

    /// Bytes of one.
    pub(super) const fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// One tensor's place, from the end of the header on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor {
    pub(super) kind: Kind,
    pub(super) bytes: Range<u64>,
}

/// What was understood.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) shape: NeuralShape,
    pub(super) encoder: Tensor,
    pub(super) decoder: Tensor,
    pub(super) mean: Option<Tensor>,
    pub(super) facts: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// Understands a header; `room` is how many bytes of numbers come after it. What is wrong is said in words.
pub(super) fn understand(text: &[u8], room: u64) -> Result<Header, String> {
    let mut all: BTreeMap<String, serde_json::Value> = serde_json::from_slice(text)
        .map_err(|error| format!("its header is no JSON of tensors ({error})"))?;
    let facts = all.remove("__metadata__").map_or_else(|| Ok(BTreeMap::new()), serde_json::from_value);
    let mut facts: BTreeMap<String, String> =
        facts.map_err(|_| "its metadata is not text by name".to_owned())?;
    if let Some(format) = facts.remove("format").filter(|format| format != FORMAT && format != "pt") {
        return Err(format!("it says that it is {format:?}, and not {FORMAT:?}"));
    }
    if let Some(version) = facts.remove("version") {
        let known = version.parse().is_ok_and(|version: u64| version <= VERSION);
        if !known {
            return Err(format!(
                "it has version {version}, and this program reads up to {VERSION}; use a newer plimsoll"
            ));
        }
    }
    let mut tensors = BTreeMap::new();
    for (name, value) in all {
        let plain = name.strip_suffix(".weight").unwrap_or(&name).to_owned();
        if ![ENCODER, DECODER, MEAN].contains(&plain.as_str()) {
            return Err(format!(
                "it has a tensor {name:?}, and a codec has {ENCODER:?}, {DECODER:?} and {MEAN:?} and nothing else"
            ));
        }
        let entry: Entry = serde_json::from_value(value)
            .map_err(|error| format!("tensor {name:?} is not described as it should be ({error})"))?;
        let (sides, tensor) = placed(&name, entry, room)?;
        tensors.insert(plain, (sides, tensor));
    }
    let mut take = |name: &str| tensors.remove(name).ok_or_else(|| format!("it has no tensor {name:?}"));
    let (encoder_sides, encoder) = take(ENCODER)?;
    let (decoder_sides, decoder) = take(DECODER)?;
    let mean = take(MEAN).ok();
    let [latent, dimension] = encoder_sides[..] else {
        return Err(format!("its {ENCODER} has {} sides, and should have two", encoder_sides.len()));
    };
    if decoder_sides[..] != [dimension, latent] {
        return Err(format!(
            "its {ENCODER} is {latent} × {dimension}, and its {DECODER} {decoder_sides:?} and not {dimension} × {latent}"
        ));
    }
    if let Some((sides, _)) = mean.as_ref().filter(|(sides, _)| sides[..] != [dimension]) {
        return Err(format!("its {MEAN} is {sides:?}, and vectors have {dimension} numbers"));
    }
    let side = |side: u64| usize::try_from(side).map_err(|_| format!("a side of {side} is too long"));
    let shape = NeuralShape {
        dimension: side(dimension)?,
        latent: side(latent)?,
        normalized: facts.remove(NORMALIZED).is_some_and(|said| said == "true"),
    };
    shape.check().map_err(|error| error.to_string())?;
    Ok(Header { shape, encoder, decoder, mean: mean.map(|(_, tensor)| tensor), facts })
}

/// A tensor's sides and its place, which must be within the file and as long as its sides say.
fn placed(name: &str, entry: Entry, room: u64) -> Result<(Vec<u64>, Tensor), String> {
    let Entry { dtype, shape, data_offsets: [from, to] } = entry;
    let kind = Kind::of(&dtype)
        .ok_or_else(|| format!("tensor {name:?} is of {dtype}; F32, F16 and BF16 can be read"))?;
    let numbers = shape.iter().try_fold(1_u64, |all, side| all.checked_mul(*side));
    let needed = numbers.and_then(|numbers| numbers.checked_mul(kind.bytes()));
    if to.checked_sub(from).is_none() || to.checked_sub(from) != needed {
        return Err(format!(
            "tensor {name:?} is {shape:?} of {dtype}, and its bytes {from} to {to} are not so many"
        ));
    }
    if to > room {
        return Err(format!(
            "it is cut: tensor {name:?} ends at byte {to} of {room}; write or fetch it again"
        ));
    }
    Ok((shape, Tensor { kind, bytes: from..to }))
}

/// The header of a file that is written: all as singles, one after the other.
pub(super) fn text(shape: NeuralShape, facts: &BTreeMap<String, String>) -> String {
    let NeuralShape { dimension, latent, normalized } = shape;
    let matrix = (dimension * latent) as u64 * 4;
    let end = matrix * 2 + dimension as u64 * 4;
    let mut said = facts.clone();
    said.insert("format".to_owned(), FORMAT.to_owned());
    said.insert("version".to_owned(), VERSION.to_string());
    said.insert("dimension".to_owned(), dimension.to_string());
    said.insert("latent".to_owned(), latent.to_string());
    said.insert(NORMALIZED.to_owned(), normalized.to_string());
    let tensor = |sides: &[usize], from: u64, to: u64| serde_json::json!({ "dtype": "F32", "shape": sides, "data_offsets": [from, to] });
    let all = serde_json::json!({
        "__metadata__": said,
        ENCODER: tensor(&[latent, dimension], 0, matrix),
        DECODER: tensor(&[dimension, latent], matrix, matrix * 2),
        MEAN: tensor(&[dimension], matrix * 2, end),
    });
    let mut text = all.to_string();
    // Numbers begin at a multiple of eight, as readers that map files want.
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    text
}
