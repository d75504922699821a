//! R2: one SQLite file of metadata per bucket, large bodies as files beside it.

mod body;
mod conditions;
mod error;
mod hexadecimal;
pub(crate) mod lenient;
mod listing;
mod multipart;
mod settings;
mod ssec;
mod store;
mod told;
mod types;
mod upkeep;

pub use error::{R2Error, R2ErrorKind};
pub use settings::{
    BucketSettings, ClassTransition, Day, LifecycleCondition, LifecycleRule, LifecycleScope,
    LockCondition, LockRule, NotificationRule, ObjectAction, QueueRules, Transition,
};
pub use ssec::SsecKey;
pub use types::{
    BucketRef, ByteStream, Checksums, Conditions, EtagMatch, GetOptions, GetOutcome, HttpFields,
    ListObjects, ObjectKey, ObjectMeta, ObjectPage, ObjectRange, PartEtag, PutOptions, PutOutcome,
    StoredObject, UploadId, body_of,
};
pub use upkeep::BucketTotals;

use super::observer::Watch;
use super::pool::{Pool, PoolOptions, lock};
use crate::{BodyFormat, NewMessage, QueueRef, Queues};
use body::{OpenFile, receive};
use clodo_sqlite::rusqlite::Connection;
use clodo_types::{Clock, Timestamp};
use listing::Listing;
use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use store::{About, Answer, Bucket, Bytes, opener};
use tokio::sync::{Mutex, OwnedRwLockWriteGuard};
use upkeep::Event;
use uuid::Uuid;

/// The user's own metadata, in bytes of names and values.
const MAX_CUSTOM: usize = 8_192;
/// The highest number of a part.
const MAX_PARTS: u32 = 10_000;

/// All R2 buckets. Cloning shares the open ones.
#[derive(Clone, Debug)]
pub struct R2 {
    root: PathBuf,
    clock: Arc<dyn Clock>,
    pool: Arc<Pool<Bucket>>,
    /// Buckets that were tidied since this engine was made.
    swept: Arc<Mutex<HashSet<PathBuf>>>,
    /// Who hears of changes.
    queues: Option<Queues>,
    pub(crate) watch: Watch,
}

impl R2 {
    /// Buckets live in `root/<account>/r2/<name>/`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, clock: Arc<dyn Clock>, options: PoolOptions) -> Self {
        let pool = Arc::new(Pool::new(options));
        let (swept, watch) = (Arc::default(), Watch::default());
        Self { root: root.into(), clock, pool, swept, queues: None, watch }
    }

    /// Lets buckets send their notifications to these queues.
    #[must_use]
    pub fn with_queues(mut self, queues: Queues) -> Self {
        self.queues = Some(queues);
        self
    }

    fn path(&self, at: &BucketRef) -> PathBuf {
        self.root.join(at.account.as_str()).join("r2").join(at.name.as_str()).join("bucket.sqlite")
    }

    /// Makes an empty bucket.
    ///
    /// # Errors
    /// `BucketExists`, `Storage`.
    pub async fn create(&self, at: &BucketRef) -> Result<(), R2Error> {
        let path = self.path(at);
        match self.pool.create(&path, opener).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(R2Error::of(R2ErrorKind::BucketExists)),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes an empty bucket.
    ///
    /// # Errors
    /// `NoBucket`, `NotEmpty`, `Storage`.
    pub async fn drop_bucket(&self, at: &BucketRef) -> Result<(), R2Error> {
        if !self.run(at, |db, _| store::is_empty(db).map(Ok)).await? {
            return Err(R2Error::of(R2ErrorKind::NotEmpty));
        }
        let path = self.path(at);
        let mut swept = self.swept.lock().await;
        self.pool.close(&path).await;
        swept.remove(&path);
        // First the name goes, at once; a kill in between leaves a folder that nobody looks at.
        let folder = path.with_file_name("");
        let doomed = folder.with_file_name(format!(".{}", Uuid::new_v4().simple()));
        let outcome = fs::rename(&folder, &doomed).and_then(|()| fs::remove_dir_all(&doomed));
        outcome.map_err(|error| R2Error::file(&folder, &error))
    }

    /// An object without its body.
    ///
    /// # Errors
    /// `NoBucket`, `Storage`.
    pub async fn head(
        &self,
        at: &BucketRef,
        key: &ObjectKey,
    ) -> Result<Option<ObjectMeta>, R2Error> {
        let key = key.clone();
        let found = self.run(at, move |db, _| store::head(db, &key).map(Ok)).await;
        self.told((at, "HeadObject", 1), found, |_| 0)
    }

    /// Reads an object or a range of it.
    ///
    /// # Errors
    /// `InvalidRange`, `NoBucket`, `Storage`.
    pub async fn get(
        &self,
        at: &BucketRef,
        key: &ObjectKey,
        options: GetOptions,
    ) -> Result<GetOutcome, R2Error> {
        let found = self.read(at, key, options).await;
        self.told((at, "GetObject", 1), found, |found| match found {
            GetOutcome::Found(object) => {
                object.range.map_or(object.meta.size, |(_, length)| length)
            }
            _ => 0,
        })
    }

    async fn read(
        &self,
        at: &BucketRef,
        key: &ObjectKey,
        options: GetOptions,
    ) -> Result<GetOutcome, R2Error> {
        let key = key.clone();
        let GetOptions { only_if, range, ssec } = options;
        let found = self.run(at, move |db, bucket| {
            let Some(meta) = store::head(db, &key)? else { return Ok(Ok(Found::Missing)) };
            if !only_if.hold_for(Some(&meta)) {
                return Ok(Ok(Found::PreconditionFailed(meta)));
            }
            if let Err(error) = SsecKey::unlocks(ssec.as_ref(), meta.ssec_key_md5.as_deref()) {
                return Ok(Err(error));
            }
            Ok(store::content(db, bucket, &meta)?.map(|bytes| Found::Object(meta, bytes)))
        });
        match found.await? {
            Found::Missing => Ok(GetOutcome::Missing),
            Found::PreconditionFailed(meta) => Ok(GetOutcome::PreconditionFailed(meta)),
            Found::Object(meta, bytes) => opened(meta, bytes, range),
        }
    }

    /// Stores an object in place of any older one; it appears whole or not at all.
    ///
    /// # Errors
    /// `BadDigest`, `TooLarge`, `BodyCutOff`, `NoBucket`, `Storage`.
    pub async fn put(
        &self,
        at: &BucketRef,
        key: &ObjectKey,
        options: PutOptions,
        body: ByteStream,
    ) -> Result<PutOutcome, R2Error> {
        let stored = self.write(at, key, options, body).await;
        self.told((at, "PutObject", 1), stored, |stored| match stored {
            PutOutcome::Stored(object) => object.size,
            PutOutcome::PreconditionFailed => 0,
        })
    }

    async fn write(
        &self,
        at: &BucketRef,
        key: &ObjectKey,
        options: PutOptions,
        body: ByteStream,
    ) -> Result<PutOutcome, R2Error> {
        check_custom(&options.custom)?;
        let folder = self.bodies(at).await?;
        let received = receive(&folder, &options.checksums, true, body).await?;
        let md5 = received.checksums.md5.as_deref().unwrap_or_default();
        let object = ObjectMeta {
            size: received.size,
            etag: hex::encode(md5),
            http: options.http,
            custom: options.custom,
            checksums: received.checksums.clone(),
            storage_class: options.storage_class.unwrap_or_else(standard),
            ssec_key_md5: options.ssec.map(|key| key.md5().to_owned()),
            ..self.blank(key)
        };
        let (stored, received) = (object.clone(), Arc::new(received));
        let written = self.run(at, move |db, bucket| {
            store::put(db, bucket, &object, &options.only_if, &received)
        });
        let written = written.await?;
        Ok(if written { PutOutcome::Stored(stored) } else { PutOutcome::PreconditionFailed })
    }

    /// Removes objects, all or none; those that are not there are no error.
    ///
    /// # Errors
    /// `NoBucket`, `Storage`.
    pub async fn delete(&self, at: &BucketRef, keys: Vec<ObjectKey>) -> Result<(), R2Error> {
        let (count, now) = (keys.len(), self.clock.now().as_millis());
        let done = self.run(at, move |db, bucket| store::delete(db, bucket, &keys, now)).await;
        self.told((at, "DeleteObject", count), done, |()| 0)
    }

    /// Lists objects in byte order of their keys.
    ///
    /// # Errors
    /// `Invalid` for a bad limit or cursor; `NoBucket`, `Storage`.
    pub async fn list(&self, at: &BucketRef, options: ListObjects) -> Result<ObjectPage, R2Error> {
        let listing = Listing::new(options)?;
        let page = self.run(at, move |db, _| listing.page(db).map(Ok)).await;
        self.told((at, "ListObjects", 1), page, |_| 0)
    }

    /// Begins an upload in parts; `only_if` and `checksums` are not looked at.
    ///
    /// # Errors
    /// `NoBucket`, `Storage`.
    pub async fn create_upload(
        &self,
        at: &BucketRef,
        key: &ObjectKey,
        options: PutOptions,
    ) -> Result<UploadId, R2Error> {
        check_custom(&options.custom)?;
        let about = About {
            http: options.http,
            custom: options.custom,
            checksums: Checksums::default(),
            class: options.storage_class.unwrap_or_else(standard),
            ssec: options.ssec.map(|key| key.md5().to_owned()),
        };
        let upload = UploadId(format!("{}{}", new_id(), new_id()));
        let (id, key) = (upload.clone(), key.clone());
        let now = self.clock.now().as_millis();
        let made = self.run(at, move |db, _| multipart::create(db, &id, &key, &about, now).map(Ok));
        self.told((at, "CreateMultipartUpload", 1), made.await, |()| 0)?;
        Ok(upload)
    }

    /// Stores a part in place of any older one of that number.
    ///
    /// # Errors
    /// `NoUpload`, `Invalid` for a number outside 1 to 10,000, `BodyCutOff`, `Storage`.
    pub async fn put_part(
        &self,
        at: &BucketRef,
        key: &ObjectKey,
        upload: &UploadId,
        number: u32,
        ssec: Option<SsecKey>,
        body: ByteStream,
    ) -> Result<PartEtag, R2Error> {
        if number == 0 || number > MAX_PARTS {
            let text = "Part number must be between 1 and 10000 (inclusive).";
            return Err(R2Error::new(R2ErrorKind::Invalid, text));
        }
        let (upload, key) = (upload.clone(), key.clone());
        let folder = self.bodies(at).await?;
        let received = receive(&folder, &Checksums::default(), false, body).await?;
        let etag = hex::encode(received.checksums.md5.as_deref().unwrap_or_default());
        let part = PartEtag { number, etag };
        let (size, stored, received) = (received.size, part.clone(), Arc::new(received));
        let done = self.run(at, move |db, bucket| {
            multipart::put_part(db, bucket, (&upload, &key), &stored, &received, ssec.as_ref())
        });
        self.told((at, "UploadPart", 1), done.await, |_| size)?;
        Ok(part)
    }

    /// Joins parts into the object.
    ///
    /// # Errors
    /// `NoUpload`, `InvalidPart`, `PartTooSmall`, `Storage`.
    pub async fn complete_upload(
        &self,
        at: &BucketRef,
        key: &ObjectKey,
        upload: &UploadId,
        parts: Vec<PartEtag>,
    ) -> Result<ObjectMeta, R2Error> {
        let (blank, upload) = (self.blank(key), upload.clone());
        let joined = self
            .run(at, move |db, bucket| multipart::complete(db, bucket, &upload, &parts, blank))
            .await;
        self.told((at, "CompleteMultipartUpload", 1), joined, |object| object.size)
    }

    /// Drops an upload and its parts; one that is gone already is `NoUpload`.
    ///
    /// # Errors
    /// `NoUpload`, `Storage`.
    pub async fn abort_upload(
        &self,
        at: &BucketRef,
        key: &ObjectKey,
        upload: &UploadId,
    ) -> Result<(), R2Error> {
        let (key, upload) = (key.clone(), upload.clone());
        let gone =
            self.run(at, move |db, bucket| multipart::abort(db, bucket, &upload, &key)).await;
        self.told((at, "AbortMultipartUpload", 1), gone, |_| 0)
    }

    /// Closes every open bucket and waits until they are closed.
    pub async fn close(&self) {
        self.pool.close_all().await;
    }

    /// The same for as long as the guard lives, when nobody uses one any more.
    pub(crate) async fn rest(&self) -> OwnedRwLockWriteGuard<()> {
        self.pool.rest().await
    }

    fn blank(&self, key: &ObjectKey) -> ObjectMeta {
        ObjectMeta {
            key: key.clone(),
            version: new_id(),
            size: 0,
            etag: String::new(),
            uploaded: self.clock.now(),
            http: HttpFields::default(),
            custom: Vec::new(),
            checksums: Checksums::default(),
            storage_class: standard(),
            ssec_key_md5: None,
        }
    }

    /// Where body files go; the bucket exists and was tidied.
    async fn bodies(&self, at: &BucketRef) -> Result<PathBuf, R2Error> {
        self.tidy(&self.path(at)).await?;
        Ok(self.path(at).with_file_name("bodies"))
    }

    /// Removes what a killed process left, once per bucket and before this process writes a file
    /// of its own.
    async fn tidy(&self, path: &Path) -> Result<(), R2Error> {
        let mut swept = self.swept.lock().await;
        if !swept.contains(path) {
            let tidied = self.pool.with(path, opener, |db, bucket| store::sweep(db, bucket));
            tidied.await??;
            swept.insert(path.to_owned());
        }
        Ok(())
    }

    async fn run<T, F>(&self, at: &BucketRef, work: F) -> Result<T, R2Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection, &Bucket) -> Answer<T> + Clone + Send + 'static,
    {
        let (path, now) = (self.path(at), self.clock.now().as_millis());
        let done = self.pool.with(&path, opener, move |db, bucket| {
            upkeep::keep_up(db, bucket, now)?;
            let outcome = work(db, bucket)?;
            let events = std::mem::take(&mut *lock(&bucket.events));
            Ok((outcome, events, upkeep::settings(db, bucket)?))
        });
        let (outcome, events, settings) = done.await?;
        self.announce(at, &settings, &events).await;
        outcome
    }

    /// Tells the queues that want to hear of it. A queue that is gone hears nothing.
    async fn announce(&self, at: &BucketRef, settings: &BucketSettings, events: &[Event]) {
        let Some(queues) = &self.queues else { return };
        for event in events {
            for id in settings.hearers(event.action, &event.key) {
                let queue = QueueRef { account: at.account.clone(), id };
                let body = described(at, event, self.clock.now());
                let message = NewMessage::new(BodyFormat::Json, body);
                if let Err(error) = queues.send(&queue, vec![message], None).await {
                    tracing::warn!(%error, "a notification of a bucket reached no queue");
                }
            }
        }
    }

    /// What the bucket was told.
    ///
    /// # Errors
    /// `NoBucket`, `Storage`.
    pub async fn settings(&self, at: &BucketRef) -> Result<BucketSettings, R2Error> {
        self.run(at, |db, bucket| Ok(Ok(upkeep::settings(db, bucket)?.as_ref().clone()))).await
    }

    /// Changes what the bucket was told; what `change` returns comes back.
    ///
    /// # Errors
    /// `NoBucket`, `Storage`.
    pub async fn change_settings<T: Send + 'static>(
        &self,
        at: &BucketRef,
        change: impl FnOnce(&mut BucketSettings) -> T + Clone + Send + 'static,
    ) -> Result<T, R2Error> {
        self.run(at, move |db, bucket| {
            let mut settings = upkeep::settings(db, bucket)?.as_ref().clone();
            let outcome = change(&mut settings);
            upkeep::set(db, bucket, &settings)?;
            Ok(Ok(outcome))
        })
        .await
    }

    /// How much the bucket holds, per storage class.
    ///
    /// # Errors
    /// `NoBucket`, `Storage`.
    pub async fn totals(&self, at: &BucketRef) -> Result<Vec<BucketTotals>, R2Error> {
        self.run(at, |db, _| upkeep::totals(db).map(Ok)).await
    }
}

/// A notification as Cloudflare writes it.
fn described(at: &BucketRef, event: &Event, now: Timestamp) -> String {
    let mut object = serde_json::json!({ "key": event.key });
    if let Some((size, etag)) = &event.size_and_etag {
        object["size"] = (*size).into();
        object["eTag"] = etag.as_str().into();
    }
    serde_json::json!({
        "account": at.account.as_str(),
        "action": event.action,
        "bucket": at.name.as_str(),
        "object": object,
        "eventTime": settings::iso(now.as_millis()),
    })
    .to_string()
}

/// What a read found on the connection's thread.
enum Found {
    Missing,
    PreconditionFailed(ObjectMeta),
    Object(ObjectMeta, Bytes),
}

fn opened(
    meta: ObjectMeta,
    bytes: Bytes,
    range: Option<ObjectRange>,
) -> Result<GetOutcome, R2Error> {
    let range = range.map(|range| resolve(range, meta.size)).transpose()?;
    let (offset, length) = range.unwrap_or((0, meta.size));
    let body = match bytes {
        Bytes::Small(bytes) => body::send_small(bytes, offset, length),
        Bytes::Files(files) => send(files, offset, length)?,
    };
    Ok(GetOutcome::Found(StoredObject { meta, range, body }))
}

fn send(files: Vec<OpenFile>, offset: u64, length: u64) -> Result<ByteStream, R2Error> {
    body::send(files, offset, length).map_err(|error| {
        R2Error::new(R2ErrorKind::Storage, format!("could not read the body: {error}"))
    })
}

/// First byte and count.
fn resolve(range: ObjectRange, size: u64) -> Result<(u64, u64), R2Error> {
    let (offset, length) = match range {
        ObjectRange::From { offset, length } => {
            let left = size.saturating_sub(offset);
            (offset, length.map_or(left, |length| length.min(left)))
        }
        ObjectRange::Suffix(length) => (size.saturating_sub(length), length.min(size)),
    };
    if length == 0 {
        return Err(R2Error::of(R2ErrorKind::InvalidRange));
    }
    Ok((offset, length))
}

fn check_custom(custom: &[(String, String)]) -> Result<(), R2Error> {
    let size: usize = custom.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > MAX_CUSTOM { Err(R2Error::of(R2ErrorKind::MetadataTooLarge)) } else { Ok(()) }
}

fn new_id() -> String {
    Uuid::new_v4().simple().to_string()
}

fn standard() -> String {
    "Standard".to_owned()
}
