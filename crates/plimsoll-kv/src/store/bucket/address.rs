//! From an address to whoever speaks with what is there.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::connector::{Connector, Limits};
use super::fault::{because, remote};
use super::head::VERSION;
use super::settings::BucketSettings;
use crate::block::{BlockId, Root};
use crate::store::StoreError;

/// Where objects are.
#[derive(Debug)]
pub(super) struct Address {
    pub name: String,
    pub store: Arc<dyn ObjectStore>,
    /// Under which all keys of this format's version lie.
    pub base: String,
}

macro_rules! cloud {
    ($builder:ident, $key:ty, $settings:expr) => {{
        let settings = $settings;
        let mut builder = if settings.environment { $builder::from_env() } else { $builder::new() };
        for (name, value) in &settings.options {
            let key: $key = name.to_ascii_lowercase().parse().map_err(|_| {
                because(&settings.url, format!("it has no option {name:?}; correct or remove it"))
            })?;
            builder = builder.with_config(key, value);
        }
        // `https` has ring sign.
        #[cfg(not(feature = "https"))]
        let builder = builder.with_crypto_provider(Arc::new(super::digest::Plain));
        let builder = builder
            .with_url(&settings.url)
            .with_retry(retry(settings))
            .with_http_connector(Connector::new(limits(settings)));
        Arc::new(builder.build().map_err(|error| remote(&settings.url, &error))?) as Arc<dyn ObjectStore>
    }};
}

impl Address {
    /// Finds out who speaks with what is there; asks nobody yet. A folder that is not there is made.
    pub fn of(settings: &BucketSettings) -> Result<Self, StoreError> {
        if let Some(("file", path)) = parts(settings.url.trim()) {
            let failed = |source| StoreError::System { doing: "creating", path: path.into(), source };
            absolute(&settings.url, path)?;
            std::fs::create_dir_all(path).map_err(failed)?;
        }
        Self::standing(settings)
    }

    /// Likewise, for who only looks: nothing is made.
    pub fn standing(settings: &BucketSettings) -> Result<Self, StoreError> {
        let url = settings.url.trim();
        let unknown = || {
            because(
                url,
                "this is no address of an object store; write s3://bucket/prefix, gs://…, az://…, file:///folder or memory:",
            )
        };
        let (scheme, path) = parts(url).ok_or_else(unknown)?;
        let prefix = path.split_once('/').map_or("", |(_, prefix)| prefix).trim_matches('/');
        let named = || {
            if path.split('/').next().is_some_and(|bucket| !bucket.is_empty()) {
                Ok(())
            } else {
                Err(unknown())
            }
        };
        let store = match scheme {
            "s3" | "s3a" => {
                named()?;
                cloud!(AmazonS3Builder, AmazonS3ConfigKey, settings)
            }
            "gs" => {
                named()?;
                cloud!(GoogleCloudStorageBuilder, GoogleConfigKey, settings)
            }
            "az" | "azure" | "abfs" | "abfss" => {
                named()?;
                cloud!(MicrosoftAzureBuilder, AzureConfigKey, settings)
            }
            "file" => return Self::folder(url, path),
            "memory" => Arc::new(InMemory::new()),
            _ => return Err(unknown()),
        };
        Self::under(url, store, prefix)
    }

    fn folder(url: &str, path: &str) -> Result<Self, StoreError> {
        absolute(url, path)?;
        let failed = |source| StoreError::System { doing: "looking at", path: path.into(), source };
        std::fs::metadata(path).map_err(failed)?;
        let store = LocalFileSystem::new_with_prefix(path).map_err(|error| remote(url, &error))?;
        Self::under(url, Arc::new(store), "")
    }

    fn under(url: &str, store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self, StoreError> {
        let base = if prefix.is_empty() { format!("v{VERSION}") } else { format!("{prefix}/v{VERSION}") };
        let parsed =
            Path::parse(&base).map_err(|error| because(url, format!("{error}; choose another prefix")))?;
        Ok(Self { name: url.to_owned(), store, base: parsed.to_string() })
    }

    /// A block's key.
    pub fn key(&self, root: &Root, id: BlockId) -> Path {
        let mut name = String::with_capacity(self.base.len() + 102);
        name.push_str(&self.base);
        name.push('/');
        for byte in root.bytes() {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        let id = id.to_string();
        name.push('/');
        name.push_str(&id[..2]);
        name.push('/');
        name.push_str(&id);
        Path::from(name)
    }

    /// Which block a key is of.
    pub fn block(&self, key: &Path) -> Option<(Root, BlockId)> {
        let mut parts = key.as_ref().strip_prefix(&self.base)?.strip_prefix('/')?.split('/');
        let (root, two, id) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some()
            || root.len() != 64
            || id.len() != 32
            || !id.starts_with(two)
            || two.len() != 2
        {
            return None;
        }
        let lower = |text: &str| text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
        if !lower(root) || !lower(id) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(root.get(at..at + 2)?, 16).ok()?;
        }
        Some((Root::from_bytes(bytes), BlockId::new(u128::from_str_radix(id, 16).ok()?)))
    }
}

/// The kind of an address, and what is behind it.
fn parts(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    Some((scheme, rest.strip_prefix("//").unwrap_or(rest)))
}

fn absolute(url: &str, path: &str) -> Result<(), StoreError> {
    if std::path::Path::new(path).is_absolute() {
        return Ok(());
    }
    Err(because(url, "a folder's address is absolute; write file:///folder"))
}

fn retry(settings: &BucketSettings) -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_secs(2),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: settings.retries, retry_timeout: settings.write_limit }
}

fn limits(settings: &BucketSettings) -> Limits {
    /// What a page of a listing or an error's text may take.
    const TEXT_BYTES: u64 = 16 << 20;
    Limits {
        connect: settings.connect_limit,
        read: settings.read_limit,
        write: settings.write_limit,
        body_bytes: settings.object_bytes_max.get().max(TEXT_BYTES),
        requests: settings.requests,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_its_block_and_nothing_else_is_one() {
        let address = Address::of(&BucketSettings::new("memory:///some/prefix", "a")).unwrap();
        let (root, id) = (Root::from_bytes([0xab; 32]), BlockId::new(0x1234 << 100));
        let key = address.key(&root, id);
        assert!(key.as_ref().starts_with("some/prefix/v1/abab"), "{key}");
        assert_eq!(address.block(&key), Some((root, id)));
        for odd in
            ["", "some/prefix/v1", "some/prefix/v2/x/y/z", &key.as_ref().to_uppercase(), &format!("{key}/x")]
        {
            assert_eq!(address.block(&Path::from(odd)), None, "{odd}");
        }
    }

    #[test]
    fn addresses_that_are_none_are_refused_with_advice() {
        for odd in ["", "bucket", "s3://", "s3:///x", "ftp://x/y", "file://x"] {
            let error = Address::of(&BucketSettings::new(odd, "a")).unwrap_err().to_string();
            assert!(error.contains("address") || error.contains("file:///"), "{odd}: {error}");
        }
        let odd = BucketSettings::new("s3://bucket", "a").option("colour", "red");
        assert!(Address::of(&odd).unwrap_err().to_string().contains("no option \"colour\""));
    }
}
