//! What a score is called, and which formula gives it.

/// How parts make a score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scoring {
    /// The worst part counts.
    #[default]
    Worst,
    /// A weighted mean, which favours machines that are 70 to 90 % full. For comparison.
    Weighted,
}

/// A score in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rating {
    /// Below 0.25.
    Critical,
    /// From 0.25.
    Poor,
    /// From 0.5.
    Fair,
    /// From 0.75.
    Good,
    /// From 0.9.
    Excellent,
}

impl Rating {
    /// Of this score.
    pub fn of(score: f64) -> Self {
        let from = [(0.9, Self::Excellent), (0.75, Self::Good), (0.5, Self::Fair), (0.25, Self::Poor)];
        from.into_iter().find(|(least, _)| score >= *least).map_or(Self::Critical, |(_, rating)| rating)
    }

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Poor => "poor",
            Self::Fair => "fair",
            Self::Good => "good",
            Self::Excellent => "excellent",
        }
    }
}
