//! What triggers hear of, and what they do then.

use super::meaning::{Meaning, plain};
use crate::split::without_marks;
use sqlite3_parser::{
    Bump, FallibleIterator as _,
    ast::{Cmd, ResolveType, Stmt, TriggerCmd, TriggerEvent, Upsert, UpsertDo},
    lexer::sql::Parser,
};

/// What a trigger hears of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Delete,
    Insert,
    Update,
}

/// What a trigger hears of, and what it does then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trigger {
    pub(crate) event: Event,
    /// Of an `UPDATE OF`, which columns.
    pub(crate) of: Vec<String>,
    pub(crate) acts: Vec<Meaning>,
}

impl Trigger {
    /// Out of the statement that makes it.
    pub(crate) fn read(sql: &str) -> Option<Self> {
        if sql.contains('\0') {
            return None;
        }
        let bump = Bump::new();
        let sql = without_marks(sql);
        let mut parser = Parser::new(&bump, sql.as_bytes());
        let Ok(Some(Cmd::Stmt(Stmt::CreateTrigger { event, commands, .. }))) = parser.next() else {
            return None;
        };
        let (event, of) = match event {
            TriggerEvent::Delete => (Event::Delete, Vec::new()),
            TriggerEvent::Insert => (Event::Insert, Vec::new()),
            TriggerEvent::Update => (Event::Update, Vec::new()),
            TriggerEvent::UpdateOf(columns) => (Event::Update, columns.iter().map(plain).collect()),
        };
        Some(Self { event, of, acts: commands.iter().filter_map(act).collect() })
    }
}

fn act(command: &TriggerCmd<'_>) -> Option<Meaning> {
    let replaces =
        |or_conflict: &Option<ResolveType>| matches!(or_conflict, Some(ResolveType::Replace));
    match command {
        TriggerCmd::Update { or_conflict, tbl_name, sets, .. } => Some(Meaning::Update {
            table: plain(&tbl_name.name),
            columns: sets.iter().flat_map(|set| set.col_names.iter().map(plain)).collect(),
            replaces: replaces(or_conflict),
        }),
        TriggerCmd::Insert { or_conflict, tbl_name, upsert, .. } => Some(Meaning::Insert {
            into: plain(&tbl_name.name),
            from: None,
            replaces: replaces(or_conflict),
            upsert: updated(*upsert),
        }),
        TriggerCmd::Delete { tbl_name, .. } => {
            Some(Meaning::Delete { table: plain(&tbl_name.name), all: false })
        }
        TriggerCmd::Select(_) => None,
    }
}

/// The columns that an upsert gives values.
pub(super) fn updated(mut upsert: Option<&Upsert<'_>>) -> Vec<String> {
    let mut columns = Vec::new();
    while let Some(one) = upsert {
        if let UpsertDo::Set { sets, .. } = &one.do_clause {
            columns.extend(sets.iter().flat_map(|set| set.col_names.iter().map(plain)));
        }
        upsert = one.next;
    }
    columns
}
