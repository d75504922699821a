use super::report::{CheckName, HealthReport, Verdict, Violation};
use crate::{
    database::Database,
    error::{DatabaseError, DatabaseErrorKind},
    identifier::literal,
    migrations::{MigrateError, Migrations, Migrator, RECORDS},
    statement::{Rows, Statement},
    value::Value,
};
use std::{fmt, time::Duration};

/// What [`check_health`] needs to know.
#[derive(Clone)]
#[non_exhaustive]
pub struct HealthOptions<'a> {
    /// The files that the database should have.
    pub files: &'a Migrations,
    /// The table that records which it has.
    pub records: String,
    /// A round trip that takes longer is found.
    pub slow: Duration,
    /// How large the database is, in bytes, when its platform tells what SQLite does not.
    pub bytes: Option<u64>,
    /// Look whether indexes hold what their tables hold, too: it reads much more.
    pub full: bool,
    /// A clock that only goes forward; without one nothing is measured.
    pub clock: Option<&'a (dyn Fn() -> Duration + Send + Sync)>,
}

impl<'a> HealthOptions<'a> {
    /// Compares with these files, and finds round trips of more than a second slow.
    #[must_use]
    pub fn new(files: &'a Migrations) -> Self {
        Self {
            files,
            records: RECORDS.to_owned(),
            slow: Duration::from_secs(1),
            bytes: None,
            full: false,
            clock: None,
        }
    }
}

impl fmt::Debug for HealthOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthOptions").field("slow", &self.slow).finish_non_exhaustive()
    }
}

/// So many broken rows are named.
const MOST: usize = 100;
/// So many round trips are measured: the first one may open a connection.
const ROUND_TRIPS: usize = 5;
/// What D1 holds without a paid plan, in bytes (<https://developers.cloudflare.com/d1/platform/limits/>).
const FREE_PLAN: u64 = 500_000_000;

/// Looks how a database is; only reads. What cannot be looked at is a check that says so, and no error.
pub async fn check_health(database: &dyn Database, options: &HealthOptions<'_>) -> HealthReport {
    let mut report = HealthReport::default();
    // A statement about no table would not open a file.
    let first = ask(database, "SELECT count(*) FROM sqlite_master").await;
    if let Err(error) = first {
        return HealthReport::unreachable(error.message());
    }
    report.add(CheckName::Connects, Verdict::Ok, "it answers");
    latency(database, options, &mut report).await;
    size(database, options, &mut report).await;
    integrity(database, options.full, &mut report).await;
    references(database, &mut report).await;
    migrations(database, options, &mut report).await;
    limits(database, &options.records, &mut report).await;
    report
}

async fn ask(database: &dyn Database, sql: &str) -> Result<Rows, DatabaseError> {
    database.query(&Statement::new(sql)).await
}

async fn latency(database: &dyn Database, options: &HealthOptions<'_>, report: &mut HealthReport) {
    let check = CheckName::Latency;
    let Some(clock) = options.clock else {
        return report.add(check, Verdict::Skipped, "there is no clock to measure with");
    };
    let mut times = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let before = clock();
        if let Err(error) = ask(database, "SELECT 1").await {
            return report.add(check, Verdict::Found, format!("it stopped answering: {error}"));
        }
        times.push(clock().saturating_sub(before));
    }
    times.sort_unstable();
    let median = times[times.len() / 2];
    report.latency = Some(median);
    let said = format!("{} for a round trip", shown(median));
    match median > options.slow {
        true => {
            report.add(check, Verdict::Found, format!("{said}, more than {}", shown(options.slow)))
        }
        false => report.add(check, Verdict::Ok, said),
    }
}

fn shown(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

async fn size(database: &dyn Database, options: &HealthOptions<'_>, report: &mut HealthReport) {
    let check = CheckName::Size;
    let sql = "SELECT c.page_count * s.page_size FROM pragma_page_count c, pragma_page_size s";
    let own = match options.bytes {
        Some(bytes) => Ok(Some(bytes)),
        None => ask(database, sql).await.map(|rows| number(&rows)),
    };
    match own {
        Ok(Some(bytes)) => {
            report.bytes = Some(bytes);
            report.add(check, Verdict::Ok, megabytes(bytes));
        }
        Ok(None) => report.add(check, Verdict::Skipped, "the platform does not tell it"),
        Err(error) => skip(report, check, &error),
    }
}

fn number(rows: &Rows) -> Option<u64> {
    u64::try_from(rows.rows.first()?.first()?.as_integer()?).ok()
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..10_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// A check that nobody made, and why.
fn skip(report: &mut HealthReport, check: CheckName, error: &DatabaseError) {
    report.add(check, Verdict::Skipped, format!("it could not be looked at: {error}"));
}

async fn integrity(database: &dyn Database, full: bool, report: &mut HealthReport) {
    let check = CheckName::Integrity;
    let name = if full { "integrity_check" } else { "quick_check" };
    match ask(database, &format!("PRAGMA {name}")).await {
        Ok(rows) => {
            let lines: Vec<String> = rows.rows.iter().filter_map(|row| first_text(row)).collect();
            match &lines[..] {
                [one] if one == "ok" => {
                    report.add(check, Verdict::Ok, format!("{name} finds nothing"));
                }
                [] => report.add(check, Verdict::Skipped, format!("{name} said nothing")),
                _ => {
                    let said = "pages of the file are not what they should be";
                    report.with(check, Verdict::Found, said, lines);
                }
            }
        }
        Err(error) if error.kind() == DatabaseErrorKind::Corrupt => {
            report.add(check, Verdict::Found, error.message());
        }
        Err(error) => skip(report, check, &error),
    }
}

fn first_text(row: &[Value]) -> Option<String> {
    row.first()?.as_text().map(str::to_owned)
}

async fn references(database: &dyn Database, report: &mut HealthReport) {
    let check = CheckName::ForeignKeys;
    let sql = format!(
        "SELECT c.\"table\", CAST(c.rowid AS TEXT), c.parent, (SELECT group_concat(f.\"from\", ', ') \
         FROM pragma_foreign_key_list(c.\"table\") f WHERE f.id = c.fkid) \
         FROM pragma_foreign_key_check c LIMIT {}",
        MOST + 1
    );
    let rows = match ask(database, &sql).await {
        Ok(rows) => rows.rows,
        Err(error) if error.message().contains("foreign key mismatch") => {
            // The first one hides all others.
            let said = "a foreign key leads to columns that are no key of their table";
            return report.with(check, Verdict::Found, said, vec![error.message().to_owned()]);
        }
        Err(error) => return skip(report, check, &error),
    };
    let violation = |row: &Vec<Value>| {
        let text = |at: usize| row.get(at)?.as_text().map(str::to_owned);
        Some(Violation {
            table: text(0)?,
            rowid: text(1).and_then(|number| number.parse().ok()),
            columns: text(3).unwrap_or_default(),
            parent: text(2)?,
        })
    };
    let more = rows.len() > MOST;
    report.violations = rows.iter().take(MOST).filter_map(violation).collect();
    match rows.len() {
        0 => report.add(check, Verdict::Ok, "all rows refer to rows that are there"),
        count => {
            let said = match count {
                1 => "1 row refers to a row that is not there".to_owned(),
                _ if more => format!("more than {MOST} rows refer to rows that are not there"),
                _ => format!("{count} rows refer to rows that are not there"),
            };
            let details = report.violations.iter().map(ToString::to_string).collect();
            report.with(check, Verdict::Found, said, details);
        }
    }
}

async fn migrations(
    database: &dyn Database,
    options: &HealthOptions<'_>,
    report: &mut HealthReport,
) {
    let check = CheckName::Migrations;
    let migrator = Migrator::new(database).with_records(options.records.clone());
    let status = match migrator.status(options.files).await {
        Ok(status) => status,
        Err(MigrateError::HalfRestored) => {
            let said = "it is half restored: restore that backup again, and it goes on";
            return report.add(check, Verdict::Found, said);
        }
        Err(error) => {
            let said = format!("it could not be looked at: {error}");
            return report.add(check, Verdict::Skipped, said);
        }
    };
    let pending: Vec<String> = status.pending().map(|name| format!("{name} is pending")).collect();
    let problems: Vec<String> = status.problems.iter().map(ToString::to_string).collect();
    match (problems.is_empty(), pending.len()) {
        (true, 0) if status.migrations.is_empty() => {
            report.add(check, Verdict::Ok, "there are no migrations");
        }
        (true, 0) => {
            let said = format!("all {} migrations are applied", status.migrations.len());
            report.add(check, Verdict::Ok, said);
        }
        (true, count) => {
            let said = match count {
                1 => "1 migration is pending".to_owned(),
                _ => format!("{count} migrations are pending"),
            };
            report.with(check, Verdict::Found, said, pending);
        }
        (false, _) => {
            let details = problems.into_iter().chain(pending).collect();
            report.with(check, Verdict::Found, "files and database disagree", details);
        }
    }
}

/// What is used up to four fifths is near.
fn is_near(used: u64, most: u64) -> bool {
    used >= most / 5 * 4
}

async fn limits(database: &dyn Database, records: &str, report: &mut HealthReport) {
    let check = CheckName::Limits;
    let most = database.capabilities();
    let columns = u64::try_from(most.columns).unwrap_or(u64::MAX);
    let sql = format!(
        "SELECT m.name, (SELECT count(*) FROM pragma_table_xinfo(m.name)) AS width \
         FROM sqlite_master m WHERE m.type = 'table' AND m.name <> {} AND width >= {} ORDER BY 1 LIMIT 20",
        literal(records),
        columns / 5 * 4
    );
    let wide = match ask(database, &sql).await {
        Ok(rows) => rows.rows,
        Err(error) => return skip(report, check, &error),
    };
    let mut near: Vec<String> = wide
        .iter()
        .filter_map(|row| {
            let (name, width) = (row.first()?.as_text()?, row.get(1)?.as_integer()?);
            Some(format!("table {name} has {width} columns of {columns}"))
        })
        .collect();
    let mut notes = Vec::new();
    if let Some(bytes) = report.bytes {
        let all = most.database_bytes;
        if is_near(bytes, all) {
            near.push(format!("it has {} of {}", megabytes(bytes), megabytes(all)));
        } else if all == crate::Capabilities::d1().database_bytes && is_near(bytes, FREE_PLAN) {
            notes.push(format!("without a paid plan D1 holds {}", megabytes(FREE_PLAN)));
        }
    }
    match near.is_empty() {
        true => report.with(check, Verdict::Ok, "none is near", notes),
        false => report.with(check, Verdict::Found, "it comes near to what it may hold", near),
    }
}
