//! Everything that a cloud holds, with ids, times and sequence numbers mapped, so that two clouds
//! can be compared.

use clodo_sqlite::rusqlite::{Connection, OpenFlags, types::ValueRef};
use regex::Regex;
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// What lies in the state folder of a cloud that does not run.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// From a name that says what it is to what it holds.
    pub(crate) things: BTreeMap<String, Value>,
    /// Versions that have no traffic.
    pub(crate) unreferenced: usize,
    /// What ids are called.
    names: BTreeMap<String, String>,
}

/// Fields that count or tell the time, hashes over ids, and by which of two calls a version came.
const DROPPED: [&str; 6] =
    ["number", "last_number", "startup_time_ms", "etag", "modified_on", "workers/triggered_by"];
const TOKENS: [&str; 2] = ["token", "meta"];

static ID: LazyLock<Regex> = LazyLock::new(|| {
    let uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
    Regex::new(&format!(r"\b({uuid}|[0-9a-f]{{32}})\b")).expect("a pattern")
});
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    let time = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?";
    Regex::new(time).expect("a pattern")
});
/// Numbers above this are moments, in milliseconds or microseconds.
const MOMENTS: u64 = 1_000_000_000_000;

impl View {
    /// Reads a state folder.
    pub(crate) fn of(folder: &Path) -> Self {
        let mut rows = rows(&folder.join("state.sqlite"));
        for (kind, _, body) in &mut rows {
            settle(kind, body);
        }
        let live = referenced(&rows);
        let names = names(&rows, &live);
        let mut view = Self { things: BTreeMap::new(), unreferenced: 0, names };
        for (kind, id, body) in rows {
            if TOKENS.contains(&kind.as_str()) {
                continue;
            }
            if kind == "version" && !live.contains(&id) {
                view.unreferenced += 1;
                continue;
            }
            let label = view.named(&format!("{kind} {id}"));
            let body = view.mapped(&body);
            assert!(view.things.insert(label.clone(), body).is_none(), "{label} is there twice");
        }
        for file in below(&folder.join("data")) {
            if file.extension().is_some_and(|end| end == "sqlite") {
                let place = file.strip_prefix(folder).expect("it lies below");
                let label = view.named(&place.display().to_string());
                view.tables(&file, &label);
            }
        }
        view
    }

    /// What differs, some lines each.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.things.keys().chain(other.things.keys()).collect();
        let differs = |name: &&&String| self.things.get(**name) != other.things.get(**name);
        let shown = |name: &String| {
            let empty = Value::Null;
            let side = |view: &'_ Self| view.things.get(name).cloned().unwrap_or(empty.clone());
            let (one, two) = (side(self), side(other));
            let fields = one.as_object().into_iter().chain(two.as_object()).flat_map(Map::keys);
            let fields: BTreeSet<&String> = fields.collect();
            let fields = fields.into_iter().filter(|key| one.get(*key) != two.get(*key));
            let fields = fields.map(|key| {
                let side = |value: &Value| value.get(key).map(Value::to_string);
                let side = |value: &Value| side(value).unwrap_or("nothing".to_owned());
                format!("  {key}:\n    {}\n    {}", side(&one), side(&two))
            });
            format!("{name}:\n{}", fields.collect::<Vec<_>>().join("\n"))
        };
        names.iter().filter(differs).map(|name| shown(name)).collect()
    }

    /// A text with names instead of ids and times.
    pub(crate) fn named(&self, text: &str) -> String {
        let text = ID.replace_all(text, |found: &regex::Captures<'_>| {
            self.names.get(&found[0]).map_or("(an id)", String::as_str).to_owned()
        });
        TIME.replace_all(&text, "(a time)").into_owned()
    }

    fn mapped(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.named(text).into(),
            Value::Number(number) if number.as_u64().is_some_and(|number| number > MOMENTS) => {
                "(a time)".into()
            }
            Value::Array(items) => items.iter().map(|item| self.mapped(item)).collect(),
            Value::Object(fields) => {
                let kept = fields.iter().filter(|(key, _)| !DROPPED.contains(&key.as_str()));
                let mapped = kept.map(|(key, value)| (self.named(key), self.mapped(value)));
                Value::Object(mapped.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }

    fn tables(&mut self, file: &Path, label: &str) {
        let db = open(file);
        let sql = "SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name";
        let text = |row: &clodo_sqlite::rusqlite::Row<'_>, at| row.get::<_, String>(at);
        let mut listed = db.prepare(sql).expect("a database");
        let listed: Vec<(String, String)> = listed
            .query_map([], |row| Ok((text(row, 0)?, text(row, 1)?)))
            .expect("a schema")
            .map(|row| row.expect("a row"))
            .collect();
        for (name, sql) in listed {
            let rows = if sql.starts_with("CREATE TABLE") { self.rows(&db, &name) } else { vec![] };
            self.things.insert(format!("{label} {name}"), json!({ "sql": sql, "rows": rows }));
        }
    }

    fn rows(&self, db: &Connection, table: &str) -> Vec<Value> {
        let mut statement = db.prepare(&format!("SELECT * FROM \"{table}\"")).expect("a table");
        let columns = statement.column_count();
        let row = |row: &clodo_sqlite::rusqlite::Row<'_>| {
            let cell = |at| match row.get_ref(at).expect("a cell") {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => number.into(),
                ValueRef::Real(number) => number.into(),
                ValueRef::Text(text) => self.named(&String::from_utf8_lossy(text)).into(),
                ValueRef::Blob(bytes) => format!("{bytes:?}").into(),
            };
            Ok((0..columns).map(cell).collect::<Value>())
        };
        let rows = statement.query_map([], row).expect("rows");
        rows.map(|row| row.expect("a row")).collect()
    }
}

type Row = (String, String, Value);

/// Takes out of a document what depends on who came first, and of a Worker's deployments all but the
/// last: how often something was done is told by the writes.
fn settle(kind: &str, body: &mut Value) {
    if let ("worker", Some(all)) = (kind, body["deployments"].as_array_mut()) {
        let last = all.pop().map(|mut last| last["versions"].take());
        *all = last.map(|versions| json!({ "versions": versions })).into_iter().collect();
    }
    if let ("workflow", Some(all)) = (kind, body["versions"].as_array_mut()) {
        let surplus = all.len().saturating_sub(1);
        all.drain(..surplus);
    }
    if let ("zone", Some(routes)) = (kind, body["routes"].as_array_mut()) {
        routes.sort_by_key(|route| route["pattern"].to_string());
    }
}

fn open(file: &Path) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(file, flags).expect("a database")
}

/// Kind, name and body of each document.
fn rows(file: &Path) -> Vec<Row> {
    let db = open(file);
    let sql = "SELECT kind, name, body FROM document ORDER BY kind, account, name";
    let mut statement = db.prepare(sql).expect("documents");
    let rows = statement.query_map([], |row| {
        let body: String = row.get(2)?;
        Ok((row.get(0)?, row.get(1)?, serde_json::from_str(&body).unwrap_or(Value::String(body))))
    });
    rows.expect("documents").map(|row| row.expect("a document")).collect()
}

/// The ids of versions that have traffic.
fn referenced(rows: &[Row]) -> BTreeSet<String> {
    let workers = rows.iter().filter(|(kind, ..)| kind == "worker");
    let deployments = workers.flat_map(|(_, _, body)| body["deployments"].as_array());
    let versions = deployments.flatten().flat_map(|one| one["versions"].as_array()).flatten();
    versions.filter_map(|share| share[0].as_str().map(str::to_owned)).collect()
}

/// What ids are called, by what they are the ids of.
fn names(rows: &[Row], live: &BTreeSet<String>) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let mut versions: BTreeMap<&str, Vec<(u64, &str)>> = BTreeMap::new();
    for (kind, id, body) in rows {
        let known = ["name", "title"].iter().find_map(|key| body[*key].as_str());
        if let Some(known) = known {
            names.insert(id.clone(), format!("({kind} {known})"));
            if let Some(own) = body["id"].as_str() {
                names.insert(own.to_owned(), format!("({kind} {known})"));
            }
        }
        if kind == "version" && live.contains(id) {
            let script = body["script"].as_str().unwrap_or_default();
            let number = body["number"].as_u64().unwrap_or_default();
            versions.entry(script).or_default().push((number, id));
        }
    }
    for (script, mut own) in versions {
        own.sort_unstable();
        for (at, (_, id)) in own.into_iter().enumerate() {
            names.insert(id.to_owned(), format!("(version {at} of {script})"));
        }
    }
    names
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(below(&entry.path())),
            _ => found.push(entry.path()),
        }
    }
    found.sort();
    found
}
