//! Puts a GPU through the suite that every device passes, on the machine that has it.
//!
//! ```console
//! $ cargo run -p plimsoll-wgpu --example conformance -- [NUMBER]
//! ```
//!
//! Exit code 1 when a promise is not kept or no GPU can be opened, 2 for a number that is none.

use std::process::ExitCode;
use std::sync::Arc;

use plimsoll_device::Device;
use plimsoll_device::conformance::{Options, run};
use plimsoll_wgpu::{GpuDevice, GpuSettings, adapters};

fn main() -> ExitCode {
    let adapter = match std::env::args().nth(1).map(|number| number.parse()) {
        None => 0,
        Some(Ok(number)) => number,
        Some(Err(error)) => {
            eprintln!("the number of an adapter is expected: {error}");
            return ExitCode::from(2);
        }
    };
    let settings = GpuSettings { adapter, ..GpuSettings::default() };
    for one in adapters(&settings) {
        println!(
            "{} {} ({}, {}, {}): {} with {} free, at most {} a buffer and {} a binding{}",
            one.number,
            one.name,
            one.kind.word(),
            one.api,
            one.driver,
            one.total,
            one.free.map_or_else(|| "an unknown part".to_owned(), |free| free.to_string()),
            one.max_buffer,
            one.max_binding,
            one.lacks.map_or_else(String::new, |lacks| format!("; cannot be used: {lacks}")),
        );
    }
    let gpu = match GpuDevice::open(settings) {
        Ok(gpu) => gpu,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{:#?}", gpu.facts());
    let device: Arc<dyn Device> = Arc::clone(&gpu) as _;
    let options = Options { lose: Some(Arc::new(move || gpu.lose())), ..Options::suited(device.facts()) };
    let report = run(&device, &options);
    println!("{report}");
    if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
