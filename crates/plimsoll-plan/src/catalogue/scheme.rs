//! Quantizations by the names that files carry, what each is worth, and how to find one in a file's name.

use std::fmt;
use std::str::FromStr;

use crate::model::TensorType;

/// A quantization: the rule by which each tensor of a model gets its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those that files carry")]
#[expect(non_camel_case_types, reason = "the names are those that files carry")]
pub enum Scheme {
    F32,
    F16,
    BF16,
    Q8_0,
    Q6_K,
    Q5_K_M,
    Q5_K_S,
    Q5_1,
    Q5_0,
    Q4_K_M,
    Q4_K_S,
    Q4_1,
    Q4_0,
    IQ4_NL,
    IQ4_XS,
    MXFP4,
    Q3_K_L,
    Q3_K_M,
    Q3_K_S,
    IQ3_M,
    IQ3_S,
    IQ3_XS,
    IQ3_XXS,
    Q2_K,
    Q2_K_S,
    IQ2_M,
    IQ2_S,
    IQ2_XS,
    IQ2_XXS,
    IQ1_M,
    IQ1_S,
    TQ2_0,
    TQ1_0,
    /// Eight-bit floats with a scale for each 128 × 128 weights.
    Fp8,
    /// Eight-bit integers with a scale for each row (bitsandbytes).
    Int8,
    /// Four-bit normal floats (bitsandbytes), scales themselves quantized.
    Nf4,
    /// Four bits by activation-aware rounding, groups of 128.
    Awq,
    /// Four bits by second-order rounding, groups of 128.
    Gptq,
    /// MLX, four bits, groups of 64.
    Mlx4,
    /// MLX, six bits, groups of 64.
    Mlx6,
    /// MLX, eight bits, groups of 64.
    Mlx8,
}

/// Whose rules a scheme follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// llama.cpp: GGUF files, tensor by tensor.
    Gguf,
    /// Transformers and what loads its folders: matrices of layers, embeddings left in 16 bits.
    Transformers,
    /// MLX: every matrix, embeddings too.
    Mlx,
}

use Scheme as S;
use TensorType as T;

/// One row: the scheme, its name, the type that it gives where no exception holds, and what perplexity becomes with
/// it: the increase over 16 bits on Llama 3 8B (6.2317 on wikitext), in ten thousandths.
///
/// Source: the scoreboard in llama.cpp's tools/perplexity/README.md, with an importance matrix where it has such a
/// row (the IQ types have no other). Not measured there, and set beside their likes: TQ (for models trained so only),
/// MXFP4 (the native type of the models that come in it), and the schemes of Transformers and MLX.
const TABLE: [(S, &str, T, u32); 41] = [
    (S::F32, "F32", T::F32, 0),
    (S::BF16, "BF16", T::BF16, 10),
    (S::F16, "F16", T::F16, 15),
    (S::Q8_0, "Q8_0", T::Q8_0, 26),
    (S::Q6_K, "Q6_K", T::Q6_K, 217),
    (S::Q5_K_M, "Q5_K_M", T::Q5_K, 570),
    (S::Q5_K_S, "Q5_K_S", T::Q5_K, 1050),
    (S::Q5_1, "Q5_1", T::Q5_1, 1062),
    (S::Q5_0, "Q5_0", T::Q5_0, 1316),
    (S::Q4_K_M, "Q4_K_M", T::Q4_K, 1513),
    (S::Q4_K_S, "Q4_K_S", T::Q4_K, 1781),
    (S::IQ4_NL, "IQ4_NL", T::IQ4_NL, 2240),
    (S::IQ4_XS, "IQ4_XS", T::IQ4_XS, 2281),
    (S::Q4_1, "Q4_1", T::Q4_1, 4511),
    (S::Q4_0, "Q4_0", T::Q4_0, 4685),
    (S::MXFP4, "MXFP4", T::MXFP4, 1781),
    (S::Q3_K_L, "Q3_K_L", T::Q3_K, 4396),
    (S::Q3_K_M, "Q3_K_M", T::Q3_K, 5026),
    (S::IQ3_M, "IQ3_M", T::IQ3_S, 6667),
    (S::IQ3_S, "IQ3_S", T::IQ3_S, 7339),
    (S::IQ3_XS, "IQ3_XS", T::IQ3_S, 9314),
    (S::IQ3_XXS, "IQ3_XXS", T::IQ3_XXS, 12268),
    (S::Q3_K_S, "Q3_K_S", T::Q3_K, 13712),
    (S::IQ2_M, "IQ2_M", T::IQ2_S, 23692),
    (S::Q2_K, "Q2_K", T::Q2_K, 24162),
    (S::Q2_K_S, "Q2_K_S", T::Q2_K, 30921),
    (S::IQ2_S, "IQ2_S", T::IQ2_XS, 34191),
    (S::IQ2_XS, "IQ2_XS", T::IQ2_XS, 45298),
    (S::IQ2_XXS, "IQ2_XXS", T::IQ2_XXS, 78601),
    (S::IQ1_M, "IQ1_M", T::IQ1_M, 192_621),
    (S::IQ1_S, "IQ1_S", T::IQ1_S, 544_630),
    (S::TQ2_0, "TQ2_0", T::TQ2_0, 78601),
    (S::TQ1_0, "TQ1_0", T::TQ1_0, 78601),
    (S::Fp8, "FP8", T::F8, 150),
    (S::Int8, "INT8", T::I8, 150),
    (S::Nf4, "NF4", T::I8, 2240),
    (S::Awq, "AWQ", T::I32, 1781),
    (S::Gptq, "GPTQ", T::I32, 2240),
    (S::Mlx4, "MLX-4bit", T::I32, 2689),
    (S::Mlx6, "MLX-6bit", T::I32, 300),
    (S::Mlx8, "MLX-8bit", T::I32, 30),
];

/// The perplexity that the increases are on.
const PERPLEXITY: f64 = 6.2317;

/// What else files and programs call them.
const ALSO: [(&str, S); 27] = [
    ("FP32", S::F32),
    ("FP16", S::F16),
    ("Q4_K", S::Q4_K_M),
    ("Q5_K", S::Q5_K_M),
    ("Q3_K", S::Q3_K_M),
    ("Q8", S::Q8_0),
    ("Q6", S::Q6_K),
    ("Q4_K_XL", S::Q4_K_M),
    ("Q4_K_MEDIUM", S::Q4_K_M),
    ("Q4_K_SMALL", S::Q4_K_S),
    ("Q5_K_MEDIUM", S::Q5_K_M),
    ("Q5_K_SMALL", S::Q5_K_S),
    ("Q3_K_LARGE", S::Q3_K_L),
    ("Q3_K_MEDIUM", S::Q3_K_M),
    ("Q3_K_SMALL", S::Q3_K_S),
    ("Q2_K_MEDIUM", S::Q2_K),
    ("Q2_K_SMALL", S::Q2_K_S),
    ("MXFP4_MOE", S::MXFP4),
    ("FP8_DYNAMIC", S::Fp8),
    ("F8", S::Fp8),
    ("BNB_NF4", S::Nf4),
    ("BNB_4BIT", S::Nf4),
    ("BNB_8BIT", S::Int8),
    ("4BIT", S::Mlx4),
    ("6BIT", S::Mlx6),
    ("8BIT", S::Mlx8),
    ("GPTQ_INT4", S::Gptq),
];

/// A text that names no quantization.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no quantization; write one such as Q4_K_M, Q6_K, Q8_0, IQ4_XS, BF16, FP8, NF4, AWQ or MLX-4bit"
)]
pub struct ParseSchemeError(pub String);

impl Scheme {
    /// Every scheme.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// llama.cpp's quantizations from best to smallest, those that a search for what fits goes through: each is
    /// smaller than the one before, and none is worse than one that is smaller.
    pub fn ladder() -> &'static [Self] {
        &[
            S::Q8_0,
            S::Q6_K,
            S::Q5_K_M,
            S::Q5_K_S,
            S::Q4_K_M,
            S::Q4_K_S,
            S::IQ4_XS,
            S::Q3_K_M,
            S::IQ3_M,
            S::IQ3_S,
            S::IQ3_XS,
            S::IQ3_XXS,
            S::IQ2_M,
            S::IQ2_S,
            S::IQ2_XS,
            S::IQ2_XXS,
            S::IQ1_M,
            S::IQ1_S,
        ]
    }

    fn row(self) -> &'static (Self, &'static str, TensorType, u32) {
        // Every variant has a row (a test says so), so the first is never taken for another.
        TABLE.iter().find(|row| row.0 == self).unwrap_or(&TABLE[0])
    }

    /// As files write it: `Q4_K_M`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The type that it gives a tensor for which no exception holds.
    pub fn default_type(self) -> TensorType {
        self.row().2
    }

    /// Whose rules it follows.
    pub fn family(self) -> Family {
        match self {
            S::Fp8 | S::Int8 | S::Nf4 | S::Awq | S::Gptq => Family::Transformers,
            S::Mlx4 | S::Mlx6 | S::Mlx8 => Family::Mlx,
            _ => Family::Gguf,
        }
    }

    /// What is left of a model's quality, from 0 to 1: the perplexity of the model in 16 bits over its perplexity with
    /// this scheme, measured on Llama 3 8B. Larger models lose less, smaller ones more; the order stays.
    pub fn quality(self) -> f64 {
        PERPLEXITY / (PERPLEXITY + f64::from(self.row().3) / 1e4)
    }

    /// How far the size of a file may be off that is derived from a model's shape and this scheme's rules, as a share.
    ///
    /// Files whose makers chose types by hand ("UD", "XL") are further off.
    pub fn margin(self) -> f64 {
        match self.family() {
            Family::Gguf if self.default_type().is_quantized() => 0.01,
            Family::Gguf => 0.002,
            Family::Transformers | Family::Mlx => 0.02,
        }
    }

    /// The scheme that a file's or a repository's name ends in or holds, and the name without it:
    /// "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf" is `Q4_K_M` of "Meta-Llama-3.1-8B-Instruct".
    pub fn find(text: &str) -> Option<(Self, String)> {
        let text: String = text.chars().take(512).collect();
        let canon = canonical(&text);
        let names = TABLE.iter().map(|row| (row.1, row.0)).chain(ALSO);
        let mut best: Option<(usize, usize, Self)> = None;
        for (name, scheme) in names {
            let name = canonical(name);
            for (at, _) in canon.match_indices(&name) {
                let bytes = canon.as_bytes();
                let end = at + name.len();
                let part = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_alphanumeric);
                let whole = !part(end) && (at == 0 || !part(at - 1));
                if whole && best.is_none_or(|(start, stop, _)| (name.len(), at) > (stop - start, start)) {
                    best = Some((at, end, scheme));
                }
            }
        }
        let (start, end, scheme) = best?;
        let left = text.get(..start)?.trim_end_matches(['-', '_', '.', ' ', ':', '@', '/']);
        Some((scheme, format!("{left} {}", text.get(end..)?)))
    }
}

/// In large letters, every sign that parts a low line; as many bytes as before.
fn canonical(text: &str) -> String {
    let sign = |c: char| match c {
        '-' | '.' | ' ' | ':' | '@' => '_',
        c => c.to_ascii_uppercase(),
    };
    text.chars().map(sign).collect()
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scheme {
    type Err = ParseSchemeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let squeezed = canonical(text.trim()).replace("___", "_").replace("__", "_");
        let names = TABLE.iter().map(|row| (row.1, row.0)).chain(ALSO);
        let mut found = names.filter(|(name, _)| canonical(name) == squeezed);
        found.next().map(|(_, scheme)| scheme).ok_or_else(|| ParseSchemeError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_has_one_row_and_its_name_reads_back() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.1.parse(), Ok(row.0));
            assert!(TABLE[..index].iter().all(|other| other.0 != row.0 && other.1 != row.1), "{}", row.1);
        }
        assert_eq!(S::Mlx8 as usize + 1, TABLE.len());
    }

    #[test]
    fn names_of_files_and_of_logs_hold_a_scheme() {
        let find = |text: &str| Scheme::find(text).map(|found| found.0);
        assert_eq!(find("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf"), Some(S::Q4_K_M));
        assert_eq!(find("qwen3:14b-q8_0"), Some(S::Q8_0));
        assert_eq!(find("Qwen3-30B-A3B-UD-IQ3_XXS"), Some(S::IQ3_XXS));
        assert_eq!(find("mlx-community/Qwen3-14B-4bit"), Some(S::Mlx4));
        assert_eq!(find("model-bf16"), Some(S::BF16));
        assert_eq!(find("gpt-oss-20b-MXFP4"), Some(S::MXFP4));
        assert_eq!(find("Llama-3.1-8B"), None);
        assert_eq!(find("qu\u{e4}t-Q6_K-\u{1f600}"), Some(S::Q6_K));
        assert_eq!("Q4_K - Medium".parse(), Ok(S::Q4_K_M));
        assert_eq!("q5_k_s".parse(), Ok(S::Q5_K_S));
        assert!("Q9_K".parse::<Scheme>().is_err());
    }

    #[test]
    fn a_step_down_the_ladder_never_gains_quality() {
        for pair in Scheme::ladder().windows(2) {
            assert!(pair[0].quality() >= pair[1].quality(), "{} then {}", pair[0], pair[1]);
        }
        assert!(Scheme::all().all(|scheme| (0.0..=1.0).contains(&scheme.quality())));
    }
}
