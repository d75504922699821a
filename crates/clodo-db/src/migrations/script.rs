//! The statements that carry a file out, with the proofs that nothing is lost.

use super::{protect::Failed, replay::Replay, schema::Schema};
use crate::identifier::literal;

/// The statements that come out.
#[derive(Debug)]
pub(super) struct Script<'r> {
    pub(super) replay: &'r Replay,
    out: Vec<String>,
    /// What each proof is about.
    proofs: Vec<String>,
}

/// What a file says that was tried on another schema than it finds.
pub(super) const OTHER_SCHEMA: &str = "the schema has changed since it was read: run it again";
/// Where proofs fail: the number of one that does breaks its constraint, and the transaction with it.
const PROOFS: &str = "\"_clodo_proofs\"";
/// How much of a schema is compared in one statement, in bytes: D1 takes 100,000, and each quote in a
/// text takes two.
const CHUNK: usize = 50_000;
/// How much of a statement that is longer than that.
const PART: usize = 40_000;

impl<'r> Script<'r> {
    pub(super) fn on(replay: &'r Replay) -> Self {
        Self { replay, out: Vec::new(), proofs: Vec::new() }
    }

    /// All of it, where nothing is to be proved.
    pub(super) fn plain(self) -> String {
        self.out.join("\n")
    }

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
    pub(super) fn guarded(mut self, schema: &Schema, defers: bool) -> String {
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
