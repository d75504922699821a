use super::{
    apply::RowMask,
    key::MaskKey,
    plan::{CopyPlan, Way},
    problem::CopyError,
};
use crate::{
    backup::{
        dump::{self, BackupOptions, BackupReport},
        layout::Table,
        moments::Moments,
        pack::{Bare, Outlet},
    },
    database::Database,
    error::DatabaseError,
};
use async_trait::async_trait;
use std::io::Write;

/// Where rows come from, and where they will go. Each with what tells whether somebody writes to it.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'a> {
    /// Its rows are read.
    pub source: (&'a dyn Database, &'a dyn Moments),
    /// Its definitions, and the rows of tables that are not copied, are read. None when there is none yet:
    /// then the definitions are the source's.
    pub destination: Option<(&'a dyn Database, &'a dyn Moments)>,
}

/// Writes what the destination will be, as a backup of it would say it: its own definitions, the rows of the
/// copied tables as the rules change them, and all other rows as they are. [`restore`](super::super::restore)
/// makes it so. No value that a rule changes is ever written.
///
/// # Errors
/// When a database cannot be read, holds something that would not come back, or `out` fails.
pub async fn copy(
    ends: &Ends<'_>,
    (plan, key): (&CopyPlan, Option<&MaskKey>),
    out: &mut (dyn Write + Send),
    options: &BackupOptions,
) -> Result<BackupReport, CopyError> {
    copy_to(ends, (plan, key), &mut Bare(out), options).await
}

/// The same, where text may go compressed.
pub(in crate::backup) async fn copy_to(
    ends: &Ends<'_>,
    (plan, key): (&CopyPlan, Option<&MaskKey>),
    out: &mut dyn Outlet,
    options: &BackupOptions,
) -> Result<BackupReport, CopyError> {
    if plan.needs_key() && key.is_none() {
        return Err(CopyError::NoKey);
    }
    let (source, from) = ends.source;
    let into = ends.destination.map(|(_, moments)| moments);
    let (database, _) = ends.destination.unwrap_or(ends.source);
    let blend = Blend { source, plan, key };
    let moments = Both { from, into };
    Ok(dump::blended((database, &blend), &moments, out, options).await?)
}

/// What comes from another database than the one whose definitions are written.
#[derive(Clone, Copy, Debug)]
pub(in crate::backup) struct Blend<'a> {
    pub(in crate::backup) source: &'a dyn Database,
    plan: &'a CopyPlan,
    key: Option<&'a MaskKey>,
}

/// Where the content of a table is read.
#[derive(Clone, Copy, Debug)]
pub(in crate::backup) struct Origin<'a> {
    pub(in crate::backup) database: &'a dyn Database,
    pub(in crate::backup) mask: Option<RowMask<'a>>,
    /// There is none.
    pub(in crate::backup) empty: bool,
    /// It is made of what another table holds then.
    pub(in crate::backup) rebuilt: bool,
}

impl<'a> Origin<'a> {
    /// As it is in the database.
    pub(in crate::backup) fn plain(database: &'a dyn Database) -> Self {
        Self { database, mask: None, empty: false, rebuilt: false }
    }
}

impl<'a> Blend<'a> {
    /// Of a table of `database`, whose definitions are written.
    pub(in crate::backup) fn origin(
        &self,
        database: &'a dyn Database,
        table: &Table,
    ) -> Origin<'a> {
        let source = Origin::plain(self.source);
        match self.plan.way(&table.name) {
            Way::Kept => Origin::plain(database),
            Way::Empty => Origin { empty: true, ..source },
            Way::Rebuilt => Origin { rebuilt: true, ..source },
            Way::Index => source,
            // What a table keeps beside itself has no rules.
            Way::Rows(rules) if rules.is_empty() => source,
            Way::Rows(rules) => Origin { mask: Some(RowMask { rules, key: self.key }), ..source },
        }
    }
}

/// The moment of two databases.
#[derive(Debug)]
struct Both<'a> {
    from: &'a dyn Moments,
    into: Option<&'a dyn Moments>,
}

#[async_trait]
impl Moments for Both<'_> {
    async fn moment(&self) -> Result<String, DatabaseError> {
        let mut moment = self.from.moment().await?;
        if let Some(into) = self.into {
            moment.push(' ');
            moment.push_str(&into.moment().await?);
        }
        Ok(moment)
    }
}
