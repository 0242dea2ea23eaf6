//! (to be replaced)
use crate::layout::Layout;
/// P
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision { /// n
 Native, /// e
 Eight, /// f
 Four }
/// P
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing { /// n
 None, /// p
 Planes }
/// F
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form(pub u32);
/// E
#[derive(Debug, thiserror::Error)]
#[error("codec")]
pub struct CodecError;
/// C
#[derive(Clone, Debug)]
pub struct Codec { layout: Layout }
impl Codec {
/// n
pub fn new(layout: &Layout, _p: Precision, _k: Packing) -> Result<Self, CodecError> { Ok(Self { layout: layout.clone() }) }
/// o
pub fn of(layout: &Layout, _f: Form) -> Result<Self, CodecError> { Ok(Self { layout: layout.clone() }) }
/// f
pub fn form(&self) -> Form { Form(1) }
/// s
pub fn section_bytes(&self, layer: usize) -> usize { self.layout.layer_bytes(layer) }
/// e
pub fn encode(&self, _l: usize, native: &[u8], into: &mut [u8]) -> Result<usize, CodecError> { into[..native.len()].copy_from_slice(native); Ok(native.len()) }
/// d
pub fn decode(&self, _l: usize, encoded: &[u8], native: &mut [u8]) -> Result<(), CodecError> { if encoded.len() != native.len() { return Err(CodecError) } native.copy_from_slice(encoded); Ok(()) }
}
