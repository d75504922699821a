//! From Analytics Engine's SQL to SQLite's.

use super::{AnalyticsError, AnalyticsFormat};

/// A question that SQLite understands, and how its answer is to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) sql: String,
    pub(super) format: AnalyticsFormat,
}

/// Reads one statement: `SHOW TABLES` or a `SELECT`, with an optional `FORMAT`.
pub(super) fn read(text: &str) -> Result<Question, AnalyticsError> {
    let mut words = words(text)?;
    while words.last().is_some_and(|word| word == ";") {
        words.pop();
    }
    let format = format(&mut words)?;
    let starts = |with: &[&str]| {
        with.iter().zip(&words).filter(|(a, b)| a.eq_ignore_ascii_case(b)).count() == with.len()
    };
    if words.len() == 2 && starts(&["SHOW", "TABLES"]) {
        let sql = "SELECT DISTINCT dataset FROM point ORDER BY dataset".to_owned();
        return Ok(Question { sql, format });
    }
    if !(starts(&["SELECT"]) || starts(&["WITH"])) {
        return Err(AnalyticsError::invalid("only SELECT and SHOW TABLES are supported"));
    }
    if words.iter().any(|word| word == ";") {
        return Err(AnalyticsError::invalid("only one statement is allowed"));
    }
    Ok(Question { sql: intervals(words)?.join(" "), format })
}

/// `INTERVAL '5' MINUTE` is a number of seconds.
fn intervals(words: Vec<String>) -> Result<Vec<String>, AnalyticsError> {
    let mut out = Vec::with_capacity(words.len());
    let mut rest = words.into_iter();
    while let Some(word) = rest.next() {
        if !word.eq_ignore_ascii_case("INTERVAL") {
            out.push(word);
            continue;
        }
        let (count, unit) = (rest.next().unwrap_or_default(), rest.next().unwrap_or_default());
        let count: Option<i64> = count.trim_matches('\'').trim().parse().ok();
        let seconds = count.zip(seconds(&unit)).and_then(|(count, unit)| count.checked_mul(unit));
        let wrong = || AnalyticsError::invalid(format!("INTERVAL with the unit `{unit}`"));
        out.push(seconds.ok_or_else(wrong)?.to_string());
    }
    Ok(out)
}

fn seconds(unit: &str) -> Option<i64> {
    let unit = unit.to_ascii_uppercase();
    Some(match unit.trim_end_matches('S') {
        "SECOND" => 1,
        "MINUTE" => 60,
        "HOUR" => 3_600,
        "DAY" => 86_400,
        "WEEK" => 7 * 86_400,
        _ => return None,
    })
}

fn format(words: &mut Vec<String>) -> Result<AnalyticsFormat, AnalyticsError> {
    let at = words.len().saturating_sub(2);
    if !words.get(at).is_some_and(|word| word.eq_ignore_ascii_case("FORMAT")) {
        return Ok(AnalyticsFormat::Json);
    }
    let name = words.pop().unwrap_or_default();
    words.pop();
    match name.to_ascii_uppercase().as_str() {
        "JSON" => Ok(AnalyticsFormat::Json),
        "JSONEACHROW" => Ok(AnalyticsFormat::JsonEachRow),
        "TABSEPARATED" => Ok(AnalyticsFormat::TabSeparated),
        _ => Err(AnalyticsError::invalid(format!("the format `{name}` is not supported"))),
    }
}

/// Words, quoted texts whole, and single characters between them. Comments are left out.
fn words(text: &str) -> Result<Vec<String>, AnalyticsError> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '\'' | '"' | '`' => quoted(rest, first)?,
            '-' if rest.starts_with("--") => {
                rest = rest.find('\n').map_or("", |end| &rest[end..]).trim_start();
                continue;
            }
            c if c.is_alphanumeric() || c == '_' => {
                let part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
                rest.find(|c| !part(c)).unwrap_or(rest.len())
            }
            c => ["<=", ">=", "!=", "<>", "||", "=="]
                .iter()
                .find(|pair| rest.starts_with(**pair))
                .map_or(c.len_utf8(), |pair| pair.len()),
        };
        found.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    Ok(found)
}

/// Where a quoted text ends; a doubled quote stands for itself.
fn quoted(text: &str, quote: char) -> Result<usize, AnalyticsError> {
    let mut at = 1;
    while let Some(found) = text[at..].find(quote) {
        at += found + 1;
        if !text[at..].starts_with(quote) {
            return Ok(at);
        }
        at += 1;
    }
    Err(AnalyticsError::invalid("a quoted text does not end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_become_sql_that_sqlite_reads() {
        for (given, expected) in [
            ("SHOW TABLES", "SELECT DISTINCT dataset FROM point ORDER BY dataset"),
            (
                "SELECT blob1 FROM d WHERE timestamp > NOW() - INTERVAL '1' DAY -- all\n;",
                "SELECT blob1 FROM d WHERE timestamp > NOW ( ) - 86400",
            ),
            ("select 'it''s; INTERVAL' as x", "select 'it''s; INTERVAL' as x"),
            ("SELECT 1 <= 2 FORMAT JSON", "SELECT 1 <= 2"),
        ] {
            assert_eq!(read(given).unwrap().sql, expected);
        }
        assert_eq!(
            read("SELECT 1 format TabSeparated").unwrap().format,
            AnalyticsFormat::TabSeparated
        );
        for bad in [
            "",
            "DROP TABLE point",
            "SELECT 1; SELECT 2",
            "SELECT 'x",
            "SELECT 1 FORMAT Parquet",
            "SELECT INTERVAL '1' EON",
            "SELECT INTERVAL",
            "SELECT INTERVAL '9223372036854775807' DAY",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
