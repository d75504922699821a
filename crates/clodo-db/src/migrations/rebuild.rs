//! How a table is put in another's place on D1, where foreign keys are always enforced.
//!
//! `DROP TABLE` deletes the rows first, and that deletes or changes the rows of every table that
//! refers to them (<https://www.sqlite.org/foreignkeys.html#fk_schemacommands>). D1 runs each request
//! in a transaction, in which `PRAGMA foreign_keys = OFF` does nothing. So the rows of those tables
//! are put aside before, and back after; all in the same transaction.

use super::{
    compose::mentions,
    protect::Failed,
    replay::{Replay, listed},
    schema::{Schema, SchemaObject},
    script::Script,
};
use crate::{
    identifier::{literal, quoted},
    split::ended,
};
use clodo_sqlite::rusqlite::Error;
use std::collections::BTreeSet;

/// A table that a migration makes anew, and what is done for the others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rebuild {
    /// The table.
    pub table: String,
    /// The tables that refer to it, directly or through others: their rows are put aside and back.
    pub keeps: Vec<String>,
}

/// A table whose rows are put aside.
#[derive(Debug)]
struct Kept {
    table: String,
    /// Where they are meanwhile.
    aside: String,
    columns: Vec<String>,
    rowid: Option<&'static str>,
    /// By what a row is known: the columns of the key, or the number.
    key: Vec<(String, String)>,
}

/// A rebuild between its `DROP TABLE` and its `RENAME`.
#[derive(Debug)]
pub(super) struct Open {
    table: String,
    by: String,
    number: usize,
    kept: Vec<Kept>,
    /// What of the new table had to be put aside as well, as its rows name it.
    own: Option<String>,
    /// It has a sequence that must not begin anew.
    sequence: bool,
    /// Views and triggers to make again, in that order.
    again: Vec<String>,
}

/// What a proof says of a new table that lacks rows, or has others.
pub(super) const OTHER_ROWS: &str = "has other rows than the old one";
/// What the most columns of a table on D1 are.
const MOST_COLUMNS: usize = 100;

impl Open {
    /// Everything up to the `DROP TABLE` of `table`, whose rows are in table `by` already: all of them,
    /// unless nobody says which columns were carried, and in which columns of the new one they are.
    pub(super) fn begin(
        script: &mut Script<'_>,
        number: usize,
        (table, by): (&str, &str),
        carried: Option<&[(String, String)]>,
    ) -> Result<Self, Failed> {
        let replay = script.replay;
        if let Some(carried) = carried {
            script.prove(
                &format!("the new table {table} {OTHER_ROWS}"),
                &same_rows(replay, (table, by), carried)?,
            );
        }
        let children = replay.descendants(table)?;
        let (own, children): (Vec<String>, Vec<String>) =
            children.into_iter().partition(|child| child == by);
        let mut kept = Vec::new();
        for (place, child) in children.iter().enumerate() {
            kept.push(Kept::of(replay, child, format!("_clodo_{number}_{place}"))?);
        }
        for one in &kept {
            one.put_aside(script)?;
        }
        let again = set_aside_code(script, (table, by))?;
        let mut open = Self {
            table: table.to_owned(),
            by: by.to_owned(),
            number,
            kept,
            own: None,
            sequence: replay.counts_up(table)? && replay.counts_up(by)?,
            again,
        };
        // A new table that refers to what is emptied would lose its own rows with those.
        if !own.is_empty() {
            open.put_own_aside(script)?;
        }
        for one in &open.kept {
            script.push(format!("DELETE FROM {};", quoted(&one.table)));
        }
        if open.sequence {
            script.run(format!("CREATE TABLE {} (seq);", quoted(&open.aside("seq"))))?;
            script.push(format!(
                "INSERT INTO {} SELECT seq FROM sqlite_sequence WHERE name = {} COLLATE NOCASE;",
                quoted(&open.aside("seq")),
                literal(table)
            ));
        }
        Ok(open)
    }

    fn aside(&self, what: &str) -> String {
        format!("_clodo_{}_{what}", self.number)
    }

    fn put_own_aside(&mut self, script: &mut Script<'_>) -> Result<(), Failed> {
        let columns = script.replay.columns(&self.by)?;
        let rowid = script.replay.rowid(&self.by)?.filter(|_| columns.len() < MOST_COLUMNS);
        let rowid = rowid.map(|word| format!("{word}, "));
        let count = columns.len() + usize::from(rowid.is_some());
        let all = format!("{}{}", rowid.unwrap_or_default(), listed(&columns, ""));
        let (by, aside) = (quoted(&self.by), quoted(&self.aside("own")));
        script.run(format!("CREATE TABLE {aside} ({});", numbered(count, "c")))?;
        script.push(format!("INSERT INTO {aside} SELECT {all} FROM {by};"));
        script.push(format!("DELETE FROM {by};"));
        self.own = Some(all);
        Ok(())
    }

    /// Everything behind the `RENAME`.
    pub(super) fn finish(self, script: &mut Script<'_>) -> Result<Rebuild, Failed> {
        let table = quoted(&self.table);
        if let Some(into) = &self.own {
            let aside = quoted(&self.aside("own"));
            script.push(format!("INSERT INTO {table} ({into}) SELECT * FROM {aside};"));
            script.run(format!("DROP TABLE {aside};"))?;
        }
        if self.sequence {
            self.keep_counting(script)?;
        }
        for one in self.kept.iter().rev() {
            one.put_back(script);
        }
        for sql in &self.again {
            script.run(ended(sql))?;
        }
        for one in &self.kept {
            one.prove(script, &self.table);
        }
        for one in &self.kept {
            script.run(format!("DROP TABLE {};", quoted(&one.aside)))?;
        }
        let keeps = self.kept.into_iter().map(|one| one.table).collect();
        Ok(Rebuild { table: self.table, keeps })
    }

    /// A number that was given once is not given again.
    fn keep_counting(&self, script: &mut Script<'_>) -> Result<(), Failed> {
        let (name, aside) = (literal(&self.table), quoted(&self.aside("seq")));
        script.push(format!(
            "INSERT INTO sqlite_sequence (name, seq) SELECT {name}, 0 FROM {aside} WHERE NOT EXISTS \
             (SELECT 1 FROM sqlite_sequence WHERE name = {name} COLLATE NOCASE);"
        ));
        script.push(format!(
            "UPDATE sqlite_sequence SET seq = max(seq, (SELECT seq FROM {aside})) \
             WHERE name = {name} COLLATE NOCASE AND EXISTS (SELECT 1 FROM {aside});"
        ));
        script.run(format!("DROP TABLE {aside};"))
    }
}

/// As many rows, and for each one that is known by the same: by its key, or where that is not carried, by
/// all that is.
fn same_rows(
    replay: &Replay,
    (table, by): (&str, &str),
    carried: &[(String, String)],
) -> Result<String, Failed> {
    let (old, new) = (quoted(table), quoted(by));
    let count = format!("(SELECT count(*) FROM {new}) = (SELECT count(*) FROM {old})");
    let (before, behind) = (replay.declared(table)?, replay.declared(by)?);
    let declared = |all: &[(String, String)], column: &str| {
        let known = all.iter().find(|(name, _)| name.eq_ignore_ascii_case(column));
        known.map(|(_, declared)| declared.to_ascii_lowercase())
    };
    let compared = |(source, target): &(String, String)| Compared {
        before: quoted(source),
        behind: quoted(target),
        was: affinity(&declared(&before, source).unwrap_or_default()),
        is: affinity(&declared(&behind, target).unwrap_or_default()),
    };
    let key = replay.key(table)?;
    let key: Option<Vec<Compared>> = key
        .iter()
        .map(|column| carried.iter().find(|(from, _)| from.eq_ignore_ascii_case(column)))
        .map(|pair| pair.map(compared))
        .collect();
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        let all: Vec<Compared> = carried.iter().map(compared).collect();
        return Ok(match all.is_empty() {
            true => count,
            false => format!("{count} AND {}", each_as_often((&old, &new), &all)),
        });
    };
    let own: Vec<String> = replay.key(by)?.iter().map(|column| quoted(column)).collect();
    let is_own = |one: &Compared| own.iter().any(|column| column.eq_ignore_ascii_case(&one.behind));
    // By the index of the new key each row is found at once.
    if key.iter().all(|one| one.was == one.is && is_own(one)) && key.len() == own.len() {
        let same = key.iter().map(|one| format!("n.{} IS o.{}", one.behind, one.before));
        let same = same.collect::<Vec<_>>().join(" AND ");
        return Ok(format!(
            "{count} AND NOT EXISTS (SELECT 1 FROM {old} o WHERE NOT EXISTS (SELECT 1 FROM {new} n WHERE {same}))"
        ));
    }
    Ok(format!("{count} AND {}", each_as_often((&old, &new), &key)))
}

/// A column that is carried, as SQL names it in both tables, and what values each of them takes.
struct Compared {
    before: String,
    behind: String,
    was: &'static str,
    is: &'static str,
}

impl Compared {
    /// A value as it is compared: of the same kind of column byte by byte, else as the new one takes it.
    fn value(&self, column: &str) -> String {
        let kind = if self.was == self.is { "BLOB" } else { self.is };
        format!("CAST({column} AS {kind})")
    }
}

/// What a column makes of values, as its type says (<https://www.sqlite.org/datatype3.html#determination_of_column_affinity>).
fn affinity(declared: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    match declared {
        _ if has(&["int"]) => "INTEGER",
        _ if has(&["char", "clob", "text"]) => "TEXT",
        _ if declared.is_empty() || has(&["blob"]) => "BLOB",
        _ if has(&["real", "floa", "doub"]) => "REAL",
        _ => "NUMERIC",
    }
}

/// What these columns hold is there as often as it was.
fn each_as_often((old, new): (&str, &str), columns: &[Compared]) -> String {
    // With their number they are a row of an answer, of which D1 takes so many columns.
    let columns = &columns[..columns.len().min(MOST_COLUMNS - 1)];
    let places: Vec<String> = (1..=columns.len()).map(|at| at.to_string()).collect();
    let places = places.join(", ");
    let counted = |table: &str, column: fn(&Compared) -> &String| {
        let each = columns.iter().map(|one| one.value(column(one)));
        let each: Vec<String> = each.collect();
        format!("SELECT {}, count(*) FROM {table} GROUP BY {places}", each.join(", "))
    };
    let (before, behind) = (counted(old, |one| &one.before), counted(new, |one| &one.behind));
    format!("NOT EXISTS ({before} EXCEPT {behind})")
}

/// What makes a view or a trigger that names the new table, behind that one's rename: SQLite writes it.
fn moved(
    schema: &Schema,
    object: &SchemaObject,
    (table, by): (&str, &str),
) -> Result<String, Error> {
    let is_code = |one: &SchemaObject| one.kind == "view" || one.kind == "trigger";
    let old = BTreeSet::from([table.to_ascii_lowercase()]);
    let mut alone = schema.clone();
    alone.objects.retain(|one| !is_code(one) || one == object || !mentions(&one.sql, &old));
    let scratch = Replay::of(&alone)?;
    scratch.run("PRAGMA foreign_keys = OFF")?;
    scratch.run(&format!("DROP TABLE {}", quoted(table)))?;
    scratch.run(&format!("ALTER TABLE {} RENAME TO {}", quoted(by), quoted(table)))?;
    Ok(scratch.sql_of(&object.kind, &object.name)?.unwrap_or_else(|| object.sql.clone()))
}

/// Drops views and triggers, since SQLite refuses to rename a table while one of them names a table
/// that is not there, and no trigger may hear of rows that only move; gives what makes them again.
/// The triggers of the table itself go with it, as the file wants; those that the new one has already are
/// on the table that it becomes.
fn set_aside_code(
    script: &mut Script<'_>,
    (table, by): (&str, &str),
) -> Result<Vec<String>, Failed> {
    let schema = script.replay.schema()?;
    let of_kind = |kind: &'static str| schema.objects.iter().filter(move |one| one.kind == kind);
    for trigger in of_kind("trigger") {
        script.run(format!("DROP TRIGGER {};", quoted(&trigger.name)))?;
    }
    for view in of_kind("view") {
        script.run(format!("DROP VIEW {};", quoted(&view.name)))?;
    }
    let triggers = of_kind("trigger").filter(|one| !one.table.eq_ignore_ascii_case(table));
    let names = BTreeSet::from([by.to_owned()]);
    // One that SQLite cannot move stays as it is, and is refused behind the file if it no longer works.
    let again = of_kind("view").chain(triggers).map(|one| match mentions(&one.sql, &names) {
        true => moved(&schema, one, (table, by)).unwrap_or_else(|_| one.sql.clone()),
        false => one.sql.clone(),
    });
    Ok(again.collect())
}

impl Kept {
    fn of(replay: &Replay, table: &str, aside: String) -> Result<Self, Failed> {
        let (columns, rowid) = (replay.columns(table)?, replay.rowid(table)?);
        if columns.len() + usize::from(rowid.is_some()) > MOST_COLUMNS {
            let why = format!("table {table} has too many columns to put its rows aside");
            return Err(Failed::Refused { rule: "rebuild-too-wide", why });
        }
        let key = match rowid {
            Some(word) => vec![(word.to_owned(), "r".to_owned())],
            None => {
                let column = |name: String| {
                    let at = columns.iter().position(|column| *column == name);
                    at.map(|at| (quoted(&name), format!("c{at}")))
                };
                replay.key(table)?.into_iter().filter_map(column).collect()
            }
        };
        if key.is_empty() {
            let why =
                format!("nothing tells the rows of table {table} apart while they are put aside");
            return Err(Failed::Refused { rule: "rebuild-no-key", why });
        }
        Ok(Self { table: table.to_owned(), aside, columns, rowid, key })
    }

    /// The columns aside have no type: what is put there stays what it is.
    fn put_aside(&self, script: &mut Script<'_>) -> Result<(), Failed> {
        let (aside, from) = (quoted(&self.aside), quoted(&self.table));
        let columns = numbered(self.columns.len(), "c");
        let r = if self.rowid.is_some() { "r, " } else { "" };
        script.run(format!("CREATE TABLE {aside} ({r}{columns});"))?;
        script.push(format!("INSERT INTO {aside} SELECT {} FROM {from};", self.all()));
        Ok(())
    }

    fn put_back(&self, script: &mut Script<'_>) {
        let (aside, into) = (quoted(&self.aside), quoted(&self.table));
        script.push(format!("INSERT INTO {into} ({}) SELECT * FROM {aside};", self.all()));
    }

    /// All that is kept, as the table names it.
    fn all(&self) -> String {
        let rowid = self.rowid.map(|word| format!("{word}, ")).unwrap_or_default();
        format!("{rowid}{}", listed(&self.columns, ""))
    }

    /// Each row that was put aside is there again, value by value, and no other.
    fn prove(&self, script: &mut Script<'_>, rebuilt: &str) {
        let (aside, table) = (quoted(&self.aside), quoted(&self.table));
        let same_row = self.key.iter().map(|(there, kept)| format!("t.{there} IS k.{kept}"));
        let same_row = same_row.collect::<Vec<_>>().join(" AND ");
        let of_all = |each: &dyn Fn(usize, &str) -> String| {
            let each =
                self.columns.iter().enumerate().map(|(at, column)| each(at, &quoted(column)));
            each.collect::<Vec<_>>().join(", ")
        };
        let (kept, kept_types) =
            (of_all(&|at, _| format!("k.c{at}")), of_all(&|at, _| format!("typeof(k.c{at})")));
        let (there, types) = (
            of_all(&|_, column| format!("t.{column}")),
            of_all(&|_, column| format!("typeof(t.{column})")),
        );
        // The kept value stands first: its column has no collation that could make two texts alike. As
        // rows, since an `AND` for each column is deeper than the expressions that D1 takes.
        let same = format!("({kept}) IS ({there}) AND ({kept_types}) IS ({types})");
        script.prove(
            &format!("the rebuild of table {rebuilt} would lose rows of table {}", self.table),
            &format!(
                "(SELECT count(*) FROM {table}) = (SELECT count(*) FROM {aside}) AND NOT EXISTS \
                 (SELECT 1 FROM {aside} k WHERE NOT EXISTS (SELECT 1 FROM {table} t WHERE {same_row} \
                 AND {same}))"
            ),
        );
    }
}

fn numbered(count: usize, letter: &str) -> String {
    (0..count).map(|at| format!("{letter}{at}")).collect::<Vec<_>>().join(", ")
}
