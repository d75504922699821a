use std::path::{Component, Path, PathBuf};

/// npm packages at exact versions: a `package.json`, its lock file, and the file they are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    label: String,
    manifest: String,
    lock: String,
    required: PathBuf,
    alternative: Option<&'static str>,
}

/// Why a pin was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PinError {
    /// The label would not be a plain folder name.
    #[error("invalid label `{0}`: it must be lower-case letters, digits, `.`, `_` and `-`")]
    Label(String),
    /// The required file is not inside the folder of the install.
    #[error("invalid path `{}`: it must be relative and stay inside", .0.display())]
    Required(PathBuf),
    /// The lock file leaves something unchecked.
    #[error("the lock file has no sha512 for `{0}`")]
    Unchecked(String),
    /// The lock file is not one.
    #[error("the lock file of `{0}` is not a package-lock.json of version 2 or 3")]
    Lock(String),
}

impl Pinned {
    /// Makes a pin.
    ///
    /// `label` names the folder in the cache, such as `wrangler-4.86.0`; two pins with different
    /// lock files need different labels. `required` is the file that must be there afterwards,
    /// relative to the folder of the install, such as `node_modules/wrangler/bin/wrangler.js`.
    ///
    /// # Errors
    /// When the label is no folder name, the path leaves the folder, or a package of the lock file
    /// has no sha512.
    pub fn new(
        label: &str,
        manifest: &str,
        lock: &str,
        required: impl Into<PathBuf>,
    ) -> Result<Self, PinError> {
        let required = required.into();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let inner = |byte: u8| plain(byte) || b"._-".contains(&byte);
        if !label.bytes().next().is_some_and(plain) || !label.bytes().all(inner) {
            return Err(PinError::Label(label.to_owned()));
        }
        if required.as_os_str().is_empty() || !stays_inside(&required) {
            return Err(PinError::Required(required));
        }
        check_lock(label, lock)?;
        Ok(Self {
            label: label.to_owned(),
            manifest: manifest.to_owned(),
            lock: lock.to_owned(),
            required,
            alternative: None,
        })
    }

    /// Adds what a user may do instead of installing, such as "set CLODO_WORKERD to a workerd
    /// binary"; it ends up in [`NpmError::hint`](crate::NpmError::hint).
    #[must_use]
    pub fn with_alternative(mut self, alternative: &'static str) -> Self {
        self.alternative = Some(alternative);
        self
    }

    /// The name of its folder in the cache.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn manifest(&self) -> &str {
        &self.manifest
    }

    pub(crate) fn lock(&self) -> &str {
        &self.lock
    }

    /// The file that the pin is for, relative to the folder of an install.
    #[must_use]
    pub fn required(&self) -> &Path {
        &self.required
    }

    pub(crate) fn alternative(&self) -> Option<&'static str> {
        self.alternative
    }
}

fn stays_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// Every package must carry a sha512: without it npm would take whatever the registry sends.
fn check_lock(label: &str, lock: &str) -> Result<(), PinError> {
    let not_a_lock = || PinError::Lock(label.to_owned());
    let lock: serde_json::Value = serde_json::from_str(lock).map_err(|_| not_a_lock())?;
    let packages = lock["packages"].as_object().ok_or_else(not_a_lock)?;
    for (path, package) in packages {
        // The empty path is the project itself. Bundled packages come inside their parent's file.
        if path.is_empty() || package["inBundle"] == true {
            continue;
        }
        if !package["integrity"].as_str().is_some_and(|hash| hash.starts_with("sha512-")) {
            return Err(PinError::Unchecked(path.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str =
        r#"{"lockfileVersion":3,"packages":{"":{},"node_modules/a":{"integrity":"sha512-x"}}}"#;

    fn check(label: &str, lock: &str, required: &str, want: Option<PinError>) {
        assert_eq!(Pinned::new(label, "{}", lock, required).err(), want, "{label} {required}");
    }

    #[test]
    fn a_pin_cannot_leave_its_folder() {
        check("a-1.0.0", LOCK, "node_modules/a/bin/a", None);
        for label in ["", ".", "..", "../a", "a/b", "A", "-a", ".a", "a b", "a\\b"] {
            check(label, LOCK, "a", Some(PinError::Label(label.into())));
        }
        for path in ["", "/bin/sh", "../a", "a/../../b", "./a"] {
            check("a", LOCK, path, Some(PinError::Required(path.into())));
        }
    }

    #[test]
    fn a_pin_checks_every_byte_it_brings() {
        let sha1 = LOCK.replace("sha512", "sha1");
        check("a", &sha1, "a", Some(PinError::Unchecked("node_modules/a".into())));
        let none = r#"{"packages":{"node_modules/a":{"version":"1.0.0"}}}"#;
        check("a", none, "a", Some(PinError::Unchecked("node_modules/a".into())));
        let bundled = r#"{"packages":{"node_modules/a/node_modules/b":{"inBundle":true}}}"#;
        check("a", bundled, "a", None);
        for bad in ["", "{}", "[]", "not json"] {
            check("a", bad, "a", Some(PinError::Lock("a".into())));
        }
    }
}
