//! Packing of few buffers, against all arrangements there are; and what is refused.

use plimsoll::Bytes;
use plimsoll_tensor::pack::{
    Buffer, Choice, Effort, Flaw, Order, PackError, Way, pack, pack_by, pack_least, verify,
};
use proptest::prelude::*;

const STEPS: u64 = 20_000_000;

/// The least height by trying every order of stacking: buffers lie on the highest below them, in any order.
fn least(buffers: &[Buffer]) -> u64 {
    fn stack(buffers: &[Buffer], placed: &mut Vec<(usize, u64)>, height: u64, best: &mut u64) {
        if height >= *best {
            return;
        }
        if placed.len() == buffers.len() {
            *best = height;
            return;
        }
        for next in 0..buffers.len() {
            if placed.iter().any(|(at, _)| *at == next) {
                continue;
            }
            let buffer = &buffers[next];
            let below = placed.iter().filter(|(at, _)| buffers[*at].meets(buffer)).map(|(_, end)| *end);
            let end = below.max().unwrap_or(0).next_multiple_of(buffer.align.get()) + buffer.size.get();
            placed.push((next, end));
            stack(buffers, placed, height.max(end), best);
            placed.pop();
        }
    }
    let mut best = u64::MAX;
    stack(buffers, &mut Vec::new(), 0, &mut best);
    best
}

fn buffers(aligned: bool) -> impl Strategy<Value = Vec<Buffer>> {
    let buffer = (0_u64..8, 1_u64..6, 1_u64..10, 0_u32..3).prop_map(move |(lower, life, size, align)| {
        let align = if aligned { 1 << align } else { 1 };
        // Whole smallest alignments: rounding is another test's.
        Buffer::new(lower, lower + life, Bytes::new(size)).aligned(Bytes::new(align))
    });
    prop::collection::vec(buffer, 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_least_height_is_found(buffers in buffers(false)) {
        let layout = pack_least(&buffers, &mut Effort::steps(STEPS)).unwrap();
        prop_assert_eq!(verify(&buffers, &layout.offsets), Ok(layout.height));
        prop_assert_eq!(layout.height.get(), least(&buffers));
    }

    #[test]
    fn a_capacity_is_kept_or_shown_to_be_impossible(buffers in buffers(true), above in 0_u64..4) {
        let granule = buffers.iter().map(|buffer| buffer.align.get()).min().unwrap_or(1);
        let whole: Vec<Buffer> = buffers
            .iter()
            .map(|buffer| Buffer { size: Bytes::new(buffer.size.get().next_multiple_of(granule)), ..*buffer })
            .collect();
        let needed = least(&whole);
        let capacity = Bytes::new((needed + above * granule).saturating_sub(2 * granule));
        match pack(&buffers, capacity, &mut Effort::steps(STEPS)) {
            Ok(layout) => {
                let height = verify(&buffers, &layout.offsets).unwrap();
                prop_assert!(height <= layout.height && layout.height <= capacity && capacity.get() >= needed);
            }
            Err(PackError::Impossible { least, .. }) => prop_assert!(capacity.get() < needed && least.get() >= needed),
            Err(PackError::BelowBound { bound, .. }) => prop_assert!(capacity < bound && bound.get() <= needed),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn quick_ways_give_arrangements(
        lives in prop::collection::vec((0_u64..400, 1_u64..200, 0_u64..5000, 0_u32..6), 1..300)
    ) {
        let buffers: Vec<Buffer> = lives
            .into_iter()
            .map(|(lower, life, size, align)| {
                Buffer::new(lower, lower + life, Bytes::new(size)).aligned(Bytes::new(1 << align))
            })
            .collect();
        let ways = Choice::ALL.map(Way::BestFit).into_iter().chain(Order::ALL.map(Way::FirstFit));
        for way in ways {
            let layout = pack_by(&buffers, way).unwrap();
            let height = verify(&buffers, &layout.offsets);
            prop_assert!(height.clone().is_ok_and(|height| height <= layout.height), "{way:?}: {height:?}");
            prop_assert!(layout.bound <= layout.height);
        }
    }
}

#[test]
fn work_that_is_not_allowed_is_not_done() {
    let buffers: Vec<Buffer> = (0..200_u64)
        .map(|at| Buffer::new(at * 7 % 50, at * 7 % 50 + 3 + at % 11, Bytes::new(1 + at * 31 % 97)))
        .collect();
    let bound = pack_by(&buffers, Way::BestFit(Choice::Longest)).unwrap().bound;
    let mut asked = 0;
    let mut stop = || {
        asked += 1;
        true
    };
    let first = pack(&buffers, bound, &mut Effort::steps(u64::MAX).or_when(&mut stop));
    assert!(asked > 0, "the closure is asked");
    let Err(PackError::NotFound { capacity, bound: told, least }) = first else { panic!("{first:?}") };
    assert_eq!((capacity, told), (bound, bound));
    let again = pack(&buffers, least, &mut Effort::steps(1)).unwrap();
    assert_eq!(again.height, least, "what was told can be had");
}

#[test]
fn what_cannot_be_packed_is_refused_with_what_to_do() {
    let pack = |buffers: &[Buffer], capacity| pack(buffers, Bytes::new(capacity), &mut Effort::steps(STEPS));
    let said = |buffers: &[Buffer], capacity| pack(buffers, capacity).unwrap_err().to_string();
    let size = Bytes::new(10);
    let text = said(&[Buffer::new(0, 2, size), Buffer::new(5, 5, size)], 100);
    assert!(text.contains("buffer 1 lives from step 5 to step 5"), "{text}");
    assert!(said(&[Buffer::new(7, 3, size)], 100).contains("it has to end after it begins"));
    assert!(said(&[Buffer::new(0, 3, size).aligned(Bytes::new(48))], 100).contains("a power of two"));
    assert!(said(&[Buffer::new(0, 3, size).aligned(Bytes::new(0))], 100).contains("a power of two"));
    let text = said(&[Buffer::new(0, 3, size), Buffer::new(2, 4, size)], 19);
    assert!(text.contains("19 bytes cannot hold") && text.contains("20 bytes live at once"), "{text}");
    let huge = Buffer::new(0, 3, Bytes::MAX);
    assert!(said(&[Buffer::new(0, 1, size), huge], u64::MAX).contains("at buffer 1"));
    let large = Buffer::new(0, 3, Bytes::new(1 << 61));
    assert!(said(&[large, large], u64::MAX).contains("at buffer 1"));
}

#[test]
fn buffers_of_no_bytes_and_no_buffers_are_packed() {
    let effort = || Effort::steps(STEPS);
    let none = pack(&[], Bytes::ZERO, &mut effort()).unwrap();
    assert_eq!((none.height, none.bound, none.ratio()), (Bytes::ZERO, Bytes::ZERO, 1.0));
    let buffers = [Buffer::new(0, u64::MAX, Bytes::ZERO), Buffer::new(3, 4, Bytes::new(7))];
    let layout = pack_least(&buffers, &mut effort()).unwrap();
    assert_eq!((layout.height, layout.bound), (Bytes::new(7), Bytes::new(7)));
}

#[test]
fn sizes_are_rounded_up_to_the_smallest_alignment() {
    let buffers = [1, 300, 256].map(|size| Buffer::new(0, 1, Bytes::new(size)).aligned(Bytes::new(256)));
    let layout = pack_least(&buffers, &mut Effort::steps(STEPS)).unwrap();
    assert_eq!(layout.height, Bytes::new(1024));
    assert_eq!(layout.bound, Bytes::new(1024));
    assert!(verify(&buffers, &layout.offsets).is_ok());
}

#[test]
fn a_wrong_arrangement_is_noticed() {
    let buffers = [
        Buffer::new(0, 4, Bytes::new(10)).aligned(Bytes::new(2)),
        Buffer::new(4, 8, Bytes::new(10)).aligned(Bytes::new(2)),
        Buffer::new(2, 6, Bytes::new(10)).aligned(Bytes::new(2)),
    ];
    let told = |offsets: [u64; 3]| verify(&buffers, &offsets.map(Bytes::new));
    assert_eq!(told([0, 0, 10]), Ok(Bytes::new(20)));
    assert_eq!(told([10, 10, 0]), Ok(Bytes::new(20)));
    assert_eq!(told([0, 0, 8]), Err(Flaw::Overlap { one: 0, other: 2, step: 2 }));
    assert_eq!(told([4, 20, 0]), Err(Flaw::Overlap { one: 0, other: 2, step: 2 }));
    assert_eq!(told([20, 2, 0]), Err(Flaw::Overlap { one: 2, other: 1, step: 4 }));
    assert_eq!(told([0, 0, 0]), Err(Flaw::Overlap { one: 0, other: 2, step: 2 }));
    assert!(matches!(told([0, 0, 11]), Err(Flaw::Misaligned { index: 2, .. })));
    assert!(matches!(told([0, u64::MAX - 1, 10]), Err(Flaw::Endless { index: 1 })));
    assert!(matches!(verify(&buffers, &[]), Err(Flaw::Count { buffers: 3, offsets: 0 })));
}
