//! Any text is read as a size or refused with a sentence that shows it; what is read can be written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_device::Bytes;

fuzz_target!(|text: &str| {
    match text.parse::<Bytes>() {
        Ok(bytes) => {
            let exact = format!("{}B", bytes.get());
            assert_eq!(exact.parse(), Ok(bytes), "{text:?} does not survive being written exactly");
            let shown = bytes.to_string();
            let about = shown.parse::<Bytes>();
            // Rounding up the largest sizes to two decimals leaves the range, which is refused, not wrapped.
            let close = about.is_ok_and(|about| about.get().abs_diff(bytes.get()) <= bytes.get() / 100);
            assert!(close || bytes.get() > u64::MAX - u64::MAX / 100, "{text:?} is shown as {shown:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
