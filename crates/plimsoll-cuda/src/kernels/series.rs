//! Launches that are run again and again: a graph of the driver's.

use std::ffi::{c_uint, c_void};
use std::ptr;

use cudarc::driver::sys;
use plimsoll_device::programs::Launch;

use super::launch::{KernelError, KernelSet, told};
use crate::driver::RawStream;

/// Where a kernel can begin before the one in front has ended, and wait for it by itself: from this generation and this driver on.
const EARLY: (u32, u32) = (9, 0);
const EARLY_DRIVER: i32 = 12_030;

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
    /// Puts launches together, each behind the one before, or beginning early where it may and the GPU can. The context is current.
    ///
    /// # Safety
    /// As for each of them.
    pub(crate) unsafe fn graph(&self, launches: &[Launch]) -> Result<Graph, KernelError> {
        const WHAT: &str = "putting launches together";
        let mut graph = ptr::null_mut();
        // SAFETY: the context is current and the pointer is to a live value.
        told(WHAT, unsafe { sys::cuGraphCreate(&raw mut graph, 0) })?;
        let draft = Draft(graph);
        let early = self.capability >= EARLY && driver_version() >= EARLY_DRIVER;
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
            let early = early && launch.early;
            // What may begin early is put behind the other by an edge of its own kind.
            let behind = before.as_ref().filter(|_| !early).map_or(ptr::null(), ptr::from_ref);
            let count = usize::from(!behind.is_null());
            // SAFETY: the caller's promise of the launch; its arguments are copied before the call returns.
            let added = unsafe {
                sys::cuGraphAddKernelNode_v2(&raw mut made, draft.0, behind, count, &raw const node)
            };
            told(WHAT, added)?;
            if let (true, Some(before)) = (early, before) {
                // SAFETY: both are kernels of this graph, and the driver is new enough.
                told(WHAT, unsafe { follow_early(draft.0, before, made) })?;
            }
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

/// Puts a node behind another that it may begin before the end of.
///
/// # Safety
/// Both are kernels of this graph, and the driver has such edges.
unsafe fn follow_early(
    graph: sys::CUgraph,
    before: sys::CUgraphNode,
    node: sys::CUgraphNode,
) -> sys::CUresult {
    let edge = sys::CUgraphEdgeData {
        // The driver's number of the port that says that the next kernel may begin.
        from_port: 1,
        to_port: 0,
        type_: sys::CUgraphDependencyType::CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC as u8,
        reserved: [0; 5],
    };
    // SAFETY: the caller's promise; the pointers are to live values.
    unsafe { sys::cuGraphAddDependencies_v2(graph, &raw const before, &raw const node, &raw const edge, 1) }
}

/// What the driver says of itself: 12,030 for 12.3.
fn driver_version() -> i32 {
    let mut version = 0;
    // SAFETY: the pointer is to a live value.
    let asked = unsafe { sys::cuDriverGetVersion(&raw mut version) };
    if asked == sys::CUresult::CUDA_SUCCESS { version } else { 0 }
}
