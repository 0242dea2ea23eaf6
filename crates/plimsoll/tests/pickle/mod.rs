//! Reads the pickle opcodes that PyTorch's page understands, and no others.
#![allow(clippy::expect_used, reason = "a pickle that is not as it should be fails the test")]

use serde_json::{Map, Value};

/// The object in a pickle.
pub fn read(bytes: &[u8]) -> Value {
    let mut at = 0;
    let mut stack: Vec<Value> = Vec::new();
    let (mut marks, mut memo) = (Vec::new(), Vec::new());
    let mut take = |count: usize| {
        at += count;
        &bytes[at - count..at]
    };
    loop {
        match take(1)[0] {
            0x80 => assert!((2..=4).contains(&take(1)[0]), "the page knows versions 2 to 4"),
            b'.' => {
                let result = stack.pop().expect("an object");
                assert!(stack.is_empty() && marks.is_empty(), "nothing is left over");
                return result;
            }
            b'(' => marks.push(stack.len()),
            b'}' => stack.push(Value::Object(Map::new())),
            b']' => stack.push(Value::Array(Vec::new())),
            b'u' => {
                let items = stack.split_off(marks.pop().expect("a mark"));
                let Some(Value::Object(map)) = stack.last_mut() else {
                    panic!("entries go into a dictionary")
                };
                for pair in items.chunks(2) {
                    let [Value::String(key), value] = pair else { panic!("a key and a value") };
                    map.insert(key.clone(), value.clone());
                }
            }
            b'e' => {
                let items = stack.split_off(marks.pop().expect("a mark"));
                assert!(items.len() <= 1000, "the page spreads a batch over one call");
                let Some(Value::Array(list)) = stack.last_mut() else { panic!("items go into a list") };
                list.extend(items);
            }
            b'K' => stack.push(take(1)[0].into()),
            b'M' => stack.push(u16::from_le_bytes(take(2).try_into().expect("two")).into()),
            b'J' => stack.push(i32::from_le_bytes(take(4).try_into().expect("four")).into()),
            0x8a => {
                let length = usize::from(take(1)[0]);
                let digits = take(length);
                assert!(length <= 9 && digits[length - 1] < 0x80, "a number that is not negative");
                let number = digits.iter().rev().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
                stack.push(u64::try_from(number).expect("64 bits").into());
            }
            0x88 => stack.push(true.into()),
            0x86 => {
                let pair = stack.split_off(stack.len() - 2);
                stack.push(pair.into());
            }
            0x8c => {
                let length = usize::from(take(1)[0]);
                stack.push(std::str::from_utf8(take(length)).expect("UTF-8").into());
            }
            b'X' => {
                let length = u32::from_le_bytes(take(4).try_into().expect("four"));
                stack.push(std::str::from_utf8(take(length as usize)).expect("UTF-8").into());
            }
            0x94 => memo.push(stack.last().expect("something to keep").clone()),
            b'h' => stack.push(memo[usize::from(take(1)[0])].clone()),
            b'j' => stack.push(memo[u32::from_le_bytes(take(4).try_into().expect("four")) as usize].clone()),
            other => panic!("opcode {other:#x}"),
        }
    }
}
