//! The model that turns chunks of text into vectors.

use plimsoll::Bytes;

use crate::phase::product;

/// An embedding model, by what its memory depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoder {
    /// What it is called; empty where nobody says.
    pub name: String,
    /// What its weights take.
    pub weights: Bytes,
    /// Layers.
    pub layers: u64,
    /// Numbers of a token between layers.
    pub width: u64,
    /// Inner numbers of the feed-forward part; of a gated one, both halves.
    pub ffn_width: u64,
    /// Numbers of the vector that comes out.
    pub dimension: u64,
    /// Tokens that it takes at once.
    pub context: u64,
    /// Bytes of a number on the way.
    pub number_bytes: u64,
}

/// Models that are used a lot: name, parameters, layers, width, feed-forward, vector, context. From the
/// configurations that are published with them.
const KNOWN: [(&str, u64, u64, u64, u64, u64, u64); 12] = [
    ("all-minilm-l6-v2", 22_713_216, 6, 384, 1536, 384, 512),
    ("all-mpnet-base-v2", 109_486_464, 12, 768, 3072, 768, 514),
    ("bge-small-en-v1.5", 33_360_000, 12, 384, 1536, 384, 512),
    ("bge-base-en-v1.5", 109_482_240, 12, 768, 3072, 768, 512),
    ("bge-large-en-v1.5", 335_141_888, 24, 1024, 4096, 1024, 512),
    ("bge-m3", 567_754_752, 24, 1024, 4096, 1024, 8194),
    ("e5-large-v2", 335_141_888, 24, 1024, 4096, 1024, 512),
    ("mxbai-embed-large-v1", 335_141_888, 24, 1024, 4096, 1024, 512),
    ("nomic-embed-text-v1.5", 136_731_648, 12, 768, 6144, 768, 8192),
    ("qwen3-embedding-0.6b", 595_776_512, 28, 1024, 6144, 1024, 32768),
    ("qwen3-embedding-4b", 4_021_774_336, 36, 2560, 19456, 2560, 32768),
    ("qwen3-embedding-8b", 7_567_295_488, 36, 4096, 24576, 4096, 32768),
];

impl Encoder {
    /// A model that is known by name, its weights in so many bytes a number. Part of a name does where only one has
    /// it.
    pub fn known(name: &str, number_bytes: u64) -> Option<Self> {
        let small = name.trim().to_ascii_lowercase();
        let whole = KNOWN.iter().find(|row| row.0 == small);
        let mut near = KNOWN.iter().filter(|row| !small.is_empty() && row.0.starts_with(&small));
        let row = whole.or_else(|| near.next().filter(|_| near.next().is_none()))?;
        let &(name, parameters, layers, width, ffn_width, dimension, context) = row;
        Some(Self {
            name: name.to_owned(),
            weights: Bytes::new(product(&[parameters, number_bytes])),
            layers,
            width,
            ffn_width,
            dimension,
            context,
            number_bytes,
        })
    }

    /// Names that are known.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KNOWN.iter().map(|row| row.0)
    }

    /// A model of which only the vector is known: by the habits of encoders of that width.
    pub fn unknown(dimension: u64, weights: Bytes, number_bytes: u64) -> Self {
        let (width, ffn_width) = (dimension, dimension.saturating_mul(4));
        let (name, layers, context) = (String::new(), 12, 512);
        Self { name, weights, layers, width, ffn_width, dimension, context, number_bytes }
    }

    /// What a batch needs on the way: the widest moment of a layer. Nothing is kept for a backward pass, so layers
    /// do not add up: there are the stream itself, its copy before the layer, and then either queries, keys, values
    /// and what attention makes of them, or the feed-forward part before and after its function.
    pub fn working_bytes(&self, tokens: u64) -> Bytes {
        let stream = self.width.saturating_mul(3);
        let attention = self.width.saturating_mul(4);
        let ffn = self.ffn_width.saturating_mul(2);
        let widest = stream.saturating_add(attention.max(ffn));
        Bytes::new(product(&[tokens, widest, self.number_bytes]))
    }

    /// Operations for a token: two for each weight that takes part, and attention over the chunk.
    #[expect(clippy::cast_precision_loss, reason = "operations are counted for a time")]
    pub fn token_flops(&self, chunk_tokens: u64) -> f64 {
        let (width, layers) = (self.width as f64, self.layers as f64);
        let weights = layers * (4.0 * width * width + 2.0 * width * self.ffn_width as f64);
        2.0 * weights + 4.0 * layers * width * chunk_tokens as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_known_by_name_or_by_the_beginning_of_one() {
        assert_eq!(Encoder::known("bge-m3", 2).unwrap().weights, Bytes::new(567_754_752 * 2));
        assert_eq!(Encoder::known("Nomic-Embed", 4).unwrap().dimension, 768);
        assert_eq!(Encoder::known("bge", 4), None, "several begin so");
        assert_eq!(Encoder::known("", 4), None);
    }

    #[test]
    fn parameters_follow_from_the_shapes() {
        // Of BERT's shape: layers × (4·w² + 4·w + 2·w·f + f + w + 4·w) and vocabulary, positions, kinds, norm.
        let bert = |layers: u64, w: u64, f: u64, pooler: u64| {
            layers * (4 * w * w + 4 * w + 2 * w * f + f + w + 4 * w)
                + (30_522 + 512 + 2 + 2) * w
                + pooler * (w * w + w)
        };
        for (name, pooler) in [
            ("all-minilm-l6-v2", 1),
            ("bge-small-en-v1.5", 1),
            ("bge-base-en-v1.5", 1),
            ("bge-large-en-v1.5", 1),
        ] {
            let model = Encoder::known(name, 1).unwrap();
            let parameters = bert(model.layers, model.width, model.ffn_width, pooler);
            assert_eq!(model.weights.get(), parameters, "{name}");
        }
    }
}
