//! The tar file itself.

use super::SnapshotError;
use crate::state::ids::Moment;
use clodo_sqlite::rusqlite::{Connection, OpenFlags, backup::Backup};
use clodo_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Component, Path, PathBuf},
    time::Duration,
};

/// The first entry.
pub(super) const ABOUT: &str = "clodo-snapshot.json";
/// The last entry: without it the file was cut.
const END: &str = "clodo-snapshot.end";
/// The format that this program writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 1;
/// Pages that are copied before others may write in between.
const PAGES: i32 = 4096;

/// What a snapshot says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) format: u32,
    /// RFC 3339.
    pub(super) made_on: String,
    /// The version of the program that made it.
    pub(super) program: String,
}

/// What belongs to one run, or is only a log: not part of the state.
pub(super) fn is_of_a_run(name: &str) -> bool {
    ["cloud.log", "run", "state.lock", "transfers", "requests.jsonl", "requests.1.jsonl"]
        .contains(&name)
        || name.starts_with("cloud.json")
        || name.starts_with("ports.")
        || name.starts_with("snapshot.")
}

/// Writes everything below `folder` to `out`.
pub(super) fn write(folder: &Path, out: File, at: Timestamp) -> Result<File, SnapshotError> {
    let mut tar = tar::Builder::new(io::BufWriter::new(out));
    let about = About {
        format: FORMAT,
        made_on: Moment::at(at).to_string(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let failed = || SnapshotError::io("write", folder.join("snapshot"));
    let about = serde_json::to_vec(&about).map_err(io::Error::other).map_err(failed())?;
    add(&mut tar, ABOUT, &about).map_err(failed())?;
    let scratch = tempfile::tempdir().map_err(failed())?;
    for file in files(folder)? {
        let name = file.strip_prefix(folder).expect("it was found below the folder");
        let path = match is_database(&file) && !is_d1(name) {
            true => copy_database(&file, scratch.path())?,
            false => file.clone(),
        };
        match File::open(&path) {
            Ok(mut open) => tar.append_file(name, &mut open).map_err(failed())?,
            // A temporary file of a writer is gone before it was a part of the state.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(SnapshotError::io("read", path)(error)),
        }
    }
    add(&mut tar, END, b"").map_err(failed())?;
    let mut buffer = tar.into_inner().map_err(failed())?;
    buffer.flush().map_err(failed())?;
    let file = buffer.into_inner().map_err(|error| failed()(error.into_error()))?;
    file.sync_all().map_err(failed())?;
    Ok(file)
}

fn add(tar: &mut tar::Builder<impl Write>, name: &str, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o600);
    header.set_cksum();
    tar.append_data(&mut header, name, content)
}

/// Every file, sorted, except the logs of databases that SQLite copies.
fn files(folder: &Path) -> Result<Vec<PathBuf>, SnapshotError> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let failed = |path: &Path| SnapshotError::io("read", path.to_owned());
        for entry in fs::read_dir(&next).map_err(failed(&next))? {
            let entry = entry.map_err(failed(&next))?;
            let (path, name) = (entry.path(), entry.file_name());
            if next == folder && name.to_str().is_none_or(is_of_a_run) {
                continue;
            }
            let kind = entry.file_type().map_err(failed(&path))?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && !is_copied_with_its_database(folder, &path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_database(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "sqlite")
}

/// `data/<account>/d1/…`
fn is_d1(name: &Path) -> bool {
    let parts: Vec<_> = name.components().take(3).collect();
    matches!(parts[..], [first, _, third] if is(first, "data") && is(third, "d1"))
}

fn is(part: Component<'_>, name: &str) -> bool {
    part.as_os_str() == name
}

fn is_copied_with_its_database(folder: &Path, path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let log = ["-wal", "-shm", "-journal"].iter().find_map(|end| name.strip_suffix(end));
    let of_database = log.is_some_and(|base| is_database(Path::new(base)));
    of_database && !path.strip_prefix(folder).is_ok_and(is_d1)
}

fn copy_database(path: &Path, scratch: &Path) -> Result<PathBuf, SnapshotError> {
    let to = scratch.join("copy.sqlite");
    let _ = fs::remove_file(&to);
    let copy = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let from = Connection::open_with_flags(path, flags)?;
        from.busy_timeout(Duration::from_secs(10))?;
        let mut made = Connection::open(&to)?;
        let backup = Backup::new(&from, &mut made)?;
        backup.run_to_completion(PAGES, Duration::ZERO, None)
    };
    copy().map_err(|source| SnapshotError::Database { path: path.to_owned(), source })?;
    Ok(to)
}

/// Unpacks a snapshot into `folder`, which is empty. Nothing is written outside of it.
pub(super) fn read(file: &Path, folder: &Path) -> Result<About, SnapshotError> {
    walk(file, |name, entry| put(entry, &folder.join(name)))
}

/// Reads a snapshot to its end and writes nothing.
pub(super) fn check(file: &Path) -> Result<About, SnapshotError> {
    walk(file, |_, entry| io::copy(entry, &mut io::sink()).map(drop))
}

fn walk(
    file: &Path,
    mut take: impl FnMut(&Path, &mut dyn io::Read) -> io::Result<()>,
) -> Result<About, SnapshotError> {
    let open = File::open(file).map_err(SnapshotError::io("open", file))?;
    let mut tar = tar::Archive::new(io::BufReader::new(open));
    let damaged = |why: &str| SnapshotError::Damaged { file: file.to_owned(), why: why.to_owned() };
    let broken = |error: io::Error| damaged(&error.to_string());
    let mut entries = tar.entries().map_err(broken)?;
    let first = entries.next().ok_or_else(|| damaged("it is empty"))?.map_err(broken)?;
    if first.path().map_err(broken)?.as_ref() != Path::new(ABOUT) {
        return Err(damaged("it does not begin as one"));
    }
    let about: About = serde_json::from_reader(io::Read::take(first, 64 * 1024))
        .map_err(|error| damaged(&error.to_string()))?;
    if about.format > FORMAT {
        let (found, known) = (about.format, FORMAT);
        return Err(SnapshotError::Newer { file: file.to_owned(), found, known });
    }
    for entry in entries {
        let mut entry = entry.map_err(broken)?;
        let name = entry.path().map_err(broken)?.into_owned();
        if name == Path::new(END) {
            return Ok(about);
        }
        let safe = name.components().all(|part| matches!(part, Component::Normal(_)));
        if !safe || !entry.header().entry_type().is_file() {
            return Err(damaged(&format!("`{}` has no place in it", name.display())));
        }
        take(&name, &mut entry).map_err(broken)?;
    }
    Err(damaged("its end is missing"))
}

fn put(from: &mut dyn io::Read, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create_new(to)?;
    io::copy(from, &mut file)?;
    file.sync_all()
}
