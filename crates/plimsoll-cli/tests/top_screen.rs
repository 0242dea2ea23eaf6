//! The screen of `plimsoll top`: what it says at the sizes and in the looks that terminals have, and what keys do.

mod top_support;

use std::time::Duration;

use plimsoll::monitor::{EventSample, RecorderSample, Sample};
use plimsoll_cli::top::{App, Key, Link, Look, Page, Panel, Sort, Wish};
use ratatui::style::Color;
use top_support::{ASCII, COLORS, GIB, MIB, PLAIN, alone, buffer, engine, screen};

const SIZES: [(u16, u16); 8] =
    [(80, 24), (120, 40), (200, 60), (100, 20), (40, 10), (45, 50), (150, 24), (300, 100)];

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An engine that was watched for half a minute.
fn watching(look: Look) -> App {
    let mut app = App::new(look);
    app.linked(Link::Attached);
    for number in 1..=30 {
        app.tick(at(number));
        app.told(engine(number));
    }
    app
}

fn text(app: &App, width: u16, height: u16) -> String {
    screen(app, width, height).join("\n")
}

fn line_with(text: &str, part: &str) -> String {
    text.lines().find(|line| line.contains(part)).unwrap_or_default().to_owned()
}

fn press(app: &mut App, keys: &[Key]) {
    for &key in keys {
        assert_eq!(app.key(key), Wish::Stay, "{key:?}");
    }
}

#[test]
fn everything_essential_is_on_the_smallest_usual_screen() {
    let text = text(&watching(PLAIN), 80, 24);
    for part in [
        "engine_at_work 4242 · up 0:00:30",
        "health fair 0.62",
        "in use    9.00 GiB",
        "cached    2.00 GiB",
        "pending   1.00 GiB",
        "free     29.00 GiB",
        "others   23.00 GiB",
        "line     20.00 GiB",
        "512.00 MiB of 8.00 GiB",
        "critical",
        "└ qwen",
        "attention",
        "21%  93%",
        "available",
        "1 raised",
        "96% of the line is charged",
        "12,345 events",
        "q quit",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

#[test]
fn nothing_is_cut_in_the_middle_of_a_number_at_any_size() {
    for (width, height) in SIZES {
        for look in [PLAIN, ASCII] {
            for page in
                [&[][..], &[Key::Enter], &[Key::Tab, Key::Enter], &[Key::Char('h')], &[Key::Char('?')]]
            {
                let mut app = watching(look);
                press(&mut app, page);
                let lines = screen(&app, width, height);
                assert_eq!(lines.len(), usize::from(height));
                let text = lines.join("\n");
                assert!(text.contains("plimsoll"), "{width}x{height} {page:?}\n{text}");
                for line in &lines {
                    let cut = ["GiB", "MiB"].iter().any(|unit| {
                        let shorter = [&unit[..1], &unit[..2]];
                        shorter.iter().any(|part| line.ends_with(&format!("0 {part}")))
                    });
                    assert!(!cut, "{width}x{height}: {line:?}\n{text}");
                }
            }
        }
    }
}

#[test]
fn the_machines_bar_shows_us_the_line_the_rest_and_the_others() {
    let lines = screen(&watching(PLAIN), 83, 24);
    // 64 columns of bar for 64 GiB: one column a GiB.
    let bar: String = lines[1].chars().skip(19).collect();
    let expected = "█".repeat(9) + "▒▒░" + &"·".repeat(8) + "┃" + &"·".repeat(20) + &"▚".repeat(23);
    assert_eq!(bar, expected, "{lines:#?}");
}

#[test]
fn accounts_are_bars_on_one_scale_with_guarantee_and_limit() {
    let text = text(&watching(PLAIN), 120, 40);
    let bar = |name: &str| {
        let line = line_with(&text, name);
        line.chars().filter(|c| "█▒░·╎┃".contains(*c)).collect::<String>()
    };
    let (models, qwen, features) = (bar("models "), bar("qwen"), bar("features  "));
    assert_eq!(models.chars().count(), features.chars().count());
    assert_eq!(models, qwen, "a parent's bar carries what its only child carries");
    assert!(models.contains('╎') && models.contains('┃'));
    assert!(!features.contains('╎'), "nothing is guaranteed to it");
    let at = |bar: &str| bar.chars().position(|c| c == '┃');
    assert!(at(&models) > at(&features), "10 GiB of limit are further right than 6");
}

#[test]
fn what_is_absent_is_a_dash_and_never_zero() {
    let text = text(&watching(PLAIN), 80, 24);
    assert!(line_with(&text, "major faults").contains("major faults        –"), "{text}");
    let mut app = App::new(PLAIN);
    app.linked(Link::Machine);
    app.told(Sample { machine: plimsoll::monitor::MachineSample::default(), ..alone() });
    let lines = screen(&app, 80, 24);
    assert!(lines[1].contains("memory           – the system does not tell"), "{lines:#?}");
    let figures = lines[1..6].join("\n");
    assert!(!figures.contains("0 B") && !figures.contains("0%") && !figures.contains("0/s"), "{figures}");
}

#[test]
fn the_machine_alone_says_how_an_engine_comes_to_be_seen() {
    let mut app = App::new(PLAIN);
    assert!(text(&app, 80, 24).contains("ooking for a running engine"));
    app.linked(Link::Machine);
    app.told(alone());
    let text = text(&app, 80, 24);
    for part in ["this machine · no engine", "64.00 GiB", "engine.publish(", "--attach", "available"] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    // Nothing is charged where no engine is watched: that is absent as well.
    assert!(text.contains("in use           –"), "{text}");
}

#[test]
fn a_screen_that_is_too_small_says_so() {
    let app = watching(PLAIN);
    for (width, height) in [(39, 24), (80, 9), (20, 5), (1, 1), (3, 2)] {
        let text = text(&app, width, height);
        assert!(width < 20 || text.contains("plimsoll top needs"), "{text}");
    }
    assert!(text(&app, 39, 24).contains("here are 39 and 24"));
}

#[test]
fn without_unicode_everything_is_ascii_and_still_told_apart() {
    let mut app = watching(ASCII);
    let mut sample = engine(31);
    sample.places[0].accounts[3].path = "größe".to_owned();
    app.told(sample);
    for (width, height) in SIZES {
        for page in [&[][..], &[Key::Enter], &[Key::Escape, Key::Char('h')], &[Key::Char('?')]] {
            press(&mut app, page);
            let text = text(&app, width, height);
            assert!(text.is_ascii(), "{text}");
        }
        press(&mut app, &[Key::Escape, Key::Escape, Key::Escape]);
    }
    let bar = line_with(&text(&app, 120, 40), "memory");
    for part in ['#', '+', '~', '.', 'o', '|'] {
        assert!(bar.contains(part), "{part} is not in {bar}");
    }
}

#[test]
fn colours_add_nothing_to_the_text() {
    for (width, height) in SIZES {
        assert_eq!(screen(&watching(PLAIN), width, height), screen(&watching(COLORS), width, height));
    }
    let colors = |look| {
        let buffer = buffer(&watching(look), 120, 40);
        buffer.content.iter().any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(colors(COLORS) && !colors(PLAIN));
    let modified = buffer(&watching(ASCII), 80, 24).content.iter().any(|cell| !cell.modifier.is_empty());
    assert!(!modified, "a dumb terminal gets no bold either");
}

#[test]
fn a_critical_place_is_red_and_named() {
    let buffer = buffer(&watching(COLORS), 120, 40);
    let width = usize::from(buffer.area.width);
    let row = buffer
        .content
        .chunks(width)
        .find(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().contains("cuda:0  "));
    let row = row.unwrap_or_default();
    assert!(row.iter().any(|cell| cell.fg == Color::Red && cell.symbol() == "█"));
    assert!(row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().contains("critical"));
}

#[test]
fn freezing_says_since_when_and_keeps_the_picture() {
    let mut app = watching(PLAIN);
    press(&mut app, &[Key::Char(' ')]);
    for number in 31..=45 {
        app.tick(at(number));
        let mut sample = engine(number);
        sample.places[0].charged_bytes = 15 * GIB;
        app.told(sample);
    }
    let frozen = text(&app, 80, 24);
    assert!(
        frozen.contains("[FROZEN]") && frozen.contains("frozen since 15:54:35 UTC, 15 s ago"),
        "{frozen}"
    );
    assert!(frozen.contains("up 0:00:30") && frozen.contains("12.00 GiB"), "{frozen}");
    assert!(!frozen.contains("round 31"), "{frozen}");
    // One can look around in it.
    press(&mut app, &[Key::Down, Key::Enter]);
    assert!(text(&app, 80, 24).contains("cuda:0: NVIDIA H200"));
    press(&mut app, &[Key::Escape, Key::Char(' ')]);
    let live = text(&app, 80, 24);
    assert!(live.contains("up 0:00:45") && live.contains("round 45") && !live.contains("FROZEN"), "{live}");
}

#[test]
fn the_end_of_an_engine_is_said_and_the_last_picture_kept() {
    let mut app = watching(PLAIN);
    app.linked(Link::Ended { why: "engine_at_work (4242) has ended".to_owned() });
    app.tick(at(42));
    let ended = text(&app, 80, 24);
    assert!(
        ended.contains("[ENDED]") && ended.contains("engine_at_work (4242) has ended 12 s ago"),
        "{ended}"
    );
    assert!(text(&app, 120, 40).contains("looking for it again"));
    assert!(ended.contains("└ qwen") && ended.contains("12.00 GiB"), "{ended}");
    // It comes back as another process, whose past is its own.
    app.linked(Link::Attached);
    let mut again = engine(1);
    again.source.pid = 5151;
    app.told(again);
    let back = text(&app, 120, 40);
    assert!(back.contains("engine_at_work 5151 · up 0:00:01") && !back.contains("ENDED"), "{back}");
    assert!(!back.contains("round 30"), "{back}");
}

#[test]
fn an_engine_that_says_nothing_is_silent_and_not_calm() {
    let mut app = watching(PLAIN);
    app.tick(at(33));
    assert!(!text(&app, 80, 24).contains("SILENT"));
    app.tick(at(40));
    let silent = text(&app, 80, 24);
    assert!(silent.contains("[SILENT]") && silent.contains("no sample for 10 s"), "{silent}");
    // Samples that are far apart by intention are not late.
    let mut slow = App::new(PLAIN);
    slow.linked(Link::Attached);
    for number in [60, 120] {
        slow.tick(at(number));
        slow.told(engine(number));
    }
    slow.tick(at(170));
    assert!(!text(&slow, 80, 24).contains("SILENT"));
}

#[test]
fn places_and_accounts_open_and_close() {
    let mut app = watching(PLAIN);
    press(&mut app, &[Key::Down, Key::Enter]);
    assert_eq!(app.page(), Page::Place);
    let place = text(&app, 80, 24);
    for part in ["cuda:0: NVIDIA H200", "140.00 GiB", "device busy", "waiting", "train", "96% of the line"] {
        assert!(place.contains(part), "{part:?} is not in\n{place}");
    }
    assert!(!place.contains("features"), "what is elsewhere is not shown: {place}");
    press(&mut app, &[Key::Enter]);
    assert_eq!(app.page(), Page::Account);
    let account = text(&app, 80, 24);
    for part in ["train at cuda:0", "40.00 GiB", "hit rate", "1,234,567", "grads"] {
        assert!(account.contains(part), "{part:?} is not in\n{account}");
    }
    press(&mut app, &[Key::Escape]);
    assert_eq!(app.page(), Page::Place);
    press(&mut app, &[Key::Left, Key::Escape, Key::Escape]);
    assert_eq!(app.page(), Page::Overview);
}

#[test]
fn an_account_shows_its_own_events_and_past() {
    let mut app = watching(PLAIN);
    press(&mut app, &[Key::Tab, Key::Home, Key::Enter]);
    assert_eq!(app.shown_account(), Some("features"));
    let own = text(&app, 120, 40);
    assert!(own.contains("embed of round 30") && own.contains("features at host"), "{own}");
    press(&mut app, &[Key::Escape, Key::Down, Key::Enter]);
    let other = text(&app, 120, 40);
    assert!(other.contains("kv at host") && !other.contains("embed of round"), "{other}");
}

#[test]
fn health_is_shown_in_parts_with_what_to_do() {
    let mut app = watching(PLAIN);
    press(&mut app, &[Key::Char('h')]);
    let health = text(&app, 80, 24);
    for part in
        ["headroom", "0.62", "cuda:0 carries 96%", "swap                  –", "lower its limit by 4 GiB"]
    {
        assert!(health.contains(part), "{part:?} is not in\n{health}");
    }
    press(&mut app, &[Key::Char('h')]);
    assert_eq!(app.page(), Page::Overview);
}

#[test]
fn keys_move_what_is_selected_and_stop_at_the_ends() {
    let mut app = watching(PLAIN);
    let place = |app: &App| app.shown_place().map(|place| place.place.clone()).unwrap_or_default();
    press(&mut app, &[Key::Up, Key::Char('k')]);
    assert_eq!(place(&app), "host");
    press(&mut app, &[Key::Char('j'), Key::Down, Key::PageDown]);
    assert_eq!(place(&app), "cuda:0");
    assert_eq!(app.shown_account(), Some("train"), "an account of the place that is shown");
    press(&mut app, &[Key::Home, Key::Tab]);
    assert_eq!((app.panel(), place(&app).as_str()), (Panel::Accounts, "host"));
    press(&mut app, &[Key::End]);
    assert_eq!(app.shown_account(), Some("models/qwen"));
    press(&mut app, &[Key::BackTab, Key::BackTab]);
    assert_eq!(app.panel(), Panel::Events);
    assert_eq!(app.key(Key::Char('q')), Wish::Quit);
    assert_eq!(app.key(Key::Control('z')), Wish::Suspend);
}

#[test]
fn sorting_goes_round_and_keeps_the_selection() {
    let mut app = watching(PLAIN);
    press(&mut app, &[Key::Tab, Key::Home]);
    assert_eq!(app.shown_account(), Some("features"));
    let order = |app: &App| {
        let text = text(app, 80, 24);
        let names = ["features  ", "kv  ", "models  "];
        let mut found: Vec<_> = names.iter().filter_map(|name| Some((text.find(name)?, *name))).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, name)| name.trim_end()).collect::<Vec<_>>()
    };
    assert_eq!(order(&app), ["features", "kv", "models"]);
    press(&mut app, &[Key::Char('s')]);
    assert_eq!((app.sort(), order(&app)), (Sort::Charged, vec!["models", "kv", "features"]));
    assert_eq!(app.shown_account(), Some("features"));
    press(&mut app, &[Key::Char('s'), Key::Char('s'), Key::Char('s')]);
    assert_eq!(app.sort(), Sort::Name);
}

#[test]
fn what_has_no_room_is_counted_and_can_be_reached() {
    let mut app = App::new(PLAIN);
    app.linked(Link::Attached);
    let mut sample = engine(1);
    let one = sample.places[0].accounts[3].clone();
    sample.places[0].accounts = (0..50)
        .map(|number| plimsoll::monitor::AccountSample { path: format!("tenant{number:02}"), ..one.clone() })
        .collect();
    app.told(sample);
    assert!(text(&app, 80, 24).contains("/50"));
    press(&mut app, &[Key::Tab, Key::End]);
    let last = text(&app, 80, 24);
    assert!(last.contains("tenant49") && last.contains("-50/50"), "{last}");
    press(&mut app, &[Key::Home]);
    assert!(text(&app, 80, 24).contains("tenant00"));
}

#[test]
fn events_scroll_to_the_oldest_and_no_further() {
    let mut app = watching(PLAIN);
    press(&mut app, &[Key::BackTab, Key::End, Key::PageDown, Key::Down]);
    let oldest = text(&app, 80, 24);
    assert!(oldest.contains("round 1") && oldest.contains("-31/31"), "{oldest}");
    press(&mut app, &[Key::Home]);
    assert!(text(&app, 80, 24).contains("round 30"));
}

#[test]
fn lost_events_are_never_left_out() {
    let mut app = watching(PLAIN);
    let recorder = Some(RecorderSample { recordings: 1, events: 1_000_000, dropped: 1_234, threads: 9 });
    app.told(Sample { recorder, ..engine(31) });
    for (width, height) in SIZES {
        let text = text(&app, width, height);
        assert!(text.contains("DROPPED 1,234"), "{width}x{height}\n{text}");
    }
}

#[test]
fn what_a_terminal_would_obey_is_not_passed_on() {
    let mut app = App::new(PLAIN);
    app.linked(Link::Attached);
    let evil = "x\u{1b}[2J\u{7}\u{9b}31m\n\ty";
    let mut sample = engine(1);
    evil.clone_into(&mut sample.source.program);
    evil.clone_into(&mut sample.places[0].accounts[2].tags[0].tag);
    evil.clone_into(&mut sample.places[0].accounts[2].path);
    sample.events =
        vec![EventSample { detail: evil.to_owned(), kind: evil.to_owned(), ..sample.events[0].clone() }];
    evil.clone_into(&mut sample.alerts[0].text);
    if let Some(health) = sample.health.as_mut() {
        health.advice = vec![evil.to_owned()];
        evil.clone_into(&mut health.rating);
    }
    evil.clone_into(&mut sample.places[0].level);
    app.told(sample);
    for keys in [&[][..], &[Key::Char('h')], &[Key::Char('h'), Key::Enter], &[Key::Enter]] {
        press(&mut app, keys);
        let buffer = buffer(&app, 200, 60);
        let obeyed = buffer.content.iter().any(|cell| cell.symbol().contains(char::is_control));
        assert!(!obeyed, "{keys:?}");
    }
}

#[test]
fn absurd_values_are_drawn_and_not_died_of() {
    let mut app = App::new(PLAIN);
    app.linked(Link::Attached);
    let mut sample = engine(1);
    let place = &mut sample.places[0];
    (place.charged_bytes, place.cached_bytes, place.pending_bytes) = (u64::MAX, u64::MAX, u64::MAX);
    (place.line_bytes, place.carry_bytes, place.unbacked_bytes) = (0, u64::MAX, u64::MAX);
    place.exhausted_in_s = Some(f64::INFINITY);
    place.external_fragmentation = Some(f64::NAN);
    place.accounts[0].charged_bytes = u64::MAX;
    place.accounts[2].cached_bytes = Some(u64::MAX);
    place.accounts[2].path = "a/".repeat(400);
    sample.machine.minor_faults_per_s = Some(-1.0);
    sample.machine.major_faults_per_s = Some(f64::MAX);
    sample.machine.swap_out_bytes_per_s = Some(f64::NAN);
    (sample.at_unix_ms, sample.up_ms) = (u64::MAX, u64::MAX);
    app.told(sample);
    for (width, height) in SIZES {
        for keys in [&[][..], &[Key::Enter], &[Key::Enter], &[Key::Escape, Key::Escape]] {
            press(&mut app, keys);
            assert!(text(&app, width, height).contains("plimsoll"));
        }
    }
    // The clock that goes back begins another picture.
    app.told(engine(2));
    assert!(text(&app, 80, 24).contains("up 0:00:02"));
}

#[test]
fn numbers_stay_where_they_are_when_they_change() {
    let column = |charged: u64| {
        let mut app = App::new(PLAIN);
        app.linked(Link::Attached);
        let mut sample = engine(1);
        sample.places[0].charged_bytes = charged;
        app.told(sample);
        let text = text(&app, 80, 24);
        let line = line_with(&text, "▸ host");
        line.chars().position(|c| "█·▒░".contains(c))
    };
    let first = column(0);
    assert!(first.is_some());
    for charged in [1, 1_023, 5 * MIB, 1_023 * MIB + 1_000_000, 19 * GIB] {
        assert_eq!(column(charged), first, "{charged}");
    }
}
