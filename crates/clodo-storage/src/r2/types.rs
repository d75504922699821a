use bytes::Bytes;
use clodo_types::{AccountId, BucketName, Timestamp};
use futures_util::Stream;
use std::{fmt, io, pin::Pin, str::FromStr};

use super::{R2Error, R2ErrorKind, SsecKey, hexadecimal, lenient};

/// A body that flows: chunks in order, or the error that cut it off.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// A body that is already in memory.
#[must_use]
pub fn body_of(bytes: impl Into<Bytes>) -> ByteStream {
    let bytes = bytes.into();
    Box::pin(futures_util::stream::once(async move { Ok(bytes) }))
}

/// Which bucket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BucketRef {
    /// The account that owns it.
    pub account: AccountId,
    /// Its name.
    pub name: BucketName,
}

/// An object's key: 1 to 1024 bytes of UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// Borrows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for ObjectKey {
    type Err = R2Error;

    fn from_str(text: &str) -> Result<Self, R2Error> {
        if text.is_empty() || text.len() > 1024 {
            return Err(R2Error::new(
                R2ErrorKind::InvalidName,
                "The specified object name is not valid.",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Headers that are kept with an object and given back with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct HttpFields {
    /// `Content-Type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Content-Language`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `Cache-Control`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// `Expires`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient::moment")]
    pub cache_expiry: Option<Timestamp>,
}

/// Digests of a body; MD5 is always kept except for multipart objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Checksums {
    /// 16 bytes.
    #[serde(rename = "0", skip_serializing_if = "Option::is_none", with = "hexadecimal")]
    pub md5: Option<Vec<u8>>,
    /// 20 bytes.
    #[serde(rename = "1", skip_serializing_if = "Option::is_none", with = "hexadecimal")]
    pub sha1: Option<Vec<u8>>,
    /// 32 bytes.
    #[serde(rename = "2", skip_serializing_if = "Option::is_none", with = "hexadecimal")]
    pub sha256: Option<Vec<u8>>,
    /// 48 bytes.
    #[serde(rename = "3", skip_serializing_if = "Option::is_none", with = "hexadecimal")]
    pub sha384: Option<Vec<u8>>,
    /// 64 bytes.
    #[serde(rename = "4", skip_serializing_if = "Option::is_none", with = "hexadecimal")]
    pub sha512: Option<Vec<u8>>,
}

/// An object without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectMeta {
    /// The key.
    pub key: ObjectKey,
    /// New for every write; 32 hexadecimal digits.
    pub version: String,
    /// Bytes.
    pub size: u64,
    /// The body's MD5 in hexadecimal; with multipart of the parts' MD5s, then `-<parts>`.
    pub etag: String,
    /// When the write was complete.
    pub uploaded: Timestamp,
    /// Headers kept with it.
    pub http: HttpFields,
    /// The user's own pairs, in the order in which they were given.
    pub custom: Vec<(String, String)>,
    /// Digests.
    pub checksums: Checksums,
    /// `Standard` or `InfrequentAccess`.
    pub storage_class: String,
    /// The MD5 of the customer's key that it was stored with, in hexadecimal.
    pub ssec_key_md5: Option<String>,
}

/// One alternative of an `If-Match` or `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtagMatch {
    /// `"…"`.
    Strong(String),
    /// `W/"…"`.
    Weak(String),
    /// `*`.
    Any,
}

/// `onlyIf`. Empty = always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The etag is one of these; empty = not asked.
    pub etag_matches: Vec<EtagMatch>,
    /// The etag is none of these.
    pub etag_does_not_match: Vec<EtagMatch>,
    /// Uploaded before this moment.
    pub uploaded_before: Option<Timestamp>,
    /// Uploaded after this moment.
    pub uploaded_after: Option<Timestamp>,
    /// Compare whole seconds, as HTTP dates do.
    pub seconds_granularity: bool,
}

/// Which bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectRange {
    /// From `offset`, at most `length` (to the end when absent).
    From {
        /// First byte.
        offset: u64,
        /// How many.
        length: Option<u64>,
    },
    /// The last bytes.
    Suffix(u64),
}

/// How to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetOptions {
    /// All of it when absent.
    pub range: Option<ObjectRange>,
    /// See [`GetOutcome::PreconditionFailed`].
    pub only_if: Conditions,
    /// The key that the object was stored with.
    pub ssec: Option<SsecKey>,
}

/// An object with the bytes that were asked for.
pub struct StoredObject {
    /// The object.
    pub meta: ObjectMeta,
    /// The first byte and the count that `body` has; `None` = the whole object was asked for.
    pub range: Option<(u64, u64)>,
    /// The bytes. They stay readable although the object be overwritten meanwhile.
    pub body: ByteStream,
}

impl fmt::Debug for StoredObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredObject")
            .field("meta", &self.meta)
            .field("range", &self.range)
            .finish_non_exhaustive()
    }
}

/// What a read found.
#[derive(Debug)]
pub enum GetOutcome {
    /// The object and its bytes.
    Found(StoredObject),
    /// It is there, but `only_if` did not hold: no body.
    PreconditionFailed(ObjectMeta),
    /// No such key.
    Missing,
}

/// How to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// Headers to keep.
    pub http: HttpFields,
    /// The user's own pairs.
    pub custom: Vec<(String, String)>,
    /// Digests that the body must have; they are kept.
    pub checksums: Checksums,
    /// Write only when this holds for what is there.
    pub only_if: Conditions,
    /// `Standard` when absent.
    pub storage_class: Option<String>,
    /// Whoever reads it must bring this key.
    pub ssec: Option<SsecKey>,
}

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it lives for one `match`")]
pub enum PutOutcome {
    /// The new object.
    Stored(ObjectMeta),
    /// `only_if` did not hold; nothing was written.
    PreconditionFailed,
}

/// What to list. The default is everything, 1,000 at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListObjects {
    /// Only keys that start with it.
    pub prefix: String,
    /// Keys that have it after the prefix are folded into one prefix.
    pub delimiter: Option<String>,
    /// Only keys after this one.
    pub start_after: Option<String>,
    /// From an earlier page.
    pub cursor: Option<String>,
    /// 1 to 1,000.
    pub limit: Option<usize>,
}

/// A page of objects in byte order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPage {
    /// Objects; with the folded prefixes at most `limit`.
    pub objects: Vec<ObjectMeta>,
    /// Folded prefixes, each once over all pages.
    pub prefixes: Vec<String>,
    /// Absent on the last page.
    pub cursor: Option<String>,
}

/// A multipart upload in progress.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UploadId(pub String);

/// A part as it is named when an upload is completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartEtag {
    /// 1 to 10,000.
    pub number: u32,
    /// What its upload answered.
    pub etag: String,
}
