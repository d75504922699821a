use crate::{
    account::{self, Account},
    check,
    choices::Platform,
    customer::{self, Customer},
    environment::{self, Environment},
    error::ConfigErrors,
    fields::Fields,
    known::{Domains, Known, merge},
    node::Node,
    rollout::Wave,
    rollout_read, sections,
    service::{self, Service},
    source::{Problems, Source},
    vars::{self, Vars},
};
use clodo_types::{
    AccountId, AccountName, CustomerName, EnvironmentName, Finding, PortfolioName, ServiceName,
    Severity,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A larger file is a mistake.
const LARGEST: usize = 10 * 1024 * 1024;

/// Everything that one `clodo.toml` describes. Its names all refer to something, its services go
/// in some order, and each of its hostnames belongs to one target and to a zone of its account.
#[derive(Clone, Debug)]
pub struct Portfolio {
    pub(crate) path: PathBuf,
    pub(crate) name: PortfolioName,
    pub(crate) platform: Option<Platform>,
    pub(crate) state: Option<String>,
    pub(crate) account: Option<AccountName>,
    pub(crate) accounts: BTreeMap<AccountName, Account>,
    pub(crate) environments: BTreeMap<EnvironmentName, Environment>,
    pub(crate) services: BTreeMap<ServiceName, Service>,
    pub(crate) vars: Vars,
    pub(crate) domains: Domains,
    pub(crate) customers: BTreeMap<CustomerName, Customer>,
    pub(crate) waves: Vec<Wave>,
    later: BTreeMap<String, Value>,
    notes: Vec<Finding>,
}

impl Portfolio {
    /// Reads the bytes of a `clodo.toml`; `path` is only for messages and for [`Self::folder`].
    ///
    /// # Errors
    /// As [`Self::parse`], and when the bytes are not UTF-8.
    pub fn parse_bytes(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Self, ConfigErrors> {
        match str::from_utf8(bytes) {
            Ok(text) => Self::parse(path, text),
            Err(error) => {
                let valid = str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
                let error = Source::new(path.as_ref(), valid)
                    .error(valid.len(), "the file is not valid UTF-8 from here on")
                    .with_hint("save it as UTF-8");
                Err(ConfigErrors::new(vec![error]))
            }
        }
    }

    /// Reads the text of a `clodo.toml`; `path` is only for messages and for [`Self::folder`].
    ///
    /// # Errors
    /// Everything that is wrong with it, at most a hundred things.
    pub fn parse(path: impl AsRef<Path>, text: &str) -> Result<Self, ConfigErrors> {
        let path = path.as_ref();
        if text.len() > LARGEST {
            let error = Source::new(path, "").error(0, "the file is larger than 10 MB");
            return Err(ConfigErrors::new(vec![error]));
        }
        // Some editors begin a file with a byte-order mark; the parser's places do not count it.
        let source = Source::new(path, text.strip_prefix('\u{feff}').unwrap_or(text));
        let problems = Problems::new(&source);
        let portfolio = Node::parse(source.text())
            .map_err(|error| problems.add(error.offset, error.message))
            .ok()
            .and_then(|root| read(&problems, &root));
        match (portfolio, problems.into_sorted()) {
            (Some(portfolio), problems) if problems.is_empty() => Ok(portfolio),
            (_, problems) => Err(ConfigErrors::new(problems)),
        }
    }

    /// A folder that has a wrangler config and no `clodo.toml`: a portfolio of one service, with
    /// the usual environments, no customers and no platform.
    #[must_use]
    pub fn single_service(name: ServiceName, folder: impl AsRef<Path>) -> Self {
        let portfolio_name = name.as_str().parse();
        let environments = environment::default_names().map(|name| {
            let environment = Environment::named(&name);
            (name, environment)
        });
        Self {
            path: folder.as_ref().join("clodo.toml"),
            name: portfolio_name.expect("service and portfolio names obey the same rule"),
            platform: None,
            state: None,
            account: None,
            accounts: BTreeMap::from([(account::default_name(), Account::default())]),
            environments: environments.collect(),
            services: BTreeMap::from([(name, Service::in_folder(PathBuf::from(".")))]),
            vars: Vars::new(),
            domains: Domains::new(),
            customers: BTreeMap::new(),
            waves: Vec::new(),
            later: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// Adds environments that no file describes, such as the sections of a wrangler config.
    #[must_use]
    pub fn with_environments(mut self, names: impl IntoIterator<Item = EnvironmentName>) -> Self {
        for name in names {
            let environment = Environment::named(&name);
            self.environments.entry(name).or_insert(environment);
        }
        self
    }

    /// Gives the accounts that have no id this one.
    #[must_use]
    pub fn with_account_id(mut self, id: AccountId) -> Self {
        for account in self.accounts.values_mut() {
            account.id.get_or_insert_with(|| id.clone());
        }
        self
    }

    /// The `clodo.toml`; in a portfolio of one service it need not exist.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that services' paths are relative to.
    #[must_use]
    pub fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &PortfolioName {
        &self.name
    }

    /// Where it is deployed to, when the file says so.
    #[must_use]
    pub fn platform(&self) -> Option<Platform> {
        self.platform
    }

    /// A PostgreSQL URL for journals and history, when the file has one; it holds no password.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Accounts by name; at least one.
    #[must_use]
    pub fn accounts(&self) -> &BTreeMap<AccountName, Account> {
        &self.accounts
    }

    /// Environments by name; at least one.
    #[must_use]
    pub fn environments(&self) -> &BTreeMap<EnvironmentName, Environment> {
        &self.environments
    }

    /// Services by name; at least one.
    #[must_use]
    pub fn services(&self) -> &BTreeMap<ServiceName, Service> {
        &self.services
    }

    /// Customers by name; none in a portfolio that serves only itself.
    #[must_use]
    pub fn customers(&self) -> &BTreeMap<CustomerName, Customer> {
        &self.customers
    }

    /// Groups of targets that are rolled out one after the other; what is in none comes last.
    #[must_use]
    pub fn waves(&self) -> &[Wave] {
        &self.waves
    }

    /// Variables of every service.
    #[must_use]
    pub fn vars(&self) -> &Vars {
        &self.vars
    }

    /// Tables that are known but that nothing reads yet (`features`, `resources`), as they stand
    /// in the file.
    #[must_use]
    pub fn later(&self) -> &BTreeMap<String, Value> {
        &self.later
    }

    /// What is worth knowing about the file although it is valid.
    #[must_use]
    pub fn notes(&self) -> &[Finding] {
        &self.notes
    }
}

fn read(problems: &Problems<'_>, root: &Node) -> Option<Portfolio> {
    if root.entries().is_none_or(<[_]>::is_empty) {
        let hint = "start with `[portfolio]` and `name = \"…\"`, then a `[services.NAME]`";
        problems.add_with_hint(0, "the file describes nothing", hint);
        return None;
    }
    let root = Fields::of(problems, (root, 0), &sections::ROOT, "clodo.toml")?;
    let known = Known::read(&root);
    let portfolio = section(&root);
    if root.entry("services").is_none_or(|entry| entry.node.entries().is_some_and(<[_]>::is_empty))
    {
        let hint = "add `[services.NAME]` with `path = \"…\"`";
        problems.add_with_hint(0, "the portfolio has no service", hint);
    }
    let (later, notes) = later(&root);
    let customers = customer::read(&root, &known);
    let environments = environment::read(&root, &known);
    let read = Portfolio {
        path: problems.source().location(0).path,
        name: portfolio.and_then(|fields| name(&fields)).unwrap_or_else(unnamed),
        platform: portfolio.and_then(|fields| fields.choice("platform")),
        state: portfolio.and_then(|fields| state(&fields)),
        account: portfolio.and_then(|fields| known.account(&fields)),
        accounts: account::read(&root),
        domains: domains(&root, &known, &environments),
        environments,
        services: service::read(&root, &known),
        vars: vars::read(&root),
        customers,
        waves: rollout_read::waves(&root, &known),
        later,
        notes,
    };
    check::portfolio(problems, &read);
    Some(read)
}

fn section<'a>(root: &Fields<'a>) -> Option<Fields<'a>> {
    let Some(entry) = root.entry("portfolio") else {
        let hint = "add `[portfolio]` with `name = \"…\"`";
        root.problems.add_with_hint(0, "`[portfolio]` is missing", hint);
        return None;
    };
    let place = (&entry.node, entry.key_offset);
    Fields::of(root.problems, place, &sections::PORTFOLIO, "`[portfolio]`")
}

fn name(fields: &Fields<'_>) -> Option<PortfolioName> {
    if fields.entry("name").is_none() {
        let hint = "add `name = \"…\"`";
        fields.problems.add_with_hint(fields.offset, "`[portfolio]` has no `name`", hint);
    }
    fields.parsed("name").map(|name| name.value)
}

/// Stands in while the rest is read: whoever needs it has noted a problem.
fn unnamed() -> PortfolioName {
    "unnamed".parse().expect("`unnamed` is a valid name")
}

fn state(fields: &Fields<'_>) -> Option<String> {
    let (text, offset) = fields.text("state")?;
    let rest = ["postgres://", "postgresql://"].iter().find_map(|start| text.strip_prefix(start));
    let Some(rest) = rest else {
        let hint = "leave it out for SQLite under .clodo/";
        fields.problems.add_unseen(offset, "`state` must be a postgres:// URL", hint);
        return None;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    if user.contains(':') || text.to_ascii_lowercase().contains("password=") {
        let hint = "take it out; give it in CLODO_STATE_PASSWORD or in a pgpass file";
        fields.problems.add_unseen(offset, "`state` must not hold a password", hint);
        return None;
    }
    Some(text.to_owned())
}

/// Both ways of writing the domains of a portfolio without customers.
fn domains(
    root: &Fields<'_>,
    known: &Known,
    environments: &BTreeMap<EnvironmentName, Environment>,
) -> Domains {
    let mut domains = known.domains(root);
    for (name, environment) in environments {
        merge(domains.entry(name.clone()).or_default(), environment.domains.clone());
    }
    domains
}

fn later(root: &Fields<'_>) -> (BTreeMap<String, Value>, Vec<Finding>) {
    let mut tables = BTreeMap::new();
    let mut notes = Vec::new();
    for key in ["features", "resources"] {
        let Some(entry) = root.entry(key) else { continue };
        tables.insert(key.to_owned(), vars::json(&entry.node));
        notes.push(Finding {
            rule: "not-read-yet".to_owned(),
            severity: Severity::Note,
            at: Some(root.problems.source().location(entry.key_offset)),
            message: format!("`[{key}]` is kept as it is, but nothing reads it yet"),
            hint: None,
        });
    }
    (tables, notes)
}
