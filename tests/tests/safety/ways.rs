use crate::{
    cloud::Cloud,
    judged::{Fate, Tally},
};
use clodo_db::{
    Database, SqliteDatabase,
    conformance::{Migrated, answers, migration},
};
use clodo_schema_fixture::Case;

/// How many databases one Worker has.
const BOUND: usize = 50;

pub(crate) async fn by_sqlite(cases: &[Case]) -> Tally {
    let mut tally = Tally::default();
    for case in cases {
        let database = SqliteDatabase::in_memory().await.unwrap();
        carry_out(&database, case, &mut tally).await;
    }
    tally
}

/// Each file as it is, in one transaction: what D1 does with it when nobody looks.
pub(crate) async fn as_it_is(cases: &[Case]) -> Tally {
    let mut tally = Tally::default();
    for case in cases {
        let database = SqliteDatabase::in_memory().await.unwrap();
        database.script(&case.schema()).await.unwrap();
        let questions = questions(case);
        let first = || questions.iter().map(|(before, _)| before.as_str());
        let before = answers(&database, first()).await;
        match database.script(&case.migration()).await {
            Ok(()) => {
                let second = questions.iter().map(|(_, after)| after.as_str());
                let verdict = case.judge(&before, &answers(&database, second).await);
                tally.add(case, (Fate::Applied, String::new()), &verdict);
            }
            Err(error) => {
                let verdict = case.judge(&before, &answers(&database, first()).await);
                tally.add(case, (Fate::Failed, error.to_string()), &verdict);
            }
        }
    }
    tally
}

pub(crate) async fn by_api(cloud: &Cloud, cases: &[Case]) -> Tally {
    let mut tally = Tally::default();
    for case in cases {
        let database = cloud.d1(cloud.create().await);
        carry_out(&database, case, &mut tally).await;
    }
    tally
}

pub(crate) async fn by_worker(cloud: &Cloud, cases: &[Case]) -> Tally {
    let mut tally = Tally::default();
    for cases in cases.chunks(BOUND) {
        for (database, case) in cloud.bound(cases.len()).await.iter().zip(cases) {
            carry_out(database, case, &mut tally).await;
        }
    }
    tally
}

/// What is asked, before and after.
pub(crate) fn questions(case: &Case) -> Vec<(String, String)> {
    case.questions().into_iter().map(|one| (one.before, one.after)).collect()
}

async fn carry_out(database: &dyn Database, case: &Case, tally: &mut Tally) {
    let (schema, file, questions) = (case.schema(), case.migration(), questions(case));
    let Migrated { result, before, after } =
        migration(database, (&schema, &file), &questions).await;
    let why = result.as_ref().err().map(|error| format!("{error:?}")).unwrap_or_default();
    tally.add(case, (Fate::of(&result), why), &case.judge(&before, &after));
}
