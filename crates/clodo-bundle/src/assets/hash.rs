use super::walk::Found;
use crate::{BundleError, modules::read_error, project::Project};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{
    fs::File,
    io::{self, Read},
    num::NonZero,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// Read at once: a multiple of three, so that pieces of base64 join without padding.
const PIECE: usize = 3 * (32 << 10);

/// Hash and size of each file, in order.
pub(super) fn all(files: &[Found], project: &Project) -> Result<Vec<(String, u64)>, BundleError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(8);
    // A few small files are not worth a thread each.
    let threads = threads.min(files.len() / 16 + 1);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let hashed =
                one(&file.source).map_err(|source| read_error(project, &file.source, source))?;
            done.push((&file.path, hashed));
        }
        Ok(done)
    };
    let parts: Vec<Result<Vec<_>, BundleError>> = thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut parts = vec![work()];
        parts.extend(
            helpers.into_iter().map(|helper| helper.join().unwrap_or(Err(BundleError::Stopped))),
        );
        parts
    });
    let mut all = Vec::with_capacity(files.len());
    for part in parts {
        all.extend(part?);
    }
    // The files came sorted by path.
    all.sort_by(|a, b| a.0.cmp(b.0));
    Ok(all.into_iter().map(|(_, hashed)| hashed).collect())
}

/// blake3 of the content in base64, then the extension without its dot; the first half of it.
fn one(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let (mut piece, mut text) = (vec![0; PIECE], String::new());
    let mut size = 0;
    loop {
        let count = fill(&mut file, &mut piece)?;
        size += count as u64;
        text.clear();
        STANDARD.encode_string(&piece[..count], &mut text);
        hasher.update(text.as_bytes());
        if count < PIECE {
            break;
        }
    }
    hasher.update(path.extension().unwrap_or_default().to_string_lossy().as_bytes());
    let hex = hasher.finalize().to_hex();
    Ok((hex[..32].to_owned(), size))
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule, written down as wrangler applies it: everything at once.
    fn expected(content: &[u8], extension: &str) -> String {
        let text = STANDARD.encode(content) + extension;
        blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
    }

    #[test]
    fn a_file_is_hashed_as_wrangler_hashes_it() {
        let folder = tempfile::tempdir().unwrap();
        let sizes = [0, 1, 2, 3, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5];
        for (name, extension) in
            [("a.html", "html"), ("a", ""), (".hidden", ""), ("a.tar.gz", "gz"), ("a.", "")]
        {
            for size in sizes {
                let content: Vec<u8> = (0..size).map(|n| (n * 7 % 251) as u8).collect();
                let path = folder.path().join(name);
                std::fs::write(&path, &content).unwrap();
                let want = (expected(&content, extension), size as u64);
                assert_eq!(one(&path).unwrap(), want, "{name} with {size} bytes");
            }
        }
    }
}
