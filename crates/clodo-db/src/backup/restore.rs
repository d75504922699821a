use super::{
    error::BackupError,
    layout::{Key, Layout, MARKER, Table, ask, scratch, texts},
    pack::{BUFFER, unpacked},
    restore_error::RestoreError,
    rows::PIECES,
    statements::Statements,
    text::{Summary, verify_text},
};
use crate::{
    database::Database,
    error::{DatabaseError, DatabaseErrorKind},
    identifier::{literal, platforms, quoted},
};
use async_trait::async_trait;
use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    sync::Arc,
};
use tracing::Instrument as _;

/// Where a dump can be read from, as often as it is needed: it is looked at as a whole before
/// anything is written.
#[async_trait]
pub trait DumpSource: Send + Sync {
    /// Begins at its beginning.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    async fn open(&self) -> io::Result<Box<dyn BufRead + Send + '_>>;
}

#[async_trait]
impl DumpSource for Vec<u8> {
    async fn open(&self) -> io::Result<Box<dyn BufRead + Send + '_>> {
        unpacked(Box::new(self.as_slice()))
    }
}

#[async_trait]
impl DumpSource for PathBuf {
    async fn open(&self) -> io::Result<Box<dyn BufRead + Send + '_>> {
        self.as_path().open().await
    }
}

#[async_trait]
impl DumpSource for Path {
    async fn open(&self) -> io::Result<Box<dyn BufRead + Send + '_>> {
        unpacked(Box::new(BufReader::with_capacity(BUFFER, File::open(self)?)))
    }
}

/// What may be in the database already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Nothing.
    #[default]
    Refuse,
    /// Nothing, or what a restore of the same dump did before it was stopped: it goes on.
    GoOn,
    /// Anything: all of it is dropped.
    Replace,
}

/// How to restore.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// What may be in the database already.
    pub existing: Existing,
    /// How many bytes of statements one request has, about.
    pub request_bytes: usize,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self { existing: Existing::Refuse, request_bytes: 900_000 }
    }
}

impl RestoreOptions {
    /// Sets what may be in the database already.
    #[must_use]
    pub fn with_existing(mut self, existing: Existing) -> Self {
        self.existing = existing;
        self
    }

    /// Sets how many bytes of statements one request has.
    #[must_use]
    pub fn with_request_bytes(mut self, bytes: usize) -> Self {
        self.request_bytes = bytes;
        self
    }
}

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreReport {
    /// What the dump's last line says.
    pub summary: Summary,
    /// How many statements it has.
    pub statements: u64,
    /// So many of them were done by a restore before this one.
    pub before: u64,
}

/// Makes a database what a dump says.
///
/// The dump is checked as a whole first. It then runs in requests of which each is one transaction; a
/// table `_clodo_restore` says how far it is and is dropped with the last request, so that a database
/// that is half restored never looks like a whole one, and a restore that was stopped can go on.
///
/// # Errors
/// When it is no whole dump, the database holds something that it may not hold, or refuses a statement.
pub async fn restore(
    database: &dyn Database,
    dump: &dyn DumpSource,
    options: &RestoreOptions,
) -> Result<RestoreReport, RestoreError> {
    let span =
        tracing::info_span!("restore", db.system.name = "sqlite", db.operation.name = "RESTORE");
    restored(database, dump, options).instrument(span).await
}

async fn restored(
    database: &dyn Database,
    dump: &dyn DumpSource,
    options: &RestoreOptions,
) -> Result<RestoreReport, RestoreError> {
    let summary = verify_text(&mut *dump.open().await.map_err(RestoreError::Read)?)?;
    let before = prepare(database, &summary, options.existing).await?;
    let mut run = Run {
        database,
        sha256: summary.sha256.clone(),
        limit: options.request_bytes,
        done: before,
        upto: before,
        request: String::new(),
        tables: None,
        open: Vec::new(),
    };
    let mut statements = Statements::new(dump.open().await.map_err(RestoreError::Read)?);
    let mut number = 0;
    while let Some(statement) = statements.next()? {
        number += 1;
        run.statement(number, &statement).await?;
    }
    run.finish(number).await?;
    Ok(RestoreReport { summary, statements: number, before })
}

/// Makes room and marks the database; says how many statements are done.
async fn prepare(
    database: &dyn Database,
    summary: &Summary,
    existing: Existing,
) -> Result<u64, RestoreError> {
    let marker = marker(database).await.map_err(look)?;
    let layout = Layout::read(database).await?;
    match (&marker, existing) {
        (Some((sha256, done)), Existing::GoOn) if *sha256 == summary.sha256 => return Ok(*done),
        (Some((sha256, _)), Existing::Refuse | Existing::GoOn) => {
            return Err(RestoreError::HalfRestored { same: *sha256 == summary.sha256 });
        }
        (None, Existing::Refuse | Existing::GoOn) if !layout.is_empty() => {
            return Err(RestoreError::NotEmpty);
        }
        _ => {}
    }
    if !summary.contentless.is_empty() && !takes_shadows(database).await.map_err(look)? {
        return Err(RestoreError::Contentless { tables: summary.contentless.clone() });
    }
    let mut request = "PRAGMA defer_foreign_keys=ON;\n".to_owned();
    for drop in drops(database, &layout).await.map_err(look)? {
        request.push_str(&drop);
        request.push('\n');
    }
    let (marker, sha256) = (quoted(MARKER), literal(&summary.sha256));
    request += &format!(
        "CREATE TABLE {marker} (sha256 TEXT NOT NULL, done INTEGER NOT NULL);\n\
         INSERT INTO {marker} VALUES ({sha256}, 0);"
    );
    let refused = |source| RestoreError::Stopped { statement: 1, done: 0, source };
    match database.script(&request).await {
        Err(error) if error.may_have_happened() => match self::marker(database).await {
            Ok(Some((sha256, 0))) if sha256 == summary.sha256 => Ok(0),
            _ => Err(refused(error)),
        },
        done => done.map(|()| 0).map_err(refused),
    }
}

fn look(error: DatabaseError) -> RestoreError {
    RestoreError::Look(BackupError::Database(error))
}

/// From which dump the database is half restored, and how far.
pub(super) async fn marker(
    database: &dyn Database,
) -> Result<Option<(String, u64)>, DatabaseError> {
    let there = format!("SELECT count(*) FROM sqlite_master WHERE name = {}", literal(MARKER));
    if ask(database, &there).await?.rows[..] == [[0.into()]] {
        return Ok(None);
    }
    let rows = ask(database, &format!("SELECT sha256, done || '' FROM {}", quoted(MARKER))).await?;
    let row = texts(&rows, 2).into_iter().next().unwrap_or_default();
    let done = row.get(1).and_then(|done| done.parse().ok());
    // One that somebody emptied, or wrote something else into, belongs to no dump.
    let of = done.and_then(|done| Some((row.into_iter().next()?, done)));
    Ok(Some(of.unwrap_or_default()))
}

/// Whether the tables of a full-text index may be written. Nothing is left of the attempt.
async fn takes_shadows(database: &dyn Database) -> Result<bool, DatabaseError> {
    let probe = "CREATE VIRTUAL TABLE \"_clodo_probe\" USING fts5(a, content='');\n\
                 DELETE FROM \"_clodo_probe_data\";\nDROP TABLE \"_clodo_probe\";";
    match database.script(probe).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == DatabaseErrorKind::Sql => Ok(false),
        Err(error) => Err(error),
    }
}

/// `DROP` of everything that somebody made.
async fn drops(database: &dyn Database, layout: &Layout) -> Result<Vec<String>, DatabaseError> {
    let sql = format!(
        "SELECT 'DROP ' || type || ' ' || '\"' || replace(name, '\"', '\"\"') || '\";' \
         FROM sqlite_master m WHERE NOT {} AND (type IN ('trigger', 'view') OR type = 'table' AND {}) ORDER BY type = 'table', type",
        platforms("m.tbl_name"),
        scratch("name")
    );
    let mut all: Vec<String> =
        texts(&ask(database, &sql).await?, 1).into_iter().flatten().collect();
    // What others refer to goes last.
    let tables = layout.virtuals.iter().chain(layout.tables.iter().rev());
    all.extend(tables.map(|table| format!("DROP TABLE {};", quoted(&table.name))));
    Ok(all)
}

/// A restore that runs.
struct Run<'a> {
    database: &'a dyn Database,
    /// The checksum of the dump, by which the database is marked.
    sha256: String,
    limit: usize,
    /// So many statements are done.
    done: u64,
    /// The last statement of the request that is being put together.
    upto: u64,
    request: String,
    /// Tables that refer to each other in circles, with the heads of their statements: their rows
    /// cannot all come in one request, and references hold at the end of each. They wait in tables
    /// without references until all are there.
    tables: Option<Arc<[(Table, String)]>>,
    /// Those that are waiting.
    open: Vec<usize>,
}

impl Run<'_> {
    async fn statement(&mut self, number: u64, sql: &str) -> Result<(), RestoreError> {
        if let Some(word) = never_written(sql) {
            return Err(RestoreError::Strange { statement: number, word });
        }
        let own = is_pieces(sql);
        let is_row = sql.starts_with("INSERT INTO ");
        if is_row && !own && self.tables.is_none() {
            // The tables are all made by now.
            self.send().await?;
            let layout = Layout::read(self.database).await?;
            let circular = layout.tables.into_iter().filter(|table| table.cycle.is_some());
            let head = |table: Table| {
                let head = format!("INSERT INTO {} VALUES", table.target());
                (table, head)
            };
            self.tables = Some(circular.map(head).collect());
        }
        let heads = self.tables.clone().unwrap_or_default();
        let waits = heads.iter().position(|(_, head)| is_row && sql.starts_with(head.as_str()));
        let mut add = String::new();
        match waits {
            Some(at) => {
                let (table, head) = &heads[at];
                let staged = staged(table, at);
                let open = self.open.contains(&at);
                if !open {
                    if self.open.iter().any(|other| heads[*other].0.cycle != table.cycle) {
                        add.push_str(&self.settle());
                    }
                    add.push_str(&staged.make);
                    self.open.push(at);
                }
                add.push_str(&staged.head);
                add.push_str(&sql[head.len()..]);
            }
            None => {
                if !own && !self.open.is_empty() {
                    add.push_str(&self.settle());
                }
                // It would change nothing within a transaction.
                if !sql.starts_with("PRAGMA ") {
                    add.push_str(sql);
                }
            }
        }
        if number <= self.done {
            return Ok(());
        }
        if !self.request.is_empty() && self.request.len() + add.len() > self.limit {
            self.send().await?;
        }
        self.request.push_str(&add);
        self.request.push('\n');
        self.upto = number;
        Ok(())
    }

    /// The rows that wait go where they belong.
    fn settle(&mut self) -> String {
        let tables = self.tables.as_deref().unwrap_or_default();
        let all = self.open.drain(..).map(|at| staged(&tables[at].0, at).settle);
        all.collect()
    }

    async fn send(&mut self) -> Result<(), RestoreError> {
        if self.request.is_empty() {
            return Ok(());
        }
        let (marker, upto, guard) = (quoted(MARKER), self.upto, self.guard());
        let sql = format!(
            "PRAGMA defer_foreign_keys=ON;\n{guard}\n{}\nUPDATE {marker} SET done = {upto};",
            std::mem::take(&mut self.request)
        );
        self.run(&sql, Some(upto)).await?;
        self.done = upto;
        Ok(())
    }

    async fn finish(&mut self, number: u64) -> Result<(), RestoreError> {
        self.send().await?;
        self.upto = number;
        let settle = self.settle();
        let (marker, guard) = (quoted(MARKER), self.guard());
        let sql = format!("PRAGMA defer_foreign_keys=ON;\n{guard}\n{settle}\nDROP TABLE {marker};");
        self.run(&sql, None).await
    }

    /// Raises, and takes the request back, when another restore has got between: the mark is not the
    /// one that this restore left.
    fn guard(&self) -> String {
        let (marker, sha256, done) = (quoted(MARKER), literal(&self.sha256), self.done);
        format!(
            "INSERT INTO {marker} SELECT NULL, 0 WHERE NOT EXISTS \
             (SELECT 1 FROM {marker} WHERE sha256 = {sha256} AND done = {done});"
        )
    }

    /// Runs a request; `after` is how far the database is then. When the answer is lost, the database
    /// itself says whether it ran.
    async fn run(&self, sql: &str, after: Option<u64>) -> Result<(), RestoreError> {
        const TRIES: u32 = 3;
        let mut tries = 0;
        loop {
            let Err(error) = self.database.script(sql).await else { return Ok(()) };
            tries += 1;
            let done = self.done;
            let mark = |done| Some((self.sha256.clone(), done));
            let lost = error.may_have_happened();
            match marker(self.database).await {
                Ok(found) if lost && found == after.and_then(mark) => return Ok(()),
                Ok(found) if lost && found == mark(done) && tries < TRIES => continue,
                Ok(found) if found != mark(done) => return Err(RestoreError::Overtaken),
                _ => {}
            }
            return Err(RestoreError::Stopped { statement: done + 1, done, source: error });
        }
    }
}

/// The first word of a statement that no backup holds and that reaches beyond the database. A checksum
/// says that a dump is whole, not who wrote it.
fn never_written(sql: &str) -> Option<&'static str> {
    let mut rest = sql.trim_start();
    while let Some(comment) = rest
        .strip_prefix("--")
        .map(|rest| rest.split_once('\n'))
        .or_else(|| rest.strip_prefix("/*").map(|rest| rest.split_once("*/")))
    {
        rest = comment.map_or("", |(_, behind)| behind.trim_start());
    }
    let is =
        |word: &&str| rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    if rest.starts_with("PRAGMA ") {
        return None;
    }
    ["ATTACH", "DETACH", "VACUUM", "PRAGMA"].into_iter().find(is)
}

/// Whether a statement puts a large value together, for a row that comes behind it.
fn is_pieces(sql: &str) -> bool {
    let begins =
        ["CREATE TABLE IF NOT EXISTS ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "DROP TABLE "];
    let rest = begins.iter().find_map(|begin| sql.strip_prefix(begin));
    rest.is_some_and(|rest| rest.starts_with(PIECES))
}

/// A table in which rows wait.
struct Staged {
    make: String,
    head: String,
    settle: String,
}

fn staged(table: &Table, at: usize) -> Staged {
    let name = quoted(&format!("_clodo_stage_{at}"));
    let columns: Vec<String> = table.columns.iter().map(|name| quoted(name)).collect();
    let (columns, target) = (columns.join(", "), table.target());
    let (rowid, order) = match table.key {
        Key::Hidden(rowid) => (format!("{rowid}, "), format!(" ORDER BY {rowid}")),
        _ => (String::new(), String::new()),
    };
    Staged {
        // No types: values wait as they are.
        make: format!("CREATE TABLE {name} ({columns});\n"),
        head: format!("INSERT INTO {name} ({rowid}{columns}) VALUES"),
        settle: format!(
            "INSERT INTO {target} SELECT {rowid}{columns} FROM {name}{order};\nDROP TABLE {name};\n"
        ),
    }
}
