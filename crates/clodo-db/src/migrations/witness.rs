//! SQLite's own word on what a statement is about, beside that of the parser: a text that both read
//! differently is not carried out.

use super::{meaning::Meaning, protect::Failed};
use clodo_sqlite::rusqlite::{
    Connection, Error,
    hooks::{AuthAction, AuthContext, Authorization},
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// The tables whose rows the last statement changes or drops, in lower case, as SQLite said when it
/// compiled it (<https://www.sqlite.org/c3ref/set_authorizer.html>). What triggers do counts not; what
/// references do may.
#[derive(Clone, Debug, Default)]
pub(super) struct Witness(Arc<Mutex<BTreeSet<String>>>);

/// Where SQLite keeps the schema: every change of that writes there.
const SCHEMAS: [&str; 4] =
    ["sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"];

impl Witness {
    /// Listens to a connection.
    pub(super) fn on(db: &mut Connection) -> Result<Self, Error> {
        let this = Self::default();
        let heard = this.clone();
        db.authorizer(Some(move |context: AuthContext<'_>| {
            heard.hear(&context);
            Authorization::Allow
        }))?;
        Ok(this)
    }

    fn hear(&self, context: &AuthContext<'_>) {
        let (AuthAction::Delete { table_name }
        | AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::DropTable { table_name }
        | AuthAction::DropVtable { table_name, .. }) = context.action
        else {
            return;
        };
        let name = table_name.to_ascii_lowercase();
        if context.accessor.is_none() && !SCHEMAS.contains(&name.as_str()) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        }
    }

    /// Forgets what was heard: another statement comes.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Refuses a statement that SQLite reads otherwise than its meaning says.
    pub(super) fn agrees(&self, meaning: &Meaning) -> Result<(), Failed> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (own, changes_rows) = match meaning {
            Meaning::Insert { into: table, .. }
            | Meaning::Delete { table, .. }
            | Meaning::Update { table, .. } => (Some(table), true),
            // One that is not there is not dropped.
            Meaning::DropTable { name } => (Some(name), !heard.is_empty()),
            // Of a view, too, SQLite says that its rows are deleted.
            Meaning::Schema => return Ok(()),
            Meaning::CreateTable { name, .. } | Meaning::Rename { from: name, .. } => {
                (Some(name), false)
            }
            _ => (None, false),
        };
        // A virtual table keeps its data in others, which come and go with it.
        let is_own = |name: &&String| {
            own.is_some_and(|own| name.strip_prefix(own.as_str()).is_some_and(is_shadow))
        };
        // SQLite's own, such as its counters, come along with much.
        let other = heard.iter().find(|name| !is_own(name) && !name.starts_with("sqlite_"));
        let fits = match changes_rows {
            true => own.is_some_and(|own| heard.contains(own)),
            false => other.is_none(),
        };
        match fits {
            true => Ok(()),
            false => {
                let about = other.map_or("nothing", String::as_str);
                let why = format!("is read by SQLite otherwise than it looks: as about {about}");
                Err(Failed::Refused { rule: "migration-unreadable", why })
            }
        }
    }
}

fn is_shadow(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('_')
}
