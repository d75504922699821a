use proptest::prelude::{Strategy, any, prop};
use std::fmt::Write as _;

/// Names that need quotes; a table's place in the schema is that of its name here.
pub const NAMES: [&str; 12] = [
    "parent", "select", "My Table", "a\"b", "it's", "ü", "order", "t;--", "_x", "rowid", "x.y",
    "[z",
];

/// What a deletion, or a change of the key, does to the rows that refer to it.
const ACTIONS: [&str; 9] = [
    "",
    "ON DELETE CASCADE",
    "ON DELETE SET NULL",
    "ON DELETE NO ACTION",
    "ON DELETE CASCADE",
    "ON DELETE RESTRICT",
    "ON DELETE SET DEFAULT",
    "ON UPDATE CASCADE ON DELETE CASCADE",
    "ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED",
];

/// A table of a random schema.
#[derive(Clone, Debug)]
pub struct Table {
    /// How its rows are told apart.
    pub key: Key,
    /// To which table each of its references leads (by its number, modulo all), and what a deletion
    /// does.
    references: Vec<(usize, usize)>,
    strict: bool,
    generated: bool,
    /// Whether a trigger writes to the log.
    pub(crate) trigger: bool,
    /// Whether views show it: a plain rebuild fails under one.
    pub(crate) views: bool,
    /// So many rows.
    pub(crate) rows: usize,
}

/// How the rows of a table are told apart; each has a unique column `id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// `INTEGER PRIMARY KEY`.
    Alias,
    /// `AUTOINCREMENT`.
    CountsUp,
    /// A unique column; the rows have numbers of their own.
    Hidden,
    /// Two columns.
    Text,
    /// A primary key and no number.
    WithoutRowid,
}

/// Any table.
pub fn table() -> impl Strategy<Value = Table> {
    let key = prop::sample::select(vec![
        Key::Alias,
        Key::CountsUp,
        Key::Hidden,
        Key::Text,
        Key::WithoutRowid,
    ]);
    let references = prop::collection::vec((any::<usize>(), 0..ACTIONS.len()), 0..3);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), prop::bool::weighted(0.15));
    (key, references, flags, 0..6_usize).prop_map(|(key, references, flags, rows)| {
        let (strict, generated, trigger, views) = flags;
        Table { key, references, strict, generated, trigger, views, rows }
    })
}

impl Table {
    fn id(&self) -> &'static str {
        match self.key {
            Key::Alias => "id INTEGER PRIMARY KEY",
            Key::CountsUp => "id INTEGER PRIMARY KEY AUTOINCREMENT",
            Key::Hidden => "id INTEGER UNIQUE",
            Key::Text | Key::WithoutRowid => "id INTEGER NOT NULL, also TEXT NOT NULL DEFAULT 'k'",
        }
    }

    /// Everything between the brackets, with `more` behind the columns, and what stands behind the
    /// brackets; in a schema of `all` tables.
    #[must_use]
    pub fn body(&self, all: usize, more: &str) -> String {
        let mut body = self.id().to_owned();
        for (at, (to, action)) in self.references.iter().enumerate() {
            let to = quoted(NAMES[to % all]);
            let _ = write!(body, ", r{at} INTEGER REFERENCES {to} (id) {}", ACTIONS[*action]);
        }
        // Whatever a value is: a text that looks like a number, a number, bytes.
        body += if self.strict { ", v ANY" } else { ", v" };
        body += ", n TEXT COLLATE NOCASE";
        if self.generated {
            body += ", g INTEGER GENERATED ALWAYS AS (id * 2) STORED, h TEXT AS (n || '!')";
        }
        body += more;
        match self.key {
            Key::Text => body += ", PRIMARY KEY (id, also), UNIQUE (id)",
            Key::WithoutRowid => body += ", PRIMARY KEY (id), UNIQUE (also, id)",
            _ => {}
        }
        let options = match (self.key, self.strict) {
            (Key::WithoutRowid, true) => " WITHOUT ROWID, STRICT",
            (Key::WithoutRowid, false) => " WITHOUT ROWID",
            (_, true) => " STRICT",
            (_, false) => "",
        };
        format!("({body}){options}")
    }

    /// The columns that rows of [`schema`](crate::schema) are given.
    #[must_use]
    pub fn columns(&self) -> String {
        let references = (0..self.references.len()).map(|at| format!("r{at}, "));
        format!("id, {}v, n", references.collect::<String>())
    }

    /// The columns that hold values of their own.
    pub(crate) fn stored(&self) -> String {
        match self.key {
            Key::Text | Key::WithoutRowid => format!("{}, also", self.columns()),
            _ => self.columns(),
        }
    }

    /// All columns, with `n` under this name; none where the values of that column do not matter.
    pub(crate) fn seen(&self, n: Option<&str>) -> String {
        let mut seen: Vec<&str> = Vec::new();
        let stored = self.stored();
        for column in stored.split(", ") {
            match (column, n) {
                ("n", Some(n)) => seen.push(n),
                ("n", None) => {}
                (column, _) => seen.push(column),
            }
        }
        if self.generated {
            seen.push("g");
            seen.extend(n.map(|_| "h"));
        }
        // As SQL, a value is its whole self: the answers of D1 would round large numbers.
        seen.iter().map(|column| format!("quote({column})")).collect::<Vec<_>>().join(", ")
    }

    /// The numbers of the tables that it refers to, in a schema of `all` tables.
    pub(crate) fn parents(&self, all: usize) -> impl Iterator<Item = usize> {
        self.references.iter().map(move |(to, _)| to % all)
    }
}

/// A name as SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
