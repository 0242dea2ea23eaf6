//! Kills a process that writes a cold store at random moments, again and again, and looks each time whether anything
//! wrong is read, anything that was published is lost, or the folder takes more than it may.
//!
//! ```console
//! $ cargo run --release -p plimsoll-kv --example kill_loop -- --kills 200
//! ```

#[cfg(unix)]
#[path = "../tests/support_store/mod.rs"]
mod support_store;

#[cfg(unix)]
#[path = "../tests/support_kill/mod.rs"]
mod support_kill;

#[cfg(unix)]
fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let [_, child, folder, begin] = &words[..]
        && child == "--child"
    {
        support_kill::child(std::path::Path::new(folder), begin.parse().unwrap_or(0));
        return;
    }
    let kills = match &words[..] {
        [_, flag, kills] if flag == "--kills" => kills.parse().ok(),
        [_] => Some(200),
        _ => None,
    };
    let Some(kills) = kills else {
        eprintln!("usage: kill_loop [--kills N]");
        std::process::exit(2);
    };
    let program = std::env::current_exe().expect("this program has a path");
    let outcome = support_kill::parent(kills, |folder, begin| {
        let mut command = std::process::Command::new(&program);
        command.arg("--child").arg(folder).arg(begin.to_string());
        command
    });
    println!("{outcome}");
}

#[cfg(not(unix))]
fn main() {
    eprintln!("processes are killed on unix only");
}
