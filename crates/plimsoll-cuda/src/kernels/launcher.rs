//! The kernels of a GPU, if they can be compiled here.

use std::sync::OnceLock;

use plimsoll_device::Notice;

use super::launch::KernelSet;

/// Looks for the compiler when kernels are first asked for. Where it is missing, that is told once, and the device goes
/// on without kernels.
pub(crate) struct Launcher {
    set: KernelSet,
    notice: Notice,
    usable: OnceLock<bool>,
}

impl Launcher {
    pub(crate) fn new(set: KernelSet, notice: Notice) -> Self {
        Self { set, notice, usable: OnceLock::new() }
    }

    /// Closes what is open of libraries. The context is current.
    pub(crate) fn close(&self) {
        self.set.blas.close();
    }

    pub(crate) fn get(&self) -> Option<&KernelSet> {
        let usable = self.usable.get_or_init(|| match self.set.available() {
            Ok(()) => true,
            Err(why) => {
                self.notice.tell("kernels", &format!("there are no CUDA kernels: {why}"));
                false
            }
        });
        usable.then_some(&self.set)
    }
}
