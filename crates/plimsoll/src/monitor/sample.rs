//! One sample: plain data, the schema of `plimsoll watch --json` and of what a running engine tells who attaches.
//!
//! What a system does not tell is absent (`null`), never zero. Bytes are whole numbers, shares are fractions of one,
//! rates are by the second. A reader ignores fields that it does not know; fields are added and never change meaning
//! while [`Sample::SCHEMA`] stays the same.

use serde::{Deserialize, Serialize};

/// Everything at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// [`Sample::SCHEMA`].
    pub schema: u32,
    /// Counts up by one a sample.
    pub number: u64,
    /// Who was sampled.
    pub source: SourceSample,
    /// The time of day in milliseconds since 1970. May go back when somebody sets the clock.
    pub at_unix_ms: u64,
    /// Milliseconds since the monitor began. Never goes back.
    pub up_ms: u64,
    /// The machine.
    pub machine: MachineSample,
    /// Places with a line; empty where no engine runs.
    pub places: Vec<PlaceSample>,
    /// Devices beside the host that could be asked.
    pub devices: Vec<DeviceSample>,
    /// What the recorder does; absent where no engine runs.
    pub recorder: Option<RecorderSample>,
    /// How well things stand.
    pub health: Option<HealthSample>,
    /// Alerts that are raised, most severe first.
    pub alerts: Vec<AlertSample>,
    /// What happened since the sample before, oldest first; at most a few dozen.
    pub events: Vec<EventSample>,
}

impl Sample {
    /// The version of this schema.
    pub const SCHEMA: u32 = 1;
}

/// Who was sampled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceSample {
    /// The program's name.
    pub program: String,
    /// Its process.
    pub pid: u32,
    /// Whether an engine runs in it, or only the machine is watched.
    pub engine: bool,
}

/// The whole machine, and this process in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineSample {
    /// What this process may use in all: the memory, or the limit nearest to being hit.
    pub total_bytes: Option<u64>,
    /// What of it could be taken without swapping or hitting that limit.
    pub available_bytes: Option<u64>,
    /// `total` less `available`.
    pub used_bytes: Option<u64>,
    /// File pages that the system keeps and would give up.
    pub cached_bytes: Option<u64>,
    /// Swap space.
    pub swap_total_bytes: Option<u64>,
    /// What of it is used.
    pub swap_used_bytes: Option<u64>,
    /// Written to swap.
    pub swap_out_bytes_per_s: Option<f64>,
    /// Read from swap.
    pub swap_in_bytes_per_s: Option<f64>,
    /// Page faults that needed no disk.
    pub minor_faults_per_s: Option<f64>,
    /// Page faults that did.
    pub major_faults_per_s: Option<f64>,
    /// Share of the last ten seconds in which some task waited for memory (Linux PSI), 0 to 1.
    pub stalled_some: Option<f64>,
    /// Share in which all did.
    pub stalled_full: Option<f64>,
    /// macOS's own level: "normal", "warning", "critical".
    pub system_level: Option<String>,
    /// What this process has in memory.
    pub process_bytes: Option<u64>,
    /// Seconds until nothing is available, if the trend goes on. Absent when it does not point there.
    pub exhausted_in_s: Option<f64>,
}

/// One place with a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaceSample {
    /// "host", "cuda:0".
    pub place: String,
    /// The most that it may carry.
    pub line_bytes: u64,
    /// What accounts may have now: the line less reserves, or less when the system has less.
    pub carry_bytes: u64,
    /// Left to the system.
    pub reserve_bytes: u64,
    /// Everything charged: live, cached, pending, and what is charged without a pool.
    pub charged_bytes: u64,
    /// The most ever charged.
    pub peak_bytes: u64,
    /// Charged with nothing behind it yet.
    pub unbacked_bytes: u64,
    /// The emergency reserve.
    pub emergency_bytes: u64,
    /// What of it is used.
    pub emergency_used_bytes: u64,
    /// Leased from pools.
    pub live_bytes: u64,
    /// Idle in pools.
    pub cached_bytes: u64,
    /// Dropped, and a device may still use it.
    pub pending_bytes: u64,
    /// Requests that wait.
    pub waiting: u64,
    /// "normal", "warning", "critical": the governor's level.
    pub level: String,
    /// 1 − asked ÷ taken of what is leased; absent where nothing is.
    pub internal_fragmentation: Option<f64>,
    /// 1 − largest free ÷ free of what is idle; absent where nothing is.
    pub external_fragmentation: Option<f64>,
    /// Seconds until the line is reached, if the trend goes on. Absent when it does not point there.
    pub exhausted_in_s: Option<f64>,
    /// The accounts here, parents before their children.
    pub accounts: Vec<AccountSample>,
}

/// One account at a place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountSample {
    /// "models/qwen".
    pub path: String,
    /// 0 is asked to shrink first.
    pub priority: u8,
    /// Charged to it and its children.
    pub charged_bytes: u64,
    /// Charged to itself.
    pub own_bytes: u64,
    /// What it can always have.
    pub guaranteed_bytes: u64,
    /// Where its adaptive share stands.
    pub soft_bytes: u64,
    /// The most that it may have.
    pub limit_bytes: u64,
    /// The most that it ever had.
    pub peak_bytes: u64,
    /// Leased from its pool here; absent where it has none, as are the rest.
    pub live_bytes: Option<u64>,
    /// Idle in its pool.
    pub cached_bytes: Option<u64>,
    /// Dropped, and the device may still use it.
    pub pending_bytes: Option<u64>,
    /// 1 − asked ÷ taken of what is leased.
    pub internal_fragmentation: Option<f64>,
    /// 1 − largest free ÷ free of what is idle.
    pub external_fragmentation: Option<f64>,
    /// Leases so far.
    pub leases: Option<u64>,
    /// Share of leases that threads' caches served.
    pub hit_rate: Option<f64>,
    /// How often memory was backed or given back.
    pub maps: Option<u64>,
    /// Its largest tags.
    pub tags: Vec<TagSample>,
}

/// One tag of an account's pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TagSample {
    /// Its name.
    pub tag: String,
    /// Leased now.
    pub live_bytes: u64,
    /// Leases so far.
    pub leases: u64,
}

/// One device that could be asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceSample {
    /// "cuda:0".
    pub place: String,
    /// Its name.
    pub name: String,
    /// Its memory.
    pub total_bytes: Option<u64>,
    /// What of it is free, whoever uses the rest.
    pub free_bytes: Option<u64>,
    /// Share of time in which it worked, where the system tells, 0 to 1.
    pub busy: Option<f64>,
}

/// What the recorder does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RecorderSample {
    /// Recordings that run now.
    pub recordings: u64,
    /// Events so far.
    pub events: u64,
    /// Events that were lost for want of room.
    pub dropped: u64,
    /// Threads that have a ring.
    pub threads: u64,
}

/// How well things stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthSample {
    /// 0 to 1.
    pub score: f64,
    /// "excellent", "good", "fair", "poor", "critical".
    pub rating: String,
    /// What it is made of.
    pub parts: Vec<PartSample>,
    /// What to do, most useful first: whole sentences.
    pub advice: Vec<String>,
}

/// One part of a score.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PartSample {
    /// "swap", "headroom", "fragmentation".
    pub name: String,
    /// 0 to 1; absent where it cannot be known.
    pub score: Option<f64>,
    /// Why, in a few words: "12% of swap in use".
    pub why: String,
}

/// How bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Look at it when there is time.
    #[default]
    Warning,
    /// Look at it now.
    Critical,
}

/// An alert that is raised.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AlertSample {
    /// "pressure", "fragmentation", "swap".
    pub name: String,
    /// What it is about: "machine", "host", "host/kv".
    pub subject: String,
    /// How bad.
    pub severity: Severity,
    /// What was measured.
    pub value: f64,
    /// What it was measured against.
    pub threshold: f64,
    /// How long it has been raised.
    pub for_ms: u64,
    /// A sentence for people.
    pub text: String,
}

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventSample {
    /// [`Sample::up_ms`]'s clock.
    pub at_ms: u64,
    /// "evict", "refuse", "pressure".
    pub kind: String,
    /// "host", "cuda:0".
    pub place: String,
    /// Whose.
    pub account: String,
    /// How much.
    pub bytes: u64,
    /// What else there is to say: a tag, a reason, a level.
    pub detail: String,
}
