use super::{Draft, migration_id};
use crate::{
    desired::DesiredTarget,
    migration::{AppliedMigration, MigrationFile},
    plan::{Action, Migration, PlannedStep},
    resource::{DatabaseRef, DesiredDatabase, ResourceRef},
};
use clodo_saga::StepId;
use clodo_types::{Finding, Location, Severity};

pub(crate) fn name_of(database: &DatabaseRef) -> String {
    match database {
        ResourceRef::Name(name) => name.to_string(),
        ResourceRef::Id(id) => id.to_string(),
    }
}

/// Plans the files that the database does not have yet, one after the other, and returns the last.
pub(super) fn plan_migrations(
    draft: &mut Draft<'_>,
    target: &DesiredTarget,
    database: &DesiredDatabase,
    created: Option<&StepId>,
) -> Option<StepId> {
    let account = draft.observed.accounts.get(&target.id.account)?;
    let known = match &database.resource {
        ResourceRef::Name(name) => account.databases.get(name),
        ResourceRef::Id(id) => account.database_by_id(id),
    };
    let applied = known.map_or(&[][..], |known| known.applied.as_slice());
    let name = name_of(&database.resource);
    object(draft, &name, &database.migrations, applied);
    let mut last = created.cloned();
    let mut added = None;
    for file in &database.migrations {
        let migration = Migration {
            account: target.id.account.clone(),
            database: database.resource.clone(),
            table: database.migrations_table.clone(),
            file: file.clone(),
        };
        let id = migration_id(&migration);
        let is_there = applied.iter().any(|done| done.name == file.name);
        if is_there && !draft.was_interrupted(&id) {
            continue;
        }
        draft.add(PlannedStep {
            id: id.clone(),
            target: None,
            action: Action::Migrate(migration),
            needs: last.into_iter().collect(),
            summary: format!("apply migration {} to database {name}", file.name),
            details: Vec::new(),
        });
        last = Some(id.clone());
        added = Some(id);
    }
    added
}

fn object(
    draft: &mut Draft<'_>,
    database: &str,
    files: &[MigrationFile],
    applied: &[AppliedMigration],
) {
    for done in applied {
        match files.iter().find(|file| file.name == done.name) {
            Some(file) if done.checksum.is_some_and(|known| known != file.checksum) => {
                draft.findings.push(edited(database, file));
            }
            None if !files.is_empty() => draft.object(
                "migration-missing",
                Severity::Note,
                format!("database {database} has migration {}, which has no file", done.name),
                "bring the file back: a new database would be made without it",
            ),
            _ => {}
        }
    }
    let Some(newest) = files.iter().rposition(|f| applied.iter().any(|a| a.name == f.name)) else {
        return;
    };
    for file in &files[..newest] {
        if !applied.iter().any(|done| done.name == file.name) {
            draft.object(
                "migration-out-of-order",
                Severity::Note,
                format!("{} will run on database {database} after later ones did", file.name),
                "give it a number after the newest applied migration",
            );
        }
    }
}

fn edited(database: &str, file: &MigrationFile) -> Finding {
    Finding {
        rule: "migration-edited".into(),
        severity: Severity::Block,
        at: Some(Location::of_offset(&file.path, &file.sql, 0)),
        message: format!("{} was changed after database {database} had applied it", file.name),
        hint: Some("restore the file as it was, and put the change into a new migration".into()),
    }
}
