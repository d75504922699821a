use crate::{
    api_error::ApiError,
    client::{Client, call_of},
    endpoint::{Endpoint, Payload, Place, Reading, Repeat},
    envelope::{Envelope, PageInfo},
};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http::Method;
use serde::de::DeserializeOwned;
use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

/// How a list is cut into pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Paging {
    /// It comes whole.
    Single,
    /// By number: `page` from 1, ended by an empty or a short page. Totals are not trusted.
    Numbered {
        /// How many to ask for at once.
        per_page: u32,
    },
    /// By `result_info.cursor`, ended by an empty one.
    Cursor {
        /// The query's name for the size of a page.
        size_name: &'static str,
        /// How many to ask for at once.
        size: u32,
    },
    /// By `result_info.cursors.after`, ended by an empty one.
    CursorAfter {
        /// The query's name for the size of a page.
        size_name: &'static str,
        /// How many to ask for at once.
        size: u32,
    },
}

/// A list as data: [`Client::stream`] reads it page by page.
pub struct ListEndpoint<T> {
    first: Endpoint<Page<T>>,
    paging: Paging,
}

/// One page of a list.
pub(crate) struct Page<T> {
    items: Vec<T>,
    info: PageInfo,
    fingerprint: u64,
}

/// No list has more pages than this; who gets here goes round in circles.
const MOST_PAGES: u64 = 10_000;

impl<T: DeserializeOwned> ListEndpoint<T> {
    /// A list at `template`, filled by [`ListEndpoint::at`].
    #[must_use]
    pub fn new(template: &'static str, paging: Paging) -> Self {
        let place = Place::Template(template);
        let reading = Reading::Envelope(page);
        Self { first: Endpoint::reading(Method::GET, place, Repeat::Safe, reading), paging }
    }

    /// The list is this field of `result`.
    #[must_use]
    pub fn within(self, field: &'static str) -> Self {
        Self { first: self.first.within(field), ..self }
    }

    /// Fills `{name}` in the path.
    #[must_use]
    pub fn at(self, name: &'static str, value: impl fmt::Display) -> Self {
        Self { first: self.first.at(name, value), ..self }
    }

    /// Adds `name=value` to the query.
    #[must_use]
    pub fn with_query(self, name: &'static str, value: impl fmt::Display) -> Self {
        Self { first: self.first.with_query(name, value), ..self }
    }

    /// Sets a header of the calls.
    #[must_use]
    pub fn with_header(self, name: &'static str, value: &'static str) -> Self {
        Self { first: self.first.with_header(name, value), ..self }
    }

    /// How it is cut into pages.
    #[must_use]
    pub fn paging(&self) -> Paging {
        self.paging
    }

    /// The path with its values, percent-encoded, without the query.
    #[must_use]
    pub fn path(&self) -> String {
        self.first.path()
    }
}

impl<T> fmt::Debug for ListEndpoint<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "List({} {}, {:?})", self.first.method, self.first.path(), self.paging)
    }
}

fn page<T: DeserializeOwned>(
    envelope: &Envelope<'_>,
    within: Option<&'static str>,
) -> Result<Page<T>, serde_json::Error> {
    let items: Option<Vec<T>> = envelope.result(within)?;
    let mut hasher = DefaultHasher::new();
    envelope.result_text().hash(&mut hasher);
    Ok(Page {
        items: items.unwrap_or_default(),
        info: envelope.page_info(),
        fingerprint: hasher.finish(),
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Position {
    Page(u64),
    Cursor(String),
}

struct Reader<T> {
    client: Client,
    list: ListEndpoint<T>,
    next: Option<Position>,
    pages: u64,
    last_fingerprint: Option<u64>,
}

impl Client {
    /// The items of a list, one page fetched when the one before is used up.
    ///
    /// The stream ends with the first error.
    pub fn stream<T: DeserializeOwned + Send + 'static>(
        &self,
        list: ListEndpoint<T>,
    ) -> impl Stream<Item = Result<T, ApiError>> + Send + use<T> {
        let reader = Reader {
            client: self.clone(),
            list,
            next: Some(Position::Page(1)),
            pages: 0,
            last_fingerprint: None,
        };
        stream::try_unfold(reader, Reader::advance)
            .map_ok(|items| stream::iter(items).map(Ok))
            .try_flatten()
    }

    /// All items of a list.
    ///
    /// # Errors
    /// When a page cannot be had.
    pub async fn list<T: DeserializeOwned + Send + 'static>(
        &self,
        list: ListEndpoint<T>,
    ) -> Result<Vec<T>, ApiError> {
        self.stream(list).try_collect().await
    }
}

impl<T: DeserializeOwned> Reader<T> {
    async fn advance(mut self) -> Result<Option<(Vec<T>, Self)>, ApiError> {
        let Some(position) = self.next.take() else { return Ok(None) };
        let page = self.client.send(self.list.request(&position)).await?;
        self.pages += 1;
        self.next = self.list.after(&position, &page);
        if self.next.is_some() {
            self.check_progress(&position, &page)?;
        }
        self.last_fingerprint = Some(page.fingerprint);
        Ok(Some((page.items, self)))
    }

    /// A server that ignores `page`, or hands out the same cursor for ever, must not keep us.
    fn check_progress(&self, position: &Position, page: &Page<T>) -> Result<(), ApiError> {
        let same_page = self.last_fingerprint == Some(page.fingerprint) && !page.items.is_empty();
        let same_cursor = self.next.as_ref() == Some(position);
        if same_page || same_cursor || MOST_PAGES <= self.pages {
            let path = self.list.path();
            let call = call_of(&self.list.first, &path);
            return Err(ApiError::endless(call, "the list repeats itself and never ends"));
        }
        Ok(())
    }
}

impl<T: DeserializeOwned> ListEndpoint<T> {
    fn request(&self, position: &Position) -> Endpoint<Page<T>> {
        let first = &self.first;
        let mut endpoint = Endpoint {
            method: first.method.clone(),
            place: first.place.clone(),
            parameters: first.parameters.clone(),
            query: first.query.clone(),
            headers: first.headers.clone(),
            payload: Payload::Nothing,
            credentials: first.credentials.clone(),
            problem: first.problem.clone(),
            ..*first
        };
        endpoint = match self.paging {
            Paging::Single => return endpoint,
            Paging::Numbered { per_page } => endpoint.with_query("per_page", per_page),
            Paging::Cursor { size_name, size } | Paging::CursorAfter { size_name, size } => {
                endpoint.with_query(size_name, size)
            }
        };
        match (self.paging, position) {
            (Paging::Numbered { .. }, Position::Page(page)) => endpoint.with_query("page", page),
            (_, Position::Cursor(cursor)) => endpoint.with_query("cursor", cursor),
            _ => endpoint,
        }
    }

    fn after(&self, position: &Position, page: &Page<T>) -> Option<Position> {
        match (self.paging, position) {
            (Paging::Numbered { per_page }, Position::Page(number)) => {
                // A server may give fewer at once than it is asked for; then it says so.
                let asked = u64::from(per_page);
                let full = page.info.per_page.filter(|said| 0 < *said).unwrap_or(asked).min(asked);
                (full <= page.items.len() as u64).then(|| Position::Page(number + 1))
            }
            (Paging::Cursor { .. }, _) => page.info.cursor.clone().map(Position::Cursor),
            (Paging::CursorAfter { .. }, _) => page.info.cursor_after.clone().map(Position::Cursor),
            _ => None,
        }
    }
}
