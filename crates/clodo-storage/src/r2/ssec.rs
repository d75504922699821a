//! Keys that a customer brings (SSE-C). What is stored is locked to the key by its digest: nobody
//! reads the object without it. The bytes on this disk are not enciphered.

use md5::{Digest, Md5};
use std::{fmt, str::FromStr};

use super::{R2Error, R2ErrorKind};

/// A key of 32 bytes; it is never stored or printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SsecKey {
    md5: String,
}

impl fmt::Debug for SsecKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SsecKey")
    }
}

impl FromStr for SsecKey {
    type Err = R2Error;

    /// 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, R2Error> {
        let bytes = hex::decode(text).ok().filter(|bytes| bytes.len() == 32);
        let bytes = bytes.ok_or_else(|| R2Error::of(R2ErrorKind::BadSsecKey))?;
        Ok(Self { md5: hex::encode(Md5::digest(bytes)) })
    }
}

impl SsecKey {
    /// The digest by which it is known again, in hexadecimal.
    #[must_use]
    pub fn md5(&self) -> &str {
        &self.md5
    }

    /// Whether `key` is the one that an object was stored with, or both have none.
    pub(super) fn unlocks(key: Option<&Self>, stored: Option<&str>) -> Result<(), R2Error> {
        match (key.map(Self::md5), stored) {
            (given, stored) if given == stored => Ok(()),
            (None, Some(_)) => Err(R2Error::of(R2ErrorKind::NeedsSsecKey)),
            _ => Err(R2Error::of(R2ErrorKind::BadSsecKey)),
        }
    }
}
