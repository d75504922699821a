//! The password of the shared state, from where PostgreSQL's own programs have it too.

use clodo_saga::PostgresPlace;
use clodo_types::Secret;
use std::{fs, path::Path};

/// From `CLODO_STATE_PASSWORD`, else from the file that `PGPASSFILE` names, else from `~/.pgpass`.
pub(crate) fn password(
    place: &PostgresPlace,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<Secret> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    if let Some(password) = set("CLODO_STATE_PASSWORD") {
        return Some(Secret::new(password));
    }
    let home = || set("HOME").map(|home| format!("{home}/.pgpass"));
    let file = set("PGPASSFILE").or_else(home)?;
    let file = Path::new(&file);
    if !is_private(file) {
        tracing::warn!(file = %file.display(), "others can read this file, so it is left alone; `chmod 600` mends that");
        return None;
    }
    find(&fs::read_to_string(file).ok()?, place).map(Secret::new)
}

/// PostgreSQL, too, ignores a file that others can read. One that is not there keeps no secret.
#[cfg(unix)]
fn is_private(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(file).is_ok_and(|found| found.permissions().mode() & 0o077 == 0) || !file.exists()
}

#[cfg(not(unix))]
fn is_private(_: &Path) -> bool {
    true
}

/// The password of the first line that fits: `host:port:database:user:password`, where `*` fits all
/// and `\` takes the meaning from `:` and `\`.
fn find(text: &str, place: &PostgresPlace) -> Option<String> {
    let port = place.port.to_string();
    let wanted = [&place.host, &port, &place.database, &place.user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let [own @ .., password] = &fields[..] else { return None };
        let fits = own.len() == wanted.len()
            && own.iter().zip(wanted).all(|(own, wanted)| own == "*" || own == wanted);
        fits.then(|| password.clone())
    })
}

/// Five at most: the last one goes on to the end of the line.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let last = fields.len() - 1;
        match character {
            '\\' => fields[last].extend(characters.next()),
            ':' if last < 4 => fields.push(String::new()),
            other => fields[last].push(other),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, password: Option<&str>) {
        let (host, user) = ("db.internal".to_owned(), "ada".to_owned());
        let place = PostgresPlace { host, port: 5432, database: "team".to_owned(), user };
        assert_eq!(find(text, &place).as_deref(), password, "{text}");
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        check("db.internal:5432:team:ada:secret", Some("secret"));
        check("# note\nother:*:*:*:no\n*:*:*:ada:a\\:b\\\\c:d\n*:*:*:*:late", Some("a:b\\c:d"));
        check("db.internal:5433:team:ada:secret", None);
        check("db.internal:5432:team:ada", None);
        check("", None);
    }
}
