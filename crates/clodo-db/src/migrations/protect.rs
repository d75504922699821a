use super::{
    file::MigrationFile,
    meaning::{Meaning, NoSql, Step, steps},
    rebuild::{Open, Rebuild},
    replay::{Replay, said},
    schema::Schema,
};
use crate::{
    identifier::literal,
    split::{folded, words},
};
use clodo_sqlite::rusqlite;
use clodo_types::{Finding, Location, Severity};
use std::{collections::BTreeMap, fmt};

/// A migration as it is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Protected {
    /// All statements, in the order in which they run in one transaction.
    pub sql: String,
    /// The tables that are made anew.
    pub rebuilds: Vec<Rebuild>,
    /// The schema afterwards, as far as the file changes it.
    pub schema: Schema,
}

/// A migration that is not carried out; its finding says where and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub Box<Finding>);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.0.at {
            write!(f, "{at}: ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Refusal {}

/// Works out how a file is carried out on a database with this schema, so that no row is lost that
/// it does not name; nothing is asked and nothing is written.
///
/// A table that is made anew, filled from the old one and put in its place (as drizzle, Prisma, Atlas
/// and SQLite's own documentation do it) keeps the rows of all tables that refer to it. Every other
/// `DROP TABLE` is refused, unless a comment `-- clodo:allow drop-table REASON` stands before it.
///
/// # Errors
/// When the file is no SQL, does not fit the schema, or would lose rows.
pub fn protect(schema: &Schema, file: &MigrationFile) -> Result<Protected, Refusal> {
    let mut trial = Trial::on(schema.clone());
    let Tried { sql, rebuilds, .. } = trial.protect(file)?;
    Ok(Protected { sql, rebuilds, schema: trial.schema })
}

/// The schema that files make of one, each worked out on what those before it made, as [`protect`] does
/// it.
///
/// # Errors
/// As for [`protect`], for the first file that is refused.
pub fn protect_all<'f>(
    schema: &Schema,
    files: impl IntoIterator<Item = &'f MigrationFile>,
) -> Result<Schema, Refusal> {
    let mut trial = Trial::on(schema.clone());
    for file in files {
        trial.protect(file)?;
    }
    Ok(trial.schema)
}

/// Files that are tried one after the other, each on what those before it made.
#[derive(Debug)]
pub(super) struct Trial {
    schema: Schema,
    replay: Option<Replay>,
}

/// A file that fits.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) sql: String,
    pub(super) rebuilds: Vec<Rebuild>,
    /// The schema before it.
    pub(super) before: Schema,
}

impl Trial {
    pub(super) fn on(schema: Schema) -> Self {
        Self { schema, replay: None }
    }

    /// The schema that the files so far make.
    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The same, for questions; none before the first file.
    pub(super) fn replay(&self) -> Option<&Replay> {
        self.replay.as_ref()
    }

    /// The next file, as [`protect`] does it. After a refusal there is no next one.
    pub(super) fn protect(&mut self, file: &MigrationFile) -> Result<Tried, Refusal> {
        let steps = steps(&file.sql).map_err(|NoSql { offset, message }| {
            refusal(file, offset, "migration-unreadable", message, "correct the statement")
        })?;
        let replay = match self.replay.take() {
            Some(replay) => replay,
            None => Replay::of(&self.schema).map_err(|error| {
                let why = said(&error).0;
                let message = format!("the schema of the database cannot be read: {why}");
                refusal(file, 0, "schema-unreadable", message, UNREADABLE)
            })?,
        };
        let mut script = Script { replay: &replay, out: Vec::new(), proofs: Vec::new() };
        let mut work =
            Work { steps: &steps, made: BTreeMap::new(), open: None, rebuilds: Vec::new() };
        for (at, step) in steps.iter().enumerate() {
            work.step(&mut script, at).map_err(|failed| failed.at(file, step))?;
        }
        let rebuilds = work.rebuilds;
        let sql = match steps.iter().any(|step| step.meaning.is_hazard()) {
            true => script.guarded(&self.schema, !rebuilds.is_empty()),
            false => script.out.join("\n"),
        };
        let mut after = replay.schema().map_err(|error| {
            let message = format!("the schema that it makes cannot be read: {}", said(&error).0);
            refusal(file, 0, "schema-unreadable", message, "correct the last statement")
        })?;
        after.records.clone_from(&self.schema.records);
        self.replay = Some(replay);
        let before = std::mem::replace(&mut self.schema, after);
        Ok(Tried { sql, rebuilds, before })
    }
}

/// The statements that come out.
#[derive(Debug)]
pub(super) struct Script<'r> {
    pub(super) replay: &'r Replay,
    out: Vec<String>,
    /// What each proof is about.
    proofs: Vec<String>,
}

/// Why a statement is not carried out.
#[derive(Debug)]
pub(super) enum Failed {
    Sql(rusqlite::Error),
    Refused { rule: &'static str, why: String },
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Failed {
    fn at(self, file: &MigrationFile, step: &Step<'_>) -> Refusal {
        match self {
            Self::Sql(error) => {
                let (message, offset) = said(&error);
                let offset = step.piece.offset + offset.min(step.piece.text.len());
                refusal(file, offset, "migration-fails", message, "correct the statement")
            }
            Self::Refused { rule, why } => refusal(file, step.piece.offset, rule, why, hint(rule)),
        }
    }
}

fn hint(rule: &str) -> &'static str {
    match rule {
        "drop-table" => {
            "leave the table where it is, or write `-- clodo:allow drop-table REASON` on the line \
             before when nothing needs it any more"
        }
        "drop-referenced" => "make the tables that refer to it anew without the reference first",
        "rebuild-by-renaming" => {
            "make the new table under another name, fill it from the old one, drop the old one and \
             rename the new one"
        }
        "rebuild-unfinished" => "rename the new table right after the old one is dropped",
        "drop-column" => {
            "leave the column where it is, or write `-- clodo:allow drop-column REASON` on the line \
             before when no version that serves reads it"
        }
        "reserved" => "leave it as it is: `clodo-db repair` and `baseline` write the records",
        "delete-all" | "delete-cascades" | "replace-cascades" | "update-cascades" => {
            "say that it is meant on the line before: `-- clodo:allow RULE REASON`, with the rule that \
             this finding has"
        }
        "transaction" => "leave it out: a file is applied whole or not at all",
        "parameters" => "write the values",
        _ => "write another migration that does it in smaller steps",
    }
}

fn refusal(
    file: &MigrationFile,
    offset: usize,
    rule: &str,
    message: String,
    hint: &str,
) -> Refusal {
    Refusal(Box::new(Finding {
        rule: rule.to_owned(),
        severity: Severity::Block,
        at: Some(Location::of_offset(&file.path, &file.sql, offset)),
        message,
        hint: Some(hint.to_owned()),
    }))
}

impl Script<'_> {
    /// A statement about rows.
    pub(super) fn push(&mut self, sql: String) {
        self.out.push(sql);
    }

    /// A statement that changes the schema.
    pub(super) fn run(&mut self, sql: String) -> Result<(), Failed> {
        self.replay.run(&sql)?;
        self.out.push(sql);
        Ok(())
    }

    /// Lets everything fail if a condition does not hold at this point.
    pub(super) fn prove(&mut self, what: &str, condition: &str) {
        let known = self.proofs.iter().position(|one| one == what);
        let at = known.unwrap_or_else(|| {
            self.proofs.push(what.to_owned());
            self.proofs.len() - 1
        });
        self.out.push(format!("INSERT INTO {PROOFS} SELECT {at} WHERE ({condition}) IS NOT 1;"));
    }

    /// All of it, with the proofs, on the schema for which it was made. `defers` the references, which
    /// do not hold while a table is made anew.
    fn guarded(mut self, schema: &Schema, defers: bool) -> String {
        let inner = std::mem::take(&mut self.out);
        self.same_schema(schema);
        let guards = std::mem::take(&mut self.out);
        // Of one column: D1 takes tables of 100.
        let proof = |(at, what): (usize, &String)| {
            let name = format!("clodo: {what}").replace('"', "'");
            format!(", CONSTRAINT \"{name}\" CHECK (p <> {at})")
        };
        let proofs: String = self.proofs.iter().enumerate().map(proof).collect();
        // Whoever used the connection before may have switched them off.
        let mut all = vec!["PRAGMA ignore_check_constraints = OFF;".to_owned()];
        if defers {
            all.push("PRAGMA defer_foreign_keys = ON;".to_owned());
        }
        all.push(format!("CREATE TABLE {PROOFS} (p{proofs});"));
        all.extend(guards);
        all.extend(inner);
        all.push(format!("DROP TABLE {PROOFS};"));
        all.join("\n")
    }

    /// Somebody may have changed the schema since it was read.
    fn same_schema(&mut self, schema: &Schema) {
        let count = schema.objects.len();
        let proofs = literal(PROOFS.trim_matches('"'));
        let all = format!("FROM {} AND name <> {proofs}", Schema::listed(&schema.records));
        self.prove(OTHER_SCHEMA, &format!("(SELECT count(*) {all}) = {count}"));
        let (mut chunk, mut size) = (Vec::new(), 0);
        let mut chunks = Vec::new();
        for object in &schema.objects {
            let (kind, name) = (literal(&object.kind), literal(&object.name));
            let sql = literal(&object.sql);
            if sql.len() > CHUNK {
                let it = format!("{all} AND type = {kind} AND name = {name}");
                self.same_object(&it, &object.sql);
                continue;
            }
            let row = format!("({kind}, {name}, {sql})");
            size += row.len();
            if size > CHUNK && !chunk.is_empty() {
                chunks.push(std::mem::take(&mut chunk));
                size = row.len();
            }
            chunk.push(row);
        }
        chunks.push(chunk);
        for chunk in chunks.into_iter().filter(|chunk| !chunk.is_empty()) {
            let (count, rows) = (chunk.len(), chunk.join(", "));
            let same = format!("{all} AND (type, name, sql) IN (VALUES {rows})");
            self.prove(OTHER_SCHEMA, &format!("(SELECT count(*) {same}) = {count}"));
        }
    }

    /// One whose statement is too long to be compared in one: `it` is what to select from.
    fn same_object(&mut self, it: &str, sql: &str) {
        let (mut from, mut rest) = (1, sql);
        while !rest.is_empty() {
            let end = rest.floor_char_boundary(PART);
            let (part, more) = rest.split_at(end);
            // SQLite counts characters, from 1.
            let length = part.chars().count();
            let same = format!("substr(sql, {from}, {length}) = {}", literal(part));
            self.prove(OTHER_SCHEMA, &format!("(SELECT count(*) {it} AND {same}) = 1"));
            (from, rest) = (from + length, more);
        }
        let length = format!("length(sql) = {}", from - 1);
        self.prove(OTHER_SCHEMA, &format!("(SELECT count(*) {it} AND {length}) = 1"));
    }
}

const UNREADABLE: &str = "it uses what is not known here, such as a function or a collation of its program's; or \
    it is damaged: `PRAGMA quick_check` tells";
/// What a file says that was tried on another schema than it finds.
pub(super) const OTHER_SCHEMA: &str = "the schema has changed since it was read: run it again";
/// Where proofs fail: the number of one that does breaks its constraint, and the transaction with it.
const PROOFS: &str = "\"_clodo_proofs\"";
/// How much of a schema is compared in one statement, in bytes: D1 takes 100,000, and each quote in a
/// text takes two.
const CHUNK: usize = 50_000;
/// How much of a statement that is longer than that.
const PART: usize = 40_000;

/// How far a file is.
struct Work<'a> {
    steps: &'a [Step<'a>],
    /// Tables that the file made; those it filled from one other table, from which.
    made: BTreeMap<String, Option<String>>,
    open: Option<(Open, usize)>,
    rebuilds: Vec<Rebuild>,
}

impl Work<'_> {
    fn step(&mut self, script: &mut Script<'_>, at: usize) -> Result<(), Failed> {
        let step = &self.steps[at];
        let text = step.piece.text;
        let whole = if text.ends_with(';') { text.to_owned() } else { format!("{text}\n;") };
        if let Some(name) = script.replay.reserved(&step.meaning) {
            let why = format!("is about table {name}, in which Clodo keeps what it needs itself");
            return Err(Failed::Refused { rule: "reserved", why });
        }
        match &step.meaning {
            Meaning::Transaction => {
                let why = "a migration is one transaction already".to_owned();
                return Err(Failed::Refused { rule: "transaction", why });
            }
            Meaning::Forbidden(what) => {
                let why = format!("{what} cannot be part of a migration");
                return Err(Failed::Refused { rule: "forbidden", why });
            }
            Meaning::DropTable { name } => return self.drop(script, at, name, whole),
            // Without effect in a transaction, or in the way of what is done instead.
            Meaning::Pragma { name, .. } if name.ends_with("foreign_keys") && self.rebuilding() => {
            }
            Meaning::Pragma { name, sets: true } if name == "writable_schema" => {
                let why = "rewrites the schema behind SQLite's back".to_owned();
                return Err(Failed::Refused { rule: "forbidden", why });
            }
            // Every proof is a constraint.
            Meaning::Pragma { name, sets: true } if name == "ignore_check_constraints" => {
                let why = "lets rows in that break the rules of their tables".to_owned();
                return Err(Failed::Refused { rule: "forbidden", why });
            }
            Meaning::Pragma { .. } => script.push(whole),
            Meaning::Insert { .. }
            | Meaning::Delete { .. }
            | Meaning::Update { .. }
            | Meaning::Other => {
                self.rows(script, step)?;
                if script.replay.fits(text)? > 0 {
                    let why = "a migration has no values for parameters".to_owned();
                    return Err(Failed::Refused { rule: "parameters", why });
                }
                self.filled(&step.meaning);
                script.push(whole);
            }
            Meaning::DropColumn { table, column }
                if !self.made.contains_key(table) && !step.allows("drop-column") =>
            {
                let why = format!("drops column {column} of table {table} and all its values");
                return Err(Failed::Refused { rule: "drop-column", why });
            }
            _ => {
                script.run(whole)?;
                self.changed(&step.meaning);
            }
        }
        self.close(script, at)
    }

    /// Whether the file makes a table anew.
    fn rebuilding(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.meaning, Meaning::DropTable { .. }))
    }

    /// Refuses what takes away rows, or what they refer to, that the statement does not name.
    fn rows(&self, script: &Script<'_>, step: &Step<'_>) -> Result<(), Failed> {
        let replay = script.replay;
        let (table, doing) = match &step.meaning {
            Meaning::Delete { table, .. } => (table, "deletes rows of"),
            Meaning::Insert { into: table, .. } => (table, "inserts rows into"),
            Meaning::Update { table, .. } => (table, "updates rows of"),
            _ => return Ok(()),
        };
        if self.made.contains_key(table) {
            return Ok(());
        }
        if matches!(step.meaning, Meaning::Delete { all: true, .. }) && !step.allows("delete-all") {
            let why = format!("deletes all rows of table {table}");
            return Err(Failed::Refused { rule: "delete-all", why });
        }
        let refuse = |rule: &'static str, why: String| match step.allows(rule) {
            true => Ok(()),
            false => Err(Failed::Refused { rule, why }),
        };
        if let Some((trigger, others)) = replay.deleting_trigger(&step.meaning)? {
            let why = format!(
                "{doing} table {table}, whose trigger {trigger} deletes rows of table {others}"
            );
            refuse("delete-cascades", why)?;
        }
        let replaces = replay.replaces(&step.meaning)?;
        if let Some(child) = replay.follows(table)? {
            if matches!(step.meaning, Meaning::Delete { .. }) {
                let why = format!("{doing} table {table}, and rows of table {child} with them");
                refuse("delete-cascades", why)?;
            } else if replaces {
                let why = format!(
                    "may replace, which deletes, rows of table {table}, and rows of table {child} \
                     with them"
                );
                refuse("replace-cascades", why)?;
            }
        }
        if let Meaning::Update { columns, .. } = &step.meaning
            && let Some(child) = replay.loosened(table, columns)?
        {
            let why =
                format!("{doing} table {table}, which takes the references of table {child} away");
            refuse("update-cascades", why)?;
        }
        Ok(())
    }

    fn filled(&mut self, meaning: &Meaning) {
        if let Meaning::Insert { into, from: Some(from), .. } = meaning
            && let Some(filled) = self.made.get_mut(into)
        {
            *filled = Some(from.clone());
        }
    }

    fn changed(&mut self, meaning: &Meaning) {
        match meaning {
            Meaning::CreateTable { name, may_exist: false } => {
                self.made.insert(name.clone(), None);
            }
            Meaning::Rename { from, to } => {
                if let Some(filled) = self.made.remove(from) {
                    self.made.insert(to.clone(), filled);
                }
            }
            _ => {}
        }
    }

    fn drop(
        &mut self,
        script: &mut Script<'_>,
        at: usize,
        name: &str,
        whole: String,
    ) -> Result<(), Failed> {
        let step = &self.steps[at];
        let (there, own) = (script.replay.has("table", name)?, self.made.contains_key(name));
        if there && !own && self.renamed_away(at, name) {
            let why =
                format!("drops table {name}, which it renamed: what refers to it goes with it");
            return Err(Failed::Refused { rule: "rebuild-by-renaming", why });
        }
        if let Some(by) = self.taken_by(at, name).filter(|_| there && !own) {
            let rename = self.rename_after(at, &by, name)?;
            self.carries_all(script, at, (name, &by))?;
            let number = self.rebuilds.len();
            let filters = step.allows("rebuild-filters");
            let open = Open::begin(script, number, (name, &by), filters)?;
            script.run(whole)?;
            self.open = Some((open, rename));
            return Ok(());
        }
        if there && !own {
            if let Some(child) = script.replay.descendants(name)?.first() {
                let why = format!("drops table {name}, to which table {child} refers");
                return Err(Failed::Refused { rule: "drop-referenced", why });
            }
            if !step.allows("drop-table") {
                let why = format!("drops table {name} and all its rows");
                return Err(Failed::Refused { rule: "drop-table", why });
            }
        }
        script.run(whole)?;
        self.made.remove(name);
        Ok(())
    }

    /// The table of this file that was filled from a table and from no other, and gets its name; if none
    /// does, any that was filled from it.
    fn taken_by(&self, at: usize, name: &str) -> Option<String> {
        let filled = || self.made.iter().filter(|(_, from)| from.as_deref() == Some(name));
        let renamed = |by: &str| {
            self.steps[at..].iter().any(|step| {
                matches!(&step.meaning, Meaning::Rename { from, to } if from == by && to == name)
            })
        };
        let by = filled().find(|(by, _)| renamed(by)).or_else(|| filled().next());
        by.map(|(by, _)| by.clone())
    }

    /// Refuses a new table that gets none of the values of an old one's column.
    fn carries_all(
        &self,
        script: &Script<'_>,
        at: usize,
        (table, by): (&str, &str),
    ) -> Result<(), Failed> {
        let fills = |step: &&Step<'_>| {
            matches!(&step.meaning, Meaning::Insert { into, from, .. }
                if into == by && from.as_deref() == Some(table))
        };
        let Some(fill) = self.steps[..at].iter().rev().find(fills) else { return Ok(()) };
        if fill.allows("drop-column") || self.steps[at].allows("drop-column") {
            return Ok(());
        }
        let selected: Vec<String> = words(fill.piece.text)
            .into_iter()
            .skip_while(|word| !word.eq_ignore_ascii_case("select"))
            .map(folded)
            .collect();
        let is_carried = |column: &String| {
            selected.iter().any(|word| word == "*" || *word == column.to_ascii_lowercase())
        };
        match script.replay.columns(table)?.into_iter().find(|column| !is_carried(column)) {
            Some(column) => {
                let why = format!("makes table {table} anew without the values of column {column}");
                Err(Failed::Refused { rule: "drop-column", why })
            }
            None => Ok(()),
        }
    }

    /// Where the new table gets the old one's name: nothing about rows may lie between.
    fn rename_after(&self, at: usize, by: &str, name: &str) -> Result<usize, Failed> {
        for (later, step) in self.steps.iter().enumerate().skip(at + 1) {
            match &step.meaning {
                Meaning::Rename { from, to } if from == by && to == name => return Ok(later),
                Meaning::CreateIndex { .. } | Meaning::Pragma { .. } => {}
                _ => break,
            }
        }
        let why = format!("drops table {name}, and does not put table {by} in its place at once");
        Err(Failed::Refused { rule: "rebuild-unfinished", why })
    }

    /// Whether the file itself gave the table the name under which it is dropped.
    fn renamed_away(&self, at: usize, name: &str) -> bool {
        let renames =
            |step: &Step<'_>| matches!(&step.meaning, Meaning::Rename { to, .. } if to == name);
        self.steps[..at].iter().any(renames)
    }

    fn close(&mut self, script: &mut Script<'_>, at: usize) -> Result<(), Failed> {
        if let Some((open, _)) = self.open.take_if(|(_, rename)| *rename == at) {
            self.rebuilds.push(open.finish(script)?);
        }
        Ok(())
    }
}
