//! The sources under the real compiler, which needs no GPU. Where there is none the tests say so and end, unless
//! `PLIMSOLL_REQUIRE_NVRTC` is set; `PLIMSOLL_NVRTC` names its folder.

use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};
use std::{env, fs};

use plimsoll_device::{DeviceError, Notice};

use super::compile::{Compiler, Job};
use super::nvrtc::{Form, Nvrtc, Source};
use super::program::{HEADER, Program};
use super::settings::{CodeCache, KernelSettings};

/// The newest major version of CUDA that the imagined driver runs.
const DRIVER: u32 = 13;

fn folder() -> Option<PathBuf> {
    env::var_os("PLIMSOLL_NVRTC").map(PathBuf::from)
}

fn nvrtc() -> Option<Nvrtc> {
    match Nvrtc::open(folder().as_deref(), DRIVER) {
        Ok(nvrtc) => Some(nvrtc),
        Err(error) => {
            assert!(env::var_os("PLIMSOLL_REQUIRE_NVRTC").is_none(), "{error}");
            println!("skipped: {error}");
            None
        }
    }
}

fn compiler(cache: &Path) -> Compiler {
    let settings = KernelSettings {
        nvrtc: folder(),
        cache: CodeCache::Folder(cache.to_path_buf()),
        ..KernelSettings::default()
    };
    Compiler::new(&settings, DRIVER, Notice::default())
}

fn job<'a>(capability: (u32, u32), name: &'a str, text: &'a str) -> Job<'a> {
    Job { device: "cuda:0", capability, name, text, own: false }
}

fn ptx(nvrtc: &Nvrtc, program: Program, architecture: u32) -> String {
    let text = |text: &str| CString::new(text).unwrap();
    let (name, body, header) = (text(program.name()), text(program.source()), text(HEADER.1));
    let options = [
        text(&format!("--gpu-architecture=compute_{architecture}")),
        c"-default-device".into(),
        c"--std=c++17".into(),
    ];
    let source = Source { name: &name, text: &body, header: (HEADER.0, &header) };
    let code = nvrtc.compile(&source, &options, Form::Ptx).unwrap();
    CStr::from_bytes_until_nul(&code).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn every_source_compiles_for_every_architecture_and_has_its_entries() {
    let Some(nvrtc) = nvrtc() else { return };
    for program in Program::ALL {
        for architecture in [75, 80, 90, 100, 120] {
            // These are long: without matrix units and with them is what differs.
            if program.name().starts_with("nearest") && ![75, 90].contains(&architecture) {
                continue;
            }
            // An older compiler does not know the newest GPUs.
            if !nvrtc.architectures().contains(&architecture) {
                println!("NVRTC {:?} does not know compute_{architecture}", nvrtc.version());
                continue;
            }
            let ptx = ptx(&nvrtc, program, architecture);
            for entry in program.entries() {
                let entry = format!(".entry {}(", entry.to_str().unwrap());
                assert!(ptx.contains(&entry), "{} has no {entry} for {architecture}", program.name());
            }
            let entries = ptx.matches(".entry ").count();
            assert_eq!(
                entries,
                program.entries().len(),
                "{} has an entry that is not listed",
                program.name()
            );
        }
    }
}

#[test]
fn bulk_data_moves_in_16_byte_accesses_and_no_array_goes_to_memory() {
    let Some(nvrtc) = nvrtc() else { return };
    for program in [Program::Blocks, Program::CopyRows, Program::FillPattern, Program::Sum, Program::Convert]
    {
        let ptx = ptx(&nvrtc, program, 90);
        assert!(!ptx.contains(".local"), "{} keeps an array in memory", program.name());
        if program != Program::FillPattern {
            assert!(ptx.contains("ld.global.cs.v4.u32"), "{} loads less than 16 bytes", program.name());
        }
        if program != Program::Sum {
            assert!(ptx.contains("st.global.cs.v4.u32"), "{} stores less than 16 bytes", program.name());
        }
        assert!(!ptx.contains("div.approx") && !ptx.contains(".ftz"), "{} computes loosely", program.name());
    }
}

#[test]
fn code_is_made_for_the_gpu_and_then_comes_from_the_cache() {
    if nvrtc().is_none() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let program = Program::FillPattern;
    let job = job((9, 0), program.name(), program.source());
    let code = compiler(cache.path()).code(&job).unwrap();
    assert_eq!(code[..4], *b"\x7fELF");

    // Another compiler, as in another process.
    let file = fs::read_dir(cache.path()).unwrap().next().unwrap().unwrap().path();
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    assert_eq!(compiler(cache.path()).code(&job).unwrap(), code);
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written, "it was compiled again");

    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, &bytes).unwrap();
    assert_eq!(compiler(cache.path()).code(&job).unwrap(), code, "damaged code was used");
    bytes[last] ^= 1;
    assert_eq!(fs::read(&file).unwrap(), bytes, "the damaged file was not replaced");
}

#[test]
fn hopper_gets_code_of_its_own_for_many_queries() {
    let Some(nvrtc) = nvrtc() else { return };
    let program = Program::NearestManyF16;
    let text = |text: &str| CString::new(text).unwrap();
    let (name, body, header) = (text(program.name()), text(program.source()), text(HEADER.1));
    let source = Source { name: &name, text: &body, header: (HEADER.0, &header) };
    let options =
        [c"--gpu-architecture=compute_90a".into(), c"-default-device".into(), c"--std=c++17".into()];
    let code = nvrtc.compile(&source, &options, Form::Ptx).unwrap();
    let code = CStr::from_bytes_until_nul(&code).unwrap().to_str().unwrap();
    assert!(code.contains("wgmma.mma_async") && code.contains("mma.sync"), "tiles of both widths");
    assert!(!code.contains(".local"), "sums go to memory");
}

#[test]
fn a_gpu_newer_than_the_compiler_gets_code_that_the_driver_finishes() {
    if nvrtc().is_none() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let program = Program::LoseOnPurpose;
    let code = compiler(cache.path()).code(&job((99, 9), program.name(), program.source())).unwrap();
    let text = CStr::from_bytes_with_nul(&code).unwrap().to_str().unwrap();
    assert!(text.contains(".target sm_") && text.contains(".entry lose_on_purpose"), "{text}");
}

#[test]
fn a_gpu_older_than_the_compiler_is_an_error_that_says_so() {
    if nvrtc().is_none() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let error = compiler(cache.path()).code(&job((3, 0), "sum.cu", Program::Sum.source())).unwrap_err();
    let DeviceError::Compile { log, .. } = error else { panic!("{error}") };
    assert!(log.contains("compute capability 3.0"), "{log}");
}

#[test]
fn a_broken_source_gives_the_compilers_words() {
    if nvrtc().is_none() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let text = "#include \"common.cuh\"\nextern \"C\" __global__ void broken() { u64 at = nowhere; }\n";
    let error = compiler(cache.path()).code(&job((9, 0), "broken.cu", text)).unwrap_err();
    let DeviceError::Compile { device, kernel, log } = error else { panic!("{error}") };
    assert_eq!((device.as_str(), kernel.as_str()), ("cuda:0", "broken.cu"));
    assert!(log.contains("broken.cu(2)") && log.contains("nowhere"), "{log}");
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0, "an error was kept");
}

#[test]
fn a_missing_compiler_is_an_error_that_says_how_to_get_it() {
    let empty = tempfile::tempdir().unwrap();
    let settings = KernelSettings {
        nvrtc: Some(empty.path().to_path_buf()),
        cache: CodeCache::Off,
        ..KernelSettings::default()
    };
    let compiler = Compiler::new(&settings, DRIVER, Notice::default());
    let error = compiler.code(&job((9, 0), "sum.cu", Program::Sum.source())).unwrap_err().to_string();
    for part in ["libnvrtc", "pip install nvidia-cuda-nvrtc", "`nvrtc`", &empty.path().display().to_string()]
    {
        assert!(error.contains(part), "{error}");
    }
    // A file that is no library is named with what the loader says of it.
    fs::write(empty.path().join("libnvrtc.so.13"), "not a library").unwrap();
    let error = compiler.code(&job((9, 0), "sum.cu", Program::Sum.source())).unwrap_err().to_string();
    assert!(error.contains("libnvrtc.so.13: "), "{error}");
}
