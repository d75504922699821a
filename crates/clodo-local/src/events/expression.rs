//! Cron expressions as Cloudflare reads them: five fields, days of the week from 1 (Sunday) to 7,
//! names, lists, ranges that may wrap, steps, and Quartz's `L`, `W` and `#`.

use clodo_types::Timestamp;
use std::{ops::RangeInclusive, str::FromStr};

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// When a schedule runs, to the minute, in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: Set,
    hours: Set,
    months: Set,
    days: DaysOfMonth,
    weekdays: DaysOfWeek,
}

/// Text that Cloudflare does not take for a cron expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid cron string")]
pub(crate) struct CronError;

/// Numbers below 64, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set(u64);

impl Set {
    fn holds(self, value: i8) -> bool {
        u32::try_from(value).is_ok_and(|value| self.0 >> value & 1 == 1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DaysOfMonth {
    Any,
    In(Set),
    /// `L-n`: days before the last one.
    Last(i8),
    /// `LW`, `L-nW`: the weekday nearest to that day.
    LastWeekday(i8),
    /// `nW`
    NearestWeekday(i8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DaysOfWeek {
    Any,
    In(Set),
    /// `nL`: the last one of the month.
    Last(i8),
    /// `n#k`
    Nth(i8, i8),
}

/// What one field may hold.
struct Field {
    range: RangeInclusive<u8>,
    names: &'static [&'static str],
}

impl Field {
    fn number(&self, text: &str) -> Result<u8, CronError> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        if let Some(at) = named {
            return u8::try_from(at + 1).map_err(|_| CronError);
        }
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        number.filter(|number| self.range.contains(number)).ok_or(CronError)
    }

    /// `a`, `a-b`, `a/s`, `a-b/s` or `*/s`, separated by commas.
    fn list(&self, text: &str) -> Result<Set, CronError> {
        let mut set = 0;
        for part in text.split(',') {
            for value in self.part(part)? {
                set |= 1 << value;
            }
        }
        Ok(Set(set))
    }

    fn part(&self, text: &str) -> Result<Vec<u8>, CronError> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (text, None),
        };
        let (start, end) = match (range, range.split_once('-'), step) {
            ("*", _, Some(_)) => (*self.range.start(), *self.range.end()),
            (_, Some((start, end)), _) => (self.number(start)?, self.number(end)?),
            (_, None, Some(_)) => (self.number(range)?, *self.range.end()),
            (_, None, None) => return Ok(vec![self.number(range)?]),
        };
        // A range that ends before it starts goes round, such as FRI-MON.
        let all: Vec<u8> = if start <= end {
            (start..=end).collect()
        } else {
            (start..=*self.range.end()).chain(*self.range.start()..=end).collect()
        };
        Ok(all.into_iter().step_by(step.unwrap_or(1).into()).collect())
    }

    fn step(&self, text: &str) -> Result<u8, CronError> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let step: u8 = if digits { text.parse().map_err(|_| CronError)? } else { 0 };
        // A step of 0 never ends; one beyond the field can only be a mistake.
        (1..=*self.range.end()).contains(&step).then_some(step).ok_or(CronError)
    }

    fn list_or_any(&self, text: &str) -> Result<Set, CronError> {
        if text == "*" {
            return Ok(Set(self.range.clone().fold(0, |set, value| set | 1 << value)));
        }
        self.list(text)
    }
}

fn small(number: u8) -> i8 {
    i8::try_from(number).unwrap_or(i8::MAX)
}

fn days_of_month(text: &str) -> Result<DaysOfMonth, CronError> {
    let field = Field { range: 1..=31, names: &[] };
    if text == "*" {
        return Ok(DaysOfMonth::Any);
    }
    if let Some(rest) = text.strip_prefix('L') {
        let (rest, weekday) = rest.strip_suffix('W').map_or((rest, false), |rest| (rest, true));
        let before = match rest.strip_prefix('-') {
            Some(number) => field.number(number).ok().filter(|n| *n <= 30).ok_or(CronError)?,
            None if rest.is_empty() => 0,
            None => return Err(CronError),
        };
        let before = small(before);
        return Ok(if weekday {
            DaysOfMonth::LastWeekday(before)
        } else {
            DaysOfMonth::Last(before)
        });
    }
    if let Some(day) = text.strip_suffix('W') {
        return Ok(DaysOfMonth::NearestWeekday(small(field.number(day)?)));
    }
    field.list(text).map(DaysOfMonth::In)
}

fn days_of_week(text: &str) -> Result<DaysOfWeek, CronError> {
    let field = Field { range: 1..=7, names: &DAYS };
    if text == "*" {
        return Ok(DaysOfWeek::Any);
    }
    if text == "L" {
        return Ok(DaysOfWeek::In(Set(1 << 7)));
    }
    if let Some((day, nth)) = text.split_once('#') {
        let nth = Field { range: 1..=5, names: &[] }.number(nth)?;
        return Ok(DaysOfWeek::Nth(small(field.number(day)?), small(nth)));
    }
    if let Some(day) = text.strip_suffix('L') {
        return Ok(DaysOfWeek::Last(small(field.number(day)?)));
    }
    field.list(text).map(DaysOfWeek::In)
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let mut fields = text.split([' ', '\t']).filter(|field| !field.is_empty());
        let mut next = || fields.next().ok_or(CronError);
        let plain = |range| Field { range, names: &[] };
        let cron = Self {
            minutes: plain(0..=59).list_or_any(next()?)?,
            hours: plain(0..=23).list_or_any(next()?)?,
            days: days_of_month(next()?)?,
            months: Field { range: 1..=12, names: &MONTHS }.list_or_any(next()?)?,
            weekdays: days_of_week(next()?)?,
        };
        let edges = text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
        if fields.next().is_some() || edges { Err(CronError) } else { Ok(cron) }
    }
}

impl Cron {
    /// Whether it runs in the minute of `at`.
    pub(crate) fn runs_at(&self, at: Timestamp) -> bool {
        let Ok(at) = jiff::Timestamp::from_millisecond(at.as_millis()) else { return false };
        let at = at.to_zoned(jiff::tz::TimeZone::UTC);
        self.minutes.holds(at.minute())
            && self.hours.holds(at.hour())
            && self.months.holds(at.month())
            && self.runs_on(at.date())
    }

    /// Where both kinds of days are given, either will do.
    fn runs_on(&self, date: jiff::civil::Date) -> bool {
        match (self.days, self.weekdays) {
            (DaysOfMonth::Any, DaysOfWeek::Any) => true,
            (DaysOfMonth::Any, weekdays) => weekdays.holds(date),
            (days, DaysOfWeek::Any) => days.holds(date),
            (days, weekdays) => days.holds(date) || weekdays.holds(date),
        }
    }
}

impl DaysOfMonth {
    fn holds(self, date: jiff::civil::Date) -> bool {
        let (day, last) = (date.day(), date.days_in_month());
        match self {
            Self::Any => true,
            Self::In(days) => days.holds(day),
            Self::Last(before) => day == last - before,
            Self::LastWeekday(before) => nearest_weekday(date, last - before) == Some(day),
            Self::NearestWeekday(wanted) => nearest_weekday(date, wanted) == Some(day),
        }
    }
}

/// The weekday nearest to a day of the date's month, in the same month.
fn nearest_weekday(date: jiff::civil::Date, day: i8) -> Option<i8> {
    let wanted = jiff::civil::Date::new(date.year(), date.month(), day).ok()?;
    let last = date.days_in_month();
    Some(match wanted.weekday() {
        jiff::civil::Weekday::Saturday if day == 1 => 3,
        jiff::civil::Weekday::Saturday => day - 1,
        jiff::civil::Weekday::Sunday if day == last => day - 2,
        jiff::civil::Weekday::Sunday => day + 1,
        _ => day,
    })
}

impl DaysOfWeek {
    fn holds(self, date: jiff::civil::Date) -> bool {
        let weekday = date.weekday().to_sunday_one_offset();
        match self {
            Self::Any => true,
            Self::In(days) => days.holds(weekday),
            Self::Last(day) => weekday == day && date.day() + 7 > date.days_in_month(),
            Self::Nth(day, nth) => weekday == day && (date.day() - 1) / 7 + 1 == nth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, proptest};

    fn at(text: &str) -> Timestamp {
        let time: jiff::Timestamp = format!("{text}:00Z").parse().unwrap();
        Timestamp::from_millis(time.as_millisecond())
    }

    /// The days of a month (`YYYY-MM`) at noon on which an expression runs.
    fn days(cron: &str, month: &str) -> Vec<u8> {
        let cron: Cron = cron.parse().unwrap();
        let first: jiff::civil::Date = format!("{month}-01").parse().unwrap();
        let days = 1..=u8::try_from(first.days_in_month()).unwrap();
        days.filter(|day| cron.runs_at(at(&format!("{month}-{day:02}T12:00")))).collect()
    }

    #[test]
    fn minutes_and_hours() {
        for (cron, hit, miss) in [
            ("* * * * *", "2026-11-20T16:33", None),
            ("*/5 * * * *", "2026-11-20T16:35", Some("2026-11-20T16:33")),
            ("2-40/3,59 * * * *", "2026-11-20T16:59", Some("2026-11-20T16:41")),
            ("7/20 * * * *", "2026-11-20T16:47", Some("2026-11-20T16:20")),
            ("50-10 * * * *", "2026-11-20T16:05", Some("2026-11-20T16:11")),
            ("0 22-2 * * *", "2026-11-20T01:00", Some("2026-11-20T03:00")),
            ("0 8,20 * * *", "2026-11-20T20:00", Some("2026-11-20T20:01")),
            ("30 3 * feb-mar *", "2026-03-31T03:30", Some("2026-04-01T03:30")),
        ] {
            let cron: Cron = cron.parse().unwrap();
            assert!(cron.runs_at(at(hit)), "{cron:?}");
            assert!(miss.is_none_or(|miss| !cron.runs_at(at(miss))), "{cron:?}");
        }
    }

    // November 2026 begins on a Sunday and ends on a Monday.
    #[test]
    fn days_of_the_month_and_of_the_week() {
        for (cron, month, expected) in [
            ("0 12 L * *", "2026-11", vec![30]),
            ("0 12 L-2 * *", "2026-02", vec![26]),
            ("0 12 LW * *", "2026-10", vec![30]),
            ("0 12 L-1W * *", "2026-11", vec![30]),
            ("0 12 15W * *", "2026-11", vec![16]),
            ("0 12 14W * *", "2026-11", vec![13]),
            ("0 12 1W * *", "2026-08", vec![3]),
            ("0 12 31W * *", "2026-05", vec![29]),
            ("0 12 31W * *", "2026-04", vec![]),
            ("0 12 * * 1", "2026-11", vec![1, 8, 15, 22, 29]),
            ("0 12 * * sun", "2026-11", vec![1, 8, 15, 22, 29]),
            ("0 12 * * L", "2026-11", vec![7, 14, 21, 28]),
            ("0 12 * * 2L", "2026-11", vec![30]),
            ("0 12 * * MON#1", "2026-11", vec![2]),
            ("0 12 * * 1#5", "2026-11", vec![29]),
            ("0 12 * * 7#5", "2026-11", vec![]),
            ("0 12 * * FRI-SUN/2", "2026-11", vec![1, 6, 8, 13, 15, 20, 22, 27, 29]),
            ("0 12 3 * 2", "2026-11", vec![2, 3, 9, 16, 23, 30]),
            ("0 12 */10 * *", "2026-11", vec![1, 11, 21]),
        ] {
            assert_eq!(days(cron, month), expected, "{cron}");
        }
    }

    #[test]
    fn what_cloudflare_does_not_take() {
        for bad in [
            "",
            "*",
            "* * * *",
            "* * * * * *",
            " * * * * *",
            "* * * * * ",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * 32 * *",
            "* * * 0 *",
            "* * * 13 *",
            "* * * * 0",
            "* * * * 8",
            "*/0 * * * *",
            "*/60 * * * *",
            "1- * * * *",
            "-1 * * * *",
            "1,,2 * * * *",
            "a * * * *",
            "*,* * * * *",
            "* * LX * *",
            "* * L-31 * *",
            "* * W * *",
            "* * * * 2#6",
            "* * * * 2#0",
            "* * * * #1",
            "* * * JANUARY *",
            "+1 * * * *",
            "1.5 * * * *",
            "٣ * * * *",
            "* * * * MON,L",
            "@daily",
            "1/2/3 * * * *",
            "1-2-3 * * * *",
        ] {
            assert_eq!(bad.parse::<Cron>(), Err(CronError), "{bad}");
        }
    }

    fn field(range: RangeInclusive<u8>) -> impl Strategy<Value = String> {
        (range.clone(), range.clone(), 1..=*range.end(), 0..5_u8).prop_map(|(a, b, step, form)| {
            match form {
                0 => "*".to_owned(),
                1 => format!("{a}"),
                2 => format!("{a}-{b}"),
                3 => format!("{a}-{b}/{step}"),
                _ => format!("*/{step},{b}"),
            }
        })
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[ -~]{0,40}") {
            let _ = text.parse::<Cron>();
        }

        // An expression runs in a minute exactly if every field, alone, runs in it.
        #[test]
        fn fields_are_independent(
            minute in field(0..=59), hour in field(0..=23), month in field(1..=12),
            millis in 0..4_000_000_000_000_i64,
        ) {
            let at = Timestamp::from_millis(millis);
            let runs = |text: String| text.parse::<Cron>().unwrap().runs_at(at);
            let each = runs(format!("{minute} * * * *"))
                && runs(format!("* {hour} * * *"))
                && runs(format!("* * * {month} *"));
            assert_eq!(runs(format!("{minute} {hour} * {month} *")), each);
        }
    }
}
