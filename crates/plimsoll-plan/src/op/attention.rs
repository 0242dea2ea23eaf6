//! Attention.

use super::operation::Known;
use super::tally::{Role, SIDE_MAX, Tally, plain_type};
use crate::model::TensorType;
use crate::wording::{Wording, WordingError};

/// What a text may say, and what one looks like.
pub(super) const KNOWN: Known = Known {
    what: "attention",
    example: "batch=1,heads=32,kv_heads=8,q=4096,kv=4096,d=128,fused=yes,causal",
    keys: &[
        "batch", "heads", "kv_heads", "q", "kv", "d", "dv", "fused", "causal", "dropout", "backward",
        "dtype", "on",
    ],
};

/// `softmax(Q·Kᵀ)·V`, with the scores written out or not.
///
/// Fused, a row of scores is never in memory; what stays for the backward pass is the logarithm of each row's sum.
/// Written out, there are the scores and what softmax makes of them, each `batch × heads × q × kv`, and keys and
/// values are repeated for all heads of a group. Causal attention leaves out pairs, not memory.
pub(super) fn tally(said: &Wording) -> Result<(Tally, Vec<u64>), WordingError> {
    let side = |key| said.number_must(key, 1..=SIDE_MAX);
    let batch = ("batch", said.number_or("batch", 1..=SIDE_MAX, 1)?);
    let heads = ("heads", side("heads")?);
    let kv_heads = ("kv_heads", said.number_or("kv_heads", 1..=heads.1, heads.1)?);
    if heads.1 % kv_heads.1 != 0 {
        let (key, other) = (format!("heads={}", heads.1), format!("kv_heads={}", kv_heads.1));
        let reason = "each head of keys serves as many heads of queries; take a number that divides them";
        return Err(WordingError::Conflict { key, other, reason });
    }
    let q = ("q", side("q")?);
    let kv = ("kv", said.number_or("kv", 1..=SIDE_MAX, q.1)?);
    let d = ("d", side("d")?);
    let dv = ("dv", said.number_or("dv", 1..=SIDE_MAX, d.1)?);
    let kind = plain_type(said, "dtype", TensorType::BF16)?;
    let (fused, backward) = (said.flag("fused", true)?, said.flag("backward", false)?);
    let mut tally = Tally::new(said)?;
    tally.add("Q", Role::Input, kind, &[batch, heads, q, d])?;
    tally.add("K", Role::Input, kind, &[batch, kv_heads, kv, d])?;
    tally.add("V", Role::Input, kind, &[batch, kv_heads, kv, dv])?;
    tally.add("output", Role::Output, kind, &[batch, heads, q, dv])?;
    let scores = [batch, heads, q, kv];
    if fused {
        tally.add("row sums (logsumexp)", Role::Saved, TensorType::F32, &[batch, heads, q])?;
    } else {
        if kv_heads.1 < heads.1 {
            tally.add("K repeated", Role::Workspace, kind, &[batch, heads, kv, d])?;
            tally.add("V repeated", Role::Workspace, kind, &[batch, heads, kv, dv])?;
        }
        tally.add("scores", Role::Workspace, kind, &scores)?;
        let role = if backward { Role::Saved } else { Role::Workspace };
        tally.add("probabilities", role, kind, &scores)?;
        if said.flag("dropout", false)? {
            tally.add("dropout mask", Role::Saved, TensorType::I8, &scores)?;
        }
    }
    let pairs = if said.flag("causal", false)? { causal_share(q.1, kv.1) } else { 1.0 };
    let all = |width: u64| [batch.1, heads.1, q.1, kv.1, width];
    tally.count(2.0 * pairs, &all(d.1));
    tally.count(2.0 * pairs, &all(dv.1));
    if backward {
        tally.add("gradient of output", Role::Input, kind, &[batch, heads, q, dv])?;
        tally.add("gradient of Q", Role::Output, kind, &[batch, heads, q, d])?;
        tally.add("gradient of K", Role::Output, kind, &[batch, kv_heads, kv, d])?;
        tally.add("gradient of V", Role::Output, kind, &[batch, kv_heads, kv, dv])?;
        if fused {
            // Sums of output times gradient, and gradients of Q in single precision while blocks add to them.
            tally.add("row products (delta)", Role::Workspace, TensorType::F32, &[batch, heads, q])?;
            tally.add("gradient of Q, summed", Role::Workspace, TensorType::F32, &[batch, heads, q, d])?;
            // Scores are formed anew: three products of width d, two of width dv.
            tally.count(6.0 * pairs, &all(d.1));
        } else {
            tally.add("gradient of probabilities", Role::Workspace, kind, &scores)?;
            tally.add("gradient of scores", Role::Workspace, kind, &scores)?;
            tally.count(4.0 * pairs, &all(d.1));
        }
        tally.count(4.0 * pairs, &all(dv.1));
    }
    Ok((tally, vec![batch.1, heads.1, q.1, dv.1]))
}

/// The share of pairs that a causal mask leaves, where the last query sees all keys.
#[expect(clippy::cast_precision_loss, reason = "a share, for a time")]
fn causal_share(queries: u64, keys: u64) -> f64 {
    let (q, k) = (queries as f64, keys as f64);
    let pairs = if queries <= keys { q * k - q * (q - 1.0) / 2.0 } else { k * (k + 1.0) / 2.0 };
    pairs / (q * k)
}
