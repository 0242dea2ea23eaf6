//! The suite can fail: devices that break one promise each are caught, by the check that is about it.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plimsoll_device::conformance::{Options, run};
use plimsoll_device::kernels::expand::{Expand, ExpandShape};
use plimsoll_device::kernels::nearest::{Nearest, NearestRuns, NearestShape, Run, RunsShape, Squares};
use plimsoll_device::kernels::{Number, Numbers, Rows};
use plimsoll_device::{
    Bytes, Device, DeviceError, Facts, Fence, FreeError, Kernels, MemoryNow, Region, Request, SimDevice,
    SimSettings, Span, StorageMode, Stream, SyncTo,
};

/// What is wrong with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    None,
    CopyIgnoresOffsets,
    CopyAllowsOverlap,
    CopyLosesLastByte,
    FillLosesLastByte,
    FencesAreEarly,
    WaitDoesNotWait,
    StreamsAreMixedUp,
    FencesAreNeverRefused,
    PrivateIsReadable,
    SyncDoesNothing,
    ZeroIsAllocated,
    AlignmentIsIgnored,
    FreeForgets,
    ForeignIsFreed,
    BackedTwice,
    UnbackedReadsAsZeros,
    DecommitKeeps,
    LossIsHidden,
    SharedIsNotTold,
    RemapDoesNothing,
    RemapIgnoresSizes,
    RowsLoseTheLast,
    PatternsLoseTheLast,
    PatternsGoOn,
    HalvesAreMixedUp,
    ScalesAreForgotten,
    GatherTurnsBlocks,
    ScatterTurnsBlocks,
    SumsIgnorePlaces,
    SearchesIgnoreMasks,
    SearchesForgetLists,
    SearchesStartAtZero,
    SquaresComeToNothing,
    RunsLoseTheLast,
    ExpansionsComeToNothing,
    KernelsLeaveTheirStream,
    KernelsAcceptAnything,
    KernelsUseWhatIsNotBacked,
    KernelsUseForeignRegions,
    KernelsRefuseNothing,
    KernelsHideLoss,
    Panics,
}

#[derive(Debug)]
struct Broken {
    inner: Arc<SimDevice>,
    facts: Facts,
    /// Where kernels go that leave their stream.
    aside: Stream,
    flaw: Flaw,
    lost: AtomicBool,
}

impl Broken {
    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn stream_for(&self, stream: Stream) -> Stream {
        if self.is(Flaw::StreamsAreMixedUp) && stream.0 < 1000 { Stream(0) } else { stream }
    }
}

fn shorter(span: Span<'_>) -> Span<'_> {
    let end = span.end().max(span.offset() + 1) - 1;
    span.region().span(span.offset()..end).unwrap()
}

impl Device for Broken {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn memory(&self) -> Result<MemoryNow, DeviceError> {
        assert!(!self.is(Flaw::Panics), "on purpose");
        self.inner.memory()
    }

    fn allocate(&self, mut request: Request) -> Result<Region, DeviceError> {
        if self.is(Flaw::ZeroIsAllocated) {
            request.bytes = request.bytes.max(Bytes::new(1));
        }
        if self.is(Flaw::AlignmentIsIgnored) && request.align.is_power_of_two() {
            request.align = request.align.min(1 << 62) & 1 | 1;
        }
        self.inner.allocate(request)
    }

    fn reserve(&self, bytes: Bytes, mode: StorageMode) -> Result<Region, DeviceError> {
        self.inner.reserve(bytes, mode)
    }

    fn commit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError> {
        match self.inner.commit(region, range) {
            Err(DeviceError::BadRange { .. }) if self.is(Flaw::BackedTwice) => Ok(()),
            other => other,
        }
    }

    fn decommit(&self, region: &Region, range: Range<u64>) -> Result<(), DeviceError> {
        if self.is(Flaw::DecommitKeeps) {
            return Ok(());
        }
        self.inner.decommit(region, range)
    }

    fn free(&self, region: Region) -> Result<(), FreeError> {
        if self.is(Flaw::FreeForgets) {
            std::mem::forget(region);
            return Ok(());
        }
        match self.inner.free(region) {
            Err(_) if self.is(Flaw::ForeignIsFreed) => Ok(()),
            other => other,
        }
    }

    fn read(&self, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError> {
        match self.inner.read(source, into) {
            Err(DeviceError::NotHostVisible { .. }) if self.is(Flaw::PrivateIsReadable) => Ok(()),
            Err(DeviceError::NotBacked { .. }) if self.is(Flaw::UnbackedReadsAsZeros) => {
                into.fill(0);
                Ok(())
            }
            other => other,
        }
    }

    fn write(&self, target: Span<'_>, from: &[u8]) -> Result<(), DeviceError> {
        self.inner.write(target, from)
    }

    fn stream(&self) -> Result<Stream, DeviceError> {
        self.inner.stream()
    }

    fn copy(&self, stream: Stream, source: Span<'_>, target: Span<'_>) -> Result<(), DeviceError> {
        let stream = self.stream_for(stream);
        if self.is(Flaw::CopyIgnoresOffsets) && !source.overlaps(&target) {
            let start = source.region().span(0..source.bytes().get())?;
            if !start.overlaps(&target) {
                return self.inner.copy(stream, start, target);
            }
        }
        if self.is(Flaw::CopyLosesLastByte) && source.bytes() == target.bytes() {
            return self.inner.copy(stream, shorter(source), shorter(target));
        }
        match self.inner.copy(stream, source, target) {
            Err(DeviceError::Overlap) if self.is(Flaw::CopyAllowsOverlap) => Ok(()),
            other => other,
        }
    }

    fn fill(&self, stream: Stream, target: Span<'_>, value: u8) -> Result<(), DeviceError> {
        let target = if self.is(Flaw::FillLosesLastByte) { shorter(target) } else { target };
        self.inner.fill(self.stream_for(stream), target, value)
    }

    fn upload(&self, stream: Stream, from: &[u8], target: Span<'_>) -> Result<(), DeviceError> {
        self.inner.upload(self.stream_for(stream), from, target)
    }

    fn download(&self, stream: Stream, source: Span<'_>, into: &mut [u8]) -> Result<(), DeviceError> {
        self.inner.download(self.stream_for(stream), source, into)
    }

    fn sync(&self, stream: Stream, span: Span<'_>, to: SyncTo) -> Result<(), DeviceError> {
        if self.is(Flaw::SyncDoesNothing) && span.region().mode() == StorageMode::Managed {
            return Ok(());
        }
        self.inner.sync(stream, span, to)
    }

    fn fence(&self, stream: Stream) -> Result<Fence, DeviceError> {
        self.inner.fence(stream)
    }

    fn signalled(&self, fence: Fence) -> Result<bool, DeviceError> {
        match self.inner.signalled(fence) {
            Ok(false) if self.is(Flaw::FencesAreEarly) => Ok(true),
            Err(DeviceError::UnknownFence(_)) if self.is(Flaw::FencesAreNeverRefused) => Ok(true),
            Err(DeviceError::Lost { .. }) if self.is(Flaw::LossIsHidden) => Ok(true),
            other => other,
        }
    }

    fn wait(&self, fence: Fence, at_most: Duration) -> Result<(), DeviceError> {
        let early = self.is(Flaw::FencesAreEarly) || self.is(Flaw::WaitDoesNotWait);
        if early && !self.lost.load(Ordering::Relaxed) {
            return self.inner.signalled(fence).map(|_| ());
        }
        self.inner.wait(fence, at_most)
    }

    fn remap(&self, region: &Region, from: Range<u64>, to: Range<u64>) -> Result<(), DeviceError> {
        if self.is(Flaw::RemapIgnoresSizes) && !to.is_empty() {
            self.inner.decommit(region, from)?;
            return self.inner.commit(region, to);
        }
        if self.is(Flaw::RemapDoesNothing)
            && to.end.wrapping_sub(to.start) == from.end.wrapping_sub(from.start)
        {
            return Ok(());
        }
        self.inner.remap(region, from, to)
    }

    fn kernels(&self) -> Option<&dyn Kernels> {
        Some(self)
    }
}

impl Broken {
    /// What a kernel says on this device, when it should say `result`.
    fn says(&self, result: Result<(), DeviceError>) -> Result<(), DeviceError> {
        let flaw = match &result {
            Err(DeviceError::BadOperation { .. }) => Flaw::KernelsAcceptAnything,
            Err(DeviceError::NotBacked { .. }) => Flaw::KernelsUseWhatIsNotBacked,
            Err(DeviceError::WrongDevice) => Flaw::KernelsUseForeignRegions,
            Err(DeviceError::Lost { .. }) => Flaw::KernelsHideLoss,
            _ => return result,
        };
        if self.is(flaw) { Ok(()) } else { result }
    }

    fn kernel_stream(&self, stream: Stream) -> Stream {
        if self.is(Flaw::KernelsLeaveTheirStream) { self.aside } else { stream }
    }
}

fn without_last_row(rows: Rows<'_>) -> Rows<'_> {
    let bytes = rows.span.bytes().get();
    let end = rows.span.end() - if bytes > rows.row { rows.pitch } else { 0 };
    Rows { span: rows.span.region().span(rows.span.offset()..end).unwrap(), ..rows }
}

fn turned(index: &[u32]) -> Vec<u32> {
    index.iter().rev().copied().collect()
}

impl Kernels for Broken {
    fn copy_rows(&self, stream: Stream, source: Rows<'_>, target: Rows<'_>) -> Result<(), DeviceError> {
        let (source, target) = if self.is(Flaw::RowsLoseTheLast) {
            (without_last_row(source), without_last_row(target))
        } else {
            (source, target)
        };
        self.says(self.inner.copy_rows(self.kernel_stream(stream), source, target))
    }

    fn fill_pattern(&self, stream: Stream, target: Span<'_>, pattern: &[u8]) -> Result<(), DeviceError> {
        let (start, end, step) = (target.offset(), target.end(), pattern.len() as u64);
        let end = match self.flaw {
            Flaw::PatternsLoseTheLast if end >= start + step => end - step,
            Flaw::PatternsGoOn if end > start && end + step <= target.region().bytes().get() => end + step,
            Flaw::KernelsRefuseNothing if end == start => {
                return Err(DeviceError::BadOperation { what: "a fill", why: "nothing to do".to_owned() });
            }
            _ => end,
        };
        let target = target.region().span(start..end)?;
        self.says(self.inner.fill_pattern(self.kernel_stream(stream), target, pattern))
    }

    fn convert(&self, stream: Stream, source: Numbers<'_>, target: Numbers<'_>) -> Result<(), DeviceError> {
        let mut target = target;
        if self.is(Flaw::HalvesAreMixedUp) && target.number == Number::F16 {
            target.number = Number::Bf16;
        }
        self.says(self.inner.convert(self.kernel_stream(stream), source, target))?;
        match target.scales {
            Some(scales) if self.is(Flaw::ScalesAreForgotten) => self.inner.fill(stream, scales.span, 0),
            _ => Ok(()),
        }
    }

    fn gather(
        &self,
        stream: Stream,
        source: Span<'_>,
        index: &[u32],
        block: u64,
        target: Span<'_>,
    ) -> Result<(), DeviceError> {
        let index = if self.is(Flaw::GatherTurnsBlocks) { &turned(index) } else { index };
        self.says(self.inner.gather(self.kernel_stream(stream), source, index, block, target))
    }

    fn scatter(
        &self,
        stream: Stream,
        source: Span<'_>,
        index: &[u32],
        block: u64,
        target: Span<'_>,
    ) -> Result<(), DeviceError> {
        let index = if self.is(Flaw::ScatterTurnsBlocks) { &turned(index) } else { index };
        self.says(self.inner.scatter(self.kernel_stream(stream), source, index, block, target))
    }

    fn sum(&self, stream: Stream, source: Span<'_>) -> Result<u64, DeviceError> {
        match self.inner.sum(stream, source) {
            Ok(sum) if self.is(Flaw::SumsIgnorePlaces) => Ok(sum & 0xffff_ffff),
            Ok(sum) => Ok(sum),
            Err(error) => self.says(Err(error)).map(|()| 0),
        }
    }

    fn nearest(&self, stream: Stream, ask: &Nearest<'_>) -> Result<(), DeviceError> {
        let mut ask = *ask;
        match self.flaw {
            Flaw::SearchesIgnoreMasks => ask.mask = None,
            Flaw::SearchesForgetLists if !ask.shape.is_empty() => self.inner.fill(stream, ask.lists, 0xff)?,
            Flaw::SearchesStartAtZero if ask.first < 1 << 30 => ask.first = 0,
            _ => {}
        }
        self.says(self.inner.nearest(self.kernel_stream(stream), &ask))
    }

    fn nearest_desk(&self, shape: &NearestShape) -> Bytes {
        self.inner.nearest_desk(shape)
    }

    fn searches_runs(&self) -> bool {
        self.inner.searches_runs()
    }

    fn nearest_runs(&self, stream: Stream, ask: &NearestRuns<'_>) -> Result<(), DeviceError> {
        let odd =
            |run: &Run| if self.is(Flaw::RunsLoseTheLast) && run.rows() > 1 { run.end - 1 } else { run.end };
        let runs: Vec<Run> = ask.runs.iter().map(|run| Run { end: odd(run), ..*run }).collect();
        self.says(self.inner.nearest_runs(self.kernel_stream(stream), &NearestRuns { runs: &runs, ..*ask }))
    }

    fn nearest_runs_desk(&self, shape: &RunsShape) -> Bytes {
        self.inner.nearest_runs_desk(shape)
    }

    fn wants_squares(&self, shape: &NearestShape) -> bool {
        self.inner.wants_squares(shape)
    }

    fn squares(&self, stream: Stream, ask: &Squares<'_>) -> Result<(), DeviceError> {
        self.inner.squares(self.kernel_stream(stream), ask)?;
        if self.is(Flaw::SquaresComeToNothing) {
            self.inner.fill(stream, ask.target, 0)?;
        }
        Ok(())
    }

    fn expands(&self) -> bool {
        self.inner.expands()
    }

    fn expand(&self, stream: Stream, ask: &Expand<'_>) -> Result<(), DeviceError> {
        self.inner.expand(self.kernel_stream(stream), ask)?;
        if self.is(Flaw::ExpansionsComeToNothing) {
            self.inner.fill(stream, ask.target, 0)?;
        }
        Ok(())
    }

    fn expand_desk(&self, shape: &ExpandShape) -> Bytes {
        self.inner.expand_desk(shape)
    }
}

/// The names of the checks that fail.
fn failures(flaw: Flaw) -> Vec<&'static str> {
    let settings = SimSettings {
        total: Bytes::mib(8),
        latency: Duration::from_micros(50),
        bandwidth: Some(Bytes::gib(4)),
        ..SimSettings::default()
    };
    let inner = Arc::new(SimDevice::new(settings).unwrap());
    let mut facts = inner.facts().clone();
    facts.capabilities.shared = flaw != Flaw::SharedIsNotTold;
    let aside = inner.stream().unwrap();
    let broken =
        Arc::new(Broken { inner: Arc::clone(&inner), facts, aside, flaw, lost: AtomicBool::new(false) });
    let device: Arc<dyn Device> = Arc::clone(&broken) as _;
    let options = Options {
        bytes_max: Bytes::kib(256),
        lose: Some(Arc::new(move || {
            broken.lost.store(true, Ordering::Relaxed);
            inner.lose();
        })),
        ..Options::suited(device.facts())
    };
    let report = run(&device, &options);
    report.failures().map(|(name, _)| name).collect()
}

#[test]
fn each_flaw_is_caught_by_the_check_that_is_about_it() {
    for (flaw, check) in [
        (Flaw::CopyIgnoresOffsets, "copies move what they are asked and nothing else"),
        (Flaw::CopyAllowsOverlap, "overlapping copies are refused"),
        (Flaw::CopyLosesLastByte, "copies move what they are asked and nothing else"),
        (Flaw::FillLosesLastByte, "fills write what they are asked and nothing else"),
        (Flaw::FencesAreEarly, "a fence is not early"),
        (Flaw::WaitDoesNotWait, "a fence is not early"),
        (Flaw::StreamsAreMixedUp, "a fence is not early"),
        (Flaw::FencesAreNeverRefused, "a fence that was never issued is refused"),
        (Flaw::PrivateIsReadable, "private memory is not for the host"),
        (Flaw::SyncDoesNothing, "managed memory is brought into step both ways"),
        (Flaw::ZeroIsAllocated, "zero bytes are refused"),
        (Flaw::AlignmentIsIgnored, "alignment is kept"),
        (Flaw::FreeForgets, "free memory follows allocations"),
        (Flaw::ForeignIsFreed, "another device's region is refused and comes back"),
        (Flaw::BackedTwice, "a granule is backed once and given back once"),
        (Flaw::UnbackedReadsAsZeros, "bytes that are not backed are refused"),
        (Flaw::DecommitKeeps, "free memory follows what is backed"),
        (Flaw::LossIsHidden, "a lost device says so and takes regions back"),
        (Flaw::SharedIsNotTold, "modes that are not promised are unsupported"),
        (Flaw::RemapDoesNothing, "backing moves from one part to another"),
        (Flaw::RemapIgnoresSizes, "backing moves from one part to another"),
        (Flaw::RowsLoseTheLast, "rows go from one pitch to another"),
        (Flaw::PatternsLoseTheLast, "a pattern is repeated through its target"),
        (Flaw::PatternsGoOn, "a pattern is repeated through its target"),
        (Flaw::HalvesAreMixedUp, "floats are converted to the bit"),
        (Flaw::ScalesAreForgotten, "numbers go to scaled integers and back"),
        (Flaw::GatherTurnsBlocks, "blocks are gathered as they are named"),
        (Flaw::ScatterTurnsBlocks, "blocks are scattered as they are named"),
        (Flaw::SumsIgnorePlaces, "sums tell bytes and their places apart"),
        (Flaw::SearchesIgnoreMasks, "the nearest rows are found, ties by row"),
        (Flaw::SearchesForgetLists, "lists are filled from the parts of an index"),
        (Flaw::SearchesStartAtZero, "lists are filled from the parts of an index"),
        (Flaw::RunsLoseTheLast, "runs of rows are looked at by the queries that want them"),
        (Flaw::SquaresComeToNothing, "squares of rows are kept for searches"),
        (Flaw::ExpansionsComeToNothing, "rows are expanded as near as they should be"),
        (Flaw::KernelsLeaveTheirStream, "kernels keep the order of their stream"),
        (Flaw::KernelsAcceptAnything, "kernels refuse what does not fit"),
        (Flaw::KernelsUseWhatIsNotBacked, "kernels refuse bytes that are not backed"),
        (Flaw::KernelsUseForeignRegions, "kernels refuse another device's regions"),
        (Flaw::KernelsRefuseNothing, "kernels of no bytes are no work"),
        (Flaw::KernelsHideLoss, "a lost device says so and takes regions back"),
        (Flaw::Panics, "memory is told"),
    ] {
        let found = failures(flaw);
        assert!(found.contains(&check), "{flaw:?} was found by {found:?}, not by {check:?}");
    }
}

#[test]
fn the_wrapper_itself_breaks_nothing() {
    assert_eq!(failures(Flaw::None), [""; 0]);
}
