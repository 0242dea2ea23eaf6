//! The rules of this repository: every exception in one place, with its reason.

/// A file or crate that is excepted, and why.
pub type Exception = (&'static str, &'static str);

/// What the checks hold a tree to.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The most lines a Rust file may have.
    pub file_lines: usize,
    /// Files that may be longer.
    pub long_files: &'static [Exception],
    /// The most lines of code that a `lib.rs` or `mod.rs` may have, without docs, blank lines and tests.
    pub contents_lines: usize,
    /// Those that may have more.
    pub long_contents: &'static [Exception],
    /// Files that may have `unsafe` code.
    pub unsafe_files: &'static [Exception],
    /// For each crate the crates of the workspace it may depend on.
    pub directions: &'static [(&'static str, &'static [&'static str])],
    /// Crates from outside that only one crate may depend on: the crate, then the beginnings of their names.
    pub confined: &'static [(&'static str, &'static [&'static str])],
    /// Documents that must be there.
    pub papers: &'static [&'static str],
}

/// This repository's rules.
pub const RULES: Rules = Rules {
    file_lines: 600,
    long_files: &[],
    contents_lines: 80,
    long_contents: &[
        (
            "crates/plimsoll-device/src/conformance/mod.rs",
            "the suite's entry and what it may assume, read together",
        ),
        ("crates/plimsoll-device/src/host/mod.rs", "the host device itself stands before its parts"),
        ("crates/plimsoll-device/src/sim/mod.rs", "the simulation's settings stand before its parts"),
    ],
    unsafe_files: &[
        ("crates/plimsoll-kv/src/codec/simd/tests.rs", "calls each way of doing it, to compare them"),
        ("crates/plimsoll-kv/src/codec/simd/mod.rs", "calls what this processor has"),
        ("crates/plimsoll-kv/src/codec/simd/drive.rs", "places runs within rows for them"),
        ("crates/plimsoll-kv/src/codec/simd/avx512.rs", "AVX-512 instructions on runs of numbers"),
        ("crates/plimsoll-kv/src/codec/simd/avx2.rs", "AVX2 and F16C instructions on runs of numbers"),
        ("crates/plimsoll-cli/src/bench/engines/malloc.rs", "calls the system's allocator"),
        (
            "crates/plimsoll-cli/src/bench/memory/passes.rs",
            "loads and stores of the widths that the processor has",
        ),
        ("crates/bench-compare/src/peers/mimalloc.rs", "calls a C library"),
        ("crates/plimsoll-cuda/src/kernels/launch.rs", "loads code into the driver and launches it"),
        ("crates/plimsoll-cuda/src/kernels/nvrtc.rs", "calls CUDA's run-time compiler, a C library"),
        ("crates/bench-compare/src/gpu/driver.rs", "calls the CUDA driver"),
        ("crates/plimsoll-cuda/src/device.rs", "takes memory from the driver"),
        ("crates/plimsoll-cuda/src/cuda.rs", "lets contexts reach each other"),
        ("crates/plimsoll-cuda/src/driver/fake.rs", "a driver made of ordinary memory"),
        (
            "crates/plimsoll-cuda/src/driver/mod.rs",
            "the driver's calls, whose rules are the caller's to keep",
        ),
        ("crates/plimsoll-cuda/src/driver/real.rs", "calls the driver"),
        ("crates/plimsoll-cuda/src/family.rs", "puts work on streams, and lends the host its memory"),
        ("crates/plimsoll-cuda/src/host.rs", "vouches for the addresses of the regions it makes"),
        ("crates/plimsoll-cuda/src/lane.rs", "keeps streams and events of the driver"),
        ("crates/plimsoll-cuda/src/memory.rs", "takes memory from the driver and gives it back"),
        ("crates/plimsoll-cuda/src/operate.rs", "launches kernels on memory that it has checked"),
        ("crates/plimsoll-cuda/src/pinned.rs", "takes memory from the driver"),
        ("crates/plimsoll-cuda/src/range.rs", "maps and unmaps memory of the driver"),
        ("crates/plimsoll-cuda/src/usage.rs", "calls NVIDIA's management library"),
        ("crates/plimsoll-cuda/tests/hardware.rs", "writes memory while the driver may read it"),
        ("crates/plimsoll-wgpu/src/backing.rs", "copies to and from memory that stays mapped"),
        ("crates/plimsoll-wgpu/src/device.rs", "vouches for the addresses of the regions it makes"),
        ("crates/plimsoll-wgpu/src/platform/metal.rs", "takes memory from Metal, below wgpu"),
        ("crates/plimsoll-wgpu/src/platform/vulkan.rs", "takes memory from Vulkan, below wgpu"),
        ("crates/plimsoll-wgpu/tests/faults.rs", "reads a region's memory after its device is lost"),
        ("crates/plimsoll-device/src/host/backing.rs", "maps, backs and gives back the memory of regions"),
        ("crates/plimsoll-device/src/host/mapping.rs", "owns mappings of the system"),
        ("crates/plimsoll-device/src/host/mod.rs", "vouches for the addresses of the regions it makes"),
        ("crates/plimsoll-device/src/host/system.rs", "calls the system"),
        ("crates/plimsoll-device/src/host/tests.rs", "lends its own memory to a device"),
        ("crates/plimsoll-device/src/kernels/simd/arm.rs", "NEON instructions on blocks of numbers"),
        ("crates/plimsoll-device/src/kernels/simd/drive.rs", "places blocks within slices for them"),
        ("crates/plimsoll-device/src/kernels/simd/mod.rs", "calls what this processor has"),
        ("crates/plimsoll-device/src/kernels/simd/sum.rs", "calls what this processor has"),
        ("crates/plimsoll-device/src/kernels/simd/x86.rs", "AVX2 and F16C instructions on blocks of numbers"),
        ("crates/plimsoll-device/src/sim/device.rs", "vouches for the addresses of the regions it makes"),
        ("crates/plimsoll-device/src/sim/slab.rs", "memory that device and host share"),
        (
            "crates/plimsoll-kv/src/store/folder/uring.rs",
            "lends buffers to the system until it has filled them",
        ),
        ("crates/plimsoll/src/machine/calls.rs", "asks the system for its limits"),
        ("crates/plimsoll/src/machine/darwin/raw.rs", "asks macOS for its memory counts"),
        ("crates/plimsoll/tests/pool_faults.rs", "breaks a lease's promise, to see what a device refuses"),
        ("crates/plimsoll/tests/resident.rs", "checks what the lent slice holds"),
        ("crates/plimsoll/tests/pool_hot_path.rs", "counts allocations as the global allocator"),
        ("crates/plimsoll-llm/src/math/wide.rs", "runs loops with the instructions that this processor has"),
        ("crates/plimsoll-llm/src/weights/mapped.rs", "lends a mapped file as a slice"),
        ("crates/plimsoll-plan/examples/read_speed.rs", "counts allocations as the global allocator"),
        ("crates/plimsoll-plan/tests/read_memory.rs", "counts allocations as the global allocator"),
        ("crates/plimsoll/src/pool/biased.rs", "a lock that its owner takes without a locked instruction"),
        ("crates/plimsoll/src/pool/block.rs", "its link belongs to whoever owns the chain that it is in"),
        ("crates/plimsoll/src/pool/chain.rs", "blocks are linked through each other"),
        ("crates/plimsoll/src/pool/lease.rs", "lends the host memory that a lease owns as a slice"),
        ("crates/plimsoll/src/holding/resident/in_place.rs", "lends a mapped file as a slice"),
        ("crates/plimsoll/src/pool/local.rs", "each thread reaches its cache without a lock"),
        ("crates/plimsoll/src/pool/work.rs", "who takes a span out of a lease vouches for the work on it"),
        (
            "crates/plimsoll-device/src/region.rs",
            "its maker vouches for the address, and a region crosses threads",
        ),
    ],
    directions: &[
        ("plimsoll-device", &[]),
        ("plimsoll-cuda", &["plimsoll-device"]),
        ("plimsoll-wgpu", &["plimsoll-device"]),
        ("plimsoll", &["plimsoll-device"]),
        ("plimsoll-plan", &["plimsoll", "plimsoll-device"]),
        ("plimsoll-kv", &["plimsoll", "plimsoll-device"]),
        ("plimsoll-vec", &["plimsoll", "plimsoll-device"]),
        ("plimsoll-tensor", &["plimsoll", "plimsoll-device"]),
        ("plimsoll-llm", &["plimsoll", "plimsoll-device", "plimsoll-kv", "plimsoll-plan", "plimsoll-tensor"]),
        (
            "plimsoll-serve",
            &[
                "plimsoll",
                "plimsoll-device",
                "plimsoll-kv",
                "plimsoll-llm",
                "plimsoll-plan",
                "plimsoll-tensor",
                "plimsoll-vec",
            ],
        ),
        (
            "plimsoll-cli",
            &[
                "plimsoll",
                "plimsoll-cuda",
                "plimsoll-device",
                "plimsoll-kv",
                "plimsoll-llm",
                "plimsoll-plan",
                "plimsoll-serve",
                "plimsoll-tensor",
                "plimsoll-vec",
                "plimsoll-wgpu",
            ],
        ),
        ("bench-compare", &["plimsoll", "plimsoll-cli", "plimsoll-cuda", "plimsoll-device", "plimsoll-kv"]),
        ("xtask", &[]),
    ],
    confined: &[("bench-compare", &["cubecl", "foyer", "libmimalloc-sys", "mimalloc", "offset-allocator"])],
    papers: &[
        ".ci/run",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "deny.toml",
        "docs/decisions.md",
    ],
};
