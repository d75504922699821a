//! Workflows: their registration and versions.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    reply::{Answer, Reply},
    trigger,
};
use crate::events::Cron;
use crate::state::{
    ids::{Moment, random_uuid},
    model::Account,
    workflow::{Workflow, WorkflowVersion},
};
use bytes::Bytes;
use clodo_storage::{InstanceStatus, WorkflowRef, WorkflowSettings, workflow_duration};
use clodo_types::{Timestamp, WorkflowName};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// Cron expressions of a Workflow.
const MOST_SCHEDULES: usize = 10;
/// In microseconds.
const MINUTE: i64 = 60_000_000;
/// A year with a leap day.
const MINUTES_AHEAD: i64 = 366 * 24 * 60;

#[derive(Debug, Deserialize)]
struct Wire {
    #[serde(default)]
    script_name: String,
    #[serde(default)]
    class_name: String,
    limits: Option<LimitsWire>,
    concurrency: Option<ConcurrencyWire>,
    default_retention: Option<RetentionWire>,
    schedules: Option<Vec<ScheduleWire>>,
    jurisdiction: Option<String>,
}

#[derive(Debug, Deserialize)]
struct LimitsWire {
    steps: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct ConcurrencyWire {
    limit: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct RetentionWire {
    success_retention: Option<Value>,
    error_retention: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct ScheduleWire {
    cron: String,
}

impl RetentionWire {
    /// How long to keep an instance that went well, and one that failed, in milliseconds.
    pub(super) fn checked(&self) -> Result<(Option<u64>, Option<u64>), ApiError> {
        Ok((kept(self.success_retention.as_ref())?, kept(self.error_retention.as_ref())?))
    }
}

fn kept(span: Option<&Value>) -> Result<Option<u64>, ApiError> {
    let Some(span) = span.filter(|span| !span.is_null()) else { return Ok(None) };
    let valid = workflow_duration(span).filter(|span| !span.is_zero());
    let millis = valid.and_then(|span| u64::try_from(span.as_millis()).ok());
    let message = || invalid(format!("`{span}` is not a time to keep an instance"));
    millis.map(Some).ok_or_else(message)
}

/// What a registration asks for, checked.
struct Wanted {
    script: String,
    jurisdiction: Option<String>,
    schedules: Vec<String>,
    version: WorkflowVersion,
}

fn wanted(call: &Call, body: &[u8]) -> Result<Wanted, ApiError> {
    let wire: Wire = read_json(body)?;
    check_class(call.account()?, &wire.script_name, &wire.class_name)?;
    let steps = wire.limits.and_then(|limits| limits.steps);
    if steps.is_some_and(|steps| !(1..=WorkflowSettings::MOST_STEPS).contains(&steps)) {
        let most = WorkflowSettings::MOST_STEPS;
        return Err(invalid(format!("limits.steps must lie between 1 and {most}")));
    }
    let concurrency = wire.concurrency.and_then(|concurrency| concurrency.limit);
    if concurrency == Some(0) {
        return Err(invalid("concurrency.limit must be at least 1"));
    }
    let schedules: Vec<String> =
        wire.schedules.into_iter().flatten().map(|schedule| schedule.cron).collect();
    if schedules.len() > MOST_SCHEDULES {
        return Err(invalid(format!("a Workflow may have at most {MOST_SCHEDULES} schedules")));
    }
    schedules.iter().try_for_each(|cron| trigger::check(cron))?;
    let retention = wire.default_retention.unwrap_or_default();
    let (success_retention, error_retention) = retention.checked()?;
    Ok(Wanted {
        script: wire.script_name,
        jurisdiction: wire.jurisdiction,
        schedules,
        version: WorkflowVersion {
            id: random_uuid(),
            class: wire.class_name,
            created_on: call.state().now(),
            steps,
            concurrency,
            success_retention,
            error_retention,
        },
    })
}

/// The class of a Workflow must be one.
fn check_class(account: &Account, script: &str, class: &str) -> Result<(), ApiError> {
    let Some(worker) = account.workers.get(script) else {
        let message =
            format!("workflows.api.error.script_not_found: the Worker '{script}' does not exist");
        return Err(ApiError::not_found(10_007, message));
    };
    let exports =
        worker.latest().is_some_and(|latest| latest.workflows.iter().any(|own| own == class));
    if exports {
        return Ok(());
    }
    let message = format!(
        "workflows.api.error.class_not_found: the Worker '{script}' exports no class '{class}' \
         that extends WorkflowEntrypoint"
    );
    Err(ApiError::bad_request(10_021, message))
}

/// `GET /accounts/{account}/workflows?search=&page=&per_page=`
pub(super) async fn list(call: Call) -> Answer {
    let account = call.account()?;
    let search = call.query.get("search").unwrap_or_default().to_lowercase();
    let fits = |workflow: &&Arc<Workflow>| workflow.name.to_lowercase().contains(&search);
    let mut found: Vec<_> = account.workflows.values().filter(fits).collect();
    found.sort_by(|a, b| (a.created_on, &a.name).cmp(&(b.created_on, &b.name)));
    let mut all = Vec::new();
    for workflow in found {
        all.push(shown_with_counts(&call, workflow).await?);
    }
    Reply::page(&all, &call.query, 100)
}

/// `GET …/workflows/{workflow}`
pub(super) async fn get(call: Call) -> Answer {
    Reply::ok(&shown_with_counts(&call, workflow(&call)?).await?)
}

/// `PUT …/workflows/{workflow}`: makes it, or gives it a new version.
pub(super) async fn put(call: Call, body: Bytes) -> Answer {
    let name = checked_name(call.params.get("workflow")?)?;
    let account_id = call.account_id()?;
    let wanted = wanted(&call, &body)?;
    let _turn = call.state().scripts().lock(&format!("{account_id}/workflows")).await;
    let known = call.state().snapshot();
    let account = known.cloud.accounts.get(&account_id).ok_or_else(ApiError::forbidden)?;
    let known = account.workflows.get(name.as_str());
    if known.is_some_and(|known| {
        wanted.jurisdiction.is_some() && known.jurisdiction != wanted.jurisdiction
    }) {
        let message =
            "workflows.api.error.jurisdiction_immutable: it is set when a Workflow is made";
        return Err(ApiError::bad_request(10_209, message));
    }
    let changed = registered(known.map(AsRef::as_ref), &name, wanted);
    let at = reference(&changed, &account_id)?;
    let engine = &call.cx.data.workflows;
    engine.create(&at).await?;
    // Before anybody can see it: what runs instances looks at once.
    engine.configure(&at, &name, changed.engine_settings());
    let made = store(&call, account_id, changed).await?;
    call.cx.workers.changed(call.params.get("account")?);
    let mut shown = shown_with_counts(&call, &made).await?;
    shown["version_id"] = json!(made.latest().id);
    shown["is_deleted"] = json!(0);
    shown["terminator_running"] = json!(0);
    Reply::ok(&shown)
}

/// The Workflow as it is to be.
fn registered(known: Option<&Workflow>, name: &WorkflowName, wanted: Wanted) -> Workflow {
    let now = wanted.version.created_on;
    let mut workflow = known.cloned().unwrap_or_else(|| Workflow {
        id: random_uuid(),
        name: name.to_string(),
        script: String::new(),
        created_on: now,
        modified_on: now,
        jurisdiction: wanted.jurisdiction,
        schedules: Vec::new(),
        versions: Vec::new(),
    });
    workflow.script = wanted.script;
    workflow.schedules = wanted.schedules;
    workflow.modified_on = now;
    workflow.add(wanted.version);
    workflow
}

async fn store(
    call: &Call,
    account_id: String,
    workflow: Workflow,
) -> Result<Arc<Workflow>, ApiError> {
    call.state()
        .write(move |cloud, now| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let mut workflow = workflow;
            workflow.modified_on = now;
            let workflow = Arc::new(workflow);
            account.workflows.insert(workflow.name.clone(), Arc::clone(&workflow));
            Ok::<_, ApiError>(workflow)
        })
        .await
}

/// `DELETE …/workflows/{workflow}`: with all its instances.
pub(super) async fn delete(call: Call) -> Answer {
    let (account_id, name) = (call.account_id()?, workflow(&call)?.name.clone());
    let _turn = call.state().scripts().lock(&format!("{account_id}/workflows")).await;
    let owner = account_id.clone();
    let gone = call
        .state()
        .write(move |cloud, _| {
            let account = cloud.account_mut(&owner).ok_or_else(ApiError::forbidden)?;
            account.workflows.remove(&name).ok_or_else(missing)
        })
        .await?;
    call.cx.data.workflows.drop_workflow(&reference(&gone, &account_id)?).await?;
    Reply::ok(&json!({ "status": "ok", "success": true }))
}

/// `GET …/workflows/{workflow}/versions`: newest first.
pub(super) async fn versions(call: Call) -> Answer {
    let workflow = workflow(&call)?;
    let all: Vec<Value> =
        workflow.versions.iter().rev().map(|version| shown_version(workflow, version)).collect();
    Reply::page(&all, &call.query, 100)
}

/// `GET …/versions/{version}`
pub(super) async fn version(call: Call) -> Answer {
    let workflow = workflow(&call)?;
    Reply::ok(&shown_version(workflow, version_of(&call, workflow)?))
}

/// `GET …/versions/{version}/graph`: nobody draws one here.
pub(super) async fn graph(call: Call) -> Answer {
    let workflow = workflow(&call)?;
    let version = version_of(&call, workflow)?;
    Reply::ok(&json!({
        "id": version.id,
        "workflow_id": workflow.id,
        "class_name": version.class,
        "created_on": version.created_on.to_string(),
        "modified_on": version.created_on.to_string(),
        "graph": null,
    }))
}

fn version_of<'a>(call: &Call, workflow: &'a Workflow) -> Result<&'a WorkflowVersion, ApiError> {
    let found = workflow.version(call.params.get("version")?);
    found.ok_or_else(|| ApiError::not_found(10_300, "workflows.api.error.version.not_found"))
}

/// The Workflow of the path.
pub(super) fn workflow(call: &Call) -> Result<&Arc<Workflow>, ApiError> {
    call.account()?.workflows.get(call.params.get("workflow")?).ok_or_else(missing)
}

/// What the engine calls the Workflow of the path.
pub(super) fn at(call: &Call) -> Result<WorkflowRef, ApiError> {
    reference(workflow(call)?, call.params.get("account")?)
}

fn reference(workflow: &Workflow, account: &str) -> Result<WorkflowRef, ApiError> {
    workflow.reference(account).ok_or_else(|| ApiError::bad_identifier(account))
}

pub(super) fn missing() -> ApiError {
    ApiError::not_found(10_200, "workflows.api.error.workflow.not_found")
}

pub(super) fn invalid(text: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request(10_001, format!("workflows.api.error.invalid_body: {text}"))
}

fn checked_name(name: &str) -> Result<WorkflowName, ApiError> {
    name.parse().map_err(|error| invalid(format!("{error}")))
}

async fn shown_with_counts(call: &Call, workflow: &Workflow) -> Result<Value, ApiError> {
    let at = reference(workflow, call.params.get("account")?)?;
    let totals = call.cx.data.workflows.totals(&at).await?;
    let mut shown = shown(workflow, call.state().now());
    shown["instances"] = json!(counted(&totals.by_status));
    shown["triggered_on"] = json!(totals.newest.map(|at| Moment::at(at).to_string()));
    shown["script_deleted"] = json!(!call.account()?.workers.contains_key(&workflow.script));
    Ok(shown)
}

fn counted(counts: &BTreeMap<InstanceStatus, u64>) -> BTreeMap<&'static str, u64> {
    let count =
        |status| (InstanceStatus::as_str(status), counts.get(&status).copied().unwrap_or(0));
    InstanceStatus::ALL.into_iter().map(count).collect()
}

/// The next minute within a year at which an expression runs.
fn next_run(cron: &str, now: Moment) -> Option<String> {
    let parsed: Cron = cron.parse().ok()?;
    let this = now.micros() / MINUTE;
    let at = |minute: i64| Timestamp::from_millis(minute * MINUTE / 1_000);
    let next = (this + 1..=this + MINUTES_AHEAD).find(|minute| parsed.runs_at(at(*minute)))?;
    Some(Moment::at(at(next)).to_string())
}

fn shown(workflow: &Workflow, now: Moment) -> Value {
    let mut shown = json!({
        "id": workflow.id,
        "name": workflow.name,
        "class_name": workflow.latest().class,
        "script_name": workflow.script,
        "created_on": workflow.created_on.to_string(),
        "modified_on": workflow.modified_on.to_string(),
        "triggered_on": null,
    });
    if !workflow.schedules.is_empty() {
        let one = |cron: &String| json!({ "cron": cron, "next_instance": next_run(cron, now) });
        shown["schedules"] = workflow.schedules.iter().map(one).collect();
    }
    if let Some(jurisdiction) = &workflow.jurisdiction {
        shown["jurisdiction"] = json!(jurisdiction);
    }
    shown
}

fn shown_version(workflow: &Workflow, version: &WorkflowVersion) -> Value {
    let mut shown = json!({
        "id": version.id,
        "workflow_id": workflow.id,
        "class_name": version.class,
        "created_on": version.created_on.to_string(),
        "modified_on": version.created_on.to_string(),
        "has_dag": false,
        "language": "javascript",
    });
    if let Some(steps) = version.steps {
        shown["limits"] = json!({ "steps": steps });
    }
    if let Some(limit) = version.concurrency {
        shown["concurrency"] = json!({ "limit": limit });
    }
    if version.success_retention.is_some() || version.error_retention.is_some() {
        let (success, error) = (version.success_retention, version.error_retention);
        shown["default_retention"] =
            json!({ "success_retention": success, "error_retention": error });
    }
    shown
}
