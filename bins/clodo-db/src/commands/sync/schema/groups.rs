//! Which databases are alike.

use super::{
    Cause, Group, Kind, Member, State,
    look::{Printed, Reference, Seen},
};
use std::sync::Arc;

/// One kind after the other, in the order of their first database; groups with those in front that are as
/// they should be, then the largest.
pub(super) fn of(seen: &[Seen], reference: &Reference) -> Vec<Kind> {
    let mut kinds: Vec<(&Seen, Vec<&Seen>)> = Vec::new();
    for one in seen {
        let same = |(first, _): &&mut (&Seen, Vec<&Seen>)| {
            (first.name.kind(), first.name.folder()) == (one.name.kind(), one.name.folder())
        };
        match kinds.iter_mut().find(same) {
            Some((_, all)) => all.push(one),
            None => kinds.push((one, vec![one])),
        }
    }
    let kind = |(first, all): (&Seen, Vec<&Seen>)| {
        let (service, binding) = first.name.kind().unzip();
        Kind {
            service: service.map(str::to_owned),
            binding: binding.map(str::to_owned),
            folder: first.name.folder().to_owned(),
            groups: groups(&all, reference),
        }
    };
    kinds.into_iter().map(kind).collect()
}

fn groups(all: &[&Seen], reference: &Reference) -> Vec<Group> {
    let mut groups: Vec<Vec<&Seen>> = Vec::new();
    let print = |schema: &Arc<Printed>| schema.print;
    let key = |one: &Seen| (print(&one.wanted), one.live.as_ref().map(print), is_half(one));
    for one in all {
        match groups.iter_mut().find(|group| key(group[0]) == key(one)) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    // Those that are as they should be are one group, whatever they should be.
    let (alike, others): (Vec<_>, Vec<_>) =
        groups.into_iter().partition(|group| group[0].cause.is_none());
    let alike: Vec<&Seen> = alike.into_iter().flatten().collect();
    let mut groups: Vec<Vec<&Seen>> =
        Some(alike).filter(|alike| !alike.is_empty()).into_iter().chain(others).collect();
    groups.sort_by_key(|group| (state(group[0]), usize::MAX - group.len()));
    groups.into_iter().map(|group| described(&group, reference)).collect()
}

fn is_half(one: &Seen) -> bool {
    one.cause == Some(Cause::HalfFilled)
}

fn state(one: &Seen) -> State {
    match one.cause {
        None => State::Alike,
        Some(Cause::Missing) => State::Missing,
        Some(_) => State::Differs,
    }
}

fn described(group: &[&Seen], reference: &Reference) -> Group {
    let first = group[0];
    let drifts = match (&first.live, first.cause) {
        (Some(live), Some(_)) => first.wanted.schema.drift(&live.schema),
        _ => Vec::new(),
    };
    Group {
        state: state(first),
        differences: drifts.into_iter().map(Into::into).collect(),
        databases: group.iter().map(|one| member(one, reference)).collect(),
    }
}

fn member(one: &Seen, reference: &Reference) -> Member {
    let own = |words: &str| Some(one.name.command(words));
    let next = match (one.cause, reference) {
        (Some(Cause::Missing), _) => own("up --create"),
        (Some(Cause::Records), _) => own("status"),
        (Some(Cause::Pending), _) => own("up"),
        // A migration that is written before would take back what they make.
        (Some(Cause::Drift), _) if one.pending > 0 => own("up"),
        (Some(Cause::Drift), _) => own("diff migrations live --write NAME"),
        (Some(Cause::Reference), Reference::Live(environment)) => {
            Some(one.name.elsewhere(environment).command("sync schema"))
        }
        // Whoever began to fill it knows with what.
        (Some(Cause::HalfFilled | Cause::Reference) | None, _) => None,
    };
    Member { name: one.name.clone(), pending: one.pending, cause: one.cause, next }
}
