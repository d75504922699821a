//! Where rows come from and go to.

use crate::{
    args::{SyncDataArgs, WhereArgs},
    places::Places,
};
use clodo_cli::{CliError, GlobalArgs, Session};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// One end as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Environment(String),
    File(PathBuf),
}

impl End {
    /// The name of an environment has neither `.` nor `/`.
    fn of(text: &str) -> Self {
        match text.contains(['.', '/', '\\']) {
            true => Self::File(PathBuf::from(text)),
            false => Self::Environment(text.to_owned()),
        }
    }

    fn places(&self, args: &SyncDataArgs) -> WhereArgs {
        match self {
            Self::File(path) => WhereArgs { sqlite: Some(path.clone()), ..WhereArgs::default() },
            Self::Environment(name) => WhereArgs {
                services: args.services.clone(),
                environments: vec![name.clone()],
                customers: args.customers.clone(),
                binding: args.binding.clone(),
                platform: args.platform,
                ..WhereArgs::default()
            },
        }
    }
}

/// Both, and which databases belong together.
pub(super) struct Both<'a> {
    pub(super) from: Places<'a>,
    pub(super) to: Places<'a>,
    pub(super) pairs: Vec<(usize, usize)>,
}

impl<'a> Both<'a> {
    pub(super) async fn open(
        session: &'a Session,
        global: &GlobalArgs,
        args: &SyncDataArgs,
    ) -> Result<Self, CliError> {
        let (from, to) = (End::of(&args.from), End::of(&args.to));
        refuse_same(session, &from, &to)?;
        let is_file = |end: &End| matches!(end, End::File(_));
        if is_file(&from) && is_file(&to) && !args.services.is_empty() {
            let error = CliError::usage("two SQLite files belong to no service");
            return Err(error.with_hint("leave the services out, or name an environment"));
        }
        let one = is_file(&from) || is_file(&to);
        let from = Places::open(session, global, &from.places(args)).await?;
        let to = Places::open(session, global, &to.places(args)).await?;
        if one {
            from.only()?;
            to.only()?;
            return Ok(Self { from, to, pairs: vec![(0, 0)] });
        }
        let pairs = pairs(&from, &to, args)?;
        Ok(Self { from, to, pairs })
    }
}

fn refuse_same(session: &Session, from: &End, to: &End) -> Result<(), CliError> {
    let whole = |path: &Path| {
        let path = session.directory.join(path);
        path.canonicalize().unwrap_or(path)
    };
    let same = match (from, to) {
        (End::File(from), End::File(to)) => whole(from) == whole(to),
        _ => from == to,
    };
    if same {
        let error = CliError::usage("rows come from and go to the same place");
        return Err(error.with_hint("name two environments, or two files"));
    }
    Ok(())
}

/// The database of the same service, binding and customer.
fn pairs(
    from: &Places<'_>,
    to: &Places<'_>,
    args: &SyncDataArgs,
) -> Result<Vec<(usize, usize)>, CliError> {
    let twins: BTreeMap<_, usize> =
        to.all.iter().enumerate().map(|(at, place)| (place.name.twin(), at)).collect();
    let pair = |(at, place): (usize, &crate::places::Place)| {
        let twin = twins.get(&place.name.twin()).copied();
        let to = twin.ok_or_else(|| {
            let message = format!("{}: {} has no such database", place.name, args.to);
            CliError::usage(message).with_hint("name services and customers that both have")
        })?;
        Ok((at, to))
    };
    from.all.iter().enumerate().map(pair).collect()
}
