//! What "near" means.

use std::fmt;
use std::str::FromStr;

/// How two vectors are compared.
///
/// A comparison gives a *distance* to the outside, as other libraries do ([`Metric::distance`]), and a *score* inside:
/// less is nearer, whatever the metric. Ties go to the vector that was added first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Metric {
    /// The squared Euclidean distance; least is nearest.
    #[default]
    L2,
    /// The inner product; most is nearest.
    Ip,
    /// The cosine of the angle; most is nearest. Vectors are brought to length one when they come in, so a vector of
    /// zeros has no place here.
    Cosine,
    /// How many signs differ; least is nearest. Only for [`Codec::Binary`](crate::Codec::Binary).
    Hamming,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::L2, Self::Ip, Self::Cosine, Self::Hamming];

    /// What is told for a score. No distance is below zero, though the score of a code may be for a row next to its query.
    pub fn distance(self, score: f32) -> f32 {
        match self {
            Self::L2 => score.max(0.0),
            Self::Hamming => score,
            // Not `-score`: nothing is 0, and not −0.
            Self::Ip | Self::Cosine => 0.0 - score,
        }
    }

    /// Whether more is nearer, in what is told.
    pub fn descends(self) -> bool {
        matches!(self, Self::Ip | Self::Cosine)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::Ip => "ip",
            Self::Cosine => "cosine",
            Self::Hamming => "hamming",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no metric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no metric {0:?}: take l2, ip, cosine or hamming")]
pub struct NoMetric(pub String);

impl FromStr for Metric {
    type Err = NoMetric;
    fn from_str(name: &str) -> Result<Self, NoMetric> {
        Self::ALL.into_iter().find(|metric| metric.name() == name).ok_or_else(|| NoMetric(name.to_owned()))
    }
}
