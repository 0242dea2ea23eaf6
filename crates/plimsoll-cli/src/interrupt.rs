//! Ctrl-C, for what can be stopped in the middle and gone on with.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Set by the first Ctrl-C; the second ends the program at once.
#[cfg(unix)]
pub(crate) fn flag() -> Arc<AtomicBool> {
    use signal_hook::consts::SIGINT;
    use signal_hook::flag::{register, register_conditional_shutdown};

    let flag = Arc::new(AtomicBool::new(false));
    // In this order: the second signal finds the flag set. Without them Ctrl-C does what it always does.
    let _ = register_conditional_shutdown(SIGINT, 130, Arc::clone(&flag));
    let _ = register(SIGINT, Arc::clone(&flag));
    flag
}

#[cfg(not(unix))]
pub(crate) fn flag() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(false))
}
