//! Compiled code on disk, so that the next start does not compile.
//!
//! A file is named by a hash of its key, and holds the whole key, the code and a checksum over both. Whatever does not
//! agree is a miss: the code is compiled again and the file replaced. A file is written beside its place and renamed
//! into it, so readers never see half of one, and of two writers at once the later wins with the same content.

use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use plimsoll_device::Notice;

use super::settings::CodeCache;

/// The folder holds at most so much; the oldest files go first.
const LIMIT_BYTES: u64 = 64 << 20;
/// A file that is being written has this ending. One that is older than this was left by a process that ended.
const UNFINISHED: &str = "writing";
const UNFINISHED_FOR: Duration = Duration::from_hours(1);
const FINISHED: &str = "kernel";
/// The format: another one begins with another line.
const MAGIC: &[u8] = b"plimsoll kernel 1\n";

/// What code was made from: equal keys give equal code.
pub struct Key(Vec<u8>);

impl Key {
    /// Made of these parts, each with its length, so that no two lists of parts are one key.
    pub fn of(parts: &[&str]) -> Self {
        let mut key = Vec::new();
        for part in parts {
            key.extend_from_slice(&(part.len() as u64).to_le_bytes());
            key.extend_from_slice(part.as_bytes());
        }
        Self(key)
    }

    fn file_name(&self) -> String {
        format!("{:016x}.{FINISHED}", hash(&[&self.0]))
    }
}

/// A folder of compiled code, or none.
pub struct Cache {
    folder: Option<PathBuf>,
    limit_bytes: u64,
    notice: Notice,
}

impl Cache {
    pub fn new(place: &CodeCache, notice: Notice) -> Self {
        let folder = match place {
            CodeCache::User => user_folder(&|name| std::env::var_os(name)),
            CodeCache::Folder(folder) => Some(folder.clone()),
            CodeCache::Off => None,
        };
        Self { folder, limit_bytes: LIMIT_BYTES, notice }
    }

    /// The code that was made from this key, if it is there and whole.
    pub fn get(&self, key: &Key) -> Option<Vec<u8>> {
        let path = self.folder.as_ref()?.join(key.file_name());
        // Nothing that large was written here.
        if fs::metadata(&path).ok()?.len() > self.limit_bytes {
            return None;
        }
        unpack(&fs::read(path).ok()?, key)
    }

    /// Keeps it. A folder that cannot be written is told of once; then every process compiles for itself.
    pub fn put(&self, key: &Key, code: &[u8]) {
        let Some(folder) = &self.folder else { return };
        if let Err(error) = self.try_put(folder, key, code) {
            self.notice.tell(
                "kernel cache",
                &format!(
                    "compiled kernels cannot be kept in {}: {error}; they are compiled at every start",
                    folder.display()
                ),
            );
        }
    }

    fn try_put(&self, folder: &Path, key: &Key, code: &[u8]) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        make_folder(folder)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let unfinished = folder.join(format!("{}-{number}.{UNFINISHED}", process::id()));
        let written = fs::write(&unfinished, pack(key, code))
            .and_then(|()| fs::rename(&unfinished, folder.join(key.file_name())));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written?;
        self.tidy(folder);
        Ok(())
    }

    /// Removes the oldest files beyond the limit, and what others left unfinished. What cannot be read or removed
    /// is left: another process may be at it.
    fn tidy(&self, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        let now = SystemTime::now();
        let mut finished = Vec::new();
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let Ok(facts) = fs::symlink_metadata(&path) else { continue };
            let written = facts.modified().unwrap_or(now);
            let ending = path.extension().map(|ending| ending.to_string_lossy().into_owned());
            match ending.as_deref() {
                Some(FINISHED) if facts.is_file() => finished.push((written, facts.len(), path)),
                Some(UNFINISHED) if now.duration_since(written).is_ok_and(|age| age > UNFINISHED_FOR) => {
                    let _ = fs::remove_file(path);
                }
                _ => {}
            }
        }
        finished.sort();
        let mut bytes: u64 = finished.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in finished {
            if bytes <= self.limit_bytes {
                break;
            }
            let _ = fs::remove_file(path);
            bytes -= length;
        }
    }
}

/// The user's cache folder; none where there is no home either.
fn user_folder(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // A relative path there is to be ignored, says the standard that defines it.
    let named = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let usual = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
    let at_home = || Some(Path::new(&variable("HOME")?).join(usual)).filter(|path| path.is_absolute());
    Some(named.or_else(at_home)?.join("plimsoll").join("kernels"))
}

/// Readable by its owner alone: what is in it is run.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Magic, length of the key, length of the code, checksum; then the key and the code.
fn pack(key: &Key, code: &[u8]) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&(key.0.len() as u64).to_le_bytes());
    file.extend_from_slice(&(code.len() as u64).to_le_bytes());
    file.extend_from_slice(&hash(&[&key.0, code]).to_le_bytes());
    file.extend_from_slice(&key.0);
    file.extend_from_slice(code);
    file
}

fn unpack(file: &[u8], key: &Key) -> Option<Vec<u8>> {
    let rest = file.strip_prefix(MAGIC)?;
    let (key_length, rest) = rest.split_first_chunk::<8>()?;
    let (code_length, rest) = rest.split_first_chunk::<8>()?;
    let (checksum, rest) = rest.split_first_chunk::<8>()?;
    let code = rest.strip_prefix(key.0.as_slice())?;
    let agrees = u64::from_le_bytes(*key_length) == key.0.len() as u64
        && u64::from_le_bytes(*code_length) == code.len() as u64
        && u64::from_le_bytes(*checksum) == hash(&[&key.0, code]);
    agrees.then(|| code.to_vec())
}

/// FNV-1a of 64 bits: guards against damage, not against malice; the folder belongs to the user.
fn hash(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.iter());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
