//! Which layers of a model stay on a device, and which come to it with every pass. Pure.
//!
//! A pass reads all layers in the same order, and then again. Of such a circle the best that can stay is any fixed set, as large as fits: what is
//! given up last is needed soonest. Those that come are spread evenly among those that stay, so that computing these gives the link
//! time, and two slots are enough: one layer is computed with while the next one comes.

/// How many tokens are computed side by side on a device where all layers are there.
pub(crate) const SIDE_BY_SIDE: usize = 512;
/// Layers that come have so many slots.
pub(crate) const SLOTS: usize = 2;
/// Passes are at most so many times as long.
const LONGEST: u64 = 4;
/// They may be longer by one part for each started eighth of the layers that comes: what an H200 computes of a prompt while all layers
/// come is some 3,000 tokens, and half as many while half of them do.
const EIGHTHS: u64 = 8;
/// Room for longer passes is room for layers: they may have no more than this part more come. A token that is written waits for all of it.
const DEARER: u64 = 16;
/// Page-locked memory is taken in multiples of this.
const PINNED_STEP: u64 = 2 << 20;

/// What a model may take of a device, and how it is counted there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceRoom {
    /// The most that weights, and what steps work with, may take together.
    pub bytes: u64,
    /// How many sequences or batches work at once, each with what its steps need.
    pub workings: u64,
    /// What is taken is rounded up to multiples of this.
    pub granule: u64,
}

/// How a model is divided between a device and page-locked memory of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceSplit {
    /// Layers of the model.
    pub layers: usize,
    /// Those of them that come with every pass.
    pub come: usize,
    /// Tokens that a pass has side by side at most.
    pub side_by_side: usize,
    /// What the weights take there: all that stays, and the slots to which the rest comes.
    pub device_bytes: u64,
    /// What the steps of one sequence, or of one batch, take there.
    pub working_bytes: u64,
    /// What layers that come take of page-locked memory.
    pub pinned_bytes: u64,
    /// What comes with every pass.
    pub pass_bytes: u64,
}

/// There is less than a model needs with all of its layers coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} are the least with all layers coming from page-locked memory, and {} is all there is for it; raise the line, or take a smaller model or one with \
     fewer bits", plimsoll::Bytes::new(*least), plimsoll::Bytes::new(*most)
)]
pub struct DeviceFloor {
    /// What it needs at least.
    pub least: u64,
    /// What there is.
    pub most: u64,
}

impl DeviceSplit {
    /// Layers that stay.
    pub const fn stay(&self) -> usize {
        self.layers - self.come
    }

    /// Everything that it takes of a device with so many sequences or batches at once.
    pub const fn bytes(&self, workings: u64) -> u64 {
        self.device_bytes.saturating_add(self.working_bytes.saturating_mul(workings))
    }

    /// Whether a layer comes.
    pub(crate) const fn comes(&self, layer: usize) -> bool {
        comes(self.layers, self.come, layer)
    }
}

/// Whether a layer is one of those that come, so many of all, spread evenly.
const fn comes(layers: usize, come: usize, layer: usize) -> bool {
    (layer + 1) * come / layers > layer * come / layers
}

/// What a model has to place.
pub(crate) struct Weighed<'w> {
    /// What always stays.
    pub(crate) fixed: u64,
    /// Each layer.
    pub(crate) layers: &'w [u64],
    /// What the steps of a sequence or batch take with so many tokens side by side.
    pub(crate) working: &'w dyn Fn(usize) -> u64,
}

impl Weighed<'_> {
    /// Everything there, or as much as fits.
    pub(crate) fn within(&self, room: &DeviceRoom) -> Result<DeviceSplit, DeviceFloor> {
        let whole = self.split(0, SIDE_BY_SIDE, room.granule);
        if whole.bytes(room.workings) <= room.bytes {
            return Ok(whole);
        }
        let Some(fewest) = self.fewest(SIDE_BY_SIDE, room) else {
            let smallest = self.split(self.layers.len(), SIDE_BY_SIDE, room.granule);
            let least = smallest.bytes(room.workings).min(whole.bytes(room.workings));
            return Err(DeviceFloor { least, most: room.bytes });
        };
        let most = fewest.pass_bytes + fewest.pass_bytes / DEARER;
        let lengths = (2..=LONGEST).rev().map(passes);
        let mut longer = lengths.filter_map(|side_by_side| self.fewest(side_by_side, room));
        let longer =
            longer.find(|split| split.pass_bytes <= most && split.side_by_side <= self.long(split.come));
        Ok(longer.unwrap_or(fewest))
    }

    /// As few layers coming as fits with passes of some length.
    fn fewest(&self, side_by_side: usize, room: &DeviceRoom) -> Option<DeviceSplit> {
        // With fewer than three, slots for two take as much as what comes.
        let mut some =
            (SLOTS + 1..=self.layers.len()).map(|come| self.split(come, side_by_side, room.granule));
        some.find(|split| split.bytes(room.workings) <= room.bytes)
    }

    fn coming(&self, come: usize) -> impl Iterator<Item = u64> {
        let all = self.layers.len();
        self.layers
            .iter()
            .enumerate()
            .filter(move |(layer, _)| comes(all, come, *layer))
            .map(|(_, bytes)| *bytes)
    }

    /// How many tokens are side by side at most where so many layers come.
    fn long(&self, come: usize) -> usize {
        let (coming, all) = (self.coming(come).sum::<u64>(), self.layers.iter().sum::<u64>());
        passes((EIGHTHS * coming).div_ceil(all.max(1)).clamp(1, LONGEST))
    }

    fn split(&self, come: usize, side_by_side: usize, granule: u64) -> DeviceSplit {
        let pass_bytes = self.coming(come).sum();
        let slot = self.coming(come).max().unwrap_or(0);
        let there = self.fixed + self.layers.iter().sum::<u64>() - pass_bytes + SLOTS as u64 * slot;
        let whole = |bytes: u64| bytes.checked_next_multiple_of(granule.max(1)).unwrap_or(u64::MAX);
        DeviceSplit {
            layers: self.layers.len(),
            come,
            side_by_side,
            device_bytes: whole(there),
            working_bytes: whole((self.working)(side_by_side)),
            pinned_bytes: self.coming(come).map(pinned).sum(),
            pass_bytes,
        }
    }
}

/// Tokens of a pass of so many parts.
fn passes(parts: u64) -> usize {
    SIDE_BY_SIDE * usize::try_from(parts).unwrap_or(1)
}

/// What a layer takes of page-locked memory.
pub(crate) const fn pinned(bytes: u64) -> u64 {
    bytes.next_multiple_of(PINNED_STEP)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn room(bytes: u64) -> DeviceRoom {
        DeviceRoom { bytes, workings: 2, granule: 16 }
    }

    proptest! {
        #[test]
        fn as_many_come_as_are_said_and_evenly(layers in 1_usize..200, part in 0_usize..=1000) {
            let come = layers * part / 1000;
            let which: Vec<usize> = (0..layers).filter(|layer| comes(layers, come, *layer)).collect();
            prop_assert_eq!(which.len(), come);
            // The circle is closed: from the last one to the first of the next round too.
            let next = which.iter().cycle().skip(1);
            let apart: Vec<usize> = which.iter().zip(next).map(|(one, other)| (other + layers - one - 1) % layers).collect();
            if let (Some(least), Some(most)) = (apart.iter().min(), apart.iter().max()) {
                prop_assert!(most - least <= 1, "{apart:?}");
            }
        }

        #[test]
        fn what_fits_is_taken_and_nothing_less_would_do(
            layers in prop::collection::vec(1_u64..1000, 1..40),
            fixed in 0_u64..5000,
            token in 0_u64..4,
            part in 0_u64..1200,
        ) {
            let working = |tokens: usize| token * tokens as u64 / 64;
            let weighed = Weighed { fixed, layers: &layers, working: &working };
            let all = weighed.split(0, SIDE_BY_SIDE, 16).bytes(2);
            let most = all * part / 1000;
            match weighed.within(&room(most)) {
                Ok(split) => {
                    prop_assert!(split.bytes(2) <= most);
                    let coming: u64 = (0..layers.len()).filter(|layer| split.comes(*layer)).map(|layer| layers[layer]).sum();
                    prop_assert_eq!(coming, split.pass_bytes);
                    prop_assert!(split.pinned_bytes >= coming);
                    prop_assert_eq!(split.come == 0, most >= all);
                    let fits = |come: usize, long: usize| weighed.split(come, long, 16).bytes(2) <= most;
                    prop_assert!((SLOTS + 1..split.come).all(|fewer| !fits(fewer, split.side_by_side)));
                    // Nor is much more brought for the sake of longer passes.
                    let short = (SLOTS + 1..=split.come).find(|come| fits(*come, SIDE_BY_SIDE));
                    let short = short.map_or(0, |come| weighed.split(come, SIDE_BY_SIDE, 16).pass_bytes);
                    prop_assert!(split.pass_bytes * DEARER <= short * (DEARER + 1));
                }
                Err(DeviceFloor { least, most: had }) => {
                    prop_assert_eq!(had, most);
                    prop_assert!(least > most);
                    prop_assert!(weighed.within(&room(least)).is_ok());
                }
            }
        }
    }

    #[test]
    fn passes_are_long_where_much_comes() {
        let layers = [100; 32];
        let weighed = Weighed { fixed: 50, layers: &layers, working: &|tokens| tokens as u64 / 64 };
        let of = |bytes| {
            weighed
                .within(&DeviceRoom { bytes, workings: 1, granule: 1 })
                .map(|split| (split.come, split.side_by_side))
        };
        assert_eq!(of(3258), Ok((0, 512)));
        assert_eq!(of(3257), Ok((3, 512)));
        assert_eq!(of(3158), Ok((3, 512)));
        assert_eq!(of(2666), Ok((8, 1024)));
        assert_eq!(of(2665), Ok((8, 512)), "one more of eight would come for it");
        assert_eq!(of(1882), Ok((16, 2048)));
        assert_eq!(of(1881), Ok((17, 2048)));
        // Slots, what stays, and the shortest pass.
        assert_eq!(of(258), Ok((32, 512)));
        assert_eq!(of(257), Err(DeviceFloor { least: 258, most: 257 }));
    }
}
