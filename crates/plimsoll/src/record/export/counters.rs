//! Counters that are written less often than they change, without losing a peak.

use std::io::{self, Write};

use super::out::Out;

/// Counters are written at most so often over the length of a recording.
const TICKS: u64 = 20_000;

/// Several numbers that are drawn together.
#[derive(Clone, Debug)]
struct Counter {
    process: u64,
    name: String,
    series: Vec<&'static str>,
    now: Vec<Option<u64>>,
    most: Vec<Option<u64>>,
    dirty: bool,
}

/// All counters of a trace.
#[derive(Debug)]
pub(super) struct Counters {
    tick_ns: u64,
    tick: u64,
    last_ns: u64,
    all: Vec<Counter>,
    dirty: Vec<usize>,
}

impl Counters {
    pub(super) fn new(duration_ns: u64) -> Self {
        let tick_ns = (duration_ns / TICKS).max(1);
        Self { tick_ns, tick: 0, last_ns: 0, all: Vec::new(), dirty: Vec::new() }
    }

    pub(super) fn add(&mut self, process: u64, name: String, series: Vec<&'static str>) -> usize {
        let none = vec![None; series.len()];
        self.all.push(Counter { process, name, series, now: none.clone(), most: none, dirty: false });
        self.all.len() - 1
    }

    /// Time goes on: what is done is written.
    pub(super) fn advance<W: Write>(&mut self, at_ns: u64, out: &mut Out<W>) -> io::Result<()> {
        if at_ns / self.tick_ns != self.tick {
            self.flush(out)?;
            self.tick = at_ns / self.tick_ns;
        }
        self.last_ns = at_ns;
        Ok(())
    }

    pub(super) fn set(&mut self, number: usize, values: &[Option<u64>]) {
        let counter = &mut self.all[number];
        if counter.dirty {
            for (most, value) in counter.most.iter_mut().zip(values) {
                *most = (*most).max(*value);
            }
        } else {
            if counter.now == values {
                return;
            }
            counter.dirty = true;
            counter.most.copy_from_slice(values);
            self.dirty.push(number);
        }
        counter.now.copy_from_slice(values);
    }

    /// The most within the tick, and then, if it fell since, where it ended.
    pub(super) fn flush<W: Write>(&mut self, out: &mut Out<W>) -> io::Result<()> {
        for number in self.dirty.drain(..) {
            let counter = &mut self.all[number];
            counter.dirty = false;
            write(out, counter, &counter.most, self.last_ns)?;
            if counter.most != counter.now {
                write(out, counter, &counter.now, self.last_ns.saturating_add(1))?;
            }
        }
        Ok(())
    }
}

fn write<W: Write>(
    out: &mut Out<W>,
    counter: &Counter,
    values: &[Option<u64>],
    at_ns: u64,
) -> io::Result<()> {
    out.raw(",\n{\"ph\":\"C\",\"pid\":").number(counter.process).raw(",\"ts\":");
    micros(out, at_ns).raw(",\"name\":").json(&counter.name).raw(",\"args\":{");
    let mut first = true;
    for (series, value) in counter.series.iter().zip(values) {
        if let Some(value) = value {
            out.raw(if first { "" } else { "," }).json(series).raw(":").number(*value);
            first = false;
        }
    }
    out.raw("}}");
    out.row()
}

/// A time in microseconds, nanoseconds behind the point.
pub(super) fn micros<W: Write>(out: &mut Out<W>, at_ns: u64) -> &mut Out<W> {
    out.number(at_ns / 1000).raw(".").padded(at_ns % 1000, 3)
}
