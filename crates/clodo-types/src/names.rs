use std::{fmt, str::FromStr};

/// Why a name or an id was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} `{given}`: {why}")]
pub struct NameError {
    what: &'static str,
    given: String,
    why: &'static str,
}

impl NameError {
    /// What the text should have been, such as `worker name`.
    #[must_use]
    pub fn what(&self) -> &'static str {
        self.what
    }
}

type Rule = fn(&str) -> Result<(), &'static str>;

fn checked(what: &'static str, text: &str, rule: Rule) -> Result<(), NameError> {
    rule(text).map_err(|why| NameError { what, given: text.chars().take(80).collect(), why })
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Borrows the checked text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                checked($what, text, $rule)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        // Config files and JSON go through the same gate as code.
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name_type! {
    /// The name of a portfolio: everything that one `clodo.toml` describes.
    PortfolioName, "portfolio name", label
}
name_type! {
    /// A service: a project folder with one Worker.
    ServiceName, "service name", label
}
name_type! {
    /// An environment, such as `development` or `production`.
    EnvironmentName, "environment name", label
}
name_type! {
    /// A customer: a tenant with an overlay of its own.
    CustomerName, "customer name", label
}
name_type! {
    /// The name by which a portfolio calls an account; the account's id is [`AccountId`].
    AccountName, "account name", label
}
name_type! {
    /// A Worker's name within one account: at most 255 letters, digits, `-` and `_`.
    ///
    /// Only names of up to 63 characters get a `workers.dev` hostname; Cloudflare accepts longer
    /// ones without.
    WorkerName, "worker name", worker
}
name_type! {
    /// A D1 database's name within one account: at most 64 characters.
    DatabaseName, "database name", database
}
name_type! {
    /// A KV namespace's title within one account: at most 512 bytes.
    NamespaceTitle, "KV namespace title", title
}
name_type! {
    /// An R2 bucket's name: 3 to 63 lower-case letters, digits and inner `-`.
    BucketName, "bucket name", bucket
}
name_type! {
    /// The name by which a Worker's code reaches a binding (`env.NAME`): a JavaScript identifier.
    BindingName, "binding name", identifier
}
name_type! {
    /// The name of a secret; it is a binding's name.
    SecretName, "secret name", identifier
}
name_type! {
    /// A full hostname in lower case, such as `shop.acme.test`; no port, no trailing dot.
    Hostname, "hostname", hostname
}
name_type! {
    /// A zone: a registered domain that one account manages.
    ZoneName, "zone name", hostname
}
name_type! {
    /// An account's id: 32 lower-case hexadecimal digits.
    AccountId, "account id", hex32
}
name_type! {
    /// A zone's id: 32 lower-case hexadecimal digits.
    ZoneId, "zone id", hex32
}
name_type! {
    /// A KV namespace's id: 32 lower-case hexadecimal digits.
    NamespaceId, "KV namespace id", hex32
}
name_type! {
    /// A queue's name within one account: 1 to 63 letters, digits, and inner `-` and `_`.
    QueueName, "queue name", label
}
name_type! {
    /// A queue's id: 32 lower-case hexadecimal digits.
    QueueId, "queue id", hex32
}
name_type! {
    /// A Workflow's name within one account: 1 to 64 letters, digits, `-` and `_`, not `-` first.
    WorkflowName, "workflow name", workflow
}
name_type! {
    /// A Workflow's id: a UUID.
    WorkflowId, "workflow id", uuid
}
name_type! {
    /// A D1 database's id: a UUID.
    DatabaseId, "database id", uuid
}
name_type! {
    /// The id of a Worker's version: a UUID.
    VersionId, "version id", uuid
}
name_type! {
    /// The id of one execution of a plan: a UUID.
    DeploymentId, "deployment id", uuid
}

impl Hostname {
    /// True for the zone's own name and for every name below it.
    #[must_use]
    pub fn is_within(&self, zone: &ZoneName) -> bool {
        self.0 == zone.0
            || self.0.strip_suffix(zone.as_str()).is_some_and(|rest| rest.ends_with('.'))
    }
}

fn sized(text: &str, max: usize) -> Result<(), &'static str> {
    match text.len() {
        0 => Err("it is empty"),
        n if n > max => Err("it is too long"),
        _ => Ok(()),
    }
}

fn label(text: &str) -> Result<(), &'static str> {
    sized(text, 63)?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !text.bytes().all(allowed) {
        return Err("only letters, digits, `-` and `_` are allowed");
    }
    if text.starts_with(['-', '_']) || text.ends_with(['-', '_']) {
        return Err("it must start and end with a letter or a digit");
    }
    Ok(())
}

fn worker(text: &str) -> Result<(), &'static str> {
    sized(text, 255)?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if text.bytes().all(allowed) {
        return Ok(());
    }
    Err("only letters, digits, `-` and `_` are allowed")
}

fn workflow(text: &str) -> Result<(), &'static str> {
    sized(text, 64)?;
    if text.starts_with('-') {
        return Err("it must not start with `-`");
    }
    worker(text)
}

fn database(text: &str) -> Result<(), &'static str> {
    sized(text, 64)?;
    worker(text)
}

fn title(text: &str) -> Result<(), &'static str> {
    sized(text, 512)?;
    if text.chars().any(char::is_control) {
        return Err("control characters are not allowed");
    }
    Ok(())
}

fn bucket(text: &str) -> Result<(), &'static str> {
    sized(text, 63)?;
    if text.len() < 3 {
        return Err("it is shorter than 3 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err("only a-z, 0-9 and `-` are allowed");
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err("it must start and end with a letter or a digit");
    }
    Ok(())
}

fn identifier(text: &str) -> Result<(), &'static str> {
    sized(text, 255)?;
    let first = text.as_bytes()[0];
    if !(first.is_ascii_alphabetic() || first == b'_' || first == b'$') {
        return Err("it must start with a letter, `_` or `$`");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$') {
        return Err("only letters, digits, `_` and `$` are allowed");
    }
    Ok(())
}

fn hostname(text: &str) -> Result<(), &'static str> {
    sized(text, 253)?;
    if !text.contains('.') {
        return Err("it needs at least two labels, such as `shop.example.com`");
    }
    for part in text.split('.') {
        if part.is_empty() || part.len() > 63 {
            return Err("each label must have 1 to 63 characters");
        }
        if !part
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        {
            return Err("only a-z, 0-9, `-` and `.` are allowed (write other letters in punycode)");
        }
        if part.starts_with('-') || part.ends_with('-') {
            return Err("a label must not start or end with `-`");
        }
    }
    Ok(())
}

fn hex32(text: &str) -> Result<(), &'static str> {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() == 32 && text.bytes().all(digit) {
        return Ok(());
    }
    Err("32 lower-case hexadecimal digits are expected")
}

fn uuid(text: &str) -> Result<(), &'static str> {
    let fits = text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        });
    if fits { Ok(()) } else { Err("a lower-case UUID is expected") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn names_are_checked_on_the_way_in() {
        assert!("shop.acme.test".parse::<Hostname>().is_ok());
        for bad in ["", "localhost", "Shop.acme.test", "a..b", "-a.b", "a.b.", "a b.c"] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad}");
        }
        assert!("My_Worker".parse::<WorkerName>().is_ok());
        assert!("My Worker".parse::<WorkerName>().is_err());
        assert!("DB".parse::<BindingName>().is_ok());
        assert!("1DB".parse::<BindingName>().is_err());
        assert!("ab".parse::<BucketName>().is_err());
        assert!("0123456789abcdef0123456789abcdef".parse::<AccountId>().is_ok());
        assert!("0123456789ABCDEF0123456789abcdef".parse::<AccountId>().is_err());
        assert!("018f3c5e-0000-7000-8000-000000000000".parse::<VersionId>().is_ok());
        assert!("_Orders-2".parse::<WorkflowName>().is_ok());
        for bad in ["", "-a", "a b", "a/b", &"a".repeat(65)] {
            assert!(bad.parse::<WorkflowName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn json_goes_through_the_same_gate() {
        assert!(serde_json::from_str::<DatabaseName>(r#""Bad Name""#).is_err());
        let name: DatabaseName = serde_json::from_str(r#""catalog-db""#).unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), r#""catalog-db""#);
    }

    #[test]
    fn a_long_name_is_cut_in_the_message() {
        let error = "x".repeat(10_000).parse::<WorkerName>().unwrap_err();
        assert!(error.to_string().len() < 200);
    }

    #[test]
    fn a_hostname_lies_within_its_zone_only() {
        let zone: ZoneName = "acme.test".parse().unwrap();
        let within = |host: &str| host.parse::<Hostname>().unwrap().is_within(&zone);
        assert!(within("acme.test"));
        assert!(within("shop.acme.test"));
        assert!(!within("notacme.test"));
    }

    proptest! {
        #[test]
        fn no_text_makes_a_check_panic(text in any::<String>()) {
            let _ = text.parse::<Hostname>();
            let _ = text.parse::<WorkerName>();
            let _ = text.parse::<BindingName>();
            let _ = text.parse::<VersionId>();
        }
    }
}
