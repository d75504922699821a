use crate::{
    kind::Kind,
    schema::{indexes, schema, triggers},
    table::{NAMES, Table, quoted, table},
};
use proptest::{
    prelude::{Strategy, any, prop},
    strategy::ValueTree as _,
    test_runner::TestRunner,
};
use std::collections::BTreeSet;

/// A schema with rows, and a migration of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its tables.
    pub tables: Vec<Table>,
    /// What the migration does.
    pub kind: Kind,
    /// The tables that it does it to: one, or more where tables are made anew.
    pub at: Vec<usize>,
    /// Whether the first table can be searched: an FTS5 table that triggers keep up to date.
    pub search: bool,
}

/// Any schema, any migration.
pub fn case() -> impl Strategy<Value = Case> {
    // Those that tools write most often, most often.
    let often = [Kind::Drizzle, Kind::Drizzle, Kind::Prisma, Kind::ByHand];
    let kinds = prop::sample::select([&Kind::ALL[..], &often].concat());
    let tables = prop::collection::vec(table(), 1..=NAMES.len());
    let at = prop::collection::vec(any::<usize>(), 1..4);
    (tables, kinds, at, any::<bool>()).prop_map(|(tables, kind, at, search)| {
        let mut at: BTreeSet<usize> = at.into_iter().map(|at| at % tables.len()).collect();
        while !kind.rebuilds() && at.len() > 1 {
            at.pop_last();
        }
        Case { tables, kind, at: at.into_iter().collect(), search }
    })
}

/// So many cases, the same each time: fewer are the first of more.
///
/// # Panics
/// Never: no case is ever rejected.
#[must_use]
pub fn cases(count: usize) -> Vec<Case> {
    let (mut runner, strategy) = (TestRunner::deterministic(), case());
    let mut next = || strategy.new_tree(&mut runner).expect("any case is one").current();
    (0..count).map(|_| next()).collect()
}

impl Case {
    /// The schema and its rows, as statements of one transaction.
    #[must_use]
    pub fn schema(&self) -> String {
        let mut sql = schema(&self.tables);
        if self.search {
            let name = quoted(NAMES[0]);
            sql += &format!(
                "CREATE VIRTUAL TABLE words USING fts5(n);\n\
                 INSERT INTO words (rowid, n) SELECT id, n FROM {name};\n\
                 CREATE TRIGGER word_new AFTER INSERT ON {name} BEGIN \
                 INSERT INTO words (rowid, n) VALUES (new.id, new.n); END;\n\
                 CREATE TRIGGER word_gone AFTER DELETE ON {name} BEGIN \
                 DELETE FROM words WHERE rowid = old.id; END;\n"
            );
        }
        sql
    }

    /// The file.
    #[must_use]
    pub fn migration(&self) -> String {
        let at = self.at[0];
        let name = quoted(NAMES[at]);
        match self.kind {
            Kind::Drizzle => self.by_drizzle(),
            Kind::Prisma => self.by_prisma(),
            Kind::ByHand => self.at.iter().map(|at| self.by_hand(*at)).collect(),
            Kind::Renaming => self.renaming(at),
            Kind::DropTable => {
                format!("-- clodo:allow drop-table nobody needs it\nDROP TABLE {name};\n")
            }
            Kind::DeleteRow => format!("DELETE FROM {name} WHERE id = 1;\n"),
            Kind::ReplaceRow => {
                format!("INSERT OR REPLACE INTO {name} (id, n) VALUES (1, 'again');\n")
            }
            Kind::Backfill => format!("UPDATE {name} SET n = 'filled' WHERE id % 2 = 0;\n"),
            Kind::Add => format!(
                "ALTER TABLE {name} ADD COLUMN more TEXT DEFAULT 'new';\n\
                 CREATE INDEX more ON {name} (more);\nCREATE TABLE \"brand new\" (id INTEGER PRIMARY KEY);\n"
            ),
            Kind::RenameColumn => format!("ALTER TABLE {name} RENAME COLUMN n TO m;\n"),
            Kind::RenameTable => format!("ALTER TABLE {name} RENAME TO \"another\";\n"),
        }
    }

    /// The table is made anew with one more column, in five statements.
    fn anew(&self, at: usize, by: &str) -> [String; 4] {
        let (table, name, by) = (&self.tables[at], quoted(NAMES[at]), quoted(by));
        let body = table.body(self.tables.len(), ", more TEXT DEFAULT 'new'");
        let columns = table.stored();
        [
            format!("CREATE TABLE {by} {body};\n"),
            format!("INSERT INTO {by} ({columns}) SELECT {columns} FROM {name};\n"),
            format!("DROP TABLE {name};\n"),
            format!("ALTER TABLE {by} RENAME TO {name};\n"),
        ]
    }

    fn by_drizzle(&self) -> String {
        let one = |at: &usize| {
            let steps = self.anew(*at, &format!("__new_{}", NAMES[*at]));
            format!(
                "PRAGMA foreign_keys=OFF;--> statement-breakpoint\n{}PRAGMA foreign_keys=ON;\n",
                { steps.join("--> statement-breakpoint\n") }
            )
        };
        self.at.iter().map(one).collect()
    }

    fn by_prisma(&self) -> String {
        let one = |at: &usize| {
            format!("{}{}", self.anew(*at, &format!("new_{}", NAMES[*at])).concat(), indexes(*at))
        };
        let all: String = self.at.iter().map(one).collect();
        format!(
            "-- RedefineTables\nPRAGMA defer_foreign_keys=ON;\nPRAGMA foreign_keys=OFF;\n{all}\
             PRAGMA foreign_keys=ON;\nPRAGMA defer_foreign_keys=OFF;\n"
        )
    }

    fn by_hand(&self, at: usize) -> String {
        let code = if self.tables[at].trigger { triggers(at) } else { String::new() };
        format!("{}{}{code}", self.anew(at, &format!("new {}", NAMES[at])).concat(), indexes(at))
    }

    fn renaming(&self, at: usize) -> String {
        let (name, old) = (quoted(NAMES[at]), quoted(&format!("old {}", NAMES[at])));
        let table = &self.tables[at];
        let body = table.body(self.tables.len(), ", more TEXT DEFAULT 'new'");
        let columns = table.stored();
        format!(
            "PRAGMA foreign_keys=OFF;\nALTER TABLE {name} RENAME TO {old};\nCREATE TABLE {name} {body};\n\
             INSERT INTO {name} ({columns}) SELECT {columns} FROM {old};\nDROP TABLE {old};\n\
             PRAGMA foreign_keys=ON;\n"
        )
    }
}
