//! What a `config.json` beside safetensors says, as the shape of a model.

use std::path::Path;

use serde_json::Value;

use super::family::{FAMILIES, Family, Pairs};
use super::shape::{COUNT_MAX, Shape};
use super::yarn::{Scaling, Yarn, lengthened};
use crate::ModelError;

/// The longest configuration.
const CONFIG_MAX: u64 = 4 << 20;

/// A configuration.
pub(crate) struct Config {
    pub(crate) shape: Shape,
    /// Whether the embedding is the output too.
    pub(crate) tied: bool,
    /// What is done to rotations.
    pub(crate) scaling: Scaling,
    /// The file as it is: what weights mean depends on it.
    pub(crate) bytes: Vec<u8>,
}

/// Reads the configuration of a model whose embedding has so many rows.
pub(crate) fn read(path: &Path, rows: u64) -> Result<Config, ModelError> {
    let failed = |source| ModelError::Config { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > CONFIG_MAX {
        return Err(failed(std::io::Error::other("it is longer than any configuration")));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?;
    let reader = Reader { value: &value, path };
    let family = reader.family()?;
    reader.refuse()?;
    let (shape, scaling) = reader.shape(family, rows)?;
    let tied = value.get("tie_word_embeddings").and_then(Value::as_bool).unwrap_or(false);
    Ok(Config { shape, tied, scaling, bytes })
}

struct Reader<'v> {
    value: &'v Value,
    path: &'v Path,
}

impl<'v> Reader<'v> {
    fn get(&self, key: &str) -> Option<&'v Value> {
        self.value.get(key).filter(|value| !value.is_null())
    }

    fn feature(&self, what: impl Into<String>) -> ModelError {
        ModelError::Feature { path: self.path.to_owned(), what: what.into() }
    }

    fn wrong(&self, key: &'static str, found: impl std::fmt::Display, wanted: &'static str) -> ModelError {
        ModelError::Key { path: self.path.to_owned(), key, found: found.to_string(), wanted }
    }

    fn family(&self) -> Result<Family, ModelError> {
        let found = self.get("model_type").and_then(Value::as_str).unwrap_or_default();
        Family::of_config(found).ok_or_else(|| ModelError::Architecture {
            path: self.path.to_owned(),
            found: found.to_owned(),
            known: FAMILIES,
        })
    }

    /// Refuses what would have to be computed otherwise.
    fn refuse(&self) -> Result<(), ModelError> {
        if let Some(act) = self.get("hidden_act").filter(|act| act.as_str() != Some("silu")) {
            return Err(self.feature(format!("the activation {act}")));
        }
        if let Some(quantized) = self.get("quantization_config") {
            let method = quantized.get("quant_method").and_then(Value::as_str).unwrap_or("an unknown way");
            return Err(self.feature(format!("weights that are quantized by {method:?}")));
        }
        let whole = |value: &Value| value.as_f64().is_some_and(|share| share.to_bits() == 1_f64.to_bits());
        if let Some(share) = self.get("partial_rotary_factor").filter(|share| !whole(share)) {
            return Err(self.feature(format!("heads of which a share of {share} is rotated")));
        }
        Ok(())
    }

    fn shape(&self, family: Family, rows: u64) -> Result<(Shape, Scaling), ModelError> {
        let width = self.count("hidden_size", None)?;
        let heads = self.count("num_attention_heads", None)?;
        let kv_heads = self.count("num_key_value_heads", Some(heads))?;
        if heads % kv_heads != 0 {
            return Err(self.wrong("num_key_value_heads", kv_heads, "a divisor of num_attention_heads"));
        }
        let head_width = self.count("head_dim", Some(width / heads))?;
        if head_width % 2 != 0 {
            return Err(self.wrong("head_dim", head_width, "an even number"));
        }
        let context = self.count("max_position_embeddings", None)?;
        let rope = self.rope(head_width, context)?;
        let context = context.max(rope.context);
        let first = self.get("bos_token_id").and_then(Value::as_u64).filter(|token| *token < rows);
        let shape = Shape {
            family,
            layers: self.count("num_hidden_layers", None)?,
            width,
            heads,
            kv_heads,
            key_width: head_width,
            value_width: head_width,
            inner: self.count("intermediate_size", None)?,
            vocabulary: usize::try_from(rows).unwrap_or(usize::MAX),
            context: self.window(family).map_or(context, |window| window.min(context)),
            epsilon: self.real(self.value, "rms_norm_eps", None)?,
            rope_width: head_width,
            rope_base: rope.base,
            rope_divisor: rope.divisor,
            rope_pairs: Pairs::Halves,
            first_token: first.and_then(|token| u32::try_from(token).ok()),
        };
        Ok((shape, rope.scaling))
    }

    /// How far tokens see, if not to the beginning. Within it the window changes nothing, so a context that is no longer
    /// is computed exactly.
    fn window(&self, family: Family) -> Option<usize> {
        let window = usize::try_from(self.get("sliding_window")?.as_u64()?).ok()?;
        let sliding =
            |kinds: &Vec<Value>| kinds.iter().any(|kind| kind.as_str() == Some("sliding_attention"));
        let stated = self.get("use_sliding_window").and_then(Value::as_bool);
        let kinds = self.get("layer_types").and_then(Value::as_array);
        let used = kinds.map_or_else(|| stated.unwrap_or(family == Family::Mistral), sliding);
        (used && window > 0).then_some(window)
    }

    fn count(&self, key: &'static str, otherwise: Option<usize>) -> Result<usize, ModelError> {
        let found = match (self.get(key), otherwise) {
            (None, Some(otherwise)) if otherwise > 0 => return Ok(otherwise),
            (None, _) => return Err(self.wrong(key, "missing", "a count")),
            (Some(found), _) => found,
        };
        match found.as_u64().map(|count| (count, usize::try_from(count))) {
            Some((1..=COUNT_MAX, Ok(count))) => Ok(count),
            _ => Err(self.wrong(key, found, "a count between 1 and 16,777,216")),
        }
    }

    fn real(&self, within: &Value, key: &'static str, otherwise: Option<f32>) -> Result<f32, ModelError> {
        let found = match (within.get(key).filter(|found| !found.is_null()), otherwise) {
            (None, Some(otherwise)) => return Ok(otherwise),
            (None, None) => return Err(self.wrong(key, "missing", "a number above zero")),
            (Some(found), _) => found,
        };
        #[expect(clippy::cast_possible_truncation, reason = "checked below")]
        let number = found.as_f64().map_or(f32::NAN, |number| number as f32);
        if number.is_finite() && number > 0.0 {
            return Ok(number);
        }
        Err(self.wrong(key, found, "a number above zero"))
    }

    /// Everything about rotations. Newer files keep all of it in one object.
    fn rope(&self, width: usize, context: usize) -> Result<Rope, ModelError> {
        let nothing = Value::Null;
        let scaling = self.get("rope_parameters").or_else(|| self.get("rope_scaling")).unwrap_or(&nothing);
        let base = match scaling.get("rope_theta") {
            Some(_) => self.real(scaling, "rope_theta", None)?,
            None => self.real(self.value, "rope_theta", Some(10_000.0))?,
        };
        let kind = scaling.get("rope_type").or_else(|| scaling.get("type")).and_then(Value::as_str);
        let mut rope = Rope { base, divisor: 1.0, scaling: Scaling::default(), context: 0 };
        match kind {
            None | Some("default") => {}
            Some("linear") => rope.divisor = self.real(scaling, "factor", None)?,
            Some("llama3") => {
                let number = |key| self.real(scaling, key, None);
                let trained = number("original_max_position_embeddings")?;
                let bounds = (number("low_freq_factor")?, number("high_freq_factor")?);
                rope.scaling.factors = factors(width, base, number("factor")?, trained, bounds);
            }
            Some("yarn") => self.yarn(scaling, width, context, &mut rope)?,
            Some(other) => return Err(self.feature(format!("positions scaled by {other:?}"))),
        }
        Ok(rope)
    }

    fn yarn(&self, scaling: &Value, width: usize, context: usize, rope: &mut Rope) -> Result<(), ModelError> {
        let number = |key, otherwise| self.real(scaling, key, otherwise);
        #[expect(clippy::cast_precision_loss, reason = "contexts are far below 2²⁴")]
        let trained = number("original_max_position_embeddings", Some(context as f32))?;
        let yarn = Yarn {
            fast: number("beta_fast", Some(32.0))?.into(),
            slow: number("beta_slow", Some(1.0))?.into(),
            whole: scaling.get("truncate").and_then(Value::as_bool).unwrap_or(true),
            ..Yarn::new(number("factor", None)?.into(), trained.into())
        };
        rope.scaling.factors = yarn.factors(width, rope.base.into());
        let some = |key: &str| scaling.get(key).and_then(Value::as_f64).filter(|share| *share > 0.0);
        let length = match (some("attention_factor"), some("mscale"), some("mscale_all_dim")) {
            (Some(length), ..) => length,
            (None, Some(one), Some(all)) => lengthened(yarn.factor, one) / lengthened(yarn.factor, all),
            _ => yarn.length(),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number near one; a count that is bounded by the next line"
        )]
        let (length, reach) = (length as f32, (yarn.factor * yarn.trained) as u64);
        rope.scaling.length = length;
        rope.context = usize::try_from(reach.min(COUNT_MAX)).unwrap_or(usize::MAX);
        Ok(())
    }
}

struct Rope {
    base: f32,
    divisor: f32,
    scaling: Scaling,
    /// How far positions reach, if that is farther than the configuration says.
    context: usize,
}

/// Llama 3's scaling: slow rotations are slowed down by the factor, fast ones stay, and those between are between.
fn factors(width: usize, base: f32, factor: f32, trained: f32, (low, high): (f32, f32)) -> Vec<f32> {
    let of = |pair: usize| {
        #[expect(clippy::cast_precision_loss, reason = "widths are small")]
        let turns = f64::from(base).powf(-(2.0 * pair as f64) / width as f64);
        let (factor, low, high) = (f64::from(factor), f64::from(low), f64::from(high));
        // How often the rotation comes round in the context that the model was trained on at first.
        let rounds = f64::from(trained) * turns / std::f64::consts::TAU;
        let kept = if high > low { ((rounds - low) / (high - low)).clamp(0.0, 1.0) } else { 0.0 };
        #[expect(clippy::cast_possible_truncation, reason = "a number between one and the factor")]
        let divided = (1.0 / (kept + (1.0 - kept) / factor)) as f32;
        divided
    };
    (0..width / 2).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_rotations_are_slowed_down_and_fast_ones_are_not() {
        let factors = factors(128, 500_000.0, 8.0, 8192.0, (1.0, 4.0));
        assert_eq!((factors[0], factors[63], factors.len()), (1.0, 8.0, 64));
        assert!(factors.windows(2).all(|two| two[0] <= two[1]));
        // Some are between.
        assert!(factors.iter().any(|factor| *factor > 1.5 && *factor < 7.0));
    }
}
