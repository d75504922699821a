//! D1 time travel: bookmarks of the past, and going back to them.

use super::{
    call::Call,
    d1,
    error::ApiError,
    reply::{Answer, Reply},
};
use crate::state::ids::Moment;
use clodo_storage::{Bookmark, TravelTo};
use clodo_types::Timestamp;
use serde_json::json;

/// `GET …/{database}/time_travel/bookmark[?timestamp=]`: the newest at or before the timestamp.
pub(super) async fn bookmark(call: Call) -> Answer {
    let at = d1::reference(call.account()?.id(), &d1::database(&call)?.id)?;
    let bookmark = match timestamp(&call)? {
        Some(moment) => call.cx.data.d1.bookmark_at(&at, moment).await?,
        None => call.cx.data.d1.info(&at).await?.bookmark,
    };
    Reply::ok(&json!({ "bookmark": bookmark.to_string() }))
}

/// `POST …/{database}/time_travel/restore?bookmark=|timestamp=`
pub(super) async fn restore(call: Call) -> Answer {
    let at = d1::reference(call.account()?.id(), &d1::database(&call)?.id)?;
    let bookmark = call.query.get("bookmark").filter(|text| !text.is_empty());
    let to = match (bookmark, timestamp(&call)?) {
        (Some(_), Some(_)) => {
            return Err(invalid("`bookmark` and `timestamp` cannot both be given."));
        }
        (Some(text), None) => {
            let bookmark = text.parse::<Bookmark>();
            TravelTo::Bookmark(bookmark.map_err(|_| invalid(format!("Invalid bookmark: {text}")))?)
        }
        (None, Some(moment)) => TravelTo::Moment(moment),
        (None, None) => return Err(invalid("Either `bookmark` or `timestamp` is required.")),
    };
    let travelled = call.cx.data.d1.restore(&at, to).await?;
    let (bookmark, previous) = (travelled.bookmark.to_string(), travelled.previous.to_string());
    let message = "Database restored. To undo this, restore to `previous_bookmark`.";
    Reply::ok(&json!({
        "bookmark": bookmark,
        "previous_bookmark": previous,
        "message": message,
    }))
}

/// The moment that is asked for, if any; one before the database was made is an error.
fn timestamp(call: &Call) -> Result<Option<Timestamp>, ApiError> {
    let Some(text) = call.query.get("timestamp").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    // A `+` of an offset that nobody encoded was read as a space.
    let Ok(moment) = text.replace(' ', "+").parse::<jiff::Timestamp>() else {
        return Err(invalid(format!("Invalid timestamp: {text}. It must be an ISO 8601 date.")));
    };
    let moment = Timestamp::from_millis(moment.as_millisecond());
    if Moment::at(moment) > call.state().now() {
        return Err(invalid("The timestamp lies in the future."));
    }
    // What is compared has milliseconds only.
    let created = d1::database(call)?.created_on.micros().div_euclid(1_000);
    if moment.as_millis() < created {
        return Err(invalid("The timestamp lies before the database was created."));
    }
    Ok(Some(moment))
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::bad_request(7400, message)
}
