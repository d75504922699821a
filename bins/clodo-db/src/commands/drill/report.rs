use crate::{
    keeping::{self, Kept},
    report::DatabaseName,
};
use clodo_db::{StoredBackup, Summary};
use clodo_types::{Clock as _, SystemClock};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf, time::Duration};

/// What a drill found out about the newest backup of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// It brings the database back.
    Good,
    /// There is none.
    Missing,
    /// It is older than it may be.
    Old,
    /// It is not what was written.
    Damaged,
    /// It was refused while it was restored.
    NotRestored,
    /// What came of it is no sound database.
    NotSound,
    /// What came of it is not the database, to which nobody wrote meanwhile.
    Differs,
    /// Something else was in the way; it says nothing about the backup.
    NotTried,
}

impl Verdict {
    pub(super) fn is_good(self) -> bool {
        self == Self::Good
    }

    /// Whether it says that the backup is of no use.
    pub(super) fn is_found(self) -> bool {
        !matches!(self, Self::Good | Self::NotTried)
    }
}

/// One database.
#[derive(Serialize)]
pub(super) struct Drilled {
    #[serde(flatten)]
    pub(super) name: DatabaseName,
    pub(super) verdict: Verdict,
    backup: Option<String>,
    path: Option<PathBuf>,
    taken: Option<String>,
    age_seconds: Option<u64>,
    #[serde(skip)]
    pub(super) age: Option<Duration>,
    bytes: Option<u64>,
    consistent: Option<bool>,
    pub(super) restored_in_ms: Option<u64>,
    rows: BTreeMap<String, u64>,
    /// What `PRAGMA integrity_check` and `foreign_key_check` say.
    pub(super) unsound: Vec<String>,
    pub(super) compared: Option<Compared>,
    /// Why it is not good, where more is known.
    pub(super) why: Option<String>,
}

/// The backup beside the database as it is now.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Compared {
    /// Nobody has written to the database since the backup.
    pub(super) unchanged: bool,
    pub(super) differences: Vec<DifferenceRow>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct DifferenceRow {
    pub(super) name: String,
    pub(super) how: String,
}

impl Drilled {
    pub(super) fn new(name: &DatabaseName) -> Self {
        Self {
            name: name.clone(),
            verdict: Verdict::Missing,
            backup: None,
            path: None,
            taken: None,
            age_seconds: None,
            age: None,
            bytes: None,
            consistent: None,
            restored_in_ms: None,
            rows: BTreeMap::new(),
            unsound: Vec::new(),
            compared: None,
            why: None,
        }
    }

    /// Says which backup it is about.
    pub(super) fn of(&mut self, backup: &StoredBackup, kept: &Kept) {
        self.backup = Some(backup.name.clone());
        self.path = Some(kept.shown_path(&backup.name));
        self.bytes = Some(backup.bytes);
        self.taken = backup.taken().map(keeping::moment);
        self.age = backup.taken().map(|taken| SystemClock.now().since(taken));
        self.age_seconds = self.age.map(|age| age.as_secs());
    }

    /// Says what its last line says.
    pub(super) fn holds(&mut self, summary: &Summary) {
        self.rows.clone_from(&summary.rows);
        self.consistent = Some(summary.consistent);
    }
}

pub(super) fn text(all: &[Drilled]) -> String {
    let mut text = String::new();
    for one in all {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}: {}", one.name, state(one));
        if let Some(path) = &one.path {
            let taken = one.taken.as_deref().unwrap_or_default();
            let size = one.bytes.map(keeping::sized).unwrap_or_default();
            let _ = writeln!(text, "  {}, taken {taken}, {size}", path.display());
        }
        if one.consistent == Some(false) {
            let _ = writeln!(text, "  it is of no one moment");
        }
        for what in &one.unsound {
            let _ = writeln!(text, "  {what}");
        }
        if let Some(compared) = &one.compared {
            let _ = writeln!(text, "  {}", beside(compared));
            for DifferenceRow { name, how } in &compared.differences {
                let _ = writeln!(text, "    {name} {how}");
            }
        }
        if let Some(why) = &one.why {
            let _ = writeln!(text, "  {why}");
        }
    }
    text
}

fn state(one: &Drilled) -> String {
    let rows = keeping::counted_rows(one.rows.values());
    let took = one.restored_in_ms.unwrap_or_default();
    match one.verdict {
        Verdict::Good => format!("restores, {rows} in {}.{} s", took / 1_000, took / 100 % 10),
        Verdict::Missing => "no backup is kept".to_owned(),
        Verdict::Old => "the newest backup is too old".to_owned(),
        Verdict::Damaged => "the backup is damaged".to_owned(),
        Verdict::NotRestored => "the backup does not restore".to_owned(),
        Verdict::NotSound => format!("what is restored is not sound, {rows}"),
        Verdict::NotTried => "not tried".to_owned(),
        Verdict::Differs => format!("what is restored is not the database, {rows}"),
    }
}

fn beside(compared: &Compared) -> String {
    match (compared.differences.len(), compared.unchanged) {
        (0, _) => "the same as the database now".to_owned(),
        (_, true) => "differs from the database, to which nobody has written since:".to_owned(),
        (_, false) => "the database has changed since:".to_owned(),
    }
}
