//! Keys and tensors as a [`Hyper`](crate::model::Hyper): the rules by which architectures differ.
//!
//! The rules are those that llama.cpp has, because GGUF's keys mean what llama.cpp takes them for. Where tensors are
//! there, they decide: what a layer's feed-forward part is follows from its tensors, not from its architecture's name.

mod attention;
mod ffn;
mod hyper;
mod known;
mod recurrent;
mod seen;
mod windows;

pub(super) use hyper::hyper;
