//! The example in the README is the one that is built.

#[test]
fn the_readme_shows_the_example_that_is_built() {
    let readme = include_str!("../../../README.md");
    let example = include_str!("../examples/quickstart.rs");
    assert!(readme.contains(example), "copy crates/plimsoll/examples/quickstart.rs into README.md as it is");
}
