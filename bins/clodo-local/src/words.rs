//! Words of the command line that the library reads: checked while the arguments are, so that the
//! message names the argument.

use clodo_local::{FaultError, FaultKind, LimitWords, Limits, LimitsError, RoutePattern};

pub(crate) fn fault_kind(text: &str) -> Result<String, FaultError> {
    text.parse::<FaultKind>().map(|_| text.to_owned())
}

pub(crate) fn route(text: &str) -> Result<String, FaultError> {
    text.parse::<RoutePattern>().map(|_| text.to_owned())
}

pub(crate) fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a share lies between 0 and 1".to_owned())
}

pub(crate) fn limits(text: &str) -> Result<String, LimitsError> {
    read(text, LimitWords { limits: Some(text), ..LimitWords::default() })
}

pub(crate) fn plan(text: &str) -> Result<String, LimitsError> {
    read(text, LimitWords { plan: Some(text), ..LimitWords::default() })
}

pub(crate) fn time(text: &str) -> Result<String, LimitsError> {
    read(text, LimitWords { propagation: Some(text), ..LimitWords::default() })
}

fn read(text: &str, words: LimitWords<'_>) -> Result<String, LimitsError> {
    Limits::off().changed(words).map(|_| text.to_owned())
}
