mod groups;
mod look;
mod text;

use crate::{
    args::SyncSchemaArgs,
    commands::diff::Difference,
    findings,
    places::Places,
    report::{ApiCalls, DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_types::Finding;
use look::Reference;
use serde::Serialize;
use std::path::PathBuf;

#[derive(Serialize)]
struct SchemaDocument {
    version: u32,
    outcome: &'static str,
    reference: String,
    kinds: Vec<Kind>,
    findings: Vec<Finding>,
    api_calls: ApiCalls,
}

/// The databases of one service and binding, or one file.
#[derive(Serialize)]
struct Kind {
    service: Option<String>,
    binding: Option<String>,
    folder: PathBuf,
    groups: Vec<Group>,
}

/// Databases that are alike, and stand in the same way to what they should be.
#[derive(Serialize)]
struct Group {
    state: State,
    /// From what they should be to what they are.
    differences: Vec<Difference>,
    databases: Vec<Member>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Alike,
    Differs,
    /// There is no such database.
    Missing,
}

#[derive(Serialize)]
struct Member {
    #[serde(flatten)]
    name: DatabaseName,
    /// So many files are still to be applied.
    pending: usize,
    cause: Option<Cause>,
    /// The command that comes next.
    next: Option<String>,
}

/// Why a database differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Cause {
    /// It is not there.
    Missing,
    /// A restore or a sync into it has not come to its end.
    HalfFilled,
    /// Files and records disagree.
    Records,
    /// Files that are still to be applied make the difference.
    Pending,
    /// It is not as the files make it that it has.
    Drift,
    /// It is as all files make it: what it is compared with is not.
    Reference,
}

/// `clodo-db sync schema`: only reads.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &SyncSchemaArgs,
) -> Result<Exit, CliError> {
    let reference = Reference::of(&args.from)?;
    let mut places = Places::open(session, global, &args.databases).await?;
    let mut notes = Vec::new();
    let (looks, calls) =
        look::all(session, global, (&mut places, args), &reference, &mut notes).await?;
    let kinds = groups::of(&looks, &reference);
    let found = kinds.iter().flat_map(|kind| &kind.groups).any(|one| one.state != State::Alike);
    let text = text::of(&kinds, &reference, global.verbose > 0);
    findings::say(&session.ui, &notes);
    session.ui.document(&SchemaDocument {
        version: FORMAT,
        outcome: if found { "found" } else { "done" },
        reference: reference.to_string(),
        kinds,
        findings: notes,
        api_calls: places.calls().and(calls),
    })?;
    session.ui.text(text.trim_end())?;
    Ok(if found { Exit::Found } else { Exit::Done })
}
