//! What a bucket is opened with.

use std::time::Duration;

use plimsoll::Bytes;
use plimsoll::governor::Account;

/// Which object store, who writes to it, and how long anything may take.
#[derive(Clone)]
pub struct BucketSettings {
    /// `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, `file:///folder` or `memory:`.
    pub url: String,
    /// Endpoint, region, credentials and the like, by the names that the service's own programs use
    /// (`aws_endpoint`, `aws_region`, `azure_storage_account_name`, `google_service_account`). They come after what the
    /// environment says.
    pub options: Vec<(String, String)>,
    /// Whether the environment is asked for options (`AWS_REGION` and so on).
    pub environment: bool,
    /// What this machine calls itself, the same after a restart and different from all others: it is how a machine
    /// knows what it wrote.
    pub machine: String,
    /// Whose share of [`Place::Remote`](plimsoll::Place::Remote) this machine's objects are charged to.
    pub account: Option<Account>,
    /// The most that this machine's objects may take, those on their way included.
    pub max_bytes: Option<Bytes>,
    /// Whose share of [`Place::Host`](plimsoll::Place::Host) the buffers are charged to, all of them while it is open.
    pub staging: Option<Account>,
    /// How large the buffers of objects on their way there are together. One object that is larger goes alone, and is
    /// refused if the buffers are charged.
    pub staging_bytes: Bytes,
    /// The largest object that is written or read.
    pub object_bytes_max: Bytes,
    /// How many requests are under way at once.
    pub requests: usize,
    /// How long a connection may take to come about.
    pub connect_limit: Duration,
    /// How long a read may take altogether, before the block is better computed again.
    pub read_limit: Duration,
    /// How long an object's write may take.
    pub write_limit: Duration,
    /// How often a request is tried again.
    pub retries: usize,
    /// How long a server that failed three times in a row is left alone.
    pub rest: Duration,
}

impl BucketSettings {
    /// The usual settings.
    pub fn new(url: impl Into<String>, machine: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            options: Vec::new(),
            environment: true,
            machine: machine.into(),
            account: None,
            max_bytes: None,
            staging: None,
            staging_bytes: Bytes::mib(64),
            object_bytes_max: Bytes::mib(512),
            requests: 16,
            connect_limit: Duration::from_secs(3),
            read_limit: Duration::from_secs(5),
            write_limit: Duration::from_mins(1),
            retries: 3,
            rest: Duration::from_secs(5),
        }
    }

    /// With one more option.
    #[must_use]
    pub fn option(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }
}
