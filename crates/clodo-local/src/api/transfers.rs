//! Files on their way to or from D1, at addresses that are signed and expire.

use super::{call::Query, error::ApiError};
use crate::state::State;
use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use std::{
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

/// How long an address is good, and how long a file is kept.
const LIFE: Duration = Duration::from_secs(3600);

/// The folder of transfers.
#[derive(Debug)]
pub(crate) struct Transfers {
    folder: PathBuf,
    state: State,
}

/// What makes an address good.
#[derive(Debug)]
pub(super) struct Signed {
    expires: i64,
    signature: String,
}

impl<S: Sync> FromRequestParts<S> for Signed {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = Query::of(parts);
        let expires = query.get("expires").and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Self { expires, signature: query.get("signature").unwrap_or_default().to_owned() })
    }
}

impl Transfers {
    pub(crate) fn new(state: State) -> Self {
        let transfers = Self { folder: state.folder().join("transfers"), state };
        transfers.sweep();
        transfers
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn now(&self) -> i64 {
        self.state.now().micros() / 1_000
    }

    /// The query that lets whoever has it do this to this file for an hour.
    pub(super) fn sign(&self, method: &str, name: &str) -> String {
        let expires = self.now() + LIFE.as_millis() as i64;
        format!("expires={expires}&signature={}", self.signature(method, name, expires))
    }

    fn signature(&self, method: &str, name: &str, expires: i64) -> blake3::Hash {
        let key = &self.state.snapshot().cloud.meta.signing_key;
        let key = blake3::derive_key("clodo-local: addresses of D1 transfers", key.as_bytes());
        let signed = format!("{method}\n{name}\n{expires}");
        blake3::keyed_hash(&key, signed.as_bytes())
    }

    /// The file that an address leads to, if it is signed for this and has not expired.
    pub(super) fn checked(
        &self,
        method: &str,
        name: &str,
        signed: &Signed,
    ) -> Result<PathBuf, ApiError> {
        let refused = |message| Err(ApiError::new(StatusCode::FORBIDDEN, 7403, message));
        // `blake3::Hash` compares in constant time.
        let given = blake3::Hash::from_hex(&signed.signature).ok();
        if given != Some(self.signature(method, name, signed.expires)) {
            return refused("The signature of this address does not fit.");
        }
        if signed.expires < self.now() {
            return refused("This address has expired.");
        }
        Ok(self.path(name))
    }

    /// Removes what is older than its address. What cannot be removed stays until the next time.
    pub(super) fn sweep(&self) {
        let now = Duration::from_millis(u64::try_from(self.now()).unwrap_or(0));
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let modified = entry.metadata().and_then(|file| file.modified()).ok();
            let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            // An import may run for long after its last note.
            let life =
                if entry.path().extension().is_some_and(|kind| kind == "job") { 24 } else { 1 };
            if since.is_some_and(|since| now > since + LIFE * life) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}
