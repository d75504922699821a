//! The fleet for people: groups with their names and next commands, and what tells them apart.

use super::{Cause, Group, Kind, Member, State, look::Reference};
use crate::{
    commands::diff::{Difference, changed_lines},
    report::visible,
};
use clodo_cli::counted;
use std::fmt::Write as _;

/// So many databases of a group are named, unless all are wanted.
const NAMED: usize = 5;

pub(super) fn of(kinds: &[Kind], reference: &Reference, all: bool) -> String {
    let mut text = String::new();
    for kind in kinds {
        head(&mut text, kind, reference);
        for (number, group) in kind.groups.iter().enumerate() {
            one(&mut text, (number + 1, group), all);
        }
        matrix(&mut text, &kind.groups);
        if all {
            statements(&mut text, &kind.groups);
        }
    }
    text
}

/// Writing to a `String` cannot fail.
fn head(text: &mut String, kind: &Kind, reference: &Reference) {
    let count: usize = kind.groups.iter().map(|group| group.databases.len()).sum();
    let folder = kind.folder.display();
    let what = match (&kind.service, &kind.binding) {
        (Some(service), Some(binding)) => format!("{service} {binding}"),
        _ => folder.to_string(),
    };
    let wanted = match reference {
        Reference::Migrations => format!("what {folder} makes"),
        Reference::Live(environment) => format!("those of {environment}"),
    };
    let alike: usize = kind
        .groups
        .iter()
        .filter(|one| one.state == State::Alike)
        .map(|one| one.databases.len())
        .sum();
    let count = counted(count, "database");
    let _ = writeln!(text, "{}: {count}, {alike} as {}", visible(&what), visible(&wanted));
}

fn one(text: &mut String, (number, group): (usize, &Group), all: bool) {
    let count = counted(group.databases.len(), "database");
    let state = match (group.state, group.differences.len()) {
        (State::Alike, _) => "alike".to_owned(),
        (State::Missing, _) => "not there".to_owned(),
        (State::Differs, 0) => "half filled".to_owned(),
        (State::Differs, differences) => counted(differences, "difference"),
    };
    let _ = writeln!(text, "  {number}  {count}: {state}");
    let shown = if all { usize::MAX } else { NAMED };
    for member in group.databases.iter().take(shown) {
        let _ = writeln!(text, "       {}{}", visible(&member.name.to_string()), why(member));
        if let Some(next) = &member.next {
            let _ = writeln!(text, "         next: `{}`", visible(next));
        }
    }
    let more = group.databases.len().saturating_sub(shown);
    if more > 0 {
        let _ = writeln!(text, "       and {more} more: -v names all");
    }
}

fn why(member: &Member) -> String {
    let files = counted(member.pending, "file");
    match member.cause {
        None | Some(Cause::Missing) => String::new(),
        Some(Cause::HalfFilled) => ": run what was stopped again".to_owned(),
        Some(Cause::Records) => ": files and records disagree".to_owned(),
        Some(Cause::Pending) => format!(": {files} to be applied"),
        Some(Cause::Drift) if member.pending > 0 => {
            format!(": not as the files make it that it has, and {files} to be applied first")
        }
        Some(Cause::Drift) => ": not as the files make it that it has".to_owned(),
        Some(Cause::Reference) => ": as its files make it, which the others are not".to_owned(),
    }
}

/// Which group has what; nothing when all are alike.
fn matrix(text: &mut String, groups: &[Group]) {
    let mut objects: Vec<String> =
        groups.iter().flat_map(|one| &one.differences).map(object).collect();
    objects.sort();
    objects.dedup();
    if objects.is_empty() {
        return;
    }
    let width = objects.iter().map(|name| name.chars().count()).max().unwrap_or_default().min(50);
    let numbers: Vec<String> = (1..=groups.len()).map(|number| format!("{number:>3}")).collect();
    let _ = writeln!(
        text,
        "  {:width$}{}   = alike, ~ another, - lacking, + too much",
        "",
        numbers.concat()
    );
    for name in &objects {
        let signs: Vec<String> =
            groups.iter().map(|group| format!("{:>3}", sign(group, name))).collect();
        let line = format!("  {name:width$}{}", signs.concat());
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn object(one: &Difference) -> String {
    visible(&format!("{} {}", one.object, one.name))
}

fn sign(group: &Group, name: &str) -> &'static str {
    let found = group.differences.iter().find(|one| object(one) == name);
    match found.map(|one| one.kind) {
        Some("removed") => "-",
        Some("added") => "+",
        Some(_) => "~",
        // Of one that is not there, or half there, nobody knows.
        None if group.state != State::Alike && group.differences.is_empty() => "",
        None => "=",
    }
}

fn statements(text: &mut String, groups: &[Group]) {
    for (number, group) in groups.iter().enumerate() {
        for one in &group.differences {
            let _ = writeln!(text, "  {}  {}", number + 1, object(one));
            changed_lines(text, one);
        }
    }
}
