use std::path::PathBuf;

/// A source map that can be asked where a place of a bundle comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceMap {
    sources: Vec<PathBuf>,
    contents: Vec<Option<String>>,
    /// Per line of the bundle, sorted by column.
    lines: Vec<Vec<Segment>>,
}

/// From this column of a line on, the text comes from a place of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    column: u32,
    /// Source, line and column there; `None` for text that comes from nowhere.
    origin: Option<(usize, u32, u32)>,
}

/// A place in a source. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// The file, relative to the project.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column in UTF-16 units, from 1, as JavaScript counts.
    pub column: usize,
    /// The text of the line, when the map brings it.
    pub line_text: Option<String>,
}

/// Bytes that are no source map of version 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a source map of version 3")]
pub struct SourceMapError;

#[derive(Debug)]
struct Raw {
    sources: Vec<PathBuf>,
    contents: Vec<Option<String>>,
    mappings: String,
}

impl SourceMap {
    /// Reads a source map.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn parse(json: &[u8]) -> Result<Self, SourceMapError> {
        let raw = raw(json).ok_or(SourceMapError)?;
        let lines = decode(&raw.mappings, raw.sources.len()).ok_or(SourceMapError)?;
        Ok(Self { sources: raw.sources, contents: raw.contents, lines })
    }

    /// Where a place of the bundle comes from. Lines and columns count from 1, as in `at
    /// index.js:1:53`; `None` for what esbuild added itself.
    #[must_use]
    pub fn locate(&self, line: usize, column: usize) -> Option<Original> {
        let segments = self.lines.get(line.checked_sub(1)?)?;
        let column = u32::try_from(column.checked_sub(1)?).ok()?;
        let after = segments.partition_point(|segment| segment.column <= column);
        let (source, line, column) = segments[..after].last()?.origin?;
        let text = self.contents.get(source).and_then(Option::as_deref);
        let line_text = text.and_then(|text| text.lines().nth(line as usize)).map(str::to_owned);
        let path = self.sources[source].clone();
        Some(Original { path, line: line as usize + 1, column: column as usize + 1, line_text })
    }

    /// The texts of the sources that the map brings.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.contents.iter().flatten().map(String::as_str)
    }
}

fn raw(json: &[u8]) -> Option<Raw> {
    let map: serde_json::Value = serde_json::from_slice(json).ok()?;
    if map["version"] != 3 {
        return None;
    }
    let root = map["sourceRoot"].as_str().unwrap_or_default();
    let sources = map["sources"].as_array()?.iter();
    let contents = map["sourcesContent"].as_array().cloned().unwrap_or_default();
    Some(Raw {
        sources: sources
            .map(|path| PathBuf::from(root).join(path.as_str().unwrap_or("?")))
            .collect(),
        contents: contents.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        mappings: map["mappings"].as_str()?.to_owned(),
    })
}

/// Reads the mappings: lines between `;`, segments between `,`, numbers as differences.
fn decode(mappings: &str, sources: usize) -> Option<Vec<Vec<Segment>>> {
    let mut origin = [0_i64; 3];
    let mut lines = Vec::new();
    for line in mappings.split(';') {
        let mut column = 0_i64;
        let mut segments = Vec::new();
        for segment in line.split(',').filter(|segment| !segment.is_empty()) {
            let numbers = numbers(segment.as_bytes())?;
            column += numbers[0];
            let from = match numbers.len() {
                1 => None,
                4 | 5 => {
                    for (sum, number) in origin.iter_mut().zip(&numbers[1..]) {
                        *sum = sum.checked_add(*number)?;
                    }
                    let source =
                        usize::try_from(origin[0]).ok().filter(|source| *source < sources)?;
                    Some((source, u32::try_from(origin[1]).ok()?, u32::try_from(origin[2]).ok()?))
                }
                _ => return None,
            };
            segments.push(Segment { column: u32::try_from(column).ok()?, origin: from });
        }
        segments.sort_by_key(|segment| segment.column);
        lines.push(segments);
    }
    Some(lines)
}

/// The numbers of one segment: base 64, five bits a digit, least first, the sign in the lowest bit.
fn numbers(digits: &[u8]) -> Option<Vec<i64>> {
    let mut numbers = Vec::with_capacity(5);
    let (mut value, mut shift) = (0_i64, 0_u32);
    for digit in digits {
        let six = i64::from(match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        });
        if shift > 30 {
            return None;
        }
        value |= (six & 31) << shift;
        shift += 5;
        if six & 32 == 0 {
            numbers.push(if value & 1 == 1 { -(value >> 1) } else { value >> 1 });
            (value, shift) = (0, 0);
        }
    }
    (shift == 0 && !numbers.is_empty()).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    fn map(mappings: &str) -> Result<SourceMap, SourceMapError> {
        let json = serde_json::json!({
            "version": 3,
            "sources": ["src/a.ts", "src/b.ts"],
            "sourcesContent": ["let one = 1;\nlet two = 2;", null],
            "mappings": mappings,
        });
        SourceMap::parse(json.to_string().as_bytes())
    }

    #[test]
    fn numbers_are_read_as_the_specification_writes_them() {
        assert_eq!(numbers(b"A"), Some(vec![0]));
        assert_eq!(numbers(b"CDgB"), Some(vec![1, -1, 16]));
        assert_eq!(numbers(b"gggggggggggg"), None);
        assert_eq!(numbers(b""), None);
        assert_eq!(numbers(b"!"), None);
    }

    #[test]
    fn a_place_is_found_from_the_last_segment_before_it() {
        // Line 1: nothing. Line 2: column 0 → a.ts:1:1, column 4 → a.ts:2:5, column 8 → nowhere.
        let map = map(";AAAA,IACI,I").unwrap();
        let at = |line, column| {
            map.locate(line, column).map(|found| (found.path, found.line, found.column))
        };
        let a = PathBuf::from("src/a.ts");
        assert_eq!(at(1, 1), None);
        assert_eq!(at(2, 1), Some((a.clone(), 1, 1)));
        assert_eq!(at(2, 4), Some((a.clone(), 1, 1)));
        assert_eq!(at(2, 7), Some((a, 2, 5)));
        assert_eq!(at(2, 9), None);
        assert_eq!(at(3, 1), None);
        assert_eq!(at(0, 1), None);
        assert_eq!(map.locate(2, 6).unwrap().line_text.as_deref(), Some("let two = 2;"));
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for bad in ["", "{}", "[]", r#"{"version":2}"#, r#"{"version":3,"sources":[]}"#] {
            assert_eq!(SourceMap::parse(bad.as_bytes()), Err(SourceMapError), "{bad}");
        }
        for bad in ["AEAA", "AA", "D", "A!", "ADAA"] {
            assert_eq!(map(bad).unwrap_err(), SourceMapError, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn noise_never_panics(mappings in "[A-Za-z0-9+/,;]{0,60}", line in any::<usize>(), column in any::<usize>()) {
            if let Ok(map) = map(&mappings) {
                let _ = map.locate(line, column);
                let _ = map.locate(1, 1);
            }
        }
    }
}
