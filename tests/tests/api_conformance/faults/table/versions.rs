//! Versions, deployments, and the secrets that make versions.

use super::VERSION;
use crate::{
    cloud::{binding, hello, parsed},
    faults::{look::Look, write::Write},
};
use clodo_cf_api::{
    KnownBinding,
    secrets::{self, NewSecret},
    versions::{self, NewDeployment, VersionChange},
};
use clodo_types::Secret;

pub(super) const WRITES: &[Write] = &[
    Write::new(
        "POST /accounts/{account}/workers/scripts/{script}/versions",
        |w| {
            let upload = hello("three").with_message("the third").keeping_secrets();
            w.send(versions::upload_version(&w.account, &parsed("base"), &upload).unwrap())
        },
        &[Look::get("/accounts/{account}/workers/scripts/base/versions").part("/items")],
    )
    .twice(VERSION),
    Write::new(
        "PATCH /accounts/{account}/workers/workers/{worker}/versions/latest",
        |w| {
            let word = KnownBinding::PlainText { text: "patched".to_owned() };
            let change = VersionChange {
                bindings: [(binding("WORD"), Some(word.into()))].into(),
                message: Some("by patch".to_owned()),
                tag: None,
            };
            w.send(versions::patch_latest_version(&w.account, &parsed("latest"), &change))
        },
        &[Look::get("/accounts/{account}/workers/scripts/latest/versions").part("/items")],
    )
    .twice(VERSION),
    Write::new(
        "POST /accounts/{account}/workers/scripts/{script}/deployments",
        |w| {
            let new = NewDeployment::all_to(w.the("second"));
            w.send(versions::deploy(&w.account, &parsed("base"), &new))
        },
        // Each deployment is a line of the history; the first one is what serves.
        &[Look::get("/accounts/{account}/workers/scripts/base/deployments")
            .part("/deployments/0/versions")],
    ),
    Write::new(
        "DELETE /accounts/{account}/workers/scripts/{script}/deployments/{deployment}",
        |w| {
            let (worker, old) = (parsed("history"), w.the("old_deployment"));
            w.send(versions::delete_deployment(&w.account, &worker, &old))
        },
        &[Look::get("/accounts/{account}/workers/scripts/history/deployments")
            .part("/deployments")],
    ),
    Write::new(
        "PUT /accounts/{account}/workers/scripts/{script}/secrets",
        |w| {
            let new = NewSecret { name: parsed("KEY"), text: Secret::new("s") };
            w.send(secrets::put_secret(&w.account, &parsed("secrets-1"), &new))
        },
        &[
            Look::get("/accounts/{account}/workers/scripts/secrets-1/secrets"),
            Look::get("/accounts/{account}/workers/scripts/secrets-1/versions").part("/items"),
        ],
    )
    .twice(VERSION),
    Write::new(
        "DELETE /accounts/{account}/workers/scripts/{script}/secrets/{secret}",
        |w| w.send(secrets::delete_secret(&w.account, &parsed("secrets-2"), &parsed("OLD"))),
        &[
            Look::get("/accounts/{account}/workers/scripts/secrets-2/secrets"),
            Look::get("/accounts/{account}/workers/scripts/secrets-2/versions").part("/items"),
        ],
    ),
    Write::new(
        "PATCH /accounts/{account}/workers/scripts/{script}/secrets-bulk",
        |w| {
            let change = |name, text| (parsed(name), Some(Secret::new(text)));
            let changes = [change("ONE", "1"), change("TWO", "2")];
            w.send(secrets::patch_secrets(&w.account, &parsed("secrets-3"), &changes.into()))
        },
        &[
            Look::get("/accounts/{account}/workers/scripts/secrets-3/secrets"),
            Look::get("/accounts/{account}/workers/scripts/secrets-3/versions").part("/items"),
        ],
    )
    .twice(VERSION),
];
