//! ClickHouse's functions, as far as questions here may use them.

use clodo_sqlite::rusqlite::{
    Connection, Error, Result,
    functions::{Context, FunctionFlags},
    types::Value,
};

const FLAGS: FunctionFlags = FunctionFlags::SQLITE_UTF8.union(FunctionFlags::SQLITE_DETERMINISTIC);

/// Adds them; times are seconds since the epoch, and `now` is the moment of the question.
pub(super) fn install(db: &Connection, now: i64) -> Result<()> {
    db.create_scalar_function("now", 0, FLAGS, move |_| Ok(now))?;
    for same in ["toUInt32", "toUnixTimestamp", "toInt64"] {
        db.create_scalar_function(same, 1, FLAGS, |args| args.get::<Value>(0))?;
    }
    db.create_scalar_function("toDateTime", 1, FLAGS, moment)?;
    db.create_scalar_function("intDiv", 2, FLAGS, |args| {
        let (left, right) = (args.get::<i64>(0)?, args.get::<i64>(1)?);
        left.checked_div_euclid(right).ok_or_else(|| refused("intDiv() by zero"))
    })?;
    db.create_scalar_function("toStartOfInterval", 2, FLAGS, |args| {
        rounded(args.get(0)?, args.get(1)?)
    })?;
    for (name, seconds) in
        [("toStartOfMinute", 60), ("toStartOfHour", 3_600), ("toStartOfDay", 86_400)]
    {
        db.create_scalar_function(name, 1, FLAGS, move |args| rounded(args.get(0)?, seconds))?;
    }
    Ok(())
}

fn rounded(at: i64, seconds: i64) -> Result<i64> {
    match at.checked_rem_euclid(seconds) {
        Some(rest) if seconds > 0 => Ok(at - rest),
        _ => Err(refused("an interval must be longer than nothing")),
    }
}

/// A number as it is, a text such as `2026-11-20 12:00:00` in UTC.
fn moment(args: &Context<'_>) -> Result<i64> {
    match args.get::<Value>(0)? {
        Value::Integer(seconds) => Ok(seconds),
        Value::Text(text) => text
            .trim()
            .parse::<jiff::civil::DateTime>()
            .and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC))
            .map(|at| at.timestamp().as_second())
            .map_err(|_| refused("toDateTime() of a text that is no time")),
        _ => Err(refused("toDateTime() of something that is no time")),
    }
}

fn refused(why: &str) -> Error {
    Error::UserFunctionError(why.into())
}
