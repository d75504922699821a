use super::{CloudflarePlatform, errors::failed};
use clodo_cf_api::{ApiError, ApiErrorKind, d1, kv, r2};
use clodo_orchestrator::{Applied, Before, Inputs, Look, PlatformError, Undone};
use clodo_types::{AccountName, BucketName, DatabaseId, DatabaseName, NamespaceId, NamespaceTitle};
use futures_util::TryStreamExt;
use std::pin::pin;

/// How many objects of a bucket are removed side by side.
const OBJECTS_AT_ONCE: usize = 8;

/// Tables that a person made: SQLite's and Cloudflare's own do not count, nor does the record of
/// migrations.
const USERS_TABLES: &str = "SELECT count(*) AS tables FROM sqlite_master WHERE type = 'table' \
     AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' \
     AND name NOT IN ('d1_migrations', 'clodo_migrations')";

impl CloudflarePlatform {
    pub(super) async fn look_database(
        &self,
        account: &AccountName,
        name: &DatabaseName,
        inputs: &Inputs,
    ) -> Result<Look, PlatformError> {
        if !inputs.search {
            return Ok(Look::pending(Before::Absent));
        }
        let found = self.client.find_database(self.account(account)?, name).await;
        let found = found.map_err(failed(format!("could not look for database `{name}`")))?;
        Ok(match found {
            Some(database) => Look::done(Before::Present, Applied::Database(database.id)),
            None => Look::pending(Before::Absent),
        })
    }

    pub(super) async fn create_database(
        &self,
        account: &AccountName,
        name: &DatabaseName,
    ) -> Result<Applied, PlatformError> {
        let new = d1::NewDatabase::named(name.clone());
        let made = self.client.ensure_database(self.account(account)?, &new).await;
        let made = made.map_err(failed(format!("could not create database `{name}`")))?;
        Ok(Applied::Database(made.resource.id))
    }

    pub(super) async fn undo_database(
        &self,
        account: &AccountName,
        name: &DatabaseName,
        applied: Option<&Applied>,
    ) -> Result<Undone, PlatformError> {
        let account = self.account(account)?;
        let doing = || failed(format!("could not remove database `{name}` again"));
        let id: DatabaseId = match applied {
            Some(Applied::Database(id)) => id.clone(),
            _ => match self.client.find_database(account, name).await.map_err(doing())? {
                Some(found) => found.id,
                None => return Ok(Undone::Restored),
            },
        };
        let count = d1::read(account, &id, &d1::Sql::new(USERS_TABLES));
        let answer = match self.client.send(count).await {
            Err(error) if error.is_not_found() => return Ok(Undone::Restored),
            answer => answer.map_err(doing())?,
        };
        let tables = answer.first().and_then(|answer| answer.results.first()?["tables"].as_u64());
        if tables != Some(0) {
            return Ok(Undone::Kept(format!("database `{name}` has tables")));
        }
        gone(self.client.send(d1::delete_database(account, &id)).await).map_err(doing())
    }

    pub(super) async fn look_namespace(
        &self,
        account: &AccountName,
        title: &NamespaceTitle,
        inputs: &Inputs,
    ) -> Result<Look, PlatformError> {
        if !inputs.search {
            return Ok(Look::pending(Before::Absent));
        }
        let found = self.client.find_namespace(self.account(account)?, title).await;
        let found = found.map_err(failed(format!("could not look for KV namespace `{title}`")))?;
        Ok(match found {
            Some(namespace) => Look::done(Before::Present, Applied::Namespace(namespace.id)),
            None => Look::pending(Before::Absent),
        })
    }

    pub(super) async fn create_namespace(
        &self,
        account: &AccountName,
        title: &NamespaceTitle,
    ) -> Result<Applied, PlatformError> {
        let made = self.client.ensure_namespace(self.account(account)?, title).await;
        let made = made.map_err(failed(format!("could not create KV namespace `{title}`")))?;
        Ok(Applied::Namespace(made.resource.id))
    }

    pub(super) async fn undo_namespace(
        &self,
        account: &AccountName,
        title: &NamespaceTitle,
        applied: Option<&Applied>,
    ) -> Result<Undone, PlatformError> {
        let account = self.account(account)?;
        let doing = || failed(format!("could not remove KV namespace `{title}` again"));
        let id: NamespaceId = match applied {
            Some(Applied::Namespace(id)) => id.clone(),
            _ => match self.client.find_namespace(account, title).await.map_err(doing())? {
                Some(found) => found.id,
                None => return Ok(Undone::Restored),
            },
        };
        let mut keys = pin!(self.client.stream(kv::list_keys(account, &id, "")));
        match keys.try_next().await {
            Ok(Some(_)) => return Ok(Undone::Kept(format!("KV namespace `{title}` has keys"))),
            Err(error) if error.is_not_found() => return Ok(Undone::Restored),
            empty => empty.map_err(doing())?,
        };
        gone(self.client.send(kv::delete_namespace(account, &id)).await).map_err(doing())
    }

    pub(super) async fn look_bucket(
        &self,
        account: &AccountName,
        name: &BucketName,
        inputs: &Inputs,
    ) -> Result<Look, PlatformError> {
        if !inputs.search {
            return Ok(Look::pending(Before::Absent));
        }
        let found = self.client.find(r2::bucket(self.account(account)?, name)).await;
        let found = found.map_err(failed(format!("could not look for R2 bucket `{name}`")))?;
        Ok(match found {
            Some(_) => Look::done(Before::Present, Applied::Done),
            None => Look::pending(Before::Absent),
        })
    }

    pub(super) async fn create_bucket(
        &self,
        account: &AccountName,
        name: &BucketName,
    ) -> Result<Applied, PlatformError> {
        let new = r2::NewBucket::named(name.clone());
        let made = self.client.ensure_bucket(self.account(account)?, &new).await;
        made.map_err(failed(format!("could not create R2 bucket `{name}`")))?;
        Ok(Applied::Done)
    }

    /// Cloudflare itself refuses to remove a bucket that holds objects.
    pub(super) async fn undo_bucket(
        &self,
        account: &AccountName,
        name: &BucketName,
    ) -> Result<Undone, PlatformError> {
        match gone(self.client.send(r2::delete_bucket(self.account(account)?, name)).await) {
            Ok(undone) => Ok(undone),
            Err(error) if error.kind() == ApiErrorKind::Conflict || error.has_code(10008) => {
                Ok(Undone::Kept(format!("R2 bucket `{name}` has objects")))
            }
            Err(error) => Err(failed(format!("could not remove R2 bucket `{name}` again"))(error)),
        }
    }
}

/// Going back in a database's history.
impl CloudflarePlatform {
    /// Where the database is can be gone back to; whether it was put back already cannot be told.
    pub(super) async fn look_restore(
        &self,
        account: &AccountName,
        name: &str,
        id: &DatabaseId,
    ) -> Result<Look, PlatformError> {
        let now = self.client.send(d1::bookmark(self.account(account)?, id)).await;
        let now = now.map_err(failed(format!("could not read a bookmark of database `{name}`")))?;
        Ok(Look::pending(Before::Bookmark(now.bookmark)))
    }

    pub(super) async fn restore_database(
        &self,
        account: &AccountName,
        (name, id): (&str, &DatabaseId),
        bookmark: &str,
    ) -> Result<Applied, PlatformError> {
        let restored = self.client.send(d1::restore(self.account(account)?, id, bookmark)).await;
        restored.map_err(failed(format!("could not put database `{name}` back")))?;
        Ok(Applied::Done)
    }
}

/// Removals with all data: what is gone already is as it should be.
impl CloudflarePlatform {
    pub(super) async fn remove_database(
        &self,
        account: &AccountName,
        name: &DatabaseName,
        id: &DatabaseId,
    ) -> Result<Applied, PlatformError> {
        let removed = self.client.send(d1::delete_database(self.account(account)?, id)).await;
        gone(removed).map_err(failed(format!("could not remove database `{name}`")))?;
        Ok(Applied::Done)
    }

    pub(super) async fn remove_namespace(
        &self,
        account: &AccountName,
        title: &NamespaceTitle,
        id: &NamespaceId,
    ) -> Result<Applied, PlatformError> {
        let removed = self.client.send(kv::delete_namespace(self.account(account)?, id)).await;
        gone(removed).map_err(failed(format!("could not remove KV namespace `{title}`")))?;
        Ok(Applied::Done)
    }

    /// Only an empty bucket can be removed, so its objects go first.
    pub(super) async fn remove_bucket(
        &self,
        account: &AccountName,
        name: &BucketName,
    ) -> Result<Applied, PlatformError> {
        let account = self.account(account)?;
        let doing = || failed(format!("could not remove R2 bucket `{name}`"));
        let objects = self.client.stream(r2::list_objects(account, name, ""));
        let emptied = objects.try_for_each_concurrent(OBJECTS_AT_ONCE, |object| async move {
            let removed = self.client.send(r2::delete_object(account, name, &object.key)).await;
            gone(removed).map(|_| ())
        });
        match emptied.await {
            Err(error) if error.is_not_found() => return Ok(Applied::Done),
            emptied => emptied.map_err(doing())?,
        }
        gone(self.client.send(r2::delete_bucket(account, name)).await).map_err(doing())?;
        Ok(Applied::Done)
    }
}

/// What is not there any more needs no removal.
pub(super) fn gone(removed: Result<(), ApiError>) -> Result<Undone, ApiError> {
    match removed {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(Undone::Restored),
    }
}
