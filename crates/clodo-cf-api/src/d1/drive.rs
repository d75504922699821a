use super::transfer::{
    ExportOptions, ImportStep, Transfer, TransferStatus, export, export_file, import,
    put_import_file,
};
use crate::{api_error::ApiError, client::Client};
use bytes::Bytes;
use clodo_http::Body;
use clodo_types::{AccountId, DatabaseId};
use http::header;
use md5::{Digest, Md5};
use std::{fmt::Write as _, time::Duration};

/// A file of SQL to import.
#[derive(Debug)]
pub struct ImportFile {
    etag: String,
    body: Body,
}

impl ImportFile {
    /// A file in memory.
    #[must_use]
    pub fn from_bytes(content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let etag = Md5::digest(&content).iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes any text");
            text
        });
        Self { etag, body: content.into() }
    }

    /// A file that is read while it is sent. `md5` is that of its content, in hexadecimal: the API
    /// asks for it beforehand.
    #[must_use]
    pub fn from_body(md5: impl Into<String>, body: Body) -> Self {
        Self { etag: md5.into(), body }
    }
}

/// How far a transfer is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransferProgress {
    /// The file is on its way to Cloudflare.
    Uploading,
    /// Cloudflare has the same file already.
    AlreadyThere,
    /// The database works; this is what it says.
    Working(Vec<String>),
    /// The file can be fetched.
    Ready,
}

/// What an import did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Imported {
    /// How many statements ran.
    pub num_queries: Option<u64>,
    /// The moment after it.
    pub final_bookmark: Option<String>,
    /// What it did.
    pub meta: super::QueryMeta,
}

/// A file that can be read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Exported {
    /// Its name.
    pub filename: Option<String>,
    /// Its content, as it arrives.
    pub body: Body,
}

/// A transfer that did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// A call failed.
    #[error("a step of the transfer failed")]
    Api(#[from] ApiError),
    /// The database refused it; an import that fails changes nothing.
    #[error("the database refused the transfer: {0}")]
    Refused(String),
    /// What arrived is not what was sent.
    #[error("the upload arrived as {arrived} instead of {sent}")]
    Damaged {
        /// The MD5 of what was sent.
        sent: String,
        /// The MD5 of what arrived.
        arrived: String,
    },
    /// An answer lacks what the next step needs.
    #[error("the answer to a step of the transfer lacks {0}")]
    Incomplete(&'static str),
}

/// Between two questions. The server waits itself before it answers; this is for one that does not.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Client {
    /// Runs a file of SQL in a database: announces it, sends it, has it run, waits for the end.
    /// The database answers nobody else meanwhile. All of it happens or nothing.
    ///
    /// # Errors
    /// When a call fails or the database refuses a statement. [`ApiError::may_have_happened`] of
    /// the cause says whether the file may have run all the same.
    pub async fn import_database(
        &self,
        account: &AccountId,
        id: &DatabaseId,
        file: ImportFile,
        progress: &(dyn Fn(TransferProgress) + Send + Sync),
    ) -> Result<Imported, TransferError> {
        let ImportFile { etag, body } = file;
        let init = || import(account, id, &ImportStep::Init { etag: etag.clone() });
        let announced = self.send(init()).await?;
        let first = match (announced.filename, announced.upload_url) {
            (Some(filename), Some(url)) => {
                progress(TransferProgress::Uploading);
                let put = self.send(put_import_file(&url, body)).await?;
                arrived_whole(&put, &etag)?;
                let step = ImportStep::Ingest { filename, etag: etag.clone() };
                match self.send(import(account, id, &step)).await {
                    Ok(transfer) => transfer,
                    // Whether the file runs is unclear, and one that does is known by its digest.
                    Err(error) if error.may_have_happened() => {
                        let again = self.send(init()).await?;
                        if again.status.is_none() {
                            return Err(error.into());
                        }
                        again
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            _ if announced.status.is_some() => {
                progress(TransferProgress::AlreadyThere);
                Transfer { filename: None, upload_url: None, ..announced }
            }
            _ => return Err(TransferError::Incomplete("the URL for the upload")),
        };
        let ask = |bookmark: &str| {
            let step = ImportStep::Poll { current_bookmark: bookmark.to_owned() };
            import(account, id, &step)
        };
        let done = self.until_complete(first, ask, progress).await?.result.unwrap_or_default();
        let (num_queries, final_bookmark) = (done.num_queries, done.final_bookmark);
        Ok(Imported { num_queries, final_bookmark, meta: done.meta })
    }

    /// Has a database written as SQL and gives the file. The database answers nobody else until
    /// the file is ready.
    ///
    /// # Errors
    /// When a call fails or the database cannot be written as SQL.
    pub async fn export_database(
        &self,
        account: &AccountId,
        id: &DatabaseId,
        options: &ExportOptions,
        progress: &(dyn Fn(TransferProgress) + Send + Sync),
    ) -> Result<Exported, TransferError> {
        let first = self.send(export(account, id, options, None)).await?;
        let ask = |bookmark: &str| export(account, id, options, Some(bookmark));
        let done = self.until_complete(first, ask, progress).await?.result.unwrap_or_default();
        let url = done.signed_url.ok_or(TransferError::Incomplete("the URL of the file"))?;
        progress(TransferProgress::Ready);
        let answer = self.send(export_file(&url)).await?;
        Ok(Exported { filename: done.filename, body: answer.into_body() })
    }

    async fn until_complete(
        &self,
        first: Transfer,
        ask: impl Fn(&str) -> crate::Endpoint<Transfer>,
        progress: &(dyn Fn(TransferProgress) + Send + Sync),
    ) -> Result<Transfer, TransferError> {
        let (mut transfer, mut pause) = (first, PAUSE);
        let mut bookmark = None;
        loop {
            if !transfer.messages.is_empty() {
                progress(TransferProgress::Working(std::mem::take(&mut transfer.messages)));
            }
            if transfer.status == Some(TransferStatus::Complete) {
                return Ok(transfer);
            }
            if transfer.status == Some(TransferStatus::Error) || transfer.error.is_some() {
                let why = transfer.error.unwrap_or_else(|| "it does not say why".to_owned());
                return Err(TransferError::Refused(why));
            }
            bookmark = transfer.at_bookmark.or(bookmark);
            let at = bookmark.as_deref().ok_or(TransferError::Incomplete("its bookmark"))?;
            self.options().sleeper.sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            transfer = self.send(ask(at)).await?;
        }
    }
}

/// The answer's `ETag` is the MD5 of what arrived; an answer without one proves nothing.
fn arrived_whole(put: &clodo_http::Response, sent: &str) -> Result<(), TransferError> {
    let Some(etag) = put.headers().get(header::ETAG).and_then(|value| value.to_str().ok()) else {
        return Ok(());
    };
    let arrived = etag.trim_start_matches("W/").trim_matches('"');
    if arrived.eq_ignore_ascii_case(sent) {
        return Ok(());
    }
    Err(TransferError::Damaged { sent: sent.to_owned(), arrived: arrived.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_md5() {
        assert_eq!(ImportFile::from_bytes("").etag, "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(ImportFile::from_bytes("a").etag, "0cc175b9c0f1b6a831c399e269772661");
    }
}
