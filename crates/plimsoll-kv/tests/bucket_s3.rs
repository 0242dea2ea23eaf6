//! The object store against a server that speaks S3 and was written by others: `moto_server`, started and stopped here.
//! Without it the test says that it is skipped, or fails if `PLIMSOLL_REQUIRE_S3` is set. `PLIMSOLL_MOTO` names the
//! folder that it was installed into, if it is not installed for everybody.
#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod bucket_common;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bucket_common::{blocks, listed};
use plimsoll_kv::store::Store as _;
use plimsoll_kv::store::bucket::{Bucket, BucketSettings};

struct Moto {
    child: Child,
    endpoint: String,
}

impl Moto {
    /// Starts it; nothing if it is not installed.
    fn start() -> Option<Self> {
        let mut command = Command::new("python3");
        if let Some(folder) = std::env::var_os("PLIMSOLL_MOTO") {
            command.env("PYTHONPATH", folder);
        }
        command.args(["-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().ok()?;
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, address) = line.split_once("Running on ")?;
            Some(address.trim().to_owned())
        });
        // What it says of every request must not fill its pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let Some(endpoint) = address else {
            let _ = child.wait();
            return None;
        };
        Some(Self { child, endpoint })
    }

    fn settings(&self, url: &str, machine: &str) -> BucketSettings {
        let limit = Duration::from_secs(20);
        let settings = BucketSettings {
            environment: false,
            connect_limit: limit,
            read_limit: limit,
            write_limit: limit,
            ..BucketSettings::new(url, machine)
        };
        settings
            .option("aws_endpoint", &self.endpoint)
            .option("aws_region", "us-east-1")
            .option("aws_access_key_id", "key")
            .option("aws_secret_access_key", "secret")
            .option("aws_allow_http", "true")
    }

    /// Makes a bucket, as its owner would: with a bare request.
    fn bucket(&self, name: &str) {
        let agent = ureq::Agent::new_with_defaults();
        let answer = agent.put(format!("{}/{name}", self.endpoint)).send_empty().unwrap();
        assert_eq!(answer.status(), 200);
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn several_machines_share_a_real_bucket() {
    let Some(moto) = Moto::start() else {
        let required = std::env::var_os("PLIMSOLL_REQUIRE_S3").is_some();
        assert!(!required, "moto_server could not be started; install the Python package moto[server]");
        eprintln!("skipped: no moto_server here (the Python package moto[server])");
        return;
    };
    let error = Bucket::open(moto.settings("s3://absent/kv", "one")).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("no such bucket") && error.contains("NoSuchBucket"), "{error}");
    moto.bucket("shared");
    write_once(&moto);
    pages(&moto);
}

/// All of several machines write the same blocks at once: each is written by one of them, and all can read it.
fn write_once(moto: &Moto) {
    let some = blocks(1, 12, 5_000);
    let machines: Vec<_> = ["one", "two", "three"]
        .map(|machine| Bucket::open(moto.settings("s3://shared/some/kv", machine)).unwrap())
        .into();
    std::thread::scope(|scope| {
        for machine in &machines {
            scope.spawn(|| some.put(machine, 0..12).unwrap());
        }
    });
    let own: u64 = machines.iter().map(|machine| machine.facts().own_blocks).sum();
    assert_eq!(own, 12, "a block was written twice, or by nobody");
    for machine in &machines {
        assert!((0..12).all(|index| some.read_whole(machine, index).unwrap()));
        assert!(some.read(machine, 7, 1..2).unwrap() && some.read(machine, 7, 2..3).unwrap());
        assert_eq!(listed(machine).len(), 12);
    }
    let late = Bucket::open(moto.settings("s3://shared/some/kv", "four")).unwrap();
    assert!(some.read(&late, 3, 1..3).unwrap());
    assert_eq!((late.facts().own_blocks, late.facts().other_blocks), (0, 12));
    late.remove(&[some.id(11), some.id(10)]).unwrap();
    assert!(!some.read_whole(&machines[0], 11).unwrap());
    assert_eq!(listed(&machines[1]).len(), 10);
    // The same machine after a restart knows its own.
    let before = machines[2].facts().own_blocks;
    let gone = [10, 11].iter().filter(|index| machines[2].is_own(some.id(**index))).count() as u64;
    drop(machines);
    let again = Bucket::open(moto.settings("s3://shared/some/kv", "three")).unwrap();
    assert_eq!(again.facts().own_blocks, before - gone);
    let beside = Bucket::open(moto.settings("s3://shared/some/k", "five")).unwrap();
    assert_eq!(beside.facts().other_blocks, 0, "another prefix is another store");
}

/// More keys than a page of a listing has.
fn pages(moto: &Moto) {
    let some = blocks(2, 1_050, 10);
    let one = Bucket::open(moto.settings("s3://shared/many", "one")).unwrap();
    some.put(&one, 0..1_050).unwrap();
    assert_eq!(listed(&one).len(), 1_050);
    let all: Vec<_> = (0..1_050).map(|index| some.id(index)).collect();
    one.remove(&all).unwrap();
    assert_eq!((listed(&one).len(), one.room().blocks), (0, 0));
}
