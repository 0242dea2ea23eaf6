//! Matrix products.

use super::operation::Known;
use super::tally::{Role, SIDE_MAX, Side, Tally, plain_type, wide};
use crate::model::TensorType;
use crate::wording::{Wording, WordingError};
use crate::{Certainty, Formula};

/// What a text may say, and what one looks like.
pub(super) const KNOWN: Known = Known {
    what: "a matrix product",
    example: "m=4096,k=4096,n=4096,dtype=bf16",
    keys: &[
        "m",
        "k",
        "n",
        "batch",
        "dtype",
        "b_type",
        "transpose",
        "split_k",
        "shared_b",
        "backward",
        "workspace",
        "on",
    ],
};

/// `batch × [m, k] · [k, n] → batch × [m, n]`.
///
/// Transposed operands are read as they lie: no library that is worth its name copies them. Split-k keeps a partial
/// sum for each part, in single precision, until they are added up.
#[expect(clippy::many_single_char_names, reason = "the letters are the operation's own")]
pub(super) fn tally(said: &Wording) -> Result<(Tally, Vec<u64>), WordingError> {
    let side = |key| said.number_must(key, 1..=SIDE_MAX);
    let (m, k, n) = (("m", side("m")?), ("k", side("k")?), ("n", side("n")?));
    let batch = ("batch", said.number_or("batch", 1..=SIDE_MAX, 1)?);
    let splits = ("split_k", said.number_or("split_k", 1..=k.1, 1)?);
    let kind = plain_type(said, "dtype", TensorType::BF16)?;
    let transposed = [("none", 0), ("a", 1), ("b", 2), ("ab", 3)];
    let transposed = said.choice("transpose", &transposed, 0)?;
    let mut tally = Tally::new(said)?;
    let turned =
        |turn: bool, (rows, columns): (Side, Side)| if turn { [columns, rows] } else { [rows, columns] };
    let a = turned(transposed & 1 != 0, (m, k));
    let b = turned(transposed & 2 != 0, (k, n));
    let b_batch = if said.flag("shared_b", false)? { ("shared", 1) } else { batch };
    // Weights may come quantized; then a row of theirs is whole blocks.
    let b_type = match said.text("b_type") {
        Some(text) => text.parse().map_err(|_| WordingError::Unknown {
            found: text.to_owned(),
            known: TensorType::all().map(TensorType::name).collect::<Vec<_>>().join(", "),
        })?,
        None => kind,
    };
    tally.add("A", Role::Input, kind, &[batch, a[0], a[1]])?;
    tally.add("B", Role::Input, b_type, &[b_batch, b[0], b[1]])?;
    tally.add("C", Role::Output, kind, &[batch, m, n])?;
    tally.count(2.0, &[batch.1, m.1, k.1, n.1]);
    if splits.1 > 1 {
        tally.add("partial sums", Role::Workspace, wide(kind), &[splits, batch, m, n])?;
        tally.count(1.0, &[splits.1, batch.1, m.1, n.1]);
    }
    if said.flag("backward", false)? {
        tally.add("gradient of C", Role::Input, kind, &[batch, m, n])?;
        tally.add("gradient of A", Role::Output, kind, &[batch, m, k])?;
        tally.add("gradient of B", Role::Output, kind, &[b_batch, k, n])?;
        tally.count(4.0, &[batch.1, m.1, k.1, n.1]);
    }
    library(said, &mut tally)?;
    Ok((tally, vec![batch.1, m.1, n.1]))
}

/// What the library itself sets aside, where one says so (cuBLAS on Hopper under PyTorch: 32 MiB).
pub(super) fn library(said: &Wording, tally: &mut Tally) -> Result<(), WordingError> {
    if let Some(bytes) = said.size("workspace")? {
        tally.push(
            "library's workspace",
            Role::Workspace,
            bytes,
            Certainty::Exact,
            Formula::new("as was said"),
        );
    }
    Ok(())
}
