//! Which databases are meant, and where their migrations are.

use super::place::{Place, Source};
use crate::{args::WhereArgs, context::Context, failure, report::DatabaseName};
use clap::ValueEnum as _;
use clodo::TargetDatabase;
use clodo_cli::{CliError, GlobalArgs, Session};
use clodo_config::{Platform, Protection, Rules};
use clodo_db::{MigrationFolder, MigrationPattern, RECORDS};
use clodo_orchestrator::ResourceRef;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

pub(super) fn of_file(
    session: &Session,
    global: &GlobalArgs,
    file: &Path,
    migrations: Option<&Path>,
) -> Result<Place, CliError> {
    let folder = existing(session, global, migrations)?;
    let files = folder.read().map_err(failure::of_folder)?;
    Ok(Place {
        name: DatabaseName::of_file(file.to_owned(), folder.shown.clone()),
        folder,
        files: Arc::new(files),
        records: RECORDS.to_owned(),
        protection: Protection::None,
        in_production: false,
        source: Source::File(session.directory.join(file)),
    })
}

/// A folder of migrations that no config names; one that was given has to be there.
pub(crate) fn existing(
    session: &Session,
    global: &GlobalArgs,
    given: Option<&Path>,
) -> Result<MigrationFolder, CliError> {
    let folder = folder(session, global, given)?;
    if given.is_some() && !folder.path.is_dir() {
        let message = format!("there is no folder {}", folder.shown.display());
        return Err(
            CliError::usage(message).with_hint("`clodo-db new` makes it with its first file")
        );
    }
    Ok(folder)
}

/// A folder of migrations that no config names: as it was given, else `migrations` in the project. What is
/// given may end in a pattern: `prisma/migrations/*/migration.sql`.
pub(crate) fn folder(
    session: &Session,
    global: &GlobalArgs,
    given: Option<&Path>,
) -> Result<MigrationFolder, CliError> {
    let Some(given) = given else {
        let project = global.project.as_deref().unwrap_or(Path::new(""));
        let shown = project.join("migrations");
        return Ok(MigrationFolder::new(session.directory.join(&shown), shown));
    };
    let mut shown = PathBuf::new();
    let mut parts = given.components();
    // Behind the last folder that there is a sign is one of a pattern.
    while let Some(part) = parts.clone().next() {
        let is_pattern =
            part.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[{".contains(byte));
        if is_pattern && !session.directory.join(&shown).join(part).is_dir() {
            let glob = parts.as_path().to_string_lossy();
            let pattern = MigrationPattern::new(glob).map_err(|error| {
                let hint = "give a folder, or one with a pattern: 'DIR/*/migration.sql'";
                CliError::usage(error.to_string()).with_hint(hint)
            })?;
            let folder = MigrationFolder::new(session.directory.join(&shown), shown);
            return Ok(folder.with_pattern(pattern));
        }
        shown.push(part);
        parts.next();
    }
    Ok(MigrationFolder::new(session.directory.join(given), given))
}

/// The databases of the selected targets, as the files describe them.
pub(crate) fn described(
    context: &Context<'_>,
    args: &WhereArgs,
    platform: Platform,
) -> Result<Vec<TargetDatabase>, CliError> {
    let found = planned(context, args, platform)?;
    found.iter().try_for_each(TargetDatabase::expect_folder).map_err(failure::of_load)?;
    Ok(found)
}

/// The same, though the folders of their migrations may still have to be made.
pub(crate) fn planned(
    context: &Context<'_>,
    args: &WhereArgs,
    platform: Platform,
) -> Result<Vec<TargetDatabase>, CliError> {
    let selection = context.selection(args)?;
    let mut found =
        clodo::databases(&context.project, &selection, platform).map_err(failure::of_load)?;
    if let Some(binding) = &args.binding {
        found.retain(|database| database.binding.as_str() == binding);
    }
    if found.is_empty() {
        let message = match &args.binding {
            Some(binding) => format!("no selected service has a D1 database `{binding}`"),
            None => "no selected service has a D1 database".to_owned(),
        };
        let hint = "add one under `d1_databases` in its wrangler config, or give --sqlite FILE";
        return Err(CliError::usage(message).with_hint(hint));
    }
    Ok(found)
}

pub(super) fn of_targets(
    context: &Context<'_>,
    args: &WhereArgs,
    platform: Platform,
) -> Result<Vec<Place>, CliError> {
    let environments = context.project.portfolio().environments();
    let given = args.platform.and_then(|choice| choice.to_possible_value());
    let given = given.map(|value| value.get_name().to_owned());
    let place = |database: TargetDatabase| {
        let (target, binding) = (&database.target, database.binding.as_str());
        let id = match &database.resource {
            ResourceRef::Id(id) => Some(id.to_string()),
            ResourceRef::Name(_) => None,
        };
        let own = database.name.as_ref().map(ToString::to_string);
        let described = environments.get(&target.environment);
        Place {
            name: DatabaseName::of_target(target, binding, database.folder.shown.clone())
                .called(own, id)
                .on(given.clone()),
            files: Arc::clone(&database.migrations),
            records: database.records.clone(),
            folder: database.folder.clone(),
            protection: described.map_or(Protection::None, |environment| environment.protection),
            in_production: described.is_some_and(|one| one.rules == Rules::Production),
            source: Source::D1(Box::new(database)),
        }
    };
    Ok(described(context, args, platform)?.into_iter().map(place).collect())
}
