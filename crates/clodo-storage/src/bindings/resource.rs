use crate::{BucketRef, DatabaseRef, NamespaceRef};
use std::{fmt, str::FromStr};

/// The header that says which resource a binding stands for.
pub const RESOURCE_HEADER: &str = "x-clodo-res";

/// What a binding stands for; as text `<account>/d1:<id>`, `<account>/kv:<id>` or
/// `<account>/r2:<bucket>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A database.
    D1(DatabaseRef),
    /// A namespace.
    Kv(NamespaceRef),
    /// A bucket.
    R2(BucketRef),
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::D1(at) => write!(f, "{}/d1:{}", at.account, at.id),
            Self::Kv(at) => write!(f, "{}/kv:{}", at.account, at.id),
            Self::R2(at) => write!(f, "{}/r2:{}", at.account, at.name),
        }
    }
}

/// Text that names no resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a resource is written `<account>/d1:<id>`, `<account>/kv:<id>` or `<account>/r2:<bucket>`"
)]
pub struct ResourceError;

impl FromStr for Resource {
    type Err = ResourceError;

    fn from_str(text: &str) -> Result<Self, ResourceError> {
        let (account, rest) = text.split_once('/').ok_or(ResourceError)?;
        let (kind, id) = rest.split_once(':').ok_or(ResourceError)?;
        let account = account.parse().map_err(|_| ResourceError)?;
        match kind {
            "d1" => Ok(Self::D1(DatabaseRef { account, id: parsed(id)? })),
            "kv" => Ok(Self::Kv(NamespaceRef { account, id: parsed(id)? })),
            "r2" => Ok(Self::R2(BucketRef { account, name: parsed(id)? })),
            _ => Err(ResourceError),
        }
    }
}

fn parsed<T: FromStr>(text: &str) -> Result<T, ResourceError> {
    text.parse().map_err(|_| ResourceError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_survives_its_text_form() {
        let account = "0123456789abcdef0123456789abcdef";
        for id in ["d1:018f3c5e-0000-7000-8000-000000000000", "r2:my-bucket"] {
            let text = format!("{account}/{id}");
            assert_eq!(text.parse::<Resource>().unwrap().to_string(), text);
        }
        for bad in
            ["", "d1:x", "0/d1:x", &format!("{account}/d1:../../etc"), &format!("{account}/do:x")]
        {
            assert_eq!(bad.parse::<Resource>(), Err(ResourceError), "{bad}");
        }
    }
}
