//! KV namespaces.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    reply::{Answer, Reply},
};
use crate::state::{ids::random_hex, model::Namespace};
use bytes::Bytes;
use clodo_storage::NamespaceRef;
use clodo_types::NamespaceTitle;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Debug, Deserialize)]
struct Wire {
    title: String,
}

/// `GET /accounts/{account}/storage/kv/namespaces`
pub(super) async fn list(call: Call) -> Answer {
    let mut namespaces: Vec<&Arc<Namespace>> = call.account()?.namespaces.values().collect();
    if call.query.get("order") == Some("title") {
        namespaces.sort_by(|a, b| a.title.cmp(&b.title));
    }
    if call.query.get("direction") == Some("desc") {
        namespaces.reverse();
    }
    let found: Vec<Value> = namespaces.into_iter().map(|namespace| shown(namespace)).collect();
    Reply::page(&found, &call.query, 20)
}

/// `GET …/namespaces/{namespace}`
pub(super) async fn get(call: Call) -> Answer {
    Reply::ok(&shown(namespace(&call)?))
}

/// `POST …/namespaces`
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let wire: Wire = read_json(&body)?;
    let account_id = call.account_id()?;
    let _turn = call.state().scripts().lock(&format!("{account_id}/kv")).await;
    check_title(&call, &wire.title, None)?;
    let id = random_hex();
    call.cx.data.kv.create(&reference(&account_id, &id)?).await?;
    let made = call
        .state()
        .write(move |cloud, _| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let namespace = Arc::new(Namespace { id: id.clone(), title: wire.title });
            account.namespaces.insert(id, Arc::clone(&namespace));
            Ok::<_, ApiError>(namespace)
        })
        .await?;
    Reply::ok(&shown(&made))
}

/// `PUT …/namespaces/{namespace}`: another title.
pub(super) async fn rename(call: Call, body: Bytes) -> Answer {
    let wire: Wire = read_json(&body)?;
    let (account_id, id) = (call.account_id()?, namespace(&call)?.id.clone());
    let _turn = call.state().scripts().lock(&format!("{account_id}/kv")).await;
    check_title(&call, &wire.title, Some(&id))?;
    let made = call
        .state()
        .write(move |cloud, _| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let known = account.namespaces.get_mut(&id).ok_or_else(missing)?;
            Arc::make_mut(known).title = wire.title;
            Ok::<_, ApiError>(Arc::clone(known))
        })
        .await?;
    Reply::ok(&shown(&made))
}

/// `DELETE …/namespaces/{namespace}`: with all it holds.
pub(super) async fn delete(call: Call) -> Answer {
    let (account_id, id) = (call.account_id()?, namespace(&call)?.id.clone());
    let at = reference(&account_id, &id)?;
    let removed: Result<(), ApiError> = call
        .state()
        .write(move |cloud, _| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            account.namespaces.remove(&id).map(drop).ok_or_else(missing)
        })
        .await;
    removed?;
    call.cx.data.kv.drop_namespace(&at).await?;
    Reply::nothing()
}

fn check_title(call: &Call, title: &str, own: Option<&str>) -> Result<(), ApiError> {
    if title.parse::<NamespaceTitle>().is_err() {
        return Err(ApiError::bad_request(10019, "The namespace title is not valid."));
    }
    let snapshot = call.state().snapshot();
    let account = snapshot.cloud.accounts.get(&call.account_id()?);
    let mut known = account.into_iter().flat_map(|account| account.namespaces.values());
    if known.any(|namespace| namespace.title == title && Some(namespace.id.as_str()) != own) {
        let message = "a namespace with this account ID and title already exists";
        return Err(ApiError::bad_request(10014, message));
    }
    Ok(())
}

/// The namespace of the path.
pub(super) fn namespace(call: &Call) -> Result<&Arc<Namespace>, ApiError> {
    let id = call.params.get("namespace")?;
    call.account()?.namespaces.get(id).ok_or_else(missing)
}

/// What the engine calls the namespace.
pub(super) fn reference(account: &str, id: &str) -> Result<NamespaceRef, ApiError> {
    let account = account.parse().map_err(|_| ApiError::bad_identifier(account))?;
    Ok(NamespaceRef { account, id: id.parse().map_err(|_| missing())? })
}

fn missing() -> ApiError {
    ApiError::not_found(10013, "namespace not found")
}

fn shown(namespace: &Namespace) -> Value {
    json!({ "id": namespace.id, "title": namespace.title, "supports_url_encoding": true })
}
