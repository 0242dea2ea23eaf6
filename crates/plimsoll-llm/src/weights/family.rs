//! The families of models that are computed.

/// A family. All are the Llama architecture with a few differences, which follow from the tensors that a file has; what a
/// family decides is what must be there, and how heads are rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// Llama, and whatever says that it is one: in GGUF Mistral's models too.
    Llama,
    /// Mistral, as its configuration calls itself.
    Mistral,
    /// Qwen 2 and 2.5: biases of queries, keys and values.
    Qwen2,
    /// Qwen 3: norms of each head's queries and keys.
    Qwen3,
}

/// Their names, for messages.
pub(crate) const FAMILIES: &str = "llama, mistral, qwen2 and qwen3";

impl Family {
    /// By the name of the architecture in GGUF.
    pub(crate) fn of_gguf(name: &str) -> Option<Self> {
        match name {
            "llama" => Some(Self::Llama),
            "qwen2" => Some(Self::Qwen2),
            "qwen3" => Some(Self::Qwen3),
            _ => None,
        }
    }

    /// By the `model_type` of a configuration.
    pub(crate) fn of_config(name: &str) -> Option<Self> {
        match name {
            "mistral" => Some(Self::Mistral),
            other => Self::of_gguf(other),
        }
    }

    /// How heads are rotated in GGUF. Converters write the queries and keys of Llama's models in another order of rows, so
    /// that neighbours are pairs; those of others stay as they were.
    pub(crate) const fn gguf_pairs(self) -> Pairs {
        match self {
            Self::Llama | Self::Mistral => Pairs::Neighbours,
            Self::Qwen2 | Self::Qwen3 => Pairs::Halves,
        }
    }
}

/// Which numbers of a head are rotated together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pairs {
    /// The first and the second, the third and the fourth, and so on.
    #[default]
    Neighbours,
    /// The first of each half, the second of each half, and so on.
    Halves,
}
