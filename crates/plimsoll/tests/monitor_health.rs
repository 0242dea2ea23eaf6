//! What samples of machines in trouble, and at rest, score, and what is advised.

use plimsoll::Bytes;
use plimsoll::monitor::health::{Finding, Past, Rating, Scoring, Symptom, assess, findings};
use plimsoll::monitor::{
    AccountSample, DeviceSample, HealthSample, MachineSample, PlaceSample, RecorderSample, Sample,
    SourceSample,
};
use std::time::Duration;

const fn gib(count: u64) -> u64 {
    count << 30
}

fn past() -> Past {
    Past::over(Duration::from_mins(10))
}

/// A quiet machine of 64 GiB, of which so many are available.
fn machine(available: u64) -> MachineSample {
    MachineSample {
        total_bytes: Some(gib(64)),
        available_bytes: Some(gib(available)),
        used_bytes: Some(gib(64 - available)),
        swap_total_bytes: Some(gib(8)),
        swap_used_bytes: Some(0),
        swap_in_bytes_per_s: Some(0.0),
        swap_out_bytes_per_s: Some(0.0),
        stalled_some: Some(0.0),
        stalled_full: Some(0.0),
        ..MachineSample::default()
    }
}

fn account(path: &str, charged: u64) -> AccountSample {
    AccountSample {
        path: path.into(),
        priority: 5,
        charged_bytes: charged,
        limit_bytes: gib(20),
        ..AccountSample::default()
    }
}

fn host(accounts: Vec<AccountSample>) -> PlaceSample {
    PlaceSample {
        place: "host".into(),
        line_bytes: gib(40),
        carry_bytes: gib(40),
        charged_bytes: accounts.iter().map(|account| account.charged_bytes).sum(),
        level: "normal".into(),
        accounts,
        ..PlaceSample::default()
    }
}

fn of(machine: MachineSample, places: Vec<PlaceSample>) -> Sample {
    let source = SourceSample { engine: !places.is_empty(), ..SourceSample::default() };
    Sample { machine, places, source, ..Sample::default() }
}

fn score(sample: &Sample, scoring: Scoring) -> f64 {
    assess(sample, &past(), scoring).score
}

fn part(health: &HealthSample, name: &str) -> Option<f64> {
    let found = health.parts.iter().find(|part| part.name == name);
    assert!(found.is_some(), "there is no part {name}");
    found.and_then(|part| part.score)
}

fn advice(sample: &Sample, past: &Past) -> Vec<String> {
    assess(sample, past, Scoring::Worst).advice
}

/// Everything is fine but that all of swap is used, its traffic is heavy, and half the time something waits.
fn swapped_out() -> Sample {
    let thrashing = MachineSample {
        swap_used_bytes: Some(gib(8)),
        swap_in_bytes_per_s: Some(60e6),
        swap_out_bytes_per_s: Some(80e6),
        stalled_some: Some(0.5),
        stalled_full: Some(0.3),
        ..machine(13)
    };
    let pool = AccountSample {
        live_bytes: Some(gib(1)),
        cached_bytes: Some(0),
        internal_fragmentation: Some(0.0),
        leases: Some(1_000_000),
        maps: Some(0),
        ..account("kv", gib(1))
    };
    let place = PlaceSample { live_bytes: gib(1), internal_fragmentation: Some(0.0), ..host(vec![pool]) };
    of(thrashing, vec![place])
}

#[test]
fn a_machine_that_only_swaps_passes_the_mean_and_fails_by_its_worst_part() {
    let sample = swapped_out();
    let weighted = assess(&sample, &past(), Scoring::Weighted);
    assert!((weighted.score - 0.775).abs() < 1e-9, "{weighted:?}");
    assert_eq!(weighted.rating, "good", "which is what is wrong with it");
    let worst = assess(&sample, &past(), Scoring::Worst);
    assert!(worst.score <= 0.1, "{worst:?}");
    assert_eq!(worst.rating, "critical");
}

#[test]
fn a_machine_at_rest_is_healthy() {
    let idle = of(machine(62), Vec::new());
    let health = assess(&idle, &past(), Scoring::Worst);
    assert!((health.score - 1.0).abs() < 1e-9, "{health:?}");
    assert_eq!((health.rating.as_str(), health.advice.len()), ("excellent", 0));
    assert!(score(&idle, Scoring::Weighted) < 0.75, "the mean asks for use");
    let engine = of(machine(62), vec![host(vec![account("kv", 0)])]);
    assert!((score(&engine, Scoring::Worst) - 1.0).abs() < 1e-9);
}

#[test]
fn the_weighted_mean_is_the_formula_that_is_written_down() {
    let use_of = |used: f64| {
        let total = gib(64);
        let used = Bytes::new(total).fraction(used).get();
        let machine =
            MachineSample { used_bytes: Some(used), total_bytes: Some(total), ..MachineSample::default() };
        // The only part that is known, so its score is the whole.
        score(&of(machine, Vec::new()), Scoring::Weighted)
    };
    for (used, expected) in
        [(0.0, 0.0), (0.35, 0.5), (0.7, 1.0), (0.8, 1.0), (0.9, 1.0), (0.95, 0.5), (1.0, 0.0)]
    {
        assert!((use_of(used) - expected).abs() < 1e-6, "{used}: {}", use_of(used));
    }
}

#[test]
fn crossing_critical_is_a_gate() {
    assert!(score(&of(machine(3), Vec::new()), Scoring::Worst) <= 0.1);
    let pressed = MachineSample { system_level: Some("critical".into()), ..machine(60) };
    assert!(score(&of(pressed, Vec::new()), Scoring::Worst) <= 0.1);
    let stalled = MachineSample { stalled_full: Some(0.1), stalled_some: Some(0.1), ..machine(60) };
    assert!(score(&of(stalled, Vec::new()), Scoring::Worst) <= 0.1);
    let line = PlaceSample { level: "critical".into(), ..host(Vec::new()) };
    assert!(score(&of(machine(60), vec![line]), Scoring::Worst) <= 0.1);
}

#[test]
fn swap_that_was_used_once_and_lies_still_costs_nothing() {
    let stale = MachineSample { swap_used_bytes: Some(gib(8)), ..machine(40) };
    assert!((score(&of(stale, Vec::new()), Scoring::Worst) - 1.0).abs() < 1e-9);
}

#[test]
fn what_cannot_be_known_is_absent_and_does_not_count() {
    for scoring in [Scoring::Worst, Scoring::Weighted] {
        let health = assess(&Sample::default(), &past(), scoring);
        assert!((health.score - 1.0).abs() < 1e-9, "{health:?}");
        let names = ["headroom", "swapping", "stalls", "utilisation", "swap avoidance", "reclaim overhead"];
        let asked = health.parts.iter().filter(|part| names.contains(&part.name.as_str()));
        assert!(asked.clone().count() >= 3 && asked.clone().all(|part| part.score.is_none()), "{health:?}");
    }
    let no_swap = MachineSample {
        swap_total_bytes: Some(0),
        swap_in_bytes_per_s: None,
        swap_out_bytes_per_s: None,
        ..machine(40)
    };
    let health = assess(&of(no_swap, Vec::new()), &past(), Scoring::Worst);
    assert_eq!(part(&health, "swapping"), Some(1.0), "none there is known to be calm");
}

#[test]
fn a_score_has_a_word() {
    let words = [
        (1.0, "excellent"),
        (0.9, "excellent"),
        (0.89, "good"),
        (0.74, "fair"),
        (0.49, "poor"),
        (0.24, "critical"),
    ];
    for (score, word) in words {
        assert_eq!(Rating::of(score).name(), word);
    }
}

#[test]
fn a_guarantee_that_nobody_came_near_is_to_be_lowered_by_so_much() {
    let kv = AccountSample { guaranteed_bytes: gib(12), ..account("kv", gib(4)) };
    let mut past = past();
    let mut sample = of(machine(60), vec![host(vec![kv])]);
    for second in 0..600 {
        sample.up_ms = second * 1000;
        sample.places[0].accounts[0].charged_bytes = if second == 100 { gib(8) } else { gib(4) };
        past.read(&sample);
        if second < 400 {
            assert_eq!(advice(&sample, &past), Vec::<String>::new(), "too early to tell at {second} s");
        }
    }
    assert_eq!(
        advice(&sample, &past),
        Vec::<String>::new(),
        "2 GiB beside the peak of 8 are not worth a change"
    );
    for second in 600..1300 {
        sample.up_ms = second * 1000;
        past.read(&sample);
    }
    // The peak is past: 4 GiB and a quarter are needed, of 12.
    assert_eq!(
        advice(&sample, &past),
        ["kv: lower its guarantee on host by 7.00 GiB: of 12.00 GiB it used at most 4.00 GiB in 10 minutes"]
    );
}

#[test]
fn who_waits_is_helped_by_the_least_important_above_its_guarantee() {
    let kv = AccountSample { priority: 9, limit_bytes: gib(10), ..account("kv", gib(10)) };
    let batch = AccountSample { priority: 1, guaranteed_bytes: gib(2), ..account("batch", gib(12)) };
    let web = AccountSample { priority: 3, ..account("web", gib(18)) };
    let mut place = host(vec![kv, batch, web]);
    place.waiting = 2;
    let advised = advice(&of(machine(60), vec![place.clone()]), &past());
    assert_eq!(
        advised,
        [
            "kv: it is at its limit of 10.00 GiB on host and 2 requests wait; shrink batch (priority 1, 10.00 GiB \
          above its guarantee) and raise the limit"
        ]
    );
    place.charged_bytes = gib(30);
    let advised = advice(&of(machine(60), vec![place.clone()]), &past());
    assert!(advised[0].ends_with("raise its limit: 10.00 GiB of the line are free"), "{advised:?}");
    place.accounts.remove(0);
    place.charged_bytes = gib(40);
    let advised = advice(&of(machine(60), vec![place]), &past());
    assert!(
        advised[0].starts_with("host: the line of 40.00 GiB is full and 2 requests wait; shrink batch"),
        "{advised:?}"
    );
}

#[test]
fn idle_scattered_and_stuck_memory_is_named_with_its_account() {
    let pool = AccountSample {
        live_bytes: Some(gib(20)),
        cached_bytes: Some(gib(10)),
        pending_bytes: Some(gib(1)),
        external_fragmentation: Some(0.5),
        internal_fragmentation: Some(0.4),
        ..account("scratch", gib(36))
    };
    let mut sample = of(machine(60), vec![host(vec![pool])]);
    let mut past = past();
    past.read(&sample);
    sample.up_ms = 45_000;
    past.read(&sample);
    let advised = advice(&sample, &past);
    for expected in [
        "scratch: 1.00 GiB on host were dropped 45 s ago and the device still has them",
        "scratch: trim its pool on host: 10.00 GiB in it are idle",
        "scratch: compact its pool on host, or lease fewer different sizes: 50% of its idle memory (5.00 GiB) is scattered",
        "scratch: lease larger blocks on host: 40% of what it leases (8.00 GiB) is rounding",
    ] {
        assert!(advised.iter().any(|line| line.starts_with(expected)), "{expected} is not in {advised:#?}");
    }
    // Idle memory that nobody else wants may stay.
    sample.places[0].charged_bytes = gib(12);
    assert!(advice(&sample, &past).iter().all(|line| !line.contains("trim")));
}

#[test]
fn a_machine_that_swaps_is_told_what_to_shrink() {
    let advised = advice(&swapped_out(), &past());
    assert_eq!(
        advised[0],
        "machine: it swaps (57.22 MiB/s in, 76.29 MiB/s out): shrink kv (1.00 GiB above its guarantee) or lower the line \
         of host, now 40.00 GiB"
    );
    let lost = Sample {
        recorder: Some(RecorderSample { dropped: 12, ..RecorderSample::default() }),
        ..Sample::default()
    };
    assert!(advice(&lost, &past())[0].starts_with("recorder: 12 events were lost"));
    let mut spent = of(machine(60), vec![host(Vec::new())]);
    (spent.places[0].emergency_bytes, spent.places[0].emergency_used_bytes) = (gib(1), gib(1));
    assert!(
        advice(&spent, &past())[0]
            .starts_with("host: 1.00 GiB of its emergency reserve of 1.00 GiB are taken")
    );
    assert!(score(&spent, Scoring::Worst) <= 0.1);
}

#[test]
fn a_symptom_leads_to_its_cause_and_a_remedy() {
    let first = |symptom, sample: &Sample| findings(symptom, sample).remove(0);
    let slow: Finding = first(Symptom::Slow, &swapped_out());
    assert_eq!((slow.cause.as_str(), slow.found), ("the system swaps", Some(true)));
    assert!(slow.remedy.contains("a smaller model, a shorter context or a stronger quantization"));
    let calm = findings(Symptom::Slow, &of(machine(60), Vec::new()));
    assert!(calm.iter().all(|finding| finding.found != Some(true)), "{calm:?}");
    assert!(calm.iter().any(|finding| finding.found.is_none()), "no GPU was asked, which is no answer");
    let unresponsive = first(Symptom::Unresponsive, &of(machine(2), Vec::new()));
    assert_eq!(unresponsive.cause, "the memory is full");
    assert!(
        unresponsive.remedy.contains("fewer layers on the GPU; lower the line of host by 7.60 GiB"),
        "{unresponsive:?}"
    );
}

#[test]
fn what_would_fit_is_computed() {
    let alone = findings(Symptom::Load, &of(machine(20), Vec::new()));
    // 20 available, less 6.4 for the system, of which a fifth is for the context.
    assert!(alone[0].remedy.starts_with("a model file of at most 10.88 GiB would fit"), "{alone:?}");
    let models = AccountSample { limit_bytes: gib(12), ..account("models", gib(4)) };
    let other = AccountSample { limit_bytes: gib(4), ..account("other", gib(30)) };
    let mut sample = of(machine(60), vec![host(vec![models, other])]);
    let found = findings(Symptom::Load, &sample);
    assert!(
        found[0].remedy.starts_with("a model of at most 6.00 GiB would fit in account models"),
        "{found:?}"
    );
    sample.devices.push(DeviceSample {
        place: "cuda:0".into(),
        total_bytes: Some(gib(24)),
        free_bytes: Some(gib(10)),
        ..DeviceSample::default()
    });
    let found = findings(Symptom::Load, &sample);
    assert!(
        found.iter().any(|finding| finding
            .remedy
            .starts_with("at most 9.00 GiB of weights and context fit on cuda:0")),
        "{found:?}"
    );
}
