//! The library itself: begun once, and what it says kept for whoever asked.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};
use std::sync::Once;

use llama_cpp_sys_2 as sys;

/// Lines that are kept at most: a model with thousands of tensors says much.
const LINES: usize = 4096;

thread_local! {
    /// What is said on this thread, while somebody listens.
    static SAID: RefCell<Option<Vec<Line>>> = const { RefCell::new(None) };
}

/// A line that the library said.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) text: String,
    /// Whether it is an error.
    pub(crate) error: bool,
}

/// The version of llama.cpp.
pub fn version() -> String {
    begin();
    // SAFETY: the library returns a text of its own that lives as long as the process.
    let text = unsafe { CStr::from_ptr(sys::llama_version()) };
    text.to_string_lossy().into_owned()
}

/// Begins it, once in a process.
pub(crate) fn begin() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        // SAFETY: nothing of the library is in use yet, and the callback lives as long as the process.
        unsafe {
            sys::llama_log_set(Some(hear), std::ptr::null_mut());
            sys::llama_backend_init();
        }
    });
}

/// Does something, with what the library says on this thread meanwhile.
pub(crate) fn listening<T>(work: impl FnOnce() -> T) -> (T, Vec<Line>) {
    begin();
    SAID.with(|said| *said.borrow_mut() = Some(Vec::new()));
    let made = work();
    let said = SAID.with(|said| said.borrow_mut().take());
    (made, said.unwrap_or_default())
}

/// Why something failed, by what was said: the errors, the last ones.
pub(crate) fn why(said: &[Line]) -> String {
    let errors: Vec<&str> = said.iter().filter(|line| line.error).map(|line| line.text.trim()).collect();
    let last = &errors[errors.len().saturating_sub(2)..];
    if last.is_empty() { "it does not say why".to_owned() } else { last.join("; ") }
}

/// Takes a line, or a part of one.
unsafe extern "C" fn hear(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    if text.is_null() {
        return;
    }
    // SAFETY: the library passes a text that ends with zero and lives until this returns.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    // A thread that is ending has nobody who listens.
    let _ = SAID.try_with(|said| {
        let Ok(mut said) = said.try_borrow_mut() else { return };
        let Some(lines) = said.as_mut() else { return };
        let full = lines.len() >= LINES;
        match lines.last_mut() {
            Some(last) if level == sys::GGML_LOG_LEVEL_CONT => last.text.push_str(&text),
            _ if !full => {
                let error = level == sys::GGML_LOG_LEVEL_ERROR;
                lines.push(Line { text: text.into_owned(), error });
            }
            _ => {}
        }
    });
}
