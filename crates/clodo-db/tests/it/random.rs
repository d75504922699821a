//! Random schemas with rows, and migrations of them: nothing is lost that the file does not name.

use clodo_db::{
    Database as _, MigrateError, Migrator, SqliteDatabase,
    conformance::{Migrated, answers, migration},
};
use clodo_schema_fixture::{Case, Kind, case};
use proptest::prelude::{ProptestConfig, proptest};

async fn check(case: &Case) {
    let database = SqliteDatabase::in_memory().await.unwrap();
    let (schema, file) = (case.schema(), case.migration());
    let questions = case.questions().into_iter().map(|one| (one.before, one.after));
    let questions: Vec<(String, String)> = questions.collect();
    let twin = SqliteDatabase::in_memory().await.unwrap();
    twin.script(&schema).await.unwrap();
    let all = crate::applying::files(&[("1.sql", &file)]);
    let plan = Migrator::new(&twin).plan(&all).await;
    let Migrated { result, before, after } =
        migration(&database, (&schema, &file), &questions).await;
    let verdict = case.judge(&before, &after);
    let told = || format!("{result:?}\n{}\n{schema}\n{file}", verdict.told.join("\n"));
    assert!(verdict.kept(), "{}", told());
    match &result {
        Ok(report) if case.kind.rebuilds() => assert_eq!(report.rebuilds.len(), case.at.len()),
        Ok(_) => assert_ne!(case.kind, Kind::Renaming, "{}", told()),
        // What takes rows along is refused, or breaks a reference.
        Err(MigrateError::Refused(_) | MigrateError::Failed { .. }) if case.kind.is_careless() => {}
        Err(_) => panic!("{}", told()),
    }
    // What no statement names is found to be so, and all that is found is compared.
    if let (Ok(plan), Ok(_)) = (plan, &result) {
        let frozen = plan.untouched().freeze(&twin).await.unwrap();
        let changed = plan.untouched().changed(&database, &frozen).await.unwrap();
        assert!(changed.is_empty(), "{changed:?}\n{}", told());
    }
    let sound = answers(&database, ["PRAGMA integrity_check"].into_iter()).await;
    assert_eq!(sound, [Ok(vec!["ok".to_owned()])], "{}", told());
}

/// Fewer where many run; `cargo xtask safety` runs them all.
#[expect(clippy::disallowed_methods, reason = "how many is for who runs the tests to say")]
pub(crate) fn cases() -> u32 {
    std::env::var("CLODO_SAFETY_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]
    #[test]
    fn a_random_schema_keeps_its_rows_whatever_a_migration_does(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(check(&case));
    }
}
