use crate::{
    args::{NewArgs, WhereArgs},
    context::Context,
    failure, places,
    report::FORMAT,
};
use clodo::TargetDatabase;
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::Platform;
use clodo_db::MigrationFolder;
use serde::Serialize;
use std::{
    fmt, fs,
    fs::File,
    io,
    io::Write as _,
    path::{Path, PathBuf},
};

#[derive(Serialize)]
struct NewDocument {
    version: u32,
    outcome: &'static str,
    name: String,
    path: PathBuf,
}

impl fmt::Display for NewDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())
    }
}

/// `clodo-db new`
pub(crate) fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &NewArgs,
) -> Result<Exit, CliError> {
    let words = words(&args.name)?;
    let folder = match &args.migrations {
        Some(given) => places::folder(session, global, Some(given))?,
        None => of_service(&Context::open(session, global)?, args)?,
    };
    let name = next(&folder, &words, "")?;
    let path = folder.shown.join(&name);
    session.ui.report(&NewDocument { version: FORMAT, outcome: "done", name, path })?;
    Ok(Exit::Done)
}

/// Writes the next file of a folder, which begins with its number; gives its name.
pub(crate) fn next(folder: &MigrationFolder, words: &str, text: &str) -> Result<String, CliError> {
    // Two at once would take the same number. Where a folder cannot be locked, the next look tells.
    let alone = File::open(&folder.path).ok().filter(|folder| folder.lock().is_ok());
    let files = folder.read().map_err(failure::of_folder)?;
    let last = files.files().iter().filter_map(|file| file.number()).max().unwrap_or(0);
    let number = format!("{:04}", last.saturating_add(1));
    let name = folder.pattern.name_of(&format!("{number}_{words}")).ok_or_else(|| {
        let message = format!("`{}` does not say what a new file is called", folder.pattern);
        CliError::usage(message)
            .with_hint("write the file by hand, or with the tool that makes them")
    })?;
    let text = format!("-- Migration number: {number}\n{text}");
    write(&folder.path.join(&name), &text).map_err(|error| {
        let message = format!("could not write {}", folder.shown.join(&name).display());
        CliError::new(Exit::Failed, "files", message)
            .with_source(error)
            .with_hint("check the folder's permissions, and whether the file is there already")
    })?;
    drop(alone);
    Ok(name)
}

/// The name of a file, as wrangler makes it of a message.
pub(crate) fn words(text: &str) -> Result<String, CliError> {
    let words = text.trim().replace(char::is_whitespace, "_");
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if words.is_empty() || words.len() > 100 || !words.chars().all(fits) {
        let message = format!("`{text}` cannot be part of a file's name");
        let hint = "use letters, digits, `_` and `-`, as in `add_stock`";
        return Err(CliError::usage(message).with_hint(hint));
    }
    Ok(words.strip_suffix(".sql").map(str::to_owned).unwrap_or(words))
}

/// The one folder of the chosen service.
fn of_service(context: &Context<'_>, args: &NewArgs) -> Result<MigrationFolder, CliError> {
    let wanted = WhereArgs {
        services: args.service.iter().cloned().collect(),
        binding: args.binding.clone(),
        ..WhereArgs::default()
    };
    only_folder(places::planned(context, &wanted, Platform::Local)?)
}

/// The one folder of the chosen databases.
pub(crate) fn only_folder(databases: Vec<TargetDatabase>) -> Result<MigrationFolder, CliError> {
    // Customers and platforms share the files.
    let mut found: Vec<MigrationFolder> = Vec::new();
    for database in databases {
        if !found.contains(&database.folder) {
            found.push(database.folder);
        }
    }
    match <[_; 1]>::try_from(found) {
        Ok([folder]) => Ok(folder),
        Err(several) => {
            let names: Vec<String> =
                several.iter().map(|folder| folder.shown.display().to_string()).collect();
            let message = format!("there are several folders: {}", names.join(", "));
            Err(CliError::usage(message).with_hint(
                "name the service behind the name, and give --binding where it has several",
            ))
        }
    }
}

/// The file appears whole, and never in the place of another one.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder)?;
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        // As for any file that a person makes; the process's mask takes from it.
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.prefix(".new-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}
