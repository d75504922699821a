//! Bodies on their way in and out. A small one is held in memory and lives in the bucket's SQLite
//! file; a larger one is written beside it, synced, and given its name only when it is whole.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::Digest;
use std::{
    fs,
    io::{self, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use super::{ByteStream, Checksums, R2Error, R2ErrorKind, body_of};

/// Up to this many bytes live in SQLite.
const SMALL: usize = 32 * 1024;
/// R2's largest object and part, in bytes.
const MAX_BODY: u64 = 5 * 1024 * 1024 * 1024;
/// How much is read or written at once.
const BUFFER: usize = 256 * 1024;

/// A body that arrived whole.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) size: u64,
    /// MD5, and those that were asked for.
    pub(super) checksums: Checksums,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Small(Vec<u8>),
    File(Spooled),
}

/// A file that is removed again unless somebody kept it.
#[derive(Debug)]
pub(super) struct Spooled {
    pub(super) name: String,
    path: PathBuf,
    kept: AtomicBool,
}

impl Spooled {
    /// A row refers to it now.
    pub(super) fn keep(&self) {
        self.kept.store(true, Ordering::Release);
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        if !self.kept.load(Ordering::Acquire) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Takes in a body; digests that `announced` names are made and compared.
pub(super) async fn receive(
    folder: &Path,
    announced: &Checksums,
    small: bool,
    mut body: ByteStream,
) -> Result<Received, R2Error> {
    let mut digests = Digests::new(announced);
    let (mut size, mut memory) = (0_u64, Vec::new());
    let mut file: Option<(Spooled, BufWriter<tokio::fs::File>)> = None;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(cut_off)?;
        size += chunk.len() as u64;
        if size > MAX_BODY {
            return Err(R2Error::of(R2ErrorKind::TooLarge));
        }
        digests.update(&chunk);
        match &mut file {
            Some((spooled, out)) => write(spooled, out, &chunk).await?,
            None if small && memory.len() + chunk.len() <= SMALL => memory.extend(&chunk),
            None => {
                let (spooled, mut out) = spool(folder).await?;
                write(&spooled, &mut out, &memory).await?;
                write(&spooled, &mut out, &chunk).await?;
                file = Some((spooled, out));
            }
        }
    }
    if file.is_none() && !small {
        file = Some(spool(folder).await?);
    }
    let checksums = digests.finish();
    compare(announced, &checksums)?;
    let content = match file {
        None => Content::Small(memory),
        Some((spooled, out)) => Content::File(settle(folder, spooled, out).await?),
    };
    Ok(Received { size, checksums, content })
}

fn cut_off(error: io::Error) -> R2Error {
    R2Error::new(R2ErrorKind::BodyCutOff, format!("The request's body broke off: {error}"))
}

async fn spool(folder: &Path) -> Result<(Spooled, BufWriter<tokio::fs::File>), R2Error> {
    let name = Uuid::new_v4().simple().to_string();
    let path = folder.join(format!("{name}.partial"));
    let file = tokio::fs::File::create_new(&path).await;
    let file = file.map_err(|error| R2Error::file(&path, &error))?;
    let spooled = Spooled { name, path, kept: AtomicBool::new(false) };
    Ok((spooled, BufWriter::with_capacity(BUFFER, file)))
}

async fn write(
    spooled: &Spooled,
    out: &mut BufWriter<tokio::fs::File>,
    chunk: &[u8],
) -> Result<(), R2Error> {
    out.write_all(chunk).await.map_err(|error| R2Error::file(&spooled.path, &error))
}

async fn settle(
    folder: &Path,
    mut spooled: Spooled,
    mut out: BufWriter<tokio::fs::File>,
) -> Result<Spooled, R2Error> {
    let path = folder.join(&spooled.name);
    let outcome = async {
        out.flush().await?;
        out.get_ref().sync_data().await?;
        tokio::fs::rename(&spooled.path, &path).await
    };
    outcome.await.map_err(|error| R2Error::file(&path, &error))?;
    spooled.path = path;
    Ok(spooled)
}

/// A stored file, open for reading.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: fs::File,
    size: u64,
}

/// Opens a file and makes sure that it has the bytes that its row says.
pub(super) fn open(path: &Path, size: u64) -> io::Result<OpenFile> {
    let file = fs::File::open(path)?;
    if file.metadata()?.len() != size {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "its length is not the stored one"));
    }
    Ok(OpenFile { file, size })
}

/// The bytes from `offset`, `length` of them; the files make up the object in their order.
pub(super) fn send(files: Vec<OpenFile>, offset: u64, length: u64) -> io::Result<ByteStream> {
    let (mut skip, mut left) = (offset, length);
    let mut pieces = Vec::new();
    for OpenFile { mut file, size } in files {
        let take = size.saturating_sub(skip).min(left);
        if take > 0 {
            file.seek(SeekFrom::Start(skip))?;
            pieces.push((file, take));
        }
        skip = skip.saturating_sub(size);
        left -= take;
    }
    let streams = pieces.into_iter().map(|(file, take)| {
        let capacity = usize::try_from(take).unwrap_or(BUFFER).min(BUFFER);
        ReaderStream::with_capacity(tokio::fs::File::from_std(file).take(take), capacity)
    });
    Ok(Box::pin(stream::iter(streams).flatten()))
}

/// A slice of a small body.
pub(super) fn send_small(bytes: Vec<u8>, offset: u64, length: u64) -> ByteStream {
    let end = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    let (start, end) = (end(offset), end(offset + length));
    body_of(Bytes::from(bytes).slice(start..end))
}

struct Digests {
    md5: md5::Md5,
    sha1: Option<sha1::Sha1>,
    sha256: Option<sha2::Sha256>,
    sha384: Option<sha2::Sha384>,
    sha512: Option<sha2::Sha512>,
}

impl Digests {
    fn new(announced: &Checksums) -> Self {
        Self {
            md5: md5::Md5::new(),
            sha1: announced.sha1.is_some().then(sha1::Sha1::new),
            sha256: announced.sha256.is_some().then(sha2::Sha256::new),
            sha384: announced.sha384.is_some().then(sha2::Sha384::new),
            sha512: announced.sha512.is_some().then(sha2::Sha512::new),
        }
    }

    fn update(&mut self, chunk: &[u8]) {
        fn feed(digest: &mut Option<impl Digest>, chunk: &[u8]) {
            if let Some(digest) = digest {
                digest.update(chunk);
            }
        }
        self.md5.update(chunk);
        feed(&mut self.sha1, chunk);
        feed(&mut self.sha256, chunk);
        feed(&mut self.sha384, chunk);
        feed(&mut self.sha512, chunk);
    }

    fn finish(self) -> Checksums {
        Checksums {
            md5: Some(self.md5.finalize().to_vec()),
            sha1: self.sha1.map(|digest| digest.finalize().to_vec()),
            sha256: self.sha256.map(|digest| digest.finalize().to_vec()),
            sha384: self.sha384.map(|digest| digest.finalize().to_vec()),
            sha512: self.sha512.map(|digest| digest.finalize().to_vec()),
        }
    }
}

fn compare(announced: &Checksums, found: &Checksums) -> Result<(), R2Error> {
    let pairs = [
        ("MD5", &announced.md5, &found.md5),
        ("SHA-1", &announced.sha1, &found.sha1),
        ("SHA-256", &announced.sha256, &found.sha256),
        ("SHA-384", &announced.sha384, &found.sha384),
        ("SHA-512", &announced.sha512, &found.sha512),
    ];
    for (name, announced, found) in pairs {
        let (Some(announced), Some(found)) = (announced, found) else { continue };
        if announced != found {
            return Err(R2Error::new(
                R2ErrorKind::BadDigest,
                format!(
                    "The {name} checksum you specified did not match what we received.\n\
                     You provided a {name} checksum with value: {}\nActual {name} was: {}",
                    hex::encode(announced),
                    hex::encode(found)
                ),
            ));
        }
    }
    Ok(())
}
