//! One place of a list.

/// A score and a row in 64 bits that compare as the score does, then as the row.
///
/// The upper half is the score's bits with the sign turned (of a negative score all bits), the lower half the row. A
/// place that nothing took is all ones, behind everything: an empty list is bytes of `0xff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

impl Key {
    /// What it takes.
    pub const BYTES: u64 = 8;
    /// A place that nothing took.
    pub const NONE: Self = Self(u64::MAX);

    /// The key of a row. None for a score that is infinite or not a number: such a row is near nothing.
    pub fn new(score: f32, row: u32) -> Option<Self> {
        // −0 becomes 0, so that the two are one score.
        let bits = (score + 0.0).to_bits();
        let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
        score.is_finite().then(|| Self(u64::from(ordered) << 32 | u64::from(row)))
    }

    /// What a device wrote.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// As a device has it.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The score and the row; none where nothing took the place.
    pub fn found(self) -> Option<(f32, u32)> {
        let (ordered, row) = ((self.0 >> 32) as u32, self.0 & 0xffff_ffff);
        let bits = if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered };
        (self != Self::NONE).then(|| (f32::from_bits(bits), u32::try_from(row).unwrap_or(u32::MAX)))
    }

    /// A list as it is stored.
    pub fn read(bytes: &[u8]) -> impl Iterator<Item = Self> {
        let (places, _) = bytes.as_chunks::<8>();
        places.iter().map(|place| Self(u64::from_le_bytes(*place)))
    }

    /// Writes a list: the keys, then places that nothing took.
    pub fn write(keys: impl IntoIterator<Item = Self>, bytes: &mut [u8]) {
        let (places, _) = bytes.as_chunks_mut::<8>();
        let mut keys = keys.into_iter();
        for place in places {
            *place = keys.next().unwrap_or(Self::NONE).0.to_le_bytes();
        }
    }
}
