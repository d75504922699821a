use clodo_types::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::{fmt, str::FromStr};

/// The header in which a write names its lease. It never goes beyond the gateway.
pub const LEASE_HEADER: HeaderName = HeaderName::from_static("x-clodo-lease");

/// A header that is longer names no lease.
const LONGEST: usize = 2048;
/// What stays as it is in a value; everything else is percent-encoded.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// The lease under which somebody writes, as the header [`LEASE_HEADER`] has it:
///
/// ```text
/// x-clodo-lease = name 3*( ";" [ " " ] parameter )
/// parameter     = "number=" 1*DIGIT       ; the fencing number of the grant
///               / "until=" 1*DIGIT        ; when it ends without renewal, in ms since 1970
///               / "holder=" value         ; who has it, such as laptop:4711:8823
///               / "store=" value          ; which store granted it; may be missing
///               / token "=" value         ; anything else is for later, and is passed over
/// name, value   = *( ALPHA / DIGIT / "-" / "." / "_" / "~" / ":" / "/" / "@" / "+" / "%" HEXDIG HEXDIG )
/// ```
///
/// Parameters come in any order, each once; percent-encoded bytes are UTF-8; the whole has 2048
/// bytes at most. Numbers of one name can be compared within one store only: a fresh one begins
/// at 1 again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LeaseNote {
    /// Which store granted it; empty when nobody said.
    pub store: String,
    /// What is locked, such as `deploy/storefront`.
    pub name: String,
    /// The fencing number.
    pub number: u64,
    /// When it ends without renewal.
    pub until: Timestamp,
    /// Who has it.
    pub holder: String,
}

/// A header that names no lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseNoteError {
    /// There are two such headers.
    #[error("more than one lease is named")]
    Several,
    /// It is too long.
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    /// It holds a byte that belongs into no header of this form.
    #[error("it holds a character that must be percent-encoded, or is not UTF-8")]
    Encoding,
    /// A part is no `name=value`.
    #[error("it is not written as `name; number=…; until=…; holder=…`")]
    Form,
    /// A part is there twice.
    #[error("`{0}` is given twice")]
    Twice(&'static str),
    /// A part is missing or empty.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A number is none, or too large.
    #[error("`{0}` is no number")]
    Number(&'static str),
}

impl LeaseNote {
    /// Names a lease of a store that has no name.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        number: u64,
        until: Timestamp,
        holder: impl Into<String>,
    ) -> Self {
        Self { store: String::new(), name: name.into(), number, until, holder: holder.into() }
    }

    /// Names the store that granted it.
    #[must_use]
    pub fn with_store(mut self, store: impl Into<String>) -> Self {
        self.store = store.into();
        self
    }

    /// The header's value.
    ///
    /// # Panics
    /// Never: what is encoded fits into a header.
    #[must_use]
    pub fn to_header(&self) -> HeaderValue {
        self.to_string().parse().expect("percent-encoded text makes a header")
    }

    /// The lease that a request names, if it names one.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, LeaseNoteError> {
        let mut values = headers.get_all(LEASE_HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(LeaseNoteError::Several);
        }
        if value.len() > LONGEST {
            return Err(LeaseNoteError::TooLong);
        }
        let text = value.to_str().map_err(|_| LeaseNoteError::Encoding)?;
        text.parse().map(Some)
    }
}

impl fmt::Display for LeaseNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = |text| utf8_percent_encode(text, PLAIN);
        let Self { store, name, number, until, holder } = self;
        let until = until.as_millis().max(0);
        write!(f, "{}; number={number}; until={until}; holder=", encoded(name))?;
        write!(f, "{}", encoded(holder))?;
        if store.is_empty() { Ok(()) } else { write!(f, "; store={}", encoded(store)) }
    }
}

/// The parts of a header, as they are found.
#[derive(Default)]
struct Parts {
    number: Option<u64>,
    until: Option<u64>,
    holder: Option<String>,
    store: Option<String>,
}

impl Parts {
    fn take(&mut self, part: &str) -> Result<(), LeaseNoteError> {
        let (key, value) = part.trim().split_once('=').ok_or(LeaseNoteError::Form)?;
        match key {
            "number" => once(&mut self.number, "number", number("number", value)?),
            "until" => once(&mut self.until, "until", number("until", value)?),
            "holder" => once(&mut self.holder, "holder", decoded(value)?),
            "store" => once(&mut self.store, "store", decoded(value)?),
            "" => Err(LeaseNoteError::Form),
            _ => decoded(value).map(drop),
        }
    }
}

impl FromStr for LeaseNote {
    type Err = LeaseNoteError;

    fn from_str(text: &str) -> Result<Self, LeaseNoteError> {
        use LeaseNoteError::{Missing, Number};
        if text.len() > LONGEST {
            return Err(LeaseNoteError::TooLong);
        }
        let mut pieces = text.split(';');
        let name = decoded(pieces.next().unwrap_or_default().trim())?;
        let mut parts = Parts::default();
        pieces.try_for_each(|piece| parts.take(piece))?;
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        let until = i64::try_from(parts.until.ok_or(Missing("until"))?);
        Ok(Self {
            store: parts.store.unwrap_or_default(),
            name: filled(Some(name)).ok_or(Missing("name"))?,
            number: parts.number.ok_or(Missing("number"))?,
            until: Timestamp::from_millis(until.map_err(|_| Number("until"))?),
            holder: filled(parts.holder).ok_or(Missing("holder"))?,
        })
    }
}

fn once<T>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), LeaseNoteError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(LeaseNoteError::Twice(name)),
    }
}

/// Digits alone: `parse` would also take a sign.
fn number(name: &'static str, text: &str) -> Result<u64, LeaseNoteError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or(LeaseNoteError::Number(name))
}

fn decoded(text: &str) -> Result<String, LeaseNoteError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@+%".contains(&byte);
    let whole = |escape: &str| {
        escape.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.bytes().all(plain) || !text.split('%').skip(1).all(whole) {
        return Err(LeaseNoteError::Encoding);
    }
    let text = percent_decode_str(text).decode_utf8().map_err(|_| LeaseNoteError::Encoding)?;
    // What a person is shown and what is written into a log is one line.
    if text.chars().any(char::is_control) {
        return Err(LeaseNoteError::Encoding);
    }
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_lease_is_read_as_it_was_written() {
        let header = "deploy%2Fshop; number=7; until=1800000000000; holder=laptop-1:42:99";
        let note: LeaseNote = header.parse().unwrap();
        let until = Timestamp::from_millis(1_800_000_000_000);
        assert_eq!(note, LeaseNote::new("deploy/shop", 7, until, "laptop-1:42:99"));
        assert_eq!(note.to_string(), header);
        let other = "deploy/shop;holder=a;until=1800000000000;later=%20;number=7;store=s%3B";
        let other: LeaseNote = other.parse().unwrap();
        assert_eq!((other.holder.as_str(), other.store.as_str()), ("a", "s;"));
    }

    #[test]
    fn what_names_no_lease_is_refused_with_a_reason() {
        use LeaseNoteError::{Encoding, Form, Missing, Number, TooLong, Twice};
        let long = format!("n; number=1; until=1; holder={}", "x".repeat(3000));
        for (text, error) in [
            ("", Missing("until")),
            ("; number=1; until=1; holder=h", Missing("name")),
            ("n", Missing("until")),
            ("n; until=1; holder=h", Missing("number")),
            ("n; number=1; holder=h", Missing("until")),
            ("n; number=1; until=1", Missing("holder")),
            ("n; number=1; until=1; holder=", Missing("holder")),
            ("n; number=1; until=1; holder=h;", Form),
            ("n; number=1; until=1; holder=h; =x", Form),
            ("n; number=1; until=1; holder", Form),
            ("n; number=1; number=1; until=1; holder=h", Twice("number")),
            ("n; number=1; until=1; holder=h; holder=i", Twice("holder")),
            ("n; number=-1; until=1; holder=h", Number("number")),
            ("n; number=+1; until=1; holder=h", Number("number")),
            ("n; number=; until=1; holder=h", Number("number")),
            ("n; number=18446744073709551616; until=1; holder=h", Number("number")),
            ("n; number=1; until=soon; holder=h", Number("until")),
            ("n; number=1; until=9223372036854775808; holder=h", Number("until")),
            ("n%; number=1; until=1; holder=h", Encoding),
            ("n%2; number=1; until=1; holder=h", Encoding),
            ("n%zz; number=1; until=1; holder=h", Encoding),
            ("n%ff; number=1; until=1; holder=h", Encoding),
            ("n%0a; number=1; until=1; holder=h", Encoding),
            ("n m; number=1; until=1; holder=h", Encoding),
            ("n; number=1; until=1; holder=h\u{e9}", Encoding),
            ("n, m; number=1; until=1; holder=h", Encoding),
            (&long, TooLong),
        ] {
            assert_eq!(text.parse::<LeaseNote>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_request_names_one_lease_or_none() {
        let mut headers = HeaderMap::new();
        assert_eq!(LeaseNote::of(&headers), Ok(None));
        let note = LeaseNote::new("n", 1, Timestamp::from_millis(1), "h");
        headers.append(LEASE_HEADER, note.to_header());
        assert_eq!(LeaseNote::of(&headers), Ok(Some(note.clone())));
        headers.append(LEASE_HEADER, note.to_header());
        assert_eq!(LeaseNote::of(&headers), Err(LeaseNoteError::Several));
        headers.insert(LEASE_HEADER, HeaderValue::from_bytes(b"n\xff").unwrap());
        assert_eq!(LeaseNote::of(&headers), Err(LeaseNoteError::Encoding));
        headers.insert(LEASE_HEADER, "x".repeat(60_000).parse().unwrap());
        assert_eq!(LeaseNote::of(&headers), Err(LeaseNoteError::TooLong));
    }

    proptest! {
        #[test]
        fn every_lease_survives_its_header(
            name in "[^\\p{Cc}]{1,60}", holder in "[^\\p{Cc}]{1,60}", store in "[^\\p{Cc}]{0,30}",
            number: u64, until in 0..i64::MAX,
        ) {
            let until = Timestamp::from_millis(until);
            let note = LeaseNote::new(name, number, until, holder).with_store(store);
            let mut headers = HeaderMap::new();
            headers.insert(LEASE_HEADER, note.to_header());
            prop_assert_eq!(LeaseNote::of(&headers), Ok(Some(note)));
        }

        #[test]
        fn no_header_is_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.insert(LEASE_HEADER, value);
                if let Ok(Some(note)) = LeaseNote::of(&headers) {
                    prop_assert_eq!(note.to_string().parse(), Ok(note));
                }
            }
        }

        #[test]
        fn what_looks_like_a_lease_is_read_or_refused(
            text in "n[%a-f0-9]{0,6}(; ?(number|until|holder|store|x)=[%a-f0-9:]{0,6}){0,6}",
        ) {
            if let Ok(note) = text.parse::<LeaseNote>() {
                prop_assert_eq!(note.to_string().parse(), Ok(note));
            }
        }
    }
}
