use super::Parts;
use crate::load_error::{LoadError, LoadErrorKind};
use clodo_orchestrator::DesiredWorkflow;
use clodo_types::{BindingName, WorkerName, WorkflowName};
use serde_json::Value;

/// What a registration may say that wrangler 4.164 knows and does not send; nobody has seen what
/// Cloudflare makes of it.
const NOT_YET: [&str; 4] = ["concurrency", "default_retention", "jurisdiction", "schedules"];

/// The Workflows of a wrangler config, called as this portfolio calls them. wrangler's own checks have
/// seen the entries: one without a name is not among them.
pub(super) fn workflows(parts: &Parts<'_>) -> Result<Vec<DesiredWorkflow>, LoadError> {
    let entries = parts.files.config.other.get("workflows").and_then(Value::as_array);
    entries.into_iter().flatten().filter_map(|entry| workflow(parts, entry).transpose()).collect()
}

fn workflow(parts: &Parts<'_>, entry: &Value) -> Result<Option<DesiredWorkflow>, LoadError> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let (Some(binding), Some(name), Some(class)) =
        (text("binding"), text("name"), text("class_name"))
    else {
        return Ok(None);
    };
    let refused = |what: &str| {
        let message = format!("{}: Workflow `{name}`: {what}", parts.shown());
        LoadError::new(LoadErrorKind::Config, message)
    };
    let unnamable = |error| parts.unnamable(error);
    let binding: BindingName = binding.parse().map_err(unnamable)?;
    let own: WorkflowName = name.parse().map_err(unnamable)?;
    if let Some(key) = NOT_YET.iter().find(|key| entry.get(**key).is_some()) {
        let hint = "set it with wrangler, or remove the key";
        return Err(refused(&format!("`{key}` cannot be deployed by Clodo yet")).with_hint(hint));
    }
    let holder: Option<WorkerName> =
        text("script_name").map(str::parse).transpose().map_err(unnamable)?;
    let holder = holder.map(|holder| (parts.worker_of)(&holder, None)).transpose()?;
    let worker = holder.filter(|holder| holder != parts.naming.worker());
    let limits = entry.get("limits");
    if limits.is_some() && worker.is_some() {
        // As wrangler has it.
        let hint = "move them to the Worker that has the class";
        return Err(refused("`limits` belong to another Worker's class").with_hint(hint));
    }
    let steps = limits.and_then(|limits| limits.get("steps")).map(|steps| {
        let steps = steps.as_u64().and_then(|steps| u32::try_from(steps).ok());
        steps.ok_or_else(|| refused("`limits.steps` must be a whole number"))
    });
    Ok(Some(DesiredWorkflow {
        binding,
        name: parts.naming.workflow(&own).map_err(unnamable)?,
        class_name: class.to_owned(),
        worker,
        steps: steps.transpose()?,
    }))
}
