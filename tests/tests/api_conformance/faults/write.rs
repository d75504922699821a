//! A write of the API, as a row of the table.

use super::{look::Look, world::World};
use clodo_cf_api::ApiError;
use std::pin::Pin;

pub(super) type Acting<'a> = Pin<Box<dyn Future<Output = Result<(), ApiError>> + Send + 'a>>;

/// One write.
#[derive(Clone, Copy)]
pub(crate) struct Write {
    /// The route at which it goes wrong, as the local Cloudflare names it.
    pub(crate) route: &'static str,
    /// Does it, by the means that `clodo-cf-api` has for it.
    pub(super) act: fn(&World) -> Acting<'_>,
    /// Where its effect can be seen.
    pub(super) looks: &'static [Look],
    /// What is there twice when the network delivers the call twice, and why that is no harm.
    pub(super) twice: Option<&'static str>,
}

impl Write {
    pub(super) const fn new(
        route: &'static str,
        act: fn(&World) -> Acting<'_>,
        looks: &'static [Look],
    ) -> Self {
        Self { route, act, looks, twice: None }
    }

    pub(super) const fn twice(self, what: &'static str) -> Self {
        Self { twice: Some(what), ..self }
    }

    /// The route as faults name it.
    pub(super) fn pattern(&self) -> String {
        let starred = |part: &'static str| match part.strip_prefix('{') {
            Some(name) if name.starts_with('*') => "**",
            Some(_) => "*",
            None => part,
        };
        self.route.split('/').map(starred).collect::<Vec<_>>().join("/")
    }
}
