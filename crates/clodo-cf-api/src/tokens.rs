//! API tokens, of a person or of an account, and the permissions that they can be given.
//!
//! # Example
//! ```
#![doc = include_str!("../docs/tokens.rs")]
//! ```
#![doc = include_str!("../docs/tokens.md")]

use crate::{
    endpoint::{Endpoint, Repeat},
    identity::TokenStatus,
    ids::{PermissionGroupId, TokenId},
    paging::{ListEndpoint, Paging},
    wire::{open_enum, or_default},
};
use clodo_types::{AccountId, Secret};
use http::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use std::collections::BTreeMap;

/// Whose tokens are meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TokenOwner {
    /// Those of the person that the client's token belongs to.
    User,
    /// Those of an account; they go on working when a person leaves.
    Account(AccountId),
}

open_enum! {
    /// Whether a token can be used.
    TokenState {
        /// It can.
        Active = "active",
        /// Somebody switched it off.
        Disabled = "disabled",
        /// Its time is over.
        Expired = "expired",
    }
}

/// A token without its value.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Its name, for people.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// Whether it can be used.
    #[serde(default)]
    pub status: Option<TokenState>,
    /// What it may do.
    #[serde(default, deserialize_with = "or_default")]
    pub policies: Vec<Policy>,
    /// From where it may be used.
    #[serde(default)]
    pub condition: Option<Condition>,
    /// In RFC 3339.
    #[serde(default)]
    pub issued_on: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub modified_on: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub last_used_on: Option<String>,
    /// When it begins, in RFC 3339.
    #[serde(default)]
    pub not_before: Option<String>,
    /// When it ends, in RFC 3339.
    #[serde(default)]
    pub expires_on: Option<String>,
}

/// A token that was just made, with its value, which is never shown again.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct CreatedToken {
    /// What it is.
    #[serde(flatten)]
    pub token: Token,
    /// The token itself.
    pub value: Secret,
}

open_enum! {
    /// Whether a policy gives or takes.
    PolicyEffect {
        /// It gives.
        Allow = "allow",
        /// It takes.
        Deny = "deny",
    }
}

/// What a token may do to which resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Whether it gives or takes.
    pub effect: PolicyEffect,
    /// What.
    #[serde(default, deserialize_with = "or_default")]
    pub permission_groups: Vec<GroupReference>,
    /// To which: `com.cloudflare.api.account.<id>` and the like, each with `*`, or with a
    /// narrower map of its own.
    #[serde(default, deserialize_with = "or_default")]
    pub resources: BTreeMap<String, serde_json::Value>,
}

impl Policy {
    /// Gives permissions in one account.
    #[must_use]
    pub fn for_account(
        account: &AccountId,
        groups: impl IntoIterator<Item = PermissionGroupId>,
    ) -> Self {
        let resource = format!("com.cloudflare.api.account.{account}");
        let reference = |id| GroupReference { id, name: None };
        Self {
            effect: PolicyEffect::Allow,
            permission_groups: groups.into_iter().map(reference).collect(),
            resources: BTreeMap::from([(resource, json!("*"))]),
        }
    }
}

/// A permission group, as policies name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupReference {
    /// Its id.
    pub id: PermissionGroupId,
    /// Its name; answers have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// From where a token may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_ip: Option<AddressCondition>,
}

/// Addresses in CIDR notation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressCondition {
    /// From these.
    #[serde(default, rename = "in", skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<String>,
    /// Not from these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_in: Vec<String>,
}

/// A token to make, or what to make of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewToken {
    /// Its name, for people.
    pub name: String,
    /// What it may do.
    pub policies: Vec<Policy>,
    /// From where it may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// When it begins, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// When it ends, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_on: Option<String>,
    /// Whether it can be used; only a change says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<TokenState>,
}

impl NewToken {
    /// A token that may do what the policies say, from anywhere and without end.
    #[must_use]
    pub fn new(name: impl Into<String>, policies: Vec<Policy>) -> Self {
        let name = name.into();
        Self { name, policies, condition: None, not_before: None, expires_on: None, status: None }
    }
}

/// A set of permissions that a token can be given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct PermissionGroup {
    /// Its id.
    pub id: PermissionGroupId,
    /// Its name, such as `Workers Scripts Write`.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// The kinds of resources it is about, such as `com.cloudflare.api.account.zone`.
    #[serde(default, deserialize_with = "or_default")]
    pub scopes: Vec<String>,
    /// The group of groups it is shown in.
    #[serde(default)]
    pub category: Option<String>,
}

/// Every token of the owner, without its value.
#[must_use]
pub fn list_tokens(owner: &TokenOwner) -> ListEndpoint<Token> {
    list(owner, "/user/tokens", "/accounts/{account}/tokens", Paging::Numbered { per_page: 50 })
}

/// One token, without its value.
#[must_use]
pub fn token(owner: &TokenOwner, id: &TokenId) -> Endpoint<Token> {
    one(owner, Method::GET, Repeat::Safe, id)
}

/// Makes a token. Its value is in the answer and nowhere else, so a lost answer means a token to
/// be deleted: it is never repeated.
#[must_use]
pub fn create_token(owner: &TokenOwner, new: &NewToken) -> Endpoint<CreatedToken> {
    let endpoint = match owner {
        TokenOwner::User => Endpoint::new(Method::POST, "/user/tokens", Repeat::Never),
        TokenOwner::Account(account) => {
            Endpoint::new(Method::POST, "/accounts/{account}/tokens", Repeat::Never)
                .at("account", account)
        }
    };
    endpoint.with_json(new)
}

/// Changes a token; it keeps its value.
#[must_use]
pub fn put_token(owner: &TokenOwner, id: &TokenId, to: &NewToken) -> Endpoint<Token> {
    one(owner, Method::PUT, Repeat::Safe, id).with_json(to)
}

/// Removes a token.
#[must_use]
pub fn delete_token(owner: &TokenOwner, id: &TokenId) -> Endpoint<()> {
    match owner {
        TokenOwner::User => Endpoint::delete("/user/tokens/{token}"),
        TokenOwner::Account(account) => {
            Endpoint::delete("/accounts/{account}/tokens/{token}").at("account", account)
        }
    }
    .at("token", id)
}

/// Gives a token a new value and ends the old one. Repeated, only the last value is good, which
/// is the one that the answer has.
#[must_use]
pub fn roll_token(owner: &TokenOwner, id: &TokenId) -> Endpoint<Secret> {
    match owner {
        TokenOwner::User => Endpoint::new(Method::PUT, "/user/tokens/{token}/value", Repeat::Safe),
        TokenOwner::Account(account) => {
            let template = "/accounts/{account}/tokens/{token}/value";
            Endpoint::new(Method::PUT, template, Repeat::Safe).at("account", account)
        }
    }
    .at("token", id)
    .with_json(&json!({}))
}

/// Whether the client's token, which belongs to the owner, is good.
#[must_use]
pub fn verify(owner: &TokenOwner) -> Endpoint<TokenStatus> {
    match owner {
        TokenOwner::User => crate::identity::verify_token(),
        TokenOwner::Account(account) => crate::identity::verify_account_token(account),
    }
}

/// Every set of permissions that a token of the owner can be given.
#[must_use]
pub fn list_permission_groups(owner: &TokenOwner) -> ListEndpoint<PermissionGroup> {
    let (user, account) =
        ("/user/tokens/permission_groups", "/accounts/{account}/tokens/permission_groups");
    list(owner, user, account, Paging::Single)
}

fn list<T: DeserializeOwned>(
    owner: &TokenOwner,
    of_user: &'static str,
    of_account: &'static str,
    paging: Paging,
) -> ListEndpoint<T> {
    match owner {
        TokenOwner::User => ListEndpoint::new(of_user, paging),
        TokenOwner::Account(id) => ListEndpoint::new(of_account, paging).at("account", id),
    }
}

fn one(owner: &TokenOwner, method: Method, repeat: Repeat, id: &TokenId) -> Endpoint<Token> {
    match owner {
        TokenOwner::User => Endpoint::new(method, "/user/tokens/{token}", repeat),
        TokenOwner::Account(account) => {
            let template = "/accounts/{account}/tokens/{token}";
            Endpoint::new(method, template, repeat).at("account", account)
        }
    }
    .at("token", id)
}
