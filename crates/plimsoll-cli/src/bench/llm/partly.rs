//! A model of which only some layers stay on a device: how fast it is beside the link that brings the others, and beside the host.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plimsoll::{Bytes, Place};
use plimsoll_device::{Device, DeviceError, Region, Request, StorageMode, Stream};
use plimsoll_llm::{Batch, Crew, Decoder, DeviceRoom, DeviceSplit};
use serde::Serialize;

use super::ground::Ground;
use super::measure::{Members, layout, rate, reading, text};
use super::report::Choice;
use super::{LlmArgs, LlmBenchError};
use crate::Printer;
use crate::backends::Backends;
use crate::bench::made_up::ModelFile;
use crate::bench::median;
use crate::draw::{Align, Pen, Style, Table};

/// Tokens of a prompt: whole passes, whatever their length.
const PROMPT: usize = 6144;
/// Sequences that step together.
const TOGETHER: usize = 16;
/// Tokens that a sequence has at most.
const MOST: usize = 500;
/// What is copied at a time to see how fast the link is.
const COPIED: Bytes = Bytes::mib(256);
/// Copies for a figure.
const COPIES: u32 = 8;
const LONGEST: Duration = Duration::from_mins(1);
/// What decoding should reach of the link.
const TARGET: f64 = 0.9;

/// What was measured of one division.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartlyRow {
    /// How much of the memory that all of it takes there.
    pub part: f64,
    /// What it takes there: weights, slots, and what a sequence works with.
    pub device_bytes: u64,
    /// Layers that stay, and those that come.
    pub layers: [usize; 2],
    /// What comes with a pass.
    pub pass_bytes: u64,
    /// Tokens of a prompt that a pass has at most.
    pub side_by_side: usize,
    /// Tokens a second of a prompt.
    pub prompt_per_s: f64,
    /// Tokens a second that one sequence writes, and several together.
    pub written_per_s: [f64; 2],
    /// How much of the link's speed both were.
    pub of_link: [f64; 2],
}

/// What was measured of all of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartlyReport {
    /// What a plain copy from page-locked memory moves a second.
    pub link_gb_per_s: f64,
    /// Tokens a second that one sequence writes on the host.
    pub host_per_s: f64,
    /// The figures.
    pub rows: Vec<PartlyRow>,
}

pub(super) fn report(args: &LlmArgs, file: &ModelFile, place: Place) -> Result<PartlyReport, LlmBenchError> {
    let backends = Backends::new(Printer::notice());
    let failed = |why| LlmBenchError::Place { place, why: Box::new(why) };
    let device = backends.open(place).map_err(failed)?;
    let pinned = backends.beside(place).map_err(failed)?.ok_or(LlmBenchError::Beside { place })?;
    let open = || Decoder::open(file.path());
    let (mut rows, mut link) = (Vec::new(), Vec::new());
    for (part, split) in splits(&open()?, device.facts().granule) {
        let (decoder, ground) = Ground::divided(open()?, (&device, &pinned), &split)?;
        let prompt_per_s = prompt(args, &decoder, &ground)?;
        let meter = Link::open(&device, &pinned)?;
        let (mut written_per_s, mut of_link) = ([0.0; 2], [0.0; 2]);
        for (at, count) in [1, TOGETHER].into_iter().enumerate() {
            let (written, rates, of) = written(args, &decoder, &ground, count, || meter.rate())?;
            (written_per_s[at], of_link[at]) = (written, of);
            link.extend(rates);
        }
        let DeviceSplit { come, pass_bytes, side_by_side, .. } = split;
        let (device_bytes, layers) = (split.bytes(1), [split.stay(), come]);
        rows.push(PartlyRow {
            part,
            device_bytes,
            layers,
            pass_bytes,
            side_by_side,
            prompt_per_s,
            written_per_s,
            of_link,
        });
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let host = open()?.with_crew(Arc::new(Crew::new(threads)));
    let (host, ground) = Ground::host(host, threads)?;
    let (host_per_s, ..) = written(args, &host, &ground, 1, || Ok(0.0))?;
    Ok(PartlyReport { link_gb_per_s: median(link) / 1e9, host_per_s, rows })
}

/// All of it, three quarters of what that takes, a half, a quarter, and the least.
fn splits(decoder: &Decoder, granule: u64) -> Vec<(f64, DeviceSplit)> {
    let within = |bytes| decoder.split_within(&layout(decoder), &DeviceRoom { bytes, workings: 1, granule });
    let Ok(whole) = within(u64::MAX) else { return Vec::new() };
    let all = whole.bytes(1);
    let mut splits: Vec<DeviceSplit> =
        [4, 3, 2, 1].into_iter().filter_map(|part| within(all / 4 * part).ok()).collect();
    if let Err(floor) = within(0) {
        splits.extend(within(floor.least));
    }
    // A quarter may be the least.
    splits.dedup();
    #[expect(clippy::cast_precision_loss, reason = "a part of a size")]
    let part = |split: &DeviceSplit| split.bytes(1) as f64 / all as f64;
    splits.into_iter().map(|split| (part(&split), split)).collect()
}

fn prompt(args: &LlmArgs, decoder: &Arc<Decoder>, ground: &Ground) -> Result<f64, LlmBenchError> {
    let tokens = if args.quick { args.prompt() } else { PROMPT };
    reading(args, decoder, ground, &text(decoder, tokens.min(decoder.shape().context / 4 * 3)))
}

/// Tokens a second, the link's speed before and after each turn, and how much of that was reached.
fn written(
    args: &LlmArgs,
    decoder: &Arc<Decoder>,
    ground: &Ground,
    count: usize,
    link: impl Fn() -> Result<f64, DeviceError>,
) -> Result<(f64, Vec<f64>, f64), LlmBenchError> {
    let mut batch = Batch::begin(decoder, &layout(decoder))?;
    let mut members = Members::begin(decoder, ground, &mut batch, (count, Choice::Likeliest))?;
    let before = members.lens[0];
    #[expect(clippy::cast_precision_loss, reason = "a size, for a rate")]
    let pass = decoder.device_split().map_or(0.0, |split| split.pass_bytes as f64);
    let (mut rates, mut links, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..=args.turns() {
        members.lens.fill(before);
        let first = link()?;
        // What the copies displaced in slots is nothing, but the first step behind a pause finds its first layers there.
        members.step(&mut batch, Choice::Likeliest)?;
        let (began, mut steps) = (Instant::now(), 0);
        while began.elapsed() < args.patience() && members.lens[0] < decoder.shape().context.min(MOST) {
            members.step(&mut batch, Choice::Likeliest)?;
            steps += 1;
        }
        let per_second = rate(steps, began);
        if turn == 0 {
            continue;
        }
        let link = f64::midpoint(first, link()?);
        #[expect(clippy::cast_precision_loss, reason = "a count, for a rate")]
        rates.push(per_second * count as f64);
        parts.push(per_second * pass / link.max(1.0));
        links.push(link);
    }
    Ok((median(rates), links, median(parts)))
}

/// A piece of page-locked memory, and one of a device to which it is copied.
struct Link {
    device: Arc<dyn Device>,
    pinned: Arc<dyn Device>,
    stream: Stream,
    /// None only while they are being given back.
    regions: Option<[Region; 2]>,
}

impl Link {
    fn open(device: &Arc<dyn Device>, pinned: &Arc<dyn Device>) -> Result<Self, DeviceError> {
        let stream = device.stream()?;
        let from = pinned.allocate(Request::new(COPIED, StorageMode::Shared))?;
        let to = match device.allocate(Request::new(COPIED, StorageMode::Private)) {
            Ok(to) => to,
            Err(error) => {
                drop(pinned.free(from));
                return Err(error);
            }
        };
        let (device, pinned) = (Arc::clone(device), Arc::clone(pinned));
        Ok(Self { device, pinned, stream, regions: Some([from, to]) })
    }

    /// Bytes a second.
    fn rate(&self) -> Result<f64, DeviceError> {
        let Some([from, to]) = &self.regions else { return Ok(0.0) };
        let mut took = Duration::ZERO;
        // The first one waits for what a model brings still.
        for times in [1, COPIES] {
            let began = Instant::now();
            for _ in 0..times {
                self.device.copy(self.stream, from.whole(), to.whole())?;
            }
            self.device.wait(self.device.fence(self.stream)?, LONGEST)?;
            took = began.elapsed();
        }
        #[expect(clippy::cast_precision_loss, reason = "a count, for a rate")]
        let bytes = (u64::from(COPIES) * from.bytes().get()) as f64;
        Ok(bytes / took.as_secs_f64())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let Some([from, to]) = self.regions.take() else { return };
        // A device that cannot take it back keeps it until it is closed.
        drop((self.pinned.free(from), self.device.free(to)));
    }
}

impl PartlyReport {
    /// Draws it.
    pub(super) fn view(&self, pen: &Pen) -> String {
        let heading = format!(
            "\nwith less of the device's memory: page-locked memory is copied there at {:.1} GB/s; the host alone writes {:.1} tokens a second\n\n",
            self.link_gb_per_s, self.host_per_s
        );
        let right = Align::Right;
        let mut table = Table::new([
            ("there", right),
            ("of all", right),
            ("layers stay", right),
            ("come", right),
            ("a pass", right),
            ("prompt/s", right),
            ("1/s", right),
            ("of the link", right),
            ("16/s", right),
            ("of the link", right),
            ("", Align::Left),
        ]);
        for row in &self.rows {
            let comes = row.layers[1] > 0;
            let part = |part: f64| if comes { format!("{part:.2}") } else { String::new() };
            let verdict = match comes {
                false => "",
                true if row.of_link.iter().all(|part| *part >= TARGET) => "reached",
                true => "MISSED",
            };
            table.row(
                [
                    Bytes::new(row.device_bytes).to_string(),
                    format!("{:.2}", row.part),
                    row.layers[0].to_string(),
                    row.layers[1].to_string(),
                    Bytes::new(row.pass_bytes).to_string(),
                    format!("{:.0} ({})", row.prompt_per_s, row.side_by_side),
                    format!("{:.1}", row.written_per_s[0]),
                    part(row.of_link[0]),
                    format!("{:.1}", row.written_per_s[1]),
                    part(row.of_link[1]),
                    verdict.to_owned(),
                ]
                .map(Into::into),
            );
        }
        pen.paint(Style::Bold, &heading) + &table.draw(pen)
    }
}
