//! What may stand in `clodo.toml`: the reader and the JSON Schema both follow these tables.

use crate::{
    choices::{Generate, Platform, Protection, Rules, SecretKind, names},
    rollout_keys::{ROLLOUT, WAVE},
};
use serde_json::Value;

/// A table whose keys are known.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) keys: &'static [Key],
    /// Keys that other sections have as well.
    pub(crate) shared: &'static [Key],
}

/// One key of a section.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) doc: &'static str,
}

/// What a key takes.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Text that is the named thing, with its article: `a hostname`.
    Text(&'static str),
    /// One of a few words; the first is what they are: `a strategy`.
    Choice(&'static str, fn() -> Vec<&'static str>),
    /// A list of the named things: `hostnames`.
    List(&'static str),
    /// The thing, or a list of them: `a hostname`, `hostnames`.
    OneOrMore(&'static str, &'static str),
    /// A table of its own.
    Section(&'static Section),
    /// A table from names of the first kind to the shape.
    Map(&'static str, &'static Self),
    /// A list of tables: `[[waves]]`.
    Tables(&'static Section),
    /// A table of variables.
    Vars,
    /// The thing, with its article, and its JSON Schema.
    Other(&'static str, fn() -> Value),
    /// Known, but nothing reads it yet.
    Later,
}

impl Shape {
    /// For "expected …, found …".
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Text(what) => (*what).to_owned(),
            Self::Choice(what, _) => format!("{what} in quotes"),
            Self::List(what) => format!("a list of {what}"),
            Self::OneOrMore(one, many) => format!("{one} or a list of {many}"),
            Self::Section(_) => "a table".to_owned(),
            Self::Map(of, _) => format!("a table with a key per {of}"),
            Self::Tables(_) => "a list of tables".to_owned(),
            Self::Vars => "a table of variables".to_owned(),
            Self::Other(what, _) => (*what).to_owned(),
            Self::Later => "anything".to_owned(),
        }
    }
}

impl Section {
    /// All keys, its own first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'static Key> + use<> {
        self.keys.iter().chain(self.shared)
    }

    /// What the key `name` takes.
    pub(crate) fn shape(&self, name: &str) -> Option<&'static Shape> {
        self.all().find(|key| key.name == name).map(|key| &key.shape)
    }
}

pub(crate) const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, doc }
}

static HOSTNAMES: Shape = Shape::OneOrMore("a hostname", "hostnames");
static BY_SERVICE: Shape = Shape::Map("service", &HOSTNAMES);
const BY_ENVIRONMENT: Shape = Shape::Map("environment", &BY_SERVICE);

/// The whole file.
pub(crate) static ROOT: Section = Section {
    keys: &[
        key("portfolio", Shape::Section(&PORTFOLIO), "The portfolio itself."),
        key(
            "accounts",
            Shape::Map("account", &Shape::Section(&ACCOUNT)),
            "Cloudflare accounts, by the name that this file calls them.",
        ),
        key(
            "environments",
            Shape::Map("environment", &Shape::Section(&ENVIRONMENT)),
            "Environments. Without any there are development, staging and production.",
        ),
        key(
            "services",
            Shape::Map("service", &Shape::Section(&SERVICE)),
            "Services: project folders with one Worker each.",
        ),
        key("vars", Shape::Vars, "Variables of every service; any other level overrides them."),
        key(
            "domains",
            BY_ENVIRONMENT,
            "Domains of a portfolio without customers: environment.service = hostname.",
        ),
        key(
            "customers",
            Shape::Map("customer", &Shape::Section(&CUSTOMER)),
            "Customers, each with variables and domains of its own.",
        ),
        key(
            "waves",
            Shape::Tables(&WAVE),
            "Groups of targets that are rolled out one after the other; the rest comes last.",
        ),
        key("features", Shape::Later, "Feature flags. Kept; nothing reads them yet."),
        key("resources", Shape::Later, "Managed resources. Kept; nothing reads them yet."),
    ],
    shared: &[],
};

/// `[portfolio]`.
pub(crate) static PORTFOLIO: Section = Section {
    keys: &[
        key("name", Shape::Text("a portfolio name"), "What this portfolio is called."),
        key(
            "platform",
            Shape::Choice("a platform", names::<Platform>),
            "Where it is deployed to, unless --platform says otherwise.",
        ),
        key(
            "state",
            Shape::Text("a PostgreSQL URL"),
            "Where journals and history live: a PostgreSQL URL without a password. Without it: \
             SQLite under .clodo/.",
        ),
        key(
            "account",
            Shape::Text("an account name"),
            "The account of whatever names none; needed only where there are several.",
        ),
    ],
    shared: &[],
};

/// `[accounts.NAME]`.
pub(crate) static ACCOUNT: Section = Section {
    keys: &[
        key(
            "id",
            Shape::Text("an account id"),
            "The account's id: 32 hexadecimal digits. Without it CLOUDFLARE_ACCOUNT_ID counts.",
        ),
        key("zones", Shape::List("zone names"), "The zones that the portfolio's domains are in."),
    ],
    shared: &[],
};

/// `[environments.NAME]`.
pub(crate) static ENVIRONMENT: Section = Section {
    keys: &[
        key(
            "protection",
            Shape::Choice("a protection", names::<Protection>),
            "What a deployment needs first. Without it: confirm under production rules, else none.",
        ),
        key(
            "rules",
            Shape::Choice("a set of rules", names::<Rules>),
            "How strict the security rules are. Without it: those of the environment's own name, \
             else production.",
        ),
        key(
            "promote_from",
            Shape::Text("an environment name"),
            "Only code that this environment has proved may be uploaded.",
        ),
        key("account", Shape::Text("an account name"), "The account of this environment."),
        key("vars", Shape::Vars, "Variables of every service in this environment."),
        key(
            "domains",
            Shape::Map("service", &HOSTNAMES),
            "Domains in this environment, of a portfolio without customers.",
        ),
    ],
    shared: ROLLOUT,
};

/// `[services.NAME]`.
pub(crate) static SERVICE: Section = Section {
    keys: &[
        key(
            "path",
            Shape::Text("a folder"),
            "The folder with the wrangler config, relative to this file.",
        ),
        key(
            "health",
            Shape::Text("a path such as `/health`"),
            "Where the service says it is well.",
        ),
        key(
            "depends_on",
            Shape::List("service names"),
            "Services that go first; those bound in the wrangler config are found without it.",
        ),
        key("vars", Shape::Vars, "Variables of this service."),
        key(
            "secrets",
            Shape::Map("secret", &Shape::Section(&SECRET)),
            "Secrets that the service needs: what they are, never their values.",
        ),
        key(
            "environments",
            Shape::Map("environment", &Shape::Section(&SERVICE_IN_ENVIRONMENT)),
            "What differs in one environment.",
        ),
    ],
    shared: ROLLOUT,
};

/// `[services.NAME.environments.NAME]`.
pub(crate) static SERVICE_IN_ENVIRONMENT: Section = Section {
    keys: &[key("vars", Shape::Vars, "Variables of this service in this environment.")],
    shared: ROLLOUT,
};

/// `[services.NAME.secrets]`, one secret.
pub(crate) static SECRET: Section = Section {
    keys: &[
        key(
            "generate",
            Shape::Choice("a place", names::<Generate>),
            "Where it is made up instead of being given.",
        ),
        key("kind", Shape::Choice("a kind of secret", names::<SecretKind>), "What it is used for."),
        key(
            "env",
            Shape::Text("the name of an environment variable"),
            "The environment variable that gives it. Without it: CLODO_SECRET_<NAME>.",
        ),
    ],
    shared: &[],
};

/// `[customers.NAME]`.
pub(crate) static CUSTOMER: Section = Section {
    keys: &[
        key("account", Shape::Text("an account name"), "The account of this customer."),
        key("vars", Shape::Vars, "Variables of every service of this customer."),
        key("domains", BY_ENVIRONMENT, "This customer's domains: environment.service = hostname."),
        key(
            "environments",
            Shape::Map("environment", &Shape::Section(&CUSTOMER_IN_ENVIRONMENT)),
            "What differs in one environment.",
        ),
        key(
            "features",
            Shape::Later,
            "Feature flags of this customer. Kept; nothing reads them yet.",
        ),
    ],
    shared: &[],
};

/// `[customers.NAME.environments.NAME]`.
pub(crate) static CUSTOMER_IN_ENVIRONMENT: Section = Section {
    keys: &[
        key("vars", Shape::Vars, "Variables of this customer in this environment."),
        key(
            "domains",
            Shape::Map("service", &HOSTNAMES),
            "This customer's domains in this environment.",
        ),
    ],
    shared: &[],
};
