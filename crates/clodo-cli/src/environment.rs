use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
};

/// The process environment, read once by `main` and handed on as a value.
///
/// Names and values need not be UTF-8. `Debug` shows the names only: a value may be a token.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

/// A variable's value is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable `{0}` is not valid UTF-8")]
pub struct NotUnicode(String);

impl Environment {
    /// Reads the environment of this process; `main` does this once.
    #[must_use]
    pub fn of_this_process() -> Self {
        std::env::vars_os().collect()
    }

    /// The value of `name`; none when it is unset or not UTF-8.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_os(name)?.to_str()
    }

    /// The value of `name` as it is, for paths.
    #[must_use]
    pub fn get_os(&self, name: &str) -> Option<&OsStr> {
        self.0.get(&key(name.into())).map(OsString::as_os_str)
    }

    /// The value of `name`; none when it is unset or empty.
    ///
    /// # Errors
    /// When the value is not UTF-8.
    pub fn checked(&self, name: &str) -> Result<Option<&str>, NotUnicode> {
        let Some(value) = self.get_os(name).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        value.to_str().map(Some).ok_or_else(|| NotUnicode(name.to_owned()))
    }

    /// Every variable in UTF-8 whose name starts with `prefix`: the rest of the name, and the value.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(name, value)| {
            Some((name.to_str()?.strip_prefix(prefix)?, value.to_str()?))
        })
    }

    /// Every variable, for a child process that needs all of them.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}

/// Windows does not tell `Path` from `PATH`.
fn key(name: OsString) -> OsString {
    if cfg!(windows) { name.to_ascii_uppercase() } else { name }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (key(name.into()), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_never_shows_a_value() {
        let environment = Environment::from_iter([("CLOUDFLARE_API_TOKEN", "hunter2")]);
        assert_eq!(format!("{environment:?}"), "{\"CLOUDFLARE_API_TOKEN\"}");
    }

    #[test]
    fn empty_and_unset_are_the_same_where_it_is_checked() {
        let environment = Environment::from_iter([("EMPTY", ""), ("CLODO_VAR_A", "1")]);
        assert_eq!(environment.get("EMPTY"), Some(""));
        assert_eq!(environment.checked("EMPTY"), Ok(None));
        assert_eq!(environment.checked("UNSET"), Ok(None));
        assert_eq!(environment.with_prefix("CLODO_VAR_").collect::<Vec<_>>(), [("A", "1")]);
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_text_is_kept_and_named() {
        use std::os::unix::ffi::OsStringExt;
        let value = OsString::from_vec(vec![0x66, 0xff]);
        let environment = Environment::from_iter([("ODD", value.clone())]);
        assert_eq!(environment.get("ODD"), None);
        assert_eq!(environment.get_os("ODD"), Some(value.as_os_str()));
        assert_eq!(
            environment.checked("ODD").unwrap_err().to_string(),
            "the environment variable `ODD` is not valid UTF-8"
        );
    }
}
