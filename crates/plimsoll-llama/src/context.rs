//! Sequences in one cache of keys and values.

use std::ptr::NonNull;

use llama_cpp_sys_2 as sys;

use crate::library::{listening, why};
use crate::{Batch, ContextSettings, LlamaError, Model, SequenceId, Sizes, StepFault};

/// A context: cells for the tokens of several sequences, and what steps work with.
///
/// # Who owns what
/// It keeps its model. One thread at a time uses it; what a step left (logits) is there until the next.
pub struct Context {
    pointer: NonNull<sys::llama_context>,
    /// Threads that compute, kept from step to step.
    pool: Option<NonNull<sys::ggml_threadpool>>,
    settings: ContextSettings,
    // Freed behind the context.
    model: Model,
}

// SAFETY: it is used by one thread at a time, whichever that is: nothing in it is bound to the one that made it.
unsafe impl Send for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: nobody else has either; the threads are let go before their context is freed, and then end.
        unsafe {
            sys::llama_detach_threadpool(self.pointer.as_ptr());
            sys::llama_free(self.pointer.as_ptr());
            if let Some(pool) = self.pool {
                sys::ggml_threadpool_free(pool.as_ptr());
            }
        }
    }
}

impl Context {
    /// Makes one. What it takes comes back as well, as the library says it.
    pub fn open(model: &Model, settings: ContextSettings) -> Result<(Self, Sizes), LlamaError> {
        let path = &model.raw.path;
        let (pointer, said) = listening(|| {
            // SAFETY: the model lives, and is kept by what is made here.
            unsafe { sys::llama_init_from_model(model.raw.pointer, settings.params()) }
        });
        let Some(pointer) = NonNull::new(pointer) else {
            return Err(LlamaError::Context { path: path.clone(), why: why(&said) });
        };
        let threads = i32::try_from(settings.threads).unwrap_or(1);
        // SAFETY: the parameters are the library's own for so many threads; the context lives, and lets the threads go first.
        let pool = unsafe {
            let mut params = sys::ggml_threadpool_params_default(threads);
            let pool = NonNull::new(sys::ggml_threadpool_new(&raw mut params));
            if let Some(pool) = pool {
                sys::llama_attach_threadpool(pointer.as_ptr(), pool.as_ptr(), pool.as_ptr());
            }
            pool
        };
        let sizes = Sizes::of(&said, model.loaded_bytes());
        Ok((Self { pointer, pool, settings, model: model.clone() }, sizes))
    }

    /// Its model.
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// How many cells it has.
    pub fn cells(&self) -> usize {
        // SAFETY: the context lives.
        unsafe { sys::llama_n_ctx(self.pointer.as_ptr()) as usize }
    }

    /// Computes tokens. None of them stands in its sequence if there were no cells; after another fault the first ones may.
    pub fn step(&mut self, batch: &mut Batch) -> Result<(), StepFault> {
        let tokens = batch.len();
        if tokens == 0 || tokens > self.settings.batch as usize {
            let why = format!("{tokens} tokens, and 1 to {} are taken at once", self.settings.batch);
            return Err(StepFault::Failed { code: -1, why });
        }
        let mut counts = vec![1_i32; tokens];
        let mut sequences: Vec<*mut i32> = batch.sequences.iter_mut().map(std::ptr::from_mut).collect();
        let raw = sys::llama_batch {
            n_tokens: i32::try_from(tokens).unwrap_or(i32::MAX),
            token: batch.tokens.as_mut_ptr(),
            embd: std::ptr::null_mut(),
            pos: batch.positions.as_mut_ptr(),
            n_seq_id: counts.as_mut_ptr(),
            seq_id: sequences.as_mut_ptr(),
            logits: batch.asked.as_mut_ptr(),
        };
        let (code, said) = listening(|| {
            // SAFETY: every array is as long as the batch and outlives the call; numbers that make no sense are refused there.
            unsafe { sys::llama_decode(self.pointer.as_ptr(), raw) }
        });
        match code {
            0 => Ok(()),
            1 => Err(StepFault::NoCells { tokens }),
            code => Err(StepFault::Failed { code, why: why(&said) }),
        }
    }

    /// The logits behind a token of the last step, if they were asked for.
    pub fn logits(&self, index: usize) -> Option<&[f32]> {
        let row = self.model.facts().vocabulary;
        // SAFETY: the library refuses an index without logits, and what it returns has a number for each token until the next step.
        unsafe {
            let pointer = sys::llama_get_logits_ith(self.pointer.as_ptr(), i32::try_from(index).ok()?);
            (!pointer.is_null()).then(|| std::slice::from_raw_parts(pointer, row))
        }
    }

    /// The vector behind a token of the last step, if vectors were wanted.
    pub fn vector(&self, index: usize) -> Option<&[f32]> {
        let row = self.model.facts().width;
        // SAFETY: the library refuses an index without a vector, and what it returns is as wide as the model says until the next step.
        unsafe {
            let pointer = sys::llama_get_embeddings_ith(self.pointer.as_ptr(), i32::try_from(index).ok()?);
            (!pointer.is_null()).then(|| std::slice::from_raw_parts(pointer, row))
        }
    }

    /// Whether steps give vectors, of all of their tokens: no more of them at once than there is room for outputs.
    pub fn want_vectors(&mut self, wanted: bool) {
        // SAFETY: the context lives.
        unsafe { sys::llama_set_embeddings(self.pointer.as_ptr(), wanted) };
    }

    /// Takes tokens off a sequence, from this position to before that one, or all behind. False where the model cannot.
    pub fn remove(&mut self, sequence: SequenceId, from: usize, to: Option<usize>) -> bool {
        let to = to.map_or(-1, position);
        // SAFETY: the context lives, and so does its memory.
        unsafe {
            let memory = sys::llama_get_memory(self.pointer.as_ptr());
            sys::llama_memory_seq_rm(memory, i32::from(sequence.0), position(from), to)
        }
    }

    /// Has another sequence share tokens of this one: they stand in the same cells.
    pub fn share(&mut self, from: SequenceId, to: SequenceId, first: usize, end: usize) {
        if from.0.max(to.0) >= u16::try_from(self.settings.sequences).unwrap_or(u16::MAX) {
            return;
        }
        // SAFETY: the context lives, and both are sequences that it has room for.
        unsafe {
            let memory = sys::llama_get_memory(self.pointer.as_ptr());
            let (from, to) = (i32::from(from.0), i32::from(to.0));
            sys::llama_memory_seq_cp(memory, from, to, position(first), position(end));
        }
    }

    /// Writes the state of a sequence; how long it is, or nothing where there is no room for it.
    pub fn state(&mut self, sequence: SequenceId, into: &mut [u8]) -> Option<usize> {
        let sequence = i32::from(sequence.0);
        // SAFETY: the context lives, and the library writes no further than the room is long.
        let written = unsafe {
            let pointer = self.pointer.as_ptr();
            sys::llama_state_seq_get_data(pointer, into.as_mut_ptr(), into.len(), sequence)
        };
        (written > 0).then_some(written)
    }

    /// Bytes of a sequence's state.
    pub fn state_bytes(&mut self, sequence: SequenceId) -> usize {
        // SAFETY: the context lives.
        unsafe { sys::llama_state_seq_get_size(self.pointer.as_ptr(), i32::from(sequence.0)) }
    }

    /// Gives a sequence this state instead of what it has. False if it is refused; the sequence is empty then.
    pub fn set_state(&mut self, sequence: SequenceId, state: &[u8]) -> bool {
        let sequence = i32::from(sequence.0);
        // SAFETY: the context lives, and the library reads no further than the state is long.
        let (read, _) = listening(|| unsafe {
            sys::llama_state_seq_set_data(self.pointer.as_ptr(), state.as_ptr(), state.len(), sequence)
        });
        read == state.len()
    }
}

fn position(place: usize) -> i32 {
    i32::try_from(place).unwrap_or(i32::MAX)
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("settings", &self.settings)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}
