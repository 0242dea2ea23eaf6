//! How a context is set up.

use llama_cpp_sys_2 as sys;

/// How a context is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextSettings {
    /// Cells: tokens that all sequences hold together.
    pub cells: u32,
    /// Sequences at most.
    pub sequences: u32,
    /// Tokens of a call at most.
    pub batch: u32,
    /// Tokens that are computed in one pass; what a pass works with grows with it.
    pub pass: u32,
    /// Tokens of a pass whose logits are asked for at most.
    pub outputs: u32,
    /// Threads that compute.
    pub threads: u32,
}

impl ContextSettings {
    /// As the library wants it. Sequences share one run of cells, so that none is bound to a part of them.
    pub(crate) fn params(&self) -> sys::llama_context_params {
        // SAFETY: it takes nothing and returns a value.
        let mut params = unsafe { sys::llama_context_default_params() };
        params.n_ctx = self.cells;
        params.n_seq_max = self.sequences;
        params.n_batch = self.batch;
        params.n_ubatch = self.pass;
        params.n_outputs_max = self.outputs;
        params.n_threads = i32::try_from(self.threads).unwrap_or(1);
        params.n_threads_batch = params.n_threads;
        params.pooling_type = sys::LLAMA_POOLING_TYPE_NONE;
        params.flash_attn_type = sys::LLAMA_FLASH_ATTN_TYPE_AUTO;
        params.kv_unified = true;
        params.no_perf = true;
        params
    }
}
