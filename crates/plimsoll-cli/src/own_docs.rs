//! A library of this program's own documentation, which is part of it.

use std::path::{Path, PathBuf};

use plimsoll::{Bytes, Engine};
use plimsoll_docs::{DocsError, IngestSettings, Library};
use tempfile::TempDir;

/// What it is called.
pub(crate) const NAME: &str = "plimsoll";
/// What taking it in may take.
const MEMORY: Bytes = Bytes::mib(48);

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

/// The library, in a folder that is gone with this.
#[derive(Debug)]
pub(crate) struct OwnDocs {
    home: TempDir,
}

impl OwnDocs {
    /// Takes the pages in.
    pub(crate) fn open() -> Result<Self, DocsError> {
        let home =
            TempDir::with_prefix("plimsoll-").map_err(|source| failed(&std::env::temp_dir(), source))?;
        let pages = home.path().join("pages");
        for (name, text) in PAGES {
            let path = pages.join(name);
            let folder = path.parent().unwrap_or(&pages);
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(&path, text))
                .map_err(|source| failed(&path, source))?;
        }
        let own = Self { home };
        let account = Engine::in_memory(MEMORY, "docs").and_then(|engine| engine.account("docs"))?;
        let library = Library::create(&own.folder(), true, &account)?;
        let settings = IngestSettings { below: Some(pages.clone()), ..IngestSettings::default() };
        library.ingest(&[&pages], &settings, &mut |_| true)?;
        // What was written is in the library now.
        let _ = std::fs::remove_dir_all(&pages);
        Ok(own)
    }

    /// Where it is.
    pub(crate) fn folder(&self) -> PathBuf {
        self.home.path().join("library")
    }
}

fn failed(path: &Path, source: std::io::Error) -> DocsError {
    DocsError::Folder { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
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
