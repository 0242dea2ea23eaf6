//! Cargo manifests as the checks need them: names and dependencies.

use toml::{Table, Value};

use crate::{Finding, Tree};

/// One crate's manifest.
pub struct Manifest {
    /// Where it is, relative to the root.
    pub path: String,
    /// The crate's name.
    pub name: String,
    /// All it depends on: normal, development and build dependencies, for every target.
    pub dependencies: Vec<Dependency>,
}

/// One dependency of a crate.
pub struct Dependency {
    /// The name of the crate that is meant, also where it is renamed.
    pub name: String,
    /// Whether it is a crate of this workspace.
    pub ours: bool,
}

/// A manifest as TOML; a text that is none is a finding.
fn parse(path: &str, text: &str) -> Result<Table, Finding> {
    text.parse()
        .map_err(|error: toml::de::Error| Finding::file(path, format!("is not TOML: {}", error.message())))
}

/// `[workspace.dependencies]` of the root manifest.
pub fn of_workspace(tree: &Tree) -> Result<Vec<Dependency>, Finding> {
    let root = parse("Cargo.toml", tree.text("Cargo.toml").unwrap_or_default())?;
    let table = root.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    Ok(dependencies(table, &[]))
}

/// Every manifest of a crate: under `crates/`, and other folders of the root that hold one (`fuzz`).
pub fn all(tree: &Tree) -> (Vec<Manifest>, Vec<Finding>) {
    let shared = of_workspace(tree).unwrap_or_default();
    let ours: Vec<String> = shared.into_iter().filter(|one| one.ours).map(|one| one.name).collect();
    let mut findings = Vec::new();
    let mut manifests = Vec::new();
    for (path, text) in tree.ending("/Cargo.toml") {
        match parse(path, text) {
            Ok(table) => manifests.push(manifest(path, &table, &ours)),
            Err(finding) => findings.push(finding),
        }
    }
    (manifests, findings)
}

fn manifest(path: &str, table: &Table, ours: &[String]) -> Manifest {
    let name = table.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let mut all: Vec<_> = kinds.iter().flat_map(|kind| dependencies(table.get(*kind), ours)).collect();
    for target in table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values) {
        all.extend(kinds.iter().flat_map(|kind| dependencies(target.get(*kind), ours)));
    }
    Manifest { path: path.to_owned(), name: name.unwrap_or_default().to_owned(), dependencies: all }
}

fn dependencies(table: Option<&Value>, ours: &[String]) -> Vec<Dependency> {
    let entries = table.and_then(Value::as_table).into_iter().flatten();
    let dependency = |(key, value): (&String, &Value)| {
        let name = value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned();
        let ours = value.get("path").is_some() || ours.contains(&name);
        Dependency { name, ours }
    };
    entries.map(dependency).collect()
}
