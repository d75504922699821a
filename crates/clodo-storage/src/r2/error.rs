use crate::pool::told_with_cause;
use clodo_sqlite::{SqliteError, SqliteErrorKind};
use std::{io, path::Path};

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
    /// The body is over 5 GiB.
    TooLarge,
    /// The user's metadata is over 8 KiB.
    MetadataTooLarge,
    /// A key that R2 refuses.
    InvalidName,
    /// No such upload.
    NoUpload,
    /// A part that was not uploaded, or whose etag differs.
    InvalidPart,
    /// A part but the last has less than 5 MiB.
    PartTooSmall,
    /// The parts but the last differ in size, or none are named.
    BadUpload,
    /// A condition does not hold.
    Precondition,
    /// The body's digest is not the one that was announced.
    BadDigest,
    /// The range lies outside the object.
    InvalidRange,
    /// The object was stored with a customer's key, and none was given.
    NeedsSsecKey,
    /// A customer's key that is none, or not the object's.
    BadSsecKey,
    /// A rule keeps the object: it can be neither overwritten nor deleted.
    Locked,
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
            Self::MetadataTooLarge => 10012,
            Self::BadUpload => 10048,
            Self::Precondition => 10031,
            Self::BadDigest => 10037,
            Self::InvalidRange => 10039,
            Self::NeedsSsecKey | Self::BadSsecKey => 10026,
            Self::Locked => 10069,
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
            Self::Locked => 403,
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
    pub(crate) fn new(kind: R2ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// What to decide on.
    #[must_use]
    pub fn kind(&self) -> R2ErrorKind {
        self.kind
    }
}

impl R2Error {
    pub(super) fn of(kind: R2ErrorKind) -> Self {
        let text = match kind {
            R2ErrorKind::BucketExists => "The bucket you tried to create already exists.",
            R2ErrorKind::NoBucket => "The specified bucket does not exist.",
            R2ErrorKind::NoKey => "The specified key does not exist.",
            R2ErrorKind::NotEmpty => "The bucket you tried to delete is not empty.",
            R2ErrorKind::TooLarge => {
                "Your proposed upload exceeds the maximum allowed object size."
            }
            R2ErrorKind::MetadataTooLarge => {
                "Your metadata headers exceed the maximum allowed metadata size."
            }
            R2ErrorKind::InvalidName => "The specified object name is not valid.",
            R2ErrorKind::NoUpload => "The specified multipart upload does not exist.",
            R2ErrorKind::InvalidPart => "One or more of the specified parts could not be found.",
            R2ErrorKind::PartTooSmall => {
                "Your proposed upload is smaller than the minimum allowed object size."
            }
            R2ErrorKind::BadUpload => "There was a problem with the multipart upload.",
            R2ErrorKind::Precondition => {
                "At least one of the pre-conditions you specified did not hold."
            }
            R2ErrorKind::InvalidRange => "The requested range is not satisfiable",
            R2ErrorKind::BadDigest => "The checksum you specified did not match what we received.",
            R2ErrorKind::NeedsSsecKey => {
                "The object was stored using a form of Server Side Encryption. The correct \
                 parameters must be provided to retrieve the object."
            }
            R2ErrorKind::BadSsecKey => "The customer encryption key is not valid for this object.",
            R2ErrorKind::Locked => "The object is locked by the bucket policy.",
            R2ErrorKind::Invalid => "The request is not valid.",
            R2ErrorKind::BodyCutOff => "The request's body broke off.",
            R2ErrorKind::Storage => "We encountered an internal error. Please try again.",
        };
        Self::new(kind, text)
    }

    pub(super) fn file(path: &Path, error: &io::Error) -> Self {
        Self::new(R2ErrorKind::Storage, format!("could not use `{}`: {error}", path.display()))
    }
}

impl From<SqliteError> for R2Error {
    fn from(error: SqliteError) -> Self {
        match error.kind() {
            SqliteErrorKind::Missing | SqliteErrorKind::Gone => Self::of(R2ErrorKind::NoBucket),
            _ => Self::new(R2ErrorKind::Storage, told_with_cause(&error)),
        }
    }
}
