//! How busy this machine's GPUs are, where it has any; without one the test says why it did nothing.

use plimsoll_cuda::{Cuda, CudaSettings, GpuUsage};
use plimsoll_device::Device as _;

#[test]
fn gpus_tell_their_memory_and_how_busy_they_are() {
    let cuda = match Cuda::load(CudaSettings::default()) {
        Ok(cuda) => cuda,
        Err(why) => return println!("skipped: {why}"),
    };
    let Some(usage) = GpuUsage::open(cuda.gpus()) else {
        return println!("skipped: there is no management library, or it knows none of the GPUs");
    };
    println!("{usage:?}");
    for gpu in cuda.gpus() {
        let device = cuda.device(gpu.ordinal).unwrap();
        let (total, free) = usage.memory(gpu.ordinal).unwrap();
        println!("cuda:{} {total} {free} busy {:?}", gpu.ordinal, usage.busy(gpu.ordinal));
        assert!(free <= total && total >= device.facts().total, "the driver keeps some: {total}");
        // A GPU that is split tells nothing; one that tells, tells a share.
        assert!(usage.busy(gpu.ordinal).is_none_or(|busy| (0.0..=1.0).contains(&busy)));
    }
    assert_eq!(usage.busy(u16::MAX), None, "there is no such GPU");
}
