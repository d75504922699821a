use std::fmt;

/// What a migration does, and by whose hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// One to three tables are made anew, as drizzle writes it.
    Drizzle,
    /// The same, as Prisma writes it.
    Prisma,
    /// The same, as SQLite's documentation says, with indexes and triggers.
    ByHand,
    /// The old table is renamed away first, and dropped when the new one is filled.
    Renaming,
    /// A table is dropped, and the file says so.
    DropTable,
    /// One row is deleted.
    DeleteRow,
    /// One row is replaced by `INSERT OR REPLACE`.
    ReplaceRow,
    /// A column of some rows gets another value.
    Backfill,
    /// A column, an index and a table are added.
    Add,
    /// A column gets another name.
    RenameColumn,
    /// A table gets another name.
    RenameTable,
}

impl Kind {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 11] = [
        Self::Drizzle,
        Self::Prisma,
        Self::ByHand,
        Self::Renaming,
        Self::DropTable,
        Self::DeleteRow,
        Self::ReplaceRow,
        Self::Backfill,
        Self::Add,
        Self::RenameColumn,
        Self::RenameTable,
    ];

    /// Whether tables are made anew with all their rows.
    #[must_use]
    pub fn rebuilds(self) -> bool {
        matches!(self, Self::Drizzle | Self::Prisma | Self::ByHand)
    }

    /// Whether it may take rows along that it does not name, so that a careful tool may refuse it.
    #[must_use]
    pub fn is_careless(self) -> bool {
        matches!(self, Self::Renaming | Self::DropTable | Self::DeleteRow | Self::ReplaceRow)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drizzle => "1 to 3 tables made anew as drizzle writes it",
            Self::Prisma => "… as Prisma writes it",
            Self::ByHand => "… as SQLite's documentation says",
            Self::Renaming => "… the old one renamed away first",
            Self::DropTable => "`DROP TABLE`, said to be meant",
            Self::DeleteRow => "`DELETE` of one row",
            Self::ReplaceRow => "`INSERT OR REPLACE` of one row",
            Self::Backfill => "`UPDATE` of a column",
            Self::Add => "a column, an index, a table added",
            Self::RenameColumn => "a column renamed",
            Self::RenameTable => "a table renamed",
        })
    }
}
