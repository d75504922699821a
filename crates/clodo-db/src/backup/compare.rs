use super::{
    copy::Origin,
    error::BackupError,
    layout::{Layout, Table, ask, texts, users},
    rows,
    text::Hashed,
    virtuals::{self, Carry},
};
use crate::{
    database::Database,
    identifier::{literal, quoted},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
};

/// Something in which two databases differ.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The table, view, index or trigger.
    pub name: String,
    /// How they differ.
    pub how: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.how)
    }
}

/// How many words are looked up in each full-text index.
const WORDS: usize = 60;
const PAGE: u64 = 2 << 20;

/// Says in which objects two databases differ: definitions, rows with their exact values and numbers,
/// what was counted up, and what full-text indexes find. Neither may be written to meanwhile.
///
/// # Errors
/// When one cannot be read, or holds what a backup refuses.
pub async fn compare(
    one: &dyn Database,
    other: &dyn Database,
) -> Result<Vec<Difference>, BackupError> {
    let (layout, there) = (Layout::read(one).await?, Layout::read(other).await?);
    let mut found = definitions((one, &layout), (other, &there)).await?;
    let differs = |name: &str, how: &str| Difference { name: name.to_owned(), how: how.to_owned() };
    for table in &layout.tables {
        let Some(twin) = there.tables.iter().find(|twin| twin.name == table.name) else { continue };
        if look(one, table).await? != look(other, twin).await? {
            found.push(differs(&table.name, "has other rows"));
        }
    }
    for table in &layout.virtuals {
        let Some(twin) = there.virtuals.iter().find(|twin| twin.name == table.name) else {
            continue;
        };
        let sides = [(one, &layout, table), (other, &there, twin)];
        if let Some(how) = differs_virtually(sides).await? {
            found.push(differs(&table.name, how));
        }
    }
    if layout.counts && there.counts {
        let sql = "SELECT name || ' ' || seq FROM sqlite_sequence ORDER BY 1";
        if ask(one, sql).await? != ask(other, sql).await? {
            found.push(differs("sqlite_sequence", "has counted to another number"));
        }
    }
    Ok(found)
}

/// Objects that only one has, or that both made differently.
async fn definitions(
    one: (&dyn Database, &Layout),
    other: (&dyn Database, &Layout),
) -> Result<Vec<Difference>, BackupError> {
    let sql = format!(
        "SELECT m.type || ' ' || m.name, m.sql FROM sqlite_master m WHERE m.sql IS NOT NULL AND {}",
        users("m.tbl_name")
    );
    let read = async |(database, layout): (&dyn Database, &Layout)| {
        let rows = texts(&ask(database, &sql).await?, 2);
        let mut all: BTreeMap<String, String> = rows
            .into_iter()
            .filter_map(|row| <[String; 2]>::try_from(row).ok().map(Into::into))
            .collect();
        // Tables of virtual tables are made as the version of SQLite makes them.
        for shadow in &layout.shadows {
            all.remove(&format!("table {}", shadow.name));
        }
        Ok::<_, BackupError>(all)
    };
    let (mine, theirs) = (read(one).await?, read(other).await?);
    let names: BTreeSet<&String> = mine.keys().chain(theirs.keys()).collect();
    let how = |name: &&String| match (mine.get(*name), theirs.get(*name)) {
        (Some(_), None) => Some("is missing from the second"),
        (None, _) => Some("is only in the second"),
        (mine, theirs) if mine != theirs => Some("is defined otherwise"),
        _ => None,
    };
    let difference = |name: &String| {
        how(&name).map(|how| Difference { name: name.clone(), how: how.to_owned() })
    };
    Ok(names.into_iter().filter_map(difference).collect())
}

async fn look(database: &dyn Database, table: &Table) -> Result<[u8; 32], BackupError> {
    let mut nowhere = io::sink();
    let mut seen = Hashed::new(&mut nowhere);
    rows::write(&Origin::plain(database), table, PAGE, &mut seen).await?;
    Ok(seen.sum().digest())
}

type Side<'a> = (&'a dyn Database, &'a Layout, &'a Table);

async fn differs_virtually(sides: [Side<'_>; 2]) -> Result<Option<&'static str>, BackupError> {
    let [(one, layout, table), (other, there, twin)] = sides;
    let carry = virtuals::carry(one, layout, table).await?;
    if carry == Carry::Nothing {
        return Ok(None);
    }
    if carry == Carry::Rows && look(one, table).await? != look(other, twin).await? {
        return Ok(Some("has other rows"));
    }
    if !table.sql.to_ascii_lowercase().contains("fts") {
        return Ok(None);
    }
    // Which rows are in the index, with the length of each.
    let docsize = |layout: &Layout| {
        let name = format!("{}_docsize", table.name);
        layout.shadows.iter().find(|shadow| shadow.name == name).cloned()
    };
    if let (Some(mine), Some(theirs)) = (docsize(layout), docsize(there))
        && look(one, &mine).await? != look(other, &theirs).await?
    {
        return Ok(Some("has other rows in its index"));
    }
    for word in words(one, layout, table, &carry).await? {
        let name = quoted(&table.name);
        let phrase = literal(&format!("\"{}\"", word.replace('"', "\"\"")));
        let sql = format!(
            "SELECT count(*) || ' ' || total(rowid) || ' ' || coalesce(min(rowid), '') || ' ' || \
             coalesce(max(rowid), '') FROM {name} WHERE {name} MATCH {phrase}"
        );
        if ask(one, &sql).await? != ask(other, &sql).await? {
            return Ok(Some("finds other rows"));
        }
    }
    Ok(None)
}

/// Words that may be in an index: out of its texts, or what it keeps where there are none.
async fn words(
    database: &dyn Database,
    layout: &Layout,
    table: &Table,
    carry: &Carry,
) -> Result<BTreeSet<String>, BackupError> {
    let index = format!("{}_idx", table.name);
    let kept = layout.shadows.iter().any(|shadow| shadow.name == index);
    let sql = match carry {
        Carry::Shadows(_) if !kept => return Ok(BTreeSet::new()),
        Carry::Shadows(_) => {
            format!("SELECT substr(CAST(term AS TEXT), 2) FROM {} LIMIT {WORDS}", quoted(&index))
        }
        _ => {
            let columns: Vec<String> = table
                .columns
                .iter()
                .map(|name| format!("coalesce({}, '')", quoted(name)))
                .collect();
            let columns: Vec<&[String]> = columns.chunks(20).collect();
            let columns: Vec<String> =
                columns.iter().map(|some| some.join(" || ' ' || ")).collect();
            let name = quoted(&table.name);
            format!(
                "SELECT substr({}, 1, 2000) FROM {name} LIMIT {WORDS}",
                columns.join(" || ' ' || ")
            )
        }
    };
    let rows = texts(&ask(database, &sql).await?, 1);
    let words =
        rows.iter().flatten().flat_map(|text| text.split(|one: char| !one.is_alphanumeric()));
    Ok(words.filter(|word| !word.is_empty()).take(WORDS).map(str::to_owned).collect())
}
