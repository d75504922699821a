//! wrangler's checks, field by field, with its words. Each follows the function of the same
//! purpose in wrangler 4.164.0, in the same order, so that the messages come in the same order.
pub(crate) mod binding_groups;
pub(crate) mod binding_lists;
pub(crate) mod binding_tables;
pub(crate) mod durable_objects;
pub(crate) mod observability;
pub(crate) mod placement;
pub(crate) mod platform_bindings;
pub(crate) mod queues;
pub(crate) mod routes;
pub(crate) mod scalars;
pub(crate) mod sections;
pub(crate) mod top_level;
pub(crate) mod triggers;
pub(crate) mod unique_names;
pub(crate) mod unsafe_bindings;
pub(crate) mod values;
pub(crate) mod vars;

use crate::{
    diagnostics::Diagnostics,
    node::{Node, Record},
};

/// A named environment and the top level that it builds on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    /// The top level as it is in effect, with defaults.
    pub(crate) top: &'a Record,
}

/// What a check is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) field: &'a str,
    /// Where to point when the value is missing.
    pub(crate) at: usize,
    pub(crate) named: Option<Named<'a>>,
}

impl<'a> Scope<'a> {
    /// How wrangler names the field in most, but not all, of its messages.
    pub(crate) fn path(&self) -> String {
        match self.named {
            Some(named) => format!("env.{}.{}", named.name, self.field),
            None => self.field.to_owned(),
        }
    }

    /// The same field at the top level, while a named environment is checked.
    pub(crate) fn top(&self) -> Option<&'a Node> {
        self.named.and_then(|named| named.top.get(self.field))
    }

    pub(crate) fn environment(&self) -> &'a str {
        self.named.map_or("top level", |named| named.name)
    }
}

/// Looks at a field's value, which may be missing.
pub(crate) type Check = fn(&mut Diagnostics, Scope<'_>, Option<&Node>);

/// For what is kept as it is.
pub(crate) fn anything(_: &mut Diagnostics, _: Scope<'_>, _: Option<&Node>) {}
