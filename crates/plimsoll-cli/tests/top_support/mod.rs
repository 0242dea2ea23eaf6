//! An engine's samples made by hand, and screens as text.
#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a screen in memory cannot fail")]

use plimsoll::monitor::{
    AccountSample, AlertSample, DeviceSample, EventSample, HealthSample, MachineSample, PartSample,
    PlaceSample, RecorderSample, Sample, Severity, SourceSample, TagSample,
};
use plimsoll_cli::top::{App, Look, draw};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

pub const GIB: u64 = 1 << 30;
pub const MIB: u64 = 1 << 20;

pub const PLAIN: Look = Look { color: false, unicode: true, emphasis: true };
pub const ASCII: Look = Look { color: false, unicode: false, emphasis: false };
pub const COLORS: Look = Look { color: true, unicode: true, emphasis: true };

fn account(path: &str, charged: u64, guaranteed: u64, limit: u64, priority: u8) -> AccountSample {
    AccountSample {
        path: path.to_owned(),
        priority,
        charged_bytes: charged,
        own_bytes: charged,
        guaranteed_bytes: guaranteed,
        soft_bytes: limit,
        limit_bytes: limit,
        peak_bytes: charged + 100 * MIB,
        ..AccountSample::default()
    }
}

fn pooled(account: AccountSample, cached: u64, pending: u64, tags: &[(&str, u64)]) -> AccountSample {
    AccountSample {
        live_bytes: Some(account.charged_bytes - cached - pending),
        cached_bytes: Some(cached),
        pending_bytes: Some(pending),
        internal_fragmentation: Some(0.04),
        external_fragmentation: Some(0.21),
        leases: Some(1_234_567),
        hit_rate: Some(0.93),
        maps: Some(412),
        tags: tags
            .iter()
            .map(|&(tag, live_bytes)| TagSample { tag: tag.to_owned(), live_bytes, leases: 42 })
            .collect(),
        ..account
    }
}

fn host() -> PlaceSample {
    let models = account("models", 7 * GIB, 6 * GIB, 10 * GIB, 9);
    PlaceSample {
        place: "host".to_owned(),
        line_bytes: 20 * GIB,
        carry_bytes: 19 * GIB,
        reserve_bytes: GIB,
        charged_bytes: 12 * GIB,
        peak_bytes: 14 * GIB,
        cached_bytes: 2 * GIB,
        pending_bytes: GIB,
        live_bytes: 4 * GIB,
        level: "normal".to_owned(),
        external_fragmentation: Some(0.21),
        accounts: vec![
            AccountSample { own_bytes: 0, ..models },
            account("models/qwen", 7 * GIB, 6 * GIB, 10 * GIB, 9),
            pooled(
                account("kv", 4 * GIB, 2 * GIB, 8 * GIB, 3),
                2 * GIB,
                GIB,
                &[("attention", GIB), ("draft", MIB)],
            ),
            pooled(account("features", GIB, 0, 6 * GIB, 1), 0, 0, &[("embed", GIB)]),
        ],
        ..PlaceSample::default()
    }
}

fn gpu() -> PlaceSample {
    PlaceSample {
        place: "cuda:0".to_owned(),
        line_bytes: 80 * GIB,
        carry_bytes: 80 * GIB,
        charged_bytes: 77 * GIB,
        peak_bytes: 78 * GIB,
        live_bytes: 70 * GIB,
        cached_bytes: 7 * GIB,
        waiting: 2,
        level: "critical".to_owned(),
        exhausted_in_s: Some(95.0),
        accounts: vec![pooled(
            account("train", 77 * GIB, 40 * GIB, 80 * GIB, 5),
            7 * GIB,
            0,
            &[("grads", 30 * GIB)],
        )],
        ..PlaceSample::default()
    }
}

/// An engine at work, `number` seconds after it began.
pub fn engine(number: u64) -> Sample {
    Sample {
        schema: Sample::SCHEMA,
        number,
        source: SourceSample { program: "engine_at_work".to_owned(), pid: 4242, engine: true },
        at_unix_ms: 1_763_740_445_000 + number * 1_000,
        up_ms: number * 1_000,
        machine: machine(),
        places: vec![host(), gpu()],
        devices: vec![DeviceSample {
            place: "cuda:0".to_owned(),
            name: "NVIDIA H200".to_owned(),
            total_bytes: Some(140 * GIB),
            free_bytes: Some(60 * GIB),
            busy: None,
        }],
        recorder: Some(RecorderSample { recordings: 0, events: 12_345, dropped: 0, threads: 4 }),
        health: Some(HealthSample {
            score: 0.62,
            rating: "fair".to_owned(),
            parts: vec![
                PartSample {
                    name: "headroom".to_owned(),
                    score: Some(0.62),
                    why: "cuda:0 carries 96% of its line".to_owned(),
                },
                PartSample {
                    name: "swap".to_owned(),
                    score: None,
                    why: "this system does not tell".to_owned(),
                },
            ],
            advice: vec!["train: lower its limit by 4 GiB, or move optimizer state to the host.".to_owned()],
        }),
        alerts: vec![AlertSample {
            name: "pressure".to_owned(),
            subject: "cuda:0".to_owned(),
            severity: Severity::Critical,
            value: 0.96,
            threshold: 0.95,
            for_ms: 12_000,
            text: "96% of the line is charged".to_owned(),
        }],
        events: vec![EventSample {
            at_ms: number * 1_000 - 500,
            kind: "evict".to_owned(),
            place: "host".to_owned(),
            account: "features".to_owned(),
            bytes: 3 * MIB,
            detail: format!("embed of round {number}"),
        }],
    }
}

/// A machine of which the system does not tell everything.
pub fn machine() -> MachineSample {
    MachineSample {
        total_bytes: Some(64 * GIB),
        available_bytes: Some(30 * GIB),
        used_bytes: Some(34 * GIB),
        cached_bytes: Some(8 * GIB),
        swap_total_bytes: Some(8 * GIB),
        swap_used_bytes: Some(512 * MIB),
        minor_faults_per_s: Some(1_234.0),
        stalled_some: Some(0.02),
        process_bytes: Some(11 * GIB),
        ..MachineSample::default()
    }
}

/// The machine alone.
pub fn alone() -> Sample {
    Sample {
        source: SourceSample { program: "plimsoll".to_owned(), pid: 1, engine: false },
        places: Vec::new(),
        recorder: None,
        health: None,
        alerts: Vec::new(),
        events: Vec::new(),
        devices: Vec::new(),
        ..engine(5)
    }
}

/// The screen as it would be drawn.
pub fn buffer(app: &App, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, app)).unwrap();
    terminal.backend().buffer().clone()
}

/// The same as lines of text.
pub fn screen(app: &App, width: u16, height: u16) -> Vec<String> {
    let buffer = buffer(app, width, height);
    let rows = buffer.content.chunks(usize::from(width));
    rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned())
        .collect()
}
