//! Who the token is, and what it can see.
//!
//! # Example
//! ```
#![doc = include_str!("../docs/identity.rs")]
//! ```
#![doc = include_str!("../docs/identity.md")]

use crate::{
    endpoint::Endpoint,
    paging::{ListEndpoint, Paging},
    wire::or_default,
};
use clodo_types::AccountId;
use serde::Deserialize;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name, for people.
    #[serde(default)]
    pub name: String,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct TokenStatus {
    /// Its id; not the token.
    pub id: String,
    /// `active`, `disabled`, `expired`, or a word that came later.
    pub status: String,
    /// When it begins, in RFC 3339.
    #[serde(default)]
    pub not_before: Option<String>,
    /// When it ends, in RFC 3339.
    #[serde(default)]
    pub expires_on: Option<String>,
}

impl TokenStatus {
    /// Whether the token can be used now.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == "active"
    }
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// Their id.
    pub id: String,
    /// Their address, when the token may see it.
    #[serde(default)]
    pub email: Option<String>,
}

/// What a person is in an account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Membership {
    /// Its id.
    #[serde(default)]
    pub id: Option<String>,
    /// The account.
    pub account: Account,
    /// `accepted`, `pending` …
    #[serde(default)]
    pub status: Option<String>,
    /// Such as `Super Administrator - All Privileges`.
    #[serde(default, deserialize_with = "or_default")]
    pub roles: Vec<String>,
}

/// Every account that the person belongs to, and as what.
#[must_use]
pub fn list_memberships() -> ListEndpoint<Membership> {
    ListEndpoint::new("/memberships", Paging::Numbered { per_page: 50 })
}

/// Every account that the token can see.
#[must_use]
pub fn list_accounts() -> ListEndpoint<Account> {
    ListEndpoint::new("/accounts", Paging::Numbered { per_page: 50 })
}

/// One account.
#[must_use]
pub fn account(account: &AccountId) -> Endpoint<Account> {
    Endpoint::get("/accounts/{account}").at("account", account)
}

/// Whether the token, which belongs to a person, is good.
#[must_use]
pub fn verify_token() -> Endpoint<TokenStatus> {
    Endpoint::get("/user/tokens/verify")
}

/// Whether the token, which belongs to an account, is good.
#[must_use]
pub fn verify_account_token(account: &AccountId) -> Endpoint<TokenStatus> {
    Endpoint::get("/accounts/{account}/tokens/verify").at("account", account)
}

/// The person that the token belongs to.
#[must_use]
pub fn user() -> Endpoint<User> {
    Endpoint::get("/user")
}
