//! A body of documents that is read, split and embedded.

use plimsoll::{Bytes, Place};

use super::Encoder;
use crate::phase::{Phase, product, push};
use crate::wording::{Wording, WordingError};
use crate::{Certainty, Formula, Part, Phases};

const WHAT: &str = "documents";
const EXAMPLE: &str = "2GiB,chunk=512,overlap=64,model=nomic-embed-text-v1.5,ring=3x8MiB";
const KEYS: [&str; 15] = [
    "size",
    "chunk",
    "overlap",
    "bytes_per_token",
    "model",
    "dim",
    "weights",
    "dtype",
    "batch",
    "ring",
    "text",
    "vectors",
    "dedup",
    "on",
    "files",
];

/// Bytes of a token, in tenths: English text in today's vocabularies has 3.8 to 4.6.
const TOKEN_TENTHS: u64 = 42;
/// How far off that is for other text: source code has about 3.3, Chinese 2.5 to 4.
const TEXT_SHARE: f64 = 0.25;

/// A body of documents, how it is split and what becomes of it.
///
/// Text streams: however much there is, only the ring, a batch and what is kept of the results are in memory. The
/// index that the vectors go to is an [`crate::index::Index`] of its own.
///
/// ```
/// use plimsoll_plan::document::Document;
/// let documents = Document::parse("2GiB,chunk=512,overlap=64,model=nomic-embed-text-v1.5").unwrap();
/// assert_eq!(documents.chunks(), 1_141_308);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// All the text.
    pub size: Bytes,
    /// How many documents it is; each ends a chunk. One where nobody says.
    pub files: u64,
    /// How it is split.
    pub chunking: Chunking,
    /// What makes vectors of the chunks.
    pub encoder: Encoder,
    /// Where that runs.
    pub place: Place,
    /// Chunks that it takes at once.
    pub batch: u64,
    /// The ring that text comes through: bytes of a slot, and slots.
    pub ring: (Bytes, u64),
    /// Where the text of the chunks is kept, if it is.
    pub text: Option<Place>,
    /// Where the vectors go.
    pub vectors: Place,
    /// Whether a chunk that was there before is known again, by a hash of sixteen bytes.
    pub dedup: bool,
}

/// How text is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunking {
    /// Tokens of a chunk.
    pub tokens: u64,
    /// Tokens that it shares with the one before.
    pub overlap: u64,
    /// Bytes of a token, in tenths.
    pub token_tenths: u64,
}

impl Document {
    /// Reads `2GiB,chunk=512,overlap=64,model=nomic-embed-text-v1.5,ring=3x8MiB`.
    ///
    /// The size comes first. `chunk` and `overlap` are tokens, `bytes_per_token` how long one is; `model` is a name
    /// that is known, or `dim` and `weights` stand for one; `dtype` (f32, f16, bf16) is how it computes, `batch`
    /// how many chunks at once, `on` where. `text` and `vectors` are places (`text=none` keeps none), `dedup` is
    /// yes or no.
    pub fn parse(text: &str) -> Result<Self, WordingError> {
        let said = Wording::parse(WHAT, text, EXAMPLE)?;
        said.keys(&KEYS)?;
        let shape =
            |found: &str| WordingError::Shape { what: WHAT, found: found.to_owned(), example: EXAMPLE };
        let words = said.words().filter(|word| !word.eq_ignore_ascii_case("dedup"));
        let sizes: Vec<&str> = words.chain(said.text("size")).collect();
        let size = match sizes[..] {
            [one] => one.parse().map_err(|source| WordingError::Size { key: "size".to_owned(), source })?,
            [] => return Err(WordingError::Missing { key: "size" }),
            [_, second, ..] => return Err(shape(second)),
        };
        let number_bytes = said.choice("dtype", &[("f32", 4), ("f16", 2), ("bf16", 2)], 2)?;
        let encoder = encoder(&said, number_bytes)?;
        let tokens = said.number_or("chunk", 1..=1 << 24, 512.min(encoder.context))?;
        let overlap = said.number_or("overlap", 0..=tokens - 1, 0)?;
        let token_tenths = token_tenths(&said)?;
        let place = said.place("on")?.unwrap_or(Place::Host);
        let kept = said.text("text").filter(|text| !["none", "no"].contains(text));
        let kept = if kept.is_some() { said.place("text")? } else { None };
        let document = Self {
            size,
            files: said.number_or("files", 1..=1 << 40, 1)?,
            chunking: Chunking { tokens, overlap, token_tenths },
            encoder,
            place,
            batch: said.number_or("batch", 1..=1 << 20, 32)?,
            ring: ring(&said)?,
            text: kept,
            vectors: said.place("vectors")?.unwrap_or(Place::Host),
            dedup: said.flag("dedup", false)?,
        };
        if document.phases().parts().iter().any(|part| part.bytes == Bytes::MAX) {
            return Err(WordingError::Overflow { what: WHAT, key: "size" });
        }
        Ok(document)
    }

    /// Tokens of all the text, about.
    pub fn tokens(&self) -> u64 {
        let tenths = u128::from(self.size.get()) * 10;
        let tokens = tenths.div_ceil(u128::from(self.chunking.token_tenths.max(1)));
        u64::try_from(tokens).unwrap_or(u64::MAX)
    }

    /// Chunks that come of it: one for each step of `tokens − overlap`, and what each document leaves at its end.
    pub fn chunks(&self) -> u64 {
        let Chunking { tokens, overlap, .. } = self.chunking;
        let step = tokens.saturating_sub(overlap).max(1);
        let files = self.files.max(1);
        let each = self.tokens() / files;
        let one = if each <= tokens { 1 } else { 1_u64.saturating_add((each - tokens).div_ceil(step)) };
        if self.size.is_zero() { 0 } else { files.saturating_mul(one) }
    }

    /// Bytes of the vectors that come of it.
    pub fn vector_bytes(&self) -> Bytes {
        Bytes::new(product(&[self.chunks(), self.encoder.dimension, 4]))
    }

    /// Operations of embedding all of it.
    #[expect(clippy::cast_precision_loss, reason = "operations are counted for a time")]
    pub fn flops(&self) -> f64 {
        self.chunks() as f64 * self.chunking.tokens as f64 * self.encoder.token_flops(self.chunking.tokens)
    }

    /// What stays and what is there while text goes through.
    pub fn phases(&self) -> Phases {
        Phases { resident: self.resident(), turns: vec![Phase { name: "ingest", parts: self.ingesting() }] }
    }

    fn resident(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        let chunks = self.chunks();
        let about = Certainty::Estimated(TEXT_SHARE);
        let sure =
            if self.encoder.name.is_empty() { Certainty::Estimated(0.2) } else { Certainty::Estimated(0.02) };
        let formula = Formula::new("parameters × number")
            .term("model", if self.encoder.name.is_empty() { "not known" } else { &self.encoder.name })
            .term("number", format!("{} B", self.encoder.number_bytes));
        push(
            &mut parts,
            "embedding model",
            (self.place, "weights"),
            self.encoder.weights.get(),
            sure,
            formula,
        );
        let formula =
            Formula::new("chunks × dimension × 4 B; chunks = 1 + (tokens − chunk) ÷ (chunk − overlap)")
                .term("chunks", chunks)
                .term("dimension", self.encoder.dimension)
                .term("tokens", self.tokens())
                .term("chunk", self.chunking.tokens)
                .term("overlap", self.chunking.overlap);
        push(&mut parts, "vectors", (self.vectors, "vectors"), self.vector_bytes().get(), about, formula);
        if let Some(place) = self.text {
            // What is shared by neighbours is kept once: a chunk is a range of its document.
            let bytes = self.size.get().saturating_add(chunks.saturating_mul(16));
            let formula = Formula::new("text + chunks × 16 B").term("text", self.size).term("chunks", chunks);
            push(&mut parts, "text", (place, "text"), bytes, Certainty::Estimated(0.05), formula);
        }
        if self.dedup {
            // A table that is at most seven eighths full, doubled when it is: 16 bytes of hash, 8 of where it was,
            // 1 of use.
            let slots = chunks.saturating_mul(8).div_ceil(7).max(1).checked_next_power_of_two();
            let slots = slots.unwrap_or(u64::MAX);
            let bytes = slots.saturating_mul(25);
            let formula = Formula::new("next power of two of chunks × 8/7, × 25 B").term("chunks", chunks);
            push(&mut parts, "hashes of chunks", (Place::Host, "dedup"), bytes, about, formula);
        }
        parts
    }

    fn ingesting(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        let (slot, slots) = self.ring;
        let formula = Formula::new("slots × slot").term("slots", slots).term("slot", slot);
        let bytes = product(&[slots, slot.get()]);
        push(&mut parts, "ring", (Place::Host, "stream"), bytes, Certainty::Exact, formula);
        let tokens = product(&[self.batch, self.chunking.tokens]);
        // A number and a mask of eight bytes each, as tokenizers give them, and the text they came from.
        let text = product(&[tokens, self.chunking.token_tenths]).div_ceil(10);
        let formula = Formula::new("batch × chunk × (8 B number + 8 B mask + bytes of a token)")
            .term("batch", self.batch)
            .term("chunk", self.chunking.tokens);
        let bytes = tokens.saturating_mul(16).saturating_add(text);
        push(
            &mut parts,
            "tokens of a batch",
            (Place::Host, "batch"),
            bytes,
            Certainty::Estimated(0.1),
            formula,
        );
        let formula =
            Formula::new("batch × chunk × (3 × width + the wider of 4 × width and 2 × inner) × number")
                .term("batch", self.batch)
                .term("chunk", self.chunking.tokens)
                .term("width", self.encoder.width)
                .term("inner", self.encoder.ffn_width)
                .term("number", format!("{} B", self.encoder.number_bytes));
        let bytes = self.encoder.working_bytes(tokens).get();
        push(
            &mut parts,
            "embedding a batch",
            (self.place, "scratch"),
            bytes,
            Certainty::Estimated(0.3),
            formula,
        );
        parts
    }
}

/// The model that is named, or one of which only the vector is known.
fn encoder(said: &Wording, number_bytes: u64) -> Result<Encoder, WordingError> {
    let weights = said.size("weights")?;
    let dimension = said.number("dim", 1..=1 << 20)?;
    let named = said.text("model");
    let known = named.and_then(|name| Encoder::known(name, number_bytes));
    let mut encoder = match (known, named, dimension) {
        (Some(known), ..) => known,
        (None, _, Some(dimension)) => {
            let mut unknown = Encoder::unknown(dimension, Bytes::ZERO, number_bytes);
            // Its layers alone, of twelve times the width squared, where nobody says more.
            let parameters = product(&[12, 12, dimension, dimension]);
            unknown.weights = Bytes::new(product(&[parameters, number_bytes]));
            unknown
        }
        (None, Some(name), None) => {
            let known = Encoder::names().collect::<Vec<_>>().join(", ") + "; or say dim= and weights=";
            return Err(WordingError::Unknown { found: name.to_owned(), known });
        }
        (None, None, None) => return Err(WordingError::Missing { key: "dim" }),
    };
    encoder.dimension = dimension.unwrap_or(encoder.dimension);
    encoder.weights = weights.unwrap_or(encoder.weights);
    Ok(encoder)
}

/// Bytes of a token, to a tenth: `4.2`.
fn token_tenths(said: &Wording) -> Result<u64, WordingError> {
    let Some(text) = said.text("bytes_per_token") else { return Ok(TOKEN_TENTHS) };
    let wrong = || WordingError::NotANumber { key: "bytes_per_token".to_owned(), found: text.to_owned() };
    let (whole, tenth) = text.split_once('.').unwrap_or((text, "0"));
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let tenth: u64 = if tenth.len() == 1 { tenth.parse().map_err(|_| wrong())? } else { return Err(wrong()) };
    let found = whole.saturating_mul(10).saturating_add(tenth);
    if (1..=640).contains(&found) {
        Ok(found)
    } else {
        Err(WordingError::Range { key: "bytes_per_token".to_owned(), found: whole, least: 1, most: 64 })
    }
}

/// `3x8MiB`: slots and the bytes of one.
fn ring(said: &Wording) -> Result<(Bytes, u64), WordingError> {
    let Some(text) = said.text("ring") else { return Ok((Bytes::mib(8), 3)) };
    let shape = || WordingError::Shape { what: "a ring", found: text.to_owned(), example: "ring=3x8MiB" };
    let (slots, slot) = text.split_once(['x', '×', '*']).ok_or_else(shape)?;
    let slots = crate::wording::number("ring", slots, 2..=4096)?;
    let slot: Bytes = slot.parse().map_err(|source| WordingError::Size { key: "ring".to_owned(), source })?;
    if slot.is_zero() || slot > Bytes::gib(64) {
        return Err(shape());
    }
    Ok((slot, slots))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_step_by_what_they_do_not_share() {
        let of = |text: &str| Document::parse(text).unwrap();
        // 4,200 bytes are 1,000 tokens: one chunk of 512, and one more for the rest.
        assert_eq!(of("4200B,chunk=512,dim=384").chunks(), 2);
        assert_eq!(of("4200B,chunk=100,dim=384").chunks(), 10);
        // Chunks of 100 that begin every 90: the last begins at 900.
        assert_eq!(of("4200B,chunk=100,overlap=10,dim=384").chunks(), 11);
        assert_eq!(of("4200B,chunk=100,files=20,dim=384").chunks(), 20);
        assert_eq!(of("0B,chunk=100,dim=384").chunks(), 0);
        assert_eq!(of("4000B,chunk=100,bytes_per_token=4.0,dim=384").chunks(), 10);
    }

    #[test]
    fn text_streams_and_only_results_grow_with_it() {
        let small = Document::parse("1GiB,model=nomic-embed-text-v1.5,on=cuda:0,vectors=disk").unwrap();
        let large = Document::parse("1TiB,model=nomic-embed-text-v1.5,on=cuda:0,vectors=disk").unwrap();
        for place in [Place::Host, Place::Cuda(0)] {
            assert_eq!(small.phases().peak(place), large.phases().peak(place));
        }
        assert!(large.vector_bytes() > small.vector_bytes());
        let kept = Document::parse("1GiB,dim=768,weights=300MB,text=host,dedup").unwrap();
        let names: Vec<_> = kept.phases().parts().into_iter().map(|part| part.name).collect();
        assert!(
            names.iter().any(|name| name == "text") && names.iter().any(|name| name == "hashes of chunks")
        );
        assert_eq!(kept.encoder.weights, Bytes::new(300_000_000));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_name() {
        let refusals = [
            ("", "do not describe documents"),
            ("chunk=512,dim=3", "size is missing"),
            ("2GiB", "dim is missing"),
            ("2", "has no unit"),
            ("2GiB,3GiB,dim=3", "does not describe documents"),
            ("2GiB,dim=3,chunk=0", "chunk = 0 is out of range"),
            ("2GiB,dim=3,chunk=8,overlap=8", "overlap = 8 is out of range; it is 0 to 7"),
            ("2GiB,model=gpt", "\"gpt\" is not known here; known are all-minilm"),
            ("2GiB,dim=3,bytes_per_token=0", "bytes_per_token = 0 is out of range"),
            ("2GiB,dim=3,ring=8MiB", "does not describe a ring"),
            ("16777215TiB,dim=1M,chunk=1", "would take more than 16 EiB"),
        ];
        for (text, says) in refusals {
            let error = Document::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }
}
