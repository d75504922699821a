use super::fragment::Fragment;

/// A table, a view or a CTE by its name, perhaps under another one.
///
/// A name is a literal of the code: no text from outside is one, unless somebody leaks it on purpose.
/// Made as a `const`, a bad one does not compile.
///
/// ```compile_fail
/// let from_outside = String::from("notes");
/// clodo_db::query::Table::new(&from_outside);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    name: Name,
    alias: Option<Name>,
}

/// A column by its name, of a certain table or of whichever has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    table: Option<Name>,
    name: Name,
}

/// A name that SQL can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    text: &'static str,
    /// Whether it holds no grave accent, so that it can be written as it is.
    plain: bool,
}

impl Table {
    /// The table of this name.
    ///
    /// # Panics
    /// When the name is empty or holds a NUL, which no name in SQL does.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name: Name::new(name), alias: None }
    }

    /// The same table under another name, to meet it twice in one statement.
    ///
    /// # Panics
    /// As [`Table::new`].
    #[must_use]
    pub const fn named(self, alias: &'static str) -> Self {
        Self { name: self.name, alias: Some(Name::new(alias)) }
    }

    /// One of its columns.
    ///
    /// # Panics
    /// As [`Table::new`].
    #[must_use]
    pub const fn column(self, name: &'static str) -> Column {
        let table = match self.alias {
            Some(alias) => alias,
            None => self.name,
        };
        Column { table: Some(table), name: Name::new(name) }
    }

    /// Its own name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name.text
    }

    /// Where a statement says which table it is about.
    pub(super) fn write(self, out: &mut Fragment) {
        self.name.write(out);
        if let Some(alias) = self.alias {
            out.push(" AS ");
            alias.write(out);
        }
    }

    /// Where it gets its name.
    pub(super) fn write_bare(self, out: &mut Fragment) {
        self.name.write(out);
    }
}

impl Column {
    /// A column of whichever table of the statement has it, or what a part of the result is called.
    ///
    /// # Panics
    /// As [`Table::new`].
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { table: None, name: Name::new(name) }
    }

    /// Its name, without its table's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name.text
    }

    pub(super) fn write(self, out: &mut Fragment) {
        if let Some(table) = self.table {
            table.write(out);
            out.push(".");
        }
        self.name.write(out);
    }

    /// Where SQL wants the name alone: what is set, what conflicts.
    pub(super) fn write_bare(self, out: &mut Fragment) {
        self.name.write(out);
    }
}

impl Name {
    const fn new(text: &'static str) -> Self {
        assert!(!text.is_empty(), "a name is empty");
        let (bytes, mut at, mut plain) = (text.as_bytes(), 0, true);
        while at < bytes.len() {
            assert!(bytes[at] != 0, "a name holds a NUL");
            plain = plain && bytes[at] != b'`';
            at += 1;
        }
        Self { text, plain }
    }

    /// In grave accents, those in it doubled: one in double quotes that no column has SQLite takes for
    /// a text.
    fn write(self, out: &mut Fragment) {
        out.push("`");
        if self.plain {
            out.push(self.text);
        } else {
            out.sql.push_str(&self.text.replace('`', "``"));
        }
        out.push("`");
    }
}

/// The columns that somebody outside may name: the only way from such a text to a [`Column`].
///
/// # Example
/// ```
/// use clodo_db::query::{Column, Columns, Table};
///
/// const NOTES: Table = Table::new("notes");
/// const CREATED: Column = NOTES.column("created_at");
/// const SORTABLE: Columns<'_> = Columns::named(&[("created", CREATED), ("id", NOTES.column("id"))]);
///
/// assert_eq!(SORTABLE.pick("created")?, CREATED);
/// assert!(SORTABLE.pick("created_at; DROP TABLE notes").is_err());
/// # Ok::<(), clodo_db::query::UnknownColumn>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Columns<'l>(Listed<'l>);

#[derive(Clone, Copy, Debug)]
enum Listed<'l> {
    Own(&'l [Column]),
    Named(&'l [(&'static str, Column)]),
}

impl<'l> Columns<'l> {
    /// Columns that are known outside by their own names.
    #[must_use]
    pub const fn of(columns: &'l [Column]) -> Self {
        Self(Listed::Own(columns))
    }

    /// Columns with the names that they have outside.
    #[must_use]
    pub const fn named(columns: &'l [(&'static str, Column)]) -> Self {
        Self(Listed::Named(columns))
    }

    /// The column that is meant, to the letter.
    ///
    /// # Errors
    /// When no column of the list has this name.
    pub fn pick(&self, name: &str) -> Result<Column, UnknownColumn> {
        let found = match self.0 {
            Listed::Own(columns) => columns.iter().find(|column| column.name() == name).copied(),
            Listed::Named(columns) => {
                columns.iter().find(|(outside, _)| *outside == name).map(|(_, column)| *column)
            }
        };
        found.ok_or_else(|| UnknownColumn { known: self.names() })
    }

    fn names(&self) -> Vec<&'static str> {
        match self.0 {
            Listed::Own(columns) => columns.iter().map(|column| column.name()).collect(),
            Listed::Named(columns) => columns.iter().map(|(name, _)| *name).collect(),
        }
    }
}

/// A name from outside is none of those that are known. The message does not repeat it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such column; known are {}", self.known.join(", "))]
pub struct UnknownColumn {
    known: Vec<&'static str>,
}

impl UnknownColumn {
    /// The names that are known.
    #[must_use]
    pub fn known(&self) -> &[&'static str] {
        &self.known
    }
}
