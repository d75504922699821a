//! One file per command.

pub(crate) mod backup;
pub(crate) mod backups;
pub(crate) mod baseline;
pub(crate) mod diagnose;
pub(crate) mod diff;
pub(crate) mod down;
pub(crate) mod drill;
pub(crate) mod health;
pub(crate) mod lint;
pub(crate) mod local_cloud;
pub(crate) mod new;
pub(crate) mod query;
pub(crate) mod repair;
pub(crate) mod restore;
pub(crate) mod rewind;
pub(crate) mod seed;
pub(crate) mod shell;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod up;
pub(crate) mod verify;
