use bytes::Bytes;
use clodo_http::Body;
use http::HeaderValue;
use memchr::memmem;
use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::{BuildHasher, Hasher},
};

/// A form cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// A name is empty or holds a control character other than a line break.
    #[error("`{0}` cannot be the name of a part of a form")]
    Name(String),
    /// A content type holds characters that no header can carry.
    #[error("`{content_type}` cannot be the content type of the part `{part}`")]
    ContentType {
        /// The part's name.
        part: String,
        /// What was given.
        content_type: String,
    },
    /// Every boundary tried occurs in the content.
    #[error("no boundary was found that the content does not hold")]
    Boundary,
}

/// One part of a form.
#[derive(Clone, PartialEq, Eq)]
pub struct Part {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
    body: Bytes,
}

impl Part {
    /// A plain field.
    #[must_use]
    pub fn field(name: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self { name: name.into(), file_name: None, content_type: None, body: body.into() }
    }

    /// A file whose file name is the part's name, as module uploads want it.
    #[must_use]
    pub fn file(
        name: impl Into<String>,
        content_type: impl Into<String>,
        body: impl Into<Bytes>,
    ) -> Self {
        let name = name.into();
        let (file_name, content_type) = (Some(name.clone()), Some(content_type.into()));
        Self { name, file_name, content_type, body: body.into() }
    }

    fn head(&self) -> Result<String, FormError> {
        let mut head = format!("Content-Disposition: form-data; name=\"{}\"", escaped(&self.name)?);
        if let Some(file_name) = &self.file_name {
            head += &format!("; filename=\"{}\"", escaped(file_name)?);
        }
        head += "\r\n";
        if let Some(content_type) = &self.content_type {
            if !content_type.bytes().all(|b| (b' '..=b'~').contains(&b)) {
                return Err(FormError::ContentType {
                    part: self.name.clone(),
                    content_type: content_type.clone(),
                });
            }
            head += &format!("Content-Type: {content_type}\r\n");
        }
        head += "\r\n";
        Ok(head)
    }
}

impl fmt::Debug for Part {
    /// Name and size; the content may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({:?}, {} bytes)", self.name, self.body.len())
    }
}

/// As browsers write it: quotes and line breaks percent-encoded, all else as it is.
fn escaped(name: &str) -> Result<String, FormError> {
    let odd = |c: char| c.is_control() && c != '\r' && c != '\n';
    if name.is_empty() || name.contains(odd) {
        return Err(FormError::Name(name.to_owned()));
    }
    Ok(name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A"))
}

/// A form that is ready to be sent.
#[derive(Debug)]
pub struct EncodedForm {
    pub(crate) content_type: HeaderValue,
    pub(crate) body: Body,
}

impl EncodedForm {
    /// The content type, which names the boundary.
    #[must_use]
    pub fn content_type(&self) -> &HeaderValue {
        &self.content_type
    }

    /// The body; the parts' content is shared, not copied.
    #[must_use]
    pub fn into_body(self) -> Body {
        self.body
    }
}

/// Writes parts as `multipart/form-data`.
///
/// # Errors
/// When a name or a content type cannot be written.
pub fn encode_form(parts: &[Part]) -> Result<EncodedForm, FormError> {
    encode_with(parts, std::iter::repeat_with(random_boundary).take(8))
}

fn encode_with(
    parts: &[Part],
    boundaries: impl IntoIterator<Item = String>,
) -> Result<EncodedForm, FormError> {
    let heads = parts.iter().map(Part::head).collect::<Result<Vec<_>, _>>()?;
    let free = |boundary: &String| {
        let finder = memmem::Finder::new(boundary.as_bytes());
        let occurs = |bytes: &[u8]| finder.find(bytes).is_some();
        !parts.iter().any(|part| occurs(&part.body)) && !heads.iter().any(|h| occurs(h.as_bytes()))
    };
    let boundary = boundaries.into_iter().find(free).ok_or(FormError::Boundary)?;
    let content_type = HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"));
    let content_type = content_type.map_err(|_| FormError::Boundary)?;
    let mut chunks = Vec::with_capacity(2 * parts.len() + 1);
    let mut opening = format!("--{boundary}\r\n");
    for (part, head) in parts.iter().zip(heads) {
        chunks.push(Bytes::from(opening + &head));
        chunks.push(part.body.clone());
        opening = format!("\r\n--{boundary}\r\n");
    }
    let end = if parts.is_empty() { "" } else { "\r\n" };
    chunks.push(Bytes::from(format!("{end}--{boundary}--\r\n")));
    Ok(EncodedForm { content_type, body: Body::from_chunks(chunks) })
}

fn random_boundary() -> String {
    // Every `RandomState` has keys of its own, so hashing nothing gives a new number each time.
    let number = || RandomState::new().build_hasher().finish();
    format!("clodo-{:016x}{:016x}", number(), number())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{StreamExt, stream};
    use proptest::prelude::*;

    type Read = (String, Option<String>, Option<String>, Bytes);

    async fn read(form: EncodedForm) -> Vec<Read> {
        let boundary = multer::parse_boundary(form.content_type.to_str().unwrap()).unwrap();
        let chunks = form.into_body().into_stream();
        let mut parts = multer::Multipart::new(chunks, boundary);
        let mut found = Vec::new();
        while let Some(part) = parts.next_field().await.unwrap() {
            let text = |text: Option<&str>| text.map(str::to_owned);
            let name = text(part.name()).unwrap_or_default();
            let file_name = text(part.file_name());
            let content_type = part.content_type().map(ToString::to_string);
            found.push((name, file_name, content_type, part.bytes().await.unwrap()));
        }
        found
    }

    #[tokio::test]
    async fn a_form_is_read_back_by_another_implementation() {
        let parts = [
            Part::field("metadata", "{}"),
            Part::file("./a \"b\"\r\n.js", "application/javascript+module", "x\r\n--y\r\n"),
            Part::file("ünï/x.wasm", "application/wasm", Bytes::from_static(&[0, 255, 13, 10])),
            Part::field("empty", ""),
        ];
        let read = read(encode_form(&parts).unwrap()).await;
        let names: Vec<_> = read.iter().map(|part| part.0.as_str()).collect();
        assert_eq!(names, ["metadata", "./a %22b%22%0D%0A.js", "ünï/x.wasm", "empty"]);
        assert_eq!(read[0].1, None);
        assert_eq!(read[1].1.as_deref(), Some("./a %22b%22%0D%0A.js"));
        assert_eq!(read[1].2.as_deref(), Some("application/javascript+module"));
        for (read, sent) in read.iter().zip(&parts) {
            assert_eq!(read.3, sent.body);
        }
    }

    #[test]
    fn what_cannot_be_written_is_refused() {
        for name in ["", "a\0b", "a\tb", "\u{7f}"] {
            let error = encode_form(&[Part::field(name, "")]).unwrap_err();
            assert_eq!(error, FormError::Name(name.to_owned()));
        }
        for content_type in ["a\r\nX-Evil: 1", "é", "a\0"] {
            let error = encode_form(&[Part::file("a", content_type, "")]).unwrap_err();
            assert!(matches!(error, FormError::ContentType { .. }), "{content_type:?}");
        }
    }

    #[tokio::test]
    async fn a_boundary_that_the_content_holds_is_not_used() {
        let parts = [Part::field("a", "text with first in it"), Part::field("second", "")];
        let boundaries = ["first", "second", "third"].map(str::to_owned);
        let form = encode_with(&parts, boundaries.clone()).unwrap();
        assert_eq!(form.content_type(), "multipart/form-data; boundary=third");
        assert_eq!(read(form).await[0].3, "text with first in it");
        assert_eq!(encode_with(&parts, boundaries[..2].to_vec()).unwrap_err(), FormError::Boundary);
    }

    #[tokio::test]
    async fn the_length_is_known_and_the_body_can_be_sent_again() {
        let form = encode_form(&[Part::file("a.js", "text/plain", "content")]).unwrap();
        let body = form.into_body();
        let again = body.try_clone().unwrap();
        let length = body.length().unwrap();
        assert_eq!(body.collect(9999).await.unwrap().len() as u64, length);
        assert_eq!(again.collect(9999).await.unwrap().len() as u64, length);
    }

    #[test]
    fn debug_shows_no_content() {
        assert_eq!(format!("{:?}", Part::field("a", "hunter2")), "Part(\"a\", 7 bytes)");
    }

    proptest! {
        #[test]
        fn any_content_survives(bodies in prop::collection::vec(any::<Vec<u8>>(), 1..5), cut in 1_usize..40) {
            let parts: Vec<_> =
                bodies.iter().map(|body| Part::file("m", "application/wasm", body.clone())).collect();
            let form = encode_form(&parts).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let read = runtime.block_on(async {
                // Cut into other chunks than it was written in.
                let EncodedForm { content_type, body } = form;
                let whole = body.collect(1 << 20).await.unwrap();
                let pieces: Vec<_> = whole.chunks(cut).map(|p| Ok(Bytes::copy_from_slice(p))).collect();
                read(EncodedForm { content_type, body: Body::from_stream(stream::iter(pieces).boxed(), None) }).await
            });
            let contents: Vec<_> = read.into_iter().map(|part| part.3.to_vec()).collect();
            prop_assert_eq!(contents, bodies);
        }

        #[test]
        fn no_name_makes_writing_panic(name in any::<String>(), content_type in any::<String>()) {
            let _ = encode_form(&[Part::file(name, content_type, "")]);
        }
    }
}
