//! Programs of a caller's own on a GPU: compiled where they run, and put on streams by address.

use std::sync::Arc;

use plimsoll_device::programs::{Argument, Entry, Launch, Multiply, Series, Source, Threads};
use plimsoll_device::{DeviceError, DeviceId, Fence, Programs, Stream};

use crate::CudaDevice;
use crate::family::View;
use crate::kernels::{Graph, KernelSet};
use crate::operate::launched;

impl<'f> View<'f> {
    fn set(&self) -> Result<&'f KernelSet, DeviceError> {
        self.gpu.enter()?;
        self.gpu.driver.kernels().ok_or_else(|| DeviceError::Unsupported {
            device: self.gpu.probe.name.clone(),
            what: "run programs",
        })
    }
}

impl Programs for CudaDevice {
    fn load(&self, source: &Source<'_>) -> Result<Vec<Entry>, DeviceError> {
        let view = self.view();
        launched(view.gpu, view.set()?.bring(source))
    }

    fn processors(&self) -> u32 {
        self.view().gpu.probe.multiprocessors.max(1)
    }

    fn capability(&self) -> (u32, u32) {
        self.view().gpu.probe.compute
    }

    unsafe fn launch(
        &self,
        stream: Stream,
        entry: Entry,
        threads: Threads,
        arguments: &[Argument<'_>],
    ) -> Result<(), DeviceError> {
        let view = self.view();
        view.lane(stream)?.start(&[], |_, raw| {
            // SAFETY: the caller's promise; the lane's context is current.
            launched(view.gpu, unsafe { KernelSet::launch_entry(raw, entry, threads, arguments) })
        })
    }

    unsafe fn series(&self, launches: &[Launch]) -> Result<Series, DeviceError> {
        let view = self.view();
        let set = view.set()?;
        // SAFETY: the caller's promise; the context is current.
        let graph = launched(view.gpu, unsafe { set.graph(launches) })?;
        Ok(Arc::new((graph, self.id)))
    }

    unsafe fn run(&self, stream: Stream, series: &Series) -> Result<(), DeviceError> {
        let view = self.view();
        let found = series.downcast_ref::<(Graph, DeviceId)>().filter(|(_, of)| *of == self.id);
        let Some((graph, _)) = found else { return Err(DeviceError::WrongDevice) };
        view.lane(stream)?.start(&[], |_, raw| {
            // SAFETY: the caller's promise; the lane's context is current, and the graph is its device's.
            launched(view.gpu, unsafe { KernelSet::run_graph(raw, graph) })
        })
    }

    fn ready_to_multiply(&self, stream: Stream) -> Result<(), DeviceError> {
        let view = self.view();
        let set = view.set()?;
        view.lane(stream)?.start(&[], |_, _| set.blas.ready())
    }

    unsafe fn multiply(&self, stream: Stream, what: &Multiply) -> Result<(), DeviceError> {
        let view = self.view();
        let set = view.set()?;
        view.lane(stream)?.start(&[], |_, raw| {
            // SAFETY: the caller's promise; the lane's context is current.
            launched(view.gpu, unsafe { set.blas.multiply(raw, what) })
        })
    }

    unsafe fn move_bytes(&self, stream: Stream, from: u64, to: u64, bytes: u64) -> Result<(), DeviceError> {
        let view = self.view();
        view.lane(stream)?.start(&[], |driver, raw| {
            // SAFETY: the caller's promise.
            view.gpu.told("copying", unsafe { driver.copy(to, from, bytes, raw) })
        })
    }

    unsafe fn bring(&self, stream: Stream, from: &[u8], to: u64) -> Result<(), DeviceError> {
        let view = self.view();
        let lane = view.lane(stream)?;
        let source = from.as_ptr().expose_provenance() as u64;
        lane.start(&[], |driver, raw| {
            // SAFETY: the caller's promise of the target; the source is borrowed until this call returns, and read by then
            // (or waited for below).
            view.gpu.told("uploading", unsafe { driver.copy(to, source, from.len() as u64, raw) })
        })?;
        // As for every upload: page-locked memory, and memory that the device reads by itself, is read later.
        if view.gpu.probe.pageable || view.gpu.driver.is_pinned(source) { lane.finish() } else { Ok(()) }
    }

    unsafe fn fetch(&self, stream: Stream, from: u64, into: &mut [u8]) -> Result<(), DeviceError> {
        let view = self.view();
        let lane = view.lane(stream)?;
        let target = into.as_mut_ptr().expose_provenance() as u64;
        lane.start(&[], |driver, raw| {
            // SAFETY: the caller's promise of the source; the target is borrowed until this call returns, which is after
            // the copy.
            view.gpu.told("downloading", unsafe { driver.copy(target, from, into.len() as u64, raw) })
        })?;
        lane.finish()
    }

    fn follow(&self, stream: Stream, fence: Fence) -> Result<(), DeviceError> {
        let view = self.view();
        view.lane(stream)?.follow(view.lane(fence.stream)?, fence)
    }
}
