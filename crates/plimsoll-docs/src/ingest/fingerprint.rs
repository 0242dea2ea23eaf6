//! What passages come to, one after the other: the same for the same passages, and gone on with wherever it was left.

/// A chain: each link is the hash of the one before and a passage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The next passage.
    pub(super) fn add(&mut self, text: &str) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0);
        hasher.update(text.as_bytes());
        self.0 = *hasher.finalize().as_bytes();
    }

    /// In hexadecimal.
    pub(super) fn text(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    /// Out of hexadecimal.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }
}
