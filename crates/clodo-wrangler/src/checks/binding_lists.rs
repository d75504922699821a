use super::{
    Check, Scope,
    values::{has, may_have, only_known},
};
use crate::{
    diagnostics::Diagnostics,
    javascript::{json, template},
    node::{Node, Type},
};
use std::collections::HashSet;

/// How wrangler checks one binding of a list. In texts, `{f}` stands for the binding's place
/// (`kv_namespaces[0]`) and `{v}` for the binding as JSON.
pub(crate) struct Binding {
    /// What it says when the binding is no object.
    pub(crate) not_object: &'static str,
    /// What it looks at, in order.
    pub(crate) steps: &'static [Step],
}

/// One thing that wrangler looks at in a binding, and what it says when that is wrong.
pub(crate) enum Step {
    /// The property must be there with this type.
    Required(&'static str, Type, &'static str),
    /// The property may be missing.
    Optional(&'static str, Type, &'static str),
    /// The property must be a text that is not empty.
    Filled(&'static str, &'static str),
    /// The property may be missing, but not empty.
    MayBeFilled(&'static str, &'static str),
    /// `remote` may be missing, but must be true or false.
    Remote,
    /// Other properties are unexpected.
    Known(&'static [&'static str]),
    /// Other properties are unexpected, and nothing more is looked at when there are some.
    OnlyKnown(&'static [&'static str]),
    /// Something that none of the above says.
    Special(fn(&mut Diagnostics, &Place<'_>)),
}

/// A binding under check.
pub(crate) struct Place<'a> {
    pub(crate) field: &'a str,
    pub(crate) value: &'a Node,
    /// Whether all steps so far were content.
    pub(crate) sound: bool,
}

impl Place<'_> {
    pub(crate) fn say(&self, template: &str) -> String {
        template.replace("{f}", self.field).replace("{v}", &json(Some(self.value)))
    }
}

impl Binding {
    pub(crate) fn check(&self, d: &mut Diagnostics, field: &str, value: &Node) {
        let mut place = Place { field, value, sound: true };
        if value.type_of() != Type::Object || value.is_null() {
            return d.error(value.at, place.say(self.not_object));
        }
        for step in self.steps {
            match step {
                Step::OnlyKnown(known) => {
                    if !only_known(d, field, value, known) {
                        return;
                    }
                }
                Step::Known(known) => {
                    only_known(d, field, value, known);
                }
                Step::Special(special) => special(d, &place),
                _ => place.sound &= step.property(d, &place),
            }
        }
    }
}

impl Step {
    fn property(&self, d: &mut Diagnostics, place: &Place<'_>) -> bool {
        let value = place.value;
        let filled = |key| value.get(key).and_then(Node::text).is_some_and(|text| !text.is_empty());
        let (key, sound, template) = match *self {
            Self::Required(key, kind, text) => (key, has(value, key, kind), text),
            Self::Optional(key, kind, text) => (key, may_have(value, key, kind), text),
            Self::Filled(key, text) => (key, filled(key), text),
            Self::MayBeFilled(key, text) => (key, value.get(key).is_none() || filled(key), text),
            Self::Remote => ("remote", may_have(value, "remote", Type::Boolean), REMOTE),
            Self::Known(_) | Self::OnlyKnown(_) | Self::Special(_) => return true,
        };
        if !sound {
            let at = value.get(key).map_or(value.at, |value| value.at);
            d.error(at, place.say(template));
        }
        sound
    }
}

const REMOTE: &str = r#""{f}" should, optionally, have a boolean "remote" field but got {v}."#;

/// A list of bindings, and which of the top level's a named environment lacks.
pub(crate) fn list(d: &mut Diagnostics, scope: Scope<'_>, value: Option<&Node>, binding: &Binding) {
    let path = scope.path();
    let Some(given) = value else { return };
    let Some(items) = given.list() else {
        return d.error(
            given.at,
            format!("The field \"{path}\" should be an array but got {}.", json(value)),
        );
    };
    for (index, item) in items.iter().enumerate() {
        binding.check(d, &format!("{path}[{index}]"), item);
    }
    let (field, name) = (scope.field, scope.environment());
    let here: HashSet<_> = items.iter().map(shown_name).collect();
    for top in scope.top().and_then(Node::list).unwrap_or_default() {
        let wanted = shown_name(top);
        if !here.contains(&wanted) {
            let message = format!(
                "There is a {field} binding with name \"{wanted}\" at the top level, but not on \"env.{name}\".\nThis is not what you probably want, since \"{field}\" configuration is not inherited by environments.\nPlease add a binding for \"{wanted}\" to \"env.{name}.{field}.bindings\"."
            );
            d.warn("wrangler-not-inherited", given.at, message);
        }
    }
}

fn shown_name(binding: &Node) -> String {
    binding.get("binding").map_or_else(|| "undefined".to_owned(), template)
}

macro_rules! lists {
    ($($(#[$doc:meta])* $name:ident = $module:ident::$table:ident;)*) => {$(
        $(#[$doc])*
        pub(crate) const $name: Check =
            |d, scope, value| list(d, scope, value, &super::$module::$table);
    )*};
}

lists! {
    KV_NAMESPACES = binding_tables::KV_NAMESPACE;
    SEND_EMAIL = binding_tables::SEND_EMAIL_BINDING;
    R2_BUCKETS = binding_tables::R2_BUCKET;
    D1_DATABASES = binding_tables::D1_DATABASE;
    VECTORIZE = binding_tables::VECTORIZE_INDEX;
    AI_SEARCH_NAMESPACES = binding_tables::AI_SEARCH_NAMESPACE;
    AI_SEARCH = binding_tables::AI_SEARCH_INSTANCE;
    AGENT_MEMORY = binding_tables::AGENT_MEMORY_BINDING;
    HYPERDRIVE = binding_tables::HYPERDRIVE_CONFIG;
    SERVICES = binding_tables::SERVICE;
    ANALYTICS_ENGINE_DATASETS = platform_bindings::ANALYTICS_ENGINE_DATASET;
    DISPATCH_NAMESPACES = platform_bindings::DISPATCH_NAMESPACE;
    MTLS_CERTIFICATES = platform_bindings::MTLS_CERTIFICATE;
    PIPELINES = platform_bindings::PIPELINE;
    K2 = platform_bindings::K2_STREAM;
    SECRETS_STORE_SECRETS = platform_bindings::SECRETS_STORE_SECRET;
    ARTIFACTS = platform_bindings::ARTIFACT;
    UNSAFE_HELLO_WORLD = platform_bindings::HELLO_WORLD;
    FLAGSHIP = platform_bindings::FLAGSHIP_APP;
    WORKER_LOADERS = platform_bindings::WORKER_LOADER;
    RATELIMITS = platform_bindings::RATELIMIT;
    VPC_SERVICES = platform_bindings::VPC_SERVICE;
    VPC_NETWORKS = platform_bindings::VPC_NETWORK;
    WORKFLOW_LIST = platform_bindings::WORKFLOW;
}
