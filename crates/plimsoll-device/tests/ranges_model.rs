//! Growable ranges against a model that is too simple to be wrong: one flag and one byte a granule.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::ops::Range;

use plimsoll_device::{
    Bytes, CommitMap, Device, DeviceError, Region, SimDevice, SimSettings, StorageMode, Stream,
};
use proptest::prelude::*;

const GRANULES: u64 = 150;

#[derive(Clone, Debug)]
enum Op {
    Commit(Range<u64>),
    Decommit(Range<u64>),
    /// Fill from one byte to another with a value, if all is backed.
    Fill(Range<u64>, u8),
    Read(Range<u64>),
}

fn part(limit: u64) -> impl Strategy<Value = Range<u64>> {
    // Short parts mostly, so that some are accepted; sometimes backwards, empty or outside.
    (0..limit + 2, -1..12_i64).prop_map(|(start, size)| start..start.saturating_add_signed(size))
}

fn ops(granule: u64) -> impl Strategy<Value = Vec<Op>> {
    let scaled = move |part: Range<u64>| part.start * granule..part.end * granule;
    let inside = (0..GRANULES * granule, 0..3 * granule)
        .prop_map(move |(start, size)| start..(start + size).min(GRANULES * granule));
    let op = prop_oneof![
        4 => part(GRANULES).prop_map(move |part| Op::Commit(scaled(part))),
        2 => part(GRANULES).prop_map(move |part| Op::Decommit(scaled(part))),
        1 => (part(GRANULES * granule)).prop_map(Op::Commit),
        3 => (inside.clone(), any::<u8>()).prop_map(|(part, value)| Op::Fill(part, value)),
        3 => inside.prop_map(Op::Read),
    ];
    prop::collection::vec(op, 1..80)
}

struct Model {
    granule: u64,
    backed: Vec<bool>,
    bytes: Vec<Option<u8>>,
}

impl Model {
    fn new(granule: u64) -> Self {
        let bytes = usize::try_from(GRANULES * granule).unwrap();
        Self { granule, backed: vec![false; usize::try_from(GRANULES).unwrap()], bytes: vec![None; bytes] }
    }

    /// The granules of a part, when it is one and they are all in this state.
    fn granules(&self, part: &Range<u64>, state: bool) -> Option<Range<usize>> {
        let whole = part.start.is_multiple_of(self.granule) && part.end.is_multiple_of(self.granule);
        let inside = part.start < part.end && part.end <= GRANULES * self.granule;
        let granules = usize::try_from(part.start / self.granule).unwrap()
            ..usize::try_from(part.end / self.granule).unwrap();
        (whole && inside && self.backed[granules.clone()].iter().all(|&is| is == state)).then_some(granules)
    }

    fn readable(&self, part: &Range<u64>) -> bool {
        part.clone().all(|at| self.backed[usize::try_from(at / self.granule).unwrap()])
    }

    fn change(&mut self, part: &Range<u64>, to: bool) -> bool {
        let Some(granules) = self.granules(part, !to) else {
            return false;
        };
        self.backed[granules].fill(to);
        self.bytes[usize::try_from(part.start).unwrap()..usize::try_from(part.end).unwrap()].fill(None);
        true
    }

    fn backed_bytes(&self) -> u64 {
        self.backed.iter().filter(|&&is| is).count() as u64 * self.granule
    }
}

fn follow(device: &dyn Device, range: &Region, model: &mut Model, op: &Op) -> Result<(), TestCaseError> {
    let stream = Stream(0);
    match op {
        Op::Commit(part) => {
            let done = device.commit(range, part.clone());
            prop_assert_eq!(done.is_ok(), model.change(part, true), "{:?}", done);
        }
        Op::Decommit(part) => {
            let fence = device.fence(stream).unwrap();
            device.wait(fence, std::time::Duration::from_secs(20)).unwrap();
            let done = device.decommit(range, part.clone());
            prop_assert_eq!(done.is_ok(), model.change(part, false), "{:?}", done);
        }
        Op::Fill(part, value) => {
            let done = device.fill(stream, range.span(part.clone()).unwrap(), *value);
            prop_assert_eq!(done.is_ok(), model.readable(part), "{:?}", done);
            if done.is_ok() {
                let bytes = usize::try_from(part.start).unwrap()..usize::try_from(part.end).unwrap();
                model.bytes[bytes].fill(Some(*value));
            }
        }
        Op::Read(part) => {
            let mut found = vec![0; usize::try_from(part.end - part.start).unwrap()];
            let done = device.download(stream, range.span(part.clone()).unwrap(), &mut found);
            if !model.readable(part) {
                prop_assert!(matches!(done, Err(DeviceError::NotBacked { .. })), "{:?}", done);
                return Ok(());
            }
            prop_assert_eq!(done, Ok(()));
            let wanted = &model.bytes[usize::try_from(part.start).unwrap()..];
            for (found, wanted) in found.iter().zip(wanted) {
                prop_assert!(wanted.is_none_or(|wanted| wanted == *found));
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sim_follows_the_model(ops in ops(4096)) {
        let sim = SimDevice::new(SimSettings { granule: 4096, ..SimSettings::default() }).unwrap();
        let range = sim.reserve(Bytes::new(GRANULES * 4096), StorageMode::Private).unwrap();
        let mut model = Model::new(4096);
        for op in &ops {
            follow(&sim, &range, &mut model, op)?;
            prop_assert_eq!(sim.used().get(), model.backed_bytes());
        }
        sim.free(range).unwrap();
        prop_assert_eq!(sim.used(), Bytes::ZERO);
    }

    #[cfg(unix)]
    #[test]
    fn host_follows_the_model(ops in ops(16_384)) {
        use plimsoll_device::{HostDevice, HostSettings};
        let settings = HostSettings {
            granule: Some(Bytes::kib(16)),
            inline: Bytes::kib(8),
            ..HostSettings::default()
        };
        let host = HostDevice::open(settings).unwrap();
        let range = host.reserve(Bytes::new(GRANULES * 16_384), StorageMode::Private).unwrap();
        let mut model = Model::new(16_384);
        for op in &ops {
            follow(&host, &range, &mut model, op)?;
            prop_assert_eq!(host.allocated().get(), model.backed_bytes());
        }
        host.free(range).unwrap();
    }

    /// Far from the word boundaries of the other tests: single granules of one byte.
    #[test]
    fn the_map_follows_the_model(ops in ops(1)) {
        let mut map = CommitMap::new(GRANULES, 1);
        let mut model = Model::new(1);
        for op in &ops {
            match op {
                Op::Commit(part) => {
                    let run = map.vacant(part);
                    prop_assert_eq!(run.is_ok(), model.change(part, true));
                    if let Ok(run) = run { map.mark(&run, true); }
                }
                Op::Decommit(part) => {
                    let run = map.backed(part);
                    prop_assert_eq!(run.is_ok(), model.change(part, false));
                    if let Ok(run) = run { map.mark(&run, false); }
                }
                Op::Fill(part, _) | Op::Read(part) => {
                    prop_assert_eq!(map.readable(part.start, part.end).is_ok(), model.readable(part));
                }
            }
            prop_assert_eq!(map.backed_bytes().get(), model.backed_bytes());
        }
    }
}
