//! What the writes are made to, and the names of what is in it.

use super::{look, prepared, write::Acting};
use crate::{
    aging::Aging,
    cloud::{Cloud, http, parsed},
};
use clodo_cf_api::{Client, ClientOptions, Endpoint, Repeat, RetryPolicy};
use clodo_types::{AccountId, Secret};
use http::Method;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::{Debug, Display},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

/// A cloud of its own with something of each kind in it.
pub(super) struct World {
    pub(super) cloud: Cloud,
    pub(super) client: Client,
    pub(super) account: AccountId,
    /// Ids and the like, by the names that the table uses.
    names: BTreeMap<&'static str, String>,
}

impl World {
    /// None for a live account, which has no faults.
    pub(super) async fn new() -> Option<Self> {
        let cloud = Cloud::open_fast().await;
        if cloud.is_live() {
            return None;
        }
        let (url, token) = (cloud.url()?.to_owned(), cloud.token()?.to_owned());
        let options = ClientOptions::new(format!("{url}/client/v4"), Secret::new(token.as_str()))
            .with_retry(RetryPolicy::default().with_base(Duration::from_millis(10)));
        let client = Client::new(Arc::new(Aging(http())), options).unwrap();
        let account = cloud.account.clone();
        let mut world = Self { cloud, client, account, names: BTreeMap::new() };
        world.knows("token", token);
        world.knows("account", world.account.clone());
        world.knows("zone", world.cloud.zone()?);
        prepared::fill(&mut world).await;
        Some(world)
    }

    pub(super) fn knows(&mut self, name: &'static str, value: impl Display) {
        self.names.insert(name, value.to_string());
    }

    /// What goes by this name.
    pub(super) fn the<T: FromStr<Err: Debug>>(&self, name: &str) -> T {
        parsed(self.name(name))
    }

    pub(super) fn name(&self, name: &str) -> &str {
        self.known(name).unwrap_or_else(|| panic!("nothing is called `{name}`"))
    }

    pub(super) fn known(&self, name: &str) -> Option<&str> {
        self.names.get(name).map(String::as_str)
    }

    pub(super) fn url(&self) -> &str {
        self.cloud.url().unwrap()
    }

    /// Names in braces, replaced by what goes by them.
    pub(super) fn filled(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap();
            filled.push_str(before);
            filled.push_str(self.name(name));
            rest = after;
        }
        filled + rest
    }

    /// An answer in words that are the same in every cloud.
    pub(super) fn told(&self, answer: Value) -> Value {
        let known = |text: &str| {
            let found = self.names.iter().find(|(_, value)| *value == text);
            found.map(|(name, _)| format!("{{{name}}}"))
        };
        look::plain(answer, &known)
    }

    /// A write that is one call.
    pub(super) fn send<'a, A: Send + 'a>(&'a self, endpoint: Endpoint<A>) -> Acting<'a> {
        Box::pin(async { self.client.send(endpoint).await.map(drop) })
    }

    /// A call that `clodo-cf-api` has no function for. Names in braces stand for what goes by them.
    pub(super) fn other(
        &self,
        (method, repeat): (Method, Repeat),
        template: &'static str,
        body: &Value,
    ) -> Endpoint<()> {
        let endpoint = match method {
            Method::DELETE => Endpoint::delete(template),
            _ => Endpoint::silent(method, template, repeat),
        };
        let names = template.split('{').skip(1).filter_map(|part| part.split('}').next());
        let endpoint = names.fold(endpoint, |call, name| call.at(name, self.name(name)));
        if body.is_null() { endpoint } else { endpoint.with_json(body) }
    }

    /// A removal that `clodo-cf-api` has no function for.
    pub(super) fn removal(&self, template: &'static str) -> Endpoint<()> {
        self.other((Method::DELETE, Repeat::Safe), template, &Value::Null)
    }

    /// The path of a new snapshot.
    pub(super) fn snapshot(&self) -> String {
        let path = self.cloud.file("state.tar");
        let _ = self.cloud.local(&["snapshot", &path]).exits(0);
        path
    }
}
