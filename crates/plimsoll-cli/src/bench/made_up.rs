//! A model file with random weights, of the shape of a real one.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use half::f16;

/// What tensors begin at a multiple of.
const ALIGN: u64 = 32;
/// Numbers in a block of weights, and its bytes.
const BLOCK: (u64, u64) = (32, 34);
/// Numbers of types in these files.
const F32: u32 = 0;
const Q8_0: u32 = 8;

/// Shapes of models that can be made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MadeUp {
    /// As Llama 3.2 1B: 16 layers of 2,048 numbers, a vocabulary of 128,256
    #[value(name = "1b")]
    OneB,
    /// As Llama 3.1 8B: 32 layers of 4,096 numbers, the same vocabulary
    #[value(name = "8b")]
    EightB,
    /// A tenth of that of 1b: 12 layers of 768 numbers, a vocabulary of 32,000
    #[value(name = "100m")]
    HundredM,
}

/// Whether it can read and write texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Numbers of tokens only: what llama.cpp takes as well.
    None,
    /// Each token is a word.
    Each,
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: a made-up model of {bytes} bytes cannot be written there ({source}); choose a place with room, by TMPDIR or a flag", path.display())]
pub struct MadeUpError {
    path: PathBuf,
    bytes: u64,
    source: io::Error,
}

/// The file that is measured. One that was made up for this is gone with it.
#[derive(Debug)]
pub struct ModelFile {
    path: PathBuf,
    /// What it is called, if it was made up.
    name: Option<&'static str>,
    keep: bool,
}

impl ModelFile {
    /// One that is there.
    pub fn given(path: &Path) -> Self {
        Self { path: path.to_owned(), name: None, keep: true }
    }

    /// Makes one up, where it is to be kept or among temporary files.
    pub fn made_up(shape: MadeUp, keep: Option<&Path>, words: Words) -> Result<Self, MadeUpError> {
        let temporary = || std::env::temp_dir().join(format!("plimsoll-bench-{}.gguf", std::process::id()));
        let path = keep.map_or_else(temporary, Path::to_owned);
        // Made before it is written, so that half a file is removed too.
        let file = Self { path, name: Some(shape.name()), keep: keep.is_some() };
        shape.write(&file.path, words)?;
        Ok(file)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is called.
    pub fn name(&self) -> String {
        self.name.map_or_else(|| self.path.display().to_string(), str::to_owned)
    }
}

impl Drop for ModelFile {
    fn drop(&mut self) {
        if !self.keep {
            // It lies in the folder of temporary files, where what could not be removed is found.
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// The numbers of a shape.
struct Sizes {
    layers: u32,
    width: u32,
    heads: u32,
    kv_heads: u32,
    inner: u32,
    vocabulary: u32,
}

impl MadeUp {
    /// What it is called.
    const fn name(self) -> &'static str {
        match self {
            Self::OneB => "made up, as Llama 3.2 1B, q8_0",
            Self::EightB => "made up, as Llama 3.1 8B, q8_0",
            Self::HundredM => "made up, a tenth of Llama 3.2 1B, q8_0",
        }
    }

    const fn sizes(self) -> Sizes {
        match self {
            Self::OneB => {
                Sizes { layers: 16, width: 2048, heads: 32, kv_heads: 8, inner: 8192, vocabulary: 128_256 }
            }
            Self::EightB => {
                Sizes { layers: 32, width: 4096, heads: 32, kv_heads: 8, inner: 14_336, vocabulary: 128_256 }
            }
            Self::HundredM => {
                Sizes { layers: 12, width: 768, heads: 12, kv_heads: 4, inner: 2048, vocabulary: 32_000 }
            }
        }
    }

    /// Writes one. Its output is its embedding, as in the model that it is shaped after.
    fn write(self, path: &Path, words: Words) -> Result<(), MadeUpError> {
        let tensors = tensors(&self.sizes());
        let bytes = tensors.iter().map(Tensor::bytes).sum();
        let failed = |source| MadeUpError { path: path.to_owned(), bytes, source };
        let file = File::create(path).map_err(failed)?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        let header = header(self.name(), words, &self.sizes(), &tensors);
        out.write_all(&header).map_err(failed)?;
        let mut lots = Lots(1);
        for tensor in &tensors {
            tensor.write(&mut lots, &mut out).map_err(failed)?;
        }
        out.flush().map_err(failed)
    }
}

struct Tensor {
    name: String,
    /// The fastest first.
    sides: Vec<u64>,
}

impl Tensor {
    fn numbers(&self) -> u64 {
        self.sides.iter().product()
    }

    /// With what is between it and the next.
    fn bytes(&self) -> u64 {
        let bytes =
            if self.sides.len() == 1 { self.numbers() * 4 } else { self.numbers() / BLOCK.0 * BLOCK.1 };
        bytes.next_multiple_of(ALIGN)
    }

    /// Vectors are ones; matrices have weights of a size that keeps what flows through them as large as it was.
    fn write(&self, lots: &mut Lots, out: &mut impl Write) -> io::Result<()> {
        let [width, ..] = self.sides[..] else { return Ok(()) };
        if self.sides.len() == 1 {
            for _ in 0..width {
                out.write_all(&1_f32.to_le_bytes())?;
            }
        } else {
            // Bytes of any value are 74 on average, squared and rooted.
            #[expect(clippy::cast_precision_loss, reason = "a width")]
            let scale = f16::from_f32(1.0 / (74.0 * (width as f32).sqrt())).to_le_bytes();
            let mut row = Vec::new();
            for _ in 0..self.sides[1] {
                row.clear();
                for _ in 0..width / BLOCK.0 {
                    row.extend_from_slice(&scale);
                    for _ in 0..BLOCK.0 / 8 {
                        row.extend_from_slice(&lots.next().to_le_bytes());
                    }
                }
                out.write_all(&row)?;
            }
        }
        let bytes =
            if self.sides.len() == 1 { self.numbers() * 4 } else { self.numbers() / BLOCK.0 * BLOCK.1 };
        let padding = usize::try_from(self.bytes() - bytes).unwrap_or(0);
        out.write_all(&vec![0; padding])
    }
}

fn tensors(sizes: &Sizes) -> Vec<Tensor> {
    let vector = |name: String| Tensor { name, sides: vec![u64::from(sizes.width)] };
    let matrix = |name: String, columns: u32, rows: u32| Tensor {
        name,
        sides: vec![u64::from(columns), u64::from(rows)],
    };
    let keys = sizes.width / sizes.heads * sizes.kv_heads;
    let mut all = vec![matrix("token_embd.weight".to_owned(), sizes.width, sizes.vocabulary)];
    for layer in 0..sizes.layers {
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        all.push(vector(name("attn_norm")));
        all.push(matrix(name("attn_q"), sizes.width, sizes.width));
        all.push(matrix(name("attn_k"), sizes.width, keys));
        all.push(matrix(name("attn_v"), sizes.width, keys));
        all.push(matrix(name("attn_output"), sizes.width, sizes.width));
        all.push(vector(name("ffn_norm")));
        all.push(matrix(name("ffn_gate"), sizes.width, sizes.inner));
        all.push(matrix(name("ffn_up"), sizes.width, sizes.inner));
        all.push(matrix(name("ffn_down"), sizes.inner, sizes.width));
    }
    all.push(vector("output_norm.weight".to_owned()));
    all
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A word for each token, all as likely.
fn vocabulary(tokens: u32) -> Vec<u8> {
    const ARRAY: u32 = 9;
    const TEXT: u32 = 8;
    const REAL: u32 = 6;
    let begin = |key: &str, kind: u32| {
        let count = u64::from(tokens).to_le_bytes().to_vec();
        [text(key), ARRAY.to_le_bytes().to_vec(), kind.to_le_bytes().to_vec(), count].concat()
    };
    let mut out = begin("tokenizer.ggml.tokens", TEXT);
    (0..tokens).for_each(|token| out.extend(text(&format!("\u{2581}word{token}"))));
    out.extend(begin("tokenizer.ggml.scores", REAL));
    out.resize(out.len() + 4 * tokens as usize, 0);
    out
}

fn header(name: &str, words: Words, sizes: &Sizes, tensors: &[Tensor]) -> Vec<u8> {
    let texts = [
        ("general.architecture", "llama"),
        ("general.name", name),
        ("tokenizer.ggml.model", if words == Words::None { "no_vocab" } else { "llama" }),
    ];
    let counts = [
        ("vocab_size", sizes.vocabulary),
        ("embedding_length", sizes.width),
        ("block_count", sizes.layers),
        ("feed_forward_length", sizes.inner),
        ("context_length", 8192),
        ("attention.head_count", sizes.heads),
        ("attention.head_count_kv", sizes.kv_heads),
        ("rope.dimension_count", sizes.width / sizes.heads),
    ];
    let reals = [("attention.layer_norm_rms_epsilon", 1e-5_f32), ("rope.freq_base", 500_000.0)];
    let arrays = if words == Words::None { 0 } else { 2 };
    let keys = texts.len() + counts.len() + reals.len() + arrays;
    let mut header = b"GGUF\x03\0\0\0".to_vec();
    header.extend((tensors.len() as u64).to_le_bytes());
    header.extend((keys as u64).to_le_bytes());
    for (key, value) in texts {
        header.extend([text(key), 8_u32.to_le_bytes().to_vec(), text(value)].concat());
    }
    for (key, value) in counts {
        header.extend(text(&format!("llama.{key}")));
        header.extend([4_u32.to_le_bytes(), value.to_le_bytes()].concat());
    }
    for (key, value) in reals {
        header.extend(text(&format!("llama.{key}")));
        header.extend([6_u32.to_le_bytes(), value.to_le_bytes()].concat());
    }
    if words == Words::Each {
        header.extend(vocabulary(sizes.vocabulary));
    }
    let mut offset = 0_u64;
    for tensor in tensors {
        let kind = if tensor.sides.len() == 1 { F32 } else { Q8_0 };
        header.extend(text(&tensor.name));
        header.extend(u32::try_from(tensor.sides.len()).unwrap_or(0).to_le_bytes());
        header.extend(tensor.sides.iter().flat_map(|side| side.to_le_bytes()));
        header.extend(kind.to_le_bytes());
        header.extend(offset.to_le_bytes());
        offset += tensor.bytes();
    }
    header.resize(header.len().next_multiple_of(32), 0);
    header
}

/// Numbers by lot, the same each time.
struct Lots(u64);

impl Lots {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use plimsoll_llm::text::Tokenizer;
    use plimsoll_llm::{Decoder, Draw};

    use super::*;

    #[test]
    fn what_is_made_up_can_be_opened_and_computes_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made-up.gguf");
        for words in [Words::None, Words::Each] {
            let file = ModelFile::made_up(MadeUp::HundredM, Some(&path), words).unwrap();
            let decoder = Arc::new(Decoder::open(file.path()).unwrap());
            assert_eq!((decoder.shape().layers, decoder.shape().vocabulary), (12, 32_000));
            let tokens = decoder.generate(&[1, 2, 3], 2, Draw::Likeliest).unwrap();
            assert_eq!(tokens.len(), 2);
            match Tokenizer::open(&path) {
                Ok(tokenizer) if words == Words::Each => tokenizer.check(32_000, &path).unwrap(),
                Err(_) if words == Words::None => {}
                other => panic!("{words:?}: {other:?}"),
            }
        }
        assert!(path.exists(), "it was to be kept");
    }
}
