//! `onlyIf`, as HTTP's conditional requests are defined.

use clodo_types::Timestamp;

use super::{Conditions, EtagMatch, ObjectMeta};

impl Conditions {
    /// Whether they hold for what is stored.
    pub(super) fn hold_for(&self, stored: Option<&ObjectMeta>) -> bool {
        let Some(stored) = stored else {
            return self.etag_matches.is_empty() && self.uploaded_after.is_none();
        };
        let asks_match = !self.etag_matches.is_empty();
        let asks_other = !self.etag_does_not_match.is_empty();
        let matches = names(&self.etag_matches, &stored.etag, false);
        let other = !names(&self.etag_does_not_match, &stored.etag, true);
        if (asks_match && !matches) || (asks_other && !other) {
            return false;
        }
        // An etag that was asked for and held outweighs a date, which is less exact.
        let uploaded = self.rounded(stored.uploaded);
        let late = self.uploaded_before.is_some_and(|end| uploaded >= self.rounded(end));
        let early = self.uploaded_after.is_some_and(|start| uploaded <= self.rounded(start));
        (!late || asks_match) && (!early || asks_other)
    }

    fn rounded(&self, moment: Timestamp) -> i64 {
        let millis = moment.as_millis();
        if self.seconds_granularity { millis.div_euclid(1_000) * 1_000 } else { millis }
    }
}

fn names(alternatives: &[EtagMatch], etag: &str, weak_counts: bool) -> bool {
    alternatives.iter().any(|alternative| match alternative {
        EtagMatch::Any => true,
        EtagMatch::Strong(value) => value == etag,
        EtagMatch::Weak(value) => weak_counts && value == etag,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::r2::{Checksums, HttpFields};

    fn stored() -> ObjectMeta {
        ObjectMeta {
            key: "k".parse().unwrap(),
            version: "v".into(),
            size: 1,
            etag: "e".into(),
            uploaded: Timestamp::from_millis(10_500),
            http: HttpFields::default(),
            custom: Vec::new(),
            checksums: Checksums::default(),
            storage_class: "Standard".into(),
            ssec_key_md5: None,
        }
    }

    #[test]
    fn conditions_hold_as_in_http() {
        let etag = |text: &str| vec![EtagMatch::Strong(text.into())];
        let weak = vec![EtagMatch::Weak("e".into())];
        let at = |millis| Some(Timestamp::from_millis(millis));
        let none = Conditions::default;
        for (conditions, for_stored, for_missing) in [
            (none(), true, true),
            (Conditions { etag_matches: etag("e"), ..none() }, true, false),
            (Conditions { etag_matches: etag("x"), ..none() }, false, false),
            (Conditions { etag_matches: weak.clone(), ..none() }, false, false),
            (Conditions { etag_matches: vec![EtagMatch::Any], ..none() }, true, false),
            (Conditions { etag_does_not_match: etag("e"), ..none() }, false, true),
            (Conditions { etag_does_not_match: weak, ..none() }, false, true),
            (Conditions { etag_does_not_match: vec![EtagMatch::Any], ..none() }, false, true),
            (Conditions { uploaded_before: at(10_501), ..none() }, true, true),
            (Conditions { uploaded_before: at(10_500), ..none() }, false, true),
            (Conditions { uploaded_after: at(10_499), ..none() }, true, false),
            (Conditions { uploaded_after: at(10_500), ..none() }, false, false),
            (
                Conditions { uploaded_after: at(10_000), seconds_granularity: true, ..none() },
                false,
                false,
            ),
            (Conditions { etag_matches: etag("e"), uploaded_before: at(0), ..none() }, true, false),
        ] {
            assert_eq!(conditions.hold_for(Some(&stored())), for_stored, "{conditions:?}");
            assert_eq!(conditions.hold_for(None), for_missing, "{conditions:?}");
        }
    }
}
