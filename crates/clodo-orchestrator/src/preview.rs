use clodo_types::{CustomerName, EnvironmentName, ServiceName, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The longest name of a preview, so that enough of a Worker's own name stays before it.
const LONGEST: usize = 28;
/// The most characters that a digest takes which stands for what was cut: `-1a2b3c`.
const DIGEST: usize = 7;
/// The most characters of the maker that a tag keeps.
const LONGEST_MAKER: usize = 40;

/// A preview's name: 1 to 28 of a-z, 0-9 and single inner `-`, as it stands in hostnames.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PreviewName(String);

/// No name of a preview can be made of a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` holds no letter or digit to name a preview by")]
pub struct PreviewNameError {
    given: String,
}

impl PreviewName {
    /// Makes a name of any text, such as a branch's: in lower case, with `-` for what a hostname
    /// cannot hold, cut with a digest when it is too long. What reads the same then is the same.
    ///
    /// # Errors
    /// When nothing of it can stand in a hostname.
    pub fn of_text(text: &str) -> Result<Self, PreviewNameError> {
        let lower = text.to_ascii_lowercase();
        let parts = lower.split(|c: char| !c.is_ascii_alphanumeric());
        let slug = parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
        match slug.len() {
            0 => Err(PreviewNameError { given: text.chars().take(80).collect() }),
            1..=LONGEST => Ok(Self(slug)),
            _ => Ok(Self(cut(&slug, LONGEST))),
        }
    }

    /// Borrows the checked text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What ends the name of everything that a preview has: `-pr-<name>`.
    #[must_use]
    pub fn suffix(&self) -> String {
        format!("-pr-{}", self.0)
    }

    /// What the preview's copy of something is called; at most `limit` characters, which is at least
    /// 63, the part before the suffix cut with a digest when it would be more.
    #[must_use]
    pub fn name_of_copy(&self, original: &str, limit: usize) -> String {
        let suffix = self.suffix();
        let room = limit.saturating_sub(suffix.len());
        match original.len() {
            length if length <= room => format!("{original}{suffix}"),
            _ => format!("{}{suffix}", cut(original, room)),
        }
    }

    /// The environment as which the preview's targets stand in plans and in the history.
    ///
    /// # Panics
    /// Never: what a hostname can hold, an environment's name can.
    #[must_use]
    pub fn environment(&self) -> EnvironmentName {
        format!("pr-{}", self.0).parse().expect("an environment's name holds what a preview's does")
    }
}

/// The beginning of a text with a digest of all of it; at most `room` characters.
fn cut(text: &str, room: usize) -> String {
    let head = &text[..text.floor_char_boundary(room.saturating_sub(DIGEST))];
    let digest = blake3::hash(text.as_bytes()).to_hex();
    format!("{}-{}", head.trim_end_matches(['-', '_', '.']), &digest[..DIGEST - 1])
}

impl FromStr for PreviewName {
    type Err = PreviewNameError;

    /// Takes what is a name already.
    fn from_str(text: &str) -> Result<Self, PreviewNameError> {
        let made = Self::of_text(text)?;
        match made.0 == text {
            true => Ok(made),
            false => Err(PreviewNameError { given: text.chars().take(80).collect() }),
        }
    }
}

impl TryFrom<String> for PreviewName {
    type Error = PreviewNameError;

    fn try_from(text: String) -> Result<Self, PreviewNameError> {
        text.parse()
    }
}

impl From<PreviewName> for String {
    fn from(name: PreviewName) -> Self {
        name.0
    }
}

impl fmt::Display for PreviewName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What makes a Worker part of a preview: a copy of a target, with data of its own, that goes when
/// its branch does. It stands in the Worker's tags from the first upload on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// The preview.
    pub name: PreviewName,
    /// The environment of which it is a copy.
    pub from: EnvironmentName,
    /// The service.
    pub service: ServiceName,
    /// The customer, in a portfolio that has any.
    pub customer: Option<CustomerName>,
    /// When it was made; a tag keeps whole seconds.
    pub since: Timestamp,
    /// When it may go, if it ever ends by itself; a tag keeps whole seconds.
    pub ends: Option<Timestamp>,
    /// Who made it, as far as a tag can hold it: see [`Preview::maker`].
    pub by: String,
}

impl Preview {
    /// A person's name as a tag holds it.
    #[must_use]
    pub fn maker(by: &str) -> String {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "@._-".contains(c);
        by.chars().map(|c| if allowed(c) { c } else { '_' }).take(LONGEST_MAKER).collect()
    }

    /// Reads the part of a tag after its prefix.
    pub(crate) fn from_tag(text: &str) -> Option<Self> {
        let mut words = text.splitn(7, ':');
        let mut word = || words.next();
        let seconds = |text: &str| text.parse().ok().map(|s: i64| Timestamp::from_millis(s * 1000));
        let (name, from) = (word()?.parse().ok()?, word()?.parse().ok()?);
        let (service, customer) = (word()?.parse().ok()?, word()?);
        let customer = (!customer.is_empty()).then(|| customer.parse()).transpose().ok()?;
        let (since, ends) = (seconds(word()?)?, word()?);
        let ends = if ends.is_empty() { None } else { Some(seconds(ends)?) };
        Some(Self { name, from, service, customer, since, ends, by: word()?.to_owned() })
    }

    /// Writes that part.
    pub(crate) fn to_tag(&self) -> String {
        let Self { name, from, service, .. } = self;
        let customer = self.customer.as_ref().map(CustomerName::as_str).unwrap_or_default();
        let since = self.since.as_millis() / 1000;
        let ends = self.ends.map(|ends| (ends.as_millis() / 1000).to_string()).unwrap_or_default();
        let by = Self::maker(&self.by);
        format!("{name}:{from}:{service}:{customer}:{since}:{ends}:{by}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn named(text: &str) -> String {
        PreviewName::of_text(text).unwrap().to_string()
    }

    #[test]
    fn a_branch_becomes_a_name_that_a_hostname_can_hold() {
        assert_eq!(named("main"), "main");
        assert_eq!(named("Feature/New_Checkout"), "feature-new-checkout");
        assert_eq!(named("--fix..the//bug--"), "fix-the-bug");
        assert_eq!(named("fix/übel"), "fix-bel");
        for bad in ["", "/", "--", "ü"] {
            let error = PreviewName::of_text(bad).unwrap_err();
            assert!(error.to_string().contains(bad), "{error}");
        }
        for bad in ["A", "a/b", "a--b", "-a"] {
            assert!(bad.parse::<PreviewName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_long_name_is_cut_and_stays_apart_from_its_neighbours() {
        let long = "dependabot/npm_and_yarn/typescript-5.9.1";
        let (one, other) = (named(long), named(&long.replace("5.9.1", "5.9.2")));
        assert_ne!(one, other);
        for name in [one, other] {
            assert!(name.len() <= 28, "{name}");
            assert!(name.starts_with("dependabot-npm-and-ya"), "{name}");
            assert_eq!(named(&name), name, "a name is its own name");
        }
    }

    #[test]
    fn a_copy_bears_the_name_of_its_original_as_far_as_there_is_room() {
        let name = PreviewName::of_text("fix").unwrap();
        assert_eq!(name.name_of_copy("web-development", 63), "web-development-pr-fix");
        let long = "w".repeat(60);
        let copy = name.name_of_copy(&long, 63);
        assert_eq!(copy.len(), 63);
        assert!(copy.starts_with(&"w".repeat(49)) && copy.ends_with("-pr-fix"), "{copy}");
        assert_ne!(copy, name.name_of_copy(&"w".repeat(61), 63));
        let longest = PreviewName::of_text(&"x".repeat(28)).unwrap();
        let copy = longest.name_of_copy(&long, 63);
        assert!(copy.len() <= 63 && copy.starts_with("wwwwwwwwwwwwwwwwwwwwwwww-"), "{copy}");
        assert_eq!(name.environment().as_str(), "pr-fix");
    }

    #[test]
    fn a_preview_survives_its_tag() {
        let mut preview = Preview {
            name: PreviewName::of_text("fix/it").unwrap(),
            from: "development".parse().unwrap(),
            service: "web".parse().unwrap(),
            customer: "acme".parse().ok(),
            since: Timestamp::from_millis(1_764_374_400_000),
            ends: Some(Timestamp::from_millis(1_764_979_200_000)),
            by: Preview::maker("ada, the 1st@lap:top"),
        };
        assert_eq!(preview.by, "ada__the_1st@lap_top");
        assert_eq!(Preview::from_tag(&preview.to_tag()), Some(preview.clone()));
        (preview.customer, preview.ends) = (None, None);
        assert_eq!(Preview::from_tag(&preview.to_tag()), Some(preview));
        for bad in ["", "fix", "fix:development:web::x::ada", "Fix:development:web::1::ada"] {
            assert_eq!(Preview::from_tag(bad), None, "{bad}");
        }
    }
}
