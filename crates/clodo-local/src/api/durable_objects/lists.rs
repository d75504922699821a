//! Lists of namespaces, and of the objects in one.

use super::super::{
    call::Call,
    error::ApiError,
    reply::{Answer, Reply},
};
use crate::state::objects::{ObjectNamespace, folder};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::{collections::BTreeMap, io, path::Path, sync::Arc};

/// How many objects a page has when the client does not say.
const OBJECTS: usize = 1_000;
/// How many it has at most.
const MOST_OBJECTS: usize = 10_000;

/// `GET /accounts/{account}/workers/durable_objects/namespaces`
pub(in crate::api) async fn namespaces(call: Call) -> Answer {
    let mut spaces: Vec<&Arc<ObjectNamespace>> = call.account()?.objects.values().collect();
    spaces.sort_by_key(|space| (space.created_on, space.name()));
    let shown: Vec<Value> = spaces.into_iter().map(|space| shown(space)).collect();
    Reply::page(&shown, &call.query, 100)
}

fn shown(space: &ObjectNamespace) -> Value {
    json!({
        "id": space.id,
        "name": space.name(),
        "script": space.script,
        "class": space.class,
        "use_sqlite": space.sqlite,
    })
}

/// `GET …/namespaces/{namespace}/objects?limit=&cursor=`
pub(in crate::api) async fn objects(call: Call) -> Answer {
    let id = call.params.get("namespace")?;
    let missing =
        || ApiError::not_found(10066, format!("Durable Object namespace '{id}' not found."));
    let space = call.account()?.objects.get(id).ok_or_else(missing)?;
    let folder = folder(call.state().folder(), call.account()?.id(), &space.id);
    let found = tokio::task::spawn_blocking(move || stored(&folder)).await;
    let found = found.map_err(io::Error::other).and_then(|read| read).map_err(|error| {
        let message = format!("the objects' folder cannot be read: {error}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, 10002, message)
    })?;
    let limit = call.query.number("limit").unwrap_or(OBJECTS).clamp(1, MOST_OBJECTS);
    let after = call.query.get("cursor").unwrap_or_default().to_owned();
    let rest: Vec<(String, bool)> = found.into_iter().filter(|(id, _)| *id > after).collect();
    let page: Vec<Value> = rest
        .iter()
        .take(limit)
        .map(|(id, stored)| json!({ "id": id, "hasStoredData": stored }))
        .collect();
    let next = rest.get(limit - 1).filter(|_| rest.len() > limit);
    let next = next.map(|(id, _)| id.as_str()).unwrap_or_default();
    let info = json!({ "count": page.len(), "per_page": limit, "cursor": next,
        "cursors": { "after": next } });
    Reply::with_info(&page, &info)
}

/// The objects that have a file, by id, and whether anything was ever stored in it.
fn stored(folder: &Path) -> io::Result<BTreeMap<String, bool>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((id, kind)) = name.split_once('.') else { continue };
        let is_id = id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit());
        if is_id && matches!(kind, "sqlite" | "sqlite-wal") {
            // The file may vanish meanwhile.
            let some = entry.metadata().is_ok_and(|about| about.len() > 0);
            *found.entry(id.to_owned()).or_default() |= some;
        }
    }
    Ok(found)
}
