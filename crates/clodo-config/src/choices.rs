use serde::{Serialize, Serializer};
use std::fmt;

/// A setting with a few named values.
pub(crate) trait Choice: Sized + Copy + 'static {
    /// Every value with its name in the file.
    const ALL: &'static [(&'static str, Self)];
}

/// The names of all values.
pub(crate) fn names<T: Choice>() -> Vec<&'static str> {
    T::ALL.iter().map(|(name, _)| *name).collect()
}

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The word for it in `clodo.toml`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl Choice for $name {
            const ALL: &'static [(&'static str, Self)] = &[$(($text, Self::$variant),)+];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }
    };
}

choice! {
    /// Where a portfolio is deployed to.
    Platform {
        /// The Cloudflare on loopback.
        Local = "local",
        /// The real one.
        Cloudflare = "cloudflare",
    }
}
choice! {
    /// What a deployment into an environment has to get first.
    Protection {
        /// Nothing.
        None = "none",
        /// A person's yes, or `--yes`.
        Confirm = "confirm",
        /// Somebody else's signed approval.
        Approve = "approve",
    }
}
choice! {
    /// How a new version takes over.
    Strategy {
        /// At once.
        AllAtOnce = "all-at-once",
        /// Target after target, each once the one before is healthy.
        Rolling = "rolling",
        /// A small share of the traffic first.
        Canary = "canary",
        /// Beside the old one, then all traffic.
        BlueGreen = "blue-green",
    }
}
choice! {
    /// How strict the security rules of an environment are.
    Rules {
        /// Dummy keys and plain HTTP are fine.
        Development = "development",
        /// Nearly as strict as production.
        Staging = "staging",
        /// Strict.
        Production = "production",
    }
}
choice! {
    /// Where a secret may be made up instead of being given.
    Generate {
        /// On the local Cloudflare.
        Local = "local",
    }
}
choice! {
    /// What a secret is used for; it decides what a generated one looks like and what is weak.
    SecretKind {
        /// Any random text.
        Opaque = "opaque",
        /// Signs JSON Web Tokens.
        Jwt = "jwt",
        /// An API key.
        Api = "api",
        /// A person's or a service's password.
        Password = "password",
        /// A database's password.
        Database = "database",
        /// Signs webhooks.
        Webhook = "webhook",
        /// An Ed25519 private key.
        Ed25519 = "ed25519",
    }
}
choice! {
    /// What happens to a canary about which there is no verdict in time.
    Inconclusive {
        /// It stays where it is, judged on.
        Hold = "hold",
        /// It is taken back.
        RollBack = "roll-back",
        /// The program ends and leaves it where it is; a person decides.
        Ask = "ask",
    }
}
choice! {
    /// What canaries are judged by.
    TelemetrySource {
        /// Cloudflare's own analytics of the requests that came.
        Cloudflare = "cloudflare",
        /// Requests that Clodo sends itself.
        Probes = "probes",
        /// Queries to a Prometheus server.
        Prometheus = "prometheus",
    }
}
choice! {
    /// Whose yes is needed before a roll-out goes on.
    Approval {
        /// Anybody's.
        Anybody = "anybody",
        /// Somebody's who did not start the deployment.
        SomebodyElse = "somebody-else",
    }
}
