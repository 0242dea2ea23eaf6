//! Which codec an index is built with, where several are allowed: the most precise one whose search stays in memory.

use std::str::FromStr;

use plimsoll::Bytes;
use plimsoll_plan::index::{Index as Planned, Rung};
use plimsoll_vec::index::Shape;
use plimsoll_vec::{Codec, Metric, NoCodec};
use serde::Serialize;

use crate::CliError;

/// What was said of the codec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// The planner's ladder, from the best to the smallest.
    Auto,
    /// These, the first that will do.
    These(Vec<Codec>),
}

impl FromStr for Allowed {
    type Err = NoCodec;
    fn from_str(words: &str) -> Result<Self, NoCodec> {
        match words {
            "auto" => Ok(Self::Auto),
            words => {
                words.split(',').map(|word| word.trim().parse()).collect::<Result<_, _>>().map(Self::These)
            }
        }
    }
}

/// What was chosen, and what is expected of it.
#[derive(Clone, Debug, Serialize)]
pub struct Chosen {
    /// The codec.
    pub codec: String,
    /// Its codes all stay in memory while a hundred queries are asked; if not, each search reads them from the disk.
    pub stays: bool,
    /// The share of the ten nearest that such codes are expected to find, from and to, as `plimsoll plan index` has it; none where signs
    /// are counted.
    pub recall: Option<[f64; 2]>,
    /// The same with a second look at four times as many.
    pub recall_again: Option<[f64; 2]>,
}

/// What the planner knows of vectors that are kept so.
fn planned(shape: &Shape, vectors: u64) -> Option<Planned> {
    if shape.metric == Metric::Hamming {
        return None;
    }
    // The planner has one code of a byte a number.
    let codec = if shape.codec == Codec::Int8Affine { Codec::Int8 } else { shape.codec };
    let reduce = shape.reduced.map(|numbers| format!(",reduce={numbers}")).unwrap_or_default();
    let text = format!("{}x{}:{codec},metric=l2,k=1{reduce}", vectors.max(1), shape.dimension);
    Planned::parse(&text).ok()
}

/// What the planner expects of such codes: alone, and with a second look.
pub(super) fn expected(shape: &Shape, vectors: u64) -> Option<[[f64; 2]; 2]> {
    let Rung { recall, recall_again, .. } = planned(shape, vectors)?.expected_recall();
    Some([[recall.0, recall.1], [recall_again.0, recall_again.1]])
}

/// One codec is taken as it is said; of several the first that stays in so much memory, or else the last.
pub(super) fn choose(
    allowed: &Allowed,
    shape: Shape,
    vectors: Option<u64>,
    memory: Bytes,
) -> Result<(Codec, Option<Chosen>), CliError> {
    let codecs: Vec<Codec> = match allowed {
        Allowed::These(codecs) if codecs.len() == 1 => return Ok((codecs[0], None)),
        Allowed::These(codecs) => codecs.clone(),
        Allowed::Auto if shape.metric == Metric::Hamming => vec![Codec::Binary],
        Allowed::Auto => {
            let ladder = planned(&shape, vectors.unwrap_or(1)).map(|planned| planned.ladder());
            let named = |rung: Rung| rung.codec.to_string().parse().ok();
            ladder.unwrap_or_default().into_iter().filter_map(named).collect()
        }
    };
    let Some(vectors) = vectors else { return Err(CliError::Codec(NO_COUNT)) };
    let Some(last) = codecs.last().copied() else { return Err(CliError::Codec(NO_COUNT)) };
    let found = shape.most_precise(&codecs, vectors, memory)?;
    let codec = found.unwrap_or(last);
    let expected = expected(&Shape { codec, ..shape }, vectors);
    let chosen = Chosen {
        codec: codec.to_string(),
        stays: found.is_some(),
        recall: expected.map(|[alone, _]| alone),
        recall_again: expected.map(|[_, again]| again).filter(|_| shape.originals),
    };
    Ok((codec, Some(chosen)))
}

const NO_COUNT: &str = "how many vectors there are is not known before they are read, so no codec can be chosen by what memory has \
                        room for: name one with --codec";

impl Chosen {
    /// In a line.
    pub(super) fn line(&self, memory: Bytes) -> String {
        let range = |[from, to]: [f64; 2]| format!("{from:.2} to {to:.2}");
        let found =
            self.recall.map(|share| format!("; codes find {} elsewhere", range(share))).unwrap_or_default();
        let again =
            self.recall_again.map(|share| format!(", {} with --again 4", range(share))).unwrap_or_default();
        let stays = if self.stays { "stays in" } else { "does not stay in" };
        format!("{} {stays} {memory}{found}{again}", self.codec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_is_the_planners_and_the_first_that_stays_is_taken() {
        let shape = Shape {
            dimension: 768,
            metric: Metric::L2,
            codec: Codec::F32,
            originals: true,
            lists: None,
            reduced: None,
        };
        let auto: Allowed = "auto".parse().unwrap();
        let chosen = |memory| choose(&auto, shape, Some(100_000), memory).unwrap();
        let (codec, told) = chosen(Bytes::gib(1));
        assert_eq!((codec, told.unwrap().stays), (Codec::F32, true));
        let (codec, told) = chosen(Bytes::mib(128));
        let told = told.unwrap();
        assert_eq!(
            (codec, told.recall, told.recall_again),
            (Codec::Int8, Some([0.97, 1.0]), Some([0.995, 1.0]))
        );
        assert!(
            told.line(Bytes::mib(128)).starts_with("int8 stays in 128"),
            "{}",
            told.line(Bytes::mib(128))
        );
        let (codec, told) = chosen(Bytes::mib(2));
        assert_eq!((codec, told.unwrap().stays), (Codec::Pq8, false), "the smallest, which streams");
        let these: Allowed = "f16, int4".parse().unwrap();
        assert_eq!(choose(&these, shape, Some(100_000), Bytes::mib(128)).unwrap().0, Codec::Int4);
        assert!(choose(&these, shape, None, Bytes::mib(128)).unwrap_err().to_string().contains("not known"));
        let one: Allowed = "planes".parse().unwrap();
        assert!(matches!(choose(&one, shape, None, Bytes::mib(1)), Ok((Codec::Planes, None))));
        assert!("f16,int5".parse::<Allowed>().is_err());
    }
}
