//! `plimsoll kv inspect` and `kv verify` of object stores, as they are typed.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, reason = "in a test, a panic says what went wrong")]

#[path = "../../plimsoll-kv/tests/bucket_common/moto.rs"]
mod moto;
mod program;

use std::process::Output;

use moto::Moto;
use plimsoll_kv::block::{BlockId, Root};
use plimsoll_kv::store::bucket::{Bucket, BucketSettings};
use plimsoll_kv::store::{Record, Store as _, Worth};
use serde_json::Value;

/// Writes some blocks of 100 bytes and three tokens each.
fn write(settings: BucketSettings, ids: std::ops::RangeInclusive<u128>) {
    let bucket = Bucket::open(settings).unwrap();
    let root = Root::from_bytes([7; 32]);
    let sections: [&[u8]; 1] = [&[9; 100]];
    let record = |id| Record {
        id: BlockId::new(id << 120 | id),
        parent: None,
        root: &root,
        tokens: &[1, 2, 3],
        form: 0,
        worth: Worth::default(),
        sections: &sections,
    };
    bucket.put(&ids.map(record).collect::<Vec<_>>()).unwrap();
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn an_object_store_is_inspected_and_checked() {
    let Some(moto) = Moto::start() else {
        return;
    };
    moto.bucket("shared");
    let address = "s3://shared/some/kv";
    for (machine, ids) in [("one", 1..=3), ("two", 4..=8)] {
        let settings = BucketSettings { environment: false, ..BucketSettings::new(address, machine) }
            .option("aws_endpoint", &moto.endpoint)
            .option("aws_region", "us-east-1")
            .option("aws_access_key_id", "key")
            .option("aws_secret_access_key", "secret")
            .option("aws_allow_http", "true");
        write(settings, ids);
    }
    let run = |args: &[&str]| {
        program::plimsoll(args)
            .env("AWS_ENDPOINT_URL", &moto.endpoint)
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .output()
            .unwrap()
    };
    let seen = json(&run(&["kv", "inspect", address, "--json"]));
    assert_eq!((seen["records"].as_u64(), seen["tokens"].as_u64()), (Some(8), Some(24)), "{seen}");
    let written: Vec<_> =
        seen["machines"].as_array().unwrap().iter().map(|one| one["records"].as_u64()).collect();
    assert_eq!(written, [Some(5), Some(3)]);
    let checked = run(&["kv", "verify", address, "--json"]);
    assert!(checked.status.success());
    assert_eq!(json(&checked)["verified_bytes"], 800);
    let absent = run(&["kv", "inspect", "s3://absent/kv"]);
    assert_eq!(absent.status.code(), Some(1));
    assert!(program::text(&absent.stderr).contains("NoSuchBucket"), "{}", program::text(&absent.stderr));
}

#[test]
fn what_is_damaged_is_told_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("file://{}", folder.path().display());
    write(BucketSettings::new(&address, "one"), 1..=3);
    let shown = program::run(&["kv", "inspect", &address]);
    assert!(program::text(&shown.stdout).contains("3 records, 9 tokens"), "{}", program::text(&shown.stdout));
    let ids = BlockId::new(2 << 120 | 2).to_string();
    let root = folder.path().join("v1").join("07".repeat(32));
    let object = root.join(&ids[..2]).join(&ids);
    let mut bytes = std::fs::read(&object).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&object, bytes).unwrap();
    let checked = program::run(&["kv", "verify", &address, "--json"]);
    assert_eq!(checked.status.code(), Some(1));
    let report = json(&checked);
    assert_eq!((report["ok"].as_bool(), report["records"].as_u64()), (Some(false), Some(3)));
    assert_eq!(
        (&report["damaged"][0]["block"], &report["damaged"][0]["what"]),
        (&ids.into(), &"section 0".into())
    );
    assert!(program::text(&checked.stderr).contains("do not verify: 1"));
    let missing = program::run(&["kv", "verify", "file:///no/such/folder"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(program::text(&missing.stderr).contains("/no/such/folder"));
}
