//! The object store against a server that speaks Azure's protocol, on request: see `bucket_common/azurite.rs`.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod bucket_common;

use bucket_common::azurite::{ACCOUNT, Azurite, KEY};
use bucket_common::service;
use plimsoll_kv::store::bucket::{Bucket, BucketSettings};

fn settings(azurite: &Azurite, url: &str, machine: &str) -> BucketSettings {
    service::settings(url, machine)
        .option("azure_storage_endpoint", &azurite.endpoint)
        .option("azure_storage_account_name", ACCOUNT)
        .option("azure_storage_account_key", KEY)
        .option("azure_allow_http", "true")
}

#[test]
fn several_machines_share_a_real_container() {
    let Some(azurite) = Azurite::start() else {
        return;
    };
    let absent = settings(&azurite, "az://absent/kv", "one");
    let error = Bucket::open(absent).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("no such bucket") && error.contains("ContainerNotFound"), "{error}");
    azurite.container("shared");
    let at = |prefix: &str, machine: &str| settings(&azurite, &format!("az://shared/{prefix}"), machine);
    service::write_once(&at);
    service::survey(&at);
    // More than it deletes in one request.
    service::pages(&at, 300);
}
