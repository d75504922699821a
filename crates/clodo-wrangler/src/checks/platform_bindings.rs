//! What wrangler wants of the kinds of binding that Clodo passes on, in its words.
use super::{
    binding_lists::{
        Binding, Place,
        Step::{Filled, Known, MayBeFilled, Optional, Remote, Required, Special},
    },
    binding_tables::{MUST_BINDING, SHOULD_BINDING},
    values::only_known,
};
use crate::{
    diagnostics::Diagnostics,
    javascript::json,
    node::{
        Node,
        Type::{Boolean, Object, String as Text},
    },
};

pub(crate) const ANALYTICS_ENGINE_DATASET: Binding = Binding {
    not_object: r#""analytics_engine" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, SHOULD_BINDING),
        MayBeFilled(
            "dataset",
            r#""{f}" bindings should, optionally, have a string "dataset" field but got {v}."#,
        ),
        Known(&["binding", "dataset", "remote"]),
        Remote,
    ],
};

pub(crate) const DISPATCH_NAMESPACE: Binding = Binding {
    not_object: r#""{f}" binding should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, r#""{f}" should have a string "binding" field but got {v}."#),
        Optional(
            "namespace",
            Text,
            r#""{f}" should optionally have a string "namespace" field but got {v}."#,
        ),
        Remote,
    ],
};

pub(crate) const MTLS_CERTIFICATE: Binding = Binding {
    not_object: r#""mtls_certificates" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, SHOULD_BINDING),
        Filled(
            "certificate_id",
            r#""{f}" bindings should have a string "certificate_id" field but got {v}."#,
        ),
        Known(&["binding", "certificate_id", "remote"]),
        Remote,
    ],
};

pub(crate) const PIPELINE: Binding = Binding {
    not_object: r#""pipeline" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, MUST_BINDING),
        Special(stream),
        Remote,
        Known(&["binding", "stream", "pipeline", "remote"]),
    ],
};

fn stream(d: &mut Diagnostics, place: &Place<'_>) {
    let filled =
        |key| place.value.get(key).and_then(Node::text).is_some_and(|text| !text.is_empty());
    if filled("stream") {
        return;
    }
    if filled("pipeline") {
        let message = place
            .say(r#"The "pipeline" field in "{f}" bindings is deprecated. Use "stream" instead."#);
        return d.warn("wrangler-deprecated", place.value.at, message);
    }
    d.error(
        place.value.at,
        place.say(r#""{f}" bindings must have a string "stream" field but got {v}."#),
    );
}

pub(crate) const K2_STREAM: Binding = Binding {
    not_object: r#""{f}" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, r#""{f}" must have a string "binding" field."#),
        Required("stream", Text, r#""{f}" must have a string "stream" field."#),
        Remote,
        Known(&["binding", "stream", "remote"]),
    ],
};

pub(crate) const SECRETS_STORE_SECRET: Binding = Binding {
    not_object: r#""secrets_store_secrets" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, MUST_BINDING),
        Required(
            "store_id",
            Text,
            r#""{f}" bindings must have a string "store_id" field but got {v}."#,
        ),
        Required(
            "secret_name",
            Text,
            r#""{f}" bindings must have a string "secret_name" field but got {v}."#,
        ),
        Known(&["binding", "store_id", "secret_name"]),
    ],
};

pub(crate) const ARTIFACT: Binding = Binding {
    not_object: r#""artifacts" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, MUST_BINDING),
        Required(
            "namespace",
            Text,
            r#""{f}" bindings must have a string "namespace" field but got {v}."#,
        ),
        Known(&["binding", "namespace", "remote"]),
        Remote,
    ],
};

pub(crate) const HELLO_WORLD: Binding = Binding {
    not_object: r#""unsafe_hello_world" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, MUST_BINDING),
        Optional(
            "enable_timer",
            Boolean,
            r#""{f}" bindings must have a boolean "enable_timer" field but got {v}."#,
        ),
        Known(&["binding", "enable_timer"]),
    ],
};

pub(crate) const FLAGSHIP_APP: Binding = Binding {
    not_object: r#""flagship" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, MUST_BINDING),
        Optional("app_id", Text, r#""{f}" bindings may have a string "app_id" field but got {v}."#),
        Known(&["binding", "app_id", "remote"]),
        Remote,
    ],
};

pub(crate) const WORKER_LOADER: Binding = Binding {
    not_object: r#""worker_loader" bindings should be objects, but got {v}"#,
    steps: &[Required("binding", Text, MUST_BINDING), Known(&["binding"])],
};

pub(crate) const RATELIMIT: Binding = Binding {
    not_object: r#""ratelimits" bindings should be objects, but got {v}"#,
    steps: &[
        Required("name", Text, r#""{f}" bindings must have a string "name" field but got {v}."#),
        Required(
            "namespace_id",
            Text,
            r#""{f}" bindings must have a string "namespace_id" field but got {v}."#,
        ),
        Special(simple),
        Known(&["name", "namespace_id", "simple"]),
    ],
};

fn simple(d: &mut Diagnostics, place: &Place<'_>) {
    let field = place.field;
    let simple = place.value.get("simple").filter(|v| v.type_of() == Object && !v.is_null());
    let Some(simple) = simple else {
        let message =
            place.say(r#""{f}" bindings must have a "simple" configuration object but got {v}."#);
        return d.error(place.value.at, message);
    };
    let shown = json(Some(simple));
    if simple.get("limit").and_then(Node::number).is_none() {
        d.error(
            simple.at,
            format!("\"{field}\" bindings \"simple.limit\" must be a number but got {shown}."),
        );
    }
    let period = simple.get("period");
    match period.and_then(Node::number) {
        None => d.error(
            simple.at,
            format!("\"{field}\" bindings \"simple.period\" is required and must be a number but got {shown}."),
        ),
        Some(number) if number != 10.0 && number != 60.0 => d.error(
            simple.at,
            format!("\"{field}\" bindings \"simple.period\" must be either 10 or 60 but got {}.", json(period)),
        ),
        Some(_) => {}
    }
    only_known(d, &format!("{field}.simple"), simple, &["limit", "period"]);
}

pub(crate) const VPC_SERVICE: Binding = Binding {
    not_object: r#""vpc_services" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, SHOULD_BINDING),
        Required(
            "service_id",
            Text,
            r#""{f}" bindings must have a "service_id" field but got {v}."#,
        ),
        Known(&["binding", "service_id", "remote"]),
    ],
};

pub(crate) const VPC_NETWORK: Binding = Binding {
    not_object: r#""vpc_networks" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, SHOULD_BINDING),
        Special(network),
        Known(&["binding", "tunnel_id", "network_id", "remote"]),
    ],
};

fn network(d: &mut Diagnostics, place: &Place<'_>) {
    let (tunnel, network) = (place.value.get("tunnel_id"), place.value.get("network_id"));
    let text = match (tunnel, network) {
        (Some(_), Some(_)) => {
            r#""{f}" bindings must have either a "tunnel_id" or "network_id", but not both."#
        }
        (None, None) => {
            r#""{f}" bindings must have either a "tunnel_id" or "network_id" field but got {v}."#
        }
        (Some(id), None) if id.text().is_none() => {
            r#""{f}" bindings must have a string "tunnel_id" field but got {v}."#
        }
        (None, Some(id)) if id.text().is_none() => {
            r#""{f}" bindings must have a string "network_id" field but got {v}."#
        }
        _ => return,
    };
    d.error(place.value.at, place.say(text));
}

pub(crate) const WORKFLOW: Binding = Binding {
    not_object: r#""workflows" bindings should be objects, but got {v}"#,
    steps: &[
        Required("binding", Text, SHOULD_BINDING),
        Special(workflow_name),
        Required(
            "class_name",
            Text,
            r#""{f}" bindings should have a string "class_name" field but got {v}."#,
        ),
        Optional(
            "script_name",
            Text,
            r#""{f}" bindings should, optionally, have a string "script_name" field but got {v}."#,
        ),
        Known(&[
            "binding",
            "name",
            "class_name",
            "script_name",
            "limits",
            "concurrency",
            "schedules",
            "default_retention",
            "jurisdiction",
        ]),
    ],
};

fn workflow_name(d: &mut Diagnostics, place: &Place<'_>) {
    let at = place.value.get("name").map_or(place.value.at, |name| name.at);
    let Some(name) = place.value.get("name").and_then(Node::text) else {
        let message = r#""{f}" bindings should have a string "name" field but got {v}."#;
        return d.error(at, place.say(message));
    };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let sound =
        (1..=64).contains(&name.len()) && !name.starts_with('-') && name.bytes().all(allowed);
    if !sound {
        let message = r#""{f}" binding "name" field is invalid. Workflow names must be 1-64 characters long, start with a letter, number, or underscore, and may only contain letters, numbers, underscores, or hyphens."#;
        d.error(at, place.say(message));
    }
}
