use clodo_types::Secret;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::fmt;

/// What masks are made with: who does not have it can tell no value from what became of it, by trying all
/// values neither. The same key makes the same of a value every time.
#[derive(Clone)]
pub struct MaskKey(Hmac<Sha256>);

/// A key that could be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key has at least {} bytes", MaskKey::SHORTEST)]
pub struct ShortKey;

impl MaskKey {
    /// So many bytes a key has at least.
    pub const SHORTEST: usize = 16;

    /// Takes a secret as it is.
    ///
    /// # Errors
    /// When it is shorter than [`MaskKey::SHORTEST`].
    pub fn new(secret: &Secret) -> Result<Self, ShortKey> {
        let bytes = secret.expose().as_bytes();
        if bytes.len() < Self::SHORTEST {
            return Err(ShortKey);
        }
        Hmac::new_from_slice(bytes).map(Self).map_err(|_| ShortKey)
    }

    /// A mark that the same key gives for the same text, which tells nothing of the key: 16 hexadecimal
    /// digits.
    #[must_use]
    pub fn mark(&self, text: &str) -> String {
        let mut mac = self.begin(b'm');
        mac.update(text.as_bytes());
        hex::encode(&mac.finish()[..8])
    }

    /// Begins with a value of this kind: values of two kinds are never equal.
    pub(super) fn begin(&self, kind: u8) -> Digest {
        let mut mac = self.0.clone();
        mac.update(&[kind]);
        Digest(mac)
    }
}

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKey(****)")
    }
}

/// What a value becomes, as far as it was seen.
pub(super) struct Digest(Hmac<Sha256>);

impl Digest {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_silent_and_long_enough() {
        let key = MaskKey::new(&Secret::new("0123456789abcdef")).unwrap();
        assert_eq!(format!("{key:?}"), "MaskKey(****)");
        assert_eq!(MaskKey::new(&Secret::new("0123456789abcde")).unwrap_err(), ShortKey);
        let other = MaskKey::new(&Secret::new("0123456789abcdeg")).unwrap();
        assert_eq!(key.mark("a"), key.mark("a"));
        assert_ne!(key.mark("a"), other.mark("a"));
        assert_ne!(key.mark("a"), key.mark("b"));
    }
}
