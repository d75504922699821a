//! One file per command.

pub(crate) mod diff;
pub(crate) mod down;
pub(crate) mod env;
pub(crate) mod faults;
pub(crate) mod limits;
pub(crate) mod logs;
pub(crate) mod page;
pub(crate) mod requests;
pub(crate) mod reset;
pub(crate) mod restore;
mod running;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod trigger;
pub(crate) mod up;
