use super::down::DOWN;
use globset::{GlobBuilder, GlobMatcher};
use std::{cmp::Ordering, fmt, fs, io, path::Path};

/// Which files below a folder are its migrations: all `*.sql` in it, or what a glob such as
/// `*/migration.sql` says, which is wrangler's `migrations_pattern` without the folder
/// (<https://developers.cloudflare.com/d1/reference/migrations/>).
///
/// As there, `*` does not reach into folders, `**` does, and what begins with a dot is left out unless the
/// glob says the dot. What lies in a folder [`DOWN`] is left out, wherever that is: wrangler would apply it if
/// the glob means it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MigrationPattern {
    glob: String,
}

/// A glob that cannot be read, or would be read otherwise by wrangler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{glob}` is no pattern of migration files: {why}")]
pub struct PatternError {
    glob: String,
    why: String,
}

const PLAIN: &str = "*.sql";
/// What wrangler's globs have, and these have not or mean otherwise.
const OTHERWISE: [(&str, &str); 3] = [
    ("(", "groups in parentheses are not supported"),
    ("..", "ranges in braces are not supported"),
    ("[:", "classes of characters are not supported"),
];

impl MigrationPattern {
    /// Takes a glob that is relative to the folder.
    ///
    /// # Errors
    /// When it is none, or has a meaning for wrangler that it does not have here.
    pub fn new(glob: impl Into<String>) -> Result<Self, PatternError> {
        let glob = glob.into();
        let why = |why: &str| PatternError { glob: glob.clone(), why: why.to_owned() };
        if glob.is_empty() {
            return Err(why("it is empty"));
        }
        if glob.starts_with(['!', '#', '/']) {
            return Err(why("it begins with a sign that means something else"));
        }
        if let Some((_, what)) = OTHERWISE.iter().find(|(sign, _)| glob.contains(sign)) {
            return Err(why(what));
        }
        if glob.split('/').any(|part| part.contains("**") && part != "**") {
            return Err(why("`**` stands for whole folders"));
        }
        matcher(&glob).map_err(|error| why(&error.kind().to_string()))?;
        Ok(Self { glob })
    }

    /// The glob.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.glob
    }

    /// What a file is called that holds `name`: `0003_stock` is `0003_stock.sql`, or
    /// `0003_stock/migration.sql` for `*/migration.sql`. None where the glob does not say.
    #[must_use]
    pub fn name_of(&self, name: &str) -> Option<String> {
        let ending = self.glob.strip_prefix('*')?;
        let is_plain = !ending.contains(['*', '?', '[', '{', '\\']);
        let named = format!("{name}{ending}");
        (is_plain && self.matcher().is_match(&named)).then_some(named)
    }

    /// The names of all files that it means, each relative to the folder, in no order.
    pub(super) fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        self.walk(folder, "", &mut names)?;
        let matcher = self.matcher();
        names.retain(|name| matcher.is_match(name));
        Ok(names)
    }

    fn matcher(&self) -> GlobMatcher {
        matcher(&self.glob).expect("it was one when it was made")
    }

    /// All files as deep as the glob goes.
    fn walk(&self, folder: &Path, below: &str, names: &mut Vec<String>) -> io::Result<()> {
        let depth = below.split_terminator('/').count();
        let segment = self.glob.split('/').nth(depth).unwrap_or_default();
        let goes_on = self.glob.contains("**") || self.glob.split('/').count() > depth + 1;
        for entry in fs::read_dir(folder.join(below))? {
            let entry = entry?;
            // A name that is not UTF-8 cannot be recorded in a database, and wrangler skips it too.
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name.starts_with('.') && !segment.starts_with('.') {
                continue;
            }
            let is_folder = entry.file_type()?.is_dir();
            let is_down = name == DOWN;
            let whole = format!("{below}{name}");
            if is_folder && goes_on && !is_down {
                self.walk(folder, &format!("{whole}/"), names)?;
            } else if !is_folder {
                names.push(whole);
            }
        }
        Ok(())
    }

    /// A file that somebody may have meant of whose files none is. Where they may lie in folders, that is any
    /// file of SQL; else only what is one folder deeper, as wrangler asks.
    pub(super) fn overlooked(&self, folder: &Path) -> Option<String> {
        let deeper = if self.glob == PLAIN { "*/*.sql" } else { "**/*.sql" };
        let deeper = Self { glob: deeper.to_owned() };
        deeper.names(folder).ok()?.into_iter().min_by(|a, b| in_order(a, b))
    }
}

impl Default for MigrationPattern {
    fn default() -> Self {
        Self { glob: PLAIN.to_owned() }
    }
}

impl fmt::Display for MigrationPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.glob)
    }
}

fn matcher(glob: &str) -> Result<GlobMatcher, globset::Error> {
    let built = GlobBuilder::new(glob).literal_separator(true).empty_alternates(true).build();
    Ok(built?.compile_matcher())
}

/// The number that a name begins with.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    name[..digits].parse().ok()
}

/// As wrangler applies files: folder by folder, by the number that a name begins with, those without one
/// last, by name.
pub(super) fn in_order(one: &str, other: &str) -> Ordering {
    let place = |name: &str| (number(name).is_none(), number(name));
    let (ones, others) = (one.split('/'), other.split('/'));
    let each = ones.zip(others).map(|(a, b)| place(a).cmp(&place(b)).then_with(|| a.cmp(b)));
    each.fold(Ordering::Equal, Ordering::then).then_with(|| {
        let depth = |name: &str| name.split('/').count();
        depth(one).cmp(&depth(other))
    })
}

/// Whether two names differ, and nothing but that says which of them comes first.
pub(super) fn have_same_number(one: &str, other: &str) -> bool {
    let differing = one.split('/').zip(other.split('/')).find(|(a, b)| a != b);
    differing.is_some_and(|(a, b)| number(a).is_some() && number(a) == number(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(glob: &str, files: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let mut names = MigrationPattern::new(glob).unwrap().names(folder.path()).unwrap();
        names.sort_by(|a, b| in_order(a, b));
        names
    }

    #[test]
    fn a_pattern_means_the_files_that_wrangler_means() {
        let files = [
            "10_c/migration.sql",
            "2_b/migration.sql",
            "2_b/.old/migration.sql",
            ".git/migration.sql",
            "meta/_journal.json",
            "0001_a.sql",
            "2_b.sql",
            "down/2_b.sql",
            ".hidden.sql",
            "deep/er/3_d.sql",
        ];
        assert_eq!(names("*.sql", &files), ["0001_a.sql", "2_b.sql"]);
        assert_eq!(names("*/migration.sql", &files), ["2_b/migration.sql", "10_c/migration.sql"]);
        let all =
            ["0001_a.sql", "2_b/migration.sql", "2_b.sql", "10_c/migration.sql", "deep/er/3_d.sql"];
        assert_eq!(names("**/*.sql", &files), all);
        assert_eq!(names("{0001,2}_*.sql", &files), ["0001_a.sql", "2_b.sql"]);
        assert_eq!(names("{,2_b/}*.sql", &files), ["0001_a.sql", "2_b/migration.sql", "2_b.sql"]);
        assert_eq!(names(".*.sql", &files), [".hidden.sql"]);
        let deep = ["core/1_a.sql", "core/down/1_a.sql"];
        assert_eq!(names("**/*.sql", &deep), ["core/1_a.sql"]);
    }

    #[test]
    fn what_is_no_pattern_is_refused_and_why() {
        for (glob, why) in [
            ("", "it is empty"),
            ("!a.sql", "it begins with a sign that means something else"),
            ("{1..9}/*.sql", "ranges in braces are not supported"),
            ("[[:digit:]].sql", "classes of characters are not supported"),
            ("**.sql", "`**` stands for whole folders"),
            ("[", "unclosed character class; missing ']'"),
            ("@(a|b).sql", "groups in parentheses are not supported"),
        ] {
            let error = MigrationPattern::new(glob).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("`{glob}` is no pattern of migration files: {why}")
            );
        }
    }

    #[test]
    fn a_new_file_is_called_as_the_pattern_says() {
        let named = |glob: &str| MigrationPattern::new(glob).unwrap().name_of("0003_stock");
        assert_eq!(named("*.sql").as_deref(), Some("0003_stock.sql"));
        assert_eq!(named("*/migration.sql").as_deref(), Some("0003_stock/migration.sql"));
        assert_eq!(named("**/*.sql"), None);
        assert_eq!(named("x/*.sql"), None);
    }
}
