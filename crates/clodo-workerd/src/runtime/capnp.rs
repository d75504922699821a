//! Cap'n Proto's text form, as far as workerd's config needs it.

use std::fmt::Write as _;

/// Text as a literal, quotes included; whatever the text holds, it ends where it should.
pub(crate) fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_ascii_control() => {
                // Always two digits: the parser stops there, so a digit may follow.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A struct: `(name = value, …)`; a value is already in text form.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<String>);

impl Fields {
    /// A field whose value is a text literal.
    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        self.raw(name, &text(value))
    }

    /// A field whose value is in text form already.
    pub(crate) fn raw(mut self, name: &str, value: &str) -> Self {
        self.0.push(format!("{name} = {value}"));
        self
    }

    /// A field whose value is a file's content, found in the folder given with `-I`.
    pub(crate) fn embed(self, name: &str, file: &str) -> Self {
        let file = text(&format!("/{file}"));
        self.raw(name, &format!("embed {file}"))
    }

    /// A list field; left out when there is nothing in it.
    pub(crate) fn list(self, name: &str, items: &[String]) -> Self {
        if items.is_empty() {
            return self;
        }
        let items = items.join(",\n    ");
        self.raw(name, &format!("[\n    {items}\n  ]"))
    }

    /// The whole struct.
    pub(crate) fn done(&self) -> String {
        format!("({})", self.0.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_inside_its_quotes() {
        for (given, expected) in [
            ("plain", r#""plain""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("line\r\n\tend", r#""line\r\n\tend""#),
            ("\u{0}1\u{7f}", r#""\x001\x7f""#),
            ("é 漢 🦀", "\"é 漢 🦀\""),
            ("\"), (name = \"evil", r#""\"), (name = \"evil""#),
        ] {
            assert_eq!(text(given), expected);
        }
    }
}
