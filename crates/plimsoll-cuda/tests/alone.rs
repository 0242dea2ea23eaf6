//! What needs a GPU to itself, and ends it for this process: the suite with memory exhausted and the device lost.

use std::sync::Arc;

use plimsoll_cuda::{Cuda, CudaError, CudaSettings};
use plimsoll_device::Device;
use plimsoll_device::conformance::{self, Options};

#[test]
fn a_gpu_that_runs_out_and_is_lost_says_so() {
    let cuda = match Cuda::load(CudaSettings::default()) {
        Ok(cuda) => cuda,
        Err(why @ (CudaError::NoDriver | CudaError::NoDevice | CudaError::OldDriver { .. })) => {
            println!("skipped: {why}");
            return;
        }
        Err(why) => panic!("{why}"),
    };
    let last = cuda.gpus().last().unwrap().ordinal;
    let gpu = cuda.device(last).unwrap();
    let device: Arc<dyn Device> = gpu.clone();
    let mut options = Options::suited(device.facts());
    options.lose = Some(Arc::new(move || {
        gpu.lose_on_purpose().unwrap();
    }));
    let report = conformance::run(&device, &options);
    println!("{report}");
    assert!(report.passed(), "{report}");
}
