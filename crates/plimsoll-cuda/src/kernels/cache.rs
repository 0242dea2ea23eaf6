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
        // Containers share folders and count their processes alike, so the time is in the name too.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let unfinished = folder.join(format!("{}-{time:x}-{number}.{UNFINISHED}", process::id()));
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::thread;

    use tempfile::TempDir;

    use super::*;

    fn cache(folder: &Path) -> Cache {
        Cache::new(&CodeCache::Folder(folder.to_path_buf()), Notice::default())
    }

    fn key(text: &str) -> Key {
        Key::of(&["NVRTC 13.0", "some.cu", text])
    }

    fn folder() -> TempDir {
        tempfile::tempdir().unwrap()
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    fn age(path: &Path, age: Duration) {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    #[test]
    fn what_was_put_comes_back_under_its_key_alone() {
        let folder = folder();
        let nested = folder.path().join("plimsoll").join("kernels");
        cache(&nested).put(&key("a"), b"code of a");
        assert_eq!(cache(&nested).get(&key("a")).unwrap(), b"code of a");
        assert_eq!(cache(&nested).get(&key("b")), None);
        // The same letters in other parts are another key.
        assert_ne!(Key::of(&["ab", "c"]).0, Key::of(&["a", "bc"]).0);
        assert_eq!(Cache::new(&CodeCache::Off, Notice::default()).get(&key("a")), None);
    }

    #[test]
    fn damage_anywhere_is_a_miss_and_the_next_put_mends_it() {
        let folder = folder();
        let cache = cache(folder.path());
        cache.put(&key("a"), b"code of a");
        let file = folder.path().join(key("a").file_name());
        let whole = fs::read(&file).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(&file, &damaged).unwrap();
            assert_eq!(cache.get(&key("a")), None, "byte {at}");
            fs::write(&file, &whole[..at]).unwrap();
            assert_eq!(cache.get(&key("a")), None, "cut at {at}");
        }
        fs::write(&file, [&whole[..], b"more"].concat()).unwrap();
        assert_eq!(cache.get(&key("a")), None);
        cache.put(&key("a"), b"code of a");
        assert_eq!(cache.get(&key("a")).unwrap(), b"code of a");
    }

    #[test]
    fn another_key_under_the_same_name_is_a_miss() {
        let folder = folder();
        let cache = cache(folder.path());
        cache.put(&key("b"), b"code of b");
        fs::rename(folder.path().join(key("b").file_name()), folder.path().join(key("a").file_name()))
            .unwrap();
        assert_eq!(cache.get(&key("a")), None);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_of_once() {
        let folder = folder();
        // Below a file there can be no folder, whoever asks.
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&told);
        let notice = Notice::to(move |text| sink.lock().unwrap().push(text.to_owned()));
        let cache = Cache::new(&CodeCache::Folder(file.join("kernels")), notice);
        for text in ["a", "b"] {
            cache.put(&key(text), b"code");
            assert_eq!(cache.get(&key(text)), None);
        }
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("file/kernels") && told[0].contains("every start"), "{}", told[0]);
    }

    #[test]
    fn something_in_the_files_place_is_a_miss_and_nothing_is_left_behind() {
        let folder = folder();
        let cache = cache(folder.path());
        fs::create_dir(folder.path().join(key("a").file_name())).unwrap();
        assert_eq!(cache.get(&key("a")), None);
        cache.put(&key("a"), b"code of a");
        assert_eq!(files(folder.path()).len(), 1, "an unfinished file was left");
    }

    #[test]
    fn writers_and_readers_at_once_see_whole_files() {
        let folder = folder();
        let code = vec![7; 50_000];
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let cache = cache(folder.path());
                    for _ in 0..50 {
                        cache.put(&key("a"), &code);
                        // Once it is there it never goes away: a rename replaces it at once.
                        assert_eq!(cache.get(&key("a")).as_ref(), Some(&code));
                    }
                });
            }
        });
        assert_eq!(files(folder.path()).len(), 1);
    }

    #[test]
    fn the_oldest_files_go_when_there_is_too_much() {
        let folder = folder();
        let mut cache = cache(folder.path());
        let code = vec![1; 1000];
        cache.limit_bytes = 3 * (pack(&key("0"), &code).len() as u64);
        for (text, hours) in [("1", 1), ("2", 2), ("0", 3)] {
            cache.put(&key(text), &code);
            age(&folder.path().join(key(text).file_name()), Duration::from_hours(hours));
        }
        assert_eq!(files(folder.path()).len(), 3);
        let foreign = folder.path().join("notes.txt");
        fs::write(&foreign, vec![0; 9000]).unwrap();
        cache.put(&key("3"), &code);
        let there = |text| cache.get(&key(text)).is_some();
        assert_eq!(["0", "1", "2", "3"].map(there), [false, true, true, true]);
        assert!(foreign.exists(), "a file that is not ours was removed");
    }

    #[test]
    fn what_a_dead_process_left_is_removed_and_what_is_being_written_is_not() {
        let folder = folder();
        let (old, young) = (folder.path().join("1-1-0.writing"), folder.path().join("2-1-0.writing"));
        fs::write(&old, "half").unwrap();
        fs::write(&young, "half").unwrap();
        age(&old, UNFINISHED_FOR * 2);
        cache(folder.path()).put(&key("a"), b"code");
        assert!(!old.exists() && young.exists());
    }

    #[test]
    fn the_users_folder_follows_the_environment() {
        let folder = |variables: &[(&str, &str)]| {
            user_folder(&|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
            })
        };
        let home = if cfg!(target_os = "macos") { "/users/me/Library/Caches" } else { "/users/me/.cache" };
        let below = |root: &str| Some(Path::new(root).join("plimsoll/kernels"));
        assert_eq!(folder(&[("XDG_CACHE_HOME", "/cache"), ("HOME", "/users/me")]), below("/cache"));
        assert_eq!(folder(&[("XDG_CACHE_HOME", "cache"), ("HOME", "/users/me")]), below(home));
        assert_eq!(folder(&[("HOME", "/users/me")]), below(home));
        assert_eq!(folder(&[]), None);
    }
}
