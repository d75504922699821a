use crate::{
    args::TargetArgs,
    context::Context,
    failure,
    report::{FORMAT, TargetName},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::{Protection, SecretDeclaration, Sourced, Strategy, TargetSpec};
use clodo_types::{BindingName, Hostname, ServiceName};
use serde::Serialize;
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

#[derive(Serialize)]
struct ListDocument<'a> {
    version: u32,
    outcome: &'static str,
    portfolio: &'a str,
    services: Vec<&'a str>,
    environments: Vec<&'a str>,
    customers: Vec<&'a str>,
    targets: Vec<ListedTarget<'a>>,
}

/// A target as `clodo.toml` describes it.
#[derive(Serialize)]
struct ListedTarget<'a> {
    #[serde(flatten)]
    id: TargetName<'a>,
    path: Cow<'a, str>,
    health: Option<&'a str>,
    depends_on: &'a [ServiceName],
    domains: &'a [Hostname],
    protection: Protection,
    strategy: &'a Sourced<Strategy>,
    vars: &'a BTreeMap<BindingName, Sourced<Value>>,
    secrets: &'a [SecretDeclaration],
}

impl<'a> From<&'a TargetSpec> for ListedTarget<'a> {
    fn from(spec: &'a TargetSpec) -> Self {
        Self {
            id: (&spec.id).into(),
            path: spec.service_path.to_string_lossy(),
            health: spec.health.as_deref(),
            depends_on: &spec.depends_on,
            domains: &spec.domains,
            protection: spec.protection,
            strategy: &spec.strategy,
            vars: &spec.vars,
            secrets: &spec.secrets,
        }
    }
}

/// `clodo-deploy list`
pub(crate) fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &TargetArgs,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let portfolio = context.project.portfolio();
    let targets = portfolio.select(&context.selection(args)?);
    let targets = targets.map_err(|error| failure::of_load(error.into()))?;
    let document = ListDocument {
        version: FORMAT,
        outcome: "done",
        portfolio: portfolio.name().as_str(),
        services: portfolio.services().keys().map(|name| name.as_str()).collect(),
        environments: portfolio.environments().keys().map(|name| name.as_str()).collect(),
        customers: portfolio.customers().keys().map(|name| name.as_str()).collect(),
        targets: targets.iter().map(ListedTarget::from).collect(),
    };
    session.ui.document(&document)?;
    let mut text = String::new();
    let rows = [
        ("services", document.services.join(" ")),
        ("environments", document.environments.join(" ")),
        ("customers", document.customers.join(" ")),
    ];
    for (title, names) in rows {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{title:<14} {names}");
    }
    for target in &targets {
        let domains: Vec<&str> = target.domains.iter().map(|domain| domain.as_str()).collect();
        let row = format!("{:<32} {}", target.id.to_string(), domains.join(" "));
        let _ = writeln!(text, "{}", row.trim_end());
    }
    session.ui.text(text.trim_end())?;
    Ok(Exit::Done)
}
