use crate::{
    args::HealthArgs,
    failure,
    places::{Opened, Place, Places},
    report::{ApiCalls, DatabaseName, FORMAT, visible},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_db::{HealthCheck, HealthOptions, HealthReport, Verdict, Violation, check_health};
use serde::Serialize;
use std::{fmt::Write as _, time::Duration};

#[derive(Serialize)]
struct HealthDocument {
    version: u32,
    outcome: &'static str,
    databases: Vec<DatabaseHealth>,
    api_calls: ApiCalls,
}

#[derive(Serialize)]
struct DatabaseHealth {
    #[serde(flatten)]
    name: DatabaseName,
    found: bool,
    latency_ms: Option<f64>,
    bytes: Option<u64>,
    checks: Vec<HealthCheck>,
    violations: Vec<Violation>,
}

/// `clodo-db health`: only reads. One database that does not answer does not hide the others.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &HealthArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::open(session, global, &args.databases).await?;
    let mut databases = Vec::new();
    for at in 0..places.all.len() {
        if session.cancel.is_cancelled() {
            return Err(failure::interrupted("run it again"));
        }
        let report = match places.find(at).await {
            Ok(Some(opened)) => look(&places.all[at], &opened, args).await,
            Ok(None) => HealthReport::unreachable("there is no such database"),
            // Whoever may not, or does not reach the platform, learns nothing about the others either.
            Err(error) if is_everywhere(&error) => return Err(error),
            Err(error) => HealthReport::unreachable(why(&error)),
        };
        databases.push(DatabaseHealth {
            name: places.all[at].name.clone(),
            found: report.is_found(),
            latency_ms: report.latency.map(|latency| latency.as_secs_f64() * 1_000.0),
            bytes: report.bytes,
            checks: report.checks,
            violations: report.violations,
        });
    }
    let found = databases.iter().any(|database| database.found);
    let text = text(&databases);
    session.ui.document(&HealthDocument {
        version: FORMAT,
        outcome: if found { "found" } else { "done" },
        databases,
        api_calls: places.calls(),
    })?;
    session.ui.text(text.trim_end())?;
    Ok(if found { Exit::Found } else { Exit::Done })
}

fn is_everywhere(error: &CliError) -> bool {
    error.exit() == Exit::Unreachable || error.kind() == "not_allowed"
}

fn why(error: &CliError) -> String {
    let texts = std::iter::once(error.message().to_owned()).chain(error.causes());
    texts.collect::<Vec<_>>().join(": ")
}

async fn look(place: &Place, opened: &Opened, args: &HealthArgs) -> HealthReport {
    let clock = clock();
    let mut options = HealthOptions::new(&place.files);
    options.records = place.records().to_owned();
    options.slow = Duration::from_millis(args.slow);
    options.full = args.full && opened.d1.is_none();
    options.clock = Some(&clock);
    if let Some(d1) = &opened.d1 {
        // What cannot be told is a check that is skipped.
        options.bytes = d1.size().await.ok().flatten();
    }
    check_health(&*opened.database, &options).await
}

/// The time since now.
#[expect(clippy::disallowed_methods, reason = "the program brings the clock")]
fn clock() -> impl Fn() -> Duration + Send + Sync {
    let start = std::time::Instant::now();
    move || start.elapsed()
}

fn text(databases: &[DatabaseHealth]) -> String {
    let mut text = String::new();
    for database in databases {
        let count = |verdict| database.checks.iter().filter(|one| one.verdict == verdict).count();
        let state = match (count(Verdict::Found), count(Verdict::Skipped)) {
            (0, 0) => "well".to_owned(),
            (0, skipped) => format!("well, as far as looked at; {skipped} skipped"),
            (found, _) => format!("{found} found"),
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}: {state}", database.name);
        for check in &database.checks {
            let verdict = match check.verdict {
                Verdict::Ok => "ok",
                Verdict::Found => "found",
                Verdict::Skipped => "skipped",
            };
            let name = check.check.to_string();
            let _ = writeln!(text, "  {verdict:<8} {name:<13} {}", visible(&check.message));
            for detail in &check.details {
                let _ = writeln!(text, "    {}", visible(detail));
            }
            if let Some(hint) = check.hint() {
                let _ = writeln!(text, "    hint: {hint}");
            }
        }
    }
    text
}
