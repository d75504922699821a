//! Where statements stand: in files of SQL, and in programs.

use clodo_cli::{CliError, Exit, Session};
use clodo_db::{Piece, SourceStatement, split, sql_literals};
use clodo_types::Places;
use std::{
    fs,
    io::Read as _,
    path::{Component, Path, PathBuf},
};

/// Programs are written in files with these endings.
const PROGRAMS: [&str; 8] = ["cjs", "cts", "js", "jsx", "mjs", "mts", "ts", "tsx"];
/// A longer file is no program that somebody wrote, in bytes.
const LONGEST: u64 = 4_000_000;
/// More files than these are no program of one service.
const MOST_FILES: usize = 20_000;

/// The statements of a file of SQL.
pub(crate) fn of_sql(session: &Session, given: &Path) -> Result<Vec<SourceStatement>, CliError> {
    let (text, shown) = match given.as_os_str() == "-" {
        true => {
            let mut text = String::new();
            let read = std::io::stdin().lock().read_to_string(&mut text);
            read.map_err(|error| CliError::usage("the input is no text").with_source(error))?;
            (text, Path::new("<input>"))
        }
        false => {
            let text = fs::read_to_string(session.directory.join(given));
            (text.map_err(|error| unreadable(given, error))?, given)
        }
    };
    let mut places = Places::of(shown, &text);
    let statement =
        |piece: Piece<'_>| SourceStatement::new(piece.text, Some(places.place(piece.offset)));
    Ok(split(&text).map(statement).collect())
}

/// The statements in the programs below a folder, or in one file. What a service's tools put beside its
/// programs is left out.
pub(crate) fn of_programs(
    session: &Session,
    given: &Path,
) -> Result<Vec<SourceStatement>, CliError> {
    let root = session.directory.join(given);
    let mut files = Vec::new();
    collect(&root, &mut files).map_err(|error| unreadable(given, error))?;
    files.sort();
    let mut found = Vec::new();
    for file in files {
        // What is no text is no program.
        let Ok(program) = fs::read_to_string(&file) else { continue };
        // As the user may write it.
        let shown = file.strip_prefix(&session.directory).unwrap_or(&file);
        let shown = shown.components().filter(|part| *part != Component::CurDir);
        found.extend(sql_literals(&program, &shown.collect::<PathBuf>()));
    }
    Ok(found)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let about = fs::metadata(path)?;
    if about.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let hidden = name.as_encoded_bytes().starts_with(b".") || name == "node_modules";
        // A link may lead in a circle.
        if hidden || files.len() >= MOST_FILES {
            continue;
        }
        let path = entry.path();
        let is_program =
            path.extension().is_some_and(|ending| PROGRAMS.iter().any(|known| ending == *known));
        if kind.is_dir() {
            collect(&path, files)?;
        } else if kind.is_file() && is_program && entry.metadata()?.len() <= LONGEST {
            files.push(path);
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: std::io::Error) -> CliError {
    let message = format!("could not read {}", path.display());
    CliError::new(Exit::Usage, "files", message)
        .with_source(error)
        .with_hint("check the path and its permissions; it has to be UTF-8 text")
}
