//! Where the compiler is, and where its code is kept.

use std::path::PathBuf;

/// How kernels are compiled. The default looks where NVRTC usually is and keeps code in the user's cache folder.
#[derive(Clone, Debug, Default)]
pub struct KernelSettings {
    /// The folder that has NVRTC (`libnvrtc.so.13`, say). None: `$CUDA_HOME` and `$CUDA_PATH`, then wherever the
    /// system's loader looks, then the usual folders of the CUDA toolkit and of Python packages.
    pub nvrtc: Option<PathBuf>,
    /// The folder that has cuBLAS (`libcublas.so.13`, say), which multiplies matrices. None: looked for where NVRTC is.
    pub cublas: Option<PathBuf>,
    /// The folder that has NCCL (`libnccl.so.2`), which adds up over several GPUs. None: looked for where NVRTC is.
    pub nccl: Option<PathBuf>,
    /// Where compiled code is kept.
    pub cache: CodeCache,
}

/// Where compiled kernels are kept between starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CodeCache {
    /// `plimsoll/kernels` in the user's cache folder: `$XDG_CACHE_HOME`, or `~/.cache`.
    #[default]
    User,
    /// This folder.
    Folder(PathBuf),
    /// Nowhere: each process compiles anew.
    Off,
}
