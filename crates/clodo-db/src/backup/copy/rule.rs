use crate::value::Value;
use std::{collections::BTreeMap, fmt};

/// What becomes of the values of a column on their way into another database.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MaskRule {
    /// They stay as they are.
    Keep,
    /// Nothing is in their place.
    Null,
    /// A value of the same type that only the key tells: equal values stay equal, in whatever column they
    /// are. Numbers become whole numbers of 52 bits, texts 32 hexadecimal digits, bytes 16 bytes. What is
    /// NULL stays NULL.
    Hash,
    /// A text that looks like one; equal values get equal ones. What is NULL stays NULL.
    Fake(Fake),
    /// The same value for all rows, those with NULL, too.
    Constant(Value),
}

/// What a made-up text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fake {
    /// An address at `example.com`, which nobody has (RFC 2606). No two values get the same one.
    Email,
    /// Two names. There are 4,096 of them.
    Name,
    /// A number below `+999`, which no country has (ITU E.164).
    Phone,
    /// Words that mean nothing, as long as the value, and no longer than 10,000 characters.
    Text,
}

impl Fake {
    /// All, in the order of their names.
    pub const ALL: [Self; 4] = [Self::Email, Self::Name, Self::Phone, Self::Text];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Name => "name",
            Self::Phone => "phone",
            Self::Text => "text",
        }
    }
}

impl MaskRule {
    /// Whether it needs a key.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        matches!(self, Self::Hash | Self::Fake(_))
    }
}

/// As a file of rules writes it; of a constant, that it is one.
impl fmt::Display for MaskRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep => f.write_str("keep"),
            Self::Null => f.write_str("null"),
            Self::Hash => f.write_str("hash"),
            Self::Fake(fake) => write!(f, "fake {}", fake.as_str()),
            Self::Constant(_) => f.write_str("constant"),
        }
    }
}

/// What becomes of the rows of a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TableMask {
    /// None of them is copied.
    DropRows,
    /// The rules of its columns.
    Columns(BTreeMap<String, MaskRule>),
}

/// Rules for the tables of a database, by name. SQLite does not tell capitals in names apart, nor do these.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Masks {
    tables: Vec<(String, TableMask)>,
}

impl Masks {
    /// No rules.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what becomes of a table; the first word about it counts.
    #[must_use]
    pub fn with_table(mut self, name: impl Into<String>, mask: TableMask) -> Self {
        self.tables.push((name.into(), mask));
        self
    }

    /// Whether there is no rule.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    pub(super) fn of(&self, table: &str) -> Option<&TableMask> {
        let found = self.tables.iter().find(|(name, _)| name.eq_ignore_ascii_case(table));
        found.map(|(_, mask)| mask)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &TableMask)> {
        self.tables.iter().map(|(name, mask)| (name.as_str(), mask))
    }
}

impl TableMask {
    pub(super) fn rule(&self, column: &str) -> Option<&MaskRule> {
        let Self::Columns(rules) = self else { return None };
        let found = rules.iter().find(|(name, _)| name.eq_ignore_ascii_case(column));
        found.map(|(_, rule)| rule)
    }
}
