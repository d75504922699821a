//! Read `wrangler.toml`, `wrangler.json` and `wrangler.jsonc` as wrangler reads them: the same
//! precedence of files, the same inheritance into environments, the same complaints.

mod worker_config;

pub use worker_config::{
    Assets, D1Database, DurableObject, KvNamespace, ModuleRule, NotFoundHandling, R2Bucket, Route,
    RunWorkerFirst, ServiceBinding, WorkerConfig,
};
