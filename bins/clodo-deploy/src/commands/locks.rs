use crate::{
    args::LocksArgs, commands::running::of_state, context::Context, engine::store, report::FORMAT,
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_saga::{Lease, Liveness};
use clodo_types::{Clock as _, SystemClock};
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
struct LocksDocument {
    version: u32,
    outcome: &'static str,
    locks: Vec<Lock>,
}

#[derive(Serialize)]
struct Lock {
    name: String,
    holder: String,
    number: u64,
    expires_at: String,
    alive: Option<bool>,
}

/// `clodo-deploy locks`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &LocksArgs,
) -> Result<Exit, CliError> {
    let context = Context::open(session, global)?;
    let store = store(&context, context.platform(&args.platform)?).await?;
    let now = SystemClock.now();
    let held = store.held(now).await.map_err(of_state)?;
    let mut text = String::new();
    for lease in &held {
        let left = lease.expires_at.since(now).as_secs();
        let process = match clodo::liveness(&lease.holder) {
            Liveness::Alive => "runs",
            Liveness::Dead => "is gone: whoever asks next gets the lock",
            _ => "is on another machine",
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}  {}  for {left} s more, {process}", lease.name, lease.holder);
    }
    if held.is_empty() {
        session.ui.say("Nobody holds a lock.");
    }
    let locks = held.into_iter().map(Lock::from).collect();
    session.ui.document(&LocksDocument { version: FORMAT, outcome: "done", locks })?;
    session.ui.text(text.trim_end())?;
    Ok(Exit::Done)
}

impl From<Lease> for Lock {
    fn from(lease: Lease) -> Self {
        let alive = match clodo::liveness(&lease.holder) {
            Liveness::Alive => Some(true),
            Liveness::Dead => Some(false),
            _ => None,
        };
        Self {
            name: lease.name,
            holder: lease.holder.to_string(),
            number: lease.number,
            expires_at: crate::report::moment(lease.expires_at).to_string(),
            alive,
        }
    }
}
