//! Traces are read or refused, and the rules find what they should.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::PathBuf;

use plimsoll_kv::replay::{Capacity, RuleName, Trace, replay};
use proptest::prelude::*;

fn trace(text: &str) -> Trace {
    Trace::read(text.as_bytes()).unwrap()
}

fn refusal(text: &str) -> String {
    Trace::read(text.as_bytes()).unwrap_err().to_string()
}

fn shared(file: &str) -> Option<Trace> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/kv-traces");
    let path = PathBuf::from(folder).join(file);
    if !path.exists() {
        println!("skipped: {} is not here", path.display());
        return None;
    }
    Some(Trace::open(&path).unwrap())
}

#[test]
fn sessions_interleave_by_their_times_and_share_no_hash() {
    let trace = trace(
        r#"{"session":1,"block_tokens":64,"requests":[{"t":0,"type":"n","in":130,"out":1,"keep":0,"new":[1,2]},{"t":9.0,"type":"s","in":200,"out":1,"keep":1,"new":[3,4]}]}
{"session":2,"block_tokens":64,"requests":[{"t":5.5,"in":64,"keep":0,"new":[1]}]}"#,
    );
    let requests = trace.requests();
    let order: Vec<_> = requests.iter().map(|request| (request.session, request.blocks)).collect();
    assert_eq!(order, [(0, 2), (1, 1), (0, 3)]);
    assert!(requests[2].subagent && !requests[0].subagent);
    assert_eq!(trace.blocks(), 5);
    let mut path = Vec::new();
    trace.path(&requests[2], &mut path);
    assert_eq!(path, [0, 2, 3]);
    let outcome = replay(&trace, RuleName::Lru, 5, false);
    assert_eq!((outcome.hit_blocks, outcome.blocks), (1, 6));
    assert_eq!((outcome.hit_tokens, outcome.tokens), (64, 394));
}

#[test]
fn the_last_block_counts_its_real_tokens() {
    let line = r#"{"timestamp": 27000, "input_length": 700, "output_length": 5, "hash_ids": [7, 8]}"#;
    let trace = trace(&format!("{line}\n\n{line}\n"));
    let outcome = replay(&trace, RuleName::Plimsoll, 2, false);
    assert_eq!((outcome.hit_tokens, outcome.tokens, outcome.hit_blocks), (700, 1400, 2));
}

#[test]
fn what_is_no_trace_is_refused_with_its_line() {
    assert_eq!(refusal(""), "it has no request");
    assert!(
        refusal("\n{\"timestamp\":0}").starts_with("line 2 is neither"),
        "{}",
        refusal("\n{\"timestamp\":0}")
    );
    let negative = refusal(r#"{"timestamp": -1, "input_length": 1, "hash_ids": [1]}"#);
    assert!(negative.starts_with("line 1: timestamp is -1"), "{negative}");
    let keeps = refusal(r#"{"block_tokens":64,"requests":[{"t":0,"in":1,"keep":3,"new":[]}]}"#);
    assert!(keeps.contains("line 1") && keeps.contains("keeps 3 blocks of the 0"), "{keeps}");
    let mixed =
        "{\"timestamp\":0,\"input_length\":1,\"hash_ids\":[1]}\n{\"block_tokens\":64,\"requests\":[]}";
    assert!(refusal(mixed).contains("line 2 has blocks of 64 tokens"), "{}", refusal(mixed));
    assert!(refusal("not json").contains("line 1"));
    let unknown = "fifo".parse::<RuleName>().unwrap_err().to_string();
    assert!(unknown.contains("plimsoll, ") && unknown.contains("s3-fifo"), "{unknown}");
}

#[test]
fn capacities_are_shares_blocks_or_bytes() {
    let block = plimsoll::Bytes::mib(1);
    let blocks = |text: &str| text.parse::<Capacity>().unwrap().blocks(1000, block);
    assert_eq!((blocks("5%"), blocks("20"), blocks("3MiB"), blocks("0.01%")), (50, 20, 3, 1));
    for wrong in ["0%", "0", "101%", "-5%", "", "%", "NaN%", "many"] {
        assert!(wrong.parse::<Capacity>().is_err(), "{wrong}");
    }
}

/// The best of the classical rules, the bound, and ours, in hits a block.
fn found(trace: &Trace, percent: usize) -> (f64, f64, f64) {
    let capacity = (trace.blocks() * percent + 50) / 100;
    let ratio = |rule| replay(trace, rule, capacity, false).hit_ratio();
    let best = [RuleName::Lru, RuleName::Arc, RuleName::S3Fifo].map(ratio).into_iter().fold(0.0, f64::max);
    (best, ratio(RuleName::Belady), ratio(RuleName::Plimsoll))
}

#[test]
fn known_points_of_the_shared_traces_come_out_and_ours_is_never_much_below() {
    let known = [
        ("mooncake-conversation.jsonl.gz", 1, 0.077, 0.246),
        ("mooncake-conversation.jsonl.gz", 5, 0.210, 0.366),
        ("mooncake-conversation.jsonl.gz", 20, 0.345, 0.366),
        ("mooncake-synthetic.jsonl.gz", 10, 0.271, 0.506),
        ("mooncake-synthetic.jsonl.gz", 20, 0.406, 0.608),
    ];
    for (file, percent, best, bound) in known {
        let Some(trace) = shared(file) else { return };
        let (ours_best, ours_bound, plimsoll) = found(&trace, percent);
        assert!((ours_best - best).abs() < 0.004, "{file} {percent}%: {ours_best} for {best}");
        assert!((ours_bound - bound).abs() < 0.001, "{file} {percent}%: {ours_bound} for {bound}");
        assert!(plimsoll > ours_best - 0.005, "{file} {percent}%: {plimsoll} for {ours_best}");
    }
}

#[test]
fn tiers_account_for_every_block_that_is_kept() {
    let lines: String = (0..60).fold(String::new(), |mut text, turn| {
        let (session, length) = (turn % 6, 2 + turn / 6);
        let ids: Vec<_> = (0..length).map(|block| session * 100 + block).collect();
        let _ =
            writeln!(text, r#"{{"timestamp":{turn},"input_length":{},"hash_ids":{ids:?}}}"#, length * 512);
        text
    });
    let trace = trace(&lines);
    for rule in RuleName::ALL.into_iter().filter(|rule| *rule != RuleName::Belady) {
        let outcome = replay(&trace, rule, 30, true);
        let [hot, warm, cold] = outcome.tiers.unwrap();
        let read = hot.read + warm.read + cold.read;
        assert_eq!(read, outcome.hit_blocks, "{rule}");
        // What is written to hot was missed, or came back up.
        let missed = outcome.blocks - outcome.hit_blocks;
        assert!(hot.written >= missed.min(1) && hot.written <= outcome.blocks, "{rule}");
        assert!(cold.written <= warm.written, "{rule}");
    }
    assert!(replay(&trace, RuleName::Belady, 30, true).tiers.is_none());
}

fn requests() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(0_u8..3, 1..7), 1..60)
}

fn as_trace(prompts: &[Vec<u8>]) -> Trace {
    let mut text = String::new();
    for (at, prompt) in prompts.iter().enumerate() {
        let length = prompt.len() * 512;
        let _ = writeln!(text, r#"{{"timestamp":{at},"input_length":{length},"hash_ids":{prompt:?}}}"#);
    }
    trace(&text)
}

/// LRU as it is told to children: a list of prefixes, newest first, searched from the front.
fn naive_lru(prompts: &[Vec<u8>], capacity: usize) -> u64 {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut hits = 0;
    for prompt in prompts {
        let prefixes = (1..=prompt.len()).map(|end| prompt[..end].to_vec());
        hits += prefixes.clone().take_while(|prefix| kept.contains(prefix)).count() as u64;
        for prefix in prefixes.rev() {
            kept.retain(|other| *other != prefix);
            kept.insert(0, prefix);
        }
        kept.truncate(capacity);
    }
    hits
}

proptest! {
    #[test]
    fn nobody_passes_the_bound_and_lru_is_lru(prompts in requests(), capacity in 1_usize..40) {
        let trace = as_trace(&prompts);
        let bound = replay(&trace, RuleName::Belady, capacity, false).hit_blocks;
        for rule in RuleName::ALL {
            let outcome = replay(&trace, rule, capacity, false);
            prop_assert!(outcome.hit_blocks <= bound, "{rule}: {} of {bound}", outcome.hit_blocks);
            prop_assert_eq!(outcome, replay(&trace, rule, capacity, false), "{} answers twice", rule);
        }
        let lru = replay(&trace, RuleName::Lru, capacity, false).hit_blocks;
        prop_assert_eq!(lru, naive_lru(&prompts, capacity));
        let all = replay(&trace, RuleName::Plimsoll, trace.blocks(), false).hit_blocks;
        prop_assert_eq!(all, replay(&trace, RuleName::Belady, trace.blocks(), false).hit_blocks);
    }
}
