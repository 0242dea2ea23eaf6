//! Recordings for tests: a training run that never happened, with everything a recording can have.
#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::cast_possible_truncation, reason = "dice are thrown below small numbers")]

use plimsoll::record::{Baseline, Event, Facts, Kind, LineFact, Names, Prediction, Recording, Site, Source};
use plimsoll::{Bytes, Place};

/// Numbers that look random and are the same each time.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most.max(1)
    }
}

pub const TRAIN: u16 = 0;
pub const KV: u16 = 1;
pub const FEATURES: u16 = 2;

const TAGS: [&str; 18] = [
    "",
    "attention",
    "mlp",
    "gradients",
    "optimizer",
    "activations",
    "kv pages",
    "features",
    "embeddings",
    "logits",
    "step",
    "forward",
    "backward",
    "load",
    "<script>alert(1)</script>",
    "dropout & \"norm\"",
    "rope",
    "a tag whose name is longer than anybody would like to see in a table",
];
const STEP: u16 = 10;
const FORWARD: u16 = 11;
const BACKWARD: u16 = 12;

pub fn names() -> Names {
    let source =
        |account: &str, place, align| Source { account: account.into(), place, align: Bytes::new(align) };
    let site = |file: &str, line| Site { file: file.into(), line, column: 9 };
    Names {
        sources: vec![
            source("train", Place::Cuda(0), 512),
            source("kv", Place::Cuda(0), 512),
            source("features", Place::Host, 64),
        ],
        tags: TAGS.iter().map(|tag| (*tag).to_owned()).collect(),
        sites: vec![
            site("", 0),
            site("src/model/attention.rs", 118),
            site("src/model/mlp.rs", 64),
            site("src/optim/adamw.rs", 203),
            site("src/cache/pages.rs", 77),
            site("src/ingest/features.rs", 31),
        ],
        threads: vec!["main".into(), "loader".into()],
    }
}

pub fn facts() -> Facts {
    Facts {
        program: "finetune --model llama-1b".into(),
        started_unix_ms: 1_790_000_000_123,
        duration_ns: 0,
        lines: vec![
            LineFact { place: Place::Cuda(0), line: Bytes::gib(6), charged: Bytes::mib(64) },
            LineFact { place: Place::Host, line: Bytes::gib(1), charged: Bytes::ZERO },
        ],
        predictions: vec![
            Prediction { place: Place::Cuda(0), account: None, bytes: Bytes::gib(4) },
            Prediction { place: Place::Cuda(0), account: Some("kv".into()), bytes: Bytes::mib(600) },
        ],
        baseline: vec![Baseline { source: KV, tag: 6, placed: Bytes::mib(24) }],
        ..Facts::default()
    }
}

/// One pool: blocks in powers of two, in memory that grows by 2 MiB and is given back from the middle.
struct Pool {
    source: u16,
    next: u64,
    backed: u64,
    free: Vec<Vec<u64>>,
    turns: std::collections::HashMap<u64, u8>,
}

const GRANULE: u64 = 2 << 20;

struct Live {
    event: Event,
    class: usize,
}

/// Makes recordings up.
pub struct Maker {
    pub events: Vec<Event>,
    dice: Dice,
    now: u64,
    step_ns: u64,
    pools: Vec<Pool>,
    live: Vec<Live>,
    retired: Vec<Live>,
    /// By source: what it has backed, and the most that it had.
    backed: [(u64, u64); 3],
}

impl Maker {
    pub fn new(seed: u64, step_ns: u64) -> Self {
        let pool = |source: u16| Pool {
            source,
            next: u64::from(source) << 40,
            backed: u64::from(source) << 40,
            free: vec![Vec::new(); 64],
            turns: std::collections::HashMap::new(),
        };
        Self {
            events: Vec::new(),
            dice: Dice::new(seed),
            now: 0,
            step_ns,
            pools: (0..3).map(pool).collect(),
            live: Vec::new(),
            retired: Vec::new(),
            backed: [(0, 0); 3],
        }
    }

    fn push(&mut self, event: Event) {
        self.now += self.dice.below(2 * self.step_ns);
        let (now, most) = &mut self.backed[usize::from(event.source)];
        match event.kind {
            Kind::Back => *now += event.bytes,
            // What there was before was never told.
            Kind::GiveBack => *now = now.saturating_sub(event.bytes),
            _ => {}
        }
        *most = (*most).max(*now);
        self.events.push(Event { at_ns: self.now, ..event });
    }

    fn place(&mut self, source: u16, bytes: u64) -> (u64, usize) {
        let class = bytes.max(512).next_power_of_two().trailing_zeros() as usize;
        let size = 1_u64 << class;
        let pool = &mut self.pools[usize::from(source)];
        if let Some(address) = pool.free[class].pop() {
            return (address, class);
        }
        let address = pool.next.next_multiple_of(size.min(GRANULE));
        pool.next = address + size;
        let (from, to) = (pool.backed, pool.next.next_multiple_of(GRANULE));
        if to > from {
            pool.backed = to;
            let back = Event { source, address: from, bytes: to - from, ..Event::new(Kind::Back) };
            self.push(back);
            self.push(Event { source, bytes: to - from, ..Event::new(Kind::Charge) });
        }
        (address, class)
    }

    /// A lease that is older than the recording.
    pub fn already(&mut self, source: u16, bytes: u64) {
        let pool = &mut self.pools[usize::from(source)];
        let class = bytes.max(512).next_power_of_two().trailing_zeros() as usize;
        let address = pool.next;
        pool.next += 1 << class;
        pool.backed = pool.backed.max(pool.next.next_multiple_of(GRANULE));
        let event = Event { source, address, bytes, ..Event::new(Kind::Already) };
        self.events.push(event);
        self.live.push(Live { event: Event { tag: 6, ..event }, class });
    }

    pub fn lease(&mut self, event: Event) {
        let (address, class) = self.place(event.source, event.bytes);
        let turn = self.pools[usize::from(event.source)].turns.entry(address).or_default();
        *turn = turn.wrapping_add(1);
        let event = Event { address, turn: *turn, kind: Kind::Lease, ..event };
        self.push(event);
        self.live.push(Live { event, class });
    }

    /// Ends a lease: now, or when the device is done with it.
    pub fn end(&mut self, at: usize) {
        let ended = self.live.swap_remove(at);
        let retire = self.dice.below(8) == 0;
        let kind = if retire { Kind::Retire } else { Kind::Drop };
        self.push(Event { kind, ..ended.event });
        if retire {
            self.retired.push(ended);
        } else {
            self.free(&ended);
        }
        if self.retired.len() > 16 {
            let settled = self.retired.remove(0);
            self.push(Event { kind: Kind::Settle, ..settled.event });
            self.free(&settled);
        }
    }

    fn free(&mut self, ended: &Live) {
        let Event { source, address, .. } = ended.event;
        let size = 1_u64 << ended.class;
        if size >= 2 * GRANULE && address.is_multiple_of(GRANULE) && self.dice.below(3) == 0 {
            self.push(Event { source, address, bytes: size, ..Event::new(Kind::GiveBack) });
            self.push(Event { source, bytes: size, ..Event::new(Kind::Discharge) });
        } else {
            self.pools[usize::from(source)].free[ended.class].push(address);
        }
    }

    fn any(&mut self, events: usize) -> Event {
        // Activations grow forwards and shrink backwards, step after step.
        let progress = self.events.len() * 24 / events.max(1) % 2;
        let scope = if progress == 0 { FORWARD } else { BACKWARD };
        let tag = 1 + self.dice.below(9) as u16;
        let rare = self.dice.below(200);
        let tag = if rare < 3 { 14 + rare as u16 } else { tag };
        let size = 1 << (9 + self.dice.below(13));
        let bytes = size + self.dice.below(size);
        let (source, line, stream) = match tag {
            6 => (KV, 4, 1),
            7 | 8 => (FEATURES, 5, Event::NO_STREAM),
            _ => (TRAIN, 1 + self.dice.below(3) as u16, 0),
        };
        let tag = if self.dice.below(12) == 0 { 0 } else { tag };
        let thread = u16::from(source == FEATURES);
        Event { bytes, source, tag, scope, site: line, stream, thread, ..Event::new(Kind::Lease) }
    }

    fn odd_one(&mut self) {
        let event = match self.dice.below(12) {
            0..=6 => Event {
                source: FEATURES,
                bytes: 4096 + self.dice.below(1 << 20),
                tag: 7,
                address: self.dice.below(3),
                ..Event::new(Kind::Evict)
            },
            7..=9 => Event {
                source: self.dice.below(3) as u16,
                bytes: 1 << (20 + self.dice.below(8)),
                tag: 5,
                address: self.dice.below(6),
                ..Event::new(Kind::Refuse)
            },
            10 => Event {
                source: TRAIN,
                bytes: (6 << 30) - self.dice.below(1 << 30),
                address: self.dice.below(3),
                ..Event::new(Kind::Pressure)
            },
            _ => Event { tag: 13, ..Event::new(Kind::Mark) },
        };
        self.push(event);
    }

    pub fn run(mut self, events: usize) -> Recording {
        for _ in 0..6 {
            self.already(KV, 4 << 20);
        }
        self.already(TRAIN, 1 << 20);
        let mut wave = usize::MAX;
        while self.events.len() < events {
            let now = self.events.len() * 24 / events;
            if now != wave {
                if wave != usize::MAX {
                    self.push(Event {
                        tag: if wave.is_multiple_of(2) { FORWARD } else { BACKWARD },
                        ..Event::new(Kind::Leave)
                    });
                }
                if now.is_multiple_of(2) {
                    if wave != usize::MAX {
                        self.push(Event { tag: STEP, ..Event::new(Kind::Leave) });
                    }
                    self.push(Event { tag: STEP, ..Event::new(Kind::Enter) });
                }
                self.push(Event {
                    tag: if now.is_multiple_of(2) { FORWARD } else { BACKWARD },
                    ..Event::new(Kind::Enter)
                });
                wave = now;
            }
            let grow = if now.is_multiple_of(2) { 56 } else { 43 };
            if self.live.is_empty() || (self.live.len() < 6000 && self.dice.below(100) < grow) {
                let event = self.any(events);
                self.lease(event);
            } else {
                // Mostly what is young.
                let far = self.dice.below(4) == 0;
                let back = self.dice.below(if far { 6000 } else { 200 });
                let at = self.live.len() - 1 - (back as usize).min(self.live.len() - 1);
                self.end(at);
            }
            if self.dice.below(events as u64 / 100 + 1) == 0 {
                self.odd_one();
            }
        }
        // The line is a little above what the pools came to, and the plan a little below.
        let backed = |source: usize| self.backed[source].1;
        let cuda = backed(0) + backed(1);
        let mut facts = Facts { duration_ns: self.now + self.step_ns, ..facts() };
        facts.lines[0].line = Bytes::new((cuda + cuda / 8).next_multiple_of(64 << 20));
        facts.lines[1].line = Bytes::new((2 * backed(2)).next_multiple_of(64 << 20));
        facts.predictions[0].bytes = Bytes::new((cuda - cuda / 9).next_multiple_of(GRANULE));
        facts.predictions[1].bytes = Bytes::new((backed(1) + backed(1) / 3).next_multiple_of(GRANULE));
        Recording::from_events(facts, names(), self.events)
    }
}

/// A recording of about so many events.
pub fn synthetic(events: usize, seed: u64) -> Recording {
    Maker::new(seed, 40_000_000_000 / events.max(1) as u64).run(events)
}
