use crate::{
    lease_note::LeaseNote,
    leases::{Known, Whose},
    record::written,
    refusal::Refusal,
    thing::Thing,
};
use clodo_types::Timestamp;
use http::StatusCode;

/// A write that was not sent, for its lease or for another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaseRefusal {
    /// For logs and programs.
    pub(crate) word: &'static str,
    pub(crate) status: StatusCode,
    /// For people: who, since when, until when.
    pub(crate) message: String,
}

impl LeaseRefusal {
    /// There is a newer lease of the same name.
    pub(crate) fn superseded(note: &LeaseNote, newest: &Known) -> Self {
        let LeaseNote { name, number, .. } = note;
        let Known { number: newer, holder, since, until, .. } = newest;
        let (by, since) = (process(holder), written(*since));
        let end = match newest.released {
            Some(released) => format!("given back at {}", written(released)),
            None => format!("until {}", written(*until)),
        };
        Self::conflict(
            "lease_superseded",
            format!(
                "lease `{name}` number {number} is over: {by} has number {newer}, since {since}, {end}"
            ),
        )
    }

    /// The lease was given back.
    pub(crate) fn released(note: &LeaseNote, released: Timestamp) -> Self {
        let LeaseNote { name, number, .. } = note;
        let at = written(released);
        Self::conflict(
            "lease_released",
            format!("lease `{name}` number {number} is over: it was given back at {at}"),
        )
    }

    /// The lease has run out.
    pub(crate) fn expired(note: &LeaseNote, now: Timestamp) -> Self {
        let LeaseNote { name, number, until, .. } = note;
        let (until, now) = (written(*until), written(now));
        Self::conflict(
            "lease_expired",
            format!("lease `{name}` number {number} is over: it ended at {until}, and it is {now}"),
        )
    }

    /// The thing is another's at this moment.
    pub(crate) fn held(thing: &Thing, by: &Whose, holder: &Known, since: Timestamp) -> Self {
        let (name, number) = (&by.name, holder.number);
        let process = process(&holder.holder);
        let (since, until) = (written(since), written(holder.until));
        Self::conflict(
            "lease_held",
            format!(
                "{thing} is held by {process} under lease `{name}` number {number}, since {since}, until {until}"
            ),
        )
    }

    /// No lease lasts so long: one of the two clocks is wrong.
    pub(crate) fn too_far(note: &LeaseNote, now: Timestamp) -> Self {
        let LeaseNote { name, number, until, .. } = note;
        let (until, now) = (written(*until), written(now));
        let message = format!(
            "lease `{name}` number {number} lasts until {until}, and it is {now}: compare the clocks"
        );
        Self { status: StatusCode::BAD_REQUEST, ..Self::conflict("lease_too_far", message) }
    }

    fn conflict(word: &'static str, message: String) -> Self {
        let message = format!("clodo-gateway: {message}; nothing was sent");
        Self { word, status: StatusCode::CONFLICT, message }
    }
}

impl From<LeaseRefusal> for Refusal {
    fn from(refusal: LeaseRefusal) -> Self {
        Self::Lease(Box::new(refusal))
    }
}

/// `host:pid:start` as people say it.
fn process(holder: &str) -> String {
    let mut parts = holder.splitn(3, ':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(host), Some(pid), Some(_)) => format!("process {pid} on {host}"),
        _ => holder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_named_as_people_would() {
        assert_eq!(process("laptop-1:42:99"), "process 42 on laptop-1");
        assert_eq!(process("somebody"), "somebody");
    }
}
