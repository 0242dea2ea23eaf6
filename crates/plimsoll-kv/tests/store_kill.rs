//! A process that writes is killed at random moments; `examples/kill_loop.rs` does it 200 times.
#![cfg(unix)]

mod support_kill;
mod support_store;

const FOLDER: &str = "PLIMSOLL_KILL_FOLDER";
const BEGIN: &str = "PLIMSOLL_KILL_BEGIN";

#[test]
fn nothing_is_wrong_or_lost_after_a_kill() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let begin = std::env::var(BEGIN).ok().and_then(|begin| begin.parse().ok()).unwrap_or(0);
        support_kill::child(std::path::Path::new(&folder), begin);
        return;
    }
    let program = std::env::current_exe().unwrap();
    let outcome = support_kill::parent(12, |folder, begin| {
        let mut command = std::process::Command::new(&program);
        command.args(["--exact", "nothing_is_wrong_or_lost_after_a_kill", "--nocapture", "-q"]);
        command.env(FOLDER, folder).env(BEGIN, begin.to_string());
        command
    });
    println!("{outcome}");
}
