//! This repository keeps its own rules. One test for each check, so that a failure names the rule.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::path::Path;

use xtask::{Finding, Tree, all, rules};

fn findings(name: &str) -> Vec<Finding> {
    let tree = Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    assert!(tree.text("Cargo.toml").is_some(), "the root was found");
    let check = all().into_iter().find(|check| check.name == name).unwrap();
    (check.find)(&tree, &rules::RULES)
}

fn keeps(name: &str) {
    let findings = findings(name);
    let list: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert!(list.is_empty(), "\n{}\n", list.join("\n"));
}

macro_rules! keeps {
    ($($test:ident: $check:literal,)*) => {
        $(
            #[test]
            fn $test() {
                keeps($check);
            }
        )*

        #[test]
        fn every_check_is_run() {
            let tested = [$($check),*];
            let known = all().map(|check| check.name);
            assert_eq!(tested, known);
        }
    };
}

keeps! {
    files_are_short: "length",
    crates_are_found_by_their_folder: "layout",
    modules_begin_with_a_table_of_contents: "contents",
    unsafe_code_is_where_it_is_listed: "unsafe",
    nothing_is_left_unfinished: "words",
    the_documents_are_there: "papers",
    links_lead_somewhere: "links",
    documented_commands_exist: "commands",
    every_dependency_has_a_reason: "decided",
    crates_depend_downwards: "direction",
    every_licence_is_allowed: "licences",
}
