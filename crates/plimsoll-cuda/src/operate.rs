//! The operations of [`Kernels`] on CUDA memory: checked as for every back end, then launched on a stream.

use plimsoll_device::kernels::expand::{self, Expand, ExpandShape};
use plimsoll_device::kernels::nearest::{self, Nearest, NearestRuns, NearestShape, RunsShape, Squares};
use plimsoll_device::kernels::{Kernels, Numbers, Rows, check};
use plimsoll_device::{Bytes, DeviceError, Span, Stream};

use crate::driver::{Driver, RawStream};
use crate::family::View;
use crate::gpu::Gpu;
use crate::kernels::{
    Convert, ExpandAt, ExpandPlan, KernelError, KernelSet, NearestAt, Plan, Program, Route, RowsAt, RunsPlan,
    RunsTables,
};
use crate::memory::Use;
use crate::{CudaDevice, PinnedDevice};

impl View<'_> {
    /// What launches on the stream's GPU, with the code of `program` at hand: compiling takes long and is done before
    /// the stream is locked.
    fn kernels(&self, stream: Stream, program: Program) -> Result<&KernelSet, DeviceError> {
        let gpu = self.lane(stream)?.gpu();
        gpu.enter()?;
        let kernels = gpu.driver.kernels().ok_or_else(|| DeviceError::Unsupported {
            device: gpu.probe.name.clone(),
            what: "run kernels",
        })?;
        launched(gpu, kernels.prepare(program))?;
        Ok(kernels)
    }

    /// A part that a kernel can reach.
    fn operand(&self, span: &Span<'_>) -> Result<Use, DeviceError> {
        let used = self.uses(span)?;
        if used.memory.is_pageable() {
            return Err(DeviceError::Unsupported {
                device: self.gpu.probe.name.clone(),
                what: "run kernels on host memory that the system did not lock; copy it to the device first",
            });
        }
        Ok(used)
    }

    /// Puts a launch on a stream.
    fn launch(
        &self,
        stream: Stream,
        uses: &[&Use],
        work: impl FnOnce(RawStream) -> Result<(), KernelError>,
    ) -> Result<(), DeviceError> {
        let lane = self.lane(stream)?;
        lane.start(uses, |_, raw| launched(lane.gpu(), work(raw)))
    }

    fn copy_rows(&self, stream: Stream, source: Rows<'_>, target: Rows<'_>) -> Result<(), DeviceError> {
        let rows = check::copy_rows(&source, &target)?;
        self.lane(stream)?;
        let (from, to) = (self.operand(&source.span)?, self.operand(&target.span)?);
        if rows.is_empty() {
            return Ok(());
        }
        let kernels = self.kernels(stream, Program::CopyRows)?;
        self.launch(stream, &[&from, &to], |raw| {
            let source = RowsAt { address: from.address(), pitch: rows.source_pitch };
            let target = RowsAt { address: to.address(), pitch: rows.target_pitch };
            // SAFETY: here and below: both parts are checked to be what the operation touches, are held and backed,
            // and the lane's context is current.
            unsafe { kernels.copy_rows(raw, source, target, rows.row, rows.rows) }
        })
    }

    fn fill_pattern(&self, stream: Stream, target: Span<'_>, pattern: &[u8]) -> Result<(), DeviceError> {
        let pattern = check::fill_pattern(&target, pattern)?;
        self.lane(stream)?;
        let to = self.operand(&target)?;
        if pattern.is_empty() {
            return Ok(());
        }
        let kernels = self.kernels(stream, Program::FillPattern)?;
        self.launch(stream, &[&to], |raw| {
            // SAFETY: as above.
            unsafe { kernels.fill_pattern(raw, to.address(), pattern.bytes, pattern.unit) }
        })
    }

    fn convert(&self, stream: Stream, source: Numbers<'_>, target: Numbers<'_>) -> Result<(), DeviceError> {
        let plan = check::convert(&source, &target)?;
        self.lane(stream)?;
        let (from, to) = (self.operand(&source.span)?, self.operand(&target.span)?);
        let scales = source.scales.or(target.scales).map(|scales| self.operand(&scales.span)).transpose()?;
        if plan.is_empty() {
            return Ok(());
        }
        let kernels = self.kernels(stream, Program::Convert)?;
        let convert = Convert {
            from: plan.from,
            source: from.address(),
            to: plan.to,
            target: to.address(),
            scales: scales.as_ref().map_or(0, Use::address),
            count: plan.count,
            group: plan.group,
        };
        let uses: Vec<&Use> = [&from, &to].into_iter().chain(&scales).collect();
        // SAFETY: as above.
        self.launch(stream, &uses, |raw| unsafe { kernels.convert(raw, &convert) })
    }

    fn gather(
        &self,
        stream: Stream,
        source: Span<'_>,
        index: &[u32],
        block: u64,
        target: Span<'_>,
    ) -> Result<(), DeviceError> {
        let blocks = check::gather(&source, index, block, &target)?;
        self.move_blocks(stream, (&source, &target), blocks.is_empty(), |kernels, raw, route, from, to| {
            // SAFETY: as above.
            unsafe { kernels.gather(raw, route, from, index, block, to) }
        })
    }

    fn scatter(
        &self,
        stream: Stream,
        source: Span<'_>,
        index: &[u32],
        block: u64,
        target: Span<'_>,
    ) -> Result<(), DeviceError> {
        let blocks = check::scatter(&source, index, block, &target)?;
        self.move_blocks(stream, (&source, &target), blocks.is_empty(), |kernels, raw, route, from, to| {
            // SAFETY: as above.
            unsafe { kernels.scatter(raw, route, from, index, block, to) }
        })
    }

    fn move_blocks(
        &self,
        stream: Stream,
        (source, target): (&Span<'_>, &Span<'_>),
        nothing: bool,
        work: impl FnOnce(&KernelSet, RawStream, Route, u64, u64) -> Result<(), KernelError>,
    ) -> Result<(), DeviceError> {
        self.lane(stream)?;
        let (from, to) = (self.operand(source)?, self.operand(target)?);
        if nothing {
            return Ok(());
        }
        let linked = from.memory.in_host_memory() || to.memory.in_host_memory();
        let route = if linked { Route::Link } else { Route::Local };
        let kernels = self.kernels(stream, Program::Blocks)?;
        self.launch(stream, &[&from, &to], |raw| work(kernels, raw, route, from.address(), to.address()))
    }

    fn sum(&self, stream: Stream, source: Span<'_>) -> Result<u64, DeviceError> {
        let bytes = check::sum(&source)?;
        let lane = self.lane(stream)?;
        let from = self.operand(&source)?;
        if bytes == 0 {
            return Ok(0);
        }
        let kernels = self.kernels(stream, Program::Sum)?;
        let mut total = [0_u8; 8];
        lane.start(&[&from], |driver, raw| sum_on(lane.gpu(), driver, kernels, raw, &from, &mut total))?;
        lane.finish()?;
        Ok(u64::from_le_bytes(total))
    }

    fn nearest(&self, stream: Stream, ask: &Nearest<'_>) -> Result<(), DeviceError> {
        self.lane(stream)?;
        let used = Searched::of(self, ask)?;
        let shape = nearest::check(ask, self.nearest_desk(&ask.shape))?;
        if shape.is_empty() {
            return Ok(());
        }
        let plan = Plan::of(shape, self.gpu.probe.compute);
        for program in plan.programs() {
            self.kernels(stream, program)?;
        }
        let kernels = self.kernels(stream, plan.programs()[0])?;
        let at = used.at(ask.first);
        // SAFETY: as above; the desk is as large as the plan says.
        self.launch(stream, &used.all(), |raw| unsafe { kernels.nearest(raw, &plan, &at) })
    }

    fn nearest_runs(&self, stream: Stream, asked: &NearestRuns<'_>) -> Result<(), DeviceError> {
        let lane = self.lane(stream)?;
        let ask = &asked.ask;
        let used = Searched::of(self, ask)?;
        let sizes = RunsShape::of(ask.shape, asked.runs);
        let shape = nearest::check_runs(asked, self.nearest_runs_desk(&sizes))?;
        if shape.is_empty() {
            return Ok(());
        }
        let plan = RunsPlan::of(shape, self.gpu.probe.compute);
        let tables = RunsTables::of(shape.nearest.queries, asked.runs, asked.wants, plan.shift(asked));
        for program in plan.programs().into_iter().chain(plan.wide(&tables)) {
            self.kernels(stream, program)?;
        }
        let kernels = self.kernels(stream, plan.programs()[0])?;
        let at = used.at(ask.first);
        let source = tables.bytes.as_ptr().expose_provenance() as u64;
        let gpu = lane.gpu();
        lane.start(&used.all(), |driver, raw| {
            let (to, bytes) = (at.desk + plan.tables(), tables.bytes.len() as u64);
            // SAFETY: the desk is held and backed and has room for the tables, as the check says; those live until this
            // call returns, and are read by then (or waited for below).
            let copied = unsafe { driver.copy(to, source, bytes, raw) };
            gpu.told("bringing runs", copied)?;
            // SAFETY: as above; the tables are there before the kernels begin.
            launched(gpu, unsafe { kernels.nearest_runs(raw, &plan, &at, &tables) })
        })?;
        // As of an upload.
        if gpu.probe.pageable || gpu.driver.is_pinned(source) { lane.finish() } else { Ok(()) }
    }

    fn nearest_runs_desk(&self, shape: &RunsShape) -> Bytes {
        nearest::desk_of(&shape.nearest, || RunsPlan::of(*shape, self.gpu.probe.compute).desk_bytes().get())
    }

    fn nearest_desk(&self, shape: &NearestShape) -> Bytes {
        nearest::desk_of(shape, || Plan::of(*shape, self.gpu.probe.compute).desk_bytes().get())
    }

    fn squares(&self, stream: Stream, ask: &Squares<'_>) -> Result<(), DeviceError> {
        self.lane(stream)?;
        let (rows, target) = (self.operand(&ask.rows)?, self.operand(&ask.target)?);
        let scales = ask.scales.map(|span| self.operand(&span)).transpose()?;
        let shape = nearest::check_squares(ask)?;
        if !self.wants_squares(&shape) {
            return Err(DeviceError::Unsupported {
                device: self.gpu.probe.name.clone(),
                what: "make use of squares of such rows; search without them",
            });
        }
        if shape.rows == 0 {
            return Ok(());
        }
        let kernels = self.kernels(stream, Program::NearestLists)?;
        let at = NearestAt {
            rows: rows.address(),
            scales: scales.as_ref().map_or(0, Use::address),
            squares: target.address(),
            queries: 0,
            mask: 0,
            first: 0,
            lists: 0,
            desk: 0,
        };
        let uses: Vec<&Use> = [&rows, &target].into_iter().chain(&scales).collect();
        // SAFETY: as above; the target has a single for each row.
        self.launch(stream, &uses, |raw| unsafe { kernels.squares(raw, &shape, &at) })
    }

    fn wants_squares(&self, shape: &NearestShape) -> bool {
        Plan::wants_squares(shape, self.gpu.probe.compute)
    }

    fn expand(&self, stream: Stream, ask: &Expand<'_>) -> Result<(), DeviceError> {
        self.lane(stream)?;
        let (levels, scales) = (self.operand(&ask.levels)?, self.operand(&ask.scales)?);
        let (matrix, offsets) = (self.operand(&ask.matrix)?, self.operand(&ask.offsets)?);
        let (target, desk) = (self.operand(&ask.target)?, self.operand(&ask.desk)?);
        let shape = expand::check(ask, self.expand_desk(&ask.shape))?;
        if shape.is_empty() {
            return Ok(());
        }
        let plan = ExpandPlan::of(shape, self.gpu.probe.compute);
        let kernels = self.kernels(stream, Program::Expand)?;
        let at = ExpandAt {
            levels: levels.address(),
            scales: scales.address(),
            matrix: matrix.address(),
            offsets: offsets.address(),
            target: target.address(),
            desk: desk.address(),
        };
        let uses = [&levels, &scales, &matrix, &offsets, &target, &desk];
        // SAFETY: as above; the desk is as large as the plan says.
        self.launch(stream, &uses, |raw| unsafe { kernels.expand(raw, &plan, &at) })
    }

    fn expand_desk(&self, shape: &ExpandShape) -> Bytes {
        expand::desk_of(shape, || ExpandPlan::of(*shape, self.gpu.probe.compute).desk_bytes().get())
    }

    /// Puts a kernel on a stream that faults: from then on the GPU is lost to this process.
    pub(crate) fn lose_on_purpose(&self, stream: Stream) -> Result<(), DeviceError> {
        let kernels = self.kernels(stream, Program::LoseOnPurpose)?;
        // SAFETY: it touches nothing of ours.
        self.launch(stream, &[], |raw| unsafe { kernels.lose_on_purpose(raw) })?;
        // The fault is seen here, and not by whoever comes next.
        let _lost = self.lane(stream)?.finish();
        Ok(())
    }
}

/// What a search uses.
struct Searched {
    rows: Use,
    scales: Option<Use>,
    squares: Option<Use>,
    queries: Use,
    mask: Option<Use>,
    lists: Use,
    desk: Use,
}

impl Searched {
    fn of(view: &View<'_>, ask: &Nearest<'_>) -> Result<Self, DeviceError> {
        let operand = |span: Option<Span<'_>>| span.map(|span| view.operand(&span)).transpose();
        Ok(Self {
            rows: view.operand(&ask.rows)?,
            scales: operand(ask.scales)?,
            squares: operand(ask.squares)?,
            queries: view.operand(&ask.queries)?,
            mask: operand(ask.mask)?,
            lists: view.operand(&ask.lists)?,
            desk: view.operand(&ask.desk)?,
        })
    }

    fn at(&self, first: u32) -> NearestAt {
        let address = |used: &Option<Use>| used.as_ref().map_or(0, Use::address);
        NearestAt {
            rows: self.rows.address(),
            scales: address(&self.scales),
            squares: address(&self.squares),
            queries: self.queries.address(),
            mask: address(&self.mask),
            first,
            lists: self.lists.address(),
            desk: self.desk.address(),
        }
    }

    fn all(&self) -> Vec<&Use> {
        let others = self.scales.iter().chain(&self.squares).chain(&self.mask);
        [&self.rows, &self.queries, &self.lists, &self.desk].into_iter().chain(others).collect()
    }
}

/// The sum is made in eight bytes of the driver's own pool, and arrives in `total` when the stream is past it.
fn sum_on(
    gpu: &Gpu,
    driver: &dyn Driver,
    kernels: &KernelSet,
    raw: RawStream,
    from: &Use,
    total: &mut [u8; 8],
) -> Result<(), DeviceError> {
    // SAFETY: the eight bytes are taken and given back in the order of the stream, and used between. `total` outlives
    // the copy, because the caller waits for the stream.
    unsafe {
        let place = gpu.told("summing", driver.allocate_on(8, raw))?;
        let summed = launched(gpu, kernels.sum(raw, from.address(), from.bytes(), place));
        let into = total.as_mut_ptr().expose_provenance() as u64;
        let copied = summed.and_then(|()| gpu.told("summing", driver.copy(into, place, 8, raw)));
        let freed = gpu.told("summing", driver.free_on(place, raw));
        copied.and(freed)
    }
}

pub(crate) fn launched<T>(gpu: &Gpu, answer: Result<T, KernelError>) -> Result<T, DeviceError> {
    match answer {
        Ok(value) => Ok(value),
        Err(KernelError::Code(error)) => Err(error),
        Err(KernelError::Driver(what, code)) => gpu.told(what, Err(code)),
    }
}

/// Both devices do the same, on the memory of either.
macro_rules! kernels {
    ($($device:ty),*) => {$(
        impl Kernels for $device {
            fn copy_rows(&self, stream: Stream, source: Rows<'_>, target: Rows<'_>) -> Result<(), DeviceError> {
                self.view().copy_rows(stream, source, target)
            }

            fn fill_pattern(&self, stream: Stream, target: Span<'_>, pattern: &[u8]) -> Result<(), DeviceError> {
                self.view().fill_pattern(stream, target, pattern)
            }

            fn convert(&self, stream: Stream, source: Numbers<'_>, target: Numbers<'_>) -> Result<(), DeviceError> {
                self.view().convert(stream, source, target)
            }

            fn gather(
                &self,
                stream: Stream,
                source: Span<'_>,
                index: &[u32],
                block: u64,
                target: Span<'_>,
            ) -> Result<(), DeviceError> {
                self.view().gather(stream, source, index, block, target)
            }

            fn scatter(
                &self,
                stream: Stream,
                source: Span<'_>,
                index: &[u32],
                block: u64,
                target: Span<'_>,
            ) -> Result<(), DeviceError> {
                self.view().scatter(stream, source, index, block, target)
            }

            fn sum(&self, stream: Stream, source: Span<'_>) -> Result<u64, DeviceError> {
                self.view().sum(stream, source)
            }

            fn nearest(&self, stream: Stream, ask: &Nearest<'_>) -> Result<(), DeviceError> {
                self.view().nearest(stream, ask)
            }

            fn nearest_desk(&self, shape: &NearestShape) -> Bytes {
                self.view().nearest_desk(shape)
            }

            fn searches_runs(&self) -> bool {
                true
            }

            fn nearest_runs(&self, stream: Stream, ask: &NearestRuns<'_>) -> Result<(), DeviceError> {
                self.view().nearest_runs(stream, ask)
            }

            fn nearest_runs_desk(&self, shape: &RunsShape) -> Bytes {
                self.view().nearest_runs_desk(shape)
            }

            fn wants_squares(&self, shape: &NearestShape) -> bool {
                self.view().wants_squares(shape)
            }

            fn squares(&self, stream: Stream, ask: &Squares<'_>) -> Result<(), DeviceError> {
                self.view().squares(stream, ask)
            }

            fn expands(&self) -> bool {
                true
            }

            fn expand(&self, stream: Stream, ask: &Expand<'_>) -> Result<(), DeviceError> {
                self.view().expand(stream, ask)
            }

            fn expand_desk(&self, shape: &ExpandShape) -> Bytes {
                self.view().expand_desk(shape)
            }
        }
    )*};
}

kernels!(CudaDevice, PinnedDevice);
