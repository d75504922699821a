//! How databases stand, for people.

use super::DatabaseStatus;
use clodo_db::Standing;
use std::fmt::Write as _;

/// From so many databases of one kind on, the files are shown with how many have them.
const MANY: usize = 4;
/// So many of those that stand apart are named.
const NAMED: usize = 5;

/// One database after the other; many that share their files as a matrix, unless `each` is wanted.
pub(super) fn of(databases: &[DatabaseStatus], each: bool) -> String {
    let mut text = String::new();
    let mut groups: Vec<Vec<&DatabaseStatus>> = Vec::new();
    for database in databases {
        let same = |group: &&mut Vec<&DatabaseStatus>| {
            group[0].name.folder() == database.name.folder()
                && group[0].name.kind() == database.name.kind()
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(database),
            None => groups.push(vec![database]),
        }
    }
    for group in groups {
        if each || group.len() < MANY {
            group.into_iter().for_each(|database| one(&mut text, database));
        } else {
            matrix(&mut text, &group);
        }
    }
    text
}

fn one(text: &mut String, database: &DatabaseStatus) {
    let state = match (database.exists, database.problems.len(), database.pending()) {
        (_, problems, _) if problems > 0 => "files and database disagree".to_owned(),
        (false, ..) => "not there yet".to_owned(),
        (true, _, 0) if database.migrations.is_empty() => "no migrations".to_owned(),
        (true, _, 0) => "up to date".to_owned(),
        (true, _, pending) => format!("{pending} pending"),
    };
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{}: {state}", database.name);
    for migration in &database.migrations {
        let _ = writeln!(text, "  {:<24} {}", word(migration.standing), migration.name);
    }
    problems(text, database);
}

fn problems(text: &mut String, database: &DatabaseStatus) {
    for problem in &database.problems {
        let _ = writeln!(text, "  {}\n    hint: {}", problem.message, problem.hint);
    }
}

/// Each file, and who has it.
fn matrix(text: &mut String, group: &[&DatabaseStatus]) {
    let all = group.len();
    let there = group.iter().filter(|database| database.exists).count();
    let (service, binding) = group[0].name.kind().unwrap_or_default();
    let _ = writeln!(text, "{service} {binding}: {all} databases, {there} of them there");
    let Some(longest) = group.iter().max_by_key(|database| database.migrations.len()) else {
        return;
    };
    for migration in &longest.migrations {
        let has = |database: &&DatabaseStatus| {
            let known = database.migrations.iter().find(|one| one.name == migration.name);
            known.is_some_and(|one| matches!(one.standing, Standing::Applied | Standing::Unproved))
        };
        let (with, without): (Vec<_>, Vec<_>) = group.iter().partition(|database| has(database));
        let (with, few) = match with.len() <= without.len() {
            true => (with.len(), named("only", &with)),
            false => (with.len(), named("not", &without)),
        };
        let _ = writeln!(text, "  {with:>5} of {all}  {}{few}", migration.name);
    }
    for database in group.iter().filter(|database| !database.problems.is_empty()) {
        let _ = writeln!(text, "  {}: files and database disagree", database.name);
        problems(text, database);
    }
}

fn named(word: &str, few: &[&&DatabaseStatus]) -> String {
    if few.is_empty() {
        return String::new();
    }
    let mut names: Vec<String> =
        few.iter().take(NAMED).map(|database| database.name.to_string()).collect();
    if few.len() > NAMED {
        names.push(format!("{} more", few.len() - NAMED));
    }
    format!("  {word} {}", names.join(", "))
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Applied => "applied",
        Standing::Unproved => "applied by wrangler",
        Standing::Pending => "pending",
        Standing::Edited => "edited since",
        Standing::Missing => "applied, file gone",
        Standing::OutOfOrder => "not applied, out of order",
        _ => "unknown",
    }
}
