//! Parts that are there at different times: what a workload holds all along, and what it needs in turns.
//!
//! Building an index and asking it, or encoding a prompt and decoding an image, never happen at once; adding them up
//! would refuse what fits. The peak of a place is what stays plus the largest turn there.

use plimsoll::{Bytes, Place};

use crate::{Certainty, Formula, Part};

/// One turn: what is needed while it lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// "build", "query".
    pub name: &'static str,
    /// What is needed then, and only then.
    pub parts: Vec<Part>,
}

/// What a workload needs over its life.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Phases {
    /// What is there all along.
    pub resident: Vec<Part>,
    /// What comes in turns.
    pub turns: Vec<Phase>,
}

/// All parts of a place together.
pub(crate) fn total(parts: &[Part], place: Place) -> Bytes {
    let there = parts.iter().filter(|part| part.place == place);
    there.fold(Bytes::ZERO, |sum, part| sum.saturating_add(part.bytes))
}

impl Phases {
    /// The places that anything needs, each once.
    pub fn places(&self) -> Vec<Place> {
        let turns = self.turns.iter().flat_map(|turn| &turn.parts);
        let mut places: Vec<Place> = self.resident.iter().chain(turns).map(|part| part.place).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// The turn that needs the most of a place.
    pub fn heaviest(&self, place: Place) -> Option<&Phase> {
        self.turns.iter().rev().max_by_key(|turn| total(&turn.parts, place))
    }

    /// The most that a place carries at once.
    pub fn peak(&self, place: Place) -> Bytes {
        let turn = self.heaviest(place).map_or(Bytes::ZERO, |turn| total(&turn.parts, place));
        total(&self.resident, place).saturating_add(turn)
    }

    /// For each place what it carries when it carries the most: parts that add up to [`Self::peak`].
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = self.resident.clone();
        for place in self.places() {
            let turn = self.heaviest(place).map_or(&[][..], |turn| &turn.parts);
            parts.extend(turn.iter().filter(|part| part.place == place).cloned());
        }
        parts
    }
}

/// A part, unless it is nothing.
pub(crate) fn push(
    parts: &mut Vec<Part>,
    name: &str,
    (place, account): (Place, &'static str),
    bytes: u64,
    certainty: Certainty,
    formula: Formula,
) {
    if bytes > 0 {
        let bytes = Bytes::new(bytes);
        parts.push(Part { name: name.to_owned(), place, account, bytes, certainty, formula });
    }
}

/// A product that stays at the largest number there is.
pub(crate) fn product(factors: &[u64]) -> u64 {
    if factors.contains(&0) {
        return 0;
    }
    factors.iter().fold(1, |product: u64, factor| product.saturating_mul(*factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, place: Place, bytes: u64) -> Part {
        let mut parts = Vec::new();
        push(&mut parts, name, (place, "scratch"), bytes, Certainty::Exact, Formula::new("given"));
        parts.remove(0)
    }

    #[test]
    fn turns_do_not_add_up_and_each_place_has_its_own_worst() {
        let phases = Phases {
            resident: vec![part("codes", Place::Host, 100)],
            turns: vec![
                Phase { name: "build", parts: vec![part("sample", Place::Host, 50)] },
                Phase {
                    name: "query",
                    parts: vec![part("tiles", Place::Host, 20), part("ring", Place::Cuda(0), 7)],
                },
            ],
        };
        assert_eq!(phases.peak(Place::Host), Bytes::new(150));
        assert_eq!(phases.peak(Place::Cuda(0)), Bytes::new(7));
        assert_eq!(phases.peak(Place::Disk), Bytes::ZERO);
        let names: Vec<_> = phases.parts().into_iter().map(|part| part.name).collect();
        assert_eq!(names, ["codes", "sample", "ring"]);
        assert_eq!(product(&[u64::MAX, 2, 0]), 0);
        assert_eq!(product(&[u64::MAX, 2]), u64::MAX);
    }
}
