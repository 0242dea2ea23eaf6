//! Signatures without C: SHA-256 in Rust, for endpoints without TLS. With the feature `https` ring does it.

use hmac::{Hmac, KeyInit, Mac};
use object_store::client::{
    CryptoProvider, DigestAlgorithm, DigestContext, HmacContext, Signer, SigningAlgorithm,
};
use object_store::{Error, Result};
use sha2::{Digest, Sha256};

/// Hashes and keyed hashes; no signatures with RSA, which only services at https URLs ask for.
#[derive(Debug)]
pub(super) struct Plain;

impl CryptoProvider for Plain {
    fn digest(&self, algorithm: DigestAlgorithm) -> Result<Box<dyn DigestContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => Ok(Box::new(Hash { state: Sha256::new(), done: [0; 32] })),
            _ => Err(unknown("a hash")),
        }
    }

    fn hmac(&self, algorithm: DigestAlgorithm, secret: &[u8]) -> Result<Box<dyn HmacContext>> {
        match algorithm {
            DigestAlgorithm::Sha256 => {
                let state = Hmac::new_from_slice(secret).map_err(|_| unknown("a key of this length"))?;
                Ok(Box::new(Keyed { state, done: [0; 32] }))
            }
            _ => Err(unknown("a keyed hash")),
        }
    }

    fn sign(&self, _: SigningAlgorithm, _: &[u8]) -> Result<Box<dyn Signer>> {
        Err(unknown("a signature"))
    }
}

fn unknown(what: &str) -> Error {
    Error::NotSupported { source: format!("{what} that needs the feature https; build with it").into() }
}

struct Hash {
    state: Sha256,
    done: [u8; 32],
}

impl DigestContext for Hash {
    fn update(&mut self, data: &[u8]) {
        self.state.update(data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        self.done = self.state.finalize_reset().into();
        Ok(&self.done)
    }
}

struct Keyed {
    state: Hmac<Sha256>,
    done: [u8; 32],
}

impl HmacContext for Keyed {
    fn update(&mut self, data: &[u8]) {
        self.state.update(data);
    }

    fn finish(&mut self) -> Result<&[u8]> {
        self.done = self.state.clone().finalize().into_bytes().into();
        Ok(&self.done)
    }
}
