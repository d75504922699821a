use super::{NewObject, delete_object, list_objects, object, put_object};
use crate::{
    api_error::{ApiError, ApiErrorKind},
    client::Client,
    d1::database_error,
};
use async_trait::async_trait;
use bytes::Bytes;
use clodo_db::{BackupStore, BackupWriter, StoredBackup, check_backup_name};
use clodo_types::{AccountId, BucketName};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, Read, Seek as _, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// What is larger is stored in parts of so many bytes: the API takes objects of 300 MB, and a part
/// that is sent again should cost little.
const PART: u64 = 64 << 20;

/// Backups as objects of a bucket, under a prefix that is theirs alone.
///
/// A backup is one object that can be downloaded and unpacked by itself, or, from 64 MB on, parts
/// (`NAME.parts/00001` …) and an object that lists them, which is stored last. What is written waits in
/// a file of `scratch` and is sent when it is whole, so that a part can be sent again; what is read is
/// fetched into such a file first.
///
/// The API stores in place of what is there, and knows no condition: of two processes that begin the
/// same name at once the later one wins. [`clodo_db::backup_name`] has the millisecond in it.
#[derive(Clone, Debug)]
pub struct R2Backups {
    client: Client,
    account: AccountId,
    bucket: BucketName,
    /// Empty, or with a slash at its end.
    prefix: String,
    scratch: PathBuf,
    part: u64,
}

/// Stored under the name of a backup that has parts.
#[derive(Debug, Serialize, Deserialize)]
struct Parts {
    /// The version of this form.
    clodo_backup_parts: u32,
    /// How large each part is, in bytes.
    sizes: Vec<u64>,
}

impl Parts {
    const FORMAT: u32 = 1;
}

impl R2Backups {
    /// Backups under a prefix such as `backups/shop`; nothing is asked yet. The folder is made when
    /// it is needed.
    ///
    /// # Errors
    /// When the prefix is not made of plain words between slashes.
    pub fn new(
        client: Client,
        account: AccountId,
        bucket: BucketName,
        prefix: &str,
        scratch: impl Into<PathBuf>,
    ) -> io::Result<Self> {
        if !prefix.is_empty() {
            prefix.split('/').try_for_each(check_backup_name)?;
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { client, account, bucket, prefix, scratch: scratch.into(), part: PART })
    }

    /// Sets from which size on a backup has parts, and how large those are, in bytes.
    #[must_use]
    pub fn with_part_bytes(mut self, bytes: u64) -> Self {
        self.part = bytes.max(1);
        self
    }

    fn key(&self, name: &str) -> io::Result<String> {
        check_backup_name(name)?;
        Ok(format!("{}{name}", self.prefix))
    }

    async fn keys(&self, prefix: &str) -> io::Result<Vec<(String, u64)>> {
        let list = list_objects(&self.account, &self.bucket, prefix);
        let found = self.client.list(list).await.map_err(failed)?;
        Ok(found.into_iter().map(|one| (one.key, one.size.unwrap_or_default())).collect())
    }

    /// Under the prefix: the objects of whole backups, and the parts of all, with their bytes.
    async fn found(&self) -> io::Result<(BTreeMap<String, u64>, BTreeMap<String, u64>)> {
        let (mut whole, mut parts) = (BTreeMap::new(), BTreeMap::new());
        for (key, bytes) in self.keys(&self.prefix).await? {
            let Some(name) = key.strip_prefix(&self.prefix) else { continue };
            match name.split_once(PARTS) {
                Some((name, _)) => *parts.entry(name.to_owned()).or_insert(0) += bytes,
                None => drop(whole.insert(name.to_owned(), bytes)),
            }
        }
        Ok((whole, parts))
    }

    /// Removes parts that a process which was killed a day before `name` left behind.
    async fn sweep(&self, name: &str) -> io::Result<()> {
        const DAY: Duration = Duration::from_secs(86_400);
        let taken = |name: &str| StoredBackup::new(name, 0).taken();
        let Some(now) = taken(name) else { return Ok(()) };
        let (whole, parts) = self.found().await?;
        let is_left = |name: &&String| {
            let old = taken(name).is_some_and(|taken| now.since(taken) > DAY);
            old && !whole.contains_key(*name) && check_backup_name(name).is_ok()
        };
        for name in parts.keys().filter(is_left) {
            self.remove(name).await?;
        }
        Ok(())
    }

    async fn put(&self, key: &str, bytes: Bytes, media_type: &str) -> io::Result<()> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let new = NewObject::new(key, bytes).with_content_type(media_type);
        let stored = self.client.send(put_object(&self.account, &self.bucket, new)).await;
        match stored.map_err(failed)?.size {
            Some(size) if size != length => {
                Err(io::Error::other(format!("{size} bytes of {length} were stored")))
            }
            _ => Ok(()),
        }
    }

    async fn delete(&self, key: &str) -> io::Result<()> {
        match self.client.send(delete_object(&self.account, &self.bucket, key)).await {
            Err(error) if error.kind() != ApiErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    /// Appends an object to a file, and says how large it is.
    async fn fetch(&self, key: &str, to: &mut File) -> io::Result<u64> {
        let answer = self.client.send(object(&self.account, &self.bucket, key)).await;
        let mut chunks = answer.map_err(failed)?.into_body().into_stream();
        let mut length = 0;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(io::Error::other)?;
            length += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            to.write_all(&chunk)?;
        }
        Ok(length)
    }

    fn spool(&self, name: &str) -> io::Result<Spool> {
        let mut folder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.recursive(true).create(&self.scratch)?;
        Spool::new(&self.scratch, name)
    }
}

#[async_trait]
impl BackupStore for R2Backups {
    async fn begin(&self, name: &str) -> io::Result<Box<dyn BackupWriter>> {
        let key = self.key(name)?;
        if self.keys(&key).await?.iter().any(|(found, _)| *found == key) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (store, name, spool) = (self.clone(), name.to_owned(), self.spool(name)?);
        Ok(Box::new(Sending { store, key, name, spool }))
    }

    async fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        const LONGEST: u64 = 1 << 20;
        let key = self.key(name)?;
        let mut spool = self.spool(name)?;
        let length = self.fetch(&key, &mut spool.file).await?;
        spool.file.rewind()?;
        let mut begin = Vec::new();
        (&spool.file).take(LONGEST).read_to_end(&mut begin)?;
        if length < LONGEST
            && let Ok(parts) = serde_json::from_slice::<Parts>(&begin)
        {
            if parts.clodo_backup_parts != Parts::FORMAT {
                return Err(damaged("its list of parts is of a newer version"));
            }
            spool.file.rewind()?;
            spool.file.set_len(0)?;
            for (at, size) in parts.sizes.iter().enumerate() {
                if self.fetch(&part_key(&key, at), &mut spool.file).await? != *size {
                    return Err(damaged("a part is not as large as it was"));
                }
            }
        }
        spool.file.rewind()?;
        Ok(Box::new(spool))
    }

    async fn list(&self) -> io::Result<Vec<StoredBackup>> {
        let (whole, parts) = self.found().await?;
        let whole = whole.into_iter().filter(|(name, _)| check_backup_name(name).is_ok());
        let size = |name: &str, bytes| parts.get(name).copied().unwrap_or(bytes);
        Ok(whole.map(|(name, bytes)| StoredBackup::new(&name, size(&name, bytes))).collect())
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        let key = self.key(name)?;
        self.delete(&key).await?;
        for (part, _) in self.keys(&format!("{key}{PARTS}")).await? {
            self.delete(&part).await?;
        }
        Ok(())
    }
}

/// What stands between the name of a backup and the number of a part.
const PARTS: &str = ".parts/";

fn part_key(key: &str, at: usize) -> String {
    format!("{key}{PARTS}{:05}", at + 1)
}

fn failed(error: ApiError) -> io::Error {
    let kind = match error.kind() {
        ApiErrorKind::NotFound => io::ErrorKind::NotFound,
        ApiErrorKind::Auth | ApiErrorKind::Permission => io::ErrorKind::PermissionDenied,
        ApiErrorKind::Limit => io::ErrorKind::QuotaExceeded,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, database_error(error))
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Waits in a file until it is whole.
struct Sending {
    store: R2Backups,
    key: String,
    name: String,
    spool: Spool,
}

impl Write for Sending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.spool.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.spool.file.flush()
    }
}

#[async_trait]
impl BackupWriter for Sending {
    async fn finish(mut self: Box<Self>) -> io::Result<()> {
        const ZSTD: &str = "application/zstd";
        let Self { store, key, name, spool } = &mut *self;
        let mut rest = spool.file.stream_position()?;
        spool.file.rewind()?;
        let mut file = BufReader::new(&spool.file);
        if rest <= store.part {
            return store.put(key, take(&mut file, rest)?, ZSTD).await;
        }
        let mut sizes = Vec::new();
        while rest > 0 {
            let size = rest.min(store.part);
            let part = take(&mut file, size)?;
            store.put(&part_key(key, sizes.len()), part, "application/octet-stream").await?;
            sizes.push(size);
            rest -= size;
        }
        let parts = Parts { clodo_backup_parts: Parts::FORMAT, sizes };
        store.put(key, serde_json::to_vec(&parts)?.into(), "application/json").await?;
        if let Err(error) = store.sweep(name).await {
            tracing::warn!(%error, "what a killed process may have left in the bucket stays there");
        }
        Ok(())
    }
}

fn take(from: &mut impl Read, bytes: u64) -> io::Result<Bytes> {
    let mut taken = Vec::new();
    from.take(bytes).read_to_end(&mut taken)?;
    if u64::try_from(taken.len()).ok() != Some(bytes) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(taken.into())
}

/// A file that only its owner reads, and that is gone when nobody needs it.
struct Spool {
    file: File,
    path: PathBuf,
}

impl Spool {
    fn new(within: &Path, name: &str) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut number = 0_u32;
        loop {
            let path = within.join(format!("{name}.{}-{number}.partial", std::process::id()));
            match options.open(&path) {
                Ok(file) => return Ok(Self { file, path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Read for Spool {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.file.read(to)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // What is left would only take room.
        let _ = fs::remove_file(&self.path);
    }
}
