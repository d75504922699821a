//! The same random schemas and migrations in every way there is to migrate: by SQLite in this
//! process, on the local Cloudflare's D1 through the API, from a Worker on workerd, and by
//! `wrangler d1 migrations apply` beside them. What the file does not name must be there afterwards.
//!
//! `cargo xtask safety` runs them all and prints the table that docs/migrations.md has.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cloud;
mod copies;
mod judged;
mod report;
mod ways;
mod worker;
mod wrangler;

use clodo_schema_fixture::cases;
use cloud::Cloud;
use report::Report;

/// How many cases a way gets, unless who runs the tests says otherwise.
#[expect(clippy::disallowed_methods, reason = "how many is for who runs the tests to say")]
fn count(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test]
async fn no_row_is_lost_on_d1_through_the_api() {
    let cloud = Cloud::start();
    ways::by_api(&cloud, &cases(40)).await.assert_nothing_is_lost();
}

#[tokio::test]
async fn no_row_is_lost_through_the_binding_of_a_worker() {
    let cloud = Cloud::start();
    ways::by_worker(&cloud, &cases(30)).await.assert_nothing_is_lost();
}

#[tokio::test]
async fn the_binding_of_a_worker_is_a_database() {
    let cloud = Cloud::start();
    let database = cloud.bound(1).await.remove(0);
    clodo_db::conformance::database(&database).await;
}

/// The oracle finds what is lost, so that finding nothing elsewhere means something.
#[tokio::test]
async fn wrangler_loses_rows_in_the_same_set() {
    let mut losing = Vec::new();
    for case in cases(100) {
        if ways::as_it_is(std::slice::from_ref(&case)).await.rows() > 0 {
            losing.push(case);
        }
    }
    losing.truncate(2);
    let expected = ways::as_it_is(&losing).await;
    let found = tokio::task::spawn_blocking(move || wrangler::by_wrangler(&losing)).await.unwrap();
    assert_eq!((found.cases(), found.rows()), (2, expected.rows()), "{found}");
}

/// For `cargo xtask safety`: minutes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "for `cargo xtask safety`"]
async fn the_same_set_in_every_way() {
    let all = cases(count("CLODO_SAFETY_CASES", 500));
    let theirs = count("CLODO_SAFETY_WRANGLER", 100).min(all.len());
    let cloud = Cloud::start();
    let mut report = Report::default();
    report.add("the file as it is, on SQLite", ways::as_it_is(&all).await);
    report.add("Clodo on SQLite", ways::by_sqlite(&all).await);
    report.add("Clodo on D1", ways::by_api(&cloud, &all).await);
    report.add("Clodo from a Worker", ways::by_worker(&cloud, &all).await);
    // The rest takes many times as long.
    println!("{report}");
    let few = all[..theirs].to_vec();
    let theirs = tokio::task::spawn_blocking(move || wrangler::by_wrangler(&few)).await.unwrap();
    report.add(wrangler::NAME, theirs);
    println!("{report}");
    report.assert_clodo_loses_nothing();
}
