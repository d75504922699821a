use super::{
    column::columns,
    file::Checksum,
    schema::{Schema, SchemaObject},
};
use crate::split::{folded, words};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Something in which a database differs from what its migrations make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SchemaDrift {
    /// In which way.
    pub kind: SchemaDriftKind,
    /// `table`, `index`, `view` or `trigger`.
    pub object: String,
    /// Its name.
    pub name: String,
    /// The statement that the migrations end in; none for what they do not make.
    pub expected: Option<String>,
    /// The statement that the database has; none for what it lacks.
    pub found: Option<String>,
}

/// The kinds of [`SchemaDrift`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SchemaDriftKind {
    /// The migrations make it, and the database lacks it.
    Lacking,
    /// The database has it, and no migration makes it.
    Foreign,
    /// Both have it, each another one.
    Different,
}

impl Schema {
    /// In what `live` differs from this one. Blanks, comments, capitals and quotes around names do not
    /// count.
    #[must_use]
    pub fn drift(&self, live: &Self) -> Vec<SchemaDrift> {
        let (expected, found) = (by_name(self), by_name(live));
        let names = Names::of([self, live]);
        let mut drifts = Vec::new();
        for (key, object) in &expected {
            let kind = match found.get(key) {
                None => SchemaDriftKind::Lacking,
                Some(live) if !names.make_same(&live.sql, &object.sql) => {
                    SchemaDriftKind::Different
                }
                Some(_) => continue,
            };
            drifts.push(drift(kind, Some(object), found.get(key).copied()));
        }
        let foreign = found.iter().filter(|(key, _)| !expected.contains_key(*key));
        drifts.extend(foreign.map(|(_, live)| drift(SchemaDriftKind::Foreign, None, Some(live))));
        drifts
    }

    /// The same for schemas that do not differ, in whatever order and form they were written, and
    /// another one for those that do.
    #[must_use]
    pub fn fingerprint(&self) -> Checksum {
        let mut text = String::new();
        let names = Names::of([self]);
        for ((kind, name), object) in by_name(self) {
            // No word of SQL and no name holds this character: SQLite ends a statement at it.
            text.extend([kind, "\0", &name, "\0"]);
            names.canonical(&object.sql).iter().for_each(|word| text.extend([word, "\0"]));
        }
        Checksum::of(text.as_bytes())
    }
}

/// The names of some schemas, in lower case: SQLite takes a word in double quotes that is none for text
/// (<https://www.sqlite.org/quirks.html#dblquote>).
#[derive(Debug)]
pub(super) struct Names {
    /// Of each object, those that are known where it is named: its columns.
    of: BTreeMap<String, BTreeSet<String>>,
}

impl Names {
    pub(super) fn of<'s>(schemas: impl IntoIterator<Item = &'s Schema>) -> Self {
        let mut of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for object in schemas.into_iter().flat_map(|schema| &schema.objects) {
            let known = of.entry(object.name.to_ascii_lowercase()).or_default();
            known.extend(columns(&object.sql).into_iter().map(|column| column.name));
            if object.kind == "view" {
                // What it gives may be called like anything in it.
                known.extend(words(&object.sql).into_iter().map(folded));
            }
        }
        Self { of }
    }

    /// Whether two statements make the same. SQLite puts quotes around the name of a table that it renames.
    pub(super) fn make_same(&self, one: &str, other: &str) -> bool {
        self.canonical(one) == self.canonical(other)
    }

    /// A statement without what does not count.
    fn canonical(&self, sql: &str) -> Vec<String> {
        let all = words(sql);
        let known = self.known(sql, &all);
        let each = all.iter().enumerate().map(|(at, word)| {
            let before = at.checked_sub(1).map_or("", |at| all[at]);
            let behind = all.get(at + 1).copied().unwrap_or_default();
            let name = folded(word);
            let inner = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
            match inner.filter(|_| takes_text(before, behind)) {
                // Behind this one no name can stand, whatever the quotes.
                Some(inner) if before.eq_ignore_ascii_case("default") => format!("'{inner}'"),
                Some(inner) if !known.contains(&name) => format!("'{inner}'"),
                _ => name,
            }
        });
        each.collect()
    }

    /// The names that a statement can mean: of its own columns, of what it names, and what it gives itself.
    fn known(&self, sql: &str, all: &[&str]) -> BTreeSet<String> {
        let mut known: BTreeSet<String> =
            columns(sql).into_iter().map(|column| column.name).collect();
        for (at, word) in all.iter().enumerate() {
            let name = folded(word);
            // `CREATE VIEW name`: what it gives is not known within it.
            if at == 2 {
                known.insert(name);
            } else if let Some(columns) = self.of.get(&name) {
                known.extend(columns.iter().cloned());
                known.insert(name);
            } else if at > 0 && all[at - 1].eq_ignore_ascii_case("as") {
                known.insert(name);
            }
        }
        known
    }
}

/// Whether a text could stand between these two: a name that is told from it by its place is none.
fn takes_text(before: &str, behind: &str) -> bool {
    /// The words of SQL behind which a value can stand.
    const BEFORE: [&str; 27] = [
        "all",
        "and",
        "between",
        "by",
        "case",
        "default",
        "distinct",
        "else",
        "escape",
        "glob",
        "having",
        "in",
        "is",
        "like",
        "limit",
        "match",
        "not",
        "offset",
        "on",
        "or",
        "regexp",
        "returning",
        "select",
        "then",
        "values",
        "when",
        "where",
    ];
    let is_word = before.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_name = before.starts_with(['"', '`', '[']) || before == ")";
    let is_behind = match is_word {
        true => BEFORE.iter().any(|word| before.eq_ignore_ascii_case(word)),
        false => !is_name && before != ".",
    };
    is_behind && behind != "." && behind != "("
}

/// SQLite does not tell capitals in names apart.
fn by_name(schema: &Schema) -> BTreeMap<(&str, String), &SchemaObject> {
    let key = |object: &SchemaObject| object.name.to_ascii_lowercase();
    schema.objects.iter().map(|one| ((one.kind.as_str(), key(one)), one)).collect()
}

fn drift(
    kind: SchemaDriftKind,
    expected: Option<&SchemaObject>,
    found: Option<&SchemaObject>,
) -> SchemaDrift {
    let either = expected.or(found);
    SchemaDrift {
        kind,
        object: either.map(|object| object.kind.clone()).unwrap_or_default(),
        name: either.map(|object| object.name.clone()).unwrap_or_default(),
        expected: expected.map(|object| object.sql.clone()),
        found: found.map(|object| object.sql.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::file::MigrationFile, super::lint::replay, *};

    fn schema(sql: &str) -> Schema {
        replay(&[MigrationFile::new("1.sql", "1.sql", sql)]).0
    }

    fn drifts(expected: &str, live: &str) -> Vec<(SchemaDriftKind, String)> {
        let drifts = schema(expected).drift(&schema(live));
        drifts.into_iter().map(|drift| (drift.kind, drift.name)).collect()
    }

    #[test]
    fn how_it_is_written_is_no_drift_and_anything_else_is() {
        let one = "CREATE TABLE t (a TEXT DEFAULT 'a  b', b); CREATE INDEX i ON t (a);";
        let same = "create table \"t\" (\n  a text DEFAULT 'a  b', -- why\n  [B]\n); CREATE INDEX i ON t(a);";
        assert_eq!(drifts(one, same), []);
        let text = "CREATE TABLE t (a DEFAULT \"Active\")";
        assert_eq!(drifts(text, "CREATE TABLE t (a DEFAULT 'Active')"), []);
        assert_eq!(drifts(text, "CREATE TABLE t (a DEFAULT \"active\")").len(), 1);
        let null = "CREATE TABLE t (a DEFAULT null)";
        assert_eq!(drifts("CREATE TABLE t (a DEFAULT \"null\")", null).len(), 1);
        let checked = |text: &str| {
            format!(
                "CREATE TABLE t (\"s\" CHECK (\"s\" IN ({text})), \"at\"); \
                 CREATE VIEW v AS SELECT \"AT\" AS n FROM \"T\" WHERE \"N\" = {text};"
            )
        };
        assert_eq!(drifts(&checked("\"Active\""), &checked("'Active'")), []);
        assert_eq!(drifts(&checked("\"Active\""), &checked("\"active\"")).len(), 2);
        // A column of a table that has nothing to do with it makes no name of a text.
        let besides = |sql: String| format!("CREATE TABLE z (active INT); {sql}");
        let other = (besides(checked("\"Active\"")), besides(checked("\"active\"")));
        assert_eq!(drifts(&other.0, &other.1).len(), 2);
        assert_ne!(schema(&other.0).fingerprint(), schema(&other.1).fingerprint());
        let other = "CREATE TABLE t (a TEXT DEFAULT 'a b', b); CREATE VIEW v AS SELECT 1;";
        assert_eq!(
            drifts(one, other),
            [
                (SchemaDriftKind::Lacking, "i".to_owned()),
                (SchemaDriftKind::Different, "t".to_owned()),
                (SchemaDriftKind::Foreign, "v".to_owned()),
            ]
        );
    }

    /// Names that are told from texts by where they stand.
    #[test]
    fn quotes_around_any_name_are_no_drift() {
        let plain = "CREATE TABLE u (id INT CONSTRAINT one NOT NULL, t TEXT COLLATE nocase, \
            CONSTRAINT fk FOREIGN KEY (id) REFERENCES gone (id)); \
            CREATE VIEW v AS WITH c AS (SELECT x.id FROM u x) SELECT c.id total FROM c; \
            CREATE VIEW w AS SELECT total FROM v; \
            CREATE TRIGGER g AFTER INSERT ON u WHEN new.id > 1 BEGIN SELECT new.t; END;";
        let quoted = "CREATE TABLE \"u\" (\"id\" \"INT\" CONSTRAINT \"one\" NOT NULL, \"t\" TEXT COLLATE \"NOCASE\", \
            CONSTRAINT \"fk\" FOREIGN KEY (\"id\") REFERENCES \"gone\" (\"id\")); \
            CREATE VIEW \"v\" AS WITH \"c\" AS (SELECT \"x\".\"id\" FROM \"u\" \"x\") SELECT \"c\".\"id\" \"total\" FROM \"c\"; \
            CREATE VIEW \"w\" AS SELECT \"total\" FROM \"v\"; \
            CREATE TRIGGER \"g\" AFTER INSERT ON \"u\" WHEN \"new\".\"id\" > 1 BEGIN SELECT \"new\".\"t\"; END;";
        assert_eq!(drifts(plain, quoted), []);
        assert_eq!(schema(plain).fingerprint(), schema(quoted).fingerprint());
    }

    #[test]
    fn a_fingerprint_tells_apart_what_differs_and_nothing_else() {
        let print = |sql: &str| schema(sql).fingerprint();
        let one = print("CREATE TABLE t (a); CREATE TABLE u (b); CREATE INDEX i ON t (a);");
        let same =
            "CREATE TABLE U ( [b] ); CREATE TABLE t (\"a\" /* why */); create index i on t(A);";
        assert_eq!(one, print(same));
        assert_ne!(one, print("CREATE TABLE t (a); CREATE TABLE u (b); CREATE INDEX i ON u (b);"));
        assert_ne!(one, print("CREATE TABLE t (a); CREATE TABLE u (b);"));
        assert_ne!(print("CREATE TABLE t (a b)"), print("CREATE TABLE t (ab)"));
    }
}
