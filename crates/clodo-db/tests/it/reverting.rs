//! Migrations that are taken back.

use crate::applying::{files, rows};
use clodo_db::{
    Back, Database as _, MigrateError, MigrationFolder, Migrations, Migrator, Reversal,
    SqliteDatabase,
};

const UP: [(&str, &str); 3] = [
    (
        "1.sql",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x); INSERT INTO t VALUES (1, 'a'), (2, 'b');",
    ),
    (
        "2.sql",
        "CREATE TABLE u (t REFERENCES t (id) ON DELETE CASCADE); INSERT INTO u VALUES (1), (2);",
    ),
    ("3.sql", "ALTER TABLE t ADD COLUMN y;"),
];
const DOWN: [(&str, &str); 2] = [
    // As anybody writes it; a reference keeps its rows all the same.
    (
        "3.sql",
        "CREATE TABLE n (id INTEGER PRIMARY KEY, x); INSERT INTO n SELECT id, x FROM t;\n\
         -- clodo:allow drop-column it came with the migration\n\
         DROP TABLE t; ALTER TABLE n RENAME TO t; -- no more",
    ),
    ("2.sql", "-- clodo:allow drop-table it came with the migration\nDROP TABLE u"),
];

async fn migrated() -> SqliteDatabase {
    let database = SqliteDatabase::in_memory().await.unwrap();
    Migrator::new(&database).up(&files(&UP)).await.unwrap();
    database
}

async fn reversals(database: &SqliteDatabase, down: &[(&str, &str)], back: Back) -> Vec<Reversal> {
    let found = Migrator::new(database).reversals(&files(&UP), &files(down), &back).await;
    found.unwrap()
}

#[tokio::test]
async fn what_is_taken_back_is_pending_again_and_rows_that_refer_stay() {
    let database = migrated().await;
    let migrator = Migrator::new(&database);
    let back = reversals(&database, &DOWN, Back::To("1.sql".to_owned())).await;
    let names: Vec<&str> = back.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["3.sql", "2.sql"]);
    let plan = migrator.plan_down(&back).await.unwrap();
    assert!(plan[0].sql.contains("DELETE FROM \"d1_migrations\" WHERE name = '3.sql'"));
    assert_eq!(plan[0].rebuilds[0].keeps, ["u"]);
    let rebuilds = migrator.revert(&back[0]).await.unwrap();
    assert_eq!(rebuilds, plan[0].rebuilds);
    assert_eq!(rows(&database, "SELECT count(*) FROM u").await, [[2.into()]]);
    let status = migrator.status(&files(&UP)).await.unwrap();
    assert_eq!(status.pending().collect::<Vec<_>>(), ["3.sql"]);
    migrator.revert(&back[1]).await.unwrap();
    assert!(migrator.status(&files(&UP)).await.unwrap().problems.is_empty());
    assert_eq!(rows(&database, "SELECT count(*) FROM clodo_migrations").await, [[1.into()]]);
    // And forward again.
    let again = migrator.up(&files(&UP)).await.unwrap();
    assert_eq!(again.applied, ["2.sql", "3.sql"]);
}

#[tokio::test]
async fn one_step_is_the_last_one_and_more_than_there_are_is_all() {
    let database = migrated().await;
    let all = [DOWN[0], DOWN[1], ("1.sql", "-- clodo:allow drop-table all of it\nDROP TABLE t;")];
    for (steps, count) in [(1, 1), (2, 2), (9, 3)] {
        assert_eq!(reversals(&database, &all, Back::Steps(steps)).await.len(), count);
    }
    assert!(reversals(&database, &[], Back::To("3.sql".to_owned())).await.is_empty());
    let migrator = Migrator::new(&database);
    for reversal in reversals(&database, &all, Back::Steps(3)).await {
        migrator.revert(&reversal).await.unwrap();
    }
    assert_eq!(
        rows(&database, "SELECT name FROM sqlite_master WHERE name IN ('t', 'u')").await.len(),
        0
    );
}

#[tokio::test]
async fn nothing_is_taken_back_that_nobody_wrote_how_to() {
    let database = migrated().await;
    let migrator = Migrator::new(&database);
    let wanted = async |back| migrator.reversals(&files(&UP), &files(&DOWN), &back).await;
    let all = wanted(Back::Steps(3)).await.unwrap_err();
    assert!(matches!(&all, MigrateError::NoDown(name) if name == "1.sql"), "{all:?}");
    assert!(all.hint().unwrap().contains("down/1.sql"));
    let unknown = wanted(Back::To("7.sql".to_owned())).await.unwrap_err();
    assert!(matches!(unknown, MigrateError::Unknown(_)));
    // It would lose rows, and does not say that it may.
    let careless = [("3.sql", "DROP TABLE u;")];
    let back = reversals(&database, &careless, Back::Steps(1)).await;
    for refused in
        [migrator.plan_down(&back).await.map(|_| ()), migrator.revert(&back[0]).await.map(|_| ())]
    {
        assert!(matches!(refused, Err(MigrateError::Refused(_))), "{refused:?}");
    }
    // Files that disagree with the database first.
    let edited = [UP[0], UP[1], ("3.sql", "ALTER TABLE t ADD COLUMN z;")];
    let refused = migrator.reversals(&files(&edited), &files(&DOWN), &Back::Steps(1)).await;
    assert!(matches!(refused, Err(MigrateError::Problems(_))));
}

#[tokio::test]
async fn only_the_last_migration_goes_whoever_was_faster() {
    let database = migrated().await;
    let migrator = Migrator::new(&database);
    let back = reversals(&database, &DOWN, Back::Steps(2)).await;
    let out_of_turn = migrator.revert(&back[1]).await.unwrap_err();
    let said = "the last migration of the database was 2.sql and is 3.sql now";
    assert!(out_of_turn.to_string().ends_with(said), "{out_of_turn}");
    // A restore that began meanwhile, in the same moment for all that is known.
    let mark = "CREATE TABLE _clodo_restore (sha256, done);";
    database.script(mark).await.unwrap();
    let half = migrator.revert(&back[0]).await.unwrap_err();
    assert!(matches!(half, MigrateError::HalfRestored), "{half:?}");
    database.script("DROP TABLE _clodo_restore;").await.unwrap();
    assert_eq!(rows(&database, "SELECT count(*) FROM u").await, [[2.into()]]);
    migrator.revert(&back[0]).await.unwrap();
    migrator.revert(&back[0]).await.unwrap_err();
    let count = rows(&database, "SELECT count(*) FROM d1_migrations").await;
    assert_eq!(count, [[2.into()]]);
    // One that fails in the middle leaves everything.
    let broken = [("2.sql", "DELETE FROM u WHERE t = 1; INSERT INTO u VALUES (99);")];
    let back = reversals(&database, &broken, Back::Steps(1)).await;
    migrator.revert(&back[0]).await.unwrap_err();
    assert_eq!(rows(&database, "SELECT count(*) FROM u").await, [[2.into()]]);
    assert_eq!(rows(&database, "SELECT count(*) FROM d1_migrations").await, count);
}

#[tokio::test]
async fn what_wrangler_applied_is_taken_back_too() {
    let database = migrated().await;
    database.script("DROP TABLE clodo_migrations").await.unwrap();
    let back = reversals(&database, &DOWN, Back::Steps(1)).await;
    let migrator = Migrator::new(&database);
    assert!(migrator.plan_down(&back).await.unwrap()[0].sql.starts_with("CREATE TABLE IF NOT"));
    migrator.revert(&back[0]).await.unwrap();
    let when = migrator.applied_at("2.sql").await.unwrap().unwrap();
    assert!(when.len() == 19 && when.starts_with("20"), "{when}");
    assert_eq!(migrator.applied_at("3.sql").await.unwrap(), None);
}

#[test]
fn the_files_lie_in_a_folder_that_wrangler_does_not_look_into() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("down")).unwrap();
    std::fs::write(folder.path().join("1.sql"), "SELECT 1").unwrap();
    std::fs::write(folder.path().join("down/1.sql"), "SELECT 2").unwrap();
    let all = MigrationFolder::new(folder.path(), "m");
    let names = |files: Migrations| -> Vec<String> {
        files.files().iter().map(|file| file.path.display().to_string()).collect()
    };
    assert_eq!(names(all.read().unwrap()), ["m/1.sql"]);
    assert_eq!(names(all.read_down().unwrap()), ["m/down/1.sql"]);
}
