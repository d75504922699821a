use std::{fmt, str::FromStr};

/// A short fingerprint of content or configuration: 16 lower-case hexadecimal digits.
///
/// It says "changed" or "unchanged" in a Worker's tags. It guards nothing: who could forge it
/// could also upload the Worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(u64);

impl ContentHash {
    /// Keeps the first eight bytes of a longer digest.
    ///
    /// # Panics
    /// When the digest has fewer than eight bytes.
    #[must_use]
    pub fn from_digest(digest: &[u8]) -> Self {
        let head = digest.first_chunk::<8>().expect("a digest has at least eight bytes");
        Self(u64::from_be_bytes(*head))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Text that is not 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 16 lower-case hexadecimal digits")]
pub struct HashError;

impl FromStr for ContentHash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 16 || !text.bytes().all(digit) {
            return Err(HashError);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| HashError)
    }
}

impl serde::Serialize for ContentHash {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for ContentHash {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_survives_its_text_form() {
        let hash = ContentHash::from_digest(&[0, 1, 2, 3, 4, 5, 6, 255, 9]);
        assert_eq!(hash.to_string(), "00010203040506ff");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for bad in ["", "00010203040506f", "00010203040506FF", "+0010203040506ff"] {
            assert_eq!(bad.parse::<ContentHash>(), Err(HashError), "{bad}");
        }
    }
}
