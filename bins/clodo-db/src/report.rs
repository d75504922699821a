//! What documents share.

use clodo_http::Counts;
use clodo_types::{DatabaseId, TargetId};
use serde::Serialize;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// The version of every JSON document of this program.
pub(crate) const FORMAT: u32 = 1;

/// Text that holds names and messages of others, on one line: control characters could move the
/// terminal's cursor, or pretend to be lines of ours.
pub(crate) fn visible(text: &str) -> String {
    let shown = |c: char| match c.is_control() && c != '\t' {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// How many calls of the platform's API a run made.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct ApiCalls {
    reads: u64,
    writes: u64,
}

impl ApiCalls {
    /// Both together.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self { reads: self.reads + other.reads, writes: self.writes + other.writes }
    }
}

impl From<Counts> for ApiCalls {
    fn from(counts: Counts) -> Self {
        Self { reads: counts.reads, writes: counts.writes }
    }
}

/// Which database: the same fields in every document. Those of a target are missing for a file.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct DatabaseName {
    service: Option<String>,
    environment: Option<String>,
    customer: Option<String>,
    account: Option<String>,
    binding: Option<String>,
    name: Option<String>,
    id: Option<String>,
    file: Option<PathBuf>,
    folder: PathBuf,
    /// Where it is, when that was said on the command line.
    #[serde(skip)]
    platform: Option<String>,
}

/// The database of a service, binding and customer, in whatever environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Twin {
    service: Option<String>,
    binding: Option<String>,
    customer: Option<String>,
}

impl DatabaseName {
    pub(crate) fn of_file(file: PathBuf, folder: PathBuf) -> Self {
        Self { file: Some(file), folder, ..Self::default() }
    }

    pub(crate) fn of_target(target: &TargetId, binding: &str, folder: PathBuf) -> Self {
        Self {
            service: Some(target.service.to_string()),
            environment: Some(target.environment.to_string()),
            customer: target.customer.as_ref().map(ToString::to_string),
            account: Some(target.account.to_string()),
            binding: Some(binding.to_owned()),
            folder,
            ..Self::default()
        }
    }

    #[must_use]
    pub(crate) fn called(mut self, name: Option<String>, id: Option<String>) -> Self {
        (self.name, self.id) = (name, id);
        self
    }

    /// On a platform that is not the portfolio's own.
    #[must_use]
    pub(crate) fn on(self, platform: Option<String>) -> Self {
        Self { platform, ..self }
    }

    /// The id, once it is known.
    pub(crate) fn found(&mut self, id: &DatabaseId) {
        self.id = Some(id.to_string());
    }

    /// The folder of its migrations, as messages show it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The service and binding whose database it is: for each environment and customer another.
    pub(crate) fn kind(&self) -> Option<(&str, &str)> {
        Some((self.service.as_deref()?, self.binding.as_deref()?))
    }

    /// What it has in common with the database of another environment.
    pub(crate) fn twin(&self) -> Twin {
        Twin {
            service: self.service.clone(),
            binding: self.binding.clone(),
            customer: self.customer.clone(),
        }
    }

    /// The same service and customer in another environment.
    pub(crate) fn elsewhere(&self, environment: &str) -> Self {
        Self { environment: Some(environment.to_owned()), name: None, id: None, ..self.clone() }
    }

    /// The name or id that wrangler and people call it by.
    pub(crate) fn called_by(&self) -> Option<&str> {
        self.name.as_deref().or(self.id.as_deref())
    }
}

impl DatabaseName {
    /// A command of this program about this database alone.
    pub(crate) fn command(&self, words: &str) -> String {
        let mut command = format!("clodo-db {words}");
        if let Some(file) = &self.file {
            return format!("{command} --sqlite {}", shell_word(&file.display().to_string()));
        }
        let mut add = |flag: &str, value: &Option<String>| {
            if let Some(value) = value {
                command.push_str(&format!(" {flag}{}", shell_word(value)));
            }
        };
        add("", &self.service);
        add("--env ", &self.environment);
        add("--customer ", &self.customer);
        add("--binding ", &self.binding);
        add("--platform ", &self.platform);
        command
    }
}

/// A word as a shell takes it for one.
fn shell_word(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// As `service@environment/customer BINDING (name)`, or the file.
impl fmt::Display for DatabaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            return write!(f, "{}", file.display());
        }
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        write!(f, "{}@{}", text(&self.service), text(&self.environment))?;
        if let Some(customer) = &self.customer {
            write!(f, "/{customer}")?;
        }
        write!(f, " {}", text(&self.binding))?;
        match self.called_by() {
            Some(name) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_that_a_shell_takes_as_it_is_meant() {
        let name = DatabaseName::of_file("it's here/a b.db".into(), PathBuf::new());
        assert_eq!(name.command("backup"), r"clodo-db backup --sqlite 'it'\''s here/a b.db'");
        let name = DatabaseName::of_file("data/app.db".into(), PathBuf::new());
        assert_eq!(name.command("backup"), "clodo-db backup --sqlite data/app.db");
        let name = DatabaseName { service: Some("web".to_owned()), ..DatabaseName::default() };
        let name = name.on(Some("local".to_owned()));
        assert_eq!(name.command("rewind 0-1"), "clodo-db rewind 0-1 web --platform local");
    }
}
