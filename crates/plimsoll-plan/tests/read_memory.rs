//! What the reader holds at once, whatever a file claims: never more than 64 MiB.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a scenario fails by panicking")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use plimsoll_plan::read::{self, ReadError, Source, gguf, safetensors};
use support::{Gguf, safetensors as wrap};

/// Counts the bytes that are allocated now, and the most there were.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn add(bytes: usize) {
    let now = NOW.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches two numbers only. Growing is left to
// the default, which allocates, copies and frees: old and new are counted together, as they may exist together.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Scenarios one at a time: the counts are the whole process's.
static ALONE: Mutex<()> = Mutex::new(());

const LIMIT: usize = 64 << 20;

/// Runs one scenario and checks what it held at most.
fn within<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let before = NOW.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let result = run();
    let held = MOST.load(Ordering::Relaxed) - before;
    println!("{what}: {} KiB at most", held >> 10);
    assert!(held <= LIMIT, "{what}: {held} bytes");
    result
}

#[test]
fn a_split_model_of_400_gb() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let (first, headers) = support::deepseek_like(folder.path(), 9).unwrap();
    println!("headers of {headers} bytes");
    let model = within("a split model", || read::open(&first)).unwrap();
    assert!(model.weight_bytes().get() > 370_000_000_000, "{}", model.weight_bytes());
}

#[test]
fn a_model_of_two_hundred_thousand_tensors_in_one_header() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut header = String::from("{\"__metadata__\":{\"format\":\"pt\"}");
    let mut at = 0_u64;
    for layer in 0..61 {
        for expert in 0..384 {
            for matrix in ["gate_proj", "up_proj", "down_proj"] {
                for part in ["weight_packed", "weight_scale", "weight_shape"] {
                    let name =
                        format!("language_model.model.layers.{layer}.mlp.experts.{expert}.{matrix}.{part}");
                    let _ = write!(
                        header,
                        ",\"{name}\":{{\"dtype\":\"I32\",\"shape\":[1,1],\"data_offsets\":[{at},{}]}}",
                        at + 4
                    );
                    at += 4;
                }
            }
        }
    }
    header.push('}');
    let file = wrap(&header, usize::try_from(at).unwrap());
    let read = within("a model of 210,816 tensors", || safetensors::read(&file, Path::new("x")));
    match read {
        Ok(model) => assert_eq!(model.tensors.len(), 210_816),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn as_many_tensors_and_keys_as_fit_a_header() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let tensors = (0..1_000_000_u64).fold(Gguf::new("llama"), |gguf, index| {
        gguf.tensor_at(&format!("{index:x}"), &[1, 1, 1, 1], 0, index * 32)
    });
    let file = tensors.header();
    drop(tensors);
    let error = within("a million tensors", || gguf::read(&file, Path::new("x"))).unwrap_err();
    assert!(matches!(error, ReadError::Excess { .. }), "{error}");
    let keys =
        (0..1_000_000_u64).fold(Gguf::new("llama"), |gguf, index| gguf.number(&format!("{index:x}"), 1));
    let file = keys.header();
    drop(keys);
    let error = within("a million keys", || gguf::read(&file, Path::new("x"))).unwrap_err();
    assert!(matches!(error, ReadError::Excess { .. }), "{error}");
}

/// A file of some length that begins somehow and goes on with one byte.
struct Endless {
    start: Vec<u8>,
    then: u8,
    len: u64,
}

impl Source for Endless {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> std::io::Result<()> {
        for (at, byte) in (offset..).zip(into) {
            let known = usize::try_from(at).ok().and_then(|at| self.start.get(at));
            *byte = known.copied().unwrap_or(self.then);
        }
        Ok(())
    }
}

#[test]
fn headers_without_an_end() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // 2^40 empty texts in a file that is long enough for them; then a text of 2^40 letters.
    let list = [&9_u32.to_le_bytes()[..], &8_u32.to_le_bytes(), &(1_u64 << 40).to_le_bytes()].concat();
    let text = [&8_u32.to_le_bytes()[..], &(1_u64 << 40).to_le_bytes()].concat();
    for value in [list, text] {
        let mut start = Gguf::new("llama").raw_key("tokenizer.ggml.tokens", &value).header();
        start.truncate(start.len() / 32 * 32);
        let source = Endless { start, then: 0, len: 1 << 44 };
        let error = within("a header without an end", || gguf::read(&source, Path::new("x"))).unwrap_err();
        assert!(matches!(error, ReadError::Excess { .. }), "{error}");
    }
    for start in ["{\"", "{\"__metadata__\":\"", "[", "{\"a\":", "", "{\"a\":{\"dtype\":\""] {
        for then in [b'a', b'[', b'{', b' ', b'"', b'\\', b'0'] {
            let start = [&30_000_000_u64.to_le_bytes()[..], start.as_bytes()].concat();
            let source = Endless { start, then, len: 1 << 40 };
            within("JSON without an end", || safetensors::read(&source, Path::new("x"))).unwrap_err();
        }
    }
}

#[test]
fn the_worst_configuration() {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for item in ["{\"\":0}", "[[]]", "{\"a\":{\"\":[]}}", "\"\"", "0"] {
        let list = vec![item; (512 * 1024 - 20) / (item.len() + 1)].join(",");
        let text = format!("{{\"a\":[{list}]}}").into_bytes();
        assert!(text.len() <= 512 * 1024);
        let error =
            within("a configuration", || read::read_config(&text, Path::new("x/config.json"))).unwrap_err();
        assert!(matches!(error, ReadError::Silent { .. }), "{error}");
    }
}
