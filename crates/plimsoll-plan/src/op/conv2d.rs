//! Convolutions over two dimensions.

use super::matmul::library;
use super::operation::Known;
use super::tally::{Role, SIDE_MAX, Side, Tally, plain_type};
use crate::model::TensorType;
use crate::wording::{Wording, WordingError};

/// What a text may say, and what one looks like.
pub(super) const KNOWN: Known = Known {
    what: "a convolution",
    example: "n=1,c=256,h=128,w=128,k=256,r=3,s=3,pad=1,algo=im2col",
    keys: &[
        "n",
        "c",
        "h",
        "w",
        "k",
        "r",
        "s",
        "stride",
        "pad",
        "dilation",
        "groups",
        "algo",
        "tile",
        "layout",
        "bias",
        "dtype",
        "backward",
        "workspace",
        "on",
        "stride_h",
        "stride_w",
        "pad_h",
        "pad_w",
        "dilation_h",
        "dilation_w",
    ],
};

/// How the sums are formed.
#[derive(Clone, Copy, PartialEq)]
enum Algorithm {
    /// As a matrix product whose left matrix is never written.
    Implicit,
    /// As a matrix product of a matrix that is.
    Im2col,
    /// On transformed tiles, with fewer products.
    Winograd,
}

/// One direction: height or width.
#[derive(Clone, Copy)]
struct Axis {
    size: u64,
    taps: u64,
    stride: u64,
    pad: u64,
    dilation: u64,
}

impl Axis {
    /// `floor((size + 2·pad − dilation·(taps − 1) − 1) ÷ stride) + 1`; `None` where the taps reach past the input.
    fn output(self) -> Option<u64> {
        let padded = self.pad.checked_mul(2)?.checked_add(self.size)?;
        let reach = self.taps.checked_sub(1)?.checked_mul(self.dilation)?.checked_add(1)?;
        Some(padded.checked_sub(reach)?.checked_div(self.stride)? + 1)
    }
}

fn axis(said: &Wording, size: &'static str, taps: &'static str, letter: &str) -> Result<Axis, WordingError> {
    let each = |key: &str, least, usual| {
        let both = said.number_or(key, least..=SIDE_MAX, usual)?;
        said.number_or(&format!("{key}_{letter}"), least..=SIDE_MAX, both)
    };
    Ok(Axis {
        size: said.number_must(size, 1..=SIDE_MAX)?,
        taps: said.number_must(taps, 1..=SIDE_MAX)?,
        stride: each("stride", 1, 1)?,
        pad: each("pad", 0, 0)?,
        dilation: each("dilation", 1, 1)?,
    })
}

/// `[n, c, h, w] * [k, c ÷ groups, r, s] → [n, k, h', w']`.
#[expect(clippy::many_single_char_names, reason = "the letters are the operation's own")]
pub(super) fn tally(said: &Wording) -> Result<(Tally, Vec<u64>), WordingError> {
    let side = |key| said.number_must(key, 1..=SIDE_MAX);
    let (n, c, k) = (("n", side("n")?), ("c", side("c")?), ("k", side("k")?));
    let (high, wide) = (axis(said, "h", "r", "h")?, axis(said, "w", "s", "w")?);
    let groups = said.number_or("groups", 1..=c.1, 1)?;
    for (key, channels) in [("c", c.1), ("k", k.1)] {
        if channels % groups != 0 {
            let (key, other) = (format!("{key}={channels}"), format!("groups={groups}"));
            let reason = "each group has as many channels as the others; take a number that divides them";
            return Err(WordingError::Conflict { key, other, reason });
        }
    }
    let past = |key: &str, other: &str| WordingError::Conflict {
        key: key.to_owned(),
        other: other.to_owned(),
        reason: "the kernel reaches past the padded input; make it smaller or pad more",
    };
    let rows = ("h'", high.output().ok_or_else(|| past("r", "h"))?);
    let columns = ("w'", wide.output().ok_or_else(|| past("s", "w"))?);
    let kind = plain_type(said, "dtype", TensorType::F16)?;
    let (h, w, r, s) = (("h", high.size), ("w", wide.size), ("r", high.taps), ("s", wide.taps));
    let group = ("c÷groups", c.1 / groups);
    let mut tally = Tally::new(said)?;
    tally.add("input", Role::Input, kind, &[n, c, h, w])?;
    tally.add("weights", Role::Input, kind, &[k, group, r, s])?;
    if said.flag("bias", false)? {
        tally.add("bias", Role::Input, kind, &[k])?;
    }
    tally.add("output", Role::Output, kind, &[n, k, rows, columns])?;
    let algorithms =
        [("implicit", Algorithm::Implicit), ("im2col", Algorithm::Im2col), ("winograd", Algorithm::Winograd)];
    let algorithm = said.choice("algo", &algorithms, Algorithm::Implicit)?;
    match algorithm {
        Algorithm::Winograd => winograd(said, &mut tally, (high, wide), (n, c, k, groups), kind)?,
        _ => tally.count(2.0, &[n.1, k.1, rows.1, columns.1, group.1, r.1, s.1]),
    }
    // Written once for the whole batch; a kernel of one tap that moves by one needs none, its matrix is the input.
    let plain = [high, wide].iter().all(|axis| axis.taps == 1 && axis.stride == 1 && axis.pad == 0);
    if algorithm == Algorithm::Im2col && !plain {
        tally.add("im2col matrix", Role::Workspace, kind, &[n, c, r, s, rows, columns])?;
    }
    // cuDNN's tensor cores want channels last: what lies otherwise is turned, before and after.
    if said.choice("layout", &[("nhwc", false), ("nchw", true), ("any", false)], false)? {
        tally.add("input turned", Role::Workspace, kind, &[n, h, w, c])?;
        tally.add("output turned", Role::Workspace, kind, &[n, rows, columns, k])?;
    }
    if said.flag("backward", false)? {
        tally.add("gradient of output", Role::Input, kind, &[n, k, rows, columns])?;
        tally.add("gradient of input", Role::Output, kind, &[n, c, h, w])?;
        tally.add("gradient of weights", Role::Output, kind, &[k, group, r, s])?;
        tally.count(4.0, &[n.1, k.1, rows.1, columns.1, group.1, r.1, s.1]);
    }
    library(said, &mut tally)?;
    Ok((tally, vec![n.1, k.1, rows.1, columns.1]))
}

/// Winograd's way for three taps: an output tile of t × t from (t + 2)² products, on transformed input, weights and
/// output, which are written out.
fn winograd(
    said: &Wording,
    tally: &mut Tally,
    (high, wide): (Axis, Axis),
    (n, c, k, groups): (Side, Side, Side, u64),
    kind: TensorType,
) -> Result<(), WordingError> {
    let fits = [high, wide].iter().all(|axis| axis.taps == 3 && axis.stride == 1 && axis.dilation == 1);
    if !fits || groups != 1 {
        let other = format!("r={},s={},stride={},groups={groups}", high.taps, wide.taps, high.stride);
        let reason = "it is for 3 × 3 taps, stride 1, dilation 1 and one group; take implicit or im2col";
        return Err(WordingError::Conflict { key: "algo=winograd".to_owned(), other, reason });
    }
    let tile = said.number_or("tile", 2..=6, 4)?;
    let points = ("(tile+2)²", (tile + 2) * (tile + 2));
    let pieces = |axis: Axis| axis.output().unwrap_or(1).div_ceil(tile);
    let (down, across) = (("tiles down", pieces(high)), ("tiles across", pieces(wide)));
    tally.add("transformed input", Role::Workspace, kind, &[points, n, c, down, across])?;
    tally.add("transformed weights", Role::Workspace, kind, &[points, k, c])?;
    tally.add("transformed output", Role::Workspace, kind, &[points, n, k, down, across])?;
    tally.count(2.0, &[points.1, n.1, c.1, k.1, down.1, across.1]);
    Ok(())
}
