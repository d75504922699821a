use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::fmt;

/// A value bound to a `?`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Param {
    /// `NULL`.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A double.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes; in JSON an array of numbers.
    Blob(Vec<u8>),
    /// JSON that D1 cannot bind; says what it is, such as `object`.
    Unsupported(&'static str),
}

impl<'de> Deserialize<'de> for Param {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ParamVisitor)
    }
}

struct ParamVisitor;

impl<'de> Visitor<'de> for ParamVisitor {
    type Value = Param;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null, a number, a string, a boolean or an array of bytes")
    }

    fn visit_unit<E>(self) -> Result<Param, E> {
        Ok(Param::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Param, E> {
        Ok(Param::Integer(i64::from(flag)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Param, E> {
        Ok(Param::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Param, E> {
        // What does not fit an integer becomes a double, as in JavaScript.
        Ok(i64::try_from(number).map_or(Param::Real(number as f64), Param::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Param, E> {
        Ok(Param::Real(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Param, E> {
        Ok(Param::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Param, E> {
        Ok(Param::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Param, A::Error> {
        let mut bytes = Vec::with_capacity(items.size_hint().unwrap_or(0));
        let mut all_bytes = true;
        while let Some(item) = items.next_element::<Self::Value>()? {
            match item {
                Param::Integer(number) => match u8::try_from(number) {
                    Ok(byte) => bytes.push(byte),
                    Err(_) => all_bytes = false,
                },
                _ => all_bytes = false,
            }
        }
        Ok(if all_bytes { Param::Blob(bytes) } else { Param::Unsupported("array") })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Param, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Param::Unsupported("object"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Found by the fuzz target `d1_params`: serde_json is one off in the last digit unless it is
    // told to be exact, and JavaScript is exact.
    #[test]
    fn a_number_is_the_nearest_double() {
        let params: Vec<Param> = serde_json::from_str("[1.7976931925394741]").unwrap();
        assert_eq!(params, [Param::Real(1.797_693_192_539_474_1)]);
    }

    #[test]
    fn json_becomes_what_d1_binds() {
        let text =
            r#"[null, true, 1, -1, 1.5, "x", [0, 255], [256], {"a": [1]}, 18446744073709551615]"#;
        let params: Vec<Param> = serde_json::from_str(text).unwrap();
        assert_eq!(
            params,
            [
                Param::Null,
                Param::Integer(1),
                Param::Integer(1),
                Param::Integer(-1),
                Param::Real(1.5),
                Param::Text("x".into()),
                Param::Blob(vec![0, 255]),
                Param::Unsupported("array"),
                Param::Unsupported("object"),
                Param::Real(18_446_744_073_709_551_615.0),
            ]
        );
    }
}
