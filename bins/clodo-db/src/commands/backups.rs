use crate::{
    args::BackupsArgs,
    keeping,
    places::Places,
    report::{DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use serde::Serialize;
use std::{fmt::Write as _, path::PathBuf};

#[derive(Serialize)]
struct BackupsDocument {
    version: u32,
    outcome: &'static str,
    databases: Vec<KeptBackups>,
}

#[derive(Serialize)]
struct KeptBackups {
    #[serde(flatten)]
    name: DatabaseName,
    path: PathBuf,
    backups: Vec<KeptBackup>,
    /// Those that were taken before a change, of their own accord.
    before: Vec<KeptBackup>,
}

#[derive(Serialize)]
struct KeptBackup {
    name: String,
    taken: String,
    bytes: u64,
}

/// `clodo-db backups`: only files are looked at, or a bucket.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &BackupsArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::describe(session, global, &args.databases)?;
    let mut databases = Vec::new();
    for at in 0..places.all.len() {
        let kept = places.kept_in(session, global, at, args.from.as_ref()).await?;
        let row = |one: clodo_db::StoredBackup| {
            let taken = one.taken().map(keeping::moment).unwrap_or_default();
            KeptBackup { taken, name: one.name, bytes: one.bytes }
        };
        let backups = kept.list().await?.into_iter().map(row).collect();
        let before = kept.before().list().await?.into_iter().map(row).collect();
        let path = kept.shown().to_owned();
        databases.push(KeptBackups { name: places.all[at].name.clone(), path, backups, before });
    }
    session.ui.text(text(&databases).trim_end())?;
    session.ui.document(&BackupsDocument { version: FORMAT, outcome: "done", databases })?;
    Ok(Exit::Done)
}

fn text(databases: &[KeptBackups]) -> String {
    let mut text = String::new();
    for KeptBackups { name, path, backups, before } in databases {
        let count = clodo_cli::counted(backups.len(), "backup");
        // Writing to a `String` cannot fail.
        let _ = match backups.len() + before.len() {
            0 => writeln!(text, "{name}: {count}"),
            _ => writeln!(text, "{name}: {count} in {}", path.display()),
        };
        for (title, some) in [("", backups), ("before a change:", before)] {
            if !some.is_empty() && !title.is_empty() {
                let _ = writeln!(text, "  {title}");
            }
            for KeptBackup { name, taken, bytes } in some {
                let _ = writeln!(text, "  {taken}  {:>9}  {name}", keeping::sized(*bytes));
            }
        }
    }
    text
}
