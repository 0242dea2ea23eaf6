//! `plimsoll plan pack` as a user meets it.
#![expect(clippy::unwrap_used, reason = "a test")]

mod program;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use program::{report, said};

/// Made-up buffers: lives and sizes by a rule.
fn buffers() -> Vec<[u64; 3]> {
    let rule = |number: u64, times: u64, most: u64| number * times % most;
    let one = |number| {
        let begins = rule(number, 37, 90);
        [begins, begins + 1 + rule(number, 53, 25), 64 + 64 * rule(number, 29, 40)]
    };
    (0..70).map(one).collect()
}

fn table(path: &Path, rows: &[[u64; 3]]) {
    let mut text = "id,lower,upper,size\n".to_owned();
    for (id, [lower, upper, size]) in rows.iter().enumerate() {
        writeln!(text, "b{id},{lower},{upper},{size}").unwrap();
    }
    fs::write(path, text).unwrap();
}

/// The offsets that were written behind the same rows.
fn offsets(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|row| row.rsplit(',').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn buffers_that_live_at_once_lie_apart_below_the_height_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let [file, out, picture] = ["step.csv", "offsets.csv", "step.svg"].map(|name| folder.path().join(name));
    let rows = buffers();
    table(&file, &rows);
    let most = (0..120).map(|step| rows.iter().filter(|b| b[0] <= step && step < b[1]).map(|b| b[2]).sum());
    let bound: u64 = most.max().unwrap();
    let [file, to, svg] = [&file, &out, &picture].map(|path| path.to_str().unwrap());
    let mut found = Vec::new();
    for beginning in ["0", "0", "7"] {
        let more = ["--beginning", beginning, "--seconds", "20", "-o", to, "--svg", svg];
        let told = report(
            &[&["plan", "pack", file, "--capacity", &(bound + bound / 20).to_string()], &more[..]].concat(),
        );
        let placed = offsets(&out);
        assert_eq!((told["buffers"].as_u64(), placed.len()), (Some(70), 70));
        assert_eq!(told["bound_bytes"].as_u64(), Some(bound));
        let tops = rows.iter().zip(&placed).map(|(buffer, offset)| offset + buffer[2]);
        assert_eq!(tops.max(), told["height_bytes"].as_u64());
        for (one, first) in rows.iter().enumerate() {
            for (other, second) in rows.iter().enumerate().skip(one + 1) {
                let meet = first[0] < second[1] && second[0] < first[1];
                let apart =
                    placed[one] + first[2] <= placed[other] || placed[other] + second[2] <= placed[one];
                assert!(!meet || apart, "buffers {one} and {other}");
            }
        }
        found.push(placed);
    }
    assert_eq!(found[0], found[1], "the same beginning gives the same plan");
    assert!(fs::read_to_string(&picture).unwrap().contains("<svg"));
}

#[test]
fn what_cannot_be_packed_is_refused_with_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("step.csv");
    table(&file, &[[0, 4, 100], [2, 6, 50], [8, 9, 10]]);
    let path = file.to_str().unwrap();
    let refused = said(&["plan", "pack", path, "--capacity", "149"], 1);
    assert!(refused.contains("150"), "{refused}");
    table(&file, &[[0, 4, 100], [6, 2, 50]]);
    let wrong = said(&["plan", "pack", path], 1);
    assert!(wrong.contains("line 3") && wrong.contains("ends after it begins"), "{wrong}");
    fs::write(&file, "id,lower,upper\na,1,2\n").unwrap();
    assert!(said(&["plan", "pack", path], 1).contains("size"));
    said(&["plan", "pack", "/no/such/file.csv"], 1);
    said(&["plan", "pack", path, "--seconds", "0"], 2);
}
