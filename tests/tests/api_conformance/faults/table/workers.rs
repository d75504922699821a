//! Workers, their settings, tails and files.

use super::VERSION;
use crate::{
    cloud::{hello, parsed},
    faults::{look::Look, prepared::manifest, write::Write},
};
use clodo_cf_api::{
    assets::{self, AssetUpload},
    tails,
    worker_settings::{self, ScriptSettings, SettingsChange},
    workers::{self, AccountSettings, NewWorker, Removal, WorkerChange},
};
use clodo_types::Secret;

const SCRIPTS: Look = Look::get("/accounts/{account}/workers/scripts").each("id");
const WORKERS: Look = Look::get("/accounts/{account}/workers/workers").each("name");
/// What lacks of the files, by the API's own word.
const LACKING: Look =
    Look::post("/accounts/{account}/workers/scripts/assets/assets-upload-session", "manifest")
        .part("/buckets");

pub(super) const WRITES: &[Write] = &[
    Write::new(
        "PUT /accounts/{account}/workers/scripts/{script}",
        |w| w.send(workers::put_script(&w.account, &parsed("made"), &hello("new")).unwrap()),
        &[SCRIPTS, Look::get("/accounts/{account}/workers/scripts/made/versions").part("/items")],
    )
    .twice(VERSION),
    Write::new(
        "PUT /accounts/{account}/workers/scripts/{script}/content",
        |w| w.send(workers::put_content(&w.account, &parsed("coded"), &hello("other"))),
        &[
            Look::get("/accounts/{account}/workers/scripts/coded/content/v2"),
            Look::get("/accounts/{account}/workers/scripts/coded/versions").part("/items"),
        ],
    )
    .twice(VERSION),
    Write::new(
        "PATCH /accounts/{account}/workers/scripts/{script}/settings",
        |w| {
            let change = SettingsChange {
                compatibility_flags: Some(vec!["nodejs_compat".into()]),
                ..SettingsChange::default()
            };
            w.send(worker_settings::patch_settings(&w.account, &parsed("set"), &change))
        },
        &[
            Look::get("/accounts/{account}/workers/scripts/set/settings"),
            Look::get("/accounts/{account}/workers/scripts/set/versions").part("/items"),
        ],
    )
    .twice(VERSION),
    Write::new(
        "PATCH /accounts/{account}/workers/scripts/{script}/script-settings",
        |w| {
            let change =
                ScriptSettings { tags: Some(vec!["a".into()]), ..ScriptSettings::default() };
            w.send(worker_settings::patch_script_settings(&w.account, &parsed("settled"), &change))
        },
        &[Look::get("/accounts/{account}/workers/scripts/settled/script-settings")],
    ),
    Write::new(
        "DELETE /accounts/{account}/workers/scripts/{script}",
        |w| w.send(workers::delete_script(&w.account, &parsed("doomed-script"), Removal::Forced)),
        &[WORKERS],
    ),
    Write::new(
        "DELETE /accounts/{account}/workers/services/{script}",
        |w| w.send(workers::delete_worker(&w.account, &parsed("doomed-service"), Removal::Forced)),
        &[WORKERS],
    ),
    Write::new(
        "POST /accounts/{account}/workers/workers",
        |w| w.send(workers::create_worker(&w.account, &NewWorker::named(parsed("bare")))),
        &[WORKERS],
    ),
    Write::new(
        "PATCH /accounts/{account}/workers/workers/{worker}",
        |w| {
            let change = WorkerChange { logpush: Some(true), ..WorkerChange::default() };
            w.send(workers::patch_worker(&w.account, &parsed("patched"), &change))
        },
        &[Look::get("/accounts/{account}/workers/workers/patched").part("/logpush")],
    ),
    Write::new(
        "PUT /accounts/{account}/workers/workers/{worker}",
        |w| {
            let mut to = NewWorker::named(parsed("replaced"));
            to.settings.logpush = Some(true);
            w.send(workers::put_worker(&w.account, &parsed("replaced"), &to))
        },
        &[Look::get("/accounts/{account}/workers/workers/replaced").part("/logpush")],
    ),
    Write::new(
        "DELETE /accounts/{account}/workers/workers/{worker}",
        |w| {
            let template = "/accounts/{account}/workers/workers/doomed-worker";
            w.send(w.removal(template))
        },
        &[WORKERS],
    ),
    Write::new(
        "PUT /accounts/{account}/workers/account-settings",
        |w| {
            let settings =
                AccountSettings { green_compute: Some(true), ..AccountSettings::default() };
            w.send(workers::put_account_settings(&w.account, &settings))
        },
        &[Look::get("/accounts/{account}/workers/account-settings")],
    ),
    Write::new(
        "POST /accounts/{account}/workers/assets/upload",
        |w| {
            let files = [file("hello", "html", "text/html")];
            let session = Secret::new(w.name("session"));
            w.send(assets::upload_bucket(&w.account, &session, &files).unwrap())
        },
        &[LACKING],
    ),
    Write::new(
        "POST /accounts/{account}/workers/assets/upload/{hash}",
        |w| {
            let session = Secret::new(w.name("session"));
            w.send(assets::upload_single(&w.account, &session, &file("a{}", "css", "text/css")))
        },
        &[LACKING],
    ),
    Write::new(
        "POST /accounts/{account}/workers/scripts/{script}/tails",
        |w| w.send(tails::create_tail(&w.account, &parsed("coded"), &[])),
        &[Look::get("/accounts/{account}/workers/scripts/coded/tails").each("id")],
    )
    .twice("a session that nobody listens to, which ends by itself"),
    Write::new(
        "DELETE /accounts/{account}/workers/scripts/{script}/tails/{tail}",
        |w| w.send(tails::delete_tail(&w.account, &parsed("base"), &w.the("doomed_tail"))),
        &[Look::get("/accounts/{account}/workers/scripts/base/tails").each("id")],
    ),
];

/// One of the [`manifest`].
fn file(text: &'static str, ending: &str, content_type: &str) -> AssetUpload {
    let hash = crate::assets::asset_hash(text, ending);
    debug_assert!(manifest().values().any(|entry| entry.hash == hash));
    AssetUpload { hash, content_type: Some(content_type.to_owned()), body: text.into() }
}
