use super::running::unlike;
use crate::{
    args::{DurabilityArg, OutboundArg, UpArgs},
    failure,
    place::Place,
    report::CloudReport,
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_local::{
    CLOUD_ENVIRONMENT, CloudErrorKind, detach_command, find, run_until_stopped, start_detached,
};
use std::{ffi::OsString, time::Duration};

/// How long a cloud in the background may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// `clodo-local up`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &UpArgs,
) -> Result<Exit, CliError> {
    let place = Place::find(session, global)?;
    if let Some(running) = find(&place.state()).await {
        unlike(&running, args).await?;
        session.ui.say("it runs already");
        session.ui.report(&CloudReport::of(&running))?;
        return Ok(Exit::Done);
    }
    if args.listen.is_some_and(|address| !address.is_loopback()) {
        session.ui.warn(
            "every machine that reaches this one can open your Workers and try tokens; \
             take away `--listen` to keep the cloud to this machine",
        );
    }
    clodo::ignore_in_git(&place.root().join(".clodo"));
    if args.detach {
        detached(session, &place, args).await
    } else {
        here(session, &place, args).await
    }
}

async fn here(session: &Session, place: &Place, args: &UpArgs) -> Result<Exit, CliError> {
    let options = place.options(session, args).await?;
    let mut printed = Ok(());
    let ready = |cloud: &clodo_local::LocalCloud| {
        printed = session.ui.report(&CloudReport::own(cloud));
        session.ui.say("Ctrl-C stops it; `eval \"$(clodo-local env)\"` points wrangler at it");
    };
    run_until_stopped(options, session.cancel.clone(), ready).await.map_err(failure::cloud)?;
    printed?;
    Ok(Exit::Done)
}

async fn detached(session: &Session, place: &Place, args: &UpArgs) -> Result<Exit, CliError> {
    // Installing, and a wrong clodo.toml, are this process's business: here somebody reads it.
    let options = place.options(session, args).await?;
    let state = place.state();
    let program = std::env::current_exe().map_err(|error| {
        CliError::of(Exit::Failed, "program", error).with_hint("start it without `--detach`")
    })?;
    let mut command = detach_command(&program, again(place, args), &state)
        .map_err(|error| CliError::of(Exit::Failed, "state", error))?;
    command.envs(CLOUD_ENVIRONMENT.into_iter().filter_map(|name| {
        let value = session.environment.get_os(name)?;
        Some((name, value))
    }));
    if let Some(port) = options.port {
        // Better said here than read in a log.
        free(port)?;
    }
    let running = start_detached(command, &state, PATIENCE).await.map_err(|error| {
        let stuck = error.kind() == CloudErrorKind::Stuck;
        let error = failure::cloud(error);
        if stuck { error.with_exit(Exit::Failed) } else { error }
    })?;
    session.ui.report(&CloudReport::of(&running))?;
    Ok(Exit::Done)
}

/// The arguments that make the same cloud in the foreground, with a log worth reading.
fn again(place: &Place, args: &UpArgs) -> Vec<OsString> {
    let mut again: Vec<OsString> = ["up", "--verbose", "--project"].map(Into::into).into();
    again.push(place.root().into());
    if let Some(port) = args.port {
        again.extend(["--port".into(), port.to_string().into()]);
    }
    for zone in &args.zones {
        again.extend(["--zone".into(), zone.as_str().into()]);
    }
    let mut also = |flag: &str, value: &str| again.extend([flag.into(), value.into()]);
    if let Some(limits) = &args.limits {
        also("--limits", limits);
    }
    if let Some(plan) = &args.plan {
        also("--plan", plan);
    }
    if let Some(propagation) = &args.propagation {
        also("--propagation", propagation);
    }
    if let Some(address) = args.listen {
        also("--listen", &address.to_string());
    }
    for host in &args.hosts {
        also("--host", host);
    }
    if args.outbound == Some(OutboundArg::Internet) {
        again.extend(["--outbound".into(), "internet".into()]);
    }
    for address in &args.allow_private {
        again.extend(["--allow-private".into(), address.to_string().into()]);
    }
    if args.port_per_worker {
        again.push("--port-per-worker".into());
    }
    if args.durability == Some(DurabilityArg::Fast) {
        again.extend(["--durability".into(), "fast".into()]);
    }
    again
}

fn free(port: u16) -> Result<(), CliError> {
    match std::net::TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => Ok(()),
        Err(source) => Err(failure::cloud(clodo_local::CloudError::PortTaken { port, source })),
    }
}
