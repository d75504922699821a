use crate::{args::TargetArgs, context::Context, failure, report::FORMAT};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::TargetSpec;
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
struct ListDocument<'a> {
    version: u32,
    outcome: &'static str,
    portfolio: &'a str,
    services: Vec<&'a str>,
    environments: Vec<&'a str>,
    customers: Vec<&'a str>,
    targets: &'a [TargetSpec],
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
        targets: &targets,
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
        let _ = writeln!(text, "{:<32} {}", target.id.to_string(), domains.join(" "));
    }
    session.ui.text(text.trim_end())?;
    Ok(Exit::Done)
}
