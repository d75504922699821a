use super::Parsed;
use crate::{
    node::{Entry, Kind, Node, Record},
    source::Source,
};
use clodo_types::SourceError;
use jsonc_parser::{
    ParseOptions,
    ast::{Object, ObjectPropName, Value},
    common::{Range, Ranged as _},
    errors::{ParseError, ParseErrorKind},
    parse_to_ast,
};

// Comments and trailing commas, and nothing else beyond JSON.
pub(crate) const JSONC: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(super) fn parse(source: &Source) -> Result<Parsed, SourceError> {
    let parsed = parse_to_ast(source.text(), &jsonc_parser::CollectOptions::default(), &JSONC)
        .map_err(|error| refused(source, &error))?;
    let Some(value) = parsed.value else {
        return Err(source
            .error(source.text().len(), "the file is empty, where JSON needs a value")
            .with_hint("write at least `{}`"));
    };
    let mut walk = Walk { source, repeated: Vec::new() };
    match walk.node(&value)?.kind {
        Kind::Record(root) => Ok(Parsed { root, repeated: walk.repeated }),
        _ => Err(source
            .error(value.range().start, "the file does not hold an object")
            .with_hint("write the settings between `{` and `}`")),
    }
}

fn refused(source: &Source, error: &ParseError) -> SourceError {
    let mut message = error.kind().to_string();
    if let Some(first) = message.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    let unclosed = match error.kind() {
        ParseErrorKind::UnterminatedObject | ParseErrorKind::UnterminatedArray => {
            unclosed(source.text())
        }
        _ => None,
    };
    match unclosed {
        Some((at, close)) => source.error(at, format!("{message}: its `{close}` is missing")),
        None => source.error(error.range().start, message),
    }
}

/// The bracket that is never closed, and what would close it.
///
/// Where one is missing further in, what is left over at the end is the outermost one. The indentation
/// tells better: a bracket that begins its line closes one whose line begins as far in.
fn unclosed(text: &str) -> Option<(usize, char)> {
    let mut open: Vec<(usize, char, usize)> = Vec::new();
    let mut odd = None;
    let mut at = 0;
    while let Some(char) = text[at..].chars().next() {
        match char {
            '"' => at = end_of_string(text, at),
            '/' if text[at..].starts_with("//") => {
                at += text[at..].find('\n').unwrap_or(text.len() - at);
                continue;
            }
            '/' if text[at..].starts_with("/*") => {
                at += text[at..].find("*/").map_or(text.len() - at, |end| end + 2);
                continue;
            }
            '{' => open.push((at, '}', indent(text, at).0)),
            '[' => open.push((at, ']', indent(text, at).0)),
            '}' | ']' => {
                let (column, is_first) = indent(text, at);
                let (begin, close, from) = open.pop()?;
                if is_first && column < from && odd.is_none() {
                    odd = Some((begin, close));
                }
            }
            _ => {}
        }
        at += text[at..].chars().next().map_or(0, char::len_utf8);
    }
    let last = open.last().map(|(at, close, _)| (*at, *close));
    odd.or(last)
}

/// The place of a string's last quote.
fn end_of_string(text: &str, begin: usize) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(begin + 1) {
        match byte {
            b'"' if !escaped => return at,
            _ => escaped = byte == b'\\' && !escaped,
        }
    }
    text.len()
}

/// How far in the line of this place begins, and whether the place is the first thing on it.
fn indent(text: &str, at: usize) -> (usize, bool) {
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let blank = text[line..].chars().take_while(|c| matches!(c, ' ' | '\t')).count();
    (blank, line + blank == at)
}

struct Walk<'a> {
    source: &'a Source,
    repeated: Vec<usize>,
}

impl Walk<'_> {
    // The parser limits the depth, so this cannot exhaust the stack.
    fn node(&mut self, value: &Value<'_>) -> Result<Node, SourceError> {
        let kind = match value {
            Value::StringLit(text) => {
                self.printable(text.range)?;
                Kind::Text(text.value.to_string())
            }
            // The parser checked the digits; what overflows is infinite, as in JavaScript.
            Value::NumberLit(number) => Kind::Number(number.value.parse().unwrap_or(f64::NAN)),
            Value::BooleanLit(value) => Kind::Bool(value.value),
            Value::NullKeyword(_) => Kind::Null,
            Value::Array(items) => {
                let items: Result<_, _> =
                    items.elements.iter().map(|item| self.node(item)).collect();
                Kind::List(items?)
            }
            Value::Object(object) => Kind::Record(self.record(object)?),
        };
        Ok(Node { at: value.range().start, kind })
    }

    fn record(&mut self, object: &Object<'_>) -> Result<Record, SourceError> {
        let mut entries = Vec::with_capacity(object.properties.len());
        for property in &object.properties {
            let range = match &property.name {
                ObjectPropName::String(name) => name.range,
                ObjectPropName::Word(name) => name.range,
            };
            self.printable(range)?;
            let value = self.node(&property.value)?;
            let key = property.name.as_str().to_owned();
            entries.push(Entry { key, key_at: range.start, value });
        }
        let (record, again) = Record::new(entries);
        self.repeated.extend(again);
        Ok(record)
    }

    // This parser lets control characters pass in strings; JSON and wrangler do not.
    fn printable(&self, range: Range) -> Result<(), SourceError> {
        let text = self.source.text().get(range.start..range.end).unwrap_or_default();
        match text.bytes().position(|b| b < 0x20) {
            None => Ok(()),
            Some(at) => Err(self
                .source
                .error(range.start + at, "a control character stands in a string")
                .with_hint("write `\\n`, `\\t` or `\\u00XX`")),
        }
    }
}
