//! Bookmarks of the past, and going back to them.

use clodo_sqlite::rusqlite::{self, Connection};
use clodo_types::Timestamp;

use super::{
    Bookmark, D1, D1Error, D1ErrorKind, DatabaseRef, TravelTo, Travelled,
    history::{HistoryError, Moment},
    session::Session,
};

impl D1 {
    /// The newest state at or before `moment`.
    ///
    /// # Errors
    /// `NoSuchState` when it lies before what is kept, or before the database was made;
    /// `NotFound`, `Storage`.
    pub async fn bookmark_at(
        &self,
        at: &DatabaseRef,
        moment: Timestamp,
    ) -> Result<Bookmark, D1Error> {
        self.travelling(at, move |db, session| {
            let writes = find(db, session, &TravelTo::Moment(moment))?;
            Ok(session.bookmark_of(writes.into()))
        })
        .await
    }

    /// Puts the database into an earlier state, in one transaction that later requests see. The
    /// states in between are kept, so that this can be undone.
    ///
    /// # Errors
    /// `NoSuchState` when that state is not kept, and nothing is changed; `NotFound`, `Storage`.
    pub async fn restore(&self, at: &DatabaseRef, to: TravelTo) -> Result<Travelled, D1Error> {
        self.travelling(at, move |db, session| {
            let target = find(db, session, &to)?;
            let previous = session.bookmark(db)?;
            let writes = session.writes(db)?;
            session.history.settle(db)?;
            session.history.note(writes.wrapping_add(1));
            let outcome = session.history.restore(db, writes, target);
            session.forget_all();
            outcome?;
            session.history.committed(db);
            Ok(Travelled { bookmark: session.bookmark(db)?, previous })
        })
        .await
    }

    /// The database is new: its first state has a time too.
    pub(super) async fn first_moment(&self, at: &DatabaseRef) -> Result<(), D1Error> {
        self.travelling(at, |_, session| {
            session.history.note(0);
            Ok(())
        })
        .await
    }

    async fn travelling<T, F>(&self, at: &DatabaseRef, work: F) -> Result<T, D1Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection, &Session) -> Result<T, D1Error> + Clone + Send + 'static,
    {
        let path = self.path(at);
        let outcome = self.pool.with(&path, self.opener(), move |db: &mut Connection, session| {
            rusqlite::Result::Ok(work(db, session))
        });
        outcome.await.map_err(D1Error::from).flatten().map_err(|error| error.at(&path))
    }
}

/// The count of writes of the state that was asked for, if it is kept.
fn find(db: &Connection, session: &Session, to: &TravelTo) -> Result<u32, D1Error> {
    let writes = session.writes(db)?;
    session.history.settle(db)?;
    let moments = session.history.moments(writes)?;
    let found = match to {
        TravelTo::Bookmark(bookmark) => {
            let known = |moment: &&Moment| session.bookmark_of(moment.writes.into()) == *bookmark;
            moments.iter().find(known)
        }
        TravelTo::Moment(wanted) => {
            let known = |moment: &&Moment| moment.at != i64::MIN && moment.at <= wanted.as_millis();
            moments.iter().rfind(known)
        }
    };
    found.map(|moment| moment.writes).ok_or_else(no_such_state)
}

fn no_such_state() -> D1Error {
    D1Error::new(D1ErrorKind::NoSuchState, "The database has no state of then that is still kept")
}

impl From<HistoryError> for D1Error {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Sqlite(error) => error.into(),
            HistoryError::NotKept => no_such_state(),
            error => Self::storage(error),
        }
    }
}
