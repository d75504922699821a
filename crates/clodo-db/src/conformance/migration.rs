use crate::{
    Database, DatabaseError, MigrateError, MigrationFile, Migrations, Migrator, Rows, Statement,
    UpReport, Value,
};

/// What a question gave: a text for each row, or what the database said instead.
pub type Answer = Result<Vec<String>, String>;

/// How a migration went, and what a database answered before it and after it.
#[derive(Debug)]
pub struct Migrated {
    /// How it went.
    pub result: Result<UpReport, MigrateError>,
    /// What each question gave before it.
    pub before: Vec<Answer>,
    /// What each gave after it.
    pub after: Vec<Answer>,
}

/// Makes a schema with rows, applies a file to it, and asks questions before and after. Each question
/// is two statements: when the file was not applied, the first is asked again.
pub async fn migration(
    database: &dyn Database,
    (schema, file): (&str, &str),
    questions: &[(String, String)],
) -> Migrated {
    let made = database.script(schema).await;
    made.unwrap_or_else(|error| panic!("the schema can be made: {error}\n{schema}"));
    let first = || questions.iter().map(|(before, _)| before.as_str());
    let before = answers(database, first()).await;
    let files = Migrations::new(vec![MigrationFile::new("1.sql", "m/1.sql", file)]);
    let result = Migrator::new(database).up(&files.expect("one file has one number")).await;
    let after = match &result {
        Ok(_) => answers(database, questions.iter().map(|(_, after)| after.as_str())).await,
        Err(_) => answers(database, first()).await,
    };
    Migrated { result, before, after }
}

/// What questions give: in one request, unless one of them has no answer.
pub async fn answers(
    database: &dyn Database,
    questions: impl Iterator<Item = &str>,
) -> Vec<Answer> {
    let statements: Vec<Statement> = questions.map(Statement::new).collect();
    if let Ok(all) = database.batch(&statements).await {
        return all.iter().map(|rows| Ok(texts(rows))).collect();
    }
    let mut all = Vec::new();
    for statement in &statements {
        let told = |error: DatabaseError| error.to_string();
        all.push(database.query(statement).await.map(|rows| texts(&rows)).map_err(told));
    }
    all
}

fn texts(rows: &Rows) -> Vec<String> {
    let row = |row: &Vec<Value>| row.iter().map(text).collect::<Vec<_>>().join("|");
    rows.rows.iter().map(row).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:e}"),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => format!("x'{}'", hex::encode(bytes)),
    }
}
