//! D1 databases: create, list, look up, query, delete.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    reply::{Answer, Page, Reply},
};
use crate::state::{ids::random_uuid, model::Database};
use bytes::Bytes;
use clodo_storage::{D1Request, D1Statement, DatabaseRef, RowFormat};
use clodo_types::DatabaseName;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Debug, Deserialize)]
struct NewDatabase {
    name: String,
    primary_location_hint: Option<String>,
    jurisdiction: Option<String>,
    read_replication: Option<Replication>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Replication {
    mode: Mode,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Auto,
    Disabled,
}

const LOCATIONS: [&str; 6] = ["wnam", "enam", "weur", "eeur", "apac", "oc"];
const JURISDICTIONS: [&str; 3] = ["eu", "fedramp", "us"];

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Wire {
    Batch { batch: Vec<D1Statement> },
    One(D1Statement),
}

/// `POST /accounts/{account}/d1/database`
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let new: NewDatabase = read_json(&body).map_err(malformed)?;
    check(&new)?;
    let account_id = call.account_id()?;
    // Two creates of one name take turns, so that only one makes a file.
    let _turn = call.state().scripts().lock(&format!("{account_id}/d1")).await;
    if by_name(&call.state().snapshot().cloud.accounts[&account_id].databases, &new.name).is_some()
    {
        let message = format!("A database with the name '{}' already exists.", new.name);
        return Err(ApiError::bad_request(7502, message));
    }
    let id = random_uuid();
    call.cx.data.d1.create(&reference(&account_id, &id)?).await?;
    let made = call
        .state()
        .write(move |cloud, now| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let database = Arc::new(Database {
                id: id.clone(),
                name: new.name,
                created_on: now,
                location: new.primary_location_hint,
                jurisdiction: new.jurisdiction,
                replication: new.read_replication.map(|replication| json!(replication)),
            });
            account.databases.insert(id, Arc::clone(&database));
            Ok::<_, ApiError>(database)
        })
        .await?;
    let mut shown = shown(&made);
    shown["num_tables"] = json!(0);
    shown["file_size"] = json!(12288);
    Reply::ok(&shown)
}

fn malformed(error: ApiError) -> ApiError {
    ApiError::bad_request(7400, error.message)
}

fn check(new: &NewDatabase) -> Result<(), ApiError> {
    let refuse = |what: &str, given: &str| {
        Err(ApiError::bad_request(7400, format!("Invalid {what}: {given:.100}")))
    };
    if new.name.parse::<DatabaseName>().is_err() {
        return refuse("database name", &new.name);
    }
    match (new.primary_location_hint.as_deref(), new.jurisdiction.as_deref()) {
        (Some(hint), _) if !LOCATIONS.contains(&hint) => refuse("primary_location_hint", hint),
        (_, Some(given)) if !JURISDICTIONS.contains(&given) => refuse("jurisdiction", given),
        _ => Ok(()),
    }
}

/// `GET /accounts/{account}/d1/database[?name=]`
pub(super) async fn list(call: Call) -> Answer {
    let wanted = call.query.get("name");
    let databases = call.account()?.databases.values();
    let mut found: Vec<&Arc<Database>> = databases
        .filter(|database| wanted.is_none_or(|name| database.name.contains(name)))
        .collect();
    found.sort_by_key(|database| std::cmp::Reverse(database.created_on));
    let page = Page::of(found.len(), &call.query, 10);
    // Lists have less to say than a look-up, as on Cloudflare.
    let items: Vec<Value> = found[page.range()]
        .iter()
        .map(|database| {
            json!({
                "uuid": database.id,
                "name": database.name,
                "version": "production",
                "created_at": database.created_on.to_string(),
                "jurisdiction": database.jurisdiction,
            })
        })
        .collect();
    Reply::with_info(&items, &page.info())
}

/// `GET /accounts/{account}/d1/database/{database}`: by id or by name.
pub(super) async fn get(call: Call) -> Answer {
    let database = database(&call)?;
    let info = call.cx.data.d1.info(&reference(call.account()?.id(), &database.id)?).await?;
    let mut shown = shown(&database);
    shown["num_tables"] = json!(info.num_tables);
    shown["file_size"] = json!(info.file_size);
    if let (Some(fields), Some(all)) = (call.query.get("fields"), shown.as_object_mut()) {
        let wanted: Vec<&str> = fields.split(',').map(str::trim).collect();
        if !fields.is_empty() {
            all.retain(|name, _| wanted.contains(&name.as_str()));
        }
    }
    Reply::ok(&shown)
}

#[derive(Debug, Deserialize)]
struct Change {
    read_replication: Option<Replication>,
}

/// `PUT` and `PATCH /accounts/{account}/d1/database/{database}`: read replication.
pub(super) async fn update(call: Call, body: Bytes) -> Answer {
    let Change { read_replication } = read_json(&body).map_err(malformed)?;
    let (account_id, id) = (call.account_id()?, database(&call)?.id.clone());
    let made = call
        .state()
        .write(move |cloud, _| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let database = account.databases.get_mut(&id).map(Arc::make_mut).ok_or_else(missing)?;
            if let Some(replication) = read_replication {
                database.replication = Some(json!(replication));
            }
            Ok::<_, ApiError>(database.clone())
        })
        .await?;
    Reply::ok(&shown(&made))
}

/// `DELETE /accounts/{account}/d1/database/{database}`
pub(super) async fn delete(call: Call) -> Answer {
    let (account_id, id) = (call.account_id()?, database(&call)?.id.clone());
    let at = reference(&account_id, &id)?;
    let removed: Result<(), ApiError> = call
        .state()
        .write(move |cloud, _| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            account.databases.remove(&id).map(drop).ok_or_else(missing)
        })
        .await;
    removed?;
    // First out of the list, then off the disk: a crash in between leaves a file, not a ghost.
    call.cx.data.d1.delete(&at).await?;
    Reply::nothing()
}

/// `POST …/{database}/query`
pub(super) async fn query(call: Call, body: Bytes) -> Answer {
    run(&call, &body, RowFormat::Objects).await
}

/// `POST …/{database}/raw`
pub(super) async fn raw(call: Call, body: Bytes) -> Answer {
    run(&call, &body, RowFormat::ColumnsAndRows).await
}

async fn run(call: &Call, body: &[u8], format: RowFormat) -> Answer {
    let wire: Wire = serde_json::from_slice(body).map_err(|_| {
        ApiError::bad_request(7400, "The request is malformed: `sql` or `batch` is needed.")
    })?;
    let at = reference(call.account()?.id(), &database(call)?.id)?;
    let statements = match wire {
        Wire::Batch { batch } => batch,
        Wire::One(statement) => vec![statement],
    };
    let answer = call.cx.data.d1.query(&at, D1Request { statements, format }).await?;
    let wrote = answer.results.iter().any(|result| result.meta.changed_db);
    let reply = Reply::ok(&answer.results)?;
    Ok(if wrote { reply } else { reply.only_read() })
}

/// The database of the path, by id or by name.
pub(super) fn database(call: &Call) -> Result<Arc<Database>, ApiError> {
    let key = call.params.get("database")?;
    let databases = &call.account()?.databases;
    databases.get(key).or_else(|| by_name(databases, key)).map(Arc::clone).ok_or_else(missing)
}

fn by_name<'a>(
    databases: &'a std::collections::BTreeMap<String, Arc<Database>>,
    name: &str,
) -> Option<&'a Arc<Database>> {
    databases.values().find(|database| database.name == name)
}

/// What the engine calls the database.
pub(super) fn reference(account: &str, id: &str) -> Result<DatabaseRef, ApiError> {
    let account = account.parse().map_err(|_| ApiError::bad_identifier(account))?;
    Ok(DatabaseRef { account, id: id.parse().map_err(|_| missing())? })
}

pub(super) fn missing() -> ApiError {
    ApiError::not_found(7404, "The database could not be found.")
}

fn shown(database: &Database) -> Value {
    json!({
        "uuid": database.id,
        "name": database.name,
        "version": "production",
        "created_at": database.created_on.to_string(),
        "running_in_region": "LOCAL",
        "created_in_region": database.location.as_deref().unwrap_or("LOCAL"),
        "jurisdiction": database.jurisdiction,
        "read_replication": database.replication.clone().unwrap_or(json!({ "mode": "disabled" })),
    })
}
