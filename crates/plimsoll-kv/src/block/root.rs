//! What all blocks of one model, in one form, descend from.

use std::fmt;

use crate::layout::Layout;

const CONTEXT: &str = "plimsoll-kv 2026-11 root of a prefix";

/// The root of a tree of prefixes: a hash over the model, the layout of its blocks, its adapter and whatever else
/// changes what a token's keys and values are. Blocks under different roots never meet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Root {
    bytes: [u8; 32],
    /// How many bits identities under it have; fewer than 128 only where a test wants collisions.
    bits: u8,
}

/// Puts a [`Root`] together. Every part is written with its kind and its length, so that no two sequences of parts
/// are the same bytes.
#[derive(Clone, Debug)]
pub struct RootBuilder {
    hasher: blake3::Hasher,
}

impl Root {
    /// The root of a model whose weights hash to `fingerprint`, with blocks of this layout.
    pub fn of(fingerprint: &[u8], layout: &Layout) -> RootBuilder {
        let builder = RootBuilder { hasher: blake3::Hasher::new_derive_key(CONTEXT) };
        builder.part("model", fingerprint).part("layout", layout.describe().as_bytes())
    }

    /// Its bytes.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// From its bytes, as a store keeps them.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self { bytes, bits: 128 }
    }

    /// The same root with identities of so few bits that they collide: for tests of what happens then.
    #[doc(hidden)]
    #[must_use]
    pub const fn weak(self, bits: u8) -> Self {
        Self { bits, ..self }
    }

    pub(super) const fn mask(&self) -> u128 {
        if self.bits >= 128 { u128::MAX } else { (1 << self.bits) - 1 }
    }
}

impl RootBuilder {
    /// An adapter that is applied to the model.
    #[must_use]
    pub fn adapter(self, fingerprint: &[u8]) -> Self {
        self.part("adapter", fingerprint)
    }

    /// Anything else that changes keys and values: a tenant, a salt, a scaling of positions.
    #[must_use]
    pub fn extra(self, kind: &str, value: &[u8]) -> Self {
        self.part("extra", kind.as_bytes()).part("value", value)
    }

    /// Done.
    pub fn build(self) -> Root {
        Root::from_bytes(*self.hasher.finalize().as_bytes())
    }

    fn part(mut self, kind: &str, value: &[u8]) -> Self {
        for field in [kind.as_bytes(), value] {
            self.hasher.update(&(field.len() as u64).to_le_bytes());
            self.hasher.update(field);
        }
        self
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({self})")
    }
}
