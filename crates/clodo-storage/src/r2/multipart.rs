//! Uploads in parts. The parts' files become the object's: nothing is copied at the end.

use clodo_sqlite::rusqlite::{Connection, OptionalExtension, Result, Transaction, params};
use sha2::Digest;

use super::{
    Checksums, ObjectAction, ObjectKey, ObjectMeta, PartEtag, R2Error, R2ErrorKind, SsecKey,
    UploadId,
    body::{Content, Received},
    store::{self, About, Answer, Bucket, refused},
    upkeep::{self, Event},
};
use crate::pool::lock;

/// The smallest part but the last, in bytes.
const MIN_PART: u64 = 5 * 1024 * 1024;

pub(super) fn create(
    db: &Connection,
    upload: &UploadId,
    key: &ObjectKey,
    about: &About,
    began: i64,
) -> Result<()> {
    db.prepare_cached("INSERT INTO upload (id, key, about, began) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![upload.0, key.as_str().as_bytes(), about.to_json(), began])
        .map(|_| ())
}

/// What the upload's object is to be; `None` when there is no such upload of that key.
pub(super) fn find(db: &Connection, upload: &UploadId, key: &ObjectKey) -> Result<Option<About>> {
    db.prepare_cached("SELECT about FROM upload WHERE id = ?1 AND key = ?2")?
        .query_row(params![upload.0, key.as_str().as_bytes()], |row| {
            Ok(serde_json::from_str(row.get_ref(0)?.as_str()?).unwrap_or_default())
        })
        .optional()
}

pub(super) fn put_part(
    db: &mut Connection,
    bucket: &Bucket,
    (upload, key): (&UploadId, &ObjectKey),
    part: &PartEtag,
    received: &Received,
    ssec: Option<&SsecKey>,
) -> Answer<()> {
    let Content::File(spooled) = &received.content else {
        return refused(R2ErrorKind::Invalid);
    };
    let tx = db.transaction()?;
    let Some(about) = find(&tx, upload, key)? else { return refused(R2ErrorKind::NoUpload) };
    if let Err(error) = SsecKey::unlocks(ssec, about.ssec.as_deref()) {
        return Ok(Err(error));
    }
    let replaced: Option<String> = tx
        .prepare_cached("DELETE FROM part WHERE upload = ?1 AND number = ?2 RETURNING file")?
        .query_row(params![upload.0, part.number], |row| row.get(0))
        .optional()?;
    tx.prepare_cached(
        "INSERT INTO part (upload, number, etag, size, file) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        upload.0,
        part.number,
        part.etag,
        received.size.cast_signed(),
        spooled.name
    ])?;
    tx.commit()?;
    spooled.keep();
    store::unlink(bucket, replaced.into_iter().collect());
    Ok(Ok(()))
}

/// A part as it was stored.
struct Part {
    etag: String,
    size: u64,
    file: String,
}

/// Makes the object of the parts that are named; `blank` is the object but for what the parts say.
pub(super) fn complete(
    db: &mut Connection,
    bucket: &Bucket,
    upload: &UploadId,
    parts: &[PartEtag],
    mut blank: ObjectMeta,
) -> Answer<ObjectMeta> {
    let settings = upkeep::settings(db, bucket)?;
    let tx = db.transaction()?;
    let Some(about) = find(&tx, upload, &blank.key)? else {
        return refused(R2ErrorKind::NoUpload);
    };
    if let Some(stored) = store::head(&tx, &blank.key)? {
        let now = blank.uploaded.as_millis();
        if settings.keeps(stored.key.as_str(), stored.uploaded.as_millis(), now) {
            return refused(R2ErrorKind::Locked);
        }
    }
    let chosen = match choose(&tx, upload, parts)? {
        Ok(chosen) => chosen,
        Err(error) => return Ok(Err(error)),
    };
    blank.size = chosen.iter().map(|part| part.size).sum();
    blank.etag = etag_of(&chosen);
    (blank.http, blank.custom, blank.storage_class) = (about.http, about.custom, about.class);
    blank.ssec_key_md5 = about.ssec;
    blank.checksums = Checksums::default();
    let used: Vec<_> = chosen.into_iter().map(|part| (part.file, part.size)).collect();
    let mut unused = store::replace(&tx, &blank, None, &used)?;
    unused.extend(drop_upload(&tx, upload)?);
    tx.commit()?;
    unused.retain(|file| !used.iter().any(|(kept, _)| kept == file));
    store::unlink(bucket, unused);
    lock(&bucket.events).push(Event::written(ObjectAction::CompleteMultipartUpload, &blank));
    Ok(Ok(blank))
}

fn choose(tx: &Transaction<'_>, upload: &UploadId, parts: &[PartEtag]) -> Answer<Vec<Part>> {
    let mut sorted: Vec<&PartEtag> = parts.iter().collect();
    sorted.sort_by_key(|part| part.number);
    sorted.dedup_by_key(|part| part.number);
    if parts.is_empty() || sorted.len() != parts.len() {
        return refused(R2ErrorKind::BadUpload);
    }
    let mut chosen = Vec::new();
    let mut find =
        tx.prepare_cached("SELECT etag, size, file FROM part WHERE upload = ?1 AND number = ?2")?;
    for named in sorted {
        let found = find.query_row(params![upload.0, named.number], |row| {
            Ok(Part {
                etag: row.get(0)?,
                size: row.get::<_, i64>(1)?.unsigned_abs(),
                file: row.get(2)?,
            })
        });
        match found.optional()? {
            Some(part) if part.etag == named.etag => chosen.push(part),
            _ => return refused(R2ErrorKind::InvalidPart),
        }
    }
    Ok(sizes_fit(&chosen).map(|()| chosen).map_err(R2Error::of))
}

fn sizes_fit(parts: &[Part]) -> std::result::Result<(), R2ErrorKind> {
    let Some((last, others)) = parts.split_last() else { return Err(R2ErrorKind::BadUpload) };
    let Some(first) = others.first() else { return Ok(()) };
    if others.iter().any(|part| part.size < MIN_PART) {
        return Err(R2ErrorKind::PartTooSmall);
    }
    if others.iter().any(|part| part.size != first.size) || last.size > first.size {
        return Err(R2ErrorKind::BadUpload);
    }
    Ok(())
}

/// The MD5 of the parts' MD5s, then how many parts there are.
fn etag_of(parts: &[Part]) -> String {
    let mut digest = md5::Md5::new();
    for part in parts {
        digest.update(hex::decode(&part.etag).unwrap_or_default());
    }
    format!("{}-{}", hex::encode(digest.finalize()), parts.len())
}

pub(super) fn abort(
    db: &mut Connection,
    bucket: &Bucket,
    upload: &UploadId,
    key: &ObjectKey,
) -> Answer<()> {
    let tx = db.transaction()?;
    if find(&tx, upload, key)?.is_none() {
        return refused(R2ErrorKind::NoUpload);
    }
    let files = drop_upload(&tx, upload)?;
    tx.commit()?;
    store::unlink(bucket, files);
    Ok(Ok(()))
}

pub(super) fn drop_upload(tx: &Transaction<'_>, upload: &UploadId) -> Result<Vec<String>> {
    let files = tx
        .prepare_cached("DELETE FROM part WHERE upload = ?1 RETURNING file")?
        .query_map([&upload.0], |row| row.get(0))?
        .collect();
    tx.prepare_cached("DELETE FROM upload WHERE id = ?1")?.execute([&upload.0])?;
    files
}
