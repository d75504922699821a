use std::{fmt, str::FromStr, time::Duration};

/// A budget that a person sets, such as `30/10s`: at most so many calls in each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetCap {
    calls: u64,
    window: Duration,
}

/// A text is no budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a budget is written as calls per time, such as `30/10s` or `1200/5m`, up to an hour")]
pub struct BudgetCapError;

impl BudgetCap {
    /// `calls` in each `window`.
    ///
    /// # Errors
    /// When either is zero, or the window is longer than an hour.
    pub fn new(calls: u64, window: Duration) -> Result<Self, BudgetCapError> {
        let hour = Duration::from_secs(3600);
        if calls == 0 || window.is_zero() || window > hour {
            return Err(BudgetCapError);
        }
        Ok(Self { calls, window })
    }

    /// Calls in a window.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Length of a window.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.window
    }
}

impl FromStr for BudgetCap {
    type Err = BudgetCapError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (calls, window) = text.split_once('/').ok_or(BudgetCapError)?;
        let window = seconds(window).ok_or(BudgetCapError)?;
        Self::new(calls.parse().map_err(|_| BudgetCapError)?, Duration::from_secs(window))
    }
}

/// `10s`, `5m`, `1h`; also `s`, `m`, `h` for one of them.
fn seconds(text: &str) -> Option<u64> {
    let unit: u64 = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3600,
        _ => return None,
    };
    let number = &text[..text.len() - 1];
    let number = if number.is_empty() { 1 } else { number.parse().ok()? };
    unit.checked_mul(number)
}

impl fmt::Display for BudgetCap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}s", self.calls, self.window.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_read_as_it_is_written() {
        for (text, calls, seconds) in
            [("30/10s", 30, 10), ("1200/5m", 1200, 300), ("1/h", 1, 3600), ("4/s", 4, 1)]
        {
            let cap: BudgetCap = text.parse().unwrap();
            assert_eq!((cap.calls(), cap.window().as_secs()), (calls, seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_budget_is_refused() {
        for text in [
            "",
            "30",
            "30/",
            "/10s",
            "0/10s",
            "30/0s",
            "30/10",
            "30/2h",
            "-1/10s",
            "30/10ms",
            "30/é",
            "99999999999999999999/1s",
            "1/99999999999999999999s",
            "1/18446744073709551615h",
        ] {
            assert_eq!(text.parse::<BudgetCap>(), Err(BudgetCapError), "{text:?}");
        }
    }
}
