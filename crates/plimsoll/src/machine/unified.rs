//! How much of unified memory macOS lets the GPU wire.
//!
//! Metal tells the exact number (`recommendedMaxWorkingSetSize`); a program that has a Metal device asks there.
//! Without one, the number follows a rule by machine size, which was observed and not documented, so it is
//! given as such. It is not a flat 75%.

use crate::Bytes;

/// The GPU's part of unified memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuShare {
    /// The most it may wire.
    pub bytes: Bytes,
    /// Where the number comes from.
    pub source: &'static str,
}

/// The GPU's part of so much unified memory: the user's own setting where there is one, else the rule. For
/// 128 GiB this is the 96 GiB that every macOS version grants; macOS 26 grants more.
pub fn gpu_share(total: Bytes, wired_limit: Option<Bytes>) -> GpuShare {
    if let Some(bytes) = wired_limit.filter(|limit| !limit.is_zero()) {
        return GpuShare { bytes: bytes.min(total), source: "iogpu.wired_limit_mb" };
    }
    let thirds = total <= Bytes::gib(32);
    let bytes = if thirds { total.get() / 3 * 2 } else { total.get() / 4 * 3 };
    GpuShare { bytes: Bytes::new(bytes), source: "macOS's usual share for the GPU; Metal tells exactly" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_follows_the_size_and_the_user() {
        let share = |gib| gpu_share(Bytes::gib(gib), None).bytes;
        assert_eq!(share(36), Bytes::gib(27));
        assert_eq!(share(96), Bytes::gib(72));
        assert_eq!(share(128), Bytes::gib(96));
        assert_eq!(share(24), Bytes::gib(16));
        assert_eq!(gpu_share(Bytes::gib(64), Some(Bytes::gib(56))).bytes, Bytes::gib(56));
        assert_eq!(gpu_share(Bytes::gib(64), Some(Bytes::ZERO)).bytes, Bytes::gib(48));
        assert_eq!(gpu_share(Bytes::gib(64), Some(Bytes::gib(999))).bytes, Bytes::gib(64));
    }
}
