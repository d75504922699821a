mod input;
mod show;

use crate::{
    args::ShellArgs,
    commands::query,
    failure, keeping,
    places::{Opened, Places},
    report::{ApiCalls, DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_db::{Rows, Statement, literal, only_reads, split, unfinished};
use clodo_types::Location;
use input::{Input, Typed};
use serde::Serialize;
use serde_json::Value;
use show::{Shower, Shown};

#[derive(Serialize)]
struct ShellDocument {
    version: u32,
    outcome: &'static str,
    database: DatabaseName,
    results: Vec<Shown>,
    api_calls: ApiCalls,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// `clodo-db shell`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &ShellArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::open(session, global, &args.databases).await?;
    places.only()?;
    let opened = places.expect_stoppable(0, &session.cancel).await?;
    let place = &places.all[0];
    if args.write {
        place.takes_changes("write a migration, or leave --write out")?;
        places.confirm(session, &[0], "Run what is typed, also what changes rows,", args.yes)?;
        let saved = keeping::noted(&opened).await?;
        if let Some(back) = saved.way_back(&places.all[0].name) {
            session.ui.say(&back);
        }
    }
    let mut shell = Shell {
        session,
        opened: &opened,
        shown: places.all[0].shown(),
        write: args.write,
        stops: !session.ui.is_interactive(),
        shower: Shower::new(session, args.mode),
        typed: String::new(),
        line: 0,
        first: 1,
        before: 0,
    };
    let mut input = Input::open(session, args.history.clone())?;
    let ended = shell.read(&mut input).await;
    let ended = ended.and(input.close());
    let failed = ended.err();
    session.ui.document(&ShellDocument {
        version: FORMAT,
        outcome: failed.as_ref().map_or("done", |error| error.exit().outcome()),
        database: places.all[0].name.clone(),
        results: shell.shower.results,
        api_calls: places.calls(),
        error: failed.as_ref().map(CliError::to_json),
    })?;
    let Some(error) = failed else { return Ok(Exit::Done) };
    session.ui.error(&error);
    Ok(error.exit())
}

/// The next line, unless somebody interrupts it before there is one.
async fn session_line(
    session: &Session,
    input: &mut Input,
    prompt: &str,
) -> Result<Typed, CliError> {
    let line = session.cancel.run_until_cancelled(input.line(prompt)).await;
    line.unwrap_or_else(|| Err(failure::interrupted("nothing more was run")))
}

struct Shell<'a> {
    session: &'a Session,
    opened: &'a Opened,
    /// How messages call the database.
    shown: String,
    write: bool,
    /// The first statement that fails ends it: nobody sits there.
    stops: bool,
    shower: Shower<'a>,
    /// What was typed and is not run yet.
    typed: String,
    /// How many lines were read, and the one at which `typed` begins.
    line: usize,
    first: usize,
    /// How much of that line stands before it, in characters.
    before: usize,
}

const HELP: &str = "\
.tables            list tables and views
.schema [NAME]     show what makes them
.mode FORM         show rows as `table`, `csv` or `json`
.help              show this
.quit              end; so does Ctrl-D
Everything else is SQL: a statement ends with a semicolon.";

impl Shell<'_> {
    /// Reads and runs to the end of the input.
    async fn read(&mut self, input: &mut Input) -> Result<(), CliError> {
        if !self.stops {
            let may =
                if self.write { "Statements may change rows." } else { "Statements only read." };
            self.session.ui.say(&format!("{} {may} `.help` helps.", self.shown));
        }
        loop {
            let prompt = if self.typed.is_empty() { "clodo-db> " } else { "     ...> " };
            let typed = session_line(self.session, input, prompt).await;
            self.line += 1;
            let line = match typed.map_err(|error| self.at(error, self.line, 1))? {
                Typed::Line(line) => line,
                Typed::Nothing => {
                    self.typed.clear();
                    continue;
                }
                Typed::End => break,
            };
            if self.typed.is_empty() {
                (self.first, self.before) = (self.line, 0);
                if line.trim_start().starts_with('.') {
                    match self.command(line.trim()).await {
                        Ok(true) => return Ok(()),
                        Ok(false) => {}
                        Err(error) => self.failed(error, 0)?,
                    }
                    continue;
                }
            }
            self.typed.push_str(&line);
            self.typed.push('\n');
            self.run_finished().await?;
        }
        match split(&self.typed).last() {
            // It may be the half of one: the rest could say which rows are meant.
            Some(piece) => {
                let error =
                    CliError::new(Exit::Failed, "unfinished", "the last statement does not end");
                let error = error.with_hint("end it with a semicolon; nothing of it was run");
                Err(self.placed(error, piece.offset))
            }
            None => Ok(()),
        }
    }

    /// Runs the statements that have their semicolon; the rest stays.
    async fn run_finished(&mut self) -> Result<(), CliError> {
        let end = unfinished(&self.typed).unwrap_or(self.typed.len());
        let finished = self.typed[..end].to_owned();
        for piece in split(&finished) {
            if let Err(error) = self.statement(piece.text, piece.offset).await {
                self.failed(error, piece.offset)?;
            }
        }
        let on_its_line = finished.chars().rev().take_while(|c| *c != '\n').count();
        match finished.matches('\n').count() {
            0 => self.before += on_its_line,
            lines => (self.first, self.before) = (self.first + lines, on_its_line),
        }
        self.typed.drain(..end);
        Ok(())
    }

    async fn statement(&mut self, sql: &str, offset: usize) -> Result<(), CliError> {
        let reads = only_reads(sql);
        if !reads && !self.write {
            let hint = "start the shell with --write when it is meant to change something";
            return Err(query::writes(sql, hint));
        }
        let rows = self.ask(&Statement::new(sql), reads).await?;
        let line = self.line_of(offset);
        self.shower.rows(line, rows, !reads)
    }

    async fn ask(&self, statement: &Statement, reads: bool) -> Result<Rows, CliError> {
        let database = &*self.opened.database;
        // What writes is waited for: nobody could say whether it ran.
        let done = match reads {
            true => {
                let run = database.query(statement);
                let done = self.session.cancel.run_until_cancelled(run).await;
                done.ok_or_else(|| failure::interrupted("nothing was changed"))?
            }
            false => {
                let done = database.batch(std::slice::from_ref(statement)).await;
                done.map(|all| all.into_iter().next().unwrap_or_default())
            }
        };
        done.map_err(|error| query::failed(self.session, &self.shown, !reads, error, None))
    }

    /// A line that begins with a dot; true when it ends the shell.
    async fn command(&mut self, line: &str) -> Result<bool, CliError> {
        let (command, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let argument = argument.trim();
        match command {
            ".quit" | ".exit" => return Ok(true),
            ".help" => self.session.ui.say(HELP),
            ".mode" => self.shower.set_mode(argument)?,
            ".tables" => {
                let sql = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') \
                           AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                           AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY 1";
                let rows = self.ask(&Statement::new(sql), true).await?;
                self.shower.texts(self.line, rows)?;
            }
            ".schema" => {
                let name = literal(argument.trim_end_matches(';'));
                let sql = format!(
                    "SELECT sql || ';' AS sql FROM sqlite_master WHERE sql IS NOT NULL \
                     AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\' \
                     AND ({name} = '' OR tbl_name = {name} COLLATE NOCASE OR name = {name} COLLATE NOCASE) \
                     ORDER BY rowid"
                );
                let rows = self.ask(&Statement::new(sql), true).await?;
                self.shower.texts(self.line, rows)?;
            }
            _ => {
                let error =
                    CliError::new(Exit::Failed, "usage", format!("there is no `{command}`"));
                return Err(error.with_hint("`.help` lists what there is"));
            }
        }
        Ok(false)
    }

    /// Says what went wrong; ends the shell where nobody sits there, or it was interrupted.
    fn failed(&self, error: CliError, offset: usize) -> Result<(), CliError> {
        if self.stops || error.exit() == Exit::Interrupted {
            return Err(self.placed(error, offset));
        }
        self.session.ui.error(&error);
        Ok(())
    }

    fn line_of(&self, offset: usize) -> usize {
        self.first + self.typed[..offset.min(self.typed.len())].matches('\n').count()
    }

    /// With its place in the input; in a terminal everybody sees it.
    fn placed(&self, error: CliError, offset: usize) -> CliError {
        let line = self.line_of(offset);
        let before = &self.typed[..offset.min(self.typed.len())];
        let on_its_line = before.chars().rev().take_while(|c| *c != '\n').count();
        let more = if line == self.first { self.before } else { 0 };
        let column = more + on_its_line + 1;
        self.at(error, line, column)
    }

    fn at(&self, error: CliError, line: usize, column: usize) -> CliError {
        match self.stops {
            true => error.with_location(Location { path: "<input>".into(), line, column }),
            false => error,
        }
    }
}
