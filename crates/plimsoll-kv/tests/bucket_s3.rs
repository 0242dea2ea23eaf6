//! The object store against a server that speaks S3 and was written by others. Without it the test says that it is
//! skipped, or fails if `PLIMSOLL_REQUIRE_S3` is set.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod bucket_common;

use bucket_common::moto::{self, Moto};
use bucket_common::service;
use plimsoll_kv::store::bucket::{Bucket, BucketSettings};

fn settings(moto: &Moto, url: &str, machine: &str) -> BucketSettings {
    service::settings(url, machine)
        .option("aws_endpoint", &moto.endpoint)
        .option("aws_region", "us-east-1")
        .option("aws_access_key_id", "key")
        .option("aws_secret_access_key", "secret")
        .option("aws_allow_http", "true")
}

#[test]
fn several_machines_share_a_real_bucket() {
    let Some(moto) = Moto::start() else {
        return;
    };
    let absent = settings(&moto, "s3://absent/kv", "one");
    let error = Bucket::open(absent).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("no such bucket") && error.contains("NoSuchBucket"), "{error}");
    moto.bucket("shared");
    let at = |prefix: &str, machine: &str| settings(&moto, &format!("s3://shared/{prefix}"), machine);
    service::write_once(&at);
    service::survey(&at);
    service::pages(&at, 2 * moto::PAGE_KEYS + 1);
}
