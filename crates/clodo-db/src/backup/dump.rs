use super::{
    copy::{Blend, Origin},
    error::BackupError,
    layout::{Layout, MARKER, Table, ask, has_counters},
    moments::Moments,
    pack::{Bare, Outlet, Packed},
    rows,
    text::{Hashed, Segment, Summary},
    virtuals::{self, Carry},
};
use crate::{database::Database, identifier::literal, split::ended, value::Value};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    path::PathBuf,
};
use tracing::Instrument as _;

/// How to make a backup.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackupOptions {
    /// How many bytes are read at once, about. A few times as many are in memory.
    pub page_bytes: u64,
    /// A folder for tables that were read already: with one, tables that somebody wrote to meanwhile
    /// are read again. Without, everything goes out at once and is read once.
    pub scratch: Option<PathBuf>,
    /// How often changed tables are read again before the backup is what it is.
    pub attempts: u32,
    /// What is not of one moment is [`BackupError::Changed`].
    only_settled: bool,
    damage: Option<String>,
}

impl Default for BackupOptions {
    fn default() -> Self {
        Self { page_bytes: 2 << 20, scratch: None, attempts: 5, only_settled: false, damage: None }
    }
}

impl BackupOptions {
    /// Sets the folder for tables that were read already.
    #[must_use]
    pub fn with_scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.scratch = Some(folder.into());
        self
    }

    /// Says that the database is damaged, and how: the backup keeps that.
    #[must_use]
    pub fn with_damage(mut self, said: Option<String>) -> Self {
        self.damage = said;
        self
    }

    /// Sets how often changed tables are read.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// All at once, or not at all.
    pub(super) fn at_first(&self) -> Self {
        Self { scratch: None, only_settled: true, ..self.clone() }
    }

    /// Sets how many bytes are read at once.
    #[must_use]
    pub fn with_page_bytes(mut self, bytes: u64) -> Self {
        self.page_bytes = bytes.max(4096);
        self
    }
}

/// What a backup is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// What its last line says.
    pub summary: Summary,
    /// How long the text is.
    pub bytes: u64,
    /// How often the database was gone through.
    pub attempts: u32,
}

/// Writes a database as SQL text that makes the same database: each value exactly, the numbers of rows
/// that no column shows, what was counted up, full-text indexes. It also loads with `sqlite3` and,
/// where D1's limits allow, with `wrangler d1 execute --file`.
///
/// The text is whole only with its last line; what was written before an error is no backup. Read it
/// back with [`restore`](super::restore). Left out are statistics of `ANALYZE`, the sign of zero, and
/// tables whose names begin with `_cf_` (D1's), and what a restore leaves where it was stopped.
///
/// # Errors
/// When the database cannot be read, holds something that would not come back, or `out` fails.
pub async fn backup(
    database: &dyn Database,
    moments: &dyn Moments,
    out: &mut (dyn Write + Send),
    options: &BackupOptions,
) -> Result<BackupReport, BackupError> {
    backup_to(database, moments, &mut Bare(out), options).await
}

/// The same, where text may go compressed.
pub(super) async fn backup_to(
    database: &dyn Database,
    moments: &dyn Moments,
    out: &mut dyn Outlet,
    options: &BackupOptions,
) -> Result<BackupReport, BackupError> {
    let span =
        tracing::info_span!("backup", db.system.name = "sqlite", db.operation.name = "BACKUP");
    dumped(database, moments, out, options).instrument(span).await
}

async fn dumped(
    database: &dyn Database,
    moments: &dyn Moments,
    out: &mut dyn Outlet,
    options: &BackupOptions,
) -> Result<BackupReport, BackupError> {
    check(database).await?;
    Work { database, blend: None, moments, options, read: BTreeMap::new() }.run(out).await
}

/// The same, with the content of some tables from elsewhere.
pub(super) async fn blended(
    (database, blend): (&dyn Database, &Blend<'_>),
    moments: &dyn Moments,
    out: &mut dyn Outlet,
    options: &BackupOptions,
) -> Result<BackupReport, BackupError> {
    check(database).await?;
    check(blend.source).await?;
    let blend = Some(blend);
    Work { database, blend, moments, options, read: BTreeMap::new() }.run(out).await
}

async fn check(database: &dyn Database) -> Result<(), BackupError> {
    let sql = format!(
        "SELECT hex('a'), (SELECT count(*) FROM sqlite_master WHERE name = {})",
        literal(MARKER)
    );
    match &ask(database, &sql).await?.rows[..] {
        [row] => match &row[..] {
            [Value::Text(hex), Value::Integer(0)] if hex == "61" => Ok(()),
            [Value::Text(hex), _] if hex == "61" => Err(BackupError::HalfRestored),
            _ => Err(BackupError::Encoding),
        },
        _ => Err(BackupError::Answer("texts".to_owned())),
    }
}

/// A table that was read.
struct Read {
    text: Segment,
    rows: u64,
    /// It was read at this one moment.
    at: Option<String>,
}

struct Work<'a> {
    database: &'a dyn Database,
    /// What comes from elsewhere.
    blend: Option<&'a Blend<'a>>,
    moments: &'a dyn Moments,
    options: &'a BackupOptions,
    read: BTreeMap<String, Read>,
}

impl Work<'_> {
    async fn run(mut self, out: &mut dyn Outlet) -> Result<BackupReport, BackupError> {
        match &self.options.scratch {
            None => self.at_once(out).await,
            Some(folder) => {
                std::fs::create_dir_all(folder)?;
                self.until_settled(folder.clone(), out).await
            }
        }
    }

    /// Where the content of a table is read.
    fn origin(&self, table: &Table) -> Origin<'_> {
        match self.blend {
            None => Origin::plain(self.database),
            Some(blend) => blend.origin(self.database, table),
        }
    }

    /// What is put together is the database of no moment, so that none is named: the same rows give the
    /// same text.
    fn named(&self, moment: String) -> Option<String> {
        Some(moment).filter(|at| self.blend.is_none() && !at.is_empty())
    }

    /// Reads everything once, straight into `out`.
    async fn at_once(&self, out: &mut dyn Outlet) -> Result<BackupReport, BackupError> {
        let before = self.moments.moment().await?;
        match self.streamed(before.clone(), out).await {
            Err(BackupError::Database(_))
                if self.options.only_settled && self.moved(&before).await? =>
            {
                Err(BackupError::Changed)
            }
            other => other,
        }
    }

    async fn streamed(
        &self,
        before: String,
        out: &mut dyn Outlet,
    ) -> Result<BackupReport, BackupError> {
        let layout = Layout::read(self.database).await?;
        let mut out = Hashed::new(out);
        let mut summary = self.summary(&layout).await?;
        head(&layout, &mut out)?;
        for table in &layout.tables {
            let rows = self.table(&layout, table, &mut out).await?;
            summary.rows.insert(table.name.clone(), rows);
        }
        between(&layout, &mut out)?;
        for table in virtuals(&layout) {
            let rows = self.table(&layout, table, &mut out).await?;
            summary.rows.insert(table.name.clone(), rows);
        }
        out.write_all(self.counters(&layout).await?.as_bytes())?;
        tail(&layout, &mut out)?;
        let same = layout == Layout::read(self.database).await?;
        summary.consistent = same && before == self.moments.moment().await?;
        if self.options.only_settled && !summary.consistent {
            return Err(BackupError::Changed);
        }
        summary.moment = self.named(before).filter(|_| summary.consistent);
        let bytes = out.end(&mut summary)?;
        Ok(BackupReport { summary, bytes, attempts: 1 })
    }

    /// Reads tables into files, those that changed again, until nobody wrote meanwhile.
    async fn until_settled(
        &mut self,
        folder: PathBuf,
        out: &mut dyn Outlet,
    ) -> Result<BackupReport, BackupError> {
        let folder = Scratch::new(folder)?;
        let mut known: Option<Layout> = None;
        let mut attempt = 1;
        loop {
            let last = attempt >= self.options.attempts;
            let before = self.moments.moment().await?;
            let layout = Layout::read(self.database).await?;
            if known.as_ref().is_some_and(|known| *known != layout) {
                self.read.clear();
            }
            let read = self.pass(&layout, &folder, &before).await;
            let counters = match read {
                Ok(()) => self.counters(&layout).await?,
                Err(BackupError::Changed | BackupError::Database(_))
                    if !last && self.moved(&before).await? =>
                {
                    known = Some(layout);
                    attempt += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let settled = !self.moved(&before).await?;
            if settled || last {
                let moment = self.named(before).filter(|_| settled);
                let (summary, bytes) =
                    self.assemble(&layout, &counters, (settled, moment), out).await?;
                return Ok(BackupReport { summary, bytes, attempts: attempt });
            }
            known = Some(layout);
            attempt += 1;
        }
    }

    async fn moved(&self, since: &str) -> Result<bool, BackupError> {
        Ok(self.moments.moment().await? != since)
    }

    /// Reads what is not known to be as it was at the moment `now`.
    async fn pass(
        &mut self,
        layout: &Layout,
        folder: &Scratch,
        now: &str,
    ) -> Result<(), BackupError> {
        let mut nowhere = io::sink();
        // The checksum of all text goes along: when nothing changes, it need not be read for it again.
        let mut before = Hashed::new(&mut nowhere);
        head(layout, &mut before)?;
        let mut sum = before.sum();
        for (number, table) in layout.tables.iter().chain(virtuals(layout)).enumerate() {
            if number == layout.tables.len() {
                let mut before = Hashed::behind(sum, &mut nowhere);
                between(layout, &mut before)?;
                sum = before.sum();
            }
            match self.read.get(&table.name) {
                Some(known) if known.at.as_deref() == Some(now) => {
                    sum = known.text.sums.1.clone();
                    continue;
                }
                Some(known) => {
                    let mut seen = Hashed::new(&mut nowhere);
                    self.table(layout, table, &mut seen).await?;
                    let seen = seen.sum().digest();
                    // Most tables are read once, so what was read is only hashed by itself when it is asked.
                    let mut then = Hashed::new(&mut nowhere);
                    then.take_over(&known.text)?;
                    if seen == then.sum().digest() {
                        sum = known.text.sums.1.clone();
                        continue;
                    }
                }
                None => {}
            }
            let before = self.moments.moment().await?;
            let path = folder.path.join(format!("{number}.sql.zst"));
            // Its file is not what it was from here on, whether or not it can be read now.
            self.read.remove(&table.name);
            let mut file = Packed::new(File::create(&path)?)?;
            let behind = sum.digest();
            let mut hashed = Hashed::behind(sum, &mut file);
            let rows = self.table(layout, table, &mut hashed).await?;
            sum = hashed.sum();
            file.finish()?;
            let text = Segment { file: path, sums: (behind, sum.clone()) };
            let at = (!self.moved(&before).await?).then_some(before);
            self.read.insert(table.name.clone(), Read { text, rows, at });
        }
        Ok(())
    }

    async fn assemble(
        &self,
        layout: &Layout,
        counters: &str,
        (consistent, moment): (bool, Option<String>),
        out: &mut dyn Outlet,
    ) -> Result<(Summary, u64), BackupError> {
        let mut out = Hashed::new(out);
        let mut summary = Summary { consistent, moment, ..self.summary(layout).await? };
        let mut copy = |table: &Table, out: &mut Hashed<'_>| -> Result<(), BackupError> {
            let read = self.read.get(&table.name).ok_or(BackupError::Changed)?;
            out.take_over(&read.text)?;
            summary.rows.insert(table.name.clone(), read.rows);
            Ok(())
        };
        head(layout, &mut out)?;
        for table in &layout.tables {
            copy(table, &mut out)?;
        }
        between(layout, &mut out)?;
        for table in virtuals(layout) {
            copy(table, &mut out)?;
        }
        out.write_all(counters.as_bytes())?;
        tail(layout, &mut out)?;
        let bytes = out.end(&mut summary)?;
        Ok((summary, bytes))
    }

    async fn table(
        &self,
        layout: &Layout,
        table: &Table,
        out: &mut (dyn Write + Send),
    ) -> Result<u64, BackupError> {
        let (origin, budget) = (self.origin(table), self.options.page_bytes);
        match layout.virtuals.iter().any(|own| own.name == table.name) {
            true => virtuals::write(&origin, (layout, table), budget, out).await,
            false => rows::write(&origin, table, budget, out).await,
        }
    }

    async fn summary(&self, layout: &Layout) -> Result<Summary, BackupError> {
        // What D1 has and this SQLite does not, D1 has again.
        if let Some(what) = &layout.missed
            && self.database.capabilities().extensible
        {
            return Err(BackupError::Foreign(what.clone()));
        }
        let mut summary = Summary { damage: self.options.damage.clone(), ..Summary::default() };
        for table in &layout.virtuals {
            let origin = self.origin(table);
            let carry = virtuals::carry(origin.database, layout, table).await?;
            if matches!(carry, Carry::Shadows(_)) && !origin.empty {
                summary.contentless.push(table.name.clone());
            }
        }
        Ok(summary)
    }

    /// How far tables have counted.
    async fn counters(&self, layout: &Layout) -> Result<String, BackupError> {
        if !layout.counts {
            return Ok(String::new());
        }
        let mut text = self.counted(layout, self.database).await?;
        if let Some(blend) = self.blend
            && !std::ptr::addr_eq(blend.source, self.database)
            && has_counters(blend.source).await?
        {
            text += &self.counted(layout, blend.source).await?;
        }
        Ok(text)
    }

    /// The same, of those whose content comes from this database.
    async fn counted(&self, layout: &Layout, of: &dyn Database) -> Result<String, BackupError> {
        let sql = "SELECT name, seq || '' FROM sqlite_sequence ORDER BY name";
        let rows = super::layout::texts(&ask(of, sql).await?, 2);
        let mut text = String::new();
        for row in rows {
            // SQLite does not mind leftovers; here they could not be put back.
            let is = |table: &&Table| table.name == row[0];
            let Some(origin) = layout.tables.iter().find(is).map(|table| self.origin(table)) else {
                continue;
            };
            if origin.empty || !std::ptr::addr_eq(origin.database, of) {
                continue;
            }
            // A row of a table that counts nothing up, or of no number, means nothing.
            let counts = |table: &Table| table.sql.to_ascii_uppercase().contains("AUTOINCREMENT");
            if !layout.tables.iter().find(is).is_some_and(counts) || row[1].is_empty() {
                continue;
            }
            let (name, seq) = (literal(&row[0]), &row[1]);
            let seq = seq.parse::<i64>().map_or_else(|_| literal(seq), |seq| seq.to_string());
            text += &format!(
                "DELETE FROM sqlite_sequence WHERE name={name};\n\
                 INSERT INTO sqlite_sequence (name,seq) VALUES ({name},{seq});\n"
            );
        }
        Ok(text)
    }
}

/// Virtual tables, those behind that show what others hold.
fn virtuals(layout: &Layout) -> impl Iterator<Item = &Table> {
    let shows = |table: &&Table| table.sql.to_ascii_lowercase().contains("fts5vocab");
    let own = layout.virtuals.iter().filter(move |table| !shows(table));
    own.chain(layout.virtuals.iter().filter(move |table| shows(table)))
}

fn head(layout: &Layout, out: &mut Hashed<'_>) -> io::Result<()> {
    out.begin()?;
    layout.tables.iter().try_for_each(|table| writeln!(out, "{}", ended(&table.sql)))?;
    layout.unique.iter().try_for_each(|sql| writeln!(out, "{}", ended(sql)))
}

fn between(layout: &Layout, out: &mut Hashed<'_>) -> io::Result<()> {
    layout.views.iter().try_for_each(|sql| writeln!(out, "{}", ended(sql)))
}

fn tail(layout: &Layout, out: &mut Hashed<'_>) -> io::Result<()> {
    // Only now: they would do again what they did when the rows were new.
    let rest = layout.indexes.iter().chain(&layout.triggers);
    rest.into_iter().try_for_each(|sql| writeln!(out, "{}", ended(sql)))
}

/// A folder that is gone when the work is.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn new(within: PathBuf) -> io::Result<Self> {
        let mut number = 0_u32;
        loop {
            let path = within.join(format!("backup-{}-{number}", std::process::id()));
            let mut folder = std::fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
            match folder.create(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left would only take room.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
