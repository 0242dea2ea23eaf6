//! What stands around the cards: processor and memory, from a few words.

use plimsoll::Bytes;

use super::{Processor, Rate};
use crate::catalogue::names::words;

/// A host as it is written: "64g", "128g-ddr4", "512g-8ch", "cpu-768g-ddr5-12ch-96c".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) gib: u32,
    old: bool,
    channels: u32,
    cores: u32,
}

impl Host {
    /// So much memory in the way that such machines mostly have it: two channels, and eight where it is much.
    pub(super) const fn of(gib: u32) -> Self {
        let channels = if gib > 256 { 8 } else { 2 };
        Self { gib, old: false, channels, cores: channels * 4 }
    }

    /// Reads the words; `None` where one of them is none of a host's.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let words = words(text);
        let mut rest =
            words.iter().map(String::as_str).skip_while(|word| matches!(*word, "cpu" | "ram" | "host"));
        let gib = number(rest.next()?, "g").filter(|gib| (1..=16384).contains(gib))?;
        let mut host = Self::of(gib);
        let mut cores = None;
        while let Some(word) = rest.next() {
            match word {
                "ddr" => host.old = rest.next()? == "4",
                word => match (number(word, "ch"), number(word, "c")) {
                    (Some(channels @ 1..=24), _) => host.channels = channels,
                    (_, Some(count @ 1..=1024)) => cores = Some(count),
                    _ => return None,
                },
            }
        }
        host.cores = cores.unwrap_or(host.channels * 4);
        Some(host)
    }

    /// The name that reads back as this host.
    pub(super) fn name(self) -> String {
        let Self { gib, old, channels, cores } = self;
        let sort = if old { "-ddr4" } else { "" };
        let few = channels == Self::of(gib).channels;
        let channels_named = if few { String::new() } else { format!("-{channels}ch") };
        let cores_named = if cores == channels * 4 { String::new() } else { format!("-{cores}c") };
        format!("{gib}g{sort}{channels_named}{cores_named}")
    }

    /// GB a second of all channels: DDR4-3200, DDR5-5600 on desktops, DDR5-4800 on servers.
    fn gb_per_s(self) -> f64 {
        let channel = match (self.old, self.channels) {
            (true, _) => 25.6,
            (false, ..=2) => 44.8,
            (false, _) => 38.4,
        };
        f64::from(self.channels) * channel
    }

    /// For people: "64 GB DDR5, 2 channels".
    pub(super) fn title(self) -> String {
        let sort = if self.old { "DDR4" } else { "DDR5" };
        format!("{} GB {sort}, {} channels", self.gib, self.channels)
    }

    pub(super) fn processor(self) -> Processor {
        let memory = Bytes::gib(self.gib.into());
        Processor {
            cores: self.cores,
            memory,
            usable: memory.saturating_sub(system(memory)),
            bandwidth: Rate::new(self.gb_per_s() * 1e9),
            // Two units a core, eight numbers wide, a multiplication and a sum each, four thousand million times a second.
            flops: Some(f64::from(self.cores) * 1.28e11),
        }
    }
}

/// What the system and its own programs keep: a sixteenth, at least one and at most eight GiB.
fn system(memory: Bytes) -> Bytes {
    Bytes::new((memory.get() / 16).clamp(Bytes::gib(1).get(), Bytes::gib(8).get()))
}

/// The number before a unit.
pub(super) fn number(word: &str, unit: &str) -> Option<u32> {
    word.strip_suffix(unit)?.parse().ok()
}
