//! The fields of an environment: where each comes from, who checks it, what it is by default.
use crate::{
    checks::{
        Check, anything, binding_groups as groups, binding_lists as lists,
        observability as observed, placement, queues, routes, scalars, sections, triggers,
        unsafe_bindings, vars,
    },
    node::{Kind, Node, Record},
};

/// What an environment does with a field.
#[derive(Clone, Copy)]
pub(crate) enum From {
    /// It takes the top level's value unless it has its own.
    Inherited,
    /// It has its own value or none.
    Own,
    /// It takes the top level's value with its own name behind it.
    Suffixed,
    /// Inherited, and a path from the config's folder, unless it is absolute.
    Path,
    /// Inherited, and a path below the config's folder.
    Below,
    /// `build`, inherited and filled up.
    Build,
}

/// One field of an environment.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) from: From,
    pub(crate) check: Check,
    pub(crate) default: Option<fn() -> Kind>,
}

const fn inherited(name: &'static str, check: Check) -> Field {
    Field { name, from: From::Inherited, check, default: None }
}

const fn own(name: &'static str, check: Check) -> Field {
    Field { name, from: From::Own, check, default: None }
}

const fn own_list(name: &'static str, check: Check) -> Field {
    own(name, check).or(no_items)
}

const fn path(name: &'static str) -> Field {
    Field { name, from: From::Path, check: scalars::string, default: None }
}

impl Field {
    const fn or(mut self, default: fn() -> Kind) -> Self {
        self.default = Some(default);
        self
    }
}

pub(crate) fn no_items() -> Kind {
    Kind::List(Vec::new())
}

fn nothing() -> Kind {
    Kind::Record(Record::default())
}

fn record_of(fields: &[(&str, Kind)]) -> Kind {
    let mut record = Record::default();
    for (key, kind) in fields {
        record.set(key, Some(Node::default_of(kind.clone())));
    }
    Kind::Record(record)
}

// In the order in which wrangler looks at them, which is the order of its messages.
pub(crate) const FIELDS: &[Field] = &[
    inherited("route", routes::route),
    inherited("account_id", scalars::string),
    inherited("routes", routes::routes),
    inherited("workers_dev", scalars::boolean),
    inherited("preview_urls", scalars::boolean),
    Field { name: "build", from: From::Build, check: anything, default: None },
    inherited("compatibility_date", scalars::compatibility_date),
    inherited("compatibility_flags", scalars::string_list).or(no_items),
    inherited("jsx_factory", scalars::string).or(|| Kind::Text("React.createElement".into())),
    inherited("jsx_fragment", scalars::string).or(|| Kind::Text("React.Fragment".into())),
    Field { name: "tsconfig", from: From::Below, check: scalars::string, default: None },
    inherited("rules", triggers::rules).or(no_items),
    Field { name: "name", from: From::Suffixed, check: scalars::worker_name, default: None },
    path("main"),
    inherited("find_additional_modules", scalars::boolean),
    inherited("preserve_file_names", scalars::boolean),
    path("base_dir"),
    inherited("triggers", triggers::triggers).or(nothing),
    inherited("assets", sections::assets),
    inherited("limits", sections::limits),
    inherited("placement", placement::placement),
    own("vars", vars::vars).or(nothing),
    own("secrets", vars::secrets),
    own("define", vars::define).or(nothing),
    own("durable_objects", groups::durable_objects).or(nothing),
    own_list("workflows", groups::workflows),
    inherited("migrations", triggers::migrations).or(no_items),
    inherited("exports", anything).or(nothing),
    own_list("kv_namespaces", lists::KV_NAMESPACES),
    own("cloudchamber", anything).or(nothing),
    own("containers", anything),
    own_list("send_email", lists::SEND_EMAIL),
    own("queues", queues::queues)
        .or(|| record_of(&[("producers", no_items()), ("consumers", no_items())])),
    own_list("connect", anything),
    own_list("r2_buckets", lists::R2_BUCKETS),
    own_list("d1_databases", lists::D1_DATABASES),
    own_list("vectorize", lists::VECTORIZE),
    own_list("ai_search_namespaces", lists::AI_SEARCH_NAMESPACES),
    own_list("ai_search", lists::AI_SEARCH),
    own_list("agent_memory", lists::AGENT_MEMORY),
    own_list("hyperdrive", lists::HYPERDRIVE),
    own_list("services", lists::SERVICES),
    own_list("analytics_engine_datasets", lists::ANALYTICS_ENGINE_DATASETS),
    own_list("dispatch_namespaces", lists::DISPATCH_NAMESPACES),
    own_list("mtls_certificates", lists::MTLS_CERTIFICATES),
    own("tail_consumers", sections::tail_consumers),
    own("streaming_tail_consumers", sections::streaming_tail_consumers),
    own("unsafe", unsafe_bindings::settings).or(nothing),
    own("browser", groups::single),
    own("analytics", groups::single),
    own("ai", groups::ai),
    own("images", groups::single),
    own("stream", groups::single),
    own("media", groups::single),
    own_list("pipelines", lists::PIPELINES),
    own_list("k2", lists::K2),
    own_list("secrets_store_secrets", lists::SECRETS_STORE_SECRETS),
    own_list("artifacts", lists::ARTIFACTS),
    own_list("unsafe_hello_world", lists::UNSAFE_HELLO_WORLD),
    own_list("flagship", lists::FLAGSHIP),
    own_list("worker_loaders", lists::WORKER_LOADERS),
    own_list("ratelimits", lists::RATELIMITS),
    own_list("vpc_services", lists::VPC_SERVICES),
    own_list("vpc_networks", lists::VPC_NETWORKS),
    own("version_metadata", groups::version_metadata),
    inherited("logfwdr", groups::logfwdr).or(|| record_of(&[("bindings", no_items())])),
    inherited("no_bundle", scalars::boolean),
    inherited("minify", scalars::boolean),
    inherited("keep_names", scalars::boolean),
    inherited("first_party_worker", scalars::boolean),
    inherited("logpush", scalars::boolean),
    inherited("upload_source_maps", scalars::boolean),
    inherited("observability", observed::observability),
    inherited("access", observed::access),
    inherited("cache", observed::cache),
    inherited("compliance_region", scalars::compliance_region),
    inherited("python_modules", observed::python_modules).or(|| {
        let pattern = Node::default_of(Kind::Text("**/*.pyc".into()));
        record_of(&[("exclude", Kind::List(vec![pattern]))])
    }),
    inherited("previews", anything),
];

/// The names of all fields that an environment may have.
pub(crate) fn known_fields() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|field| field.name)
}
