//! Any bytes decode to an error or to numbers, in any form of any layout; and what is encoded of them comes back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_kv::codec::{Codec, CodecError, Packing};
use plimsoll_kv::layout::{Element, Layer, Layout, Reach};

fuzz_target!(|input: (u32, u8, u8, u8, u8, u8, Vec<u8>)| {
    let (tag, element, tokens, keys, values, snapshot, bytes) = input;
    let element = [Element::F32, Element::F16, Element::Bf16, Element::Opaque][usize::from(element % 4)];
    let layer = Layer { reach: Reach::All, keys: keys.into(), values: values.into() };
    let layout =
        Layout { block_tokens: tokens.into(), element, layers: vec![layer], snapshot_bytes: snapshot.into() };
    // Half of the time a form that there is.
    let tag = if tag % 2 == 0 { 1 << 24 | (tag >> 1) % 2 << 8 | (tag >> 2) % 3 } else { tag };
    let Ok(codec) = Codec::of(&layout, tag) else { return };
    for section in 0..codec.sections() {
        let mut native = vec![0; codec.native_bytes(section)];
        let decoded = codec.decode(section, &bytes, &mut native);
        if codec.form().packing == Packing::None {
            assert_eq!(decoded.is_ok(), bytes.len() == codec.section_bytes(section));
        }
        let mut exact = bytes.clone();
        exact.resize(codec.native_bytes(section), 0x3c);
        let mut encoded = vec![0; codec.section_bytes(section)];
        match codec.encode(section, &exact, &mut encoded) {
            Ok(length) => codec.decode(section, &encoded[..length], &mut native).unwrap(),
            Err(error) => assert_eq!(error, CodecError::Unquantizable { section }),
        }
    }
});
