//! Everything that is built in may be passed on under this project's terms. The list of licences is the one in
//! `deny.toml`, so that cargo-deny and this check agree.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{Finding, Rules, Tree};

const LIST: &str = "deny.toml";

/// Packages whose licence is not in the list, of all that `Cargo.lock` can bring in with every feature.
pub fn find(tree: &Tree, _: &Rules) -> Vec<Finding> {
    let Some(allowed) = Allowed::read(tree.text(LIST).unwrap_or_default()) else {
        return vec![Finding::file(LIST, "has no list licenses.allow")];
    };
    match packages(tree.root()) {
        Ok(packages) => packages.iter().filter_map(|package| refused(package, &allowed)).collect(),
        Err(what) => vec![Finding::file("Cargo.lock", what)],
    }
}

/// What `deny.toml` allows to all packages, and to single ones.
struct Allowed {
    all: Vec<String>,
    exceptions: Vec<(String, Vec<String>)>,
}

impl Allowed {
    fn read(text: &str) -> Option<Self> {
        let table: toml::Table = text.parse().ok()?;
        let licenses = table.get("licenses")?;
        let list = |of: &toml::Value| {
            let list = of.get("allow")?.as_array()?.iter();
            Some(list.filter_map(toml::Value::as_str).map(str::to_owned).collect::<Vec<_>>())
        };
        let exception = |one: &toml::Value| Some((one.get("crate")?.as_str()?.to_owned(), list(one)?));
        let exceptions = licenses.get("exceptions").and_then(toml::Value::as_array);
        Some(Self {
            all: list(licenses)?,
            exceptions: exceptions.into_iter().flatten().filter_map(exception).collect(),
        })
    }

    fn to(&self, package: &str) -> Vec<String> {
        let own = self.exceptions.iter().filter(|(name, _)| name == package).flat_map(|(_, list)| list);
        self.all.iter().chain(own).cloned().collect()
    }
}

/// A package's name, version and licence.
struct Package {
    name: String,
    version: String,
    licence: Option<String>,
}

/// Asks cargo, without the network if that is enough.
fn packages(root: &Path) -> Result<Vec<Package>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ask = |offline: &[&str]| {
        Command::new(&cargo)
            .current_dir(root)
            .args(["metadata", "--format-version=1", "--all-features", "--locked"])
            .args(offline)
            .output()
            .map_err(|error| format!("cargo metadata could not be run: {error}"))
    };
    let mut output = ask(&["--offline"])?;
    if !output.status.success() {
        output = ask(&[])?;
    }
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let facts: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let text = |package: &Value, key: &str| package[key].as_str().map(str::to_owned);
    let package = |package: &Value| {
        Some(Package {
            name: text(package, "name")?,
            version: text(package, "version")?,
            licence: text(package, "license"),
        })
    };
    Ok(facts["packages"].as_array().into_iter().flatten().filter_map(package).collect())
}

fn refused(package: &Package, allowed: &Allowed) -> Option<Finding> {
    let Package { name, version, licence } = package;
    let what = match licence {
        None => format!("{name} {version} states no licence"),
        Some(licence) if satisfied(licence, &allowed.to(name)) => return None,
        Some(licence) => format!("{name} {version} is under {licence}, which {LIST} does not allow"),
    };
    Some(Finding::file("Cargo.lock", what))
}

/// Whether an SPDX expression can be met with allowed licences. `A/B` is how older packages write `A OR B`.
fn satisfied(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = either(&words, &mut at, allowed);
    met && at == words.len()
}

fn either(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut met = both(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= both(words, at, allowed);
    }
    met
}

fn both(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let mut met = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at, allowed);
    }
    met
}

fn one(words: &[&str], at: &mut usize, allowed: &[String]) -> bool {
    let Some(&word) = words.get(*at) else {
        return false;
    };
    *at += 1;
    if word == "(" {
        let met = either(words, at, allowed);
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return met && closed;
    }
    let mut licence = word.to_owned();
    if words.get(*at) == Some(&"WITH") {
        licence = format!("{word} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    allowed.contains(&licence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_met_by_what_is_allowed() {
        let allowed =
            ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"].map(str::to_owned);
        for (expression, met) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("MIT/GPL-3.0", true),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(GPL-2.0 OR LGPL-2.1) AND MIT", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("GPL-2.0 WITH Classpath-exception-2.0", false),
            ("(MIT", false),
            ("MIT OR", true),
            ("", false),
        ] {
            assert_eq!(satisfied(expression, &allowed), met, "{expression}");
        }
    }
}
