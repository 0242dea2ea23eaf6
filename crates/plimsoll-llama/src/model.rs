//! A GGUF file that llama.cpp computes.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use llama_cpp_sys_2 as sys;

use crate::library::{listening, why};
use crate::{ContextSettings, LlamaError, Sizes, Vocabulary};

/// What one needs to know of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFacts {
    /// Tokens of context that it was trained with.
    pub context: usize,
    /// Tokens to choose from.
    pub vocabulary: usize,
    /// Numbers of the vector behind its last layer.
    pub width: usize,
    /// Bytes of its weights as they are stored.
    pub weights_bytes: u64,
    /// Whether tokens can be taken off a sequence again: not where layers keep a state instead of cells.
    pub rewinds: bool,
    /// What llama.cpp calls it.
    pub description: String,
}

/// A model that is loaded. Clones are the same.
#[derive(Clone)]
pub struct Model {
    pub(crate) raw: Arc<Raw>,
}

/// The library's model, freed with the last that uses it.
pub(crate) struct Raw {
    pub(crate) pointer: *mut sys::llama_model,
    pub(crate) path: PathBuf,
    facts: ModelFacts,
    loaded_bytes: u64,
    /// Whether some weights are laid out otherwise than the file has them, as this processor computes better.
    anew: bool,
}

// SAFETY: a model is not written after it was loaded, and may be freed on any thread.
unsafe impl Send for Raw {}
// SAFETY: as above; the library reads it from many threads itself.
unsafe impl Sync for Raw {}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: whoever uses it, a context too, holds this and is gone.
        unsafe { sys::llama_model_free(self.pointer) };
    }
}

impl Model {
    /// Loads it. Weights are mapped, or read where [`Rehearsal::maps`] says so: of what is laid out anew a mapped file would be there
    /// twice.
    pub fn load(path: &Path, maps: bool) -> Result<Self, LlamaError> {
        Ok(Self { raw: Arc::new(load(path, if maps { Way::Mapped } else { Way::Read })?) })
    }

    /// What one needs to know of it.
    pub fn facts(&self) -> &ModelFacts {
        &self.raw.facts
    }

    /// Its tokenizer.
    pub fn vocabulary(&self) -> Vocabulary {
        Vocabulary::new(self.clone())
    }

    /// What its weights take, as the library said when it had loaded them.
    pub fn loaded_bytes(&self) -> u64 {
        self.raw.loaded_bytes
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("path", &self.raw.path)
            .field("facts", &self.raw.facts)
            .finish_non_exhaustive()
    }
}

/// A model of which only the header was read: it says what would be taken, by the library's own reckoning, and takes none of it.
#[derive(Debug)]
pub struct Rehearsal {
    model: Model,
}

impl Rehearsal {
    /// Reads a file's header and vocabulary.
    pub fn open(path: &Path) -> Result<Self, LlamaError> {
        Ok(Self { model: Model { raw: Arc::new(load(path, Way::Header)?) } })
    }

    /// What one needs to know of the model.
    pub fn facts(&self) -> &ModelFacts {
        self.model.facts()
    }

    /// Whether its file may be mapped: no weights are laid out anew on this processor.
    pub fn maps(&self) -> bool {
        !self.model.raw.anew
    }

    /// Its tokenizer: whole already.
    pub fn vocabulary(&self) -> Vocabulary {
        self.model.vocabulary()
    }

    /// What a context of these settings takes, with the weights.
    pub fn sizes(&self, settings: &ContextSettings) -> Result<Sizes, LlamaError> {
        let raw = &self.model.raw;
        let (pointer, said) = listening(|| {
            // SAFETY: the model lives; a context of one without memory allocates none.
            unsafe { sys::llama_init_from_model(raw.pointer, settings.params()) }
        });
        if pointer.is_null() {
            return Err(LlamaError::Context { path: raw.path.clone(), why: why(&said) });
        }
        // SAFETY: it was just made and nobody else has it.
        unsafe { sys::llama_free(pointer) };
        let mut sizes = Sizes::of(&said, raw.facts.weights_bytes);
        // The room for logits and vectors grows to what is asked for at once.
        let row = 4 * (raw.facts.vocabulary as u64 + raw.facts.width as u64);
        sizes.output_bytes =
            sizes.output_bytes.max(row * u64::from(settings.outputs.max(settings.sequences)));
        Ok(sizes)
    }
}

/// How much of a model is loaded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Header,
    Mapped,
    Read,
}

fn load(path: &Path, way: Way) -> Result<Raw, LlamaError> {
    let name = CString::new(path.as_os_str().as_encoded_bytes())
        .map_err(|_| LlamaError::Path { path: path.to_owned() })?;
    let (pointer, said) = listening(|| {
        // SAFETY: the parameters are the library's own with plain numbers changed, and the name outlives the call.
        unsafe {
            let mut params = sys::llama_model_default_params();
            params.n_gpu_layers = 0;
            params.no_alloc = way == Way::Header;
            params.load_mode =
                if way == Way::Mapped { sys::LLAMA_LOAD_MODE_MMAP } else { sys::LLAMA_LOAD_MODE_NONE };
            sys::llama_model_load_from_file(name.as_ptr(), params)
        }
    });
    if pointer.is_null() {
        return Err(LlamaError::Model { path: path.to_owned(), why: why(&said) });
    }
    let raw = Raw {
        pointer,
        path: path.to_owned(),
        facts: facts(pointer),
        loaded_bytes: Sizes::weights_of(&said),
        anew: Sizes::tells_of_other_layouts(&said),
    };
    let sort = |what| Err(LlamaError::Sort { path: path.to_owned(), what });
    // SAFETY: the model is loaded.
    let (decoder, encoder, diffusion) = unsafe {
        (
            sys::llama_model_has_decoder(pointer),
            sys::llama_model_has_encoder(pointer),
            sys::llama_model_is_diffusion(pointer),
        )
    };
    match (decoder, encoder, diffusion) {
        (_, true, _) | (false, ..) => sort("reads texts as a whole before it writes"),
        (.., true) => sort("writes all of a text at once"),
        _ if raw.facts.vocabulary == 0 => sort("has no tokens"),
        _ => Ok(raw),
    }
}

fn facts(model: *const sys::llama_model) -> ModelFacts {
    let count = |number: i32| usize::try_from(number).unwrap_or(0);
    let mut text = [0_u8; 256];
    // SAFETY: the model is loaded; the text is as long as it is said to be, and written with a zero at its end.
    unsafe {
        let written = sys::llama_model_desc(model, text.as_mut_ptr().cast(), text.len());
        let described = &text[..count(written).min(text.len() - 1)];
        ModelFacts {
            context: count(sys::llama_model_n_ctx_train(model)),
            vocabulary: count(sys::llama_vocab_n_tokens(sys::llama_model_get_vocab(model))),
            width: count(sys::llama_model_n_embd_out(model)),
            weights_bytes: sys::llama_model_size(model),
            rewinds: !sys::llama_model_is_recurrent(model) && !sys::llama_model_is_hybrid(model),
            description: String::from_utf8_lossy(described).into_owned(),
        }
    }
}
