use crate::{args::RunArgs, report::RunReport};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::find_root;
use clodo_gateway::{Drained, Gateway, GatewayOptions, GatewayWiring, LogFile, serve};
use clodo_http::ReqwestOptions;
use clodo_types::SystemClock;
use std::{io, net::Ipv4Addr, path::PathBuf, sync::Arc};
use tokio::net::TcpListener;

/// `clodo-gateway run`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &RunArgs,
) -> Result<Exit, CliError> {
    check(args)?;
    let listener = listen(args.port).await?;
    let port = listener.local_addr().map_err(|error| port_error(args.port, error))?.port();
    let path = log_path(session, global, args)?;
    let log = LogFile::open(&path).map_err(|error| {
        let message = format!("the log `{}` cannot be written", path.display());
        CliError::new(Exit::Failed, "log", message)
            .with_source(error)
            .with_hint("`--log` names another file")
    })?;
    let log = Arc::new(log);
    let gateway = Arc::new(Gateway::new(options(args), wiring(args, &log)?));
    allow_many_connections();
    session.ui.report(&RunReport::new(port, args.upstream.to_string(), path))?;
    session.ui.say("Ctrl-C stops it; `eval \"$(clodo-gateway env)\"` points wrangler at it");
    let Drained { cut } = serve(listener, gateway, session.cancel.clone(), args.drain).await;
    log.close();
    if cut > 0 {
        session.ui.warn(&format!("calls were under way on {cut} connections that were cut"));
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::Done)
}

fn check(args: &RunArgs) -> Result<(), CliError> {
    if args.upstream.is_exposed() && !args.allow_plain_http {
        let message = format!("`{}` would show every token to the network", args.upstream);
        return Err(CliError::usage(message)
            .with_hint("use an https URL, or `--allow-plain-http` on a network that you trust"));
    }
    if args.timeout.is_zero() {
        return Err(CliError::usage("`--timeout 0` leaves no time for an answer"));
    }
    Ok(())
}

fn options(args: &RunArgs) -> GatewayOptions {
    GatewayOptions::new(args.upstream.clone())
        .with_budget(args.budget)
        .with_cache(args.cache)
        .with_longest_wait(args.max_wait)
        .with_write_limit(args.timeout)
}

fn wiring(args: &RunArgs, log: &Arc<LogFile>) -> Result<GatewayWiring, CliError> {
    let raw = ReqwestOptions::default().with_raw_bodies();
    Ok(GatewayWiring {
        upstream: crate::http::connected(&raw, args.timeout)?,
        switching: crate::http::connected(&raw.with_http1_only(), args.timeout)?,
        sink: Arc::clone(log) as _,
        clock: Arc::new(SystemClock),
    })
}

async fn listen(port: u16) -> Result<TcpListener, CliError> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    bound.map_err(|error| port_error(port, error))
}

fn port_error(port: u16, error: io::Error) -> CliError {
    let message = match error.kind() {
        io::ErrorKind::AddrInUse => format!("port {port} is taken by another program"),
        _ => format!("port {port} cannot be opened"),
    };
    CliError::new(Exit::Unreachable, "port_taken", message)
        .with_source(error)
        .with_hint("`--port` names another port, `--port 0` takes a free one")
}

/// `--log`, else a file in the project's `.clodo`, which ignores itself in git.
fn log_path(session: &Session, global: &GlobalArgs, args: &RunArgs) -> Result<PathBuf, CliError> {
    if let Some(path) = &args.log {
        return Ok(session.directory.join(path));
    }
    let root = match &global.project {
        Some(given) => session.directory.join(given),
        None => find_root(&session.directory, &|path| path.is_file())
            .unwrap_or_else(|| session.directory.clone()),
    };
    if !root.is_dir() {
        let message = format!("there is no folder `{}`", root.display());
        return Err(CliError::usage(message).with_hint("`--project` names the folder of a project"));
    }
    let folder = root.join(".clodo");
    clodo::ignore_in_git(&folder);
    Ok(folder.join("gateway.jsonl"))
}

/// Each client that waits holds a connection, and the usual limit of open files is soon reached.
/// With the old limit it works as well, for fewer.
#[cfg(unix)]
fn allow_many_connections() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(not(unix))]
fn allow_many_connections() {}
