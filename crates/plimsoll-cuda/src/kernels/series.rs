//! Launches that are run again and again: a graph of the driver's.

use std::ffi::{c_uint, c_void};
use std::ptr;

use cudarc::driver::sys;
use plimsoll_device::programs::Launch;

use super::launch::{KernelError, KernelSet, told};
use crate::driver::RawStream;

/// A graph that can be put on streams.
pub(crate) struct Graph(sys::CUgraphExec);

// SAFETY: the driver's graphs may be used by any thread; one is put on streams under a lane's lock, and closed once.
unsafe impl Send for Graph {}
// SAFETY: as above; nothing of it is changed when it is put on a stream.
unsafe impl Sync for Graph {}

/// A graph while it is written.
struct Draft(sys::CUgraph);

impl Drop for Draft {
    fn drop(&mut self) {
        // SAFETY: it was made by the driver, and what was made of it does not need it.
        let _closed = unsafe { sys::cuGraphDestroy(self.0) };
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: it was made by the driver and nobody has it any more; where it runs still, the driver waits with taking it away.
        let _closed = unsafe { sys::cuGraphExecDestroy(self.0) };
    }
}

impl KernelSet {
    /// Puts launches together, each behind the one before. The context is current.
    ///
    /// # Safety
    /// As for each of them.
    pub(crate) unsafe fn graph(launches: &[Launch]) -> Result<Graph, KernelError> {
        const WHAT: &str = "putting launches together";
        let mut graph = ptr::null_mut();
        // SAFETY: the context is current and the pointer is to a live value.
        told(WHAT, unsafe { sys::cuGraphCreate(&raw mut graph, 0) })?;
        let draft = Draft(graph);
        let mut before: Option<sys::CUgraphNode> = None;
        for launch in launches {
            // A pointer to each argument; eight bytes lie at a multiple of four, which the driver does not mind: it copies them.
            let mut pointers: Vec<*mut c_void> =
                launch.arguments.iter().map(|words| words.as_ptr().cast_mut().cast()).collect();
            let [x, y, z] = launch.threads.blocks;
            let function = ptr::with_exposed_provenance_mut(usize::try_from(launch.entry.0).unwrap_or(0));
            // SAFETY: all of it is numbers and pointers, for which zeros are valid.
            let mut node: sys::CUDA_KERNEL_NODE_PARAMS = unsafe { std::mem::zeroed() };
            node.func = function;
            (node.gridDimX, node.gridDimY, node.gridDimZ) = (x, y, z);
            (node.blockDimX, node.blockDimY, node.blockDimZ) = (launch.threads.each, 1, 1);
            node.sharedMemBytes = launch.threads.shared as c_uint;
            node.kernelParams = pointers.as_mut_ptr();
            let mut made = ptr::null_mut();
            let behind = before.as_ref().map_or(ptr::null(), ptr::from_ref);
            let count = usize::from(before.is_some());
            // SAFETY: the caller's promise of the launch; its arguments are copied before the call returns.
            let added = unsafe {
                sys::cuGraphAddKernelNode_v2(&raw mut made, draft.0, behind, count, &raw const node)
            };
            told(WHAT, added)?;
            before = Some(made);
        }
        let mut whole = ptr::null_mut();
        // SAFETY: the graph is whole, and the pointer is to a live value.
        told(WHAT, unsafe { sys::cuGraphInstantiateWithFlags(&raw mut whole, draft.0, 0) })?;
        Ok(Graph(whole))
    }

    /// Puts a graph on a stream.
    ///
    /// # Safety
    /// The context is current, and it is the graph's; and as for each of its launches.
    pub(crate) unsafe fn run_graph(stream: RawStream, graph: &Graph) -> Result<(), KernelError> {
        // SAFETY: the caller's promise.
        told("running launches that were put together", unsafe {
            sys::cuGraphLaunch(graph.0, super::launch::raw(stream))
        })
    }
}
