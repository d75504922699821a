use crate::{
    budget::{BudgetReport, BudgetWord, Settled},
    lease::after,
};
use clodo_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Cloudflare's limit for one token, until answers say something else.
const GUESS: (u64, Duration) = (1200, Duration::from_secs(300));
/// The longest wait that a server can talk us into.
const LONGEST: Duration = Duration::from_secs(3600);
/// Servers name the end of a window in whole seconds, so it may be up to one second later.
const MARGIN: Duration = Duration::from_secs(1);
/// How long a new window's first call may take to bring word of it; then the rest is given out
/// without.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a new window's first call waits for the last ones of the window before: what they
/// bring would be taken for word of the new one.
const SETTLING: Duration = Duration::from_secs(2);
/// A call that was taken this long ago is not waited for.
const STALE: Duration = Duration::from_secs(10);
/// How soon to ask again when calls that are under way must end first.
const AGAIN: Duration = Duration::from_millis(250);
/// How soon to ask again when only what others do not use may come back.
const LEFTOVERS: Duration = Duration::from_secs(1);
/// How long a call of an earlier window may still arrive at the server.
const LATE: Duration = Duration::from_secs(60);

/// How one budget of calls stands: the arithmetic that every
/// [`BudgetStore`](crate::BudgetStore) does, in a form that can be written down.
///
/// Three numbers limit what is given out. What this side counted; what the server said that is
/// left; and from that, the calls that were given out and have not ended, since nobody knows
/// whether the server has counted them. So near its end a window's calls are given out only as
/// earlier ones end, and calls of others, late calls and windows that slide cost no refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetLedger {
    quota: u64,
    window: Duration,
    /// Whether there is a limit at all.
    limited: bool,
    /// The number of the present window; 0 before the first.
    number: u64,
    opened_at: Timestamp,
    ends_at: Timestamp,
    /// When the first and the last calls of the window were given out.
    first_at: Option<Timestamp>,
    last_at: Timestamp,
    /// Until then the last calls of the window before are waited for.
    settles_at: Timestamp,
    /// What is left of the window by our count.
    left: u64,
    /// The least that the server said is left of it.
    heard: Option<u64>,
    /// Answers since then that said nothing.
    silent: u64,
    /// Calls of this window that were given out and have not ended.
    out: u64,
    /// The same of windows before.
    late: Vec<Late>,
    /// Nothing may be sent before this.
    refused_until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Late {
    window: u64,
    calls: u64,
    until: Timestamp,
}

/// The answer to who asks for calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BudgetGrant {
    /// Calls may be made.
    Granted {
        /// How many.
        calls: u64,
        /// The number of their window.
        window: u64,
        /// Those that are not made before this must not be made any more.
        until: Timestamp,
        /// The server has not spoken of this window yet: whoever hears a word tells it at once.
        first: bool,
    },
    /// None is left.
    Wait {
        /// When to ask again; maybe in vain.
        until: Timestamp,
    },
}

/// How a budget stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetView {
    /// Calls in a whole window.
    pub quota: u64,
    /// Length of a window.
    pub window: Duration,
    /// Whether callers are held up at all: false until the server speaks of a limit.
    pub limited: bool,
    /// Calls that are left in the present window.
    pub remaining: u64,
    /// Calls that were taken and have not ended.
    pub out: u64,
    /// When the present window ends; none when no window has begun.
    pub resets_at: Option<Timestamp>,
    /// Until when the server refuses everything.
    pub refused_until: Option<Timestamp>,
}

impl Default for BudgetLedger {
    fn default() -> Self {
        let epoch = Timestamp::from_millis(0);
        Self {
            quota: GUESS.0,
            window: GUESS.1,
            limited: false,
            number: 0,
            opened_at: epoch,
            ends_at: epoch,
            first_at: None,
            last_at: epoch,
            settles_at: epoch,
            left: GUESS.0,
            heard: None,
            silent: 0,
            out: 0,
            late: Vec::new(),
            refused_until: None,
        }
    }
}

impl BudgetLedger {
    /// Takes up to `calls` calls.
    pub fn take(&mut self, calls: u64, now: Timestamp) -> BudgetGrant {
        if let Some(until) = self.refused_until.filter(|until| now < *until) {
            return BudgetGrant::Wait { until };
        }
        if !self.is_open(now) {
            self.open(now, after(now, self.window));
        }
        if self.ends_at <= now {
            return BudgetGrant::Wait { until: after(self.ends_at, MARGIN) };
        }
        let calls = calls.min(self.free(now));
        if calls == 0 {
            return BudgetGrant::Wait { until: self.worth_asking(now) };
        }
        self.left = self.left.saturating_sub(calls);
        self.out += calls;
        self.first_at.get_or_insert(now);
        self.last_at = now;
        let first = self.heard.is_none();
        BudgetGrant::Granted { calls, window: self.number, until: self.ends_at, first }
    }

    /// Hears what became of calls, and what the server said.
    pub fn hear(&mut self, report: &BudgetReport) {
        if let Some(word) = &report.word {
            self.learn(word, report.now);
        }
        // Afterwards: nobody knows whether the word counts the answers that said nothing.
        for settled in &report.settled {
            self.settle(settled);
        }
    }

    /// How it stands.
    #[must_use]
    pub fn view(&self, now: Timestamp) -> BudgetView {
        let open = self.is_open(now);
        BudgetView {
            quota: self.quota,
            window: self.window,
            limited: self.limited,
            remaining: if open { self.left } else { self.quota },
            out: self.out + self.late(now),
            resets_at: open.then_some(self.ends_at),
            refused_until: self.refused_until.filter(|until| now < *until),
        }
    }

    fn is_open(&self, now: Timestamp) -> bool {
        self.number > 0 && now < after(self.ends_at, MARGIN)
    }

    fn open(&mut self, now: Timestamp, ends_at: Timestamp) {
        self.late.retain(|late| late.calls > 0 && now < late.until);
        if self.out > 0 {
            let until = after(now, LATE);
            self.late.push(Late { window: self.number, calls: self.out, until });
        }
        self.settles_at = after(now, SETTLING).min(after(self.last_at, STALE));
        self.number += 1;
        (self.opened_at, self.ends_at, self.first_at) = (now, ends_at, None);
        (self.left, self.heard, self.silent, self.out) = (self.quota, None, 0, 0);
    }

    /// Calls that may be given out.
    fn free(&self, now: Timestamp) -> u64 {
        if !self.limited {
            return u64::MAX;
        }
        let sure = match self.heard {
            Some(heard) => heard.saturating_sub(self.silent + self.out + self.late(now)),
            None => match self.first_at {
                None if self.late(now) > 0 && now < self.settles_at => 0,
                None => 1,
                Some(first) if now < after(first, PATIENCE) => 0,
                Some(_) => self.left,
            },
        };
        sure.min(self.left)
    }

    fn late(&self, now: Timestamp) -> u64 {
        let late = self.late.iter().filter(|late| now < late.until);
        late.map(|late| late.calls).sum()
    }

    /// When something may have changed.
    fn worth_asking(&self, now: Timestamp) -> Timestamp {
        let opens = after(self.ends_at, MARGIN);
        let soon = match self.heard {
            _ if self.left == 0 && self.out == 0 => opens,
            _ if self.left == 0 => after(now, LEFTOVERS),
            None => after(now, AGAIN).min(after(self.first_at.unwrap_or(now), PATIENCE)),
            Some(_) => after(now, AGAIN),
        };
        soon.min(opens)
    }

    fn settle(&mut self, settled: &Settled) {
        let gone = settled.ended + settled.unused;
        if settled.window != self.number {
            let late = self.late.iter_mut().find(|late| late.window == settled.window);
            if let Some(late) = late {
                late.calls = late.calls.saturating_sub(gone);
            }
            return;
        }
        self.out = self.out.saturating_sub(gone);
        self.left = self.left.saturating_add(settled.unused).min(self.quota);
        self.silent += settled.silent;
    }

    fn learn(&mut self, word: &BudgetWord, now: Timestamp) {
        let Some(remaining) = word.remaining.or(word.refused_until.map(|_| 0)) else { return };
        self.limited = true;
        self.quota = word.quota.unwrap_or(self.quota).max(1);
        self.window = word.window.unwrap_or(self.window).min(LONGEST);
        let latest = after(now, LONGEST);
        if let Some(until) = word.refused_until {
            self.refused_until = self.refused_until.max(Some(until.min(latest)));
        }
        // A late word speaks of a window that has ended since.
        if word.remaining.is_none() || (self.is_open(now) && word.at < self.opened_at) {
            return;
        }
        let ends_at = word.resets_at.map(|at| at.min(latest));
        if !self.is_open(now) {
            self.open(now, ends_at.unwrap_or_else(|| after(now, self.window)));
        }
        match ends_at {
            // The server began a new window before we thought that it would. A slow answer, too,
            // seems to speak of a later end, but never of one that much later.
            Some(at) if after(self.ends_at, self.window / 2) < at => {
                self.ends_at = at;
                (self.left, self.heard, self.silent) = (remaining, Some(remaining), 0);
                return;
            }
            Some(at) => self.ends_at = self.ends_at.min(at),
            None => {}
        }
        // Answers arrive out of order: within one window the smaller number is the newer one.
        if self.heard.is_none_or(|heard| remaining < heard) {
            self.heard = Some(remaining);
            self.silent = 0;
        }
        self.left = self.left.min(remaining);
    }
}
