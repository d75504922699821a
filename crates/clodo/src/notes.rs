use crate::{
    migrations::{self, Wanted},
    naming::Naming,
    services::Service,
};
use clodo_config::Platform;
use clodo_types::{Finding, Severity, TargetId};
use std::collections::BTreeMap;

/// What a person would be surprised by: parts of a wrangler config that are not taken as written.
pub(crate) fn of_target(
    target: &TargetId,
    service: &Service,
    naming: &Naming,
    platform: Platform,
) -> Vec<Finding> {
    let mut notes = Vec::new();
    let (shown, config) = (service.files.shown.display(), &service.files.config);
    if !naming.is_plain() && !config.routes.is_empty() {
        notes.push(note(
            "routes-not-used",
            format!("{shown}: `routes` do not count for {target}, or its neighbours would claim them too"),
            "put `routes` into a section of the wrangler config for the environment, or hostnames into `domains` in clodo.toml",
        ));
    }
    let databases = config.d1_databases.iter();
    let ids = databases.filter(|d| d.database_id.is_some()).map(|d| &d.binding);
    let namespaces = config.kv_namespaces.iter();
    let ids = ids.chain(namespaces.filter(|kv| kv.id.is_some()).map(|kv| &kv.binding));
    let ids: Vec<&str> = ids.map(|binding| binding.as_str()).collect();
    // On the local Cloudflare no id of the real one counts, and nobody expects it.
    if platform == Platform::Cloudflare && !naming.is_plain() && !ids.is_empty() {
        notes.push(note(
            "id-not-used",
            format!(
                "{shown}: the id of {} does not count for {target}, which has resources of its own",
                ids.join(", ")
            ),
            "put ids into a section of the wrangler config for the environment",
        ));
    }
    notes
}

/// Migrations that run on more than one database, which a default folder makes easy to overlook.
pub(crate) fn of_service(service: &Service) -> Vec<Finding> {
    let (shown, config) = (service.files.shown.display(), &service.files.config);
    let mut folders: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for database in &config.d1_databases {
        folders.entry(migrations::wanted(database)).or_default().push(database.binding.as_str());
    }
    let filled =
        |wanted: &Wanted| service.migrations.get(wanted).is_some_and(|files| !files.is_empty());
    let shared = folders.into_iter().filter(|(wanted, all)| all.len() > 1 && filled(wanted));
    let note = |((folder, _), all): (Wanted, Vec<&str>)| {
        note(
            "migrations-shared",
            format!(
                "{shown}: the migrations in `{}` go to {}",
                folder.display(),
                all.join(" and ")
            ),
            "give each database a `migrations_dir` of its own, unless that is meant",
        )
    };
    shared.map(note).collect()
}

fn note(rule: &str, message: String, hint: &str) -> Finding {
    let (rule, hint) = (rule.to_owned(), Some(hint.to_owned()));
    Finding { rule, severity: Severity::Note, at: None, message, hint }
}
