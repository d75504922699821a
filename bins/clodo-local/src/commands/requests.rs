use crate::{args::RequestsArgs, place::Place};
use clodo_cli::{CliError, Exit, GlobalArgs, OutputMode, Session};
use clodo_local::RoutePattern;
use serde::Serialize;
use serde_json::Value;
use std::{
    fmt,
    fs::File,
    io::{self, BufRead as _, BufReader, Seek as _},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::sleep;

/// Where the cloud's own routes lie, which Cloudflare does not have.
const CONTROL: &str = "/clodo/";
const POLL: Duration = Duration::from_millis(200);

#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    outcome: &'static str,
    requests: Vec<Value>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.requests.is_empty() {
            return f.write_str("no requests");
        }
        let lines: Vec<String> = self.requests.iter().map(line).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// `clodo-local requests`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &RequestsArgs,
) -> Result<Exit, CliError> {
    let route: RoutePattern = match args.route.as_deref().unwrap_or_default().parse() {
        Ok(route) => route,
        Err(error) => return Err(CliError::usage(format!("{error}"))),
    };
    if args.follow && session.ui.mode() == OutputMode::Json {
        let error = CliError::usage("`--follow` has no end, and `--json` prints one document");
        return Err(error.with_hint("`--json=events` prints a line per request"));
    }
    let path = Place::find(session, global)?.state().join("requests.jsonl");
    let asked = args.route.as_deref().is_some_and(|route| route.contains(CONTROL));
    let wanted = Wanted { route, control: args.control || asked };
    let mut tail = Tail { path, reader: None };
    let mut requests = tail.read(&wanted)?;
    let surplus = requests.len().saturating_sub(args.limit);
    requests.drain(..surplus);
    if !args.follow {
        session.ui.report(&Report { version: 1, outcome: "done", requests })?;
        return Ok(Exit::Done);
    }
    loop {
        for request in requests {
            session.ui.text(&line(&request))?;
            session.ui.event(&Event { event: "request", request })?;
        }
        if session.cancel.run_until_cancelled(sleep(POLL)).await.is_none() {
            return Ok(Exit::Done);
        }
        requests = tail.read(&wanted)?;
    }
}

#[derive(Serialize)]
struct Event {
    event: &'static str,
    #[serde(flatten)]
    request: Value,
}

/// The log, read as it grows. A file that was set aside is read to its end, then the new one.
struct Tail {
    path: PathBuf,
    reader: Option<BufReader<File>>,
}

impl Tail {
    fn read(&mut self, wanted: &Wanted) -> Result<Vec<Value>, CliError> {
        let failed = |error: io::Error| CliError::of(Exit::Failed, "state", error);
        let mut found = Vec::new();
        if self.reader.is_none() {
            self.reader = opened(&self.path).map_err(failed)?;
        }
        let Some(reader) = &mut self.reader else { return Ok(found) };
        let mut text = Vec::new();
        while reader.read_until(b'\n', &mut text).map_err(failed)? > 0 {
            if !text.ends_with(b"\n") {
                // It is just being written; the rest comes with the next look.
                let back = i64::try_from(text.len()).unwrap_or(0);
                reader.seek_relative(-back).map_err(failed)?;
                break;
            }
            let request = serde_json::from_slice::<Value>(&text).ok();
            found.extend(request.filter(|request| wanted.has(request)));
            text.clear();
        }
        let position = reader.stream_position().map_err(failed)?;
        if std::fs::metadata(&self.path).is_ok_and(|file| file.len() < position) {
            // The file was set aside, or the cloud was reset: the new one is read from its start.
            self.reader = None;
        }
        Ok(found)
    }
}

fn opened(path: &Path) -> io::Result<Option<BufReader<File>>> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which requests are shown.
struct Wanted {
    route: RoutePattern,
    /// Also those that this program and the page make to look at the cloud.
    control: bool,
}

impl Wanted {
    fn has(&self, request: &Value) -> bool {
        let path = request["path"].as_str().unwrap_or_default();
        if !self.control && path.starts_with(CONTROL) {
            return false;
        }
        let path = path.strip_prefix("/client/v4").unwrap_or(path);
        let method = request["method"].as_str().and_then(|method| method.parse().ok());
        method.is_some_and(|method| self.route.fits(&method, path))
    }
}

fn line(request: &Value) -> String {
    let text = |name: &str| request[name].as_str().unwrap_or_default();
    let mut line = format!(
        "{} {} {} {} {} ms",
        text("time"),
        request["status"],
        text("method"),
        text("path"),
        request["duration_ms"]
    );
    if let Some(name) = request["token"]["name"].as_str() {
        line.push_str(&format!(" by {name}"));
    }
    if let Some(fault) = request["fault"].as_str() {
        line.push_str(&format!(" (fault: {fault})"));
    }
    if request["limited"] == true {
        line.push_str(" (refused by a limit)");
    }
    line
}
