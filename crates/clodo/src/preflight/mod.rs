//! Looks, before anything is written, at what would make a deployment fail in the middle.

mod domains;
mod reach;
mod token;

use crate::platform::UrlStyle;
use async_trait::async_trait;
use clodo_cf_api::Client;
use clodo_http::HttpService;
use clodo_orchestrator::{Action, Change, Desired, Gate, Plan, WorkerRef};
use clodo_types::{AccountId, AccountName, Clock, Finding, Hostname, Severity};
use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    sync::Arc,
};

/// How many questions are asked side by side.
const AT_ONCE: usize = 6;

/// How closely to look before a deployment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PreflightLevel {
    /// At what planning shows: files, tools, access to the account, zones, claims of other Workers,
    /// secrets, migrations. Costs no call.
    #[default]
    Basic,
    /// Also at the token (its end, its permissions) and at DNS records in the way of new domains.
    Standard,
    /// Also whether what serves now can be reached, certificates included.
    Comprehensive,
}

/// No level has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a level is `basic`, `standard` or `comprehensive`")]
pub struct PreflightLevelError;

impl FromStr for PreflightLevel {
    type Err = PreflightLevelError;

    fn from_str(text: &str) -> Result<Self, PreflightLevelError> {
        match text {
            "basic" => Ok(Self::Basic),
            "standard" => Ok(Self::Standard),
            "comprehensive" => Ok(Self::Comprehensive),
            _ => Err(PreflightLevelError),
        }
    }
}

/// Refuses a deployment of which it is known that it would fail, and notes what could not be found
/// out: a token need not be allowed to read itself or DNS records.
#[derive(Clone, Debug)]
pub struct Preflight {
    level: PreflightLevel,
    client: Client,
    accounts: BTreeMap<AccountName, AccountId>,
    style: UrlStyle,
    http: Arc<dyn HttpService>,
    clock: Arc<dyn Clock>,
}

impl Preflight {
    /// Asks the API through `client`, and the targets themselves through `http`.
    #[must_use]
    pub fn new(
        level: PreflightLevel,
        client: Client,
        accounts: BTreeMap<AccountName, AccountId>,
        style: UrlStyle,
        http: Arc<dyn HttpService>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { level, client, accounts, style, http, clock }
    }
}

#[async_trait]
impl Gate for Preflight {
    async fn check(&self, plan: &Plan, _: &Desired) -> Vec<Finding> {
        if self.level == PreflightLevel::Basic || plan.is_empty() {
            return Vec::new();
        }
        let mut findings = self.token(plan).await;
        findings.extend(self.domains(plan).await);
        if self.level == PreflightLevel::Comprehensive {
            findings.extend(self.reach(plan).await);
        }
        findings
    }
}

/// The hostnames that each Worker is to have after the deployment, where they change.
fn changed_domains(plan: &Plan) -> Vec<(&WorkerRef, &BTreeSet<Hostname>)> {
    let changes = plan.steps().iter().filter_map(|step| match &step.action {
        Action::Change(Change::SetDomains { worker, to }) => Some((worker, to)),
        _ => None,
    });
    changes.collect()
}

fn note(rule: &str, message: String, hint: &str) -> Finding {
    finding(Severity::Note, rule, message, hint)
}

fn block(rule: &str, message: String, hint: &str) -> Finding {
    finding(Severity::Block, rule, message, hint)
}

fn finding(severity: Severity, rule: &str, message: String, hint: &str) -> Finding {
    Finding { rule: rule.to_owned(), severity, at: None, message, hint: Some(hint.to_owned()) }
}
