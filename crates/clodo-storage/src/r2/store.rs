//! The SQL beneath a bucket. All of it runs on the connection's thread, and so do the openings and
//! removals of body files: what a row refers to is there when the row is read.

use clodo_sqlite::{
    Durability, OpenOptions,
    rusqlite::{Connection, OptionalExtension, Result, Row, Transaction, params, types::Type},
};
use clodo_types::Timestamp;
use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::{
    BucketSettings, Checksums, Conditions, HttpFields, ObjectAction, ObjectKey, ObjectMeta,
    R2Error, R2ErrorKind,
    body::{self, Content, OpenFile, Received},
    upkeep::{self, Event},
};
use crate::pool::lock;

const FORMAT: &[&str] = &[
    "CREATE TABLE object (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, version TEXT NOT NULL, \
     size INTEGER NOT NULL, etag TEXT NOT NULL, uploaded INTEGER NOT NULL, about TEXT NOT NULL, \
     small BLOB);\
     CREATE TABLE chunk (version TEXT NOT NULL, number INTEGER NOT NULL, file TEXT NOT NULL, \
     size INTEGER NOT NULL, PRIMARY KEY (version, number)) WITHOUT ROWID;\
     CREATE TABLE upload (id TEXT PRIMARY KEY, key BLOB NOT NULL, about TEXT NOT NULL) WITHOUT ROWID;\
     CREATE TABLE part (upload TEXT NOT NULL REFERENCES upload (id) ON DELETE CASCADE, \
     number INTEGER NOT NULL, etag TEXT NOT NULL, size INTEGER NOT NULL, file TEXT NOT NULL, \
     PRIMARY KEY (upload, number)) WITHOUT ROWID",
    "CREATE TABLE setting (name TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;\
     ALTER TABLE upload ADD COLUMN began INTEGER NOT NULL DEFAULT 0",
];

/// What is kept beside an open bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Where the files are.
    pub(super) bodies: PathBuf,
    /// `None` until asked for.
    pub(super) settings: Mutex<Option<Arc<BucketSettings>>>,
    /// When the lifecycle was last looked at.
    pub(super) kept_up: Mutex<i64>,
    /// What happened since somebody asked.
    pub(super) events: Mutex<Vec<Event>>,
}

pub(super) fn opener(path: &Path) -> (OpenOptions, Bucket) {
    let options = OpenOptions::default().with_durability(Durability::Normal).with_format(FORMAT);
    let bucket = Bucket {
        bodies: path.with_file_name("bodies"),
        settings: Mutex::default(),
        kept_up: Mutex::new(i64::MIN),
        events: Mutex::default(),
    };
    (options, bucket)
}

/// What R2 refuses is an answer; what SQLite refuses is an error.
pub(super) type Answer<T> = Result<std::result::Result<T, R2Error>>;

/// The part of an object's description that is kept as JSON.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct About {
    pub(super) http: HttpFields,
    pub(super) custom: Vec<(String, String)>,
    pub(super) checksums: Checksums,
    pub(super) class: String,
    /// The MD5 of the customer's key, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ssec: Option<String>,
}

impl About {
    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an object's description has text keys only")
    }
}

pub(super) const COLUMNS: &str = "key, version, size, etag, uploaded, about";

pub(super) fn meta(row: &Row<'_>) -> Result<ObjectMeta> {
    use clodo_sqlite::rusqlite::Error::FromSqlConversionFailure;
    let about: About = serde_json::from_str(row.get_ref(5)?.as_str()?)
        .map_err(|error| FromSqlConversionFailure(5, Type::Text, Box::new(error)))?;
    let key = String::from_utf8_lossy(row.get_ref(0)?.as_blob()?)
        .parse::<ObjectKey>()
        .map_err(|error| FromSqlConversionFailure(0, Type::Blob, Box::new(error)))?;
    Ok(ObjectMeta {
        key,
        version: row.get(1)?,
        size: row.get::<_, i64>(2)?.unsigned_abs(),
        etag: row.get(3)?,
        uploaded: Timestamp::from_millis(row.get(4)?),
        http: about.http,
        custom: about.custom,
        checksums: about.checksums,
        storage_class: about.class,
        ssec_key_md5: about.ssec,
    })
}

pub(super) fn head(db: &Connection, key: &ObjectKey) -> Result<Option<ObjectMeta>> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM object WHERE key = ?1"))?
        .query_row([key.as_str().as_bytes()], meta)
        .optional()
}

/// Where an object's bytes are.
#[derive(Debug)]
pub(super) enum Bytes {
    Small(Vec<u8>),
    Files(Vec<OpenFile>),
}

pub(super) fn content(db: &Connection, bucket: &Bucket, object: &ObjectMeta) -> Answer<Bytes> {
    let small: Option<Vec<u8>> = db
        .prepare_cached("SELECT small FROM object WHERE key = ?1")?
        .query_row([object.key.as_str().as_bytes()], |row| row.get(0))?;
    if let Some(bytes) = small {
        return Ok(Ok(Bytes::Small(bytes)));
    }
    let mut files = Vec::new();
    for (name, size) in chunks(db, &object.version)? {
        let path = bucket.bodies.join(name);
        match body::open(&path, size) {
            Ok(file) => files.push(file),
            Err(error) => return Ok(Err(R2Error::file(&path, &error))),
        }
    }
    Ok(Ok(Bytes::Files(files)))
}

fn chunks(db: &Connection, version: &str) -> Result<Vec<(String, u64)>> {
    db.prepare_cached("SELECT file, size FROM chunk WHERE version = ?1 ORDER BY number")?
        .query_map([version], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?
        .collect()
}

/// Stores an object; `None` when the conditions do not hold for what is there.
pub(super) fn put(
    db: &mut Connection,
    bucket: &Bucket,
    object: &ObjectMeta,
    only_if: &Conditions,
    received: &Received,
) -> Answer<bool> {
    let settings = upkeep::settings(db, bucket)?;
    let tx = db.transaction()?;
    let stored = head(&tx, &object.key)?;
    if !only_if.hold_for(stored.as_ref()) {
        return Ok(Ok(false));
    }
    if let Some(stored) = &stored
        && settings.keeps(
            stored.key.as_str(),
            stored.uploaded.as_millis(),
            object.uploaded.as_millis(),
        )
    {
        return refused(R2ErrorKind::Locked);
    }
    let (small, files) = match &received.content {
        Content::Small(bytes) => (Some(bytes.as_slice()), Vec::new()),
        Content::File(spooled) => (None, vec![(spooled.name.clone(), received.size)]),
    };
    let replaced = replace(&tx, object, small, &files)?;
    tx.commit()?;
    if let Content::File(spooled) = &received.content {
        spooled.keep();
    }
    unlink(bucket, replaced);
    lock(&bucket.events).push(Event::written(ObjectAction::PutObject, object));
    Ok(Ok(true))
}

/// Puts the rows of an object in place of older ones; returns the files that nobody needs then.
pub(super) fn replace(
    tx: &Transaction<'_>,
    object: &ObjectMeta,
    small: Option<&[u8]>,
    files: &[(String, u64)],
) -> Result<Vec<String>> {
    let replaced = remove(tx, &object.key)?.unwrap_or_default();
    let about = About {
        http: object.http.clone(),
        custom: object.custom.clone(),
        checksums: object.checksums.clone(),
        class: object.storage_class.clone(),
        ssec: object.ssec_key_md5.clone(),
    };
    let insert = "INSERT INTO object (key, version, size, etag, uploaded, about, small) \
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    tx.prepare_cached(insert)?.execute(params![
        object.key.as_str().as_bytes(),
        object.version,
        object.size.cast_signed(),
        object.etag,
        object.uploaded.as_millis(),
        about.to_json(),
        small,
    ])?;
    let insert = "INSERT INTO chunk (version, number, file, size) VALUES (?1, ?2, ?3, ?4)";
    for (number, (file, size)) in files.iter().enumerate() {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        tx.prepare_cached(insert)?.execute(params![
            object.version,
            number,
            file,
            size.cast_signed()
        ])?;
    }
    Ok(replaced)
}

/// Removes an object's rows; returns its files, or `None` when there is no such object.
fn remove(tx: &Transaction<'_>, key: &ObjectKey) -> Result<Option<Vec<String>>> {
    let version: Option<String> = tx
        .prepare_cached("DELETE FROM object WHERE key = ?1 RETURNING version")?
        .query_row([key.as_str().as_bytes()], |row| row.get(0))
        .optional()?;
    let Some(version) = version else { return Ok(None) };
    tx.prepare_cached("DELETE FROM chunk WHERE version = ?1 RETURNING file")?
        .query_map([version], |row| row.get(0))?
        .collect::<Result<_>>()
        .map(Some)
}

pub(super) fn delete(
    db: &mut Connection,
    bucket: &Bucket,
    keys: &[ObjectKey],
    now: i64,
) -> Answer<()> {
    let settings = upkeep::settings(db, bucket)?;
    if !settings.locks.is_empty() {
        for key in keys {
            let stored = head(db, key)?;
            let kept =
                |stored: ObjectMeta| settings.keeps(key.as_str(), stored.uploaded.as_millis(), now);
            if stored.is_some_and(kept) {
                return refused(R2ErrorKind::Locked);
            }
        }
    }
    remove_all(db, bucket, keys, ObjectAction::DeleteObject).map(Ok)
}

/// Removes objects, whatever keeps them.
pub(super) fn remove_all(
    db: &mut Connection,
    bucket: &Bucket,
    keys: &[ObjectKey],
    action: ObjectAction,
) -> Result<()> {
    let tx = db.transaction()?;
    let (mut files, mut events) = (Vec::new(), Vec::new());
    for key in keys {
        if let Some(removed) = remove(&tx, key)? {
            files.extend(removed);
            events.push(Event::deleted(action, key));
        }
    }
    tx.commit()?;
    unlink(bucket, files);
    lock(&bucket.events).extend(events);
    Ok(())
}

/// Removes files that no row refers to any more. What cannot be removed is swept later.
pub(super) fn unlink(bucket: &Bucket, files: Vec<String>) {
    for file in files {
        let _ = fs::remove_file(bucket.bodies.join(file));
    }
}

pub(super) fn is_empty(db: &Connection) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM object")?.exists([]).map(|found| !found)
}

/// Removes files that a killed process left behind: no row refers to them.
pub(super) fn sweep(db: &Connection, bucket: &Bucket) -> Answer<()> {
    let known: HashSet<String> = db
        .prepare("SELECT file FROM chunk UNION ALL SELECT file FROM part")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_>>()?;
    let outcome = sweep_folder(&bucket.bodies, &known);
    Ok(outcome.map_err(|error| R2Error::file(&bucket.bodies, &error)))
}

fn sweep_folder(folder: &Path, known: &HashSet<String>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(|name| known.contains(name)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

pub(super) fn refused<T>(kind: R2ErrorKind) -> Answer<T> {
    Ok(Err(R2Error::of(kind)))
}
