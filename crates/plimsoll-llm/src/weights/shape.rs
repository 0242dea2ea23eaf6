//! The numbers of a model that its metadata states.

use std::path::Path;

use plimsoll_plan::read::gguf::Contents;

use super::family::{FAMILIES, Family, Pairs};
use super::yarn::{Scaling, Yarn};
use crate::ModelError;

/// No count of a model comes near; what is larger is damage.
pub(crate) const COUNT_MAX: u64 = 1 << 24;

/// What a Llama-architecture model is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// What it is one of.
    pub family: Family,
    /// Layers.
    pub layers: usize,
    /// Numbers of a token's embedding.
    pub width: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values; a divisor of `heads`.
    pub kv_heads: usize,
    /// Numbers of a head's key.
    pub key_width: usize,
    /// Numbers of a head's value.
    pub value_width: usize,
    /// Numbers of the feed-forward part.
    pub inner: usize,
    /// Tokens in the vocabulary.
    pub vocabulary: usize,
    /// Tokens of context that it was trained for; no more than its tokens see of each other.
    pub context: usize,
    /// Added to the mean square when rows are normalized.
    pub epsilon: f32,
    /// Numbers of a head that are rotated: an even number, at most `key_width`.
    pub rope_width: usize,
    /// The base of the rotations' frequencies.
    pub rope_base: f32,
    /// By what positions are divided (linear scaling); 1 if they are not.
    pub rope_divisor: f32,
    /// Which numbers of a head are rotated together.
    pub rope_pairs: Pairs,
    /// The token that texts begin with, if the file names one.
    pub first_token: Option<u32>,
}

impl Shape {
    pub(crate) fn read(contents: &Contents, path: &Path) -> Result<Self, ModelError> {
        let family = refuse(contents, path)?;
        let keys = Keys { contents, path };
        let width = keys.count(".embedding_length")?;
        let heads = keys.count(".attention.head_count")?;
        let kv_heads = keys.count_or(".attention.head_count_kv", heads)?;
        if heads % kv_heads != 0 {
            return Err(keys.wrong(
                ".attention.head_count_kv",
                kv_heads,
                "a divisor of attention.head_count",
            ));
        }
        let key_width = keys.count_or(".attention.key_length", width / heads)?;
        let value_width = keys.count_or(".attention.value_length", width / heads)?;
        let rope_width = keys.count_or(".rope.dimension_count", key_width)?;
        if rope_width % 2 != 0 || rope_width > key_width {
            return Err(keys.wrong(".rope.dimension_count", rope_width, "an even number within a head"));
        }
        let rows =
            contents.tensor("token_embd.weight").and_then(|placed| placed.tensor.shape.get(1).copied());
        let vocabulary = rows.filter(|rows| (1..=COUNT_MAX).contains(rows)).ok_or_else(|| {
            ModelError::Missing { path: path.to_owned(), name: "token_embd.weight".to_owned() }
        })?;
        let first = contents.number("tokenizer.ggml.bos_token_id").filter(|token| *token < vocabulary);
        let context = keys.count(".context_length")?;
        let window = contents.number(".attention.sliding_window").filter(|window| *window > 0);
        let window = window.and_then(|window| usize::try_from(window).ok()).unwrap_or(usize::MAX);
        Ok(Self {
            family,
            layers: keys.count(".block_count")?,
            width,
            heads,
            kv_heads,
            key_width,
            value_width,
            inner: keys.count(".feed_forward_length")?,
            vocabulary: usize::try_from(vocabulary).unwrap_or(usize::MAX),
            // Within a window that slides, it changes nothing.
            context: context.max(reach(&keys)?).min(window),
            epsilon: keys.real(".attention.layer_norm_rms_epsilon", None)?,
            rope_width,
            rope_base: keys.real(".rope.freq_base", Some(10_000.0))?,
            rope_divisor: divisor(&keys)?,
            rope_pairs: family.gguf_pairs(),
            first_token: first.and_then(|token| u32::try_from(token).ok()),
        })
    }
}

/// By what positions are divided. A file that names no type of scaling means the linear one.
fn divisor(keys: &Keys<'_>) -> Result<f32, ModelError> {
    if matches!(keys.contents.text(".rope.scaling.type"), Some("none" | "yarn")) {
        return Ok(1.0);
    }
    let key =
        if keys.contents.has(".rope.scaling.factor") { ".rope.scaling.factor" } else { ".rope.scale_linear" };
    keys.real(key, Some(1.0))
}

/// Refuses what would have to be computed otherwise. Of what is left it says the family.
fn refuse(contents: &Contents, path: &Path) -> Result<Family, ModelError> {
    let Some(family) = Family::of_gguf(contents.architecture()) else {
        let found = contents.architecture().to_owned();
        return Err(ModelError::Architecture { path: path.to_owned(), found, known: FAMILIES });
    };
    let feature = |what: &str| Err(ModelError::Feature { path: path.to_owned(), what: what.to_owned() });
    if contents.is_big_endian() {
        return feature("numbers with the big end first");
    }
    match contents.text(".rope.scaling.type") {
        None | Some("none" | "linear" | "yarn") => {}
        Some(other) => return feature(&format!("positions scaled by {other:?}")),
    }
    let is_yarn = contents.text(".rope.scaling.type") == Some("yarn");
    let odd =
        |key: &str, usual: f64| contents.real(key).is_some_and(|found| found.to_bits() != usual.to_bits());
    if !is_yarn && odd(".rope.scaling.attn_factor", 1.0) {
        return feature("attention that is scaled with the positions");
    }
    if odd(".rope.scaling.yarn_log_multiplier", 0.0) || odd(".rope.scaling.yarn_ext_factor", 1.0) {
        return feature("positions scaled by a YaRN of its own");
    }
    if contents.number(".expert_count").is_some_and(|count| count > 0) {
        return feature("experts");
    }
    if contents.number(".attention.causal") == Some(0) {
        return feature("attention to later tokens");
    }
    if contents.real(".attention.clamp_kqv").is_some_and(|clamp| clamp > 0.0) {
        return feature("clamped queries, keys and values");
    }
    if contents.number("split.count").is_some_and(|count| count > 1) {
        return feature("several files");
    }
    Ok(family)
}

/// The scaling of positions by `YaRN`, if the file asks for it.
fn yarn(keys: &Keys<'_>) -> Result<Option<Yarn>, ModelError> {
    if keys.contents.text(".rope.scaling.type") != Some("yarn") {
        return Ok(None);
    }
    let factor = keys.real(".rope.scaling.factor", None)?;
    let trained = keys.count_or(".rope.scaling.original_context_length", keys.count(".context_length")?)?;
    #[expect(clippy::cast_precision_loss, reason = "contexts are at most 2²⁴")]
    let trained = trained as f64;
    Ok(Some(Yarn {
        fast: keys.real(".rope.scaling.yarn_beta_fast", Some(32.0))?.into(),
        slow: keys.real(".rope.scaling.yarn_beta_slow", Some(1.0))?.into(),
        ..Yarn::new(factor.into(), trained)
    }))
}

/// What a file's metadata asks to be done to rotations.
pub(crate) fn scaling(contents: &Contents, shape: &Shape, path: &Path) -> Result<Scaling, ModelError> {
    let keys = Keys { contents, path };
    let Some(yarn) = yarn(&keys)? else { return Ok(Scaling::default()) };
    // Written by some, and multiplied with what follows from the factor.
    let written = keys.real(".rope.scaling.attn_factor", Some(1.0))?;
    let more = keys.real(".rope.scaling.yarn_attn_factor", Some(1.0))?;
    #[expect(clippy::cast_possible_truncation, reason = "a number near one")]
    let length = yarn.length() as f32 * written * more;
    Ok(Scaling { factors: yarn.factors(shape.rope_width, shape.rope_base.into()), length })
}

/// How far positions reach by their scaling.
fn reach(keys: &Keys<'_>) -> Result<usize, ModelError> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number")]
    let reach = yarn(keys)?.map_or(0, |yarn| (yarn.factor * yarn.trained) as u64);
    Ok(usize::try_from(reach.min(COUNT_MAX)).unwrap_or(usize::MAX))
}

struct Keys<'c> {
    contents: &'c Contents,
    path: &'c Path,
}

impl Keys<'_> {
    fn wrong(&self, key: &'static str, found: impl std::fmt::Display, wanted: &'static str) -> ModelError {
        ModelError::Key { path: self.path.to_owned(), key, found: found.to_string(), wanted }
    }

    fn count(&self, key: &'static str) -> Result<usize, ModelError> {
        let found = self.contents.number(key);
        let Some(found) = found else { return Err(self.wrong(key, "missing or no whole number", "a count")) };
        match usize::try_from(found) {
            Ok(count) if (1..=COUNT_MAX).contains(&found) => Ok(count),
            _ => Err(self.wrong(key, found, "a count between 1 and 16,777,216")),
        }
    }

    fn count_or(&self, key: &'static str, otherwise: usize) -> Result<usize, ModelError> {
        match self.contents.has(key) {
            true => self.count(key),
            false if otherwise > 0 => Ok(otherwise),
            false => Err(self.wrong(key, "missing", "a count")),
        }
    }

    fn real(&self, key: &'static str, otherwise: Option<f32>) -> Result<f32, ModelError> {
        if let Some(otherwise) = otherwise
            && !self.contents.has(key)
        {
            return Ok(otherwise);
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it was a single in the file, or is checked below"
        )]
        let found = self.contents.real(key).map_or(f32::NAN, |found| found as f32);
        if found.is_finite() && found > 0.0 {
            return Ok(found);
        }
        Err(self.wrong(key, found, "a number above zero"))
    }
}
