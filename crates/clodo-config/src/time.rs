//! Times as `clodo.toml` writes them.

use std::time::Duration;

/// What to write instead.
pub(crate) const HINT: &str = "write a number and a unit: `500ms`, `90s`, `5m`, `1h30m`, `2d`";
/// The same as a regular expression, for the JSON Schema.
pub(crate) const PATTERN: &str = "^([0-9]+(ms|s|m|h|d))+$";
/// Nobody waits longer.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// Reads a length of time as `clodo.toml` writes it: numbers with units, one after the other, such as
/// `1h30m` or `2d`; at most about a year.
///
/// # Errors
/// With what is wrong, as in "`…` has no unit".
pub fn parse(text: &str) -> Result<Duration, &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    let (mut rest, mut sum) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = rest[..digits].parse().map_err(|_| "is no time")?;
        rest = &rest[digits..];
        let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let millis: u64 = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" => return Err("has no unit"),
            _ => return Err("has an unknown unit"),
        };
        rest = &rest[letters..];
        let more = Duration::from_millis(number.saturating_mul(millis));
        sum = sum.saturating_add(more);
    }
    if sum > LONGEST { Err("is longer than a year") } else { Ok(sum) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_numbers_with_units() {
        let millis = |text| parse(text).map(|time| time.as_millis());
        let good = [("500ms", 500), ("90s", 90_000), ("1h30m", 5_400_000), ("2d", 172_800_000)];
        for (text, expected) in good {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
        for (text, why) in [
            ("", "is empty"),
            ("5", "has no unit"),
            ("5 m", "has no unit"),
            ("m", "is no time"),
            ("-5m", "is no time"),
            ("5min", "has an unknown unit"),
            ("1.5h", "has no unit"),
            ("99999999999999999999s", "is no time"),
            ("9999999999999999999s", "is longer than a year"),
        ] {
            assert_eq!(millis(text), Err(why), "{text}");
        }
    }
}
