//! What a bucket was told about its objects: when they end, when they may not, and who hears of it.
//! The rules are written as Cloudflare's API writes them, and hold for Workers and the API alike.

use clodo_types::QueueId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All of a bucket's settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct BucketSettings {
    /// When objects and uploads end.
    pub lifecycle: Vec<LifecycleRule>,
    /// Which objects can be neither overwritten nor deleted.
    pub locks: Vec<LockRule>,
    /// Which queues hear of which changes.
    pub notifications: Vec<QueueRules>,
    /// What the engine keeps for others, and does not look at.
    pub other: BTreeMap<String, serde_json::Value>,
}

/// One rule of a lifecycle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleRule {
    /// Unique within the bucket.
    pub id: String,
    /// A rule that is not enabled does nothing.
    pub enabled: bool,
    /// Which objects it is about.
    #[serde(default)]
    pub conditions: LifecycleScope,
    /// Uploads in parts that were not completed by then are aborted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_multipart_uploads_transition: Option<Transition>,
    /// Objects are deleted then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_objects_transition: Option<Transition>,
    /// Objects change their storage class then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub storage_class_transitions: Vec<ClassTransition>,
}

/// Which objects a rule is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LifecycleScope {
    /// Those whose keys start with it.
    #[serde(default)]
    pub prefix: String,
}

/// Something that happens at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The moment.
    pub condition: LifecycleCondition,
}

/// A change of the storage class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClassTransition {
    /// The moment.
    pub condition: LifecycleCondition,
    /// The new class.
    pub storage_class: String,
}

/// When a rule of a lifecycle acts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum LifecycleCondition {
    /// When the object is that old.
    #[serde(rename_all = "camelCase")]
    Age {
        /// Seconds.
        max_age: i64,
    },
    /// On a day.
    Date {
        /// The day.
        date: Day,
    },
}

/// One rule that keeps objects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LockRule {
    /// Unique within the bucket.
    pub id: String,
    /// A rule that is not enabled keeps nothing.
    pub enabled: bool,
    /// Which objects: those whose keys start with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// How long.
    pub condition: LockCondition,
}

/// How long an object is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum LockCondition {
    /// Until it is that old.
    #[serde(rename_all = "camelCase")]
    Age {
        /// Seconds.
        max_age_seconds: i64,
    },
    /// Until a day.
    Date {
        /// The day.
        date: Day,
    },
    /// For ever.
    Indefinite,
}

/// What one queue hears of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueRules {
    /// The queue.
    pub queue_id: QueueId,
    /// Any of them suffices.
    pub rules: Vec<NotificationRule>,
}

/// One rule of notifications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotificationRule {
    /// Unique within the bucket.
    #[serde(default)]
    pub rule_id: String,
    /// When it was made, as text.
    #[serde(default)]
    pub created_at: String,
    /// What the user says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Keys start with it.
    #[serde(default)]
    pub prefix: String,
    /// Keys end with it.
    #[serde(default)]
    pub suffix: String,
    /// What happened.
    pub actions: Vec<ObjectAction>,
}

impl NotificationRule {
    /// Whether one change of one object can fall under both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let meet = |a: &str, b: &str| a.starts_with(b) || b.starts_with(a);
        let ends_meet = |a: &str, b: &str| a.ends_with(b) || b.ends_with(a);
        self.actions.iter().any(|action| other.actions.contains(action))
            && meet(&self.prefix, &other.prefix)
            && ends_meet(&self.suffix, &other.suffix)
    }
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectAction {
    /// It was written in one piece.
    PutObject,
    /// It was copied from another one; nothing here does that.
    CopyObject,
    /// It was written in parts.
    CompleteMultipartUpload,
    /// Somebody deleted it.
    DeleteObject,
    /// The lifecycle deleted it.
    LifecycleDeletion,
}

/// A day of the calendar in UTC, from an ISO 8601 date or date and time; the time does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day {
    text: String,
    millis: i64,
}

impl Day {
    /// When it begins, in milliseconds since the epoch.
    #[must_use]
    pub fn begins(&self) -> i64 {
        self.millis
    }
}

impl TryFrom<String> for Day {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match days(&text) {
            Some(days) => Ok(Self { millis: days * 86_400_000, text }),
            None => Err(format!("`{text}` is not a date such as 2026-12-31")),
        }
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.text
    }
}

/// Days since the epoch, by the usual formula over years that begin in March.
fn days(text: &str) -> Option<i64> {
    let (date, time) = text.split_at_checked(10)?;
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok().filter(|part| *part >= 0));
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let lengths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = usize::try_from(month - 1).ok().and_then(|month| lengths.get(month))?;
    if !(1..=*length).contains(&day) || !(time.is_empty() || time.starts_with(['T', ' '])) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// A moment in milliseconds since the epoch as ISO 8601 writes it.
pub(super) fn iso(millis: i64) -> String {
    let (days, rest) = (millis.div_euclid(86_400_000) + 719_468, millis.rem_euclid(86_400_000));
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (seconds, millis) = (rest / 1_000, rest % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

impl LifecycleCondition {
    /// Of things that began at or before this moment the condition holds.
    pub(super) fn reaches(&self, now: i64) -> Option<i64> {
        match self {
            Self::Age { max_age } => Some(now.saturating_sub(max_age.saturating_mul(1_000))),
            Self::Date { date } => (date.begins() <= now).then_some(now),
        }
    }
}

impl BucketSettings {
    /// Whether a rule keeps an object of that key and age.
    pub(super) fn keeps(&self, key: &str, uploaded: i64, now: i64) -> bool {
        let keeps = |rule: &LockRule| match &rule.condition {
            LockCondition::Age { max_age_seconds } => {
                now < uploaded.saturating_add(max_age_seconds.saturating_mul(1_000))
            }
            LockCondition::Date { date } => now < date.begins(),
            LockCondition::Indefinite => true,
        };
        let about = |rule: &&LockRule| {
            rule.enabled && key.starts_with(rule.prefix.as_deref().unwrap_or_default())
        };
        self.locks.iter().filter(about).any(keeps)
    }

    /// The queues that hear of it.
    pub(super) fn hearers(&self, action: ObjectAction, key: &str) -> Vec<QueueId> {
        let hears = |rule: &NotificationRule| {
            rule.actions.contains(&action)
                && key.starts_with(&rule.prefix)
                && key.ends_with(&rule.suffix)
        };
        let queues = self.notifications.iter().filter(|queue| queue.rules.iter().any(hears));
        queues.map(|queue| queue.queue_id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_the_epoch() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("1969-12-31", Some(-1)),
            ("2000-02-29", Some(11_016)),
            ("2026-11-20T16:00:00Z", Some(20_777)),
            ("2026-13-01", None),
            ("2026-04-31", None),
            ("2026-1-1", None),
            ("2026-01-01x", None),
            ("-026-01-01", None),
            ("", None),
            ("tomorrow, maybe", None),
        ] {
            assert_eq!(days(text), expected, "{text}");
        }
    }

    #[test]
    fn a_moment_prints_as_the_day_that_it_is_in() {
        for day in (-40_000..60_000).step_by(97) {
            let text = iso(day * 86_400_000 + 3_723_004);
            assert_eq!(days(&text), Some(day), "{text}");
            assert!(text.ends_with("T01:02:03.004Z"), "{text}");
        }
    }

    #[test]
    fn rules_are_read_as_the_api_writes_them() {
        let text = r#"{"id":"a","enabled":true,"conditions":{"prefix":"logs/"},
            "abortMultipartUploadsTransition":{"condition":{"type":"Age","maxAge":604800}},
            "deleteObjectsTransition":{"condition":{"type":"Date","date":"2026-12-01T00:00:00Z"}},
            "storageClassTransitions":[{"condition":{"type":"Age","maxAge":1},
                "storageClass":"InfrequentAccess"}]}"#;
        let rule: LifecycleRule = serde_json::from_str(text).unwrap();
        let again = serde_json::to_value(&rule).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(text).unwrap());
        for bad in [
            r#"{"id":"a","enabled":true,"condition":{"type":"Age"}}"#,
            r#"{"id":"a","enabled":true,"condition":{"type":"Date","date":"soon"}}"#,
            r#"{"id":"a","enabled":true,"condition":{"type":"Never"}}"#,
        ] {
            assert!(serde_json::from_str::<LockRule>(bad).is_err(), "{bad}");
        }
    }
}
