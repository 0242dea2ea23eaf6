//! A sample in which every field has a value.
#![allow(dead_code, reason = "each test file uses a part of this")]

use plimsoll::monitor::{
    AccountSample, AlertSample, DeviceSample, HealthSample, MachineSample, PartSample, PlaceSample,
    RecorderSample, Sample, Severity, SourceSample, TagSample,
};

pub fn full_sample() -> Sample {
    Sample {
        schema: Sample::SCHEMA,
        number: 7,
        source: SourceSample { program: "chat \"one\"\\\n".into(), pid: 42, engine: true },
        at_unix_ms: 1_700_000_000_250,
        up_ms: 7000,
        machine: machine(),
        places: vec![place()],
        devices: vec![DeviceSample {
            place: "cuda:0".into(),
            name: "NVIDIA H200".into(),
            total_bytes: Some(1000),
            free_bytes: Some(400),
            busy: Some(0.5),
        }],
        recorder: Some(RecorderSample { recordings: 1, events: 900, dropped: 3, threads: 4 }),
        health: Some(HealthSample {
            score: 0.75,
            rating: "good".into(),
            parts: vec![
                PartSample { name: "headroom".into(), score: Some(0.75), why: "so".into() },
                PartSample { name: "stalls".into(), score: None, why: "not told".into() },
            ],
            advice: vec!["kv: do this".into()],
        }),
        alerts: vec![AlertSample {
            name: "pressure".into(),
            subject: "host".into(),
            severity: Severity::Critical,
            value: 0.96,
            threshold: 0.95,
            for_ms: 5,
            text: "host: full".into(),
        }],
        events: Vec::new(),
    }
}

fn machine() -> MachineSample {
    MachineSample {
        total_bytes: Some(u64::MAX),
        available_bytes: Some(300),
        used_bytes: Some(700),
        cached_bytes: Some(50),
        swap_total_bytes: Some(100),
        swap_used_bytes: Some(0),
        swap_out_bytes_per_s: Some(1.5),
        swap_in_bytes_per_s: Some(0.0),
        minor_faults_per_s: Some(10.0),
        major_faults_per_s: Some(0.25),
        stalled_some: Some(0.02),
        stalled_full: Some(0.01),
        system_level: Some("warning".into()),
        process_bytes: Some(9),
        exhausted_in_s: Some(61.5),
    }
}

fn place() -> PlaceSample {
    PlaceSample {
        place: "host".into(),
        line_bytes: 1000,
        carry_bytes: 900,
        reserve_bytes: 60,
        charged_bytes: 800,
        peak_bytes: 850,
        unbacked_bytes: 10,
        emergency_bytes: 40,
        emergency_used_bytes: 4,
        live_bytes: 500,
        cached_bytes: 200,
        pending_bytes: 50,
        waiting: 2,
        level: "critical".into(),
        internal_fragmentation: Some(0.1),
        external_fragmentation: Some(0.2),
        exhausted_in_s: Some(30.0),
        accounts: vec![AccountSample {
            path: "models/qwen".into(),
            priority: 3,
            charged_bytes: 800,
            own_bytes: 790,
            guaranteed_bytes: 100,
            soft_bytes: 300,
            limit_bytes: 900,
            peak_bytes: 850,
            live_bytes: Some(500),
            cached_bytes: Some(200),
            pending_bytes: Some(50),
            internal_fragmentation: Some(0.1),
            external_fragmentation: Some(0.2),
            leases: Some(12),
            hit_rate: Some(0.9),
            maps: Some(2),
            tags: vec![TagSample { tag: "weights".into(), live_bytes: 400, leases: 6 }],
        }],
    }
}
