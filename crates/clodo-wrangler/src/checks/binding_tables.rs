//! What wrangler wants of each kind of binding, in its words.
use super::binding_lists::{
    Binding, Place,
    Step::{Known, MayBeFilled, OnlyKnown, Optional, Remote, Required, Special},
};
use crate::{
    diagnostics::Diagnostics,
    javascript::json,
    node::{
        Node,
        Type::{Number, Object, String as Text},
    },
};

pub(super) const SHOULD_BINDING: &str =
    r#""{f}" bindings should have a string "binding" field but got {v}."#;
pub(super) const MUST_BINDING: &str =
    r#""{f}" bindings must have a string "binding" field but got {v}."#;

pub(crate) const KV_NAMESPACE: Binding = Binding {
    not_object: r#""kv_namespaces" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, SHOULD_BINDING),
        MayBeFilled("id", r#""{f}" bindings should have a string "id" field but got {v}."#),
        Optional(
            "preview_id",
            Text,
            r#""{f}" bindings should, optionally, have a string "preview_id" field but got {v}."#,
        ),
        Remote,
        Known(&["binding", "id", "preview_id", "remote"]),
    ],
};

pub(crate) const SEND_EMAIL_BINDING: Binding = Binding {
    not_object: r#""send_email" bindings should be objects, but got {v}"#,
    steps: &[
        Required("name", Text, r#""{f}" bindings should have a string "name" field but got {v}."#),
        Optional(
            "destination_address",
            Text,
            r#""{f}" bindings should, optionally, have a string "destination_address" field but got {v}."#,
        ),
        Optional(
            "allowed_destination_addresses",
            Object,
            r#""{f}" bindings should, optionally, have a []string "allowed_destination_addresses" field but got {v}."#,
        ),
        Optional(
            "allowed_sender_addresses",
            Object,
            r#""{f}" bindings should, optionally, have a []string "allowed_sender_addresses" field but got {v}."#,
        ),
        Special(one_kind_of_destination),
        Remote,
        Known(&[
            "allowed_sender_addresses",
            "allowed_destination_addresses",
            "destination_address",
            "name",
            "binding",
            "remote",
        ]),
    ],
};

fn one_kind_of_destination(d: &mut Diagnostics, place: &Place<'_>) {
    let has = |key| place.value.get(key).is_some();
    if has("destination_address") && has("allowed_destination_addresses") {
        d.error(place.value.at, place.say(r#""{f}" bindings should have either a "destination_address" or "allowed_destination_addresses" field, but not both."#));
    }
}

pub(crate) const QUEUE_PRODUCER: Binding = Binding {
    not_object: r#""queue" bindings should be objects, but got {v}"#,
    steps: &[
        OnlyKnown(&["binding", "queue", "delivery_delay", "remote"]),
        Required("binding", Text, SHOULD_BINDING),
        MayBeFilled(
            "queue",
            r#""{f}" bindings should optionally have a non-empty string "queue" field but got {v}."#,
        ),
        Optional(
            "delivery_delay",
            Number,
            r#""{f}" should, optionally, have a number "delivery_delay" field but got {v}."#,
        ),
        Special(no_delay_anymore),
        Remote,
    ],
};

fn no_delay_anymore(d: &mut Diagnostics, place: &Place<'_>) {
    if let Some(delay) = place.value.get("delivery_delay") {
        let message = place.say(r#"The "delivery_delay" field in "{f}" is deprecated and has no effect. Queue-level settings should be configured using "wrangler queues update" instead. This setting will be removed in a future version."#);
        d.warn("wrangler-deprecated", delay.at, message);
    }
}

pub(crate) const R2_BUCKET: Binding = Binding {
    not_object: r#""r2_buckets" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, SHOULD_BINDING),
        MayBeFilled(
            "bucket_name",
            r#""{f}" bindings should have a string "bucket_name" field but got {v}."#,
        ),
        Special(|d, place| bucket(d, place, "bucket_name", "=")),
        Optional(
            "preview_bucket_name",
            Text,
            r#""{f}" bindings should, optionally, have a string "preview_bucket_name" field but got {v}."#,
        ),
        Special(|d, place| bucket(d, place, "preview_bucket_name", "= ")),
        Optional(
            "jurisdiction",
            Text,
            r#""{f}" bindings should, optionally, have a string "jurisdiction" field but got {v}."#,
        ),
        Remote,
        Known(&[
            "binding",
            "bucket_name",
            "preview_bucket_name",
            "jurisdiction",
            "remote",
            "local_dev",
        ]),
    ],
};

fn bucket(d: &mut Diagnostics, place: &Place<'_>, key: &str, equals: &str) {
    let Some(name) = place.value.get(key).filter(|_| place.sound) else { return };
    let valid = |text: &str| text.parse::<clodo_types::BucketName>().is_ok();
    if !name.text().is_some_and(valid) {
        let message = format!(
            "{}.{key}{equals}{} is invalid. Bucket names must begin and end with an alphanumeric character, only contain lowercase letters, numbers, and hyphens, and be between 3 and 63 characters long.",
            place.field,
            json(Some(name))
        );
        d.error(name.at, message);
    }
}

macro_rules! optional_text {
    ($key:literal) => {
        Optional(
            $key,
            Text,
            concat!(
                "\"{f}\" bindings should, optionally, have a string \"",
                $key,
                "\" field but got {v}."
            ),
        )
    };
}

pub(crate) const D1_DATABASE: Binding = Binding {
    not_object: r#""d1_databases" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, SHOULD_BINDING),
        Optional(
            "database_id",
            Text,
            r#""{f}" bindings must have a "database_id" field but got {v}."#,
        ),
        optional_text!("preview_database_id"),
        Remote,
        optional_text!("migrations_pattern"),
        optional_text!("database_name"),
        optional_text!("jurisdiction"),
        optional_text!("migrations_dir"),
        optional_text!("migrations_table"),
        optional_text!("database_internal_env"),
        Known(&[
            "binding",
            "database_id",
            "database_internal_env",
            "database_name",
            "jurisdiction",
            "migrations_dir",
            "migrations_pattern",
            "migrations_table",
            "preview_database_id",
            "remote",
        ]),
    ],
};

// Many kinds want a binding, one more text, and `remote`.
macro_rules! with_one_more {
    ($($name:ident: $field:literal, $key:literal, $text:literal, $known:expr;)*) => {$(
        pub(crate) const $name: Binding = Binding {
            not_object: concat!("\"", $field, "\" bindings should be objects, but got {v}"),
            steps: &[
                Required("binding", Text, SHOULD_BINDING),
                Required($key, Text, $text),
                Remote,
                Known($known),
            ],
        };
    )*};
}

with_one_more! {
    VECTORIZE_INDEX: "vectorize", "index_name",
        r#""{f}" bindings must have an "index_name" field but got {v}."#,
        &["binding", "index_name", "remote"];
    AI_SEARCH_NAMESPACE: "ai_search_namespaces", "namespace",
        r#""{f}" bindings must have a "namespace" field but got {v}."#,
        &["binding", "namespace", "remote"];
    AI_SEARCH_INSTANCE: "ai_search", "instance_name",
        r#""{f}" bindings must have an "instance_name" field but got {v}."#,
        &["binding", "instance_name", "remote"];
    AGENT_MEMORY_BINDING: "agent_memory", "namespace",
        r#""{f}" bindings must have a "namespace" field but got {v}."#,
        &["binding", "namespace", "remote"];
    HYPERDRIVE_CONFIG: "hyperdrive", "id",
        r#""{f}" bindings must have a "id" field but got {v}."#,
        &["binding", "id", "localConnectionString", "remote"];
}

pub(crate) const SERVICE: Binding = Binding {
    not_object: r#""services" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, SHOULD_BINDING),
        Required(
            "service",
            Text,
            r#""{f}" bindings should have a string "service" field but got {v}."#,
        ),
        Optional(
            "environment",
            Text,
            r#""{f}" bindings should have a string "environment" field but got {v}."#,
        ),
        Optional(
            "entrypoint",
            Text,
            r#""{f}" bindings should have a string "entrypoint" field but got {v}."#,
        ),
        Special(plugin),
        Remote,
    ],
};

// `dev` routes the binding to a plugin of wrangler's local runtime.
fn plugin(d: &mut Diagnostics, place: &Place<'_>) {
    let Some(dev) = place.value.get("dev") else { return };
    let field = place.field;
    if dev.record().is_some() {
        plugin_parts(d, field, dev);
    } else {
        let shown = json(Some(dev));
        let message =
            format!("\"{field}\" bindings should have an object \"dev\" field but got {shown}.");
        d.error(dev.at, message);
    }
    if place.value.get("remote").and_then(Node::bool) == Some(true) {
        let message = place.say(
            r#""{f}" binding has both "dev" and "remote" set; "remote" is ignored when "dev" is present and the binding is routed through the local Miniflare plugin."#,
        );
        d.warn("wrangler-warning", dev.at, message);
    }
}

fn plugin_parts(d: &mut Diagnostics, field: &str, dev: &Node) {
    match dev.get("plugin").filter(|plugin| plugin.record().is_some()) {
        None => {
            let shown = json(dev.get("plugin"));
            let message =
                format!("\"{field}.dev\" should have an object \"plugin\" field but got {shown}.");
            d.error(dev.at, message);
        }
        Some(plugin) => {
            for key in ["package", "name"] {
                let value = plugin.get(key);
                if value.and_then(Node::text).is_none() {
                    let shown = json(value);
                    d.error(plugin.at, format!("\"{field}.dev.plugin\" should have a string \"{key}\" field but got {shown}."));
                }
            }
        }
    }
    if let Some(options) = dev.get("options").filter(|options| options.record().is_none()) {
        let shown = json(Some(options));
        let message = format!("\"{field}.dev.options\" should be an object but got {shown}.");
        d.error(options.at, message);
    }
}
