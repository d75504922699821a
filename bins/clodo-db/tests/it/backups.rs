//! Backups, restores, drills and reversals of plain SQLite files.

use crate::Folder;
use serde_json::{Value, json};
use std::{fs, path::Path};

const APP: [&str; 2] = ["--sqlite", "app.db"];

/// A folder with a database of two tables.
fn folder() -> Folder {
    let folder = Folder::new(&[]);
    let sql = "CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT);
        CREATE TABLE children (parent REFERENCES parents (id));
        INSERT INTO parents VALUES (1, 'a'), (9223372036854775807, NULL);
        INSERT INTO children VALUES (1);";
    folder.database().execute_batch(sql).unwrap();
    folder
}

/// Without what is another one in each run.
fn steady(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let word = |word: &str| match word {
            _ if word.contains("Z") && word.contains(':') => "MOMENT".to_owned(),
            _ if word.parse::<f64>().is_ok_and(|n| n >= 100.0) => "SIZE".to_owned(),
            _ if word.parse::<f64>().is_ok() && word.contains('.') => "TIME".to_owned(),
            _ => named(word),
        };
        let words: Vec<String> = line.split(' ').map(word).collect();
        out += &(words.join(" ") + "\n");
    }
    out
}

/// The times and hashes in a path.
fn named(path: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    let end = |run: &mut String, out: &mut String| {
        match run.len() {
            15 => out.push_str("TIME"),
            16 => out.push_str("HASH"),
            _ => out.push_str(run),
        }
        run.clear();
    };
    for c in path.chars() {
        if c.is_ascii_hexdigit() {
            run.push(c);
        } else {
            end(&mut run, &mut out);
            out.push(c);
        }
    }
    end(&mut run, &mut out);
    out.replace('\\', "/")
}

fn with<'w>(words: &[&'w str]) -> Vec<&'w str> {
    [words, &APP].concat()
}

#[track_caller]
fn name_of_latest(folder: &Folder) -> String {
    let listed = folder.json(&with(&["backups"]), 0);
    let backups = listed["databases"][0]["backups"].as_array().unwrap().clone();
    backups.last().unwrap()["name"].as_str().unwrap().to_owned()
}

#[test]
fn a_person_reads_what_is_kept_and_what_went() {
    let folder = folder();
    let (none, _) = folder.run(&with(&["backups"]), 0);
    insta::assert_snapshot!(none, @r"
    app.db: 0 backups
    ");
    assert!(!folder.path().join(".clodo").exists(), "who only looks makes nothing");
    let (missing, said) = folder.run(&with(&["drill"]), 4);
    insta::assert_snapshot!(steady(&(missing + &said)), @r"
    app.db: no backup is kept
    error: a backup would not have brought its database back
    hint: `clodo-db backup --sqlite app.db` takes a new one; `clodo-db drill --fresh --sqlite app.db` proves it
    ");
    let (taken, _) = folder.run(&with(&["backup"]), 0);
    insta::assert_snapshot!(steady(&taken), @r"
    app.db: 2 tables, 3 rows, SIZE bytes in .clodo/backups/file/app.db-HASH/app-TIME.sql.zst
    ");
    folder.database().execute_batch("DELETE FROM children").unwrap();
    let (_, unasked) = folder.run(&with(&["restore", "latest", "--over"]), 2);
    insta::assert_snapshot!(steady(&unasked), @r"
    app.db: 2 tables, 2 rows go; a backup of them is taken first.
    error: nobody is there to answer: Put the backup in the place of all that app.db holds?
    hint: give `--yes`
    ");
    let (done, said) = folder.run(&with(&["restore", "latest", "--over", "--yes"]), 0);
    insta::assert_snapshot!(steady(&(done + &said)), @r"
    app.db: restored, 2 tables, 3 rows, from .clodo/backups/file/app.db-HASH/app-TIME.sql.zst
    app.db: 2 tables, 2 rows go; a backup of them is taken first.
    app.db: kept as .clodo/backups/file/app.db-HASH/before/app-TIME.sql.zst
    `clodo-db restore app-TIME.sql.zst --sqlite app.db --over` takes app.db back to what it was before.
    ");
    let (drilled, _) = folder.run(&with(&["drill", "--compare"]), 0);
    insta::assert_snapshot!(steady(&drilled), @r"
    app.db: restores, 2 tables, 3 rows in TIME s
      .clodo/backups/file/app.db-HASH/app-TIME.sql.zst, taken MOMENT SIZE bytes
      the same as the database now
    ");
    let (listed, _) = folder.run(&with(&["backups"]), 0);
    insta::assert_snapshot!(steady(&listed), @r"
    app.db: 1 backup in .clodo/backups/file/app.db-HASH
      MOMENT  SIZE bytes  app-TIME.sql.zst
      before a change:
      MOMENT  SIZE bytes  app-TIME.sql.zst
    ");
    let (dry, _) = folder.run(&with(&["backup", "--keep-last", "1", "--dry-run"]), 0);
    insta::assert_snapshot!(steady(&dry), @r"
    app.db: would be backed up
      would remove 1 older backup
    ");
}

#[test]
fn backups_of_the_first_versions_are_listed_and_restored() {
    let folder = folder();
    folder.run(&with(&["backup"]), 0);
    let listed = folder.json(&with(&["backups"]), 0);
    let kept = folder.path().join(listed["databases"][0]["path"].as_str().unwrap());
    // Gzipped, with one row in its table `t`.
    let old = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/db_dumps/gzip");
    fs::copy(old, kept.join("app-000000000000001.sql.gz")).unwrap();
    let listed = folder.json(&with(&["backups"]), 0);
    let backups = listed["databases"][0]["backups"].as_array().unwrap().clone();
    assert_eq!(backups.len(), 2);
    assert_eq!(backups[0]["name"], "app-000000000000001.sql.gz");
    folder.run(&with(&["restore", "app-000000000000001.sql.gz", "--over", "--yes"]), 0);
    let found: i64 = folder.database().query_row("SELECT x FROM t", [], |row| row.get(0)).unwrap();
    assert_eq!(found, 1);
}

#[test]
fn a_file_that_is_gone_comes_back_and_one_that_is_there_is_filled() {
    let folder = folder();
    folder.run(&with(&["backup"]), 0);
    fs::remove_file(folder.path().join("app.db")).unwrap();
    folder.run(&with(&["restore", "latest"]), 0);
    let rows =
        |sql: &str| -> i64 { folder.database().query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(rows("SELECT max(id) FROM parents"), i64::MAX);
    // Somebody has it open, in another journal mode and with pages of another size.
    fs::remove_file(folder.path().join("app.db")).unwrap();
    let other = folder.database();
    other
        .execute_batch("PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; CREATE TABLE x (y);")
        .unwrap();
    let refused = folder.json(&with(&["restore", "latest"]), 3);
    assert_eq!(refused["error"]["kind"], "not_empty");
    let done = folder.json(&with(&["restore", "latest", "--over", "--yes"]), 0);
    let count = |sql: &str| -> i64 { other.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT count(*) FROM parents"), 2, "who has it open sees it");
    let saved = done["saved"]["name"].as_str().unwrap();
    folder.run(&with(&["restore", saved, "--over", "--yes"]), 0);
    assert_eq!(count("SELECT count(*) FROM x"), 0);
    // A writer in the middle of something is left alone.
    other.execute_batch("BEGIN IMMEDIATE; INSERT INTO x VALUES (1);").unwrap();
    let locked = folder.json(&with(&["restore", "latest", "--over", "--yes"]), 6);
    assert_eq!(locked["error"]["kind"], "locked");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(count("SELECT count(*) FROM x"), 1);
    let left = fs::read_dir(folder.path()).unwrap().map(|one| one.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().contains("restoring")));
}

#[test]
fn hostile_files_are_told_apart_and_nothing_is_written() {
    let folder = folder();
    folder.run(&with(&["backup"]), 0);
    let name = name_of_latest(&folder);
    let listed = folder.json(&with(&["backups"]), 0);
    let kept = listed["databases"][0]["path"].as_str().unwrap().to_owned();
    let bytes = fs::read(folder.path().join(&kept).join(&name)).unwrap();
    let files: [(&str, &[u8], &str); 6] = [
        ("empty.sql", b"", "is no backup"),
        ("noise.sql.gz", b"\x1f\x8b\x08\x00 no gzip behind this", "damaged"),
        ("cut.sql.gz", &bytes[..bytes.len() - 9], "damaged"),
        ("dump.sql", b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n", "is no backup"),
        ("newer.sql", b"-- clodo-backup 99\n-- clodo-backup-end {}\n", "format 99"),
        ("short.sql", b"-- clodo-backup 1\nCREATE TABLE t (x);\n", "short.sql:2:1"),
    ];
    for (file, bytes, says) in files {
        fs::write(folder.path().join(file), bytes).unwrap();
        let (_, said) = folder.run(&["restore", file, "--sqlite", "new.db"], 3);
        assert!(said.contains(says) && said.contains("hint:"), "{file}: {said}");
        assert!(!folder.path().join("new.db").exists(), "{file}");
    }
    let (_, own) = folder.run(&["restore", "app.db", "--sqlite", "new.db"], 3);
    assert!(own.contains("`clodo-db backup --sqlite FILE`"), "{own}");
    for none in ["../app.db.gz", "no-such", "latest"] {
        let (_, said) = folder.run(&["restore", none, "--sqlite", "new.db"], 2);
        assert!(said.contains("hint:"), "{said}");
    }
    fs::write(folder.path().join("app.db"), "no database at all, but long enough to be looked at")
        .unwrap();
    let (_, said) = folder.run(&with(&["backup"]), 1);
    assert!(said.contains("hint:"), "{said}");
    let (_, said) = folder.run(&with(&["restore", "latest", "--over", "--yes"]), 1);
    assert!(said.contains("move it away"), "{said}");
    let (_, said) = folder.run(&["backup", "--sqlite", "no.db"], 2);
    assert!(said.contains("there is no such database"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_written_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder();
    let shut = folder.path().join("shut");
    fs::create_dir(&shut).unwrap();
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o500)).unwrap();
    // For root nothing is shut.
    if fs::write(shut.join("probe"), "").is_err() {
        let refused = folder.json(&with(&["backup", "--to", "shut"]), 6);
        assert_eq!(refused["error"]["kind"], "not_allowed");
    }
    fs::write(folder.path().join("file"), "").unwrap();
    let (_, said) = folder.run(&with(&["backup", "--to", "file/within"]), 1);
    assert!(said.contains("hint:"), "{said}");
    folder.run(&with(&["backup", "--to", "kept"]), 0);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join("kept")), 0o700);
}

#[test]
fn databases_of_one_name_in_two_folders_do_not_mix() {
    let folder = folder();
    fs::create_dir(folder.path().join("other")).unwrap();
    let copy = folder.path().join("other/app.db");
    fs::copy(folder.path().join("app.db"), &copy).unwrap();
    let other = ["--sqlite", "other/app.db"];
    for _ in 0..3 {
        folder.run(&with(&["backup"]), 0);
        folder.run(&[&["backup"][..], &other].concat(), 0);
    }
    folder.run(&with(&["backup", "--keep-last", "1"]), 0);
    let count = |words: &[&str]| {
        let listed = folder.json(&[&["backups"][..], words].concat(), 0);
        listed["databases"][0]["backups"].as_array().unwrap().len()
    };
    assert_eq!((count(&APP), count(&other)), (1, 3));
}

#[test]
fn a_file_is_migrated_with_a_backup_and_taken_back() {
    let folder = Folder::new(&[("0001_a.sql", "CREATE TABLE t (x);\nINSERT INTO t VALUES (1);\n")]);
    folder.run(&with(&["up", "--create", "--backup"]), 0);
    folder.write("0002_b.sql", "CREATE TABLE u (y);\n");
    let done = folder.json(&with(&["up", "--backup"]), 0);
    let saved = done["databases"][0]["saved"]["name"].as_str().unwrap().to_owned();
    let (_, refused) = folder.run(&with(&["down", "--yes"]), 3);
    insta::assert_snapshot!(steady(&refused), @r"
    error: app.db: there is no file that takes 0002_b.sql back
    hint: write `down/0002_b.sql` in the folder of the migrations; or `clodo-db restore app-TIME.sql.zst --over --sqlite app.db` goes back to before it was applied, and loses what was written since
    ");
    folder.write("down/0002_b.sql", "-- clodo:allow drop-table it is empty\nDROP TABLE u;\n");
    let (dry, _) = folder.run(&with(&["down", "--dry-run"]), 0);
    insta::assert_snapshot!(steady(&dry), @r#"
    app.db: 1 to take back

    -- 0002_b.sql
    INSERT INTO "clodo_migrations" (name, sha256) SELECT 'not the last migration', NULL WHERE EXISTS (SELECT 1 FROM sqlite_master WHERE name = '_clodo_restore') OR (SELECT name FROM "d1_migrations" WHERE typeof(name) = 'text' ORDER BY id DESC LIMIT 1) IS NOT '0002_b.sql';
    DELETE FROM "d1_migrations" WHERE name = '0002_b.sql';
    DELETE FROM "clodo_migrations" WHERE name = '0002_b.sql';
    PRAGMA ignore_check_constraints = OFF;
    CREATE TABLE "_clodo_proofs" (p, CONSTRAINT "clodo: the schema has changed since it was read: run it again" CHECK (p <> 0));
    INSERT INTO "_clodo_proofs" SELECT 0 WHERE ((SELECT count(*) FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite/_%' ESCAPE '/' AND NOT (name LIKE '/_cf/_%' ESCAPE '/' AND EXISTS (SELECT 1 FROM sqlite_master own WHERE lower(own.name) IN ('_cf_kv', '_cf_metadata', '_cf_alarm'))) AND tbl_name <> 'clodo_migrations' AND tbl_name <> 'd1_migrations' AND name <> '_clodo_proofs') = 2) IS NOT 1;
    INSERT INTO "_clodo_proofs" SELECT 0 WHERE ((SELECT count(*) FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite/_%' ESCAPE '/' AND NOT (name LIKE '/_cf/_%' ESCAPE '/' AND EXISTS (SELECT 1 FROM sqlite_master own WHERE lower(own.name) IN ('_cf_kv', '_cf_metadata', '_cf_alarm'))) AND tbl_name <> 'clodo_migrations' AND tbl_name <> 'd1_migrations' AND name <> '_clodo_proofs' AND (type, name, sql) IN (VALUES ('table', 't', 'CREATE TABLE t (x)'), ('table', 'u', 'CREATE TABLE u (y)'))) = 2) IS NOT 1;
    DROP TABLE u;
    DROP TABLE "_clodo_proofs";
    "#);
    let (down, said) = folder.run(&with(&["down", "--yes"]), 0);
    insta::assert_snapshot!(steady(&(down + &said)), @r"
    app.db: 1 taken back
    app.db: 0002_b.sql
    app.db: 1 taken back
    `clodo-db restore app-TIME.sql.zst --over --sqlite app.db` takes app.db back to what it was before.
    ");
    let status = folder.json(&with(&["status"]), 0);
    assert_eq!((&status["pending"], &status["problems"]), (&json!(1), &json!(0)));
    folder.run(&with(&["restore", &saved, "--over", "--yes"]), 0);
    let status = folder.json(&with(&["status"]), 0);
    assert_eq!((&status["pending"], &status["problems"]), (&json!(1), &json!(0)));
    let (_, zero) = folder.run(&with(&["down", "--steps", "0"]), 2);
    assert!(zero.contains("is no number of migrations"), "{zero}");
    let (_, unknown) = folder.run(&with(&["down", "--to", "7.sql"]), 2);
    assert!(unknown.contains("there is no migration `7.sql`"), "{unknown}");
}

#[test]
fn a_drill_says_of_a_file_what_has_changed_since() {
    let folder = folder();
    folder.run(&with(&["backup"]), 0);
    let database = folder.database();
    database.execute_batch("INSERT INTO children VALUES (1); CREATE TABLE more (x)").unwrap();
    let drilled = folder.json(&with(&["drill", "--compare"]), 0);
    let compared = &drilled["databases"][0]["compared"];
    assert_eq!(compared["unchanged"], false);
    let names = |compared: &Value| -> Vec<String> {
        let all = compared["differences"].as_array().unwrap().iter();
        all.map(|one| format!("{} {}", one["name"], one["how"])).collect()
    };
    assert_eq!(
        names(compared),
        ["\"table more\" \"is missing from the backup\"", "\"children\" \"has other rows\""]
    );
    let fresh = folder.json(&with(&["drill", "--fresh", "--compare"]), 0);
    assert_eq!(fresh["databases"][0]["compared"], json!({ "unchanged": true, "differences": [] }));
    // Rows that refer to nothing come back into a file, and are told.
    database.execute_batch("PRAGMA foreign_keys = OFF; INSERT INTO children VALUES (77)").unwrap();
    folder.run(&with(&["backup"]), 0);
    let orphaned = folder.json(&with(&["drill"]), 4);
    assert_eq!(orphaned["databases"][0]["verdict"], "not-sound", "{orphaned:#}");
}

/// References and checks are not enforced in every file.
#[test]
fn a_file_whose_rows_break_its_rules_comes_back_as_it_was() {
    let folder = folder();
    let database = folder.database();
    let broken = "PRAGMA foreign_keys = OFF; INSERT INTO children VALUES (99);
        CREATE TABLE lost (a REFERENCES nowhere (id)); INSERT INTO lost VALUES (1);
        PRAGMA ignore_check_constraints = ON;
        CREATE TABLE checked (a CHECK (a > 1)); INSERT INTO checked VALUES (0);";
    database.execute_batch(broken).unwrap();
    folder.run(&with(&["backup"]), 0);
    let (told, _) = folder.run(&with(&["drill", "--compare"]), 4);
    assert!(
        told.contains("a row of children refers to one of parents that is not there"),
        "{told}"
    );
    database.execute_batch("DELETE FROM children; DELETE FROM checked").unwrap();
    drop(database);
    folder.run(&with(&["restore", "latest", "--over", "--yes"]), 0);
    let count = "SELECT (SELECT count(*) FROM children) * 10 + (SELECT count(*) FROM checked)";
    let count: i64 = folder.database().query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 21);
}

#[test]
fn a_file_that_rows_come_into_keeps_the_numbers_of_its_program() {
    let folder = folder();
    let other = folder.database_named("other.db");
    other.execute_batch("CREATE TABLE parents (id INTEGER PRIMARY KEY, name TEXT);").unwrap();
    other.execute_batch("PRAGMA user_version = 42; PRAGMA application_id = 77;").unwrap();
    drop(other);
    let sync =
        ["sync", "data", "--from", "app.db", "--to", "other.db", "--table", "parents", "--yes"];
    folder.run(&sync, 0);
    let other = folder.database_named("other.db");
    let number = |name| other.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((number("user_version"), number("application_id")), (42, 77));
}

#[test]
fn a_folder_of_migrations_that_is_not_there_is_a_mistake() {
    let folder = folder();
    let (_, said) = folder.run(&with(&["up", "--yes", "--migrations", "migratoins"]), 2);
    assert!(said.contains("there is no folder migratoins"), "{said}");
}

/// Such an index shows the rows of its table, whatever it holds itself.
#[test]
fn a_drill_of_an_index_over_a_part_of_a_table_is_good() {
    let folder = folder();
    let sql = "CREATE TABLE doc (id INTEGER PRIMARY KEY, t TEXT, pub INTEGER);
        CREATE VIRTUAL TABLE found USING fts5(t, content='doc', content_rowid='id');
        CREATE TRIGGER ai AFTER INSERT ON doc WHEN new.pub BEGIN
            INSERT INTO found (rowid, t) VALUES (new.id, new.t); END;
        INSERT INTO doc VALUES (1, 'one', 1), (2, 'two', 0);
        CREATE VIRTUAL TABLE bare USING fts5(t, content='');
        INSERT INTO bare (rowid, t) VALUES (5, 'five');
        CREATE VIRTUAL TABLE words USING fts5vocab(found, row);
        CREATE VIRTUAL TABLE own USING fts5(t); INSERT INTO own VALUES ('mine');";
    folder.database().execute_batch(sql).unwrap();
    folder.run(&with(&["backup"]), 0);
    folder.run(&with(&["drill", "--compare"]), 0);
}
