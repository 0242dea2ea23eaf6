//! Tensors that go from one stage to another.

#![allow(clippy::unwrap_used, reason = "a scenario fails by panicking")]

mod support;

use plimsoll::Bytes;
use plimsoll_tensor::{Dtype, Stage};
use support::{numbers, stage};

#[test]
fn a_copy_is_the_same_elsewhere_and_itself_at_home() {
    let (_one_engine, one) = stage(Bytes::mib(8), 1);
    let (_other_engine, other) = stage(Bytes::mib(8), 1);
    let x = one.floats(&numbers(1, 600), &[20, 30]).unwrap().cast(Dtype::Bf16).unwrap();
    assert!(x.to(&one).unwrap().shares(&x));
    let part = x.transpose(0, 1).unwrap().narrow(0, 3, 5).unwrap();
    let there = part.to(&other).unwrap();
    assert!(there.stage().is(&other) && there.dims() == [5, 20] && there.dtype() == Dtype::Bf16);
    assert_eq!(there.to_vec().unwrap(), part.to_vec().unwrap());
    assert_eq!(other.live(), there.bytes());
}

#[test]
fn a_rehearsal_knows_what_a_copy_needs() {
    let (_engine, one) = stage(Bytes::mib(8), 1);
    let dry = Stage::dry();
    let x = one.floats(&numbers(1, 64), &[64]).unwrap();
    x.to(&dry).unwrap();
    assert_eq!(dry.rehearsed().unwrap().peak(), Bytes::new(256));
}
