mod anew;
mod file;
mod over;
mod report;

use crate::{
    args::RestoreArgs,
    failure,
    keeping::{Dump, Kept},
    places::Places,
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use report::{Into, RestoreReport};

/// What a restore works with.
struct Work<'a, 'p> {
    session: &'a Session,
    args: &'a RestoreArgs,
    places: Places<'p>,
    kept: Kept,
    dump: Dump,
}

/// `clodo-db restore`: the backup is read to its end before anything is written.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &RestoreArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::describe(session, global, &args.databases)?;
    places.only()?;
    let kept = places.kept_in(session, global, 0, args.from.as_ref()).await?;
    let file = Dump::find(session, Some(&kept), &args.backup).await?;
    let dump = Dump::check(session, file).await?;
    if kept.is_of_another(&dump.file.path) {
        let shown = dump.file.shown.display();
        session.ui.warn(&format!("{shown} is called like a backup of another database"));
    }
    if let Some(said) = &dump.summary.damage {
        let shown = dump.file.shown.display();
        session.ui.warn(&format!("{shown} was taken of a file that was damaged: {said}"));
    }
    if !dump.summary.consistent {
        session.ui.warn(&format!(
            "{} is of no one moment: it was written to while it was read",
            dump.file.shown.display()
        ));
    }
    let mut work = Work { session, args, places, kept, dump };
    let mut report = RestoreReport::default();
    let done = match (&args.into_file, &args.new) {
        (Some(file), _) => file::into_new(&mut work, file, &mut report).await,
        (_, Some(name)) => anew::into_database(&mut work, name, &mut report).await,
        _ if work.places.all[0].file().is_some() => file::into_own(&mut work, &mut report).await,
        _ => over::into_database(&mut work, &mut report).await,
    };
    report::conclude(&work, &report, done.err())
}

impl Work<'_, '_> {
    /// Refuses where changes need an approval, and asks where they need a yes.
    fn allowed(&self, doing: &str) -> Result<(), CliError> {
        self.places.all[0].takes_changes(
            "restore it with --new NAME and deploy that, or with --into-file to look at it",
        )?;
        self.places.confirm(self.session, &[0], doing, self.args.yes)
    }

    /// Asks in any case, since something goes for good; `question` says what.
    fn sure(&self, question: &str) -> Result<(), CliError> {
        if self.args.yes || self.session.ui.confirm(question, "--yes")? {
            return Ok(());
        }
        Err(failure::not_confirmed())
    }
}
