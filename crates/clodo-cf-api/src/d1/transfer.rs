use super::query::QueryMeta;
use crate::{
    endpoint::{Endpoint, Repeat},
    wire::{number, open_enum, or_default},
    workers::UPLOAD_TIME_LIMIT,
};
use clodo_http::{Body, Response};
use clodo_types::{AccountId, DatabaseId, Secret};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

open_enum! {
    /// Where a transfer stands.
    TransferStatus {
        /// It goes on.
        Active = "active",
        /// It is over.
        Complete = "complete",
        /// It failed.
        Error = "error",
    }
}

/// Where an import or an export stands.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct Transfer {
    /// None in the answer to the beginning of an upload.
    #[serde(default)]
    pub status: Option<TransferStatus>,
    /// The name under which the file was announced.
    #[serde(default)]
    pub filename: Option<String>,
    /// Where to put the file.
    #[serde(default)]
    pub upload_url: Option<Secret>,
    /// What to ask the next poll with.
    #[serde(default)]
    pub at_bookmark: Option<String>,
    /// What a person reads meanwhile.
    #[serde(default, deserialize_with = "or_default")]
    pub messages: Vec<String>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<String>,
    /// What it did.
    #[serde(default)]
    pub result: Option<TransferResult>,
}

/// What a transfer did.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct TransferResult {
    /// Of an import: how many statements ran.
    #[serde(default, deserialize_with = "number")]
    pub num_queries: Option<u64>,
    /// Of an import: the moment after it.
    #[serde(default)]
    pub final_bookmark: Option<String>,
    /// Of an import: what it did.
    #[serde(default, deserialize_with = "or_default")]
    pub meta: QueryMeta,
    /// Of an export: the name of the file.
    #[serde(default)]
    pub filename: Option<String>,
    /// Of an export: where the file is, for an hour.
    #[serde(default)]
    pub signed_url: Option<Secret>,
}

/// A step of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum ImportStep {
    /// Announces a file by the MD5 of its content, in hexadecimal.
    Init {
        /// The MD5.
        etag: String,
    },
    /// Runs the file that was put to the URL.
    Ingest {
        /// The name it was given.
        filename: String,
        /// The MD5.
        etag: String,
    },
    /// Asks how far it is.
    Poll {
        /// Where the last answer was.
        current_bookmark: String,
    },
}

/// A step of an import. The database answers nobody else while a file runs.
#[must_use]
pub fn import(account: &AccountId, id: &DatabaseId, step: &ImportStep) -> Endpoint<Transfer> {
    let repeat = match step {
        ImportStep::Init { .. } | ImportStep::Poll { .. } => Repeat::Safe,
        ImportStep::Ingest { .. } => Repeat::Never,
    };
    Endpoint::new(Method::POST, "/accounts/{account}/d1/database/{database}/import", repeat)
        .at("account", account)
        .at("database", id)
        .with_json(step)
}

/// Puts the file of an import to its URL, which is signed; the token is not sent. The answer's
/// `ETag` is the MD5 of what arrived.
#[must_use]
pub fn put_import_file(url: &Secret, content: impl Into<Body>) -> Endpoint<Response> {
    Endpoint::elsewhere(Method::PUT, url, "the upload of a D1 import", Repeat::Safe)
        .with_body("application/octet-stream", content)
        .with_time_limit(UPLOAD_TIME_LIMIT)
}

/// What an export holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ExportOptions {
    /// Leave the schema out.
    pub no_schema: bool,
    /// Leave the rows out.
    pub no_data: bool,
    /// These tables only; all when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
}

/// A step of an export: the first one without a bookmark, then with that of the answer before.
/// Who stops asking ends the export; the database answers nobody else meanwhile.
#[must_use]
pub fn export(
    account: &AccountId,
    id: &DatabaseId,
    options: &ExportOptions,
    current_bookmark: Option<&str>,
) -> Endpoint<Transfer> {
    let mut body = json!({ "output_format": "polling", "dump_options": options });
    if let Some(bookmark) = current_bookmark {
        body["current_bookmark"] = bookmark.into();
    }
    Endpoint::new(Method::POST, "/accounts/{account}/d1/database/{database}/export", Repeat::Safe)
        .only_reading()
        .at("account", account)
        .at("database", id)
        .with_json(&body)
}

/// Gets the file of an export from its URL, which is signed; the token is not sent.
#[must_use]
pub fn export_file(url: &Secret) -> Endpoint<Response> {
    Endpoint::elsewhere(Method::GET, url, "the download of a D1 export", Repeat::Safe)
}
