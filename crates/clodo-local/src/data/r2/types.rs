use bytes::Bytes;
use clodo_types::{AccountId, BucketName, Timestamp};
use futures_util::Stream;
use std::{fmt, io, pin::Pin, str::FromStr};

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpFields {
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Expires`.
    pub cache_expiry: Option<Timestamp>,
}

/// Digests of a body; MD5 is always kept except for multipart objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksums {
    /// 16 bytes.
    pub md5: Option<Vec<u8>>,
    /// 20 bytes.
    pub sha1: Option<Vec<u8>>,
    /// 32 bytes.
    pub sha256: Option<Vec<u8>>,
    /// 48 bytes.
    pub sha384: Option<Vec<u8>>,
    /// 64 bytes.
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
}

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// What a caller decides on. [`R2ErrorKind::code`] is Cloudflare's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum R2ErrorKind {
    /// The bucket exists already.
    BucketExists,
    /// No such bucket.
    NoBucket,
    /// No such key.
    NoKey,
    /// The bucket still has objects.
    NotEmpty,
    /// The body is over 5 GiB, or the metadata over 8 KiB.
    TooLarge,
    /// A key that R2 refuses.
    InvalidName,
    /// No such upload.
    NoUpload,
    /// A part that was not uploaded, or whose etag differs.
    InvalidPart,
    /// A part but the last that is too small, or differs in size from the others.
    PartTooSmall,
    /// A condition does not hold.
    Precondition,
    /// The body's digest is not the one that was announced.
    BadDigest,
    /// The range lies outside the object.
    InvalidRange,
    /// Any other argument.
    Invalid,
    /// The body's stream broke off; nothing was stored.
    BodyCutOff,
    /// A file cannot be read or written, or is damaged.
    Storage,
}

impl R2ErrorKind {
    /// Cloudflare's code.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::BucketExists => 10004,
            Self::NoBucket => 10006,
            Self::NoKey => 10007,
            Self::NotEmpty => 10008,
            Self::TooLarge => 100100,
            Self::InvalidName => 10020,
            Self::NoUpload => 10024,
            Self::InvalidPart => 10025,
            Self::PartTooSmall => 10011,
            Self::Precondition => 10031,
            Self::BadDigest => 10037,
            Self::InvalidRange => 10039,
            Self::Invalid | Self::BodyCutOff => 10001,
            Self::Storage => 10043,
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::NoBucket | Self::NoKey | Self::NoUpload => 404,
            Self::BucketExists | Self::NotEmpty => 409,
            Self::Precondition => 412,
            Self::InvalidRange => 416,
            Self::Storage => 500,
            _ => 400,
        }
    }
}

/// An R2 request that failed.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct R2Error {
    kind: R2ErrorKind,
    text: String,
}

impl R2Error {
    pub(super) fn new(kind: R2ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// What to decide on.
    #[must_use]
    pub fn kind(&self) -> R2ErrorKind {
        self.kind
    }
}
