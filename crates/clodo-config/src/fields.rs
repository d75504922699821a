use crate::{
    choices::Choice,
    node::{Content, Entry, Node},
    placed::Placed,
    sections::{Section, Shape},
    source::Problems,
    suggest, time,
};
use std::{
    collections::BTreeMap, fmt, num::NonZeroU32, ops::RangeInclusive, str::FromStr, time::Duration,
};

/// One table of the file, read key by key. Problems are noted on the way, and a value with a
/// problem counts as absent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a> {
    pub(crate) problems: &'a Problems<'a>,
    /// Where the table stands, for what is missing in it.
    pub(crate) offset: usize,
    entries: &'a [Entry],
    section: &'static Section,
}

impl<'a> Fields<'a> {
    /// Reads `node`, whose header stands at `offset` and which a person would call `title`.
    pub(crate) fn of(
        problems: &'a Problems<'a>,
        (node, offset): (&'a Node, usize),
        section: &'static Section,
        title: &str,
    ) -> Option<Self> {
        let Some(entries) = node.entries() else {
            let message = format!("expected a table for {title}, found {}", node.kind());
            problems.add(node.offset, message);
            return None;
        };
        let known = || section.all().map(|key| key.name);
        for entry in entries.iter().filter(|entry| section.shape(&entry.key).is_none()) {
            let message = format!("unknown key `{}` in {title}", shortened(&entry.key));
            let names: Vec<_> = known().collect();
            problems.add_with_hint(entry.key_offset, message, suggest::hint_for(&entry.key, names));
        }
        Some(Self { problems, offset, entries, section })
    }

    /// The entry with this key.
    pub(crate) fn entry(&self, key: &'static str) -> Option<&'a Entry> {
        debug_assert!(self.section.shape(key).is_some(), "`{key}` is in no table of keys");
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Text, unchecked.
    pub(crate) fn text(&self, key: &'static str) -> Option<(&'a str, usize)> {
        let node = &self.entry(key)?.node;
        match &node.content {
            Content::Text(text) => Some((text, node.offset)),
            _ => {
                self.expected(key, node);
                None
            }
        }
    }

    /// Text that is a name or an id.
    pub(crate) fn parsed<T>(&self, key: &'static str) -> Option<Placed<T>>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let (text, offset) = self.text(key)?;
        parse(self.problems, text, offset)
    }

    /// One of a few words.
    pub(crate) fn choice<T: Choice>(&self, key: &'static str) -> Option<T> {
        let (text, offset) = self.text(key)?;
        let found = T::ALL.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names = T::ALL.iter().map(|(name, _)| *name);
            let message = format!("unknown {} `{}`", key.replace('_', " "), shortened(text));
            self.problems.add_with_hint(offset, message, suggest::hint_for(text, names));
        }
        found.map(|(_, value)| *value)
    }

    /// A list of names.
    pub(crate) fn list<T>(&self, key: &'static str) -> Vec<Placed<T>>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        match &entry.node.content {
            Content::List(nodes) => texts(self.problems, nodes, &|node| self.expected(key, node)),
            _ => {
                self.expected(key, &entry.node);
                Vec::new()
            }
        }
    }

    /// A table from names to whatever `read` makes of the nodes and their keys' offsets.
    pub(crate) fn map<K, V>(
        &self,
        key: &'static str,
        read: impl FnMut(&K, &'a Entry) -> Option<V>,
    ) -> BTreeMap<K, V>
    where
        K: FromStr<Err: fmt::Display> + Ord,
    {
        let Some(entry) = self.entry(key) else { return BTreeMap::new() };
        let Some(entries) = entry.node.entries() else {
            self.expected(key, &entry.node);
            return BTreeMap::new();
        };
        named(self.problems, entries, read)
    }

    /// A table of its own, which a person would call `title`.
    pub(crate) fn section(&self, key: &'static str, title: &str) -> Option<Self> {
        let entry = self.entry(key)?;
        let Some(Shape::Section(section)) = self.section.shape(key) else { return None };
        Self::of(self.problems, (&entry.node, entry.key_offset), section, title)
    }

    /// A time such as `90s`.
    pub(crate) fn time(&self, key: &'static str) -> Option<Duration> {
        let (text, offset) = self.text(key)?;
        match time::parse(text) {
            Ok(time) => Some(time),
            Err(why) => {
                let message = format!("`{key}`: `{}` {why}", shortened(text));
                self.problems.add_with_hint(offset, message, time::HINT);
                None
            }
        }
    }

    /// A number within a range.
    pub(crate) fn number(&self, key: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let node = &self.entry(key)?.node;
        let Some(number) = node.number() else {
            self.expected(key, node);
            return None;
        };
        if !range.contains(&number) {
            let (from, to) = (range.start(), range.end());
            let message = format!("`{key}` must be between {from} and {to}, and is {number}");
            self.problems.add(node.offset, message);
            return None;
        }
        Some(number)
    }

    /// A whole number, at least one.
    pub(crate) fn count(&self, key: &'static str) -> Option<NonZeroU32> {
        let node = &self.entry(key)?.node;
        let Content::Integer(number) = node.content else {
            self.expected(key, node);
            return None;
        };
        let count = u32::try_from(number).ok().and_then(NonZeroU32::new);
        if count.is_none() {
            let message = format!("`{key}` must be a whole number from 1 on, and is {number}");
            self.problems.add(node.offset, message);
        }
        count
    }

    pub(crate) fn expected(&self, key: &str, node: &Node) {
        let shape = self.section.shape(key).map_or_else(String::new, Shape::expected);
        let message = format!("`{key}`: expected {shape}, found {}", node.kind());
        self.problems.add(node.offset, message);
    }
}

/// Reads every entry whose key is a valid name.
pub(crate) fn named<'a, K, V>(
    problems: &Problems<'_>,
    entries: &'a [Entry],
    mut read: impl FnMut(&K, &'a Entry) -> Option<V>,
) -> BTreeMap<K, V>
where
    K: FromStr<Err: fmt::Display> + Ord,
{
    let pair = |entry: &'a Entry| {
        let name: Placed<K> = parse(problems, &entry.key, entry.key_offset)?;
        let value = read(&name.value, entry)?;
        Some((name.value, value))
    };
    entries.iter().filter_map(pair).collect()
}

/// Reads a text, or a list of texts.
pub(crate) fn one_or_more<T>(problems: &Problems<'_>, node: &Node, what: &str) -> Vec<Placed<T>>
where
    T: FromStr<Err: fmt::Display>,
{
    let expected = |node: &Node| {
        problems.add(node.offset, format!("expected {what}, found {}", node.kind()));
    };
    match &node.content {
        Content::List(nodes) => texts(problems, nodes, &expected),
        _ => texts(problems, std::slice::from_ref(node), &expected),
    }
}

fn texts<T>(problems: &Problems<'_>, nodes: &[Node], wrong: &dyn Fn(&Node)) -> Vec<Placed<T>>
where
    T: FromStr<Err: fmt::Display>,
{
    let one = |node: &Node| match &node.content {
        Content::Text(text) => parse(problems, text, node.offset),
        _ => {
            wrong(node);
            None
        }
    };
    nodes.iter().filter_map(one).collect()
}

fn parse<T>(problems: &Problems<'_>, text: &str, offset: usize) -> Option<Placed<T>>
where
    T: FromStr<Err: fmt::Display>,
{
    match text.parse() {
        Ok(value) => Some(Placed::new(value, problems.source().location(offset))),
        Err(error) => {
            problems.add(offset, error.to_string());
            None
        }
    }
}

/// A name that someone gave, short enough for a message.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
