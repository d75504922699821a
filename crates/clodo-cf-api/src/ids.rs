use std::{fmt, str::FromStr};

/// An id that Cloudflare gave is empty or holds characters that no id has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what}: 1 to 128 letters, digits, `-` and `_` are expected")]
pub struct IdError {
    what: &'static str,
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Borrows the text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
                if text.is_empty() || 128 < text.len() || !text.bytes().all(allowed) {
                    return Err(IdError { what: $what });
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id_type! {
    /// The id of a route of a zone.
    RouteId, "route id"
}
id_type! {
    /// The id of a custom domain of a Worker.
    DomainId, "custom domain id"
}
id_type! {
    /// Cloudflare's id of one deployment of one Worker. Clodo's own deployments, which may span
    /// many Workers, have a [`DeploymentId`](clodo_types::DeploymentId).
    WorkerDeploymentId, "deployment id"
}
id_type! {
    /// A Worker's own id, which survives a rename; other answers call it the tag.
    WorkerId, "worker id"
}
id_type! {
    /// The id of an API token; not the token.
    TokenId, "token id"
}
id_type! {
    /// The id of a set of permissions that a token can be given.
    PermissionGroupId, "permission group id"
}
id_type! {
    /// The id of a DNS record.
    RecordId, "DNS record id"
}
id_type! {
    /// The id of a live tail of a Worker's events.
    TailId, "tail id"
}
id_type! {
    /// The id of a queue.
    QueueId, "queue id"
}
id_type! {
    /// The id of a consumer of a queue.
    ConsumerId, "queue consumer id"
}
id_type! {
    /// The id of a namespace of Durable Objects: one class of one Worker.
    ObjectNamespaceId, "Durable Object namespace id"
}

id_type! {
    /// The id of an instance of a Workflow.
    InstanceId, "instance id"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_place_in_a_path() {
        assert!("023e105f4ecef8ad9ca31a8372d0c353".parse::<RouteId>().is_ok());
        for bad in ["", "..", "a/b", "a?b", "a b", "é"] {
            assert!(bad.parse::<RouteId>().is_err(), "{bad}");
        }
    }
}
