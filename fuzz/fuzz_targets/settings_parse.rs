//! Any text is read as settings or refused with a sentence that names the file; what is read adds up, and
//! written in either format reads back as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll::governor::Governor;
use plimsoll::settings::{self, Capacities, Format};
use plimsoll::{Bytes, Place};

fuzz_target!(|text: &str| {
    for format in [Format::Toml, Format::Yaml] {
        check(text, format);
    }
});

fn check(text: &str, format: Format) {
    let capacities = Capacities::unknown().with(Place::Host, Bytes::gib(128));
    let read = match settings::parse("a/plan", text, format, &capacities) {
        Ok(read) => read,
        Err(error) => {
            let said = error.to_string();
            assert!(said.contains("a/plan"), "{said:?} does not name the file");
            return;
        }
    };
    for (format, written) in
        [(Format::Toml, settings::to_toml(&read)), (Format::Yaml, settings::to_yaml(&read))]
    {
        let again = settings::parse("again", &written, format, &capacities);
        assert_eq!(again.as_ref(), Ok(&read), "{text:?} does not survive being written:\n{written}");
    }
    // What reads may still not add up, which is refused with a sentence.
    if let Err(error) = Governor::open(&read) {
        assert!(!error.to_string().is_empty());
    }
}
