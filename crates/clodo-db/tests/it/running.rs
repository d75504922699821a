use crate::applying::files;
use clodo_db::{
    MigrationFile, Migrator, RunningCode, Schema, SourceStatement, SqliteDatabase, check_code,
    may_break_code, sql_literals,
};
use std::path::Path;

const BEFORE: &str = "\
    CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, email TEXT);\n\
    CREATE UNIQUE INDEX by_email ON users (email);\n\
    CREATE INDEX by_name ON users (name);\n\
    CREATE TABLE log (what TEXT);\n\
    CREATE VIEW named AS SELECT id, name FROM users WHERE name IS NOT NULL;\n\
    CREATE TRIGGER put INSTEAD OF INSERT ON named BEGIN\n  \
      INSERT INTO users (name) VALUES (NEW.name);\nEND;";

/// What breaks of a program when a database with the schema above gets these files.
fn broken(program: &str, pending: &[(&str, &str)]) -> String {
    let schema = Schema::described(&MigrationFile::new("0.sql", "0.sql", BEFORE)).unwrap();
    let all = files(pending);
    let statements = sql_literals(program, Path::new("index.js"));
    let code = RunningCode::new("the deployed service shop", statements);
    let check = check_code(&schema, &all.files().iter().collect::<Vec<_>>(), &[code]);
    let line = |one: clodo_types::Finding| {
        assert_eq!(one.rule, "breaks-running-code");
        format!("{}: {}\n", one.at.unwrap(), one.message)
    };
    let lines: String = check.findings.into_iter().map(line).collect();
    format!("{lines}{} statements, {} unfit", check.statements, check.unfit)
}

/// What breaks of one statement.
fn breaks(sql: &str, migration: &str) -> String {
    let found = broken(&format!("db.prepare(`{sql}`)"), &[("1.sql", migration)]);
    found.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn statements_that_no_longer_fit_are_named_with_what_breaks_them() {
    let program = "\
        const one = db.prepare('SELECT id, name FROM users WHERE email = ?');\n\
        const two = db.prepare(`INSERT INTO users VALUES (?1, :name, ?)`);\n\
        const made = db.prepare(`SELECT ${columns} FROM users`);\n\
        const other = db.prepare('SELECT * FROM somewhere_else');\n\
        const text = 'Select one of these';\n\
        const three = db.prepare(\"INSERT INTO users (name, email) VALUES (?, ?) \\\n\
          ON CONFLICT (email) DO UPDATE SET name = excluded.name\");\n\
        const four = db.prepare('SELECT * FROM users INDEXED BY by_name WHERE name = ?');\n\
        const five = db.prepare('SELECT name FROM named'); f('SELECT name FROM named');\n\
        const six = db.prepare('INSERT INTO named (name) VALUES (?)');\n\
        const seven = db.prepare('DELETE FROM log WHERE what = @what');\n";
    let pending = [
        ("1.sql", "ALTER TABLE users ADD COLUMN age INTEGER;"),
        (
            "2.sql",
            "DROP INDEX by_email;\n-- a comment\nDROP INDEX by_name;\n  DROP TRIGGER put;\n\
             ALTER TABLE log RENAME COLUMN what TO said;",
        ),
        ("3.sql", "DROP VIEW named;\nALTER TABLE users RENAME COLUMN email TO mail;"),
    ];
    insta::assert_snapshot!(broken(program, &pending));
}

#[test]
fn what_only_adds_breaks_nothing() {
    let program = "f('SELECT * FROM users'); f('INSERT INTO users (name) VALUES (?)');";
    let adds = [
        ("1.sql", "ALTER TABLE users ADD COLUMN age INTEGER NOT NULL DEFAULT 0;"),
        ("2.sql", "CREATE TABLE orders (id INTEGER PRIMARY KEY); CREATE INDEX o ON users (age);"),
    ];
    assert_eq!(broken(program, &adds), "2 statements, 0 unfit");
    let all = files(&adds);
    assert!(may_break_code(&all.files().iter().collect::<Vec<_>>()));
    assert!(!may_break_code(&[&all.files()[1]]));
}

#[test]
fn a_table_that_is_made_anew_breaks_only_what_it_no_longer_takes() {
    let anew = |columns: &str| {
        format!(
            "CREATE TABLE n (id INTEGER PRIMARY KEY, {columns});\n\
             INSERT INTO n (id, name, email) SELECT id, name, email FROM users;\n\
             DROP VIEW named;\nDROP TABLE users;\nALTER TABLE n RENAME TO users;\n\
             CREATE VIEW named AS SELECT id, name FROM users;"
        )
    };
    let program = "f('SELECT id, name FROM users'); f('SELECT name FROM named');\n\
                   f('INSERT INTO users (name, email) VALUES (?, ?)');\n\
                   f('INSERT OR IGNORE INTO users (name) VALUES (?)');\n\
                   f('INSERT INTO users DEFAULT VALUES');";
    let same = anew("name TEXT NOT NULL DEFAULT '', email TEXT");
    assert_eq!(broken(program, &[("1.sql", &same)]), "5 statements, 0 unfit");
    let wants = anew("name TEXT, email TEXT NOT NULL");
    insta::assert_snapshot!(broken(program, &[("1.sql", &wants)]));
    // Columns that find their value themselves want none.
    let finds = anew("name TEXT, email TEXT, low TEXT NOT NULL GENERATED ALWAYS AS (lower(name))");
    assert_eq!(broken(program, &[("1.sql", &finds)]), "5 statements, 0 unfit");
    let empty = anew("name TEXT, email TEXT NOT NULL DEFAULT NULL");
    assert!(broken(program, &[("1.sql", &empty)]).contains("NOT NULL constraint failed"));
    let keeps_out = wants
        + "CREATE TRIGGER k BEFORE INSERT ON users WHEN NEW.email IS NULL BEGIN \
           SELECT RAISE(IGNORE); END;";
    assert_eq!(broken(program, &[("1.sql", &keeps_out)]), "5 statements, 0 unfit");
}

#[test]
fn what_counts_is_the_schema_behind_the_last_file() {
    let program = "f('SELECT name FROM named');";
    let again =
        [("1.sql", "DROP VIEW named;"), ("2.sql", "CREATE VIEW named AS SELECT name FROM users;")];
    assert_eq!(broken(program, &again), "1 statements, 0 unfit");
    assert!(broken(program, &again[..1]).starts_with("m/1.sql:1:1: "));
    // Nobody knows what a file does behind a statement that fails.
    let fails = [("1.sql", "DROP TABLE missing; DROP VIEW named;"), again[1]];
    assert_eq!(broken(program, &fails), "1 statements, 0 unfit");
}

#[test]
fn a_name_that_is_gone_does_not_become_a_text_in_silence() {
    let gone = "DROP INDEX by_email;\nALTER TABLE users DROP COLUMN email;";
    let said = breaks(r#"SELECT "email" FROM users"#, gone);
    assert!(said.ends_with(r#"which then fails: no such column: "email""#), "{said}");
    assert!(said.starts_with("m/1.sql:2:1: "), "{said}");
    // Who writes text so has written text before.
    assert_eq!(breaks(r#"SELECT "gone" FROM users"#, gone), "1 statements, 0 unfit");
    let both = breaks(r#"SELECT "gone", email FROM users"#, gone);
    assert!(both.contains("no such column: email"), "{both}");
}

#[test]
fn a_break_is_allowed_with_a_reason_where_it_happens() {
    let drop = |comment: &str| format!("DROP TRIGGER put;\n{comment}\nDROP TABLE log;");
    let delete = "DELETE FROM log";
    assert!(breaks(delete, &drop("")).starts_with("m/1.sql:3:1: "));
    let without_reason = breaks(delete, &drop("-- clodo:allow breaks-running-code"));
    assert!(without_reason.contains("no such table: log"), "{without_reason}");
    let allowed = "-- clodo:allow drop-table it is empty\n\
                   -- clodo:allow breaks-running-code the cron that ran it is switched off";
    assert_eq!(breaks(delete, &drop(allowed)), "1 statements, 0 unfit");
}

#[test]
fn hostile_code_is_shown_on_one_short_line() {
    let sql = format!("SELECT what,\n '\u{1b}[31m\u{202e}', {}1\t FROM log", "1, ".repeat(200));
    let said = breaks(&sql, "DROP TABLE log;");
    assert!(!said.contains(['\u{1b}', '\u{202e}', '\n']) && said.len() < 400, "{said}");
    let schema = Schema::default();
    let code = |sql: &str| RunningCode::new("x", vec![SourceStatement::guessed(sql, None)]);
    for sql in
        ["SELECT 1; ATTACH 'x' AS y", "SELECT (((", "WITH", "", ";;", "PRAGMA user_version = 1"]
    {
        let check = check_code(&schema, &[], &[code(sql)]);
        assert!(check.findings.is_empty() && check.statements <= 1, "{sql}");
    }
}

#[tokio::test]
async fn a_database_is_looked_at_with_its_pending_files() {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let migrator = Migrator::new(&database);
    let one = [("1.sql", "CREATE TABLE t (a, b);")];
    let two = [one[0], ("2.sql", "-- clodo:allow drop-column x\nALTER TABLE t DROP COLUMN b;")];
    let code = [RunningCode::new(
        "the source of shop",
        vec![SourceStatement::guessed("SELECT b FROM t", None)],
    )];
    let both = files(&two);
    let look = migrator.look(&both).await.unwrap();
    // Nothing runs on a database of nothing.
    assert!(!look.may_break_code() && look.check_code(&code).findings.is_empty());
    migrator.up(&files(&one)).await.unwrap();
    let look = migrator.look(&both).await.unwrap();
    assert!(look.may_break_code());
    let found = look.check_code(&code).findings;
    assert_eq!(
        found[0].message,
        "the source of shop runs `SELECT b FROM t`, which then fails: no such column: b"
    );
}
