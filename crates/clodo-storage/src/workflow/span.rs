//! Durations as Workflows write them: milliseconds, or `<number> <unit>`.

use serde_json::Value;
use std::time::Duration;

const UNITS: &[(&str, u64)] = &[
    ("millisecond", 1),
    ("second", 1_000),
    ("minute", 60_000),
    ("hour", 3_600_000),
    ("day", DAY),
    ("week", 7 * DAY),
    ("month", 30 * DAY),
    ("year", 365 * DAY),
];
const DAY: u64 = 86_400_000;
/// A year: nothing here may last longer.
const LONGEST: u64 = 365 * DAY;

/// A number of milliseconds or a text such as `10 seconds`; `None` for anything else, for what
/// is negative, and for more than a year.
#[must_use]
pub fn workflow_duration(value: &Value) -> Option<Duration> {
    let millis = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => worded(text)?,
        _ => return None,
    };
    #[expect(clippy::cast_precision_loss, reason = "a year in milliseconds is exact")]
    let fits = millis.is_finite() && (0.0..=LONGEST as f64).contains(&millis);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between 0 and a year"
    )]
    fits.then(|| Duration::from_millis(millis.ceil() as u64))
}

fn worded(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    let unit = unit.trim();
    let unit = unit.strip_suffix('s').unwrap_or(unit);
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    #[expect(clippy::cast_precision_loss, reason = "units are small numbers")]
    Some(number.parse::<f64>().ok()? * *millis as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations_are_milliseconds_or_a_number_with_a_unit() {
        for (given, millis) in [
            (json!(0), Some(0)),
            (json!(1500), Some(1_500)),
            (json!(0.2), Some(1)),
            (json!("1 second"), Some(1_000)),
            (json!("10 seconds"), Some(10_000)),
            (json!(" 1.5 hours "), Some(5_400_000)),
            (json!("2weeks"), Some(14 * DAY)),
            (json!("1 year"), Some(LONGEST)),
            (json!("2 years"), None),
            (json!(-1), None),
            (json!("-1 second"), None),
            (json!("10"), None),
            (json!("ten seconds"), None),
            (json!("1.2.3 seconds"), None),
            (json!("1 fortnight"), None),
            (json!(""), None),
            (json!(null), None),
            (json!(["1 second"]), None),
        ] {
            let found = workflow_duration(&given).map(|span| span.as_millis());
            assert_eq!(found, millis.map(u128::from), "{given}");
        }
    }
}
