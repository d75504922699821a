//! Cloudflare's v4 API on loopback, as an axum router over the durable state.

mod analytics;
mod assets;
mod bindings;
mod call;
mod content;
mod control;
mod d1;
mod d1_transfer;
mod d1_travel;
mod deployments;
mod dns;
mod dns_import;
mod dns_records;
mod domains;
mod durable_objects;
mod error;
mod form_fields;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod gate;
mod graphql;
mod holdings;
mod identity;
mod jobs;
mod kv;
mod kv_values;
mod log;
mod queue_consumers;
mod queue_messages;
mod queues;
mod r2;
mod r2_domains;
mod r2_notifications;
mod r2_objects;
mod r2_public;
mod r2_settings;
mod reply;
mod router;
mod routes;
mod scripts;
mod secrets;
mod settings;
mod show;
mod table;
mod tails;
mod tokens;
mod transfers;
mod trigger;
mod upload;
mod versions;
mod workers;
mod workflow_instances;
mod workflow_steps;
mod workflows;
mod zone_file;
mod zones;

pub(crate) use error::ApiError;
#[cfg(any(test, feature = "fuzzing"))]
pub use fuzzing::upload_forms;
pub use log::{RequestCount, RequestLog};
pub(crate) use r2_public::objects_router;
pub use router::{api_routes, router};
pub use table::ApiRoute;

use crate::{
    analytics::{Recorder, Store},
    faults::FaultBook,
    levers::Levers,
    limits::{Budgets, LateWorkers},
    observed::Observed,
    state::State,
    tail::TailHub,
};
use clodo_storage::{Data, StorageObserver};
use clodo_types::Clock;
use clodo_workerd::{Dispatch, Observer, Workers};
use jobs::Jobs;
use std::sync::Arc;
use tokens::TokensUsed;
use transfers::Transfers;

/// What the API works with.
#[derive(Debug)]
pub struct ApiContext {
    pub(crate) state: State,
    pub(crate) workers: Arc<dyn Workers>,
    pub(crate) data: Data,
    pub(crate) log: Arc<RequestLog>,
    pub(crate) transfers: Transfers,
    pub(crate) jobs: Jobs,
    pub(crate) tails: Arc<TailHub>,
    pub(crate) dispatch: Option<Arc<dyn Dispatch>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) budgets: Arc<Budgets>,
    pub(crate) faults: Arc<FaultBook>,
    pub(crate) tokens_used: TokensUsed,
    recorder: Arc<Recorder>,
    pub(crate) figures: Store,
}

impl ApiContext {
    /// Puts the API together. The request log (`requests.jsonl`) and files in transfer lie in the
    /// state's folder.
    #[must_use]
    pub fn new(state: State, workers: Arc<dyn Workers>, data: Data, clock: Arc<dyn Clock>) -> Self {
        let figures = Store::at(state.folder().join("analytics.sqlite"), Arc::clone(&clock));
        let recorder = Arc::new(Recorder::new(figures.clone()));
        data.observe(Arc::clone(&recorder) as Arc<dyn StorageObserver>);
        let log = RequestLog::at(state.folder().join("requests.jsonl"), Arc::clone(&clock));
        let late = LateWorkers::new(workers, state.clone(), Arc::clone(&clock));
        let transfers = Transfers::new(state.clone());
        let tails = Arc::new(TailHub::new(state.clone()));
        Self {
            state,
            workers: Arc::new(late),
            data,
            log: Arc::new(log),
            transfers,
            jobs: Jobs::default(),
            tails,
            dispatch: None,
            clock,
            budgets: Arc::default(),
            faults: Arc::default(),
            tokens_used: TokensUsed::default(),
            recorder,
            figures,
        }
    }

    /// With something that runs Workers for cron triggers on demand.
    #[must_use]
    pub fn with_dispatch(self, dispatch: Arc<dyn Dispatch>) -> Self {
        Self { dispatch: Some(dispatch), ..self }
    }

    /// What makes this cloud worse on purpose, and what can be counted.
    pub(crate) fn levers(&self) -> Levers {
        Levers {
            state: self.state.clone(),
            budgets: Arc::clone(&self.budgets),
            faults: Arc::clone(&self.faults),
            log: Arc::clone(&self.log),
        }
    }

    /// Hears what Workers do, for tails and analytics.
    #[must_use]
    pub fn observer(&self) -> Arc<dyn Observer> {
        Arc::new(Observed {
            tails: Arc::clone(&self.tails),
            workers: Arc::downgrade(&self.workers),
            recorder: Arc::clone(&self.recorder),
        })
    }

    /// How many calls there were.
    #[must_use]
    pub fn log(&self) -> &RequestLog {
        &self.log
    }
}
