//! Where a library of CUDA's may be. Pure: what the machine has is asked through two functions.

use std::cmp::Reverse;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What the search needs to know of the machine.
pub struct Machine<'a> {
    /// A variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// What is in a folder; nothing when it cannot be read.
    pub list: &'a dyn Fn(&Path) -> Vec<PathBuf>,
}

/// One thing to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// This name, wherever the system's loader finds it.
    Loader(String),
    /// This file. It opens a second library by its bare name, which the loader finds only when it is on its path or
    /// loaded already; these lie beside the file and are to be loaded first.
    File { library: PathBuf, beside: Vec<PathBuf> },
}

/// A library that is looked for.
pub struct Wanted {
    /// Major versions, newest first, and how the library of each is called.
    pub versions: &'static [(u32, &'static str)],
    pub unversioned: &'static str,
    /// How the second library's name begins.
    pub beside: &'static str,
}

/// CUDA's run-time compiler.
pub const NVRTC: Wanted = Wanted {
    versions: &[(13, "libnvrtc.so.13"), (12, "libnvrtc.so.12"), (11, "libnvrtc.so.11.2")],
    unversioned: "libnvrtc.so",
    beside: "libnvrtc-builtins.so",
};

/// CUDA's products of matrices.
pub const CUBLAS: Wanted = Wanted {
    versions: &[(13, "libcublas.so.13"), (12, "libcublas.so.12"), (11, "libcublas.so.11")],
    unversioned: "libcublas.so",
    beside: "libcublasLt.so",
};

/// Sums over several GPUs. One version serves every driver.
pub const NCCL: Wanted =
    Wanted { versions: &[(0, "libnccl.so.2")], unversioned: "libnccl.so", beside: "libnccl needs none" };

/// What to try, in order: only `folder` if one is given. `driver` is the newest major version of CUDA that the
/// driver runs: what a newer library makes may be refused, so newer ones come last.
pub fn candidates(
    wanted: &Wanted,
    folder: Option<&Path>,
    driver: u32,
    machine: &Machine<'_>,
) -> Vec<Candidate> {
    let mut found = Vec::new();
    if let Some(folder) = folder {
        wanted.in_folder(folder, driver, machine, &mut found);
        return found;
    }
    for folder in named_folders(machine) {
        wanted.in_folder(&folder, driver, machine, &mut found);
    }
    found.extend(wanted.names(driver).into_iter().map(|name| Candidate::Loader(name.to_owned())));
    for folder in usual_folders(machine) {
        wanted.in_folder(&folder, driver, machine, &mut found);
    }
    // One order over all places: what the driver surely runs comes before what it may refuse.
    let newer = |candidate: &Candidate| match candidate {
        Candidate::Loader(name) => wanted.is_newer(name, driver),
        Candidate::File { library, .. } => {
            library.file_name().is_some_and(|name| wanted.is_newer(&name.to_string_lossy(), driver))
        }
    };
    found.sort_by_key(newer);
    found
}

impl Wanted {
    /// The library's names, those that the driver surely runs first.
    fn names(&self, driver: u32) -> Vec<&'static str> {
        let (fitting, newer): (Vec<_>, Vec<_>) =
            self.versions.iter().partition(|(major, _)| *major <= driver);
        let name = |&(_, name): &(u32, &'static str)| name;
        fitting.iter().map(name).chain([self.unversioned]).chain(newer.iter().map(name)).collect()
    }

    fn is_newer(&self, name: &str, driver: u32) -> bool {
        self.versions.iter().any(|&(major, known)| known == name && major > driver)
    }

    fn in_folder(&self, folder: &Path, driver: u32, machine: &Machine<'_>, found: &mut Vec<Candidate>) {
        let files = (machine.list)(folder);
        let called = |file: &PathBuf| file.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut beside = Vec::new();
        for name in self.names(driver) {
            let library = folder.join(name);
            if !files.contains(&library) {
                continue;
            }
            if beside.is_empty() {
                let second = |name: String| name.starts_with(self.beside) && !name.contains("static");
                beside = files.iter().filter(|file| called(file).is_some_and(second)).cloned().collect();
            }
            found.push(Candidate::File { library, beside: beside.clone() });
        }
    }
}

/// Folders that the user names to every program.
fn named_folders(machine: &Machine<'_>) -> Vec<PathBuf> {
    ["CUDA_HOME", "CUDA_PATH"]
        .into_iter()
        .filter_map(machine.variable)
        .flat_map(|root| within_toolkit(Path::new(&root)))
        .collect()
}

fn within_toolkit(root: &Path) -> [PathBuf; 3] {
    [root.join("lib64"), root.join(concat_target()), root.join("lib")]
}

fn concat_target() -> String {
    let arch = if cfg!(target_arch = "aarch64") { "sbsa" } else { std::env::consts::ARCH };
    format!("targets/{arch}-linux/lib")
}

/// The toolkit's own folders, newest first, then those of Python's packages.
fn usual_folders(machine: &Machine<'_>) -> Vec<PathBuf> {
    let mut toolkits = vec![PathBuf::from("/usr/local/cuda"), PathBuf::from("/opt/cuda")];
    let mut versions = beginning(machine, Path::new("/usr/local"), "cuda-");
    versions.sort_by_key(|path| Reverse(version_of(path)));
    toolkits.extend(versions);
    let mut folders: Vec<_> = toolkits.iter().flat_map(|root| within_toolkit(root)).collect();

    let mut environments = Vec::new();
    environments.extend((machine.variable)("VIRTUAL_ENV").map(PathBuf::from));
    environments.extend((machine.variable)("CONDA_PREFIX").map(PathBuf::from));
    // Conda puts the library into its own folder.
    folders.extend(environments.iter().map(|root| root.join("lib")));
    environments.extend((machine.variable)("HOME").map(|home| Path::new(&home).join(".local")));
    environments.push(PathBuf::from("/usr/local"));
    environments.push(PathBuf::from("/usr"));
    for root in environments {
        for python in beginning(machine, &root.join("lib"), "python3") {
            for packages in ["site-packages", "dist-packages"] {
                let nvidia = python.join(packages).join("nvidia");
                let parts = ["cu13/lib", "cuda_nvrtc/lib", "cublas/lib", "nccl/lib"];
                folders.extend(parts.map(|within| nvidia.join(within)));
            }
        }
    }
    folders
}

fn beginning(machine: &Machine<'_>, folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let fits =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    (machine.list)(folder).into_iter().filter(fits).collect()
}

/// The numbers in a name such as `cuda-12.8`.
fn version_of(path: &Path) -> Vec<u32> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with these files and variables.
    fn search(folder: Option<&str>, driver: u32, files: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
        let list = |folder: &Path| {
            let mut inside: Vec<PathBuf> = files
                .iter()
                .filter_map(|file| {
                    let next = Path::new(file).strip_prefix(folder).ok()?.components().next()?;
                    Some(folder.join(next))
                })
                .collect();
            inside.sort();
            inside.dedup();
            inside
        };
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        candidates(&NVRTC, folder.map(Path::new), driver, &Machine { variable: &variable, list: &list })
            .into_iter()
            .map(|candidate| match candidate {
                Candidate::Loader(name) => name,
                Candidate::File { library, .. } => library.display().to_string(),
            })
            .collect()
    }

    #[test]
    fn a_folder_that_is_given_is_the_only_one() {
        let files = ["/mine/libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so.13"];
        assert_eq!(search(Some("/mine"), 13, &files, &[]), ["/mine/libnvrtc.so.12"]);
        assert_eq!(search(Some("/empty"), 13, &files, &[]), [""; 0]);
    }

    #[test]
    fn the_environment_comes_before_the_loader_and_that_before_the_usual_folders() {
        let files =
            ["/toolkit/lib64/libnvrtc.so.13", "/usr/local/cuda-12.8/lib64/libnvrtc.so.12", "/users/me/x"];
        let found = search(None, 13, &files, &[("CUDA_HOME", "/toolkit")]);
        let loader = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so"];
        assert_eq!(found[0], "/toolkit/lib64/libnvrtc.so.13");
        assert_eq!(found[1..5], loader);
        assert_eq!(found[5..], ["/usr/local/cuda-12.8/lib64/libnvrtc.so.12"]);
    }

    #[test]
    fn a_compiler_newer_than_the_driver_comes_last() {
        let files = ["/usr/local/cuda/lib64/libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so.13"];
        let found = search(None, 12, &files, &[]);
        assert_eq!(
            found,
            [
                "libnvrtc.so.12",
                "libnvrtc.so.11.2",
                "libnvrtc.so",
                "/usr/local/cuda/lib64/libnvrtc.so.12",
                "libnvrtc.so.13",
                "/usr/local/cuda/lib64/libnvrtc.so.13",
            ]
        );
    }

    #[test]
    fn of_several_toolkits_the_newest_comes_first() {
        let files =
            ["/usr/local/cuda-12.10/lib64/libnvrtc.so.12", "/usr/local/cuda-12.9/lib64/libnvrtc.so.12"];
        let found = search(None, 13, &files, &[]);
        assert_eq!(found[4], "/usr/local/cuda-12.10/lib64/libnvrtc.so.12");
    }

    #[test]
    fn packages_of_python_are_found() {
        let user = "/users/me/.local/lib/python3.12/site-packages/nvidia/cu13/lib/libnvrtc.so.13";
        let venv = "/venv/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12";
        let variables = [("HOME", "/users/me"), ("VIRTUAL_ENV", "/venv")];
        let found = search(None, 13, &[user, venv], &variables);
        assert_eq!(found[4..], [venv, user]);
    }

    #[test]
    fn the_second_library_is_loaded_from_beside_the_first() {
        let list = |folder: &Path| {
            ["libnvrtc.so.13", "libnvrtc-builtins.so.13.0", "libnvrtc-builtins_static.a", "libother.so"]
                .map(|name| folder.join(name))
                .to_vec()
        };
        let machine = Machine { variable: &|_| None, list: &list };
        let beside = vec![PathBuf::from("/mine/libnvrtc-builtins.so.13.0")];
        assert_eq!(
            candidates(&NVRTC, Some(Path::new("/mine")), 13, &machine),
            [Candidate::File { library: "/mine/libnvrtc.so.13".into(), beside }]
        );
        let list =
            |folder: &Path| ["libcublas.so.12", "libcublasLt.so.12"].map(|name| folder.join(name)).to_vec();
        let machine = Machine { variable: &|_| None, list: &list };
        let beside = vec![PathBuf::from("/mine/libcublasLt.so.12")];
        assert_eq!(
            candidates(&CUBLAS, Some(Path::new("/mine")), 13, &machine),
            [Candidate::File { library: "/mine/libcublas.so.12".into(), beside }]
        );
    }
}
