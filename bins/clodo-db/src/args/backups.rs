//! Of `backup`, `backups`, `restore`, `drill` and `down`.

use super::WhereArgs;
use clap::Args;
use clodo_db::{Retention, check_backup_name};
use clodo_types::BucketName;
use std::{path::PathBuf, time::Duration};

/// Where backups are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BackupsIn {
    Folder(PathBuf),
    /// A bucket of R2, in the account of the database.
    Bucket {
        bucket: BucketName,
        prefix: String,
    },
}

const R2: &str = "r2://";

fn backups_in(text: &str) -> Result<BackupsIn, String> {
    if text.is_empty() {
        return Err("name a folder, or r2://BUCKET/PREFIX".to_owned());
    }
    let is_address = text.contains("://") || text.to_ascii_lowercase().starts_with("r2:");
    if is_address && !text.starts_with(R2) {
        return Err(format!("write {R2}BUCKET/PREFIX, or a folder"));
    }
    let Some(rest) = text.strip_prefix(R2) else {
        return Ok(BackupsIn::Folder(PathBuf::from(text)));
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let bucket = bucket.parse().map_err(|error| format!("{error}; write {R2}BUCKET/PREFIX"))?;
    if !prefix.is_empty() && prefix.split('/').any(|word| check_backup_name(word).is_err()) {
        return Err("after the bucket come words of letters, digits and `-_.`".to_owned());
    }
    Ok(BackupsIn::Bucket { bucket, prefix: prefix.to_owned() })
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// The folder of the backups, or `r2://BUCKET/PREFIX`; each database has a place of its own in it
    /// [default: .clodo/backups in the project]
    #[arg(long, value_name = "DIR", value_parser = backups_in)]
    pub(crate) to: Option<BackupsIn>,
    #[command(flatten)]
    pub(crate) keep: KeepArgs,
    /// Show what would be backed up and removed, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Which backups of a database stay. Without any of these all do.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct KeepArgs {
    /// Keep so many of the newest
    #[arg(long, value_name = "N")]
    pub(crate) keep_last: Option<usize>,
    /// Keep the newest of so many days that have one
    #[arg(long, value_name = "N")]
    pub(crate) keep_daily: Option<usize>,
    /// Keep the newest of so many weeks that have one; weeks begin on Monday, UTC
    #[arg(long, value_name = "N")]
    pub(crate) keep_weekly: Option<usize>,
}

impl KeepArgs {
    pub(crate) fn retention(self) -> Option<Retention> {
        let counts = [self.keep_last, self.keep_daily, self.keep_weekly];
        counts.iter().any(Option::is_some).then(|| {
            let [last, daily, weekly] = counts.map(Option::unwrap_or_default);
            Retention::last(last).with_daily(daily).with_weekly(weekly)
        })
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BackupsArgs {
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// The folder of the backups, or `r2://BUCKET/PREFIX` [default: .clodo/backups in the project]
    #[arg(long, value_name = "DIR", value_parser = backups_in)]
    pub(crate) from: Option<BackupsIn>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RestoreArgs {
    /// `latest` of the database, the name of a kept one, or a file
    #[arg(value_name = "BACKUP")]
    pub(crate) backup: String,
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// The folder of the backups, or `r2://BUCKET/PREFIX` [default: .clodo/backups in the project]
    #[arg(long, value_name = "DIR", value_parser = backups_in)]
    pub(crate) from: Option<BackupsIn>,
    /// Drop everything that the database holds; it is backed up first
    #[arg(long, conflicts_with_all = ["new", "into_file"])]
    pub(crate) over: bool,
    /// Restore into a new D1 database of this name, and say what to change so that Workers use it
    #[arg(long, value_name = "NAME", conflicts_with_all = ["sqlite", "into_file"])]
    pub(crate) new: Option<String>,
    /// Restore the backup of a D1 database into a new SQLite file
    #[arg(long, value_name = "FILE", conflicts_with = "sqlite")]
    pub(crate) into_file: Option<PathBuf>,
    /// Make the database when it is not there; on the local Cloudflare it is made in any case
    #[arg(long)]
    pub(crate) create: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DrillArgs {
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// The folder of the backups, or `r2://BUCKET/PREFIX` [default: .clodo/backups in the project]
    #[arg(long, value_name = "DIR", value_parser = backups_in)]
    pub(crate) from: Option<BackupsIn>,
    /// Take a backup now and use that
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Compare with the database as it is now
    #[arg(long)]
    pub(crate) compare: bool,
    /// How old the newest backup may be, as in `26h`
    #[arg(long, value_name = "TIME", value_parser = clodo_config::parse_time)]
    pub(crate) max_age: Option<Duration>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DownArgs {
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// Take back all that were applied after this one, which stays
    #[arg(long, value_name = "NAME", conflicts_with = "steps")]
    pub(crate) to: Option<String>,
    /// Take back so many, the last one first
    #[arg(long, value_name = "N", default_value = "1", value_parser = steps)]
    pub(crate) steps: usize,
    /// Show the very statements that would run, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

fn steps(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(0) | Err(_) => Err("is no number of migrations"),
        Ok(steps) => Ok(steps),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_told_from_a_folder() {
        let bucket = |bucket: &str, prefix: &str| BackupsIn::Bucket {
            bucket: bucket.parse().unwrap(),
            prefix: prefix.to_owned(),
        };
        assert_eq!(backups_in("backups"), Ok(BackupsIn::Folder("backups".into())));
        assert_eq!(backups_in("r2://safe"), Ok(bucket("safe", "")));
        assert_eq!(backups_in("r2://safe/"), Ok(bucket("safe", "")));
        assert_eq!(backups_in("r2://safe/a/b-1/"), Ok(bucket("safe", "a/b-1")));
        for wrong in [
            "",
            "r2:/x",
            "R2://safe",
            "s3://safe",
            "r2://",
            "r2:///x",
            "r2://Not OK",
            "r2://safe/../x",
            "r2://safe//x",
            "r2://safe/\u{1b}",
        ] {
            assert!(backups_in(wrong).is_err(), "{wrong:?}");
        }
    }
}
