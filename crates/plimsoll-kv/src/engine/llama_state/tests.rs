//! Real states of llama.cpp, made-up ones, and damaged ones.

use proptest::prelude::*;

use super::*;
use crate::layout::{Element, Layout};

const STATES: [(&str, &[u8], Element, bool); 6] = [
    ("flash, f16", include_bytes!("../../../tests/fixtures/fa_f16_13.bin"), Element::F16, false),
    ("f16", include_bytes!("../../../tests/fixtures/nofa_f16_13.bin"), Element::F16, true),
    ("flash, q8_0", include_bytes!("../../../tests/fixtures/fa_q8_0_13.bin"), Element::Opaque, false),
    ("q8_0 and f16", include_bytes!("../../../tests/fixtures/nofa_q8_0_f16_13.bin"), Element::Opaque, true),
    ("with rotations", include_bytes!("../../../tests/fixtures/fa_f16_rotations_5.bin"), Element::F16, false),
    ("second of two", include_bytes!("../../../tests/fixtures/fa_f16_second_5.bin"), Element::F16, false),
];

fn cut(state: &State<'_>, layout: &Layout) -> Vec<Vec<u8>> {
    let whole = state.tokens() / layout.block_tokens as usize;
    let block = |index| {
        let mut block = vec![0; layout.block_bytes()];
        state.block(layout, index, &mut block).unwrap();
        block
    };
    (0..whole).map(block).collect()
}

fn join(form: &Form, layout: &Layout, blocks: &[Vec<u8>], tokens: usize) -> Result<Vec<u8>, StateError> {
    form.join(layout, &blocks.iter().map(Vec::as_slice).collect::<Vec<_>>(), tokens)
}

#[test]
fn real_states_come_back_to_the_byte() {
    for (name, blob, element, transposed) in STATES {
        let state = State::read(blob).unwrap();
        assert_eq!((state.form().is_transposed(), state.layout(1).element), (transposed, element), "{name}");
        assert_eq!(state.layout(1).layers.len(), 8, "{name}");
        assert_eq!(state.form().bytes(state.tokens()), blob.len(), "{name}");
        for block_tokens in [1, u32::try_from(state.tokens()).unwrap()] {
            let layout = state.layout(block_tokens);
            let blocks = cut(&state, &layout);
            assert_eq!(join(state.form(), &layout, &blocks, state.tokens()).unwrap(), blob, "{name}");
        }
    }
}

#[test]
fn a_prefix_is_a_state_of_the_same_rows() {
    for (name, blob, ..) in STATES {
        let state = State::read(blob).unwrap();
        let layout = state.layout(2);
        let blocks = cut(&state, &layout);
        let prefix = join(state.form(), &layout, &blocks, 3).unwrap();
        let shorter = State::read(&prefix).unwrap();
        assert_eq!((shorter.tokens(), shorter.form()), (3, state.form()), "{name}");
        let ones = state.layout(1);
        assert_eq!(cut(&shorter, &ones), cut(&state, &ones)[..3], "{name}");
        // And nothing of it is a state as well: what a fresh sequence gives.
        let none = join(state.form(), &layout, &[], 0).unwrap();
        assert_eq!(State::read(&none).unwrap().tokens(), 0, "{name}");
    }
}

#[test]
fn a_part_from_the_middle_is_a_state_at_its_own_positions() {
    for (name, blob, ..) in STATES {
        let state = State::read(blob).unwrap();
        let layout = state.layout(2);
        let blocks = cut(&state, &layout);
        let part: Vec<&[u8]> = blocks[1..2].iter().map(Vec::as_slice).collect();
        let mut room = vec![0; state.form().bytes(2)];
        state.form().join_from(&layout, &part, 2, 2, &mut room).unwrap();
        assert!(matches!(State::read(&room), Err(StateError::Gap { position: 0, .. })), "{name}");
        let middle = State::read_from(&room, 2).unwrap();
        assert_eq!((cut(&middle, &layout), middle.form()), (blocks[1..2].to_vec(), state.form()), "{name}");
        assert!(State::read_from(&room, 1).is_err(), "{name}");
    }
}

#[test]
fn older_states_have_no_magic() {
    let blob = STATES[0].1;
    let (old, new) = (State::read(&blob[8..]).unwrap(), State::read(blob).unwrap());
    let layout = new.layout(4);
    assert_eq!(cut(&old, &layout), cut(&new, &layout));
    assert_eq!(old.form().bytes(13), blob.len() - 8);
}

#[test]
fn cells_in_any_order_are_tokens_in_theirs() {
    let blob = STATES[0].1;
    let straight = State::read(blob).unwrap();
    let mut turned = blob.to_vec();
    // Cells begin behind magic, sequence, streams and count; the first and the last change places, their rows stay.
    let (first, last) = (16, 16 + 12 * CELL_BYTES);
    turned[first..first + 4].copy_from_slice(&12_i32.to_le_bytes());
    turned[last..last + 4].copy_from_slice(&0_i32.to_le_bytes());
    let turned = State::read(&turned).unwrap();
    let ones = straight.layout(1);
    let mut wanted = cut(&straight, &ones);
    wanted.swap(0, 12);
    assert_eq!(cut(&turned, &ones), wanted);
    let all = turned.layout(13);
    let joined = join(turned.form(), &all, &cut(&turned, &all), 13).unwrap();
    assert_eq!(cut(&State::read(&joined).unwrap(), &ones), wanted);
}

#[test]
fn what_is_wrong_is_told() {
    let blob = STATES[0].1;
    let with = |at: usize, bytes: &[u8]| {
        let mut blob = blob.to_vec();
        blob[at..at + bytes.len()].copy_from_slice(bytes);
        State::read(&blob).map(|state| state.tokens())
    };
    assert!(matches!(with(0, b"GGUF"), Err(StateError::Foreign { at: 0, .. })));
    assert!(matches!(with(8, &[0; 4]), Err(StateError::Foreign { at: 8, .. })));
    assert!(matches!(with(12, &[255; 4]), Err(StateError::CutShort { .. })));
    assert_eq!(with(16, &5_i32.to_le_bytes()), Err(StateError::Gap { position: 0, cells: 13 }));
    assert_eq!(with(16, &13_i32.to_le_bytes()), Err(StateError::Gap { position: 0, cells: 13 }));
    assert!(matches!(with(20, &[2]), Err(StateError::Foreign { found: 2, at: 20, .. })));
    let head = 16 + 13 * CELL_BYTES;
    assert!(matches!(with(head, &[2]), Err(StateError::Foreign { found: 2, .. })));
    assert!(with(head + 4, &[9]).is_err(), "nine layers of keys leave seven of values");
    assert!(matches!(with(head + 12, &[255; 8]), Err(StateError::Foreign { found: u64::MAX, .. })));
    let second = head + 8 + 12 + 13 * 256;
    assert_eq!(with(second, &[8]), Err(StateError::Types { layer: 1, found: (8, 1), first: (1, 1) }));
    let trailing = [blob, b"xyz"].concat();
    assert_eq!(State::read(&trailing).map(|_| ()), Err(StateError::Trailing { bytes: 3 }));
    let values = head + 8 + 8 * (12 + 13 * 256);
    for len in 0..blob.len() {
        let read = State::read(&blob[..len]);
        // A state that ends with its keys is one of a model without values.
        assert_eq!(read.is_err(), len != values, "{len}");
    }
}

#[test]
fn blocks_of_another_form_and_too_few_are_refused() {
    let state = State::read(STATES[0].1).unwrap();
    let layout = state.layout(4);
    let blocks = cut(&state, &layout);
    let other = Layout { element: Element::Bf16, ..layout.clone() };
    assert!(matches!(join(state.form(), &other, &blocks, 4), Err(StateError::Layout { .. })));
    let error = join(state.form(), &layout, &blocks, usize::MAX).unwrap_err();
    assert_eq!(error, StateError::Tokens { tokens: usize::MAX, blocks: 3 });
    assert!(matches!(join(state.form(), &layout, &[vec![0; 3]], 2), Err(StateError::Length { .. })));
    let mut room = vec![0; layout.block_bytes()];
    assert_eq!(state.block(&layout, 3, &mut room), Err(StateError::Block { index: 3, tokens: 13 }));
    assert!(matches!(state.block(&layout, usize::MAX, &mut room), Err(StateError::Block { .. })));
    assert!(matches!(state.block(&layout, 0, &mut room[1..]), Err(StateError::Length { .. })));
}

prop_compose! {
    /// Forms as contexts have them, with rows of odd sizes too.
    fn forms()(
        sequence in proptest::option::of(any::<i32>()),
        streams in 1_u32..4,
        stream in 0_u32..4,
        owner in any::<i32>(),
        transposed in any::<bool>(),
        rotations in proptest::option::of((0_u32..200, Just(0_u32))),
        types in prop_oneof![Just((1, 1)), Just((0, 0)), Just((30, 30)), Just((8, 1)), Just((8, 8))],
        sizes in proptest::collection::vec((1_u32..9, 1_u32..9), 1..4),
        values in any::<bool>(),
    ) -> Form {
        let number = match types.1 { 0 => 4, 8 => 3, _ => 2 };
        let rows = |(keys, count): &(u32, u32)| (keys * 4, if values { count * number } else { 0 });
        Form {
            sequence,
            streams,
            stream: stream % streams,
            owner,
            transposed,
            rotations,
            types: if values { types } else { (types.0, types.0) },
            number_bytes: if transposed && values { number } else { 0 },
            rows: sizes.iter().map(rows).collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn what_is_joined_is_cut_again(form in forms(), block_tokens in 1_u32..6, tokens in 1_usize..20, seed in any::<u64>()) {
        let layout = form.layout(block_tokens);
        let count = tokens.div_ceil(block_tokens as usize);
        let mut state = seed;
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        let blocks: Vec<Vec<u8>> =
            (0..count).map(|_| (0..layout.block_bytes()).map(|_| byte()).collect()).collect();
        let blob = join(&form, &layout, &blocks, tokens).unwrap();
        prop_assert_eq!(blob.len(), form.bytes(tokens));
        let read = State::read(&blob).unwrap();
        prop_assert_eq!(read.form(), &form);
        let whole = tokens / block_tokens as usize;
        prop_assert_eq!(cut(&read, &layout), &blocks[..whole]);
    }

    #[test]
    fn damage_never_panics(which in 0..STATES.len(), at in any::<proptest::sample::Index>(), byte in any::<u8>(), len in any::<proptest::sample::Index>()) {
        let mut blob = STATES[which].1.to_vec();
        // Mostly in what stands before the rows.
        let place = if byte % 4 == 0 { at.index(blob.len()) } else { at.index(220) };
        blob[place] = byte;
        if byte % 3 == 0 {
            blob.truncate(len.index(blob.len()));
        }
        if let Ok(state) = State::read(&blob) {
            let layout = state.layout(2);
            cut(&state, &layout);
        }
    }
}
