//! Values as D1 writes them: through JavaScript numbers, with all that this loses.

use clodo_sqlite::rusqlite::types::ValueRef;

/// Appends one value. Integers beyond 2^53 are rounded, infinities become `null`, bytes that are
/// no UTF-8 become U+FFFD, a blob becomes an array of numbers.
pub(super) fn push_value(out: &mut String, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => out.push_str("null"),
        ValueRef::Integer(whole) => push_integer(out, whole),
        ValueRef::Real(real) => push_number(out, real),
        // Nearly all text is UTF-8, which is found out sooner than what of it is not.
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => push_text(out, text),
            Err(_) => push_text(out, &String::from_utf8_lossy(text)),
        },
        ValueRef::Blob(bytes) => push_bytes(out, bytes),
    }
}

/// Appends a JSON string with its quotes.
pub(super) fn push_text(out: &mut String, text: &str) {
    let mut rest = text;
    out.push('"');
    while let Some(at) = first_special(rest.as_bytes()) {
        out.push_str(&rest[..at]);
        push_escaped(out, rest.as_bytes()[at]);
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// Where the first byte is that JSON does not take as it is; such bytes are never a part of a longer
/// character.
fn first_special(text: &[u8]) -> Option<usize> {
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    // Without a way out, the loop over a piece looks at many bytes at once.
    let any = |piece: &[u8]| piece.iter().fold(false, |any, byte| any | special(byte));
    const PIECE: usize = 64;
    let piece = text.chunks(PIECE).position(any)? * PIECE;
    text[piece..].iter().position(special).map(|at| piece + at)
}

fn push_escaped(out: &mut String, byte: u8) {
    match byte {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        control => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            out.push_str("\\u00");
            out.push(char::from(DIGITS[usize::from(control >> 4)]));
            out.push(char::from(DIGITS[usize::from(control & 15)]));
        }
    }
}

fn push_bytes(out: &mut String, bytes: &[u8]) {
    out.push('[');
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        push_digits(out, u64::from(*byte));
    }
    out.push(']');
}

pub(super) fn push_integer(out: &mut String, whole: i64) {
    const SAFE: u64 = 1 << 53;
    if whole.unsigned_abs() > SAFE {
        return push_number(out, whole as f64);
    }
    if whole < 0 {
        out.push('-');
    }
    push_digits(out, whole.unsigned_abs());
}

fn push_digits(out: &mut String, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

/// Appends a double as JavaScript's `String(number)` does; what is no number becomes `null`.
pub(super) fn push_number(out: &mut String, number: f64) {
    if !number.is_finite() {
        return out.push_str("null");
    }
    if number == 0.0 {
        return out.push('0');
    }
    // Rust's `{:e}` has the shortest digits that read back to the same double, as JavaScript's.
    let shortest = format!("{:e}", number.abs());
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = mantissa.replace('.', "");
    if number < 0.0 {
        out.push('-');
    }
    place_point(out, &digits, exponent + 1);
}

/// `point` digits stand before the decimal point.
fn place_point(out: &mut String, digits: &str, point: i32) {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let split = |at: i32| digits.split_at(usize::try_from(at).unwrap_or(0));
    match point {
        _ if (count..=21).contains(&point) => {
            out.push_str(digits);
            out.push_str(&zeros(point - count));
        }
        1..=21 => {
            let (whole, fraction) = split(point);
            out.extend([whole, ".", fraction]);
        }
        -5..=0 => out.extend(["0.", &zeros(-point), digits]),
        _ => {
            let (first, rest) = split(1);
            let dot = if rest.is_empty() { "" } else { "." };
            let sign = if point > 0 { "+" } else { "-" };
            out.extend([first, dot, rest, "e", sign, &(point - 1).abs().to_string()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert_eq, proptest};

    fn written(value: ValueRef<'_>) -> String {
        let mut out = String::new();
        push_value(&mut out, value);
        out
    }

    #[test]
    fn numbers_are_written_as_javascript_writes_them() {
        for (number, expected) in [
            (1.0, "1"),
            (-0.0, "0"),
            (0.1, "0.1"),
            (1.5e-7, "1.5e-7"),
            (1e-6, "0.000001"),
            (123_456.789, "123456.789"),
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (f64::INFINITY, "null"),
            (f64::NEG_INFINITY, "null"),
        ] {
            assert_eq!(written(ValueRef::Real(number)), expected);
        }
    }

    #[test]
    fn what_javascript_cannot_hold_is_lost() {
        assert_eq!(written(ValueRef::Integer(9_007_199_254_740_992)), "9007199254740992");
        assert_eq!(written(ValueRef::Integer(9_007_199_254_740_993)), "9007199254740992");
        assert_eq!(written(ValueRef::Integer(i64::MAX)), "9223372036854776000");
        assert_eq!(written(ValueRef::Integer(i64::MIN)), "-9223372036854776000");
        assert_eq!(written(ValueRef::Text(b"a\xffb")), "\"a\u{fffd}b\"");
        assert_eq!(written(ValueRef::Blob(&[0, 127, 255])), "[0,127,255]");
    }

    #[test]
    fn text_is_escaped() {
        let text = "q\" b\\ n\n \u{1} ü 😀";
        let json = written(ValueRef::Text(text.as_bytes()));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        assert_eq!(json, r#""q\" b\\ n\n \u0001 ü 😀""#);
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text in "[a-zü\"\\\\\\n\u{0}-\u{1f}]{0,300}", plain in 0_usize..200) {
            for text in [format!("{}{text}", "x".repeat(plain)), format!("{text}{}", "x".repeat(plain))] {
                let json = written(ValueRef::Text(text.as_bytes()));
                prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            }
        }
    }
}
