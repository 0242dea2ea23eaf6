//! A small writer of GGUF and safetensors headers, for tests and examples.

#![allow(dead_code, reason = "each test uses its share")]

use std::fs::File;
use std::io::Write;
use std::path::Path;

/// A GGUF header that is written piece by piece.
#[derive(Clone)]
pub struct Gguf {
    big_endian: bool,
    version: u32,
    keys: u64,
    tensors: u64,
    pairs: Vec<u8>,
    infos: Vec<u8>,
    alignment: u64,
    /// Bytes of data that the tensors take so far.
    pub data: u64,
}

/// A value of a key.
pub enum Value<'v> {
    U32(u32),
    F32(f32),
    Flag(bool),
    Text(&'v str),
    List(&'v [u32]),
    Flags(&'v [bool]),
    Texts(&'v [&'v str]),
}

impl Gguf {
    /// Of an architecture.
    pub fn new(architecture: &str) -> Self {
        Self::bare().key("general.architecture", &Value::Text(architecture))
    }

    /// Without any key.
    pub fn bare() -> Self {
        let (pairs, infos) = (Vec::new(), Vec::new());
        Self { big_endian: false, version: 3, keys: 0, tensors: 0, pairs, infos, alignment: 32, data: 0 }
    }

    /// Without any key, in the other order of bytes.
    pub fn big_endian() -> Self {
        Self { big_endian: true, ..Self::bare() }
    }

    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    pub fn u32(&self, number: u32) -> [u8; 4] {
        if self.big_endian { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    pub fn u64(&self, number: u64) -> [u8; 8] {
        if self.big_endian { number.to_be_bytes() } else { number.to_le_bytes() }
    }

    pub fn text(&self, text: &str) -> Vec<u8> {
        [&self.u64(text.len() as u64)[..], text.as_bytes()].concat()
    }

    /// With one more key.
    pub fn key(self, key: &str, value: &Value<'_>) -> Self {
        let list = |kind: u32, count: usize| {
            [self.u32(9).to_vec(), self.u32(kind).to_vec(), self.u64(count as u64).to_vec()].concat()
        };
        let bytes = match value {
            Value::U32(number) => [self.u32(4), self.u32(*number)].concat(),
            Value::F32(number) => [self.u32(6), self.u32(number.to_bits())].concat(),
            Value::Flag(flag) => [&self.u32(7)[..], &[u8::from(*flag)]].concat(),
            Value::Text(text) => [&self.u32(8)[..], &self.text(text)].concat(),
            Value::List(numbers) => {
                let items = numbers.iter().flat_map(|number| self.u32(*number));
                list(5, numbers.len()).into_iter().chain(items).collect()
            }
            Value::Flags(flags) => {
                list(7, flags.len()).into_iter().chain(flags.iter().map(|flag| u8::from(*flag))).collect()
            }
            Value::Texts(texts) => {
                let items = texts.iter().flat_map(|text| self.text(text));
                list(8, texts.len()).into_iter().chain(items).collect()
            }
        };
        self.raw_key(key, &bytes)
    }

    /// With one more key whose type and value are given as bytes.
    pub fn raw_key(mut self, key: &str, bytes: &[u8]) -> Self {
        let key = self.text(key);
        self.pairs.extend(key);
        self.pairs.extend_from_slice(bytes);
        self.keys += 1;
        self
    }

    /// With one more key of the architecture, a number.
    pub fn number(self, key: &str, number: u32) -> Self {
        self.key(key, &Value::U32(number))
    }

    /// With another alignment.
    pub fn alignment(mut self, alignment: u32) -> Self {
        self.alignment = u64::from(alignment).max(1);
        self.number("general.alignment", alignment)
    }

    /// With one more tensor behind the others.
    pub fn tensor(mut self, name: &str, shape: &[u64], kind: u32, bytes: u64) -> Self {
        let offset = self.data;
        self.data = (self.data + bytes).next_multiple_of(self.alignment);
        self.tensor_at(name, shape, kind, offset)
    }

    /// With one more tensor somewhere.
    pub fn tensor_at(mut self, name: &str, shape: &[u64], kind: u32, offset: u64) -> Self {
        let mut info = self.text(name);
        info.extend(self.u32(u32::try_from(shape.len()).unwrap_or(u32::MAX)));
        info.extend(shape.iter().flat_map(|side| self.u64(*side)));
        info.extend(self.u32(kind));
        info.extend(self.u64(offset));
        self.infos.extend(info);
        self.tensors += 1;
        self
    }

    /// The header, with counts that are its own or others.
    pub fn header_with(&self, tensors: u64, keys: u64) -> Vec<u8> {
        let counts = [self.u64(tensors), self.u64(keys)].concat();
        let mut bytes = [&b"GGUF"[..], &self.u32(self.version), &counts, &self.pairs, &self.infos].concat();
        bytes.resize(bytes.len().next_multiple_of(usize::try_from(self.alignment).unwrap_or(1)), 0);
        bytes
    }

    /// The header.
    pub fn header(&self) -> Vec<u8> {
        self.header_with(self.tensors, self.keys)
    }

    /// The whole file: header, and data of zeros.
    pub fn file(&self) -> Vec<u8> {
        let mut bytes = self.header();
        bytes.resize(bytes.len() + usize::try_from(self.data).unwrap_or(0), 0);
        bytes
    }

    /// Writes the header to a file whose data is a hole. Gives the header's length.
    pub fn write_sparse(&self, path: &Path) -> std::io::Result<u64> {
        let header = self.header();
        let mut file = File::create(path)?;
        file.write_all(&header)?;
        file.set_len(header.len() as u64 + self.data)?;
        Ok(header.len() as u64)
    }
}

/// A safetensors file of a header.
pub fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

/// A model like DeepSeek V3 in parts: 61 layers, 256 experts fused, 129,280 tokens, some 400 GB. Headers only; the data
/// are holes. Gives the first part's path and how many bytes all headers have.
pub fn deepseek_like(folder: &Path, parts: u32) -> std::io::Result<(std::path::PathBuf, u64)> {
    let tokens: Vec<String> = (0..129_280).map(|token| format!("token{token}")).collect();
    let merges: Vec<String> = (0..127_741).map(|merge| format!("first{merge} second{merge}")).collect();
    let texts =
        |texts: &'_ [String]| texts.iter().map(|text| text.clone().leak() as &str).collect::<Vec<&str>>();
    let kinds = vec![1_u32; tokens.len()];
    let mut first = Gguf::new("deepseek2")
        .key("general.name", &Value::Text("Like DeepSeek V3"))
        .number("deepseek2.block_count", 61)
        .number("deepseek2.context_length", 163_840)
        .number("deepseek2.embedding_length", 7168)
        .number("deepseek2.feed_forward_length", 18_432)
        .number("deepseek2.attention.head_count", 128)
        .number("deepseek2.attention.head_count_kv", 1)
        .number("deepseek2.attention.q_lora_rank", 1536)
        .number("deepseek2.attention.kv_lora_rank", 512)
        .number("deepseek2.attention.key_length", 576)
        .number("deepseek2.attention.value_length", 512)
        .number("deepseek2.attention.key_length_mla", 192)
        .number("deepseek2.attention.value_length_mla", 128)
        .number("deepseek2.rope.dimension_count", 64)
        .number("deepseek2.expert_count", 256)
        .number("deepseek2.expert_used_count", 8)
        .number("deepseek2.expert_shared_count", 1)
        .number("deepseek2.expert_feed_forward_length", 2048)
        .number("deepseek2.leading_dense_block_count", 3)
        .key("tokenizer.ggml.model", &Value::Text("gpt2"))
        .key("tokenizer.ggml.tokens", &Value::Texts(&texts(&tokens)))
        .key("tokenizer.ggml.token_type", &Value::List(&kinds))
        .key("tokenizer.ggml.merges", &Value::Texts(&texts(&merges)))
        .key("tokenizer.chat_template", &Value::Text(&"{% if x %}".repeat(500)));
    let tensors = deepseek_tensors();
    let share = tensors.len().div_ceil(parts as usize);
    let mut headers = 0;
    for (index, part) in tensors.chunks(share).enumerate() {
        let number = u32::try_from(index).unwrap_or(0);
        let start = if index == 0 { std::mem::replace(&mut first, Gguf::bare()) } else { Gguf::bare() };
        let start = start.number("split.no", number).number("split.count", parts);
        let start = start.number("split.tensors.count", u32::try_from(tensors.len()).unwrap_or(0));
        let add = |gguf: Gguf, (name, shape, kind, bytes): &Shape| gguf.tensor(name, shape, *kind, *bytes);
        let gguf = part.iter().fold(start, add);
        headers += gguf.write_sparse(&folder.join(format!("like-{:05}-of-{parts:05}.gguf", number + 1)))?;
    }
    Ok((folder.join(format!("like-00001-of-{parts:05}.gguf")), headers))
}

/// Name, shape, type, bytes.
pub type Shape = (String, Vec<u64>, u32, u64);

/// The tensors of a model like DeepSeek V3, experts in `Q4_K`, the rest in `Q8_0` and `F32`.
fn deepseek_tensors() -> Vec<Shape> {
    let mut all: Vec<Shape> = Vec::new();
    let mut add = |name: String, shape: &[u64], kind: u32| {
        let elements: u64 = shape.iter().product();
        let bytes = match kind {
            0 => elements * 4,
            8 => elements / 32 * 34,
            _ => elements / 256 * 144,
        };
        all.push((name, shape.to_vec(), kind, bytes));
    };
    add("token_embd.weight".into(), &[7168, 129_280], 8);
    add("output.weight".into(), &[7168, 129_280], 8);
    add("output_norm.weight".into(), &[7168], 0);
    for layer in 0..61 {
        let mut own = |name: &str, shape: &[u64], kind| add(format!("blk.{layer}.{name}"), shape, kind);
        own("attn_norm.weight", &[7168], 0);
        own("ffn_norm.weight", &[7168], 0);
        own("attn_q_a.weight", &[7168, 1536], 8);
        own("attn_q_a_norm.weight", &[1536], 0);
        own("attn_q_b.weight", &[1536, 24_576], 8);
        own("attn_kv_a_mqa.weight", &[7168, 576], 8);
        own("attn_kv_a_norm.weight", &[512], 0);
        own("attn_k_b.weight", &[128, 512, 128], 8);
        own("attn_v_b.weight", &[512, 128, 128], 8);
        own("attn_output.weight", &[16_384, 7168], 8);
        if layer < 3 {
            own("ffn_gate.weight", &[7168, 18_432], 8);
            own("ffn_up.weight", &[7168, 18_432], 8);
            own("ffn_down.weight", &[18_432, 7168], 8);
            continue;
        }
        own("ffn_gate_inp.weight", &[7168, 256], 0);
        own("exp_probs_b.bias", &[256], 0);
        own("ffn_gate_exps.weight", &[7168, 2048, 256], 12);
        own("ffn_up_exps.weight", &[7168, 2048, 256], 12);
        own("ffn_down_exps.weight", &[2048, 7168, 256], 12);
        own("ffn_gate_shexp.weight", &[7168, 2048], 8);
        own("ffn_up_shexp.weight", &[7168, 2048], 8);
        own("ffn_down_shexp.weight", &[2048, 7168], 8);
    }
    all
}
