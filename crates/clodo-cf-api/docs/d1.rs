use clodo_cf_api::{
    AccountId, Client,
    d1::{self, ExportOptions, ImportFile, NewDatabase, Sql},
};
use std::error::Error;

/// Fills a database from a file and by statements, goes back in time, and writes it as SQL.
pub async fn example(client: &Client, account: &AccountId) -> Result<(), Box<dyn Error>> {
    let new = NewDatabase::named("books".parse()?);
    let id = client.ensure_database(account, &new).await?.resource.id;
    let file = ImportFile::from_bytes("CREATE TABLE book (title TEXT);");
    client.import_database(account, &id, file, &|_| ()).await?;
    let empty = client.send(d1::bookmark(account, &id)).await?.bookmark;

    let insert = |title: &str| Sql::new("INSERT INTO book VALUES (?)").bind(title);
    client.send(d1::batch(account, &id, &[insert("Emma"), insert("Dune")])).await?;
    let count = Sql::new("SELECT count(*) AS books FROM book WHERE title < ?").bind("E");
    let read = client.send(d1::read(account, &id, &count)).await?;
    assert_eq!(read[0].results[0]["books"], 1);

    client.send(d1::restore(account, &id, &empty)).await?;
    let dump = client.export_database(account, &id, &ExportOptions::default(), &|_| ()).await?;
    let sql = dump.body.collect(1 << 20).await?;
    assert!(!String::from_utf8(sql.to_vec())?.contains("Emma"));
    client.send(d1::delete_database(account, &id)).await?;
    Ok(())
}
