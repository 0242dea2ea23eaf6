//! What the fuzz target `bytes_parse` tries, on every test run: any text is read or refused without a panic, and
//! what is read survives being written.

use plimsoll_device::Bytes;
use proptest::prelude::*;

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[ -]?[0-9._]{0,24} ?[kKMGTiIbB]{0,4}|\\PC{0,16}") {
        match text.parse::<Bytes>() {
            Ok(bytes) => prop_assert_eq!(format!("{}B", bytes.get()).parse(), Ok(bytes)),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn what_is_shown_is_close(bytes in any::<u64>().prop_map(|n| n >> (n % 64))) {
        let shown = Bytes::new(bytes).to_string();
        let read: Bytes = shown.parse().map_err(|error| TestCaseError::fail(format!("{shown}: {error}")))?;
        prop_assert!(read.get().abs_diff(bytes) <= bytes / 100, "{bytes} is shown as {shown}");
    }
}
