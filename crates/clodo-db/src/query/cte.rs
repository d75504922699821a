use super::{
    fragment::Fragment,
    name::{Column, Table},
    select::Select,
};

/// A select with a name, which the statement behind it reads like a table.
///
/// # Example
/// ```
/// use clodo_db::query::{Column, Cte, Operand as _, Select, Table};
///
/// const FOLDERS: Table = Table::new("folders");
/// const BELOW: Table = Table::new("below");
/// const ID: Column = Column::new("id");
///
/// let first = Select::from(FOLDERS).column(FOLDERS.column("id")).filter(ID.equals(7));
/// let next = Select::from(FOLDERS)
///     .column(FOLDERS.column("id"))
///     .join(BELOW, FOLDERS.column("parent").equals(BELOW.column("id")));
/// let below = Cte::new(BELOW, first.union(next)).columns([ID]).recursive();
/// let statement = Select::from(BELOW).with(below).build()?;
/// assert!(statement.sql.starts_with("WITH RECURSIVE `below` (`id`) AS (SELECT"));
/// # Ok::<(), clodo_db::query::BuildError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Cte {
    name: Table,
    columns: Fragment,
    select: Select,
    recursive: bool,
}

impl Cte {
    /// The rows of `select` under this name.
    #[must_use]
    pub fn new(name: Table, select: Select) -> Self {
        Self { name, columns: Fragment::default(), select, recursive: false }
    }

    /// Gives its columns these names.
    #[must_use]
    pub fn columns(mut self, columns: impl IntoIterator<Item = Column>) -> Self {
        for column in columns {
            self.columns.between(", ");
            column.write_bare(&mut self.columns);
        }
        self
    }

    /// Lets its select read itself: `first.union(next)`, where `next` reads the rows before.
    #[must_use]
    pub fn recursive(mut self) -> Self {
        self.recursive = true;
        self
    }
}

/// What a statement begins with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct With {
    list: Fragment,
    recursive: bool,
}

impl With {
    pub(super) fn add(&mut self, cte: Cte) {
        let out = &mut self.list;
        out.between(", ");
        cte.name.write_bare(out);
        if !cte.columns.is_empty() {
            out.push(" (");
            out.append(cte.columns);
            out.push(")");
        }
        out.push(" AS (");
        cte.select.write(out);
        out.push(")");
        self.recursive |= cte.recursive;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn write(self, out: &mut Fragment) {
        if !self.is_empty() {
            out.push(if self.recursive { "WITH RECURSIVE " } else { "WITH " });
            out.append(self.list);
            out.push(" ");
        }
    }
}
