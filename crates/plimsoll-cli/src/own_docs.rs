//! This program's own documentation, which is part of it. A service that has nothing else to search takes it into a library once it
//! listens: nobody waits for it.

use std::io;
use std::path::PathBuf;

use tempfile::TempDir;

/// What it is called.
pub(crate) const NAME: &str = "plimsoll";

macro_rules! pages {
    ($($path:literal),* $(,)?) => {
        /// Where each page is in the repository, and what it says.
        const PAGES: &[(&str, &str)] = &[$(($path, include_str!(concat!("../../../", $path)))),*];
    };
}

pages![
    "README.md",
    "ARCHITECTURE.md",
    "docs/decisions.md",
    "docs/measurements.md",
    "docs/design/configuration.md",
    "docs/design/cuda-kernels.md",
    "docs/design/cuda.md",
    "docs/design/docs.md",
    "docs/design/governor.md",
    "docs/design/gpu.md",
    "docs/design/holdings.md",
    "docs/design/kernels.md",
    "docs/design/kv-codec.md",
    "docs/design/kv-cold.md",
    "docs/design/kv-llm.md",
    "docs/design/kv-policy.md",
    "docs/design/kv-remote.md",
    "docs/design/kv.md",
    "docs/design/llm-device.md",
    "docs/design/llm-text.md",
    "docs/design/llm-tune.md",
    "docs/design/llm.md",
    "docs/design/observe-monitor.md",
    "docs/design/observe-recorder.md",
    "docs/design/observe-recordings.md",
    "docs/design/observe-top.md",
    "docs/design/plan-catalogue.md",
    "docs/design/plan-other.md",
    "docs/design/plan.md",
    "docs/design/pool.md",
    "docs/design/serve.md",
    "docs/design/tensor-gpu.md",
    "docs/design/tensor-pack.md",
    "docs/design/tensor.md",
    "docs/design/vec-neural.md",
    "docs/design/vec-scan.md",
    "docs/design/vec.md",
];

/// The pages and the library that they are taken into, in a folder that is gone with this.
#[derive(Debug)]
pub(crate) struct OwnDocs {
    home: TempDir,
}

impl OwnDocs {
    /// Puts the pages down.
    pub(crate) fn open() -> io::Result<Self> {
        let own = Self { home: TempDir::with_prefix("plimsoll-")? };
        for (name, text) in PAGES {
            let path = own.pages().join(name);
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&path, text)?;
        }
        Ok(own)
    }

    /// Where the library is to be.
    pub(crate) fn library(&self) -> PathBuf {
        self.home.path().join("library")
    }

    /// Where the pages are.
    pub(crate) fn pages(&self) -> PathBuf {
        self.home.path().join("pages")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_page_of_the_repository_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for folder in ["docs", "docs/design"] {
            for entry in std::fs::read_dir(root.join(folder)).expect("it is there").flatten() {
                let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
                let is_page = entry.path().extension().is_some_and(|end| end == "md");
                assert!(
                    !is_page || PAGES.iter().any(|(page, _)| *page == name),
                    "{name} is not in own_docs.rs"
                );
            }
        }
    }
}
