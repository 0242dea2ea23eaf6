//! Which instructions this processor has, and running a job with them.

use std::sync::OnceLock;

#[cfg(target_arch = "aarch64")]
use super::neon;
use super::{Job, plain};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// Sets of instructions that there are kernels for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// AVX-512 with VNNI.
    Avx512,
    /// AVX2 with FMA.
    Avx2,
    /// NEON.
    Neon,
    /// No vector instructions by name: the reference.
    Plain,
}

impl Instructions {
    /// All that this processor has, the best first.
    pub fn all() -> Vec<Self> {
        let every = [Self::Avx512, Self::Avx2, Self::Neon, Self::Plain];
        every.into_iter().filter(|set| set.is_here()).collect()
    }

    /// The best that this processor has.
    pub fn best() -> Self {
        static BEST: OnceLock<Instructions> = OnceLock::new();
        *BEST.get_or_init(|| Self::all().first().copied().unwrap_or(Self::Plain))
    }

    fn is_here(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                use std::arch::is_x86_feature_detected as has;
                has!("avx512f")
                    && has!("avx512bw")
                    && has!("avx512dq")
                    && has!("avx512vl")
                    && has!("avx512vnni")
                    && Self::Avx2.is_here()
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                use std::arch::is_x86_feature_detected as has;
                has!("avx2") && has!("fma") && has!("f16c")
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => true,
            Self::Plain => true,
            #[allow(unreachable_patterns, reason = "which are left depends on the processor's kind")]
            _ => false,
        }
    }

    /// Runs it with these instructions, which the processor has.
    pub(crate) fn run(self, job: impl Job) {
        debug_assert!(self.is_here());
        // SAFETY: sets come from `all` and `best`, which name only what the processor has.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => avx512::run(job),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => avx2::run(job),
                #[cfg(target_arch = "aarch64")]
                Self::Neon => neon::run(job),
                _ => job.run::<plain::Plain>(),
            }
        }
    }
}
