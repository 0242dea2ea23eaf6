//! Small models of made-up weights, written as GGUF, and what they compute, in doubles and without any cleverness.

#![allow(dead_code, reason = "each test uses its share")]
#![allow(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "sizes are tiny"
)]

pub mod files;

use std::collections::BTreeMap;

/// How weights are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    F32,
    F16,
    Bf16,
    Q8,
}

/// A value of a key.
#[derive(Clone, Debug)]
pub enum Value {
    U32(u32),
    F32(f32),
    Text(String),
}

/// A model: its metadata and its tensors, to be changed before it is written.
#[derive(Clone, Debug)]
pub struct Model {
    pub keys: BTreeMap<String, Value>,
    /// Sides with the fastest first, the number of the type, and the bytes.
    pub tensors: BTreeMap<String, (Vec<u64>, u32, Vec<u8>)>,
    /// The same weights as numbers.
    pub numbers: BTreeMap<String, Vec<f64>>,
    /// Whether the halves of heads are rotated together, and not neighbours.
    pub halves: bool,
    /// How much longer rotations make what they rotate.
    pub length: f64,
}

/// The sizes of a made-up model.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub layers: usize,
    pub width: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub key_width: usize,
    pub value_width: usize,
    pub inner: usize,
    pub vocabulary: usize,
    pub rope_width: usize,
}

pub const SMALL: Sizes = Sizes {
    layers: 2,
    width: 64,
    heads: 4,
    kv_heads: 2,
    key_width: 16,
    value_width: 16,
    inner: 96,
    vocabulary: 50,
    rope_width: 16,
};

pub struct Lots(pub u64);

impl Lots {
    /// A number in −1..1.
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1_u32 << 30) - 1.0
    }
}

impl Model {
    /// A model whose matrices are of this kind; `tied` says that it has no output of its own.
    pub fn new(sizes: Sizes, kind: Kind, tied: bool, seed: u64) -> Self {
        let (keys, tensors, numbers) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut model = Self { keys, tensors, numbers, halves: false, length: 1.0 };
        model.text("general.architecture", "llama");
        for (key, count) in [
            ("embedding_length", sizes.width),
            ("block_count", sizes.layers),
            ("feed_forward_length", sizes.inner),
            ("context_length", 128),
            ("attention.head_count", sizes.heads),
            ("attention.head_count_kv", sizes.kv_heads),
            ("attention.key_length", sizes.key_width),
            ("attention.value_length", sizes.value_width),
            ("rope.dimension_count", sizes.rope_width),
        ] {
            model.count(&format!("llama.{key}"), count as u32);
        }
        model.real("llama.attention.layer_norm_rms_epsilon", 1e-5);
        let mut lots = Lots(seed);
        let (keys, values) = (sizes.kv_heads * sizes.key_width, sizes.kv_heads * sizes.value_width);
        model.matrix("token_embd.weight", sizes.vocabulary, sizes.width, kind, &mut lots);
        model.vector("output_norm.weight", sizes.width, &mut lots);
        if !tied {
            model.matrix("output.weight", sizes.vocabulary, sizes.width, kind, &mut lots);
        }
        for layer in 0..sizes.layers {
            let name = |part: &str| format!("blk.{layer}.{part}.weight");
            model.vector(&name("attn_norm"), sizes.width, &mut lots);
            model.vector(&name("ffn_norm"), sizes.width, &mut lots);
            for (part, rows, columns) in [
                ("attn_q", sizes.heads * sizes.key_width, sizes.width),
                ("attn_k", keys, sizes.width),
                ("attn_v", values, sizes.width),
                ("attn_output", sizes.width, sizes.heads * sizes.value_width),
                ("ffn_gate", sizes.inner, sizes.width),
                ("ffn_up", sizes.inner, sizes.width),
                ("ffn_down", sizes.width, sizes.inner),
            ] {
                model.matrix(&name(part), rows, columns, kind, &mut lots);
            }
        }
        model
    }

    /// The same of another family, by GGUF's name, with what it has besides.
    pub fn of(family: &str, sizes: Sizes, kind: Kind, tied: bool, seed: u64) -> Self {
        let mut model = Self::new(sizes, kind, tied, seed);
        let keys = std::mem::take(&mut model.keys);
        model.keys = keys
            .into_iter()
            .map(|(key, value)| (key.replace("llama.", &format!("{family}.")), value))
            .collect();
        model.text("general.architecture", family);
        model.halves = family != "llama";
        let mut lots = Lots(seed + 1);
        for layer in 0..sizes.layers {
            let name = |part: &str| format!("blk.{layer}.{part}");
            let (keys, values) = (sizes.kv_heads * sizes.key_width, sizes.kv_heads * sizes.value_width);
            if family == "qwen2" {
                for (part, len) in
                    [("attn_q", sizes.heads * sizes.key_width), ("attn_k", keys), ("attn_v", values)]
                {
                    let numbers: Vec<f64> = (0..len).map(|_| lots.next()).collect();
                    model.put(&name(&format!("{part}.bias")), vec![len as u64], Kind::F32, &numbers);
                }
            }
            if family == "qwen3" {
                model.vector(&name("attn_q_norm.weight"), sizes.key_width, &mut lots);
                model.vector(&name("attn_k_norm.weight"), sizes.key_width, &mut lots);
            }
        }
        model
    }

    pub fn count(&mut self, key: &str, number: u32) {
        self.keys.insert(key.to_owned(), Value::U32(number));
    }

    pub fn real(&mut self, key: &str, number: f32) {
        self.keys.insert(key.to_owned(), Value::F32(number));
    }

    pub fn text(&mut self, key: &str, text: &str) {
        self.keys.insert(key.to_owned(), Value::Text(text.to_owned()));
    }

    /// A vector of numbers around one.
    pub fn vector(&mut self, name: &str, len: usize, lots: &mut Lots) {
        let numbers: Vec<f64> = (0..len).map(|_| 1.0 + 0.3 * lots.next()).collect();
        self.put(name, vec![len as u64], Kind::F32, &numbers);
    }

    fn matrix(&mut self, name: &str, rows: usize, columns: usize, kind: Kind, lots: &mut Lots) {
        let size = 2.0 / (columns as f64).sqrt();
        let numbers: Vec<f64> = (0..rows * columns).map(|_| size * lots.next()).collect();
        self.put(name, vec![columns as u64, rows as u64], kind, &numbers);
    }

    /// Puts a tensor in; what is kept as numbers are those that were written.
    pub fn put(&mut self, name: &str, sides: Vec<u64>, kind: Kind, numbers: &[f64]) {
        let (mut bytes, mut kept) = (Vec::new(), Vec::new());
        let number = match kind {
            Kind::F32 => {
                for number in numbers.iter().map(|number| *number as f32) {
                    bytes.extend(number.to_le_bytes());
                    kept.push(f64::from(number));
                }
                0
            }
            Kind::F16 => {
                for number in numbers.iter().map(|number| half::f16::from_f64(*number)) {
                    bytes.extend(number.to_le_bytes());
                    kept.push(number.to_f64());
                }
                1
            }
            Kind::Bf16 => {
                for number in numbers.iter().map(|number| half::bf16::from_f64(*number)) {
                    bytes.extend(number.to_le_bytes());
                    kept.push(number.to_f64());
                }
                30
            }
            Kind::Q8 => {
                for block in numbers.chunks_exact(32) {
                    let most = block.iter().fold(0.0_f64, |most, number| most.max(number.abs()));
                    let scale = half::f16::from_f64(most / 127.0);
                    bytes.extend(scale.to_le_bytes());
                    for number in block {
                        let byte = (number / scale.to_f64()).round() as i8;
                        bytes.push(byte.cast_unsigned());
                        kept.push(f64::from(byte) * scale.to_f64());
                    }
                }
                8
            }
        };
        self.tensors.insert(name.to_owned(), (sides, number, bytes));
        self.numbers.insert(name.to_owned(), kept);
    }

    /// As a file.
    pub fn write(&self) -> Vec<u8> {
        let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        file.extend((self.tensors.len() as u64).to_le_bytes());
        file.extend((self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            file.extend(text(key));
            match value {
                Value::U32(number) => file.extend([4_u32.to_le_bytes(), number.to_le_bytes()].concat()),
                Value::F32(number) => file.extend([6_u32.to_le_bytes(), number.to_le_bytes()].concat()),
                Value::Text(value) => file.extend([&8_u32.to_le_bytes()[..], &text(value)].concat()),
            }
        }
        let mut data = Vec::new();
        for (name, (sides, kind, bytes)) in &self.tensors {
            file.extend(text(name));
            file.extend((sides.len() as u32).to_le_bytes());
            file.extend(sides.iter().flat_map(|side| side.to_le_bytes()));
            file.extend(kind.to_le_bytes());
            file.extend((data.len() as u64).to_le_bytes());
            data.extend(bytes);
            data.resize(data.len().next_multiple_of(32), 0);
        }
        file.resize(file.len().next_multiple_of(32), 0);
        file.extend(data);
        file
    }

    /// `matrix × input`, the input rounded to eight bits if the weights are.
    fn times(&self, name: &str, input: &[f64]) -> Vec<f64> {
        let rounded = |block: &[f64]| {
            let step = block.iter().fold(0.0_f64, |most, number| most.max(number.abs())) / 127.0;
            let scale = half::f16::from_f64(step).to_f64();
            block.iter().map(|number| (number / step).round_ties_even() * scale).collect::<Vec<_>>()
        };
        let input: Vec<f64> = if self.tensors[name].1 == 8 {
            input.chunks(32).flat_map(rounded).collect()
        } else {
            input.to_vec()
        };
        let rows = self.numbers[name].chunks_exact(input.len());
        rows.map(|row| row.iter().zip(&input).map(|(one, other)| one * other).sum()).collect()
    }

    fn normal(&self, name: &str, input: &[f64]) -> Vec<f64> {
        let mean = input.iter().map(|number| number * number).sum::<f64>() / input.len() as f64;
        let scale = 1.0 / (mean + 1e-5).sqrt();
        input.iter().zip(&self.numbers[name]).map(|(number, weight)| number * scale * weight).collect()
    }

    /// The logits behind each token, with positions divided by `divisor` and frequencies by `rope_freqs.weight`, if any.
    pub fn logits(&self, sizes: Sizes, divisor: f64, tokens: &[u32]) -> Vec<Vec<f64>> {
        let mut kept: Vec<Vec<(Vec<f64>, Vec<f64>)>> = vec![Vec::new(); sizes.layers];
        let mut all = Vec::new();
        for (position, token) in tokens.iter().enumerate() {
            let at = *token as usize * sizes.width;
            let mut stream = self.numbers["token_embd.weight"][at..at + sizes.width].to_vec();
            for (layer, kept) in kept.iter_mut().enumerate() {
                let name = |part: &str| format!("blk.{layer}.{part}.weight");
                let input = self.normal(&name("attn_norm"), &stream);
                let mut query = self.times(&name("attn_q"), &input);
                let mut key = self.times(&name("attn_k"), &input);
                let mut value = self.times(&name("attn_v"), &input);
                for (part, row) in [("attn_q", &mut query), ("attn_k", &mut key), ("attn_v", &mut value)] {
                    if let Some(bias) = self.numbers.get(&format!("blk.{layer}.{part}.bias")) {
                        add(row, bias);
                    }
                }
                for (part, row) in [("attn_q_norm", &mut query), ("attn_k_norm", &mut key)] {
                    if self.numbers.contains_key(&name(part)) {
                        let heads = row.chunks(sizes.key_width);
                        *row = heads.flat_map(|head| self.normal(&name(part), head)).collect();
                    }
                }
                self.turn(&mut query, sizes, position as f64 / divisor);
                self.turn(&mut key, sizes, position as f64 / divisor);
                kept.push((key, value));
                let mixed = attend(&query, kept, sizes);
                add(&mut stream, &self.times(&name("attn_output"), &mixed));
                let input = self.normal(&name("ffn_norm"), &stream);
                let gate = self.times(&name("ffn_gate"), &input);
                let up = self.times(&name("ffn_up"), &input);
                let inner: Vec<f64> =
                    gate.iter().zip(&up).map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up).collect();
                add(&mut stream, &self.times(&name("ffn_down"), &inner));
            }
            let output = if self.numbers.contains_key("output.weight") {
                "output.weight"
            } else {
                "token_embd.weight"
            };
            all.push(self.times(output, &self.normal("output_norm.weight", &stream)));
        }
        all
    }

    fn turn(&self, row: &mut [f64], sizes: Sizes, position: f64) {
        for head in row.chunks_exact_mut(sizes.key_width) {
            for pair in 0..sizes.rope_width / 2 {
                let factor = self.numbers.get("rope_freqs.weight").map_or(1.0, |factors| factors[pair]);
                let power = -(2.0 * pair as f64) / sizes.rope_width as f64;
                let (sine, cosine) = (position * 10_000_f64.powf(power) / factor).sin_cos();
                let (sine, cosine) = (sine * self.length, cosine * self.length);
                let (one, other) =
                    if self.halves { (pair, pair + sizes.rope_width / 2) } else { (2 * pair, 2 * pair + 1) };
                let (x, y) = (head[one], head[other]);
                head[one] = x * cosine - y * sine;
                head[other] = x * sine + y * cosine;
            }
        }
    }
}

fn attend(query: &[f64], kept: &[(Vec<f64>, Vec<f64>)], sizes: Sizes) -> Vec<f64> {
    let mut mixed = Vec::new();
    for (head, query) in query.chunks_exact(sizes.key_width).enumerate() {
        let head = head / (sizes.heads / sizes.kv_heads);
        let score = |keys: &[f64]| -> f64 {
            let keys = &keys[head * sizes.key_width..(head + 1) * sizes.key_width];
            keys.iter().zip(query).map(|(one, other)| one * other).sum::<f64>()
                / (sizes.key_width as f64).sqrt()
        };
        let weights: Vec<f64> = kept.iter().map(|(keys, _)| score(keys).exp()).collect();
        let whole: f64 = weights.iter().sum();
        for number in head * sizes.value_width..(head + 1) * sizes.value_width {
            let sum: f64 =
                kept.iter().zip(&weights).map(|((_, values), weight)| values[number] * weight).sum();
            mixed.push(sum / whole);
        }
    }
    mixed
}

fn add(into: &mut [f64], other: &[f64]) {
    into.iter_mut().zip(other).for_each(|(into, other)| *into += other);
}
