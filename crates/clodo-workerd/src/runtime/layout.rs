//! Which Worker of an account runs in which process.
//!
//! Workers that call each other share a process, since only there a call can carry RPC. Beyond
//! that a process holds a limited number of Workers: a change restarts one process, and one that
//! hangs takes few along.

use super::gather::Wanted;
use std::collections::{BTreeMap, BTreeSet};

/// How many Workers that have nothing to do with each other share a process.
const SHARD_SIZE: usize = 24;

/// One process of an account, over all its restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ShardId(pub(crate) u64);

/// Workers that must not run with the others: a group of them shares a process.
pub(crate) type Apart = BTreeMap<String, Group>;

/// See [`Apart`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    /// Whoever has the same number shares a process.
    pub(crate) number: u64,
    /// Also apart from those that it calls, and that call it.
    pub(crate) cut: bool,
}

/// The Workers of each process.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    shards: BTreeMap<ShardId, Shard>,
    next: u64,
}

#[derive(Debug, Default)]
struct Shard {
    scripts: BTreeSet<String>,
    kind: Kind,
}

/// What a process is for. Only equal ones share a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Common,
    /// Has Durable Objects: its successor starts only when it has ended.
    Objects,
    /// See [`Group::number`].
    Apart(u64),
}

/// Workers that belong together.
#[derive(Debug, Default)]
struct Unit {
    scripts: BTreeSet<String>,
    kind: Kind,
}

impl Layout {
    /// Finds a place for everything that is wanted, and moves as little as possible.
    pub(crate) fn place(
        &mut self,
        wanted: &BTreeMap<String, Wanted>,
        apart: &Apart,
    ) -> BTreeMap<ShardId, BTreeSet<String>> {
        let mut units = units(wanted, apart);
        let before = std::mem::take(&mut self.shards);
        let home: BTreeMap<&String, ShardId> = before
            .iter()
            .flat_map(|(id, shard)| shard.scripts.iter().map(|script| (script, *id)))
            .collect();
        let mut new = Vec::new();
        for unit in units.drain(..) {
            let old = unit.scripts.iter().filter_map(|script| home.get(script)).min();
            match old.filter(|id| before[*id].kind == unit.kind) {
                Some(id) => self.add(*id, unit),
                None => new.push(unit),
            }
        }
        for unit in new {
            let id = self.room(&unit).unwrap_or_else(|| {
                self.next += 1;
                ShardId(self.next)
            });
            self.add(id, unit);
        }
        self.shards.iter().map(|(id, shard)| (*id, shard.scripts.clone())).collect()
    }

    fn add(&mut self, id: ShardId, unit: Unit) {
        let shard = self.shards.entry(id).or_default();
        shard.kind = unit.kind;
        shard.scripts.extend(unit.scripts);
    }

    fn room(&self, unit: &Unit) -> Option<ShardId> {
        let fits = |shard: &Shard| {
            let limited = unit.kind == Kind::Common;
            shard.kind == unit.kind
                && (!limited || shard.scripts.len() + unit.scripts.len() <= SHARD_SIZE)
        };
        self.shards.iter().find(|(_, shard)| fits(shard)).map(|(id, _)| *id)
    }
}

/// The groups of Workers that reach each other, as far as none of them is cut off.
pub(crate) fn components(
    wanted: &BTreeMap<String, Wanted>,
    apart: &Apart,
) -> Vec<BTreeSet<String>> {
    let cut = |script: &str| apart.get(script).is_some_and(|group| group.cut);
    let mut union = Union::default();
    for (script, one) in wanted {
        union.add(script);
        for other in one.objects_of() {
            union.join(script, other);
        }
        for other in one.calls() {
            if !cut(script) && !cut(other) && wanted.contains_key(other) {
                union.join(script, other);
            }
        }
    }
    union.groups(wanted)
}

fn units(wanted: &BTreeMap<String, Wanted>, apart: &Apart) -> Vec<Unit> {
    let kind = |scripts: &BTreeSet<String>| {
        let group = scripts.iter().filter_map(|script| apart.get(script)).map(|g| g.number).min();
        let objects = scripts.iter().any(|script| wanted[script].has_objects(script));
        match group {
            Some(number) => Kind::Apart(number),
            None if objects => Kind::Objects,
            None => Kind::Common,
        }
    };
    let all = components(wanted, apart).into_iter();
    all.map(|scripts| Unit { kind: kind(&scripts), scripts }).collect()
}

/// Names that are joined into groups.
#[derive(Default)]
struct Union<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Union<'a> {
    fn add(&mut self, name: &'a str) {
        self.0.entry(name).or_insert(name);
    }

    fn root(&self, name: &'a str) -> &'a str {
        let mut at = name;
        while let Some(next) = self.0.get(at).filter(|next| **next != at) {
            at = next;
        }
        at
    }

    fn join(&mut self, a: &'a str, b: &'a str) {
        self.add(a);
        self.add(b);
        let (a, b) = (self.root(a), self.root(b));
        // The smaller name is the root, whatever the order of joining.
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        self.0.insert(high, low);
    }

    fn groups(&self, known: &BTreeMap<String, Wanted>) -> Vec<BTreeSet<String>> {
        let mut groups: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for name in self.0.keys().filter(|name| known.contains_key(**name)) {
            groups.entry(self.root(name)).or_default().insert((*name).to_owned());
        }
        groups.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::{ServedBinding, ServedNamespace, ServedVersion};
    use std::sync::Arc;

    fn wanted(all: &[(&str, &[ServedBinding])]) -> BTreeMap<String, Wanted> {
        let one = |(script, bindings): &(&str, &[ServedBinding])| {
            let version = ServedVersion {
                script: (*script).into(),
                version_id: format!("{script}1"),
                tag: None,
                created_on: String::new(),
                main_module: None,
                modules: Vec::new(),
                compatibility_date: None,
                compatibility_flags: Vec::new(),
                bindings: bindings.iter().map(|b| ("X".to_owned(), b.clone())).collect(),
                assets: None,
                body_part: None,
            };
            let space = ServedNamespace {
                id: "0".into(),
                script: "d".into(),
                class_name: "C".into(),
                sqlite: true,
            };
            let bound = bindings.iter().any(|binding| binding.is_of(&space, script));
            let spaces = if bound { vec![space] } else { Vec::new() };
            let versions = vec![Arc::new(version)];
            ((*script).to_owned(), Wanted { worker: None, versions, spaces })
        };
        all.iter().map(one).collect()
    }

    fn calls(script: &str) -> ServedBinding {
        ServedBinding::Service { script: script.into(), entrypoint: None, props: None }
    }

    fn objects(script: Option<&str>) -> ServedBinding {
        let script_name = script.map(str::to_owned);
        let class_name = "C".into();
        ServedBinding::DurableObject { class_name, script_name, namespace_id: None }
    }

    fn placed(
        layout: &mut Layout,
        wanted: &BTreeMap<String, Wanted>,
        apart: &Apart,
    ) -> Vec<String> {
        let placed = layout.place(wanted, apart);
        let names =
            |scripts: &BTreeSet<String>| scripts.iter().cloned().collect::<Vec<_>>().join(",");
        placed.iter().map(|(id, scripts)| format!("{}:{}", id.0, names(scripts))).collect()
    }

    #[test]
    fn callers_share_a_process_with_callees_and_objects_have_one_of_their_own() {
        let mut layout = Layout::default();
        let all = wanted(&[
            ("a", &[calls("b")]),
            ("b", &[]),
            ("c", &[]),
            ("d", &[objects(None)]),
            ("e", &[objects(Some("d"))]),
        ]);
        assert_eq!(placed(&mut layout, &all, &Apart::new()), ["1:a,b,c", "2:d,e"]);
    }

    #[test]
    fn a_cut_worker_leaves_its_callers_and_a_suspect_takes_them_along() {
        let mut layout = Layout::default();
        let all = wanted(&[("a", &[calls("b")]), ("b", &[]), ("c", &[])]);
        assert_eq!(placed(&mut layout, &all, &Apart::new()), ["1:a,b,c"]);
        let apart = |cut| [("b".to_owned(), Group { number: 7, cut })].into();
        assert_eq!(placed(&mut layout, &all, &apart(false)), ["1:c", "2:a,b"]);
        assert_eq!(placed(&mut layout, &all, &apart(true)), ["1:a,c", "2:b"]);
        assert_eq!(placed(&mut layout, &all, &Apart::new()), ["1:a,b,c"]);
    }

    #[test]
    fn a_full_process_is_left_alone_and_the_next_one_begun() {
        let mut layout = Layout::default();
        let names: Vec<String> = (0..60).map(|n| format!("w{n:02}")).collect();
        let all = |count: usize| {
            let some: Vec<(&str, &[ServedBinding])> =
                names[..count].iter().map(|name| (name.as_str(), &[][..])).collect();
            wanted(&some)
        };
        let none = Apart::new();
        let sizes = |placed: BTreeMap<ShardId, BTreeSet<String>>| {
            placed.values().map(BTreeSet::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(layout.place(&all(20), &none)), [20]);
        assert_eq!(sizes(layout.place(&all(60), &none)), [24, 24, 12]);
        assert_eq!(sizes(layout.place(&all(30), &none)), [24, 6]);
    }
}
