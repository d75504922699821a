use crate::span;
use std::{fmt, str::FromStr, time::Duration};

/// So many calls per window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub calls: u32,
    /// In which time.
    pub window: Duration,
}

impl FromStr for Rate {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (calls, window) = text.split_once('/').ok_or(())?;
        let calls = calls.parse().ok().filter(|calls| *calls > 0).ok_or(())?;
        let window = span::parse(window).filter(|window| !window.is_zero()).ok_or(())?;
        Ok(Self { calls, window })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.calls, span::show(self.window))
    }
}

/// What an account pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Workers Free.
    Free,
    /// Workers Paid.
    Paid,
}

impl Plan {
    /// `free` or `paid`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Paid => "paid",
        }
    }
}

impl FromStr for Plan {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "free" => Ok(Self::Free),
            "paid" => Ok(Self::Paid),
            _ => Err(()),
        }
    }
}
