use super::{Found, args::PreviewListArgs};
use crate::{
    context::Context,
    report::{ApiCalls, FORMAT, moment},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_orchestrator::{Addresses, FoundPreview, Preview, WorkerRef};
use clodo_types::{Clock as _, SystemClock, Timestamp};
use serde::Serialize;
use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

#[derive(Serialize)]
struct PreviewsDocument<'a> {
    version: u32,
    outcome: &'static str,
    api_calls: ApiCalls,
    previews: Vec<PreviewDocument<'a>>,
}

#[derive(Serialize)]
struct PreviewDocument<'a> {
    name: &'a str,
    from: &'a str,
    since: String,
    ends: Option<String>,
    is_over: bool,
    by: &'a str,
    workers: Vec<WorkerDocument<'a>>,
}

#[derive(Serialize)]
struct WorkerDocument<'a> {
    service: &'a str,
    customer: Option<&'a str>,
    account: &'a str,
    worker: &'a str,
    urls: Vec<String>,
}

/// `clodo-deploy preview list`
pub(super) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &PreviewListArgs,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let platform = context.platform(&args.platform)?;
    let to = context.connect(platform).await?;
    let found = Found::read(&context, &to, None, false).await?;
    let now = SystemClock.now();
    let document = PreviewsDocument {
        version: FORMAT,
        outcome: "done",
        api_calls: context.calls().into(),
        previews: found.previews.values().map(|preview| described(&found, preview, now)).collect(),
    };
    session.ui.document(&document)?;
    let mut text = String::new();
    for (preview, shown) in found.previews.values().zip(&document.previews) {
        describe(&mut text, preview, shown, now);
    }
    if text.is_empty() {
        text = "There are no previews.".to_owned();
    }
    session.ui.text(text.trim_end())?;
    Ok(Exit::Done)
}

fn described<'a>(found: &Found, preview: &'a FoundPreview, now: Timestamp) -> PreviewDocument<'a> {
    let worker = |(worker, of): (&'a WorkerRef, &'a Preview)| {
        let (domains, workers_dev) = (BTreeSet::new(), true);
        let addresses = Addresses { worker: worker.clone(), domains, workers_dev };
        WorkerDocument {
            service: of.service.as_str(),
            customer: of.customer.as_ref().map(|customer| customer.as_str()),
            account: worker.account.as_str(),
            worker: worker.worker.as_str(),
            urls: found.engine.cx.platform.urls(&addresses),
        }
    };
    PreviewDocument {
        name: preview.name.as_str(),
        from: preview.from.as_str(),
        since: moment(preview.since).to_string(),
        ends: preview.ends.map(|ends| moment(ends).to_string()),
        is_over: preview.is_over(now),
        by: &preview.by,
        workers: preview.workers.iter().map(worker).collect(),
    }
}

fn describe(
    text: &mut String,
    preview: &FoundPreview,
    shown: &PreviewDocument<'_>,
    now: Timestamp,
) {
    let age = rounded(now.since(preview.since));
    let ends = match preview.ends {
        None => "does not end by itself".to_owned(),
        Some(ends) if ends <= now => format!("over since {}", rounded(now.since(ends))),
        Some(ends) => format!("ends in {}", rounded(ends.since(now))),
    };
    let (name, from, by) = (&shown.name, &shown.from, &shown.by);
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "{name:<28} of {from}, made {age} ago by {by}, {ends}");
    for worker in &shown.workers {
        let customer = worker.customer.map(|name| format!("/{name}")).unwrap_or_default();
        let target = format!("{}{customer}", worker.service);
        let _ = writeln!(text, "  {target:<26} {}", worker.urls.join("  "));
    }
}

/// The time in its largest unit: `3 d`.
fn rounded(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds < 60 => format!("{seconds} s"),
        seconds if seconds < 3_600 => format!("{} min", seconds / 60),
        seconds if seconds < 2 * 86_400 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_its_largest_unit() {
        let shown = [59, 60, 7_199, 86_400, 172_800].map(Duration::from_secs).map(rounded);
        assert_eq!(shown, ["59 s", "1 min", "1 h", "24 h", "2 d"]);
    }
}
