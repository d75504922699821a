//! Lengths of time as people write them: `2s`, `500ms`, `5m`.

use std::time::Duration;

/// Reads `2s`, `500ms`, `5m`, `1h`; a bare number means seconds.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3_600).map(Duration::from_secs),
        _ => None,
    }
}

/// The shortest text that [`parse`] reads back.
pub(crate) fn show(span: Duration) -> String {
    match span.as_millis() {
        millis if millis % 1_000 != 0 => format!("{millis}ms"),
        _ => format!("{}s", span.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_they_print() {
        for (text, millis) in [("2s", 2_000), ("500ms", 500), ("5m", 300_000), ("7", 7_000)] {
            let span = parse(text).unwrap();
            assert_eq!(span, Duration::from_millis(millis), "{text}");
            assert_eq!(parse(&show(span)), Some(span));
        }
        for wrong in ["", "s", "-1s", "1.5s", "2 s", "1d", "99999999999999999999s"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
