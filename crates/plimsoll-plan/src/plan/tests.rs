//! Plans of made-up workloads: what is taken, what is left out, and that engines accept what comes out.

use plimsoll::governor::Governor;
use plimsoll::settings::{Capacities, Format, parse};
use plimsoll::{Bytes, Place};
use proptest::prelude::*;

use super::*;
use crate::machine::{Gpu, Machine, Processor};
use crate::{Certainty, Formula, Lessons, Part};
use crate::{Phase, Phases};

fn machine(host_gib: u64, gpu_gib: u64, unified: bool) -> Machine {
    let memory = Bytes::gib(host_gib);
    let gpu = Gpu {
        place: Place::Gpu(0),
        name: "a GPU".to_owned(),
        memory: Bytes::gib(gpu_gib),
        usable: Bytes::gib(gpu_gib),
        bandwidth: None,
        flops: None,
        link: None,
    };
    Machine {
        name: "m".to_owned(),
        title: "a machine".to_owned(),
        processor: Processor { cores: 4, memory, usable: memory, bandwidth: None, flops: None },
        gpus: if gpu_gib == 0 { Vec::new() } else { vec![gpu] },
        unified,
        disk: None,
    }
}

fn part(account: &'static str, place: Place, mib: u64, certainty: Certainty) -> Part {
    let (name, bytes) = (account.to_owned(), Bytes::mib(mib));
    Part { name, place, account, bytes, certainty, formula: Formula::new("given") }
}

/// A workload that can be run in steps: the more memory, the better.
#[derive(Clone, Debug)]
struct Stepped {
    place: Place,
    steps_mib: Vec<u64>,
    least_mib: u64,
}

impl Stepped {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn at(&self, mib: u64) -> Configuration {
        let resident = vec![
            part("weights", self.place, mib, Certainty::Exact),
            part("cache", Place::Host, 4096, Certainty::Exact),
        ];
        let turns = vec![
            Phase { name: "build", parts: vec![part("scratch", self.place, 100, Certainty::Estimated(0.1))] },
            Phase { name: "query", parts: vec![part("scratch", self.place, 40, Certainty::Exact)] },
        ];
        Configuration {
            title: format!("{mib} MiB"),
            knobs: vec![Knob::new("size", &mib.to_string(), mib as f64)],
            phases: Phases { resident, turns },
            worth: mib as f64 / (mib as f64 + 1000.0),
            speed: None,
            launch: None,
            finetune: None,
            doubts: Vec::new(),
        }
    }
}

impl Choices for Stepped {
    fn configurations(&self, _site: &Site<'_>) -> Vec<Configuration> {
        self.steps_mib.iter().map(|mib| self.at(*mib)).collect()
    }

    fn relaxed(&self, _site: &Site<'_>) -> Vec<Configuration> {
        vec![self.at(self.least_mib)]
    }
}

fn request(name: &str, priority: u8, place: Place, steps_mib: &[u64]) -> Request {
    let workload = Box::new(Stepped { place, steps_mib: steps_mib.to_vec(), least_mib: 64 });
    Request { name: name.to_owned(), priority, workload }
}

fn make(machine: &Machine, requests: &[Request]) -> Plan {
    Plan::make(machine, &LineWishes::default(), &Lessons::default(), requests)
}

#[test]
fn the_most_useful_that_fit_are_taken_and_turns_and_caches_are_not_added_up() {
    let requests = [
        request("chat", 5, Place::Host, &[1000, 2000, 4000]),
        request("search", 4, Place::Host, &[1000, 2000, 4000]),
    ];
    let plan = make(&machine(8, 0, false), &requests);
    assert!(plan.fits() && plan.best);
    let titles: Vec<&str> = plan.planned.iter().map(|planned| planned.configuration.title.as_str()).collect();
    assert_eq!(titles, ["4000 MiB", "1000 MiB"], "6 GiB are to be shared");
    assert_eq!(plan.planned[0].configuration.need(Place::Host), Bytes::mib(4110), "caches need nothing");
    let [trade, ..] = plan.planned[1].trades.as_slice() else { panic!("{plan:?}") };
    assert_eq!((trade.change.as_str(), trade.fits), ("size 2000 instead of 1000", false));
    assert!(!trade.short.is_empty());
}

#[test]
fn what_does_not_fit_says_what_is_missing_and_what_would_fit() {
    let requests = [
        request("chat", 5, Place::Gpu(0), &[7000]),
        request("train", 1, Place::Gpu(0), &[6000, 9000]),
        request("none", 1, Place::Cuda(3), &[10]),
    ];
    let plan = make(&machine(8, 8, false), &requests);
    assert!(!plan.fits());
    assert_eq!(plan.planned.len(), 1);
    let [train, none] = plan.left_out.as_slice() else { panic!("{plan:?}") };
    assert_eq!(train.least.as_ref().unwrap().title, "6000 MiB");
    assert!(train.short[0].bytes > Bytes::mib(4000), "{train:?}");
    assert_eq!(train.ways[0].title, "64 MiB");
    assert_eq!(none.short[0].place, Place::Cuda(3));
    assert!(none.ways.is_empty());
}

#[test]
fn a_plan_is_a_file_that_an_engine_opens_with_its_predictions() {
    let requests =
        [request("chat", 5, Place::Gpu(0), &[1000, 5000]), request("search", 3, Place::Host, &[900])];
    let plan = make(&machine(16, 8, false), &requests);
    let text = plan.toml("made by a test\nof two lines", Some("/tmp/a \"folder\"/runs.jsonl".as_ref()));
    let read = parse("plan.toml", &text, Format::Toml, &Capacities::unknown()).unwrap();
    assert_eq!(read, plan.settings(), "{text}");
    Governor::open(&read).unwrap();
    let scratch = read.accounts.iter().find(|account| account.path == "chat/scratch").unwrap();
    assert_eq!(scratch.shares[0].predicted, Some(Bytes::mib(100)));
    assert_eq!(scratch.shares[0].guaranteed, Bytes::mib(110));
    assert!(scratch.shares[0].limit > scratch.shares[0].guaranteed, "it may borrow");
    let weights = read.accounts.iter().find(|account| account.path == "chat/weights").unwrap();
    assert_eq!(weights.shares[0].guaranteed, weights.shares[0].limit);
    let cache = read.accounts.iter().find(|account| account.path == "chat/cache").unwrap();
    assert!(cache.shares[0].guaranteed.is_zero());
}

proptest! {
    #[test]
    fn every_plan_adds_up(
        workloads in prop::collection::vec((0_u8..10, any::<bool>(), prop::collection::vec(1_u64..20_000, 1..4)), 0..7),
        host in 1_u64..40, gpu in 0_u64..40, unified in any::<bool>(),
    ) {
        let request = |(at, (priority, on_gpu, steps)): (usize, &(u8, bool, Vec<u64>))| {
            let place = if *on_gpu { Place::Gpu(0) } else { Place::Host };
            request(&format!("w{at}"), *priority, place, steps)
        };
        let requests: Vec<Request> = workloads.iter().enumerate().map(request).collect();
        let machine = machine(host, if unified { gpu.min(host) } else { gpu }, unified);
        let plan = make(&machine, &requests);
        prop_assert_eq!(plan.planned.len() + plan.left_out.len(), requests.len());
        if plan.planned.is_empty() {
            return Ok(());
        }
        let settings = plan.settings();
        prop_assert!(Governor::open(&settings).is_ok(), "{:?}\n{:?}", Governor::open(&settings).err(), settings);
        if unified {
            let sum: u64 = settings.places.iter().map(|line| line.line.get()).sum();
            prop_assert!(sum <= machine.processor.usable.get());
        }
    }
}
