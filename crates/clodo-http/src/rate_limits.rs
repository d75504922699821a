use crate::retry_policy::retry_after;
use clodo_resilience::RateLimits;
use http::{HeaderMap, StatusCode};
use std::time::Duration;

/// What an answer says about the budget of calls: the headers `Ratelimit` and `Ratelimit-Policy`,
/// and `Retry-After` of a 429.
#[must_use]
pub fn rate_limits(status: StatusCode, headers: &HeaderMap) -> RateLimits {
    let now = tightest(headers, "ratelimit", b'r');
    let policy = tightest(headers, "ratelimit-policy", b'q');
    let refused = status == StatusCode::TOO_MANY_REQUESTS;
    RateLimits {
        remaining: now.and_then(|item| item.amount),
        resets_in: now.and_then(|item| item.seconds).map(Duration::from_secs),
        quota: policy.and_then(|item| item.amount),
        window: policy.and_then(|item| item.seconds).map(Duration::from_secs),
        refused_for: retry_after(headers).filter(|_| refused),
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Item {
    amount: Option<u64>,
    seconds: Option<u64>,
}

/// `"default";r=50;t=30`, or several of them with commas: the one with the least amount counts.
fn tightest(headers: &HeaderMap, name: &str, amount: u8) -> Option<Item> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let items = values.flat_map(|value| value.split(',')).map(|text| item(text, amount));
    items.filter(|item| item.amount.is_some()).min_by_key(|item| item.amount)
}

fn item(text: &str, amount: u8) -> Item {
    let mut item = Item::default();
    for parameter in text.split(';') {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let number = value.trim().parse().ok();
        match name.trim().as_bytes() {
            [letter] if *letter == amount => item.amount = number,
            b"t" | b"w" => item.seconds = number,
            _ => (),
        }
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(limit: &str, remaining: Option<u64>, seconds: Option<u64>) {
        let mut headers = HeaderMap::new();
        headers.insert("ratelimit", limit.parse().unwrap());
        let said = rate_limits(StatusCode::OK, &headers);
        assert_eq!(said.remaining, remaining, "{limit}");
        assert_eq!(said.resets_in, seconds.map(Duration::from_secs), "{limit}");
    }

    #[test]
    fn the_header_is_read_in_every_shape() {
        check(r#""default";r=50;t=30"#, Some(50), Some(30));
        check(r#""default"; r=50 ; t=30"#, Some(50), Some(30));
        check(r#""a";r=9;t=1, "b";r=3;t=7"#, Some(3), Some(7));
        check(r#""default";r=50"#, Some(50), None);
        check(r#""default";t=30"#, None, None);
        check(r#""default";r=-1;t=x"#, None, None);
        check("", None, None);
        check(";;=;r=;t==", None, None);
    }

    #[test]
    fn policy_and_refusal_are_read_too() {
        let mut headers = HeaderMap::new();
        headers.insert("ratelimit-policy", r#""default";q=1200;w=300"#.parse().unwrap());
        headers.insert("retry-after", "12".parse().unwrap());
        let said = rate_limits(StatusCode::TOO_MANY_REQUESTS, &headers);
        assert_eq!((said.quota, said.window), (Some(1200), Some(Duration::from_secs(300))));
        assert_eq!(said.refused_for, Some(Duration::from_secs(12)));
        let fine = rate_limits(StatusCode::SERVICE_UNAVAILABLE, &headers);
        assert_eq!(fine.refused_for, None, "only a 429 speaks of the budget");
    }
}
