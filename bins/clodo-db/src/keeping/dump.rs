use super::{Found, Kept, of_io};
use crate::failure::interrupted;
use clodo_cli::{CliError, Exit, Session};
use clodo_db::{DumpSource as _, RestoreError, Summary, verify_text};
use clodo_types::Location;
use std::{
    io::{self, BufRead, Read},
    path::Path,
};
use tokio_util::sync::CancellationToken;

/// A backup that was read to its end and is what was written.
#[derive(Clone, Debug)]
pub(crate) struct Dump {
    /// The file.
    pub(crate) file: Found,
    /// What its last line says.
    pub(crate) summary: Summary,
    /// How long its text is.
    pub(crate) text_bytes: u64,
}

impl Dump {
    /// The backup that a person means: `latest`, the name of a kept one, or a file.
    ///
    /// # Errors
    /// When there is no such backup.
    pub(crate) async fn find(
        session: &Session,
        kept: Option<&Kept>,
        given: &str,
    ) -> Result<Found, CliError> {
        if let Some(kept) = kept {
            if given == "latest"
                && let Some(found) = kept.latest().await?
            {
                return kept.file(session, &found.name).await;
            }
            for kept in [kept, &kept.before()] {
                if kept.list().await?.iter().any(|one| one.name == given) {
                    return kept.file(session, given).await;
                }
            }
            if given == "latest" {
                let message = format!("no backup is kept in {}", kept.shown().display());
                let error = CliError::usage(message);
                return Err(error.with_hint("`clodo-db backup` takes one; --from names the folder"));
            }
        }
        let path = session.directory.join(given);
        if path.is_file() {
            let shown = super::shown(session, &path);
            return Ok(Found::new(path, shown));
        }
        let error = CliError::usage(format!("there is no backup `{given}`"));
        Err(error.with_hint("`clodo-db backups` lists those that are kept; or give a file"))
    }

    /// Reads a backup to its end.
    ///
    /// # Errors
    /// When it is cut, damaged or none; exit 3, with the place where that can be told.
    pub(crate) async fn check(session: &Session, file: Found) -> Result<Self, CliError> {
        let input = file.path.open().await.map_err(|error| unreadable(&file.shown, error))?;
        let mut input =
            Counted { input, cancel: session.cancel.clone(), bytes: 0, lines: 0, head: Vec::new() };
        let checked = verify_text(&mut input);
        match checked {
            Ok(summary) => {
                let text_bytes = input.bytes;
                drop(input);
                Ok(Self { file, summary, text_bytes })
            }
            Err(_) if session.cancel.is_cancelled() => {
                Err(interrupted("nothing was written; run it again"))
            }
            Err(error) => Err(refused(&file.shown, &input, error)),
        }
    }
}

/// What is said of bytes that are not compressed as they begin.
pub(super) fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

fn unreadable(shown: &Path, error: io::Error) -> CliError {
    if !is_damage(&error) {
        return of_io(&format!("{} cannot be read", shown.display()), error);
    }
    let message = format!("{} is damaged: {error}", shown.display());
    let refused = CliError::new(Exit::Refused, "damaged", message);
    refused.with_hint("take another backup: nothing of this one was used")
}

fn refused(shown: &Path, input: &Counted<'_>, error: RestoreError) -> CliError {
    let hint = error.hint();
    let at = |line| Location { path: shown.to_owned(), line, column: 1 };
    let refused = |kind| CliError::new(Exit::Refused, kind, error.to_string()).with_hint(hint);
    match error {
        RestoreError::Read(error) => unreadable(shown, error),
        RestoreError::NoDump => {
            let error = refused("no_backup").with_location(at(1));
            match foreign(&input.head) {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        }
        RestoreError::Format { .. } => refused("no_backup").with_location(at(1)),
        RestoreError::Cut => refused("damaged").with_location(at(input.lines.max(1))),
        _ => refused("damaged").with_location(at(input.lines.max(1))),
    }
}

/// How to go on with what another program wrote.
fn foreign(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head).trim_start().to_ascii_uppercase();
    if text.starts_with("SQLITE FORMAT 3") {
        let hint = "this is a database: `clodo-db backup --sqlite FILE` makes a backup of it";
        return Some(hint.to_owned());
    }
    let begins = ["PRAGMA ", "BEGIN", "CREATE ", "INSERT ", "DROP ", "DELETE ", "--", "/*"];
    begins.iter().any(|begin| text.starts_with(begin)).then(|| {
        "nothing tells whether a dump of sqlite3 or wrangler is whole: load it with \
         `sqlite3 new.db < FILE`, look at it, and make a backup with \
         `clodo-db backup --sqlite new.db`"
            .to_owned()
    })
}

/// Counts what is read, and ends when the run is interrupted.
struct Counted<'r> {
    input: Box<dyn BufRead + Send + 'r>,
    cancel: CancellationToken,
    bytes: u64,
    lines: usize,
    /// How it begins.
    head: Vec<u8>,
}

impl Read for Counted<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let some = self.fill_buf()?;
        let count = some.len().min(to.len());
        to[..count].copy_from_slice(&some[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Counted<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.cancel.is_cancelled() {
            return Err(io::Error::other("it was interrupted"));
        }
        self.input.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        const HEAD: usize = 64;
        // It is filled already, or nothing could be consumed.
        if let Ok(some) = self.input.fill_buf() {
            let some = &some[..count.min(some.len())];
            self.lines += memchr::memchr_iter(b'\n', some).count();
            let more = HEAD.saturating_sub(self.head.len()).min(some.len());
            self.head.extend_from_slice(&some[..more]);
        }
        self.bytes = self.bytes.saturating_add(count.try_into().unwrap_or_default());
        self.input.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_told_how_to_go_on_with() {
        assert!(foreign(b"SQLite format 3\0").unwrap().contains("--sqlite"));
        for dump in ["PRAGMA foreign_keys=OFF;\nBEGIN", "pragma defer_foreign_keys=TRUE;", "-- x"] {
            assert!(foreign(dump.as_bytes()).unwrap().contains("sqlite3"), "{dump}");
        }
        assert_eq!(foreign(b"PK\x03\x04"), None);
        assert_eq!(foreign(b""), None);
    }

    #[test]
    fn lines_and_bytes_are_counted_as_they_are_read() {
        let text = "one\ntwo\nthree";
        let input: Box<dyn BufRead + Send> = Box::new(text.as_bytes());
        let cancel = CancellationToken::new();
        let mut counted =
            Counted { input, cancel: cancel.clone(), bytes: 0, lines: 0, head: Vec::new() };
        let mut read = [0; 5];
        counted.read_exact(&mut read).unwrap();
        assert_eq!((counted.bytes, counted.lines), (5, 1));
        io::copy(&mut counted, &mut io::sink()).unwrap();
        assert_eq!((counted.bytes, counted.lines, &counted.head[..]), (13, 2, text.as_bytes()));
        cancel.cancel();
        assert!(counted.fill_buf().is_err());
    }
}
