use crate::BundleError;
use clodo_types::{Location, SourceError};
use clodo_wrangler::WorkerConfig;
use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

/// A folder with a Worker, and its effective configuration.
#[derive(Clone, Debug)]
pub struct Project {
    root: PathBuf,
    config: WorkerConfig,
    config_path: PathBuf,
}

impl Project {
    /// Describes a project. `root` is the folder of the config file; `config_path` is that file as
    /// the user would write it: messages show other files relative to it.
    ///
    /// # Errors
    /// When `root` is relative and the current folder is gone.
    pub fn new(
        root: impl AsRef<Path>,
        config: WorkerConfig,
        config_path: impl Into<PathBuf>,
    ) -> io::Result<Self> {
        let root = std::path::absolute(root)?;
        // esbuild reports real paths, and what it reports must be found below the root again.
        let root = fs::canonicalize(&root).map(without_verbatim).unwrap_or(root);
        Ok(Self { root, config, config_path: config_path.into() })
    }

    /// The folder of the config file.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The effective configuration.
    #[must_use]
    pub fn config(&self) -> &WorkerConfig {
        &self.config
    }

    /// The config file, as the user would write it.
    #[must_use]
    pub fn config_path(&self) -> &Path {
        &self.config_path
    }

    /// An absolute path as the user would write it: beside the config file's.
    #[must_use]
    pub fn shown(&self, path: &Path) -> PathBuf {
        let Some(inside) = relative(&self.root, path) else { return path.to_owned() };
        normal(&self.config_path.parent().unwrap_or(Path::new("")).join(inside))
    }

    /// The absolute path of a path in the config.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        normal(&self.root.join(path))
    }

    /// The folder that additional modules are named from.
    pub(crate) fn module_root(&self, entry: &Path) -> PathBuf {
        match &self.config.base_dir {
            Some(folder) => self.resolve(folder),
            None => entry.parent().unwrap_or(&self.root).to_owned(),
        }
    }

    /// The path of the entry point, once it is known to be a file.
    pub(crate) fn entry(&self) -> Result<Option<PathBuf>, BundleError> {
        let Some(main) = &self.config.main else { return Ok(None) };
        let entry = self.resolve(main);
        if entry.extension().is_some_and(|extension| extension == "py") {
            let error = self.config_error("main", "Workers in Python cannot be bundled yet", main);
            return Err(BundleError::Config(Box::new(error)));
        }
        if entry.is_file() {
            return Ok(Some(entry));
        }
        let what = if entry.is_dir() { "is a folder" } else { "does not exist" };
        let message = format!("the entry point `{}` {what}", self.shown(&entry).display());
        let error = self.config_error("main", message, main);
        Err(BundleError::Config(Box::new(match similar(&entry) {
            Some(other) => error.with_hint(format!("did you mean `{}`?", self.shown(&other).display())),
            None => error.with_hint("correct `main`, or create the file; a Worker with a build step must be built first"),
        })))
    }

    /// An error at a key of the config file: at the key that has this value, when the text shows it.
    pub(crate) fn config_error(
        &self,
        key: &str,
        message: impl Into<String>,
        value: impl AsRef<Path>,
    ) -> SourceError {
        let message = message.into();
        let text = self.config_path.file_name().map(|name| self.root.join(name));
        let text = text.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        match find_key(&text, key, &value.as_ref().to_string_lossy()) {
            Some(offset) => SourceError::at_offset(&self.config_path, &text, offset, message),
            None => SourceError {
                at: Location { path: self.config_path.clone(), line: 1, column: 1 },
                message,
                line_text: String::new(),
                hint: None,
            },
        }
    }
}

/// The byte at which the value of a key begins: of the first line with that key and value, else of
/// the first with that key.
fn find_key(text: &str, key: &str, value: &str) -> Option<usize> {
    let pattern = format!(r#"(?m)(?:^|[{{,\s])["']?{}["']?\s*[:=]\s*"#, regex::escape(key));
    let regex = regex::Regex::new(&pattern).ok()?;
    let offsets: Vec<usize> = regex.find_iter(text).map(|found| found.end()).collect();
    let holds =
        |offset: &&usize| text[**offset..].lines().next().is_some_and(|line| line.contains(value));
    offsets.iter().find(holds).or(offsets.first()).copied()
}

/// A file beside a missing one that differs in its extension only.
fn similar(missing: &Path) -> Option<PathBuf> {
    ["ts", "js", "mjs", "tsx", "jsx", "mts"]
        .iter()
        .map(|extension| missing.with_extension(extension))
        .find(|other| other.is_file())
}

/// The path from a folder to a file, with `..` where needed; `None` across drives.
pub(crate) fn relative(from: &Path, to: &Path) -> Option<PathBuf> {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if same == 0 {
        return None;
    }
    let up = from[same..].iter().map(|_| Component::ParentDir);
    Some(up.chain(to[same..].iter().copied()).collect())
}

/// The path without `.`, and without `..` after a folder.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(out.components().next_back(), Some(Component::Normal(_))) =>
            {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

/// A path with `/` between its parts, as modules and URLs are named.
pub(crate) fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

/// Windows writes a real path as `\\?\C:\…`, which esbuild and people do not.
fn without_verbatim(path: PathBuf) -> PathBuf {
    match path.to_str().and_then(|text| text.strip_prefix(r"\\?\")) {
        Some(rest) if !rest.starts_with("UNC") => PathBuf::from(rest),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_where_its_value_is() {
        let jsonc = "{\n  \"main\": \"a.ts\",\n  \"env\": {\"x\": {\"main\": \"b.ts\"}}\n}";
        let toml = "main = \"a.ts\"\n[env.x]\nmain = \"b.ts\"\n";
        for (text, value, want) in [
            (jsonc, "a.ts", Some(jsonc.find("\"a.ts\"").unwrap())),
            (jsonc, "b.ts", Some(jsonc.find("\"b.ts\"").unwrap())),
            (toml, "b.ts", Some(toml.find("\"b.ts\"").unwrap())),
            (toml, "c.ts", Some(toml.find("\"a.ts\"").unwrap())),
            ("domain = 1", "a.ts", None),
            ("", "a.ts", None),
        ] {
            assert_eq!(find_key(text, "main", value), want, "{value} in {text}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn paths_are_shown_as_the_user_would_write_them() {
        let folder = tempfile::tempdir().unwrap();
        let project =
            Project::new(folder.path(), WorkerConfig::default(), "services/web/wrangler.jsonc")
                .unwrap();
        let shown =
            |path: &str| project.shown(&project.root().join(path)).to_str().unwrap().to_owned();
        assert_eq!(shown("src/a.ts"), "services/web/src/a.ts");
        let sibling = project.root().parent().unwrap().join("shared.ts");
        assert_eq!(project.shown(&sibling), Path::new("services/shared.ts"));
        assert_eq!(normal(Path::new("../a/./b/../../c")), Path::new("../c"));
    }
}
