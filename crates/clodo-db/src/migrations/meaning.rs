//! What a statement does, read from SQLite's own grammar, so that neither comments nor quoting nor
//! line breaks hide it.

use super::trigger::updated;
use crate::split::{Piece, folded, split, without_marks, words};
use sqlite3_parser::{
    Bump, FallibleIterator as _,
    ast::{
        AlterTableBody, Cmd, ColumnConstraint, InsertBody, Name, OneSelect, ResolveType, Select,
        SelectTable, Stmt,
    },
    lexer::sql::Parser,
};

/// What a statement does. Names are as SQLite compares them: unquoted and in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meaning {
    CreateTable {
        name: String,
        may_exist: bool,
    },
    CreateIndex {
        table: String,
        unique: bool,
    },
    CreateTrigger {
        name: String,
        table: String,
    },
    /// Another change of a table.
    Alter {
        table: String,
    },
    DropTable {
        name: String,
    },
    Rename {
        from: String,
        to: String,
    },
    DropColumn {
        table: String,
        column: String,
    },
    /// `NOT NULL` without a default: refused as soon as there are rows.
    AddColumn {
        table: String,
        column: String,
        needs_value: bool,
    },
    /// `from` is the only table that the rows come from, unfiltered or not.
    Insert {
        into: String,
        from: Option<String>,
        replaces: bool,
        /// The columns that get values where a row is there already: `ON CONFLICT DO UPDATE`.
        upsert: Vec<String>,
    },
    Delete {
        table: String,
        all: bool,
    },
    Update {
        table: String,
        /// Those that get values.
        columns: Vec<String>,
        replaces: bool,
    },
    Pragma {
        name: String,
        sets: bool,
    },
    /// `BEGIN`, `COMMIT`, `SAVEPOINT` and the like.
    Transaction,
    /// What no migration may do.
    Forbidden(&'static str),
    /// Another change of the schema.
    Schema,
    /// Anything else.
    Other,
}

impl Meaning {
    /// Whether it changes what the schema holds, and not rows.
    pub(crate) fn changes_schema(&self) -> bool {
        !matches!(
            self,
            Self::Insert { .. }
                | Self::Delete { .. }
                | Self::Update { .. }
                | Self::Pragma { .. }
                | Self::Transaction
                | Self::Forbidden(_)
                | Self::Other
        )
    }

    /// The tables that it names as those that it is about.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &String> {
        let (first, second) = match self {
            Self::Rename { from, to } => (Some(from), Some(to)),
            Self::CreateTable { name: table, .. }
            | Self::CreateIndex { table, .. }
            | Self::CreateTrigger { table, .. }
            | Self::Alter { table }
            | Self::DropTable { name: table }
            | Self::DropColumn { table, .. }
            | Self::AddColumn { table, .. }
            | Self::Insert { into: table, .. }
            | Self::Delete { table, .. }
            | Self::Update { table, .. } => (Some(table), None),
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// Whether what it does to rows depends on the schema.
    pub(crate) fn is_hazard(&self) -> bool {
        !matches!(
            self,
            Self::CreateTable { .. }
                | Self::CreateIndex { .. }
                | Self::CreateTrigger { .. }
                | Self::AddColumn { .. }
                | Self::Rename { .. }
                | Self::Alter { .. }
                | Self::Insert { replaces: false, .. }
                | Self::Update { replaces: false, .. }
                | Self::Schema
                | Self::Other
        )
    }
}

/// A statement of a file.
#[derive(Clone, Debug)]
pub(crate) struct Step<'t> {
    pub(crate) piece: Piece<'t>,
    pub(crate) meaning: Meaning,
    /// What comments before it allow: codes, each with its reason.
    pub(crate) allows: Vec<(String, String)>,
}

impl Step<'_> {
    pub(crate) fn allows(&self, code: &str) -> bool {
        self.allows.iter().any(|(allowed, reason)| allowed == code && !reason.is_empty())
    }
}

/// Text that the grammar does not accept: where, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoSql {
    pub(crate) offset: usize,
    pub(crate) message: String,
}

/// The statements of a text.
pub(crate) fn steps(text: &str) -> Result<Vec<Step<'_>>, NoSql> {
    if let Some(offset) = text.find('\0') {
        return Err(NoSql { offset, message: "a NUL, behind which SQL ends".to_owned() });
    }
    let mut before = 0;
    split(text)
        .map(|piece| {
            let gap = &text[before..piece.offset];
            // What stands on the line where another statement ends is about that one.
            let own =
                if before == 0 { gap } else { gap.split_once('\n').map_or("", |(_, own)| own) };
            let allows = allows(own);
            before = piece.offset + piece.text.len();
            Ok(Step { meaning: meaning(&piece)?, piece, allows })
        })
        .collect()
}

/// `-- clodo:allow CODE reason`, each on a line of its own.
fn allows(comments: &str) -> Vec<(String, String)> {
    let marks = comments.lines().filter_map(|line| {
        let rest = line.trim().strip_prefix("--")?.trim_start().strip_prefix("clodo:allow")?;
        let (code, reason) =
            rest.trim().split_once(char::is_whitespace).unwrap_or((rest.trim(), ""));
        Some((code.to_owned(), reason.trim().to_owned()))
    });
    marks.collect()
}

fn meaning(piece: &Piece<'_>) -> Result<Meaning, NoSql> {
    let bump = Bump::new();
    let text = without_marks(piece.text);
    let mut parser = Parser::new(&bump, text.as_bytes());
    match parser.next() {
        Ok(Some(Cmd::Stmt(statement))) => Ok(of_statement(&statement)),
        Ok(_) => Ok(Meaning::Other),
        Err(error) => {
            let at = parser.position();
            let end = offset_of(piece.text, at.line, at.column);
            let message = error.to_string();
            let message = message.split(" at ").next().unwrap_or(&message).to_owned();
            // The parser stands behind the word that it does not like.
            let word = message.split('"').nth(1).unwrap_or_default();
            let begin = piece.text[..end].rfind(word).unwrap_or(end);
            Err(NoSql { offset: piece.offset + begin, message })
        }
    }
}

/// Whether a text is statements that only read: `SELECT`, `VALUES`, `EXPLAIN`, and a `PRAGMA` without a
/// value. What is no SQL is not.
#[must_use]
pub fn only_reads(sql: &str) -> bool {
    let writes = |word: &&str| {
        let name = folded(word);
        WRITING.iter().any(|pragma| name.strip_prefix("pragma_") == Some(pragma))
    };
    // The parser takes none in a name.
    !sql.contains('\0')
        && !words(sql).iter().any(writes)
        && split(sql).all(|piece| {
            let bump = Bump::new();
            let text = without_marks(piece.text);
            match Parser::new(&bump, text.as_bytes()).next() {
                Ok(Some(
                    Cmd::Stmt(Stmt::Select(..)) | Cmd::Explain(_) | Cmd::ExplainQueryPlan(_),
                )) => true,
                Ok(Some(Cmd::Stmt(Stmt::Pragma(name, body)))) => {
                    let name = plain(&name.name);
                    match body {
                        None => !WRITING.contains(&name.as_str()),
                        Some(_) => READING.contains(&name.as_str()),
                    }
                }
                _ => false,
            }
        })
}

/// Pragmas that write without being given anything.
const WRITING: [&str; 3] = ["incremental_vacuum", "optimize", "wal_checkpoint"];

/// Why a text is no SQL, as far as SQLite's grammar says.
#[must_use]
pub fn why_no_sql(sql: &str) -> Option<String> {
    steps(sql).err().map(|error| error.message)
}

/// Pragmas that take a name and set nothing.
const READING: [&str; 9] = [
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_xinfo",
];

/// The table that an `INSERT` fills, and the columns that it has values for, where it says which: one
/// without a list has values for all of them.
pub(crate) fn inserted(sql: &str) -> Option<(String, Vec<String>)> {
    if sql.contains('\0') {
        return None;
    }
    let bump = Bump::new();
    let sql = without_marks(sql);
    let mut parser = Parser::new(&bump, sql.as_bytes());
    let Ok(Some(Cmd::Stmt(Stmt::Insert { tbl_name, columns, body, .. }))) = parser.next() else {
        return None;
    };
    let columns = match (columns, body) {
        (_, InsertBody::DefaultValues) => Vec::new(),
        (Some(columns), _) => columns.iter().map(plain).collect(),
        (None, _) => return None,
    };
    Some((plain(&tbl_name.name), columns))
}

/// The parser's columns count bytes.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    text.floor_char_boundary((before + column.saturating_sub(1)).min(text.len()))
}

fn of_statement(statement: &Stmt<'_>) -> Meaning {
    // One could stand before a table of the same name.
    if is_temporary(statement) {
        return Meaning::Forbidden("something temporary");
    }
    match statement {
        Stmt::CreateTable { tbl_name, if_not_exists, .. }
        | Stmt::CreateVirtualTable { tbl_name, if_not_exists, .. } => {
            Meaning::CreateTable { name: plain(&tbl_name.name), may_exist: *if_not_exists }
        }
        Stmt::CreateIndex { tbl_name, unique, .. } => {
            Meaning::CreateIndex { table: plain(tbl_name), unique: *unique }
        }
        Stmt::CreateTrigger { trigger_name, tbl_name, .. } => {
            Meaning::CreateTrigger { name: plain(&trigger_name.name), table: plain(&tbl_name.name) }
        }
        Stmt::DropTable { tbl_name, .. } => Meaning::DropTable { name: plain(&tbl_name.name) },
        Stmt::AlterTable(table, body) => of_alter(plain(&table.name), body),
        Stmt::Insert { or_conflict, tbl_name, body, with, .. } => Meaning::Insert {
            into: plain(&tbl_name.name),
            from: match body {
                InsertBody::Select(select, _) if with.is_none() => only_table(select),
                _ => None,
            },
            replaces: matches!(or_conflict, Some(ResolveType::Replace)),
            upsert: match body {
                InsertBody::Select(_, upsert) => updated(*upsert),
                InsertBody::DefaultValues => Vec::new(),
            },
        },
        Stmt::Delete { tbl_name, where_clause, limit, .. } => Meaning::Delete {
            table: plain(&tbl_name.name),
            all: where_clause.is_none() && limit.is_none(),
        },
        Stmt::Update { tbl_name, or_conflict, sets, .. } => Meaning::Update {
            table: plain(&tbl_name.name),
            columns: sets.iter().flat_map(|set| set.col_names.iter().map(plain)).collect(),
            replaces: matches!(or_conflict, Some(ResolveType::Replace)),
        },
        Stmt::Pragma(name, body) => {
            Meaning::Pragma { name: plain(&name.name), sets: body.is_some() }
        }
        Stmt::Begin(..)
        | Stmt::Commit(..)
        | Stmt::Rollback { .. }
        | Stmt::Savepoint(..)
        | Stmt::Release(..) => Meaning::Transaction,
        Stmt::Attach { .. } => Meaning::Forbidden("ATTACH"),
        Stmt::Detach(..) => Meaning::Forbidden("DETACH"),
        Stmt::Vacuum(..) => Meaning::Forbidden("VACUUM"),
        Stmt::CreateView { .. }
        | Stmt::DropIndex { .. }
        | Stmt::DropTrigger { .. }
        | Stmt::DropView { .. } => Meaning::Schema,
        Stmt::Analyze(..) | Stmt::Reindex { .. } | Stmt::Select(..) => Meaning::Other,
    }
}

fn is_temporary(statement: &Stmt<'_>) -> bool {
    let (temporary, name) = match statement {
        Stmt::CreateTable { temporary, tbl_name: name, .. }
        | Stmt::CreateView { temporary, view_name: name, .. }
        | Stmt::CreateTrigger { temporary, trigger_name: name, .. } => (*temporary, name),
        Stmt::CreateVirtualTable { tbl_name: name, .. } => (false, name),
        _ => return false,
    };
    temporary || name.db_name.as_ref().is_some_and(|schema| plain(schema) == "temp")
}

fn of_alter(table: String, body: &AlterTableBody<'_>) -> Meaning {
    match body {
        AlterTableBody::RenameTo(to) => Meaning::Rename { from: table, to: plain(to) },
        AlterTableBody::DropColumn(column) => Meaning::DropColumn { table, column: plain(column) },
        AlterTableBody::AddColumn(column) => {
            let has = |wanted: fn(&ColumnConstraint<'_>) -> bool| {
                column.constraints.iter().any(|named| wanted(&named.constraint))
            };
            let not_null =
                has(|one| matches!(one, ColumnConstraint::NotNull { nullable: false, .. }));
            let filled = has(|one| {
                matches!(one, ColumnConstraint::Default(_) | ColumnConstraint::Generated { .. })
            });
            Meaning::AddColumn {
                table,
                column: plain(&column.col_name),
                needs_value: not_null && !filled,
            }
        }
        _ => Meaning::Alter { table },
    }
}

/// The table of a plain `SELECT … FROM table`.
fn only_table(select: &Select<'_>) -> Option<String> {
    if select.with.is_some() || select.body.compounds.is_some() {
        return None;
    }
    let OneSelect::Select { from: Some(from), .. } = &select.body.select else { return None };
    match (from.select, &from.joins) {
        (Some(SelectTable::Table(table, ..)), None) => Some(plain(&table.name)),
        _ => None,
    }
}

/// A name as SQLite compares it.
pub(super) fn plain(name: &Name<'_>) -> String {
    let text = name.0;
    let inner = |open: char, close: char| text.strip_prefix(open)?.strip_suffix(close);
    let unquoted = match text.chars().next() {
        Some('[') => inner('[', ']').map(str::to_owned),
        Some(quote @ ('"' | '`' | '\'')) => {
            let doubled = format!("{quote}{quote}");
            inner(quote, quote).map(|text| text.replace(&doubled, &quote.to_string()))
        }
        _ => None,
    };
    unquoted.unwrap_or_else(|| text.to_owned()).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    fn means(sql: &str) -> Meaning {
        steps(sql).unwrap().remove(0).meaning
    }

    #[test]
    fn a_statement_means_what_the_grammar_says() {
        let drop = |name: &str| Meaning::DropTable { name: name.into() };
        assert_eq!(means("/* x */ drop/**/TABLE if exists main.[My Table];"), drop("my table"));
        assert_eq!(means("DROP TABLE \"a\"\"B\""), drop("a\"b"));
        let insert = |from: Option<&str>, replaces| Meaning::Insert {
            into: "n".into(),
            from: from.map(str::to_owned),
            replaces,
            upsert: Vec::new(),
        };
        assert_eq!(means("INSERT INTO n (x) SELECT x FROM T"), insert(Some("t"), false));
        assert_eq!(means("REPLACE INTO n SELECT x FROM t WHERE x"), insert(Some("t"), true));
        assert_eq!(means("INSERT INTO n SELECT 1 FROM t, u"), insert(None, false));
        assert_eq!(
            means("INSERT INTO n SELECT 1 FROM t UNION SELECT 2 FROM u"),
            insert(None, false)
        );
        assert_eq!(means("INSERT INTO n VALUES (1)"), insert(None, false));
        let add =
            |needs_value| Meaning::AddColumn { table: "t".into(), column: "x".into(), needs_value };
        assert_eq!(means("ALTER TABLE t ADD COLUMN x TEXT NOT NULL"), add(true));
        assert_eq!(means("ALTER TABLE t ADD x TEXT NOT NULL DEFAULT ''"), add(false));
        assert_eq!(means("SAVEPOINT s"), Meaning::Transaction);
    }

    #[test]
    fn an_insert_says_which_columns_it_fills() {
        let inserted = |sql: &str| {
            inserted(sql).map(|(table, columns)| format!("{table}: {}", columns.join(" ")))
        };
        let said = inserted("WITH a AS (SELECT 1) REPLACE INTO [T] (A, \"b\"\"B\") SELECT 1, 2");
        assert_eq!(said.as_deref(), Some("t: a b\"b"));
        assert_eq!(inserted("INSERT INTO t DEFAULT VALUES").as_deref(), Some("t: "));
        assert_eq!(inserted("INSERT INTO t VALUES (?, ?)"), None);
        assert_eq!(inserted("SELECT 1"), None);
    }

    #[test]
    fn only_what_reads_is_taken_for_reading() {
        for sql in [
            "SELECT 1; VALUES (1)",
            "WITH a AS (SELECT 1) SELECT * FROM a",
            "EXPLAIN DELETE FROM t",
            "PRAGMA table_info(t)",
            "PRAGMA user_version",
            "",
        ] {
            assert!(only_reads(sql), "{sql}");
        }
        for sql in [
            "SELECT 1; DELETE FROM t",
            "WITH a AS (SELECT 1) DELETE FROM t",
            "PRAGMA user_version = 3",
            "INSERT INTO t VALUES (1) RETURNING *",
            "/* SELECT */ DROP TABLE t",
            "SELEC 1",
            "VACUUM",
            "SELECT [a\0] FROM t",
            "PRAGMA optimize",
            "SELECT * FROM Pragma_Optimize",
        ] {
            assert!(!only_reads(sql), "{sql}");
        }
    }

    #[test]
    fn a_comment_allows_what_it_names_for_the_next_statement() {
        let text = "-- clodo:allow drop-table nobody reads it\nDROP TABLE t;\n-- clodo:allow x\nDROP TABLE u;";
        let steps = steps(text).unwrap();
        assert!(steps[0].allows("drop-table") && !steps[0].allows("x"));
        assert!(!steps[1].allows("drop-table") && !steps[1].allows("x"), "no reason is given");
        let behind = "DROP TABLE t; -- clodo:allow drop-table it is old\nDROP TABLE u;";
        let behind = super::steps(behind).unwrap();
        assert!(!behind[0].allows("drop-table") && !behind[1].allows("drop-table"));
    }

    #[test]
    fn what_is_no_sql_is_named_where_it_breaks() {
        let error = steps("CREATE TABLE t (a, [b\0])").unwrap_err();
        assert_eq!((error.offset, error.message.as_str()), (21, "a NUL, behind which SQL ends"));
        let error = steps("SELECT 1;\n  CREAT TABLE u (x);").unwrap_err();
        assert_eq!(error.message, "near \"CREAT\": syntax error");
        assert_eq!(error.offset, 12);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = steps(&text);
        }
    }
}
