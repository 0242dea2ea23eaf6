//! The report in a real browser: its script runs without an error, and what it shows is what the summary says.
//!
//! The browser is that of `PLIMSOLL_CHROMIUM`, or one on the path. Without one the tests say so and pass, unless
//! `PLIMSOLL_REQUIRE_CHROMIUM` is set.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot start its browser fails")]

use std::path::PathBuf;
use std::process::Command;

use plimsoll::record::{Facts, Names, Recording};

#[path = "../../plimsoll/tests/recordings/mod.rs"]
mod recordings;

fn browser() -> Option<PathBuf> {
    let chosen = std::env::var_os("PLIMSOLL_CHROMIUM").map(PathBuf::from);
    let folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let found = || {
        names
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
            .find(|p| p.is_file())
    };
    let browser = chosen.or_else(found);
    if browser.is_none() {
        assert!(
            std::env::var_os("PLIMSOLL_REQUIRE_CHROMIUM").is_none(),
            "a browser is required and there is none"
        );
        println!("skipped: there is no Chromium on the path, and PLIMSOLL_CHROMIUM names none");
    }
    browser
}

/// The page as the browser has it after its scripts ran.
fn dom(browser: &PathBuf, page: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    std::fs::write(&path, page).unwrap();
    let profile = format!("--user-data-dir={}", folder.path().join("profile").display());
    let mut command = Command::new(browser);
    command.args(["--headless", "--disable-gpu", "--no-first-run", "--virtual-time-budget=10000", &profile]);
    // Chromium refuses its sandbox to root, which is who runs tests in a container; the page is our own.
    if cfg!(target_os = "linux") {
        command.arg("--no-sandbox");
    }
    let output = command.arg("--dump-dom").arg(format!("file://{}", path.display())).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn body(dom: &str) -> &str {
    let start = dom.find("<body").unwrap();
    &dom[start..start + dom[start..].find('>').unwrap()]
}

/// The numbers that the page gives for a fact, place by place in the page's order.
fn facts(dom: &str, name: &str) -> Vec<u64> {
    let marker = format!("data-fact=\"{name}\" data-v=\"");
    let found = dom.split(&marker).skip(1);
    found.map(|rest| rest[..rest.find('"').unwrap()].parse().unwrap()).collect()
}

#[test]
fn the_script_runs_and_the_page_says_what_the_summary_says() {
    let Some(browser) = browser() else { return };
    let recording = recordings::synthetic(30_000, 11);
    let page = plimsoll_cli::report::render(&recording).unwrap();
    let dom = dom(&browser, &page);
    let body = body(&dom);
    assert!(body.contains("data-script=\"ran\""), "{body}");
    assert!(body.contains("data-charts=\"4\""), "{body}");
    assert!(!body.contains("data-errors"), "{body}");
    let summary = recording.summary().unwrap();
    let mut places: Vec<_> = summary.places.iter().collect();
    places.sort_by_key(|place| std::cmp::Reverse(place.charged.unwrap().bytes));
    let of = |pick: fn(&plimsoll::record::analysis::PlaceSummary) -> u64| {
        places.iter().map(|place| pick(place)).collect::<Vec<_>>()
    };
    assert_eq!(facts(&dom, "requested"), of(|place| place.requested.bytes));
    assert_eq!(facts(&dom, "placed"), of(|place| place.placed.bytes));
    assert_eq!(facts(&dom, "charged"), of(|place| place.charged.unwrap().bytes));
    assert_eq!(facts(&dom, "backed"), of(|place| place.backed.unwrap().bytes));
    assert_eq!(facts(&dom, "leases"), of(|place| place.leases));
    assert_eq!(facts(&dom, "end"), of(|place| place.end_live));
    assert_eq!(facts(&dom, "events"), [summary.facts.events]);
    assert_eq!(facts(&dom, "dropped"), [0]);
    assert!(!dom.contains("<script>alert"), "a tag is a text and never markup");
    assert!(dom.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "and it is shown as it is");
}

#[test]
fn the_chart_answers_to_keys_and_clicks() {
    let Some(browser) = browser() else { return };
    let page = plimsoll_cli::report::render(&recordings::synthetic(20_000, 4)).unwrap();
    let probe = "<script>
        const plot = document.querySelector('.plot'), svg = plot.querySelector('svg');
        const key = (key) => plot.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
        const did = {};
        key('ArrowRight');
        did.tip = plot.querySelector('.tip').style.display + ' ' + plot.querySelectorAll('.tip div').length;
        const whole = svg.getAttribute('viewBox');
        key('+');
        did.zoomed = svg.getAttribute('viewBox') !== whole;
        key('Escape');
        did.whole = svg.getAttribute('viewBox') === whole;
        const band = document.querySelector('path.band[data-band=\"1\"]'), before = band.getAttribute('d');
        document.querySelector('.legend button[data-band=\"0\"]').click();
        did.restacked = band.getAttribute('d') !== before;
        document.querySelector('.legend button[data-band=\"0\"]').click();
        did.back = band.getAttribute('d').length > 20;
        const box = plot.getBoundingClientRect();
        const at = (x) => ({ clientX: box.left + box.width * x, clientY: box.top + 9, pointerType: 'mouse', bubbles: true });
        plot.dispatchEvent(new PointerEvent('pointerdown', at(.2)));
        plot.dispatchEvent(new PointerEvent('pointermove', at(.4)));
        plot.dispatchEvent(new PointerEvent('pointerup', at(.4)));
        did.dragged = svg.getAttribute('viewBox') !== whole;
        const head = document.querySelector('section.card table.sortable th.n button');
        head.click();
        did.sorted = head.closest('th').getAttribute('aria-sort');
        document.body.dataset.did = JSON.stringify(did);
        </script></body>";
    let dom = dom(&browser, &page.replace("</body>", probe));
    let body = body(&dom).replace("&quot;", "\"");
    assert!(!body.contains("data-errors"), "{body}");
    let did = &body[body.find("data-did=\"").expect("the probe ran") + 10..];
    let did: serde_json::Value = serde_json::from_str(&did[..=did.find('}').unwrap()]).unwrap();
    for name in ["zoomed", "whole", "restacked", "back", "dragged"] {
        assert_eq!(did[name], true, "{name}: {did}");
    }
    assert_eq!(did["sorted"], "descending", "{did}");
    assert!(did["tip"].as_str().unwrap().starts_with("block "), "{did}");
}

#[test]
fn nothing_and_what_is_missing_are_pages_too() {
    let Some(browser) = browser() else { return };
    let empty = Recording::from_events(Facts::default(), Names::default(), Vec::new());
    let page = plimsoll_cli::report::render(&empty).unwrap();
    let first = dom(&browser, &page);
    assert!(body(&first).contains("data-script=\"ran\"") && !body(&first).contains("data-errors"));
    assert!(first.contains("Nothing was leased, backed or charged."));
    let whole = recordings::synthetic(3_000, 1);
    let events = whole.events().map(Result::unwrap).step_by(3).collect();
    let facts_of = Facts { dropped: 2_000, cut: true, ..whole.facts().clone() };
    let torn = Recording::from_events(facts_of, whole.names().clone(), events);
    let second = dom(&browser, &plimsoll_cli::report::render(&torn).unwrap());
    assert!(body(&second).contains("data-script=\"ran\"") && !body(&second).contains("data-errors"));
    assert_eq!(facts(&second, "dropped"), [2_000]);
    assert!(second.contains("2,000 events are missing.") && second.contains("The file was cut."));
    assert!(second.contains("Not everything adds up:"));
}
