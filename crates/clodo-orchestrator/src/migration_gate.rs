use crate::{
    desired::Desired,
    migration::MigrationFile,
    plan::{Action, Plan},
    ports::Gate,
    resource::DatabaseRef,
};
use async_trait::async_trait;
use clodo_types::{AccountName, Finding, Location, Severity};
use sqlite3_parser::{
    Bump, FallibleIterator,
    ast::{AlterTableBody, Cmd, Name, QualifiedName, Stmt},
    lexer::{
        Scanner,
        sql::{Parser, Tokenizer},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// Refuses migrations that would lose rows: a file that drops, empties or rebuilds a table, or
/// drops a column. What a file does is read from SQLite's own grammar, so that neither comments nor
/// quoting nor line breaks hide it; a file that the grammar does not accept is refused as well.
///
/// A table that the same migrations created may lose columns and rows again, but not go.
#[derive(Clone, Copy, Debug, Default)]
pub struct MigrationGate;

#[async_trait]
impl Gate for MigrationGate {
    async fn check(&self, plan: &Plan, _desired: &Desired) -> Vec<Finding> {
        let mut tables: BTreeMap<(&AccountName, &DatabaseRef), Tables> = BTreeMap::new();
        let mut findings = Vec::new();
        for step in plan.steps() {
            if let Action::Migrate(migration) = &step.action {
                let database = (&migration.account, &migration.database);
                let known = tables.entry(database).or_default();
                findings.extend(check_file(&migration.file, known));
            }
        }
        findings
    }
}

impl MigrationGate {
    /// What the files say of a database that has none of them yet, as that of a new customer: all
    /// that a deployment there would be refused for. Nothing is contacted.
    #[must_use]
    pub fn check_files(&self, desired: &Desired) -> Vec<Finding> {
        let mut findings = Vec::new();
        for database in desired.targets.iter().flat_map(|target| &target.databases) {
            let mut tables = Tables::default();
            for file in &database.migrations {
                let more = check_file(file, &mut tables);
                // The databases of all customers get the same files.
                findings.extend(
                    more.into_iter().filter(|one| !findings.contains(one)).collect::<Vec<_>>(),
                );
            }
        }
        findings
    }
}

/// What the migrations of one database did to its tables so far.
#[derive(Debug, Default)]
struct Tables {
    /// Made by these migrations: they hold no rows that were there before.
    own: BTreeSet<String>,
    /// Names that a rename made free.
    renamed: BTreeSet<String>,
}

fn check_file(file: &MigrationFile, tables: &mut Tables) -> Vec<Finding> {
    let mut findings = Vec::new();
    let bump = Bump::new();
    let mut parser = Parser::new(&bump, file.sql.as_bytes());
    let mut starts = statement_starts(&file.sql).into_iter();
    loop {
        match parser.next() {
            Ok(None) => return findings,
            Ok(Some(Cmd::Stmt(statement))) => {
                let offset = starts.next().unwrap_or(file.sql.len());
                let why = tables.judge(&statement);
                findings.extend(why.map(|why| destructive(file, offset, &why)));
            }
            Ok(Some(_)) => {
                starts.next();
            }
            Err(error) => {
                let at = parser.position();
                findings.push(unreadable(file, at.line, at.column, &error.to_string()));
                return findings;
            }
        }
    }
}

impl Tables {
    /// Why a statement loses rows, if it does.
    fn judge(&mut self, statement: &Stmt<'_>) -> Option<String> {
        match statement {
            Stmt::CreateTable { tbl_name, if_not_exists, temporary, .. } => {
                self.create(tbl_name, *if_not_exists && !*temporary)
            }
            Stmt::CreateVirtualTable { tbl_name, if_not_exists, .. } => {
                self.create(tbl_name, *if_not_exists)
            }
            Stmt::DropTable { tbl_name, .. } => {
                // Also one that the same migrations made: another file may have filled it since.
                let table = plain(&tbl_name.name);
                Some(format!("drops table `{table}` and all its rows"))
            }
            Stmt::Delete { tbl_name, where_clause: None, limit: None, .. } => {
                let table = plain(&tbl_name.name);
                let lost = !self.own.contains(&table);
                lost.then(|| format!("deletes all rows of table `{table}`"))
            }
            Stmt::AlterTable(table, body) => self.alter(&plain(&table.name), body),
            Stmt::Pragma(name, Some(_)) if plain(&name.name) == "writable_schema" => {
                Some("rewrites the schema behind SQLite's back".into())
            }
            _ => None,
        }
    }

    fn create(&mut self, name: &QualifiedName<'_>, may_exist: bool) -> Option<String> {
        let table = plain(&name.name);
        if self.renamed.contains(&table) {
            return Some(format!("rebuilds table `{table}`, which was renamed before"));
        }
        if !may_exist {
            self.own.insert(table);
        }
        None
    }

    fn alter(&mut self, table: &str, body: &AlterTableBody<'_>) -> Option<String> {
        match body {
            AlterTableBody::DropColumn(column) if !self.own.contains(table) => {
                Some(format!("drops column `{}` of table `{table}`", plain(column)))
            }
            AlterTableBody::RenameTo(to) => {
                if self.own.remove(table) {
                    self.own.insert(plain(to));
                }
                self.renamed.insert(table.to_owned());
                None
            }
            _ => None,
        }
    }
}

/// A table's name as SQLite compares it.
fn plain(name: &Name<'_>) -> String {
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

/// The byte offsets at which statements begin, as far as the text has tokens that make sense.
///
/// A `CREATE TRIGGER` holds semicolons of its own, which end with `END`.
fn statement_starts(sql: &str) -> Vec<usize> {
    let mut scanner = Scanner::new(Tokenizer::new());
    let (mut starts, mut fresh) = (Vec::new(), true);
    let mut words: Vec<String> = Vec::new();
    let mut blocks = 0_usize;
    while let Ok((begin, Some((text, _)), _)) = scanner.scan(sql.as_bytes()) {
        let word = String::from_utf8_lossy(text).to_ascii_uppercase();
        if word == ";" {
            fresh |= blocks == 0;
            continue;
        }
        if fresh {
            starts.push(begin);
            words.clear();
            fresh = false;
        }
        let in_trigger = words.first().is_some_and(|word| word == "CREATE")
            && words.iter().any(|word| word == "TRIGGER");
        match word.as_str() {
            "BEGIN" | "CASE" if in_trigger => blocks += 1,
            "END" => blocks = blocks.saturating_sub(1),
            _ => {}
        }
        // The words up to the trigger's name tell what the statement is.
        if words.len() < 4 {
            words.push(word);
        }
    }
    starts
}

fn destructive(file: &MigrationFile, offset: usize, why: &str) -> Finding {
    Finding {
        rule: "destructive-migration".into(),
        severity: Severity::Block,
        at: Some(Location::of_offset(&file.path, &file.sql, offset)),
        message: format!("{} {why}", file.name),
        hint: Some(
            "add instead of replacing: a new table or column beside the old one; what is no longer \
             needed can stay"
                .into(),
        ),
    }
}

fn unreadable(file: &MigrationFile, line: usize, column: usize, error: &str) -> Finding {
    // The parser's columns count bytes.
    let text = file.sql.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let end = text.floor_char_boundary(column.saturating_sub(1));
    let column = text[..end].chars().count() + 1;
    let error = error.split(" at ").next().unwrap_or(error);
    Finding {
        rule: "migration-unreadable".into(),
        severity: Severity::Block,
        at: Some(Location { path: file.path.clone(), line, column }),
        message: format!("{} is not SQL that SQLite accepts: {error}", file.name),
        hint: Some("correct the statement".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    fn findings(sql: &str) -> Vec<Finding> {
        let file = MigrationFile::new("1.sql", "m/1.sql", sql);
        check_file(&file, &mut Tables::default())
    }

    #[track_caller]
    fn refuses(sql: &str, want: &str) {
        let found = findings(sql);
        let shown: Vec<String> = found
            .iter()
            .map(|finding| format!("{}: {}", finding.at.as_ref().unwrap(), finding.message))
            .collect();
        assert_eq!(shown, [want], "{sql}");
        assert!(found.iter().all(|finding| finding.rule == "destructive-migration"));
    }

    #[track_caller]
    fn accepts(sql: &str) {
        assert_eq!(findings(sql), [], "{sql}");
    }

    #[test]
    fn what_loses_rows_is_refused_where_it_stands() {
        refuses("DROP TABLE t", "m/1.sql:1:1: 1.sql drops table `t` and all its rows");
        refuses(
            "SELECT 1;\n  drop table if exists \"T\";",
            "m/1.sql:2:3: 1.sql drops table `t` and all its rows",
        );
        refuses(
            "-- harmless\n/* DROP */ DROP/**/TABLE main.[My Table];",
            "m/1.sql:2:12: 1.sql drops table `my table` and all its rows",
        );
        refuses(
            "CREATE TABLE n (x);\nINSERT INTO n SELECT x FROM t;\nDROP TABLE t;\n\
             ALTER TABLE n RENAME TO t;",
            "m/1.sql:3:1: 1.sql drops table `t` and all its rows",
        );
        refuses(
            "ALTER TABLE t RENAME TO old; CREATE TABLE t (x); INSERT INTO t SELECT x FROM old;",
            "m/1.sql:1:30: 1.sql rebuilds table `t`, which was renamed before",
        );
        refuses(
            "CREATE TABLE n (x); DROP TABLE n;",
            "m/1.sql:1:21: 1.sql drops table `n` and all its rows",
        );
        refuses("DELETE FROM t", "m/1.sql:1:1: 1.sql deletes all rows of table `t`");
        refuses("ALTER TABLE t DROP COLUMN x", "m/1.sql:1:1: 1.sql drops column `x` of table `t`");
        refuses(
            "PRAGMA writable_schema = ON",
            "m/1.sql:1:1: 1.sql rewrites the schema behind SQLite's back",
        );
        refuses(
            "CREATE TABLE IF NOT EXISTS t (x); DROP TABLE t;",
            "m/1.sql:1:35: 1.sql drops table `t` and all its rows",
        );
        refuses(
            "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; SELECT 2; END;\n\
             DROP TABLE u",
            "m/1.sql:2:1: 1.sql drops table `u` and all its rows",
        );
    }

    #[test]
    fn what_only_adds_is_accepted() {
        accepts("");
        accepts("-- DROP TABLE t;\n/* DROP TABLE t; */");
        accepts("CREATE TABLE t (x TEXT DEFAULT 'DROP TABLE t;') STRICT;");
        accepts("ALTER TABLE t ADD COLUMN y; ALTER TABLE t RENAME COLUMN y TO z;");
        accepts("CREATE INDEX i ON t (x); DROP INDEX i; CREATE VIEW v AS SELECT 1; DROP VIEW v;");
        accepts(
            "INSERT INTO t VALUES ('DROP TABLE t'); UPDATE t SET x = 1; DELETE FROM t WHERE x;",
        );
        accepts("CREATE TABLE n (x); INSERT INTO n VALUES (1); DELETE FROM n;");
        accepts("CREATE TABLE n (x); ALTER TABLE n RENAME TO m; ALTER TABLE m DROP COLUMN x;");
        accepts("CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM u; END;");
        accepts("CREATE VIRTUAL TABLE f USING fts5(body, content='t');");
        accepts("PRAGMA defer_foreign_keys = ON;");
    }

    #[test]
    fn what_the_grammar_does_not_accept_is_refused_where_it_breaks() {
        let found = findings("CREATE TABLE t (x);\nCREAT TABLE u (x);");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].rule, "migration-unreadable");
        assert_eq!(found[0].at.as_ref().unwrap().line, 2);
        assert!(found[0].message.contains("near \"CREAT\": syntax error"), "{found:?}");
        for broken in ["SELECT 'open", "SELECT [open", "\u{0}DROP TABLE t", "SELECT é é é é"] {
            assert!(!findings(broken).is_empty(), "{broken:?}");
        }
    }

    #[test]
    fn migrations_of_one_database_are_seen_together() {
        let mut tables = Tables::default();
        let mut check = |sql| check_file(&MigrationFile::new("f.sql", "f.sql", sql), &mut tables);
        assert!(check("ALTER TABLE t RENAME TO old").is_empty());
        assert_eq!(check("CREATE TABLE t (x)").len(), 1);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_gate_panic(text in any::<String>()) {
            findings(&text);
        }

        #[test]
        fn no_mixture_of_tokens_hides_a_drop(
            before in proptest::collection::vec(
                proptest::sample::select(vec![
                    "SELECT 1;", "-- x\n", "/* ; */", "SELECT ';';", "\r\n", ";",
                    "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END;",
                    "SELECT \"BEGIN\";", "SELECT CASE 1 WHEN 1 THEN 2 END;", "BEGIN;", "COMMIT;",
                ]),
                0..8,
            ),
        ) {
            let before = before.concat();
            let found = findings(&format!("{before} DROP TABLE t"));
            assert_eq!(found.len(), 1, "{before}");
            let at = found[0].at.as_ref().unwrap();
            let want = Location::of_offset("m/1.sql", &format!("{before} D"), before.len() + 1);
            assert_eq!(*at, want, "{before}");
        }
    }
}
