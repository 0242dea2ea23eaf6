//! The screen of `plimsoll top` at the sizes that terminals have.
#![expect(clippy::unwrap_used, reason = "a screen in memory cannot fail")]

mod top_support;

use std::time::Duration;

use plimsoll_cli::top::{App, Link, Look};
use top_support::{ASCII, PLAIN, engine, screen};

fn watching(look: Look) -> App {
    let mut app = App::new(look);
    app.linked(Link::Attached);
    for number in 1..=30 {
        app.tick(Duration::from_secs(number));
        app.told(engine(number));
    }
    app
}

#[test]
fn everything_essential_is_on_the_smallest_usual_screen() {
    let lines = screen(&watching(PLAIN), 80, 24);
    let text = lines.join("\n");
    println!("{text}");
    println!("{}", screen(&watching(ASCII), 120, 40).join("\n"));
    println!("{}", screen(&watching(PLAIN), 200, 60).join("\n"));
    for part in
        ["engine_at_work 4242", "health fair 0.62", "64.00 GiB", "20.00 GiB", "host", "cuda:0", "kv", "qwen"]
    {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}
