//! A database as SQL text, in the order and the spelling of D1's own export.

use clodo_sqlite::rusqlite::types::ValueRef;
use std::{
    fmt::Write as _,
    fs,
    io::{BufWriter, Write},
    path::Path,
};

use super::{D1Error, ExportOptions, allowed, json, run::Runner};

/// A part of the schema.
struct Entry {
    name: String,
    sql: String,
}

pub(super) fn write(
    runner: &Runner<'_>,
    options: &ExportOptions,
    file: &Path,
) -> Result<(), D1Error> {
    let partial = file.with_extension("partial");
    let io = |error: std::io::Error| D1Error::storage(error).at(file);
    let mut out = BufWriter::new(fs::File::create(&partial).map_err(io)?);
    let outcome = runner.session.guard.trusting(|| dump(runner, options, &mut out));
    let written = outcome.and_then(|()| out.flush().map_err(io));
    let done = written.and_then(|()| fs::rename(&partial, file).map_err(io));
    if done.is_err() {
        let _ = fs::remove_file(&partial);
    }
    done
}

fn dump(runner: &Runner<'_>, options: &ExportOptions, out: &mut impl Write) -> Result<(), D1Error> {
    line(out, "PRAGMA defer_foreign_keys=TRUE;")?;
    let tables = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql NOT NULL \
                  ORDER BY tbl_name = 'sqlite_sequence', rowid";
    for table in entries(runner, tables, options)? {
        dump_table(runner, &table, options, out)?;
    }
    if options.no_schema {
        return Ok(());
    }
    let others = "SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL \
                  AND type IN ('index', 'trigger', 'view') ORDER BY type COLLATE NOCASE";
    for other in entries(runner, others, options)? {
        line(out, &format!("{};", other.sql))?;
    }
    Ok(())
}

fn entries(runner: &Runner<'_>, sql: &str, options: &ExportOptions) -> Result<Vec<Entry>, D1Error> {
    let mut statement = runner.db.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok(Entry { name: row.get(0)?, sql: row.get(1)? }))?;
    let wanted = |entry: &Entry| options.tables.is_empty() || options.tables.contains(&entry.name);
    let mut found = Vec::new();
    for entry in rows {
        found.extend(Some(entry?).filter(wanted));
    }
    Ok(found)
}

fn dump_table(
    runner: &Runner<'_>,
    table: &Entry,
    options: &ExportOptions,
    out: &mut impl Write,
) -> Result<(), D1Error> {
    let schema = match table.name.as_str() {
        "sqlite_sequence" => "DELETE FROM sqlite_sequence;".to_owned(),
        name if name.starts_with("sqlite_stat") => "ANALYZE sqlite_schema;".to_owned(),
        _ if is_virtual(&table.sql) => {
            let text = "D1 Export error: cannot export databases with Virtual Tables (fts5)";
            return Err(D1Error::sql(text));
        }
        name if name.starts_with("sqlite_") || !allowed::name(name) => return Ok(()),
        _ => with_if_not_exists(&table.sql),
    };
    if !options.no_schema {
        line(out, &schema)?;
    }
    if options.no_data { Ok(()) } else { dump_rows(runner, &table.name, out) }
}

fn is_virtual(sql: &str) -> bool {
    sql.get(..20).is_some_and(|head| head.eq_ignore_ascii_case("CREATE VIRTUAL TABLE"))
}

/// A table whose name is quoted gets `IF NOT EXISTS`, as in SQLite's own dump.
fn with_if_not_exists(sql: &str) -> String {
    match sql.strip_prefix("CREATE TABLE ") {
        Some(rest) if rest.starts_with(['"', '\'']) => {
            format!("CREATE TABLE IF NOT EXISTS {rest};")
        }
        _ => format!("{sql};"),
    }
}

fn dump_rows(runner: &Runner<'_>, table: &str, out: &mut impl Write) -> Result<(), D1Error> {
    let named = "SELECT name FROM pragma_table_info(?1)";
    let mut columns = Vec::new();
    let mut statement = runner.db.prepare_cached(named)?;
    for name in statement.query_map([table], |row| row.get::<_, String>(0))? {
        columns.push(quoted(&name?));
    }
    let (names, table) = (columns.join(","), quoted(table));
    let mut statement = runner.db.prepare(&format!("SELECT {names} FROM {table}"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mut text = format!("INSERT INTO {table} ({names}) VALUES(");
        for at in 0..columns.len() {
            if at > 0 {
                text.push(',');
            }
            push_literal(&mut text, row.get_ref(at)?);
        }
        text.push_str(");");
        line(out, &text)?;
    }
    Ok(())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn push_literal(out: &mut String, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => out.push_str("NULL"),
        ValueRef::Integer(whole) => json::push_integer(out, whole),
        ValueRef::Real(real) if real.is_infinite() => {
            out.push_str(if real > 0.0 { "9e999" } else { "-9e999" });
        }
        ValueRef::Real(real) => json::push_number(out, real),
        ValueRef::Text(text) => push_text(out, &String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => {
            out.push_str("X'");
            for byte in bytes {
                let _ = write!(out, "{byte:02x}");
            }
            out.push('\'');
        }
    }
}

/// Line ends are escaped, so that each statement stays on one line.
fn push_text(out: &mut String, text: &str) {
    let literal = text.replace('\'', "''").replace('\n', "\\n").replace('\r', "\\r");
    let mut literal = format!("'{literal}'");
    if text.contains('\r') {
        literal = format!("replace({literal},'\\r',char(13))");
    }
    if text.contains('\n') {
        literal = format!("replace({literal},'\\n',char(10))");
    }
    out.push_str(&literal);
}

fn line(out: &mut impl Write, text: &str) -> Result<(), D1Error> {
    writeln!(out, "{text}").map_err(D1Error::storage)
}
