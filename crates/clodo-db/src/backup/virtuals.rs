//! Virtual tables. Their data lies in tables that D1 lets nobody write, so that they are filled
//! through themselves wherever that gives the same.

use super::{
    copy::Origin,
    error::BackupError,
    layout::{Layout, Table, ask},
    rows,
};
use crate::{
    database::Database,
    identifier::{literal, quoted},
    split::without_marks,
    value::Value,
};
use sqlite3_parser::{
    Bump, FallibleIterator as _,
    ast::{Cmd, Stmt},
    lexer::sql::Parser,
};
use std::io::Write;

/// How the content of a virtual table comes back.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Carry {
    /// By its rows.
    Rows,
    /// By the rows of another table or view, which it indexes.
    Index { content: String, rowid: String },
    /// By the tables of its own: it keeps no text that could be indexed again.
    Shadows(Vec<Table>),
    /// It shows what others hold.
    Nothing,
}

/// Ids of one statement.
const IDS: usize = 2_000;

/// How to carry a table.
pub(super) async fn carry(
    database: &dyn Database,
    layout: &Layout,
    table: &Table,
) -> Result<Carry, BackupError> {
    let unsupported = |why: String| BackupError::Unsupported { table: table.name.clone(), why };
    let no_sql = || unsupported("its definition cannot be read".to_owned());
    let (module, options) = definition(&table.sql).ok_or_else(no_sql)?;
    let option = |name: &str| {
        options.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    match module.as_str() {
        "rtree" | "rtree_i32" => return Ok(Carry::Rows),
        "fts5vocab" => return Ok(Carry::Nothing),
        "fts5" | "fts4" | "fts3" => {}
        _ => return Err(unsupported(format!("nothing is known of the module {module}"))),
    }
    for hides in ["locale", "languageid"] {
        if option(hides).is_some_and(|value| value != "0") {
            return Err(unsupported(format!(
                "what `{hides}` keeps beside the text cannot be read"
            )));
        }
    }
    let Some(content) = option("content") else { return Ok(Carry::Rows) };
    let there = format!("SELECT 1 FROM {} LIMIT 0", quoted(content));
    if content.is_empty() || ask(database, &there).await.is_err() {
        let own = layout.shadows.iter().filter(|shadow| is_of(shadow, table));
        return Ok(Carry::Shadows(own.cloned().collect()));
    }
    let rowid = option("content_rowid").map_or("rowid", String::as_str).to_owned();
    Ok(Carry::Index { content: content.clone(), rowid })
}

pub(super) fn is_of(shadow: &Table, table: &Table) -> bool {
    let rest = shadow.name.strip_prefix(&table.name).and_then(|rest| rest.strip_prefix('_'));
    rest.is_some_and(|rest| !rest.contains('_'))
}

/// The module in lower case, and its options.
fn definition(sql: &str) -> Option<(String, Vec<(String, String)>)> {
    let bump = Bump::new();
    let sql = without_marks(sql);
    let mut parser = Parser::new(&bump, sql.as_bytes());
    let Ok(Some(Cmd::Stmt(Stmt::CreateVirtualTable { module_name, args, .. }))) = parser.next()
    else {
        return None;
    };
    let module = bare(module_name.0).to_ascii_lowercase();
    let option = |text: &&str| {
        let (key, value) = text.split_once('=')?;
        Some((key.trim().to_owned(), bare(value.trim())))
    };
    Some((module, args.unwrap_or_default().iter().filter_map(option).collect()))
}

/// Without quotes.
fn bare(text: &str) -> String {
    let Some(open) = text.chars().next().filter(|open| "'\"`[".contains(*open)) else {
        return text.to_owned();
    };
    let close = if open == '[' { ']' } else { open };
    let inner = text[1..].strip_suffix(close).unwrap_or(&text[1..]);
    inner.replace(&format!("{close}{close}"), &close.to_string())
}

/// Writes the table with its content, and says how many rows it has.
pub(super) async fn write(
    origin: &Origin<'_>,
    (layout, table): (&Layout, &Table),
    budget: u64,
    out: &mut (dyn Write + Send),
) -> Result<u64, BackupError> {
    let database = origin.database;
    let carry = carry(database, layout, table).await?;
    writeln!(out, "{}", crate::split::ended(&table.sql))?;
    let name = quoted(&table.name);
    let find = |part: &str| {
        let own = format!("{}_{part}", table.name);
        layout.shadows.iter().find(move |shadow| shadow.name == own)
    };
    if let (Some(config), false) = (find("config"), matches!(carry, Carry::Shadows(_))) {
        for (key, value) in settings(database, config).await? {
            writeln!(
                out,
                "INSERT INTO {name} ({name}, rank) VALUES ({}, {value});",
                literal(&key)
            )?;
        }
    }
    match carry {
        Carry::Nothing => Ok(0),
        _ if origin.empty => Ok(0),
        Carry::Rows => rows::write(origin, table, budget, out).await,
        Carry::Shadows(shadows) => {
            let mut all = 0;
            for shadow in shadows {
                // A new one is not empty.
                writeln!(out, "DELETE FROM {};", quoted(&shadow.name))?;
                all += rows::write(&Origin::plain(database), &shadow, budget, out).await?;
            }
            Ok(all)
        }
        Carry::Index { content, rowid } => match find("docsize") {
            Some(known) if !origin.rebuilt && table.sql.to_ascii_lowercase().contains("fts5") => {
                let index = Index { database, table, content, rowid };
                index.write(&known.name, out).await
            }
            _ => {
                writeln!(out, "INSERT INTO {name} ({name}) VALUES ('rebuild');")?;
                Ok(0)
            }
        },
    }
}

/// What was set for a table with FTS5.
async fn settings(
    database: &dyn Database,
    config: &Table,
) -> Result<Vec<(String, String)>, BackupError> {
    let sql =
        format!("SELECT k, quote(v) FROM {} WHERE k <> 'version' ORDER BY k", quoted(&config.name));
    let rows = ask(database, &sql).await?;
    Ok(super::layout::texts(&rows, 2)
        .into_iter()
        .filter_map(|row| <[String; 2]>::try_from(row).ok())
        .map(|[key, value]| (key, value))
        .collect())
}

/// An index over the rows of another table. Perhaps not over all of them: triggers may leave out some.
struct Index<'a> {
    database: &'a dyn Database,
    table: &'a Table,
    content: String,
    rowid: String,
}

impl Index<'_> {
    async fn write(&self, known: &str, out: &mut (dyn Write + Send)) -> Result<u64, BackupError> {
        let (mut after, mut all) = (None, 0);
        loop {
            let rest = after.map(|last: i64| format!(" WHERE id > {last}")).unwrap_or_default();
            let sql =
                format!("SELECT id || '' FROM {}{rest} ORDER BY id LIMIT {IDS}", quoted(known));
            let ids = super::layout::texts(&ask(self.database, &sql).await?, 1);
            let ids: Vec<i64> = ids.iter().filter_map(|row| row[0].parse().ok()).collect();
            let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(all) };
            let range = format!("BETWEEN {first} AND {last}");
            let some = self.there(&range).await?;
            let which = match some == ids.len() {
                true => range,
                false => {
                    let texts: Vec<String> = ids.iter().map(i64::to_string).collect();
                    format!("IN ({})", texts.join(","))
                }
            };
            writeln!(out, "{}", self.insert(&which))?;
            all += u64::try_from(ids.len()).unwrap_or_default();
            after = Some(*last);
        }
    }

    /// How many rows of the content lie there.
    async fn there(&self, range: &str) -> Result<usize, BackupError> {
        let (content, rowid) = (quoted(&self.content), self.rowid());
        let sql = format!("SELECT count(*) FROM {content} WHERE {rowid} {range}");
        let rows = ask(self.database, &sql).await?;
        let count = rows.rows.first().and_then(|row| row.first().and_then(Value::as_integer));
        Ok(count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default())
    }

    fn insert(&self, which: &str) -> String {
        let columns: Vec<String> = self.table.columns.iter().map(|name| quoted(name)).collect();
        let (columns, rowid) = (columns.join(", "), self.rowid());
        format!(
            "INSERT INTO {} (rowid, {columns}) SELECT {rowid}, {columns} FROM {} WHERE {rowid} {which};",
            quoted(&self.table.name),
            quoted(&self.content)
        )
    }

    fn rowid(&self) -> String {
        // In quotes it could be a text where no column has the name.
        if self.rowid == "rowid" { self.rowid.clone() } else { quoted(&self.rowid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_whatever_quotes_they_have() {
        let sql = "CREATE VIRTUAL TABLE \"a\" USING FTS5(x, y UNINDEXED, content='it''s', \
                   content_rowid = \"i d\", tokenize=\"porter 'a,b'\", prefix='1 2')";
        let (module, options) = definition(sql).unwrap();
        let option = |key: &str| options.iter().find(|(own, _)| own == key).unwrap().1.as_str();
        assert_eq!((module.as_str(), option("content")), ("fts5", "it's"));
        assert_eq!((option("content_rowid"), option("tokenize")), ("i d", "porter 'a,b'"));
        let (_, options) = definition("CREATE VIRTUAL TABLE f USING fts5(a, content='')").unwrap();
        assert_eq!(options, [("content".to_owned(), String::new())]);
        assert_eq!(definition("CREATE TABLE t (x)"), None);
    }
}
