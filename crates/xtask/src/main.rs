//! `cargo run -p xtask -- check`: every style check over this repository.

use std::path::Path;
use std::process::ExitCode;

use xtask::{Tree, rules};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if arguments != ["check"] {
        eprintln!("usage: cargo run -p xtask -- check");
        return ExitCode::from(2);
    }
    match Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")) {
        Ok(tree) => check(&tree),
        Err(error) => {
            eprintln!("error: the repository could not be read: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check(tree: &Tree) -> ExitCode {
    let mut broken = 0_usize;
    for (check, findings) in xtask::run(tree, &rules::RULES) {
        for finding in &findings {
            println!("{finding} [{}]", check.name);
        }
        broken += findings.len();
    }
    eprintln!("{broken} findings in {} files", tree.files().count());
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
