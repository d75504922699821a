//! Each database as it is, and what it should be.

use super::Cause;
use crate::{
    args::SyncSchemaArgs,
    failure,
    places::{Opened, Place, Places},
    report::{ApiCalls, DatabaseName, Twin},
};
use clodo_cli::{CliError, GlobalArgs, Session};
use clodo_db::{
    Checksum, MigrateError, MigrationFile, Migrations, Schema, Standing, Status, replay,
};
use clodo_types::Finding;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// What all databases are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    Migrations,
    Live(String),
}

impl Reference {
    pub(super) fn of(text: &str) -> Result<Self, CliError> {
        match (text, text.strip_prefix("live@")) {
            ("migrations", _) => Ok(Self::Migrations),
            (_, Some(environment)) if !environment.is_empty() => {
                Ok(Self::Live(environment.to_owned()))
            }
            _ => Err(CliError::usage(format!("`{text}` is nothing to compare a fleet with"))
                .with_hint("give `migrations`, or `live@ENVIRONMENT` as in `live@production`")),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Migrations => f.write_str("migrations"),
            Self::Live(environment) => write!(f, "live@{environment}"),
        }
    }
}

/// A schema with what tells it from others.
#[derive(Debug)]
pub(super) struct Printed {
    pub(super) schema: Schema,
    pub(super) print: Checksum,
}

impl Printed {
    fn new(schema: Schema) -> Arc<Self> {
        let schema = schema.without_shadows();
        Arc::new(Self { print: schema.fingerprint(), schema })
    }
}

/// One database.
pub(super) struct Seen {
    pub(super) name: DatabaseName,
    pub(super) wanted: Arc<Printed>,
    /// None when it is not there, or half filled.
    pub(super) live: Option<Arc<Printed>>,
    pub(super) pending: usize,
    /// Why it differs; none when it does not.
    pub(super) cause: Option<Cause>,
}

/// What was read of a database.
enum Read {
    Missing,
    Half,
    Live(Status, Schema),
}

/// Looks at all; gives the calls that the references cost, too.
pub(super) async fn all(
    session: &Session,
    global: &GlobalArgs,
    (places, args): (&mut Places<'_>, &SyncSchemaArgs),
    reference: &Reference,
    notes: &mut Vec<Finding>,
) -> Result<(Vec<Seen>, ApiCalls), CliError> {
    let at_once = args.at_once.concurrency.get();
    let (others, calls) = match reference {
        Reference::Migrations => (None, ApiCalls::default()),
        Reference::Live(environment) => {
            let (others, calls) = of_environment(session, global, args, environment).await?;
            (Some(others), calls)
        }
    };
    let read = read(places, at_once).await?;
    let mut files = Files::default();
    let mut seen = Vec::new();
    for (place, read) in places.all.iter().zip(read) {
        let wanted = match &others {
            None => files.made(&place.files, place.files.files(), notes),
            Some(others) => of_twin(place, others, reference)?,
        };
        seen.push(judge(place, read, wanted, &mut files, notes));
    }
    Ok((seen, calls))
}

async fn read(places: &mut Places<'_>, at_once: usize) -> Result<Vec<Read>, CliError> {
    let found = places.find_all().await?;
    let one = async |(place, opened): (&Place, &Option<Opened>)| match opened {
        None => Ok(Read::Missing),
        Some(opened) => of_database(place, opened).await,
    };
    let all = places.all.iter().zip(&found).map(one);
    stream::iter(all).buffered(at_once).try_collect().await
}

async fn of_database(place: &Place, opened: &Opened) -> Result<Read, CliError> {
    let migrator = place.migrator(opened);
    let failed = |error| failure::of_migrate(&place.shown(), error);
    let status = match migrator.status(&place.files).await {
        // The others are worth looking at, too.
        Err(MigrateError::HalfRestored) => return Ok(Read::Half),
        status => status.map_err(failed)?,
    };
    Ok(Read::Live(status, migrator.schema().await.map_err(failed)?))
}

fn judge(
    place: &Place,
    read: Read,
    wanted: Arc<Printed>,
    files: &mut Files,
    notes: &mut Vec<Finding>,
) -> Seen {
    let name = place.name.clone();
    let (status, live) = match read {
        Read::Live(status, schema) => (status, Printed::new(schema)),
        other => {
            let cause = match other {
                Read::Half => Cause::HalfFilled,
                _ => Cause::Missing,
            };
            let pending = if cause == Cause::Missing { place.files.files().len() } else { 0 };
            return Seen { name, wanted, live: None, pending, cause: Some(cause) };
        }
    };
    let is = |standing: Standing| move |one: &&(String, Standing)| one.1 == standing;
    let pending = status.migrations.iter().filter(is(Standing::Pending)).count();
    let cause = if live.print == wanted.print {
        None
    } else if !status.problems.is_empty() {
        Some(Cause::Records)
    } else {
        let has = |file: &&MigrationFile| {
            let applied = |at| matches!(at, Standing::Applied | Standing::Unproved);
            status.migrations.iter().any(|(name, at)| *name == file.name && applied(*at))
        };
        let applied: Vec<MigrationFile> = place.files.files().iter().filter(has).cloned().collect();
        let own = files.made(&place.files, &applied, notes);
        Some(match (own.print == live.print, pending) {
            (false, _) => Cause::Drift,
            (true, 0) => Cause::Reference,
            (true, _) => Cause::Pending,
        })
    };
    Seen { name, wanted, live: Some(live), pending, cause }
}

/// What sets of files make: a fleet has few of them.
#[derive(Default)]
struct Files(BTreeMap<(usize, Vec<String>), Arc<Printed>>);

impl Files {
    fn made(
        &mut self,
        all: &Arc<Migrations>,
        some: &[MigrationFile],
        notes: &mut Vec<Finding>,
    ) -> Arc<Printed> {
        // Those that share their files share the pointer to them, for as long as this lives.
        let folder = Arc::as_ptr(all).addr();
        let names = some.iter().map(|file| file.name.clone()).collect();
        let made = self.0.entry((folder, names)).or_insert_with(|| {
            let (schema, unclear) = replay(some);
            for note in unclear {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            Printed::new(schema)
        });
        Arc::clone(made)
    }
}

/// The databases of the environment that others are compared with.
async fn of_environment(
    session: &Session,
    global: &GlobalArgs,
    args: &SyncSchemaArgs,
    environment: &str,
) -> Result<(BTreeMap<Twin, Option<Arc<Printed>>>, ApiCalls), CliError> {
    if args.databases.sqlite.is_some() {
        let message = format!("a SQLite file has no environment, and `live@{environment}` is one");
        return Err(CliError::usage(message)
            .with_hint("`clodo-db diff` compares two databases, whatever they are"));
    }
    let mut there = args.databases.clone();
    there.environments = vec![environment.to_owned()];
    let mut places = Places::open(session, global, &there).await?;
    let read = read(&mut places, args.at_once.concurrency.get()).await?;
    let all = places.all.iter().zip(read).map(|(place, read)| {
        let schema = match read {
            Read::Live(_, schema) => Some(Printed::new(schema)),
            Read::Missing | Read::Half => None,
        };
        (place.name.twin(), schema)
    });
    Ok((all.collect(), places.calls()))
}

fn of_twin(
    place: &Place,
    others: &BTreeMap<Twin, Option<Arc<Printed>>>,
    reference: &Reference,
) -> Result<Arc<Printed>, CliError> {
    let found = others.get(&place.name.twin()).and_then(Option::as_ref);
    found.map(Arc::clone).ok_or_else(|| {
        let message = format!("{}: {reference} has no such database that is whole", place.name);
        CliError::usage(message)
            .with_hint("name services and customers that are there, or compare with `migrations`")
    })
}
