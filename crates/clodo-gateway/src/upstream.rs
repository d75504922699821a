use http::{Uri, uri::PathAndQuery};
use std::{fmt, net::IpAddr, str::FromStr};

/// The base URL of the API behind the gateway, without a slash at the end.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamUrl(Uri);

/// A text is no base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamUrlError {
    /// It is no URL at all.
    #[error("this is not an absolute URL")]
    NotAbsolute,
    /// It is neither `http` nor `https`.
    #[error("only `http` and `https` are spoken")]
    Scheme,
    /// It holds a user name or password.
    #[error("a user name or password does not belong into the URL: clients bring their own token")]
    Credentials,
    /// It holds a query.
    #[error("a base URL has no query")]
    Query,
}

impl UpstreamUrl {
    /// Cloudflare's own API.
    ///
    /// # Panics
    /// Never: the URL is valid.
    #[must_use]
    pub fn cloudflare() -> Self {
        "https://api.cloudflare.com/client/v4".parse().expect("the URL is valid")
    }

    /// True when a token would travel unencrypted to another machine.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        self.0.scheme_str() == Some("http") && !self.0.host().is_some_and(is_loopback)
    }

    /// The URL of what lies at `rest`, which is empty or starts with `/` or `?`.
    pub(crate) fn at(&self, rest: &str) -> Result<Uri, http::Error> {
        let path = format!("{}{rest}", self.0.path().trim_end_matches('/'));
        let path = PathAndQuery::try_from(if path.is_empty() { "/" } else { &path })?;
        let mut parts = self.0.clone().into_parts();
        parts.path_and_query = Some(path);
        Ok(Uri::from_parts(parts)?)
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

impl FromStr for UpstreamUrl {
    type Err = UpstreamUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| UpstreamUrlError::NotAbsolute)?;
        let authority = uri.authority().ok_or(UpstreamUrlError::NotAbsolute)?;
        if authority.as_str().contains('@') {
            return Err(UpstreamUrlError::Credentials);
        }
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(UpstreamUrlError::Scheme);
        }
        if uri.query().is_some() {
            return Err(UpstreamUrlError::Query);
        }
        let base = Self(uri);
        base.at("").map(Self).map_err(|_| UpstreamUrlError::NotAbsolute)
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches('/'))
    }
}

impl fmt::Debug for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UpstreamUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_joined_whatever_its_slashes() {
        for (base, rest, whole) in [
            (
                "https://api.cloudflare.com/client/v4",
                "/zones",
                "https://api.cloudflare.com/client/v4/zones",
            ),
            (
                "http://127.0.0.1:8787/client/v4/",
                "/zones?page=1",
                "http://127.0.0.1:8787/client/v4/zones?page=1",
            ),
            ("http://localhost:1", "/a%2Fb", "http://localhost:1/a%2Fb"),
            ("http://localhost:1/x", "?a=b", "http://localhost:1/x?a=b"),
            ("http://localhost:1", "", "http://localhost:1/"),
        ] {
            let base: UpstreamUrl = base.parse().unwrap();
            assert_eq!(base.at(rest).unwrap().to_string(), whole, "{base}");
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_a_reason() {
        for (text, error) in [
            ("", UpstreamUrlError::NotAbsolute),
            ("/client/v4", UpstreamUrlError::NotAbsolute),
            ("api.cloudflare.com", UpstreamUrlError::Scheme),
            ("ftp://a.test/x", UpstreamUrlError::Scheme),
            ("https://me:pw@a.test/x", UpstreamUrlError::Credentials),
            ("https://a.test/x?y=z", UpstreamUrlError::Query),
        ] {
            assert_eq!(text.parse::<UpstreamUrl>(), Err(error), "{text}");
        }
    }

    #[test]
    fn plain_http_is_safe_within_this_machine_only() {
        for (text, exposed) in [
            ("https://api.cloudflare.com/client/v4", false),
            ("http://127.0.0.1:8787/client/v4", false),
            ("http://[::1]:8787", false),
            ("http://localhost", false),
            ("http://10.0.0.7/client/v4", true),
            ("http://localhost.evil.test", true),
        ] {
            assert_eq!(text.parse::<UpstreamUrl>().unwrap().is_exposed(), exposed, "{text}");
        }
    }
}
