//! What workerd says when it refuses a config, and what follows from it.

use super::blueprint::Repairs;

/// Adds what the messages call for; false if they name nothing that could be left out.
pub(crate) fn repair(messages: &[String], repairs: &mut Repairs) -> bool {
    let before = repairs.clone();
    for message in messages {
        if let Some((service, binding)) = dangling(message) {
            repairs.dangling.insert((service, binding));
        } else if let Some((service, why)) = broken(message)
            && !service.starts_with("clodo:")
        {
            repairs.broken.entry(service.to_owned()).or_insert_with(|| readable(why));
        }
    }
    *repairs != before
}

/// The message as Cloudflare's API would show it: no service name, no made-up file URLs.
pub(crate) fn readable(message: &str) -> String {
    let message = broken(message).map_or(message, |(_, why)| why);
    message.replace("file:///bundle/", "")
}

/// The date in `…, but the newest date supported by this server binary is "2026-11-24".`
pub(crate) fn newest_date(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("the newest date supported by this server binary is \"")?;
    rest.split_once('"').map(|(date, _)| date)
}

/// `service NAME: WHY`. A service's name holds one `:` itself (script and version).
fn broken(message: &str) -> Option<(&str, &str)> {
    message.strip_prefix("service ")?.split_once(": ")
}

/// `Worker "SERVICE"'s binding "BINDING" refers to …`.
fn dangling(message: &str) -> Option<(String, String)> {
    let rest = message.strip_prefix("Worker \"")?;
    let (service, rest) = rest.split_once("\"'s binding \"")?;
    let (binding, _) = rest.split_once("\" refers to ")?;
    Some((service.to_owned(), binding.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_what_to_leave_out() {
        let mut repairs = Repairs::default();
        let messages = [
            "service a:1: Uncaught SyntaxError: Unexpected token\n  at file:///bundle/i.js:1:9",
            "Worker \"b:2\"'s binding \"C\" refers to service \"c:3\" with a named entrypoint \"X\"",
            "service clodo:ping: no such folder",
        ];
        assert!(repair(&messages.map(str::to_owned), &mut repairs));
        assert_eq!(repairs.broken["a:1"], "Uncaught SyntaxError: Unexpected token\n  at i.js:1:9");
        assert!(repairs.dangling.contains(&("b:2".to_owned(), "C".to_owned())));
        assert_eq!(repairs.broken.len(), 1);
        assert!(!repair(&messages.map(str::to_owned), &mut repairs), "nothing new");
    }

    #[test]
    fn the_newest_date_is_read_from_the_complaint() {
        let said = "service a:1: This Worker requires compatibility date \"2027-01-01\", but the \
                    newest date supported by this server binary is \"2026-11-24\".";
        assert_eq!(newest_date(said), Some("2026-11-24"));
        assert_eq!(newest_date("service a:1: something else"), None);
    }
}
