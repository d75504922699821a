//! 64-bit numbers as workerd writes them: text or a number, the largest one for "absent".

use clodo_types::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

/// A number, or `None`.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let number = match Option::<Written>::deserialize(from)? {
        None => return Ok(None),
        Some(Written::Number(number)) => number,
        Some(Written::Text(text)) => text.parse().map_err(D::Error::custom)?,
    };
    Ok((number != u64::MAX).then_some(number))
}

/// Milliseconds since the epoch, or `None`.
pub(crate) fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let millis = number(from)?.and_then(|millis| i64::try_from(millis).ok());
    Ok(millis.map(Timestamp::from_millis))
}
