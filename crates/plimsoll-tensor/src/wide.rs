//! Runs work with the widest vector instructions that this processor has.

/// Work whose loops gain from vector instructions. Its `run` is always inlined, so that it is compiled once for each
/// set of them.
pub trait Work {
    /// Does it.
    fn run(self);
}

/// Runs it.
pub fn widest(work: impl Work) {
    #[cfg(target_arch = "x86_64")]
    {
        if crate::packed::Instructions::best() == crate::packed::Instructions::Avx512 {
            // SAFETY: the processor has them.
            return unsafe { avx512(work) };
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: the processor has both.
            return unsafe { avx2(work) };
        }
    }
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
fn avx512(work: impl Work) {
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2(work: impl Work) {
    work.run();
}
