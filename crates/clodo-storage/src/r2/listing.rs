//! Pages of objects, with keys folded at a delimiter.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clodo_sqlite::rusqlite::{Connection, OptionalExtension, Result, params};

use super::{
    ListObjects, ObjectMeta, ObjectPage, R2Error, R2ErrorKind,
    store::{COLUMNS, meta},
};
use crate::kv::end_of;

/// The most objects and prefixes of one page.
const MAX_PAGE: usize = 1_000;

/// A listing whose arguments were checked.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    prefix: Vec<u8>,
    delimiter: Option<String>,
    /// The first key that may come.
    from: Vec<u8>,
    limit: usize,
}

impl Listing {
    pub(super) fn new(options: ListObjects) -> std::result::Result<Self, R2Error> {
        let limit = options.limit.unwrap_or(MAX_PAGE);
        if limit == 0 || limit > MAX_PAGE {
            let text = "MaxKeys params must be positive integer <= 1000.";
            return Err(R2Error::new(R2ErrorKind::Invalid, text));
        }
        let prefix = options.prefix.into_bytes();
        let mut from = prefix.clone();
        if let Some(after) = options.start_after {
            from = from.max(following(after.as_bytes()));
        }
        if let Some(cursor) = options.cursor.filter(|cursor| !cursor.is_empty()) {
            let invalid = |_| R2Error::new(R2ErrorKind::Invalid, "The cursor is not valid.");
            from = from.max(URL_SAFE_NO_PAD.decode(cursor).map_err(invalid)?);
        }
        let delimiter = options.delimiter.filter(|delimiter| !delimiter.is_empty());
        Ok(Self { prefix, delimiter, from, limit })
    }

    pub(super) fn page(self, db: &Connection) -> Result<ObjectPage> {
        let end = end_of(&self.prefix);
        let mut next = Some(self.from.clone());
        let mut page = ObjectPage { objects: Vec::new(), prefixes: Vec::new(), cursor: None };
        let sql = format!(
            "SELECT {COLUMNS} FROM object WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) \
             ORDER BY key LIMIT ?3"
        );
        let mut statement = db.prepare_cached(&sql)?;
        'pages: while let Some(from) = next.take() {
            let room = self.limit - page.objects.len() - page.prefixes.len();
            if room == 0 {
                let more = statement.query_row(params![from, end, 1], |_| Ok(())).optional()?;
                page.cursor = more.map(|()| URL_SAFE_NO_PAD.encode(&from));
                break;
            }
            // With a delimiter the next key may be folded, and then the seek starts again behind it.
            let batch = i64::try_from(room).unwrap_or(i64::MAX);
            for object in statement.query_map(params![from, end, batch], meta)? {
                let object = object?;
                next = Some(following(object.key.as_str().as_bytes()));
                if let Some(folded) = self.folded(&object) {
                    next = end_of(folded.as_bytes());
                    page.prefixes.push(folded);
                    continue 'pages;
                }
                page.objects.push(object);
            }
        }
        Ok(page)
    }

    /// The key up to and with the first delimiter after the prefix.
    fn folded(&self, object: &ObjectMeta) -> Option<String> {
        let delimiter = self.delimiter.as_deref()?;
        let key = object.key.as_str();
        let start = self.prefix.len();
        let at = key.get(start..)?.find(delimiter)?;
        Some(key[..start + at + delimiter.len()].to_owned())
    }
}

/// The least key that is greater.
fn following(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}
