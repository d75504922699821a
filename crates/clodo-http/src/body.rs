use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http_body::{Frame, SizeHint};
use std::{
    collections::VecDeque,
    error, fmt,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
};

/// The chunks of a body as they arrive.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// A body could not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// It is larger than the reader wanted.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The most that the reader wanted, in bytes.
        limit: usize,
    },
    /// It broke off.
    #[error("the body broke off")]
    Interrupted(#[source] Box<dyn error::Error + Send + Sync>),
    /// The next chunk did not come in time.
    #[error("the body stalled")]
    Stalled,
}

/// What a request or a response carries: bytes in memory, or a stream that can be read once.
///
/// Buffered bodies share their bytes, so a copy of one ([`Body::try_clone`]) costs nothing. A
/// streaming body has no copy: a request that carries one is sent once, whatever happens.
pub struct Body(Inner);

enum Inner {
    Whole(Bytes),
    Chunks(VecDeque<Bytes>),
    // The lock is never taken: it makes the body `Sync`, which HTTP libraries ask for.
    Stream { stream: Mutex<BodyStream>, length: Option<u64> },
}

impl Body {
    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self(Inner::Whole(Bytes::new()))
    }

    /// Buffered bytes in several pieces, which are sent one after the other and never joined.
    #[must_use]
    pub fn from_chunks(chunks: impl IntoIterator<Item = Bytes>) -> Self {
        Self(Inner::Chunks(chunks.into_iter().filter(|chunk| !chunk.is_empty()).collect()))
    }

    /// Bytes that are made while they are sent; `length` in bytes when it is known beforehand.
    #[must_use]
    pub fn from_stream(
        stream: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
        length: Option<u64>,
    ) -> Self {
        Self(Inner::Stream { stream: Mutex::new(Box::pin(stream)), length })
    }

    /// A second body of the same bytes, or `None` for a stream.
    #[must_use]
    pub fn try_clone(&self) -> Option<Self> {
        match &self.0 {
            Inner::Whole(bytes) => Some(Self(Inner::Whole(bytes.clone()))),
            Inner::Chunks(chunks) => Some(Self(Inner::Chunks(chunks.clone()))),
            Inner::Stream { .. } => None,
        }
    }

    /// True when the bytes are in memory, so that the body can be sent again.
    #[must_use]
    pub fn is_buffered(&self) -> bool {
        !matches!(self.0, Inner::Stream { .. })
    }

    /// The length in bytes, when it is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match &self.0 {
            Inner::Whole(bytes) => Some(bytes.len() as u64),
            Inner::Chunks(chunks) => Some(chunks.iter().map(|chunk| chunk.len() as u64).sum()),
            Inner::Stream { length, .. } => *length,
        }
    }

    /// Reads all of it into memory; one that came in one piece is not copied.
    ///
    /// # Errors
    /// When it is larger than `limit` bytes, or breaks off.
    pub async fn collect(self, limit: usize) -> Result<Bytes, BodyError> {
        let too_large = |length: u64| usize::try_from(length).is_ok_and(|length| length <= limit);
        if self.length().is_some_and(|length| !too_large(length)) {
            return Err(BodyError::TooLarge { limit });
        }
        if let Inner::Whole(bytes) = self.0 {
            return Ok(bytes);
        }
        let length = self.length().and_then(|length| usize::try_from(length).ok());
        let mut stream = self.into_stream();
        let Some(first) = stream.next().await.transpose()? else { return Ok(Bytes::new()) };
        let Some(second) = stream.next().await.transpose()? else {
            return within(first, limit);
        };
        let mut all = BytesMut::from(within(first, limit)?);
        // Whoever says a length may lie about it.
        const AT_ONCE: usize = 16 << 20;
        all.reserve(length.unwrap_or_default().min(AT_ONCE).saturating_sub(all.len()));
        let mut next = Some(second);
        while let Some(chunk) = next {
            if limit - all.len() < chunk.len() {
                return Err(BodyError::TooLarge { limit });
            }
            all.extend_from_slice(&chunk);
            next = stream.next().await.transpose()?;
        }
        Ok(all.freeze())
    }

    /// The chunks, one after the other.
    #[must_use]
    pub fn into_stream(self) -> BodyStream {
        match self.0 {
            Inner::Whole(bytes) if bytes.is_empty() => Box::pin(stream::empty()),
            Inner::Whole(bytes) => Box::pin(stream::iter([Ok(bytes)])),
            Inner::Chunks(chunks) => Box::pin(stream::iter(chunks.into_iter().map(Ok))),
            Inner::Stream { stream, .. } => {
                stream.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
            }
        }
    }
}

fn within(bytes: Bytes, limit: usize) -> Result<Bytes, BodyError> {
    if bytes.len() <= limit { Ok(bytes) } else { Err(BodyError::TooLarge { limit }) }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    /// Its length only: a body may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.is_buffered() { "buffered" } else { "stream" };
        match self.length() {
            Some(length) => write!(f, "Body({how}, {length} bytes)"),
            None => write!(f, "Body({how})"),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Inner::Whole(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = match &mut self.get_mut().0 {
            Inner::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Inner::Whole(bytes) => Poll::Ready(Some(Ok(std::mem::take(bytes)))),
            Inner::Chunks(chunks) => Poll::Ready(chunks.pop_front().map(Ok)),
            Inner::Stream { stream, .. } => stream
                .get_mut()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .as_mut()
                .poll_next(cx),
        };
        next.map_ok(Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Whole(bytes) => bytes.is_empty(),
            Inner::Chunks(chunks) => chunks.is_empty(),
            Inner::Stream { .. } => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks(texts: &[&'static str]) -> Vec<Bytes> {
        texts.iter().map(|text| Bytes::from_static(text.as_bytes())).collect()
    }

    fn streaming(texts: &[&'static str]) -> Body {
        Body::from_stream(stream::iter(chunks(texts).into_iter().map(Ok)), None)
    }

    #[tokio::test]
    async fn a_body_is_collected_up_to_the_limit_whatever_its_shape() {
        let shapes: [fn() -> Body; 4] = [
            || Body::from("abcdef"),
            || Body::from_chunks(chunks(&["ab", "", "cd", "ef"])),
            || streaming(&["abc", "def"]),
            || streaming(&["abcdef"]),
        ];
        for make in shapes {
            assert_eq!(make().collect(6).await.unwrap(), "abcdef", "{:?}", make());
            let error = make().collect(5).await.unwrap_err();
            assert!(matches!(error, BodyError::TooLarge { limit: 5 }), "{:?}", make());
        }
        assert!(streaming(&[]).collect(0).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_a_short_body() {
        let broken = || Err(BodyError::Interrupted("cable".into()));
        let body = Body::from_stream(stream::iter([Ok(Bytes::from("ab")), broken()]), Some(4));
        assert!(matches!(body.collect(9).await.unwrap_err(), BodyError::Interrupted(_)));
    }

    #[tokio::test]
    async fn only_buffered_bodies_have_a_copy() {
        let body = Body::from_chunks(chunks(&["ab", "cd"]));
        let copy = body.try_clone().unwrap();
        assert_eq!(copy.length(), Some(4));
        assert_eq!(copy.collect(4).await.unwrap(), body.collect(4).await.unwrap());
        assert!(streaming(&["a"]).try_clone().is_none());
    }

    #[test]
    fn debug_shows_no_content() {
        assert_eq!(format!("{:?}", Body::from("hunter2")), "Body(buffered, 7 bytes)");
        assert_eq!(format!("{:?}", streaming(&["hunter2"])), "Body(stream)");
    }
}
