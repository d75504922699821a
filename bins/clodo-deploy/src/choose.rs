//! Asks a person at a terminal which targets are meant, when nobody named any.

use crate::{args::TargetArgs, context::Context, failure};
use clodo::LoadError;
use clodo_cli::{CliError, OutputMode};
use clodo_config::Selection;
use clodo_types::{EnvironmentName, TargetId};
use std::collections::BTreeSet;

/// Whether the words name any targets; an environment alone does.
fn names_any(args: &TargetArgs) -> bool {
    let TargetArgs { services, environments, customers, domain, platform: _ } = args;
    !services.is_empty() || !environments.is_empty() || !customers.is_empty() || domain.is_some()
}

/// Narrows `selection` to what a person picks: first the environment, then targets of it. Asks
/// nobody when something was named, with `--yes`, with `--json`, without a terminal, and where there
/// is nothing to choose from.
///
/// # Errors
/// Exit 130 when the person would rather not, exit 2 when no target is picked.
pub(crate) fn choose(
    context: &Context<'_>,
    args: &TargetArgs,
    yes: bool,
    mut selection: Selection,
) -> Result<Selection, CliError> {
    let ui = &context.session.ui;
    let is_asked = ui.is_interactive() && ui.mode() == OutputMode::Text && !yes;
    if names_any(args) || !is_asked {
        return Ok(selection);
    }
    selection.environments = vec![environment(context)?];
    let specs = context.project.portfolio().select(&selection);
    let specs = specs.map_err(|error| failure::of_load(LoadError::from(error)))?;
    let targets: Vec<TargetId> = specs.into_iter().map(|spec| spec.id).collect();
    if targets.len() < 2 {
        return Ok(selection);
    }
    let shown: Vec<String> = targets.iter().map(ToString::to_string).collect();
    let picked = ui.pick_several("Targets", &shown, "--yes")?;
    if picked.is_empty() {
        return Err(CliError::usage("no target is chosen, and nothing was done")
            .with_hint("Space takes the marked one in, `a` all of them"));
    }
    let is_all = picked.len() == targets.len();
    let picked: BTreeSet<TargetId> = picked.into_iter().map(|at| targets[at].clone()).collect();
    if let Some(words) = words(&picked, &targets) {
        ui.say(&format!("The same without questions: clodo-deploy deploy {words}"));
    }
    if !is_all {
        selection.only = picked;
    }
    Ok(selection)
}

fn environment(context: &Context<'_>) -> Result<EnvironmentName, CliError> {
    let mut names: Vec<&EnvironmentName> =
        context.project.portfolio().environments().keys().collect();
    // The one that is meant when nobody says any other comes first.
    names.sort_by_key(|name| name.as_str() != "development");
    let shown: Vec<String> = names.iter().map(ToString::to_string).collect();
    let at = match shown.len() {
        1 => 0,
        _ => context.session.ui.pick("Environment", &shown, "--env")?,
    };
    Ok(names[at].clone())
}

/// The words that mean the same targets, where there are such: services and customers multiply.
fn words(picked: &BTreeSet<TargetId>, all: &[TargetId]) -> Option<String> {
    let services: BTreeSet<_> = picked.iter().map(|id| &id.service).collect();
    let customers: BTreeSet<_> = picked.iter().map(|id| &id.customer).collect();
    let meant =
        all.iter().filter(|id| services.contains(&id.service) && customers.contains(&id.customer));
    if meant.count() != picked.len() {
        return None;
    }
    let environment = &picked.first()?.environment;
    let every = |of: fn(&TargetId) -> String| all.iter().map(of).collect::<BTreeSet<_>>().len();
    let mut words = format!("--env {environment}");
    let all_customers = customers.len()
        == every(|id| id.customer.as_ref().map(ToString::to_string).unwrap_or_default());
    for customer in customers.into_iter().flatten().filter(|_| !all_customers) {
        words += &format!(" --customer {customer}");
    }
    let all_services = services.len() == every(|id| id.service.to_string());
    for service in services.into_iter().filter(|_| !all_services) {
        words += &format!(" {service}");
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(service: &str, customer: Option<&str>) -> TargetId {
        TargetId {
            service: service.parse().unwrap(),
            environment: "staging".parse().unwrap(),
            customer: customer.map(|name| name.parse().unwrap()),
            account: "main".parse().unwrap(),
        }
    }

    #[test]
    fn what_was_picked_is_said_in_words_where_words_can_say_it() {
        let all: Vec<TargetId> = ["web", "orders"]
            .into_iter()
            .flat_map(|service| [id(service, Some("acme")), id(service, Some("globex"))])
            .collect();
        let said = |at: &[usize]| {
            let picked = at.iter().map(|at| all[*at].clone()).collect();
            words(&picked, &all)
        };
        assert_eq!(said(&[0, 1, 2, 3]).as_deref(), Some("--env staging"));
        assert_eq!(said(&[0, 2]).as_deref(), Some("--env staging --customer acme"));
        assert_eq!(said(&[2, 3]).as_deref(), Some("--env staging orders"));
        assert_eq!(said(&[1]).as_deref(), Some("--env staging --customer globex web"));
        assert_eq!(said(&[0, 3]), None);
        let plain = [id("web", None), id("orders", None)];
        let picked = [plain[0].clone()].into_iter().collect();
        assert_eq!(words(&picked, &plain).as_deref(), Some("--env staging web"));
    }
}
